#include <errno.h>

#include "record/journal.h"

/* An event's marks are less than twice as long as the shortest event with its prefix. */
#define MARKS_A_BYTE 2

void batch_init(struct batch *b, size_t limit)
{
	*b = (struct batch){0};
	buf_init(&b->events, limit);
	buf_init(&b->marks, MARKS_A_BYTE * limit);
}

void batch_done(struct batch *b)
{
	buf_done(&b->events);
	buf_done(&b->marks);
}

void batch_reset(struct batch *b)
{
	buf_reset(&b->events);
	buf_reset(&b->marks);
	b->first = b->last = 0;
	b->n_positions = 0;
}

uint8_t *batch_add(struct batch *b, uint64_t seq, size_t len)
{
	uint32_t frame = (uint32_t)len;
	uint8_t *to = buf_reserve(&b->events, JOURNAL_FRAME + len);
	if (!to)
		return NULL;
	memcpy(to, &frame, JOURNAL_FRAME);
	buf_commit(&b->events, JOURNAL_FRAME + len);
	b->first = b->first ? b->first : seq;
	b->last = seq;
	return to + JOURNAL_FRAME;
}

int batch_mark(struct batch *b, const struct marks *m, const uint8_t prev[HASH_LEN], size_t shift)
{
	struct marks *to = (struct marks *)buf_reserve(&b->marks, sizeof(*to));
	if (!to)
		return buf_err(&b->marks);
	*to = *m;
	memcpy(to->prev, prev, HASH_LEN);
	to->shift = (uint32_t)shift;
	buf_commit(&b->marks, sizeof(*to));
	return 0;
}

int batch_marks(const struct batch *b, struct buf *out)
{
	struct span stored;
	for (size_t at = 0; batch_next(b, &at, &stored);) {
		struct marks m;
		int err = marks_read(&m, stored);
		if (err < 0)
			return err;
		buf_add(out, &m, sizeof(m));
	}
	return buf_err(out);
}

void batch_end(const struct batch *b, struct batch_place *ret)
{
	ret->events = buf_len(&b->events);
	ret->marks = buf_len(&b->marks);
	ret->first = b->first;
	ret->last = b->last;
	memcpy(ret->hash, b->hash, HASH_LEN);
	memcpy(ret->positions, b->positions, sizeof(ret->positions));
	ret->n_positions = b->n_positions;
}

void batch_since(const struct batch *b, const struct batch_place *from, struct batch *ret_part)
{
	bool is_empty = buf_len(&b->events) == from->events;
	*ret_part = *b;
	ret_part->events.start += from->events;
	ret_part->marks.start += from->marks;
	ret_part->first = is_empty ? 0 : from->first ? from->last + 1 : b->first;
	ret_part->last = is_empty ? 0 : b->last;
}

void batch_back(struct batch *b, const struct batch_place *to)
{
	b->events.end = b->events.start + to->events;
	b->marks.end = b->marks.start + to->marks;
	b->events.err = b->marks.err = 0;
	b->first = to->first;
	b->last = to->last;
	memcpy(b->hash, to->hash, HASH_LEN);
	memcpy(b->positions, to->positions, sizeof(b->positions));
	b->n_positions = to->n_positions;
}

bool batch_next(const struct batch *b, size_t *at, struct span *ret_stored)
{
	struct span all = buf_span(&b->events);
	uint32_t len;
	if (all.len - *at < JOURNAL_FRAME)
		return false;
	memcpy(&len, all.p + *at, JOURNAL_FRAME);
	if (len > all.len - *at - JOURNAL_FRAME)
		return false;
	*ret_stored = span_of(all.p + *at + JOURNAL_FRAME, len);
	*at += JOURNAL_FRAME + len;
	return true;
}
