/* What the recorder says, line by line from its pipe: to a client as it is, or summed up. */
#include <errno.h>
#include <fcntl.h>

#include "base/log.h"
#include "base/macro.h"
#include "control/control_internal.h"

#define LINE_MAX_BYTES (4 * 1024 * 1024)

struct relay {
	struct control *c;
	struct conn_hold hold;
	struct source pipe;
	struct deferred free_later;
	struct buf line;
	bool only_own; /* lines of other people's sessions are left out */
	uid_t uid;
	const struct relay_sink *sink; /* NULL: lines go to the client */
	void *ctx;		       /* the sink's */
};

static void on_free(struct deferred *d)
{
	struct relay *r = (struct relay *)((char *)d - offsetof(struct relay, free_later));
	buf_done(&r->line);
	if (r->sink)
		r->sink->free(r->ctx);
	free(r);
}

static void relay_stop(struct relay *r)
{
	if (r->pipe.fd < 0)
		return;
	conn_release(&r->hold);
	loop_del(r->c->loop, &r->pipe);
	closep(&r->pipe.fd); /* the recorder sees it, and stops */
	r->pipe.fd = -1;
	loop_defer(r->c->loop, &r->free_later);
}

static void on_gone(struct conn_hold *h)
{
	relay_stop((struct relay *)((char *)h - offsetof(struct relay, hold)));
}

/* --- relaying ----------------------------------------------------------------------------------- */

static bool is_own(const struct relay *r, struct span line)
{
	json_t *e = json_loadb((const char *)line.p, line.len, 0, NULL);
	const char *id = json_string_value(json_object_get(e, "session"));
	const struct session *s = id ? session_by_id(&r->c->sessions, id) : NULL;
	json_decref(e);
	return s && s->uid == r->uid;
}

static void take_line(struct relay *r, struct span line)
{
	if (r->only_own && !is_own(r, line))
		return;
	if (r->sink)
		r->sink->line(r->ctx, line);
	else
		conn_stream_add(r->hold.conn, line);
}

/* Whole lines only, as many as are there at once: what a client reads is never cut within one. */
static void take_lines(struct relay *r)
{
	struct span s = buf_span(&r->line);
	const uint8_t *last = s.len ? memrchr(s.p, '\n', s.len) : NULL;
	size_t len = last ? (size_t)(last - s.p) + 1 : 0;
	if (!r->sink && !r->only_own && len) {
		conn_stream_add(r->hold.conn, span_of(s.p, len));
		buf_consume(&r->line, len);
		return;
	}
	for (size_t at = 0; at < len && r->hold.conn;) {
		const uint8_t *end = memchr(s.p + at, '\n', len - at);
		size_t n = (size_t)(end - (s.p + at)) + 1;
		take_line(r, span_of(s.p + at, n));
		at += n;
	}
	buf_consume(&r->line, len);
}

static void finish(struct relay *r, bool is_whole)
{
	struct conn *conn = r->hold.conn;
	conn_release(&r->hold);
	if (conn && r->sink && is_whole)
		r->sink->answer(r->ctx, conn);
	else if (conn && r->sink)
		conn_fail(conn, 503, NULL, "the recorder does not answer");
	else if (conn)
		conn_stream_end(conn, is_whole);
	relay_stop(r);
}

static void on_pipe(struct source *s, uint32_t events)
{
	struct relay *r = (struct relay *)((char *)s - offsetof(struct relay, pipe));
	(void)events;
	if (r->hold.conn && !r->sink && conn_stream_full(r->hold.conn)) {
		if (loop_mod(r->c->loop, s, 0) < 0)
			finish(r, false);
		return;
	}
	uint8_t *to = buf_reserve(&r->line, 65536);
	ssize_t n = to ? read(s->fd, to, 65536) : -1;
	if (!to || (n < 0 && errno != EAGAIN)) {
		finish(r, false);
	} else if (n == 0) {
		finish(r, buf_len(&r->line) == 0); /* half a line: the recorder died */
	} else if (n > 0) {
		buf_commit(&r->line, (size_t)n);
		take_lines(r);
	}
}

static void on_drained(struct conn *conn)
{
	struct relay *r =
		conn->hold ? (struct relay *)((char *)conn->hold - offsetof(struct relay, hold)) : NULL;
	if (r && r->pipe.fd >= 0 && loop_mod(r->c->loop, &r->pipe, EPOLLIN) < 0)
		finish(r, false);
}

static int open_pipe(struct control *c, struct relay *r, json_t *query)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0) {
		json_decref(query);
		return -errno;
	}
	int err = peer_send(&c->recorder, query, ends[1]);
	close(ends[1]);
	r->pipe = (struct source){ends[0], EPOLLIN, on_pipe, false};
	if (err == 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
		err = -errno;
	return err == 0 ? loop_add(c->loop, &r->pipe) : err;
}

static struct relay *start(struct conn *conn, json_t *query)
{
	struct relay *r = calloc(1, sizeof(*r));
	if (!r) {
		json_decref(query);
		conn_fail(conn, 503, NULL, "out of memory");
		return NULL;
	}
	r->c = conn->c;
	r->pipe.fd = -1;
	r->free_later.run = on_free;
	r->uid = conn->peer.uid;
	r->only_own = !sees_all(conn) && !may_audit(conn->c, &conn->peer);
	buf_init(&r->line, LINE_MAX_BYTES);
	int err = open_pipe(conn->c, r, query);
	if (err < 0) {
		relay_stop(r);
		conn_fail(conn, 503, "see the daemon's log", "the recorder does not answer: %s",
			  err_text(err));
		return NULL;
	}
	r->hold.on_gone = on_gone;
	conn_hold(conn, &r->hold);
	return r;
}

void relay_start(struct conn *conn, json_t *query)
{
	if (!start(conn, query))
		return;
	conn->on_drained = on_drained;
	conn_stream(conn, "application/x-ndjson");
}

void relay_collect(struct conn *conn, json_t *query, const struct relay_sink *sink, void *ctx)
{
	struct relay *r = start(conn, query);
	if (!r) {
		sink->free(ctx);
		return;
	}
	r->only_own = r->only_own && !sink->is_permitted;
	r->sink = sink;
	r->ctx = ctx;
}
