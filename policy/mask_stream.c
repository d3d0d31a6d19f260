/* Values that come in pieces. */
#include "base/macro.h"
#include "policy/mask.h"

#define AHEAD (DETECT_LONGEST + DETECT_BEYOND)

static bool is_streamed(const struct mask_how *how)
{
	return how->detect && !(how->detect >> DETECT_PATTERN_0);
}

static void begin(struct mask_stream *s)
{
	buf_reset(&s->held);
	s->from = s->at = 0;
	s->run = RUN_NONE;
}

void mask_stream_init(struct mask_stream *s, const struct mask_how *how, size_t limit)
{
	*s = (struct mask_stream){.how = how, .is_whole = !is_streamed(how)};
	buf_init(&s->held, limit);
	begin(s);
}

void mask_stream_done(struct mask_stream *s)
{
	buf_wipe(&s->held);
}

static void skip_run(struct mask_stream *s)
{
	struct span v = buf_span(&s->held);
	while (s->from < v.len && detect_run_has(s->run, v.p[s->from]))
		s->from++;
	if (s->from < v.len)
		s->run = RUN_NONE;
	s->at = MAX(s->at, s->from);
}

/* Finds that begin before until are shown masked, and what is between them. */
static void show_finds(struct mask_stream *s, size_t until, struct buf *out)
{
	struct detect d = {s->how->detect, s->how->bare, NULL};
	struct span v = buf_span(&s->held);
	struct find f;
	while (s->run == RUN_NONE && detect_part(&d, v, s->from, s->at, until, &f)) {
		buf_add(out, v.p + s->from, f.at - s->from);
		mask_find(s->how, span_of(v.p + f.at, f.len), out);
		s->from = s->at = f.at + f.len;
		if (f.len > DETECT_LONGEST && s->from == v.len)
			s->run = f.run;
	}
	s->at = MAX(s->at, MIN(until, v.len));
}

static void show_plain(struct mask_stream *s, size_t until, struct buf *out)
{
	if (until <= s->from)
		return;
	buf_add(out, buf_span(&s->held).p + s->from, until - s->from);
	s->from = until;
}

/* What is in front of what is still to be searched stays, for the words and bytes before a find. */
static void forget(struct mask_stream *s)
{
	size_t n = s->from > DETECT_BEHIND ? s->from - DETECT_BEHIND : 0;
	if (n < DETECT_LONGEST && n < buf_len(&s->held) / 2)
		return;
	buf_consume(&s->held, n);
	s->from -= n;
	s->at -= n;
}

static void drain(struct mask_stream *s, bool is_end, struct buf *out)
{
	size_t len = buf_len(&s->held);
	size_t until = is_end ? len : len > AHEAD ? len - AHEAD : 0;
	skip_run(s);
	if (until > s->at)
		show_finds(s, until, out);
	if (s->run == RUN_NONE)
		show_plain(s,
			   is_end		   ? len
			   : s->at > DETECT_BEHIND ? s->at - DETECT_BEHIND
						   : 0,
			   out);
	if (!is_end)
		forget(s);
}

int mask_stream_feed(struct mask_stream *s, struct span piece, struct buf *out)
{
	for (size_t at = 0; at < piece.len && !buf_err(&s->held);) {
		size_t n =
		    s->is_whole ? piece.len : MIN(piece.len - at, (size_t)DETECT_LONGEST / 2);
		buf_add(&s->held, piece.p + at, n);
		at += n;
		if (!s->is_whole && !buf_err(&s->held))
			drain(s, false, out);
	}
	return buf_err(&s->held);
}

int mask_stream_end(struct mask_stream *s, struct buf *out, bool *ret_is_value)
{
	int err = buf_err(&s->held);
	bool is_value = true;
	if (!err && s->is_whole)
		is_value = mask_text(s->how, buf_span(&s->held), out);
	else if (!err)
		drain(s, true, out);
	begin(s);
	if (!err)
		*ret_is_value = is_value;
	return err;
}
