/* The client's messages: framing, what each type may be, when it has to wait. */
#include "proto/postgres/work.h"

#include "base/macro.h"

#define BODY_KEEP 4096 /* memory that an idle session may keep for the next message */

struct client_msg {
	int (*on)(struct pg *pg, struct span body, struct sink *out);
	uint32_t max;	       /* of the length field */
	bool is_fenced;	       /* waits for what may change its meaning */
	bool is_passed;	       /* CopyData: goes on as it comes */
	bool survives_discard; /* is acted on in a pipeline that has failed */
};

static int on_terminate(struct pg *pg, struct span body, struct sink *out)
{
	(void)body;
	msg_add(out->to[TO_SERVER], 'X', (struct span){0});
	if (pg->tracks.n && !pg->copy.is_open) {
		pg->is_terminated = true;
		return 0;
	}
	pg->phase = PG_OVER;
	return ERR_CLOSED;
}

/* An empty slot is a message that no client may send here. */
static const struct client_msg messages[256] = {
    ['Q'] = {on_query, MSG_LARGE_MAX, .is_fenced = true},
    ['F'] = {on_call, MSG_LARGE_MAX, .is_fenced = true},
    ['P'] = {on_parse, MSG_LARGE_MAX, .is_fenced = true},
    ['B'] = {on_bind, MSG_LARGE_MAX, .is_fenced = true},
    ['D'] = {on_describe, MSG_SMALL_MAX, .is_fenced = true},
    ['E'] = {on_execute, MSG_SMALL_MAX, .is_fenced = true},
    ['C'] = {on_close, MSG_SMALL_MAX, .is_fenced = true},
    ['S'] = {on_sync, 4, .survives_discard = true},
    ['H'] = {on_flush, 4},
    ['d'] = {NULL, MSG_LARGE_MAX, .is_passed = true},
    ['c'] = {on_copy_end, 4},
    ['f'] = {on_copy_end, MSG_SMALL_MAX},
    ['X'] = {on_terminate, 4, .survives_discard = true},
};

/* Makes the server answer what it was sent, so that a wait ends. */
static int await_server(struct pg *pg, struct sink *out)
{
	if (pg->is_unflushed)
		msg_add(out->to[TO_SERVER], 'H', (struct span){0});
	pg->is_unflushed = false;
	return PG_WAIT;
}

static int act(struct pg *pg, const struct client_msg *m, struct span body, struct sink *out)
{
	if (pg->discards && !m->survives_discard)
		return 0;
	if (pg->copy.is_open && !pg->copy.is_done_sent && m->is_fenced)
		return ERR_STATE; /* the server would end the session */
	bool is_kept_back = pg->cut.is_on && !pg->discards; /* until what fails has failed */
	if ((m->is_fenced && pg->tracks.n_fences) || tracks_full(&pg->tracks) || is_kept_back)
		return PG_WAIT;
	bool is_joined = pg->client.type == 'B' && extended_is_bind_of_deferred(pg, body);
	int err = is_joined ? 0 : extended_settle(pg, out);
	if (err)
		return err;
	if (pg->discards && !m->survives_discard) /* the deferred one was refused */
		return 0;
	return m->on(pg, body, out);
}

static int refuse_too_big(struct pg *pg, struct sink *out)
{
	struct msg_error e = {
	    .severity = "ERROR",
	    .sqlstate = "54000",
	    .message = "message is too long to be decided on: the gateway reads up to 16 MiB",
	    .hint = "Use COPY, or send the data in several statements.",
	};
	int err = extended_settle(pg, out);
	if (err || pg->discards)
		return err;
	bool is_simple = pg->client.type == 'Q' || pg->client.type == 'F';
	return is_simple ? refuse_query(pg, &e, out) : refuse_extended(pg, &e, out);
}

static void message_done(struct pg *pg)
{
	struct client_in *c = &pg->client;
	c->is_pending = c->is_too_big = false;
	c->step = CLIENT_HEADER;
	pg->is_barrier_done = pg->is_facts_asked = pg->are_views_asked = false;
	if (c->body.cap > BODY_KEEP)
		buf_done(&c->body);
	else
		buf_reset(&c->body);
}

int client_dispatch(struct pg *pg, struct sink *out)
{
	struct client_in *c = &pg->client;
	int err = c->is_too_big ? refuse_too_big(pg, out)
				: act(pg, &messages[c->type], buf_span(&c->body), out);
	if (err == PG_WAIT)
		return await_server(pg, out);
	if (err != ERR_HELD)
		message_done(pg);
	return err;
}

int client_decided(struct pg *pg, const struct decision *d, struct sink *out)
{
	bool is_settling = pg->deciding.is_settling;
	int err = pg->deciding.after(pg, d, out);
	if (err)
		return err;
	if (is_settling)
		return client_dispatch(pg, out);
	message_done(pg);
	return 0;
}

/* CopyData that no COPY waits for is ignored by the server: it need not see it. */
static bool is_copy_expected(const struct pg *pg)
{
	return !pg->discards &&
	       (pg->copy.is_open ? !pg->copy.is_done_sent : pg->tracks.n_copies > 0);
}

static void begin_passed(struct pg *pg, struct span header, struct sink *out)
{
	bool is_wanted = is_copy_expected(pg);
	pg->client.step = is_wanted ? CLIENT_PASS : CLIENT_DROP;
	if (!is_wanted)
		return;
	pg->copy.has_data = true;
	sink_pass(out, FROM_CLIENT, header);
}

/* A message that is there whole: it stays in the input until it need not wait. */
static int whole(struct pg *pg, struct cur *in, struct cur behind, struct span body,
		 struct sink *out)
{
	struct client_in *c = &pg->client;
	buf_add_span(&c->body, body);
	if (buf_err(&c->body))
		return buf_err(&c->body);
	c->is_pending = true;
	int err = client_dispatch(pg, out);
	if (err == PG_WAIT) {
		message_done(pg);
		return err;
	}
	*in = behind;
	return err;
}

static int header(struct pg *pg, struct cur *in, struct sink *out)
{
	struct client_in *c = &pg->client;
	struct cur at = *in;
	struct span head = cur_bytes(&at, MSG_HEADER);
	if (cur_err(&at))
		return PG_WAIT;
	struct cur h = cur_of(head);
	c->type = cur_u8(&h);
	uint32_t len = cur_u32(&h);
	const struct client_msg *m = &messages[c->type];
	if (!m->max || len < 4)
		return ERR_MALFORMED;
	if (pg->is_replication && !strchr("QdcfX", c->type))
		return ERR_STATE; /* the server has simple queries only */
	if (len > m->max)
		return ERR_LIMIT;
	c->left = len - 4;
	if (!m->is_passed && cur_left(&at) >= c->left) {
		struct span body = cur_bytes(&at, c->left);
		return whole(pg, in, at, body, out);
	}
	*in = at;
	c->is_too_big = !m->is_passed && c->left > MSG_WHOLE_MAX;
	c->step = c->is_too_big ? CLIENT_DROP : CLIENT_GATHER;
	if (m->is_passed)
		begin_passed(pg, head, out);
	return 0;
}

static int gather(struct pg *pg, struct cur *in, struct sink *out)
{
	struct client_in *c = &pg->client;
	size_t n = MIN((size_t)c->left, cur_left(in));
	buf_add_span(&c->body, cur_bytes(in, n));
	c->left -= (uint32_t)n;
	if (buf_err(&c->body))
		return buf_err(&c->body);
	if (c->left)
		return PG_WAIT;
	c->is_pending = true;
	int err = client_dispatch(pg, out);
	if (err != PG_WAIT)
		return err;
	/* Unread input is what makes the flow come again: the last byte is given back. */
	c->is_pending = false;
	c->body.end--;
	c->left++;
	in->p--;
	return err;
}

static int pass(struct pg *pg, struct cur *in, struct sink *out)
{
	struct client_in *c = &pg->client;
	size_t n = MIN((size_t)c->left, cur_left(in));
	struct span bytes = cur_bytes(in, n);
	if (c->step == CLIENT_PASS)
		sink_pass(out, FROM_CLIENT, bytes);
	c->left -= (uint32_t)n;
	if (c->left)
		return PG_WAIT;
	c->step = CLIENT_HEADER;
	if (!c->is_too_big)
		return 0;
	c->is_pending = true;
	return client_dispatch(pg, out);
}

int client_feed(struct pg *pg, struct cur *in, struct sink *out)
{
	static int (*const steps[])(struct pg *, struct cur *, struct sink *) = {
	    [CLIENT_HEADER] = header,
	    [CLIENT_GATHER] = gather,
	    [CLIENT_PASS] = pass,
	    [CLIENT_DROP] = pass,
	};
	int err = pg->client.is_pending ? client_dispatch(pg, out) : 0;
	if (!err && pg->is_terminated)
		(void)cur_bytes(in, cur_left(in));
	while (!err && !pg->is_terminated && (pg->client.step != CLIENT_HEADER || cur_left(in)))
		err = steps[pg->client.step](pg, in, out);
	return err == PG_WAIT ? 0 : err;
}
