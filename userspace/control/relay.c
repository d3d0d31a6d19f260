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
	struct summary *summary; /* NULL: lines go to the client */
};

#define REFUSALS_SHOWN 64

/* What one session did, for the line after a run. */
struct summary {
	json_t *answer, *rules, *refused;
	json_int_t ops, denied, asked, masked, observed, flows, refusals;
};

static void summary_free(struct summary *s)
{
	if (!s)
		return;
	json_decref(s->answer);
	json_decref(s->rules);
	json_decref(s->refused);
	free(s);
}

static void on_free(struct deferred *d)
{
	struct relay *r = (struct relay *)((char *)d - offsetof(struct relay, free_later));
	buf_done(&r->line);
	summary_free(r->summary);
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

/* --- summing up --------------------------------------------------------------------------------- */

static const char *text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));
	return s ? s : "";
}

static void count_rule(json_t *rules, const char *rule)
{
	json_int_t n = json_integer_value(json_object_get(rules, rule));
	json_object_set_new(rules, rule, json_integer(n + 1));
}

static void add_op(struct summary *s, const json_t *e)
{
	static const char *const names[] = {"deny", "ask", "mask"};
	json_int_t *const counts[] = {&s->denied, &s->asked, &s->masked};
	const char *decision = text_of(e, "decision");
	s->ops++;
	s->observed += json_is_true(json_object_get(e, "observed"));
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		*counts[i] += !strcmp(decision, names[i]);
	if (!strcmp(decision, "deny") || !strcmp(decision, "ask"))
		count_rule(s->rules, text_of(e, "rule"));
}

/* "1.2.3.4:443", "[::1]:443" -> host and port. */
static json_t *refusal_json(const json_t *e, json_int_t count)
{
	const char *dst = text_of(e, "dst"), *colon = strrchr(dst, ':');
	size_t len = colon ? (size_t)(colon - dst) : strlen(dst);
	bool is_v6 = *dst == '[' && len > 2;
	const char *proto = text_of(e, "protocol"), *name = json_string_value(json_object_get(e, "name"));
	return json_pack("{s:s#,s:i,s:s,s:s*,s:s,s:I}", "host", dst + is_v6, (int)len - 2 * is_v6, "port",
			 colon ? atoi(colon + 1) : 0, "proto", proto, "name", name, "reason",
			 text_of(e, "reason"), "count", count);
}

static bool is_same(const json_t *a, const json_t *b)
{
	static const char *const keys[] = {"host", "port", "proto", "name"};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const json_t *x = json_object_get(a, keys[i]), *y = json_object_get(b, keys[i]);
		if (x != y && !json_equal(x, y))
			return false;
	}
	return true;
}

static void add_refusal(struct summary *s, const json_t *e)
{
	json_int_t count = MAX(json_integer_value(json_object_get(e, "count")), 1);
	json_t *r = refusal_json(e, count), *old;
	size_t i;
	s->refusals += count;
	json_array_foreach(s->refused, i, old) {
		if (!is_same(old, r))
			continue;
		count += json_integer_value(json_object_get(old, "count"));
		json_object_set_new(old, "count", json_integer(count));
		json_decref(r);
		return;
	}
	if (!r || json_array_size(s->refused) >= REFUSALS_SHOWN)
		json_decref(r);
	else
		json_array_append_new(s->refused, r);
}

static void add_end(struct summary *s, const json_t *e)
{
	json_object_set(s->answer, "end_reason", json_object_get(e, "reason"));
	json_object_set(s->answer, "exit_code", json_object_get(e, "exit_code"));
}

static void add_start(struct summary *s, const json_t *e)
{
	static const char *const keys[] = {"subject", "owner", "role", "issuer", "how", "cgroup", "command"};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (!json_object_get(s->answer, keys[i]) && json_object_get(e, keys[i]))
			json_object_set(s->answer, keys[i], json_object_get(e, keys[i]));
	json_object_set(s->answer, "is_recorded", json_true());
}

static void add_flow(struct summary *s, const json_t *e)
{
	(void)e;
	s->flows++;
}

static void summary_line(struct summary *s, struct span line)
{
	static const struct {
		const char *type;
		void (*add)(struct summary *s, const json_t *e);
	} types[] = {{"op", add_op},
		     {"flow.open", add_flow},
		     {"connect.refused", add_refusal},
		     {"session.start", add_start},
		     {"session.end", add_end}};
	json_t *e = json_loadb((const char *)line.p, line.len, 0, NULL);
	const char *type = text_of(e, "type");
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (!strcmp(types[i].type, type))
			types[i].add(s, e);
	json_decref(e);
}

static void summary_answer(struct conn *conn, struct summary *s)
{
	json_t *a = s->answer;
	if (!json_object_get(a, "state") && !json_object_get(a, "is_recorded")) {
		conn_fail(conn, 404, "sluice sessions lists them", "there is no such session");
		return;
	}
	json_object_del(a, "is_recorded");
	json_t *counts =
		json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:O,s:O}", "ops", s->ops, "denied", s->denied,
			  "asked", s->asked, "masked", s->masked, "observed", s->observed, "flows", s->flows,
			  "refusals", s->refusals, "denied_rules", s->rules, "refused", s->refused);
	json_object_update(a, counts);
	json_decref(counts);
	conn_answer(conn, 200, json_incref(a));
}

/* --- relaying ----------------------------------------------------------------------------------- */

static bool is_own(const struct relay *r, struct span line)
{
	json_t *e = json_loadb((const char *)line.p, line.len, 0, NULL);
	const struct session *s = session_by_id(&r->c->sessions, text_of(e, "session"));
	json_decref(e);
	return s && s->uid == r->uid;
}

static void take_line(struct relay *r, struct span line)
{
	if (r->summary)
		summary_line(r->summary, line);
	else if (!r->only_own || is_own(r, line))
		conn_stream_add(r->hold.conn, line);
}

/* Whole lines only, as many as are there at once: what a client reads is never cut within one. */
static void take_lines(struct relay *r)
{
	struct span s = buf_span(&r->line);
	const uint8_t *last = s.len ? memrchr(s.p, '\n', s.len) : NULL;
	size_t len = last ? (size_t)(last - s.p) + 1 : 0;
	if (!r->summary && !r->only_own && len) {
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
	if (conn && r->summary && is_whole)
		summary_answer(conn, r->summary);
	else if (conn && r->summary)
		conn_fail(conn, 503, NULL, "the recorder does not answer");
	else if (conn)
		conn_stream_end(conn, is_whole);
	relay_stop(r);
}

static void on_pipe(struct source *s, uint32_t events)
{
	struct relay *r = (struct relay *)((char *)s - offsetof(struct relay, pipe));
	(void)events;
	if (r->hold.conn && !r->summary && conn_stream_full(r->hold.conn)) {
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
	r->only_own = !sees_all(conn);
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

void summary_start(struct conn *conn, struct session *s, const char *id)
{
	struct relay *r =
		start(conn, json_pack("{s:s,s:s,s:s}", "t", "query", "kind", "events", "session", id));
	if (!r)
		return;
	r->summary = calloc(1, sizeof(*r->summary));
	if (!r->summary) {
		finish(r, false);
		return;
	}
	r->summary->answer = s ? session_json(s) : json_pack("{s:s}", "session", id);
	r->summary->rules = json_object();
	r->summary->refused = json_array();
}
