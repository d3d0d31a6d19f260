/* /v1/policy/explain: what the policy in force says. GET: to needs (policy/needs.h). POST: to
 * statements, which the proxy reads: the process that verifies tokens meets no parser of SQL. */
#include <stdio.h>

#include "base/log.h"
#include "base/macro.h"
#include "control/api_internal.h"
#include "explain/explain.h"
#include "policy/needs.h"

#define NAME_TEXT   80
#define NEEDS_TEXT  2000
#define ANSWER_MAX  (8 * 1024 * 1024)
#define WAITING_MAX 16
#define WAIT_NS	    (20 * NS_PER_SEC)

/* One who waits for the proxy. */
struct explain_wait {
	struct explain_wait *next;
	struct conn_hold hold;
	struct timer deadline;
	struct control *c;
	uint64_t number;
};

/* --- of needs -----------------------------------------------------------------------------------
 */

static const char *read_place(const struct control *c, const char *role, const char *resource,
			      struct question *q)
{
	*q = (struct question){.plan = c->policy.plan,
			       .role = role,
			       .owner = "",
			       .now = (int64_t)(clock_real_ns() / NS_PER_SEC)};
	if (!q->plan)
		return "there is no policy in force";
	if (!plan_has_role(q->plan, role))
		return "\"role\" must be one of the policy";
	q->resource = plan_resource_by_name(q->plan, resource);
	return q->resource ? NULL : "\"resource\" must be one of the policy";
}

void api_policy_explain(struct call *k)
{
	char role[NAME_TEXT] = "", resource[NAME_TEXT] = "", text[NEEDS_TEXT];
	struct question q;
	const struct need *needs = NULL;
	struct arena a;
	if (http_query(k->query, "role", role, sizeof(role)) < 0)
		role[0] = 0;
	if (http_query(k->query, "resource", resource, sizeof(resource)) < 0)
		resource[0] = 0;
	const char *why = read_place(k->c, role, resource, &q);
	if (!why && http_query(k->query, "needs", text, sizeof(text)) < 0)
		why = "\"needs\" is missing: such as select:public.orders delete:public.orders";
	arena_init(&a, 4 * 1024 * 1024);
	q.arena = &a;
	int n = why ? ERR_MALFORMED : needs_parse(&a, text, &needs, &why);
	if (n < 0)
		conn_fail(k->conn, 400, NULL, "%s", why ? why : err_text(n));
	else
		conn_answer(k->conn, 200, explain_needs(&q, needs, n));
	arena_done(&a);
}

/* --- of statements ------------------------------------------------------------------------------
 */

/* NULL: who asked is gone. */
static struct conn *wait_end(struct explain_wait *w)
{
	struct conn *conn = w->hold.conn;
	for (struct explain_wait **at = &w->c->explain_waits; *at; at = &(*at)->next)
		if (*at == w) {
			*at = w->next;
			break;
		}
	loop_timer_del(w->c->loop, &w->deadline);
	conn_release(&w->hold);
	free(w);
	return conn;
}

static void on_gone(struct conn_hold *h)
{
	wait_end((struct explain_wait *)((char *)h - offsetof(struct explain_wait, hold)));
}

static void on_late(struct timer *t)
{
	struct conn *conn =
	    wait_end((struct explain_wait *)((char *)t - offsetof(struct explain_wait, deadline)));
	if (conn)
		conn_fail(conn, 503, NULL, "the proxy did not answer in time");
}

void explain_proxy_gone(struct control *c)
{
	while (c->explain_waits) {
		struct conn *conn = wait_end(c->explain_waits);
		if (conn)
			conn_fail(conn, 503, "it comes back by itself", "the proxy is not there");
	}
}

void explain_from_proxy(struct control *c, struct msg *m)
{
	_cleanup_(freep) char *text = NULL;
	size_t len = 0;
	_cleanup_(closep) int fd = msg_take_fd(m, 0);
	uint64_t number = (uint64_t)json_integer_value(json_object_get(m->json, "number"));
	const char *why = json_string_value(json_object_get(m->json, "why"));
	struct explain_wait *w = c->explain_waits;
	while (w && w->number != number)
		w = w->next;
	struct conn *conn = w ? wait_end(w) : NULL;
	json_t *answer = conn && fd >= 0 && memfd_read(fd, ANSWER_MAX, &text, &len) == 0
			     ? json_loadb(text, len, 0, NULL)
			     : NULL;
	if (conn && json_is_object(answer))
		conn_answer(conn, 200, json_incref(answer));
	else if (conn)
		conn_fail(conn, why ? 422 : 503, NULL, "%s",
			  why ? why : "the proxy's answer is not understood");
	json_decref(answer);
}

static int n_waiting(const struct control *c)
{
	int n = 0;
	for (const struct explain_wait *w = c->explain_waits; w; w = w->next)
		n++;
	return n;
}

static const char *text_of(const struct call *k, const char *key)
{
	const char *s = json_string_value(json_object_get(k->body, key));
	return s ? s : "";
}

static int ask_proxy(struct control *c, const struct call *k, uint64_t number)
{
	_cleanup_(closep) int fd = -1;
	const char *sql = text_of(k, "sql");
	int err = memfd_of(sql, strlen(sql), &fd);
	return err ? err
		   : peer_send(&c->proxy,
			       json_pack("{s:s,s:I,s:s,s:s,s:s,s:s}", "t", "explain", "number",
					 (json_int_t)number, "role", text_of(k, "role"), "resource",
					 text_of(k, "resource"), "owner", text_of(k, "owner"),
					 "database", text_of(k, "database")),
			       fd);
}

void api_policy_explain_sql(struct call *k)
{
	struct control *c = k->c;
	struct question q;
	const char *why = read_place(c, text_of(k, "role"), text_of(k, "resource"), &q);
	if (!why && !*text_of(k, "sql"))
		why = "\"sql\" is missing";
	if (why) {
		conn_fail(k->conn, 400, NULL, "%s", why);
		return;
	}
	struct explain_wait *w = n_waiting(c) < WAITING_MAX ? calloc(1, sizeof(*w)) : NULL;
	if (!w) {
		conn_fail(k->conn, 503, "try again in a moment",
			  "too many statements are being explained");
		return;
	}
	w->c = c;
	w->number = ++c->n_explained;
	w->next = c->explain_waits;
	c->explain_waits = w;
	timer_init(&w->deadline, on_late);
	w->hold.on_gone = on_gone;
	conn_hold(k->conn, &w->hold);
	if (ask_proxy(c, k, w->number) < 0 ||
	    loop_timer_at(c->loop, &w->deadline, clock_mono_ns() + WAIT_NS) < 0) {
		wait_end(w);
		conn_fail(k->conn, 503, "it comes back by itself", "the proxy is not there");
	}
}
