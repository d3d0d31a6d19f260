/* The server's messages: framing. What goes through goes in runs, without a copy of its own; of
 * what is looked at, only the head is gathered; the rest passes as it comes. */
#include "proto/lend.h"
#include "proto/postgres/copy_out.h"
#include "proto/postgres/cut.h"

#include <endian.h>

#include "base/macro.h"

#define ROW_STEP (16 * 1024) /* so that many short fields are not walked over once for each */

void server_flush(struct pg *pg, struct sink *out)
{
	sink_lend(out, FROM_SERVER, pg->server.run);
	pg->server.run = (struct span){0};
}

void server_pass(struct pg *pg, struct span bytes, struct sink *out)
{
	struct span *run = &pg->server.run;
	if (run->p && run->p + run->len == bytes.p) {
		run->len += bytes.len;
		return;
	}
	server_flush(pg, out);
	*run = bytes;
}

static void pass_header(struct pg *pg, struct sink *out)
{
	uint32_t len = pg->server.body_len + 4;
	uint8_t h[MSG_HEADER] = {pg->server.type, (uint8_t)(len >> 24), (uint8_t)(len >> 16),
				 (uint8_t)(len >> 8), (uint8_t)len};
	server_flush(pg, out);
	sink_send(out, TO_CLIENT, h, sizeof(h));
}

/* The head is there: what to do with the message. */
static int gathered(struct pg *pg, struct sink *out)
{
	struct server_in *s = &pg->server;
	enum verdict v = ANSWER_PASS;
	int err = answer_take(pg, s->type, buf_span(&s->head), out, &v);
	if (err)
		return err;
	s->is_dropped = v == ANSWER_DROP;
	if (v == ANSWER_PASS) {
		pass_header(pg, out);
		sink_pass(out, FROM_SERVER, buf_span(&s->head));
	}
	buf_done(&s->head);
	s->step = s->left ? SERVER_PASS : SERVER_HEADER;
	return 0;
}

/* Into these nobody looks, and they come in numbers: all that are there whole go through at once. */
static void pass_alike(struct pg *pg, struct cur *in, struct sink *out)
{
	const uint8_t *p = in->p, *end = p + cur_left(in);
	uint64_t n = 0;
	for (uint32_t len; end - p >= MSG_HEADER && *p == pg->server.type; n++) {
		memcpy(&len, p + 1, sizeof(len));
		len = be32toh(len);
		if (len < 4 || len > (size_t)(end - p) - 1)
			break; /* for header() to judge */
		p += 1 + (size_t)len;
	}
	if (pg->server.type == 'd')
		pg->streamed += (uint64_t)(p - in->p) - n * MSG_HEADER;
	server_pass(pg, cur_bytes(in, (size_t)(p - in->p)), out);
}

static int whole(struct pg *pg, struct cur *in, size_t head, struct sink *out)
{
	struct server_in *s = &pg->server;
	enum verdict v = ANSWER_PASS;
	struct span all = cur_bytes(in, MSG_HEADER + (size_t)s->body_len);
	struct span body = span_of(all.p + MSG_HEADER, MIN((size_t)s->body_len, head));
	int err = answer_take(pg, s->type, body, out, &v);
	if (err || v != ANSWER_PASS)
		return err;
	server_pass(pg, all, out);
	if (!head && (s->type == 'D' || s->type == 'd') && !pg->cut.is_on)
		pass_alike(pg, in, out);
	return 0;
}

static int header(struct pg *pg, struct cur *in, struct sink *out)
{
	struct server_in *s = &pg->server;
	struct cur at = *in;
	bool is_whole = false;
	if (pg->has_masks && !pg->cut.is_on && cur_left(in) && *in->p == 'D') {
		int err = answer_rows(pg, in, out);
		if (err)
			return err;
		at = *in;
	}
	if (copy_out_is_shown_only(pg) && cur_left(in) && *in->p == 'd') {
		int err = copy_out_whole(pg, in, out);
		if (err)
			return err;
		at = *in;
	}
	if (cur_left(in) < MSG_HEADER)
		return PG_WAIT;
	s->type = cur_u8(&at);
	uint32_t len = cur_u32(&at);
	int head = answer_head(pg, s->type, &is_whole);
	if (head < 0)
		return ERR_STATE;
	if (len < 4)
		return ERR_MALFORMED;
	s->body_len = len - 4;
	if (s->type == 'd' && copy_out_is_on(pg) && len <= INT32_MAX) {
		*in = at;
		s->left = s->body_len;
		s->step = SERVER_COPY;
		if (pg->copy_out.client)
			server_flush(pg, out);
		else
			pass_header(pg, out);
		return 0;
	}
	if (len > INT32_MAX || (is_whole && s->body_len > (uint32_t)head))
		return ERR_LIMIT;
	if (cur_left(&at) >= s->body_len)
		return whole(pg, in, (size_t)head, out);
	*in = at;
	s->left = s->body_len;
	s->wanted = MIN(s->body_len, (uint32_t)head);
	s->step = SERVER_GATHER;
	return 0;
}

/* Of a row that is rewritten the masked columns must be there; the rest goes through. */
static int gather_row(struct pg *pg, struct sink *out)
{
	struct server_in *s = &pg->server;
	size_t wanted = rows_wanted(pg, buf_span(&s->head));
	if (wanted <= s->wanted)
		return gathered(pg, out);
	if (wanted > s->body_len)
		return ERR_MALFORMED;
	if (wanted > pg->env.mask_limit)
		return pg_fails(pg, ERR_LIMIT, "54000", MASK_TOO_LONG);
	s->wanted = (uint32_t)MIN(MAX(wanted, (size_t)s->wanted + ROW_STEP), (size_t)s->body_len);
	return 0;
}

static int gather(struct pg *pg, struct cur *in, struct sink *out)
{
	struct server_in *s = &pg->server;
	size_t wanted = s->wanted - buf_len(&s->head);
	size_t n = MIN(wanted, cur_left(in));
	buf_add_span(&s->head, cur_bytes(in, n));
	s->left -= (uint32_t)n;
	if (buf_err(&s->head))
		return buf_err(&s->head);
	if (n < wanted)
		return PG_WAIT;
	if (s->type == 'D' && pg->has_masks && s->left && !pg->cut.is_on)
		return gather_row(pg, out);
	return gathered(pg, out);
}

static int stream(struct pg *pg, struct cur *in, struct sink *out)
{
	struct server_in *s = &pg->server;
	size_t n = MIN((size_t)s->left, cur_left(in));
	struct span bytes = cur_bytes(in, n);
	if (!s->is_dropped)
		server_pass(pg, bytes, out);
	s->left -= (uint32_t)n;
	if (s->left)
		return PG_WAIT;
	s->step = SERVER_HEADER;
	return 0;
}

/* CopyData that is masked, or recorded masked. */
static int copy(struct pg *pg, struct cur *in, struct sink *out)
{
	struct server_in *s = &pg->server;
	size_t n = MIN((size_t)s->left, cur_left(in));
	bool is_first = s->left == s->body_len, is_last = n == s->left;
	if (!n && !is_last)
		return PG_WAIT;
	s->left -= (uint32_t)n;
	if (is_last)
		s->step = SERVER_HEADER;
	return copy_out_data(pg, cur_bytes(in, n), is_first, is_last, out);
}

int server_feed(struct pg *pg, struct cur *in, struct sink *out)
{
	static int (*const steps[])(struct pg *, struct cur *, struct sink *) = {
	    [SERVER_HEADER] = header,
	    [SERVER_GATHER] = gather,
	    [SERVER_PASS] = stream,
	    [SERVER_COPY] = copy,
	};
	int err = 0;
	while (!err) {
		err = steps[pg->server.step](pg, in, out);
		if (err == ERR_DENIED || err == ERR_LIMIT)
			err = cut_begin(pg, err, out);
	}
	server_flush(pg, out);
	return err == PG_WAIT ? 0 : err;
}
