/* The node: its status, its kernel, its policy, tokens of the local issuer. */
#include <errno.h>
#include <stdio.h>

#include "base/macro.h"
#include "control/api_internal.h"
#include "kernel/kernel.h"

#define TTL_MAX	       (30 * 24 * 3600)
#define STATUS_WAIT_MS 1000

/* --- status ------------------------------------------------------------------------------------- */

static json_int_t count_of(const json_t *status, const char *id, const char *key)
{
	return json_integer_value(
		json_object_get(json_object_get(json_object_get(status, "sessions"), id), key));
}

static double ops_per_second(const struct control *c, const char *id)
{
	double s = (double)(c->status_ns - c->status_before_ns) / (double)NS_PER_SEC;
	json_int_t n = count_of(c->status, id, "ops") - count_of(c->status_before, id, "ops");
	return c->status_before && s > 0.05 && n > 0 ? (double)n / s : 0;
}

static json_t *workload_json(struct control *c, const struct session *s)
{
	static const char *const counts[] = {"flows", "flows_total", "ops",	 "denied",
					     "asked", "masked",	     "observed", "refused"};
	json_t *j = session_json(s);
	struct msg answer = {0};
	char why[200];
	for (size_t i = 0; i < ARRAY_LEN(counts); i++)
		json_object_set_new(j, counts[i], json_integer(count_of(c->status, s->id, counts[i])));
	json_object_set_new(j, "ops_per_second", json_real(ops_per_second(c, s->id)));
	json_t *q = json_pack("{s:s,s:I}", "t", "population", "cgroup_id", (json_int_t)s->cgroup_id);
	if (monitor_call(c, q, -1, &answer, why, sizeof(why)) == 0)
		json_object_set(j, "processes", json_object_get(answer.json, "n"));
	msg_done(&answer);
	return j;
}

static json_t *workloads_json(struct conn *conn)
{
	struct control *c = conn->c;
	json_t *list = json_array();
	for (const struct session *s = c->sessions.first; s; s = s->next)
		if (s->state != SESSION_ENDED && (sees_all(conn) || conn->peer.uid == s->uid))
			json_array_append_new(list, workload_json(c, s));
	return list;
}

static void status_answer(struct conn *conn)
{
	struct control *c = conn->c;
	const struct plan *plan = c->policy.plan;
	json_t *j = json_pack("{s:s,s:s,s:s,s:s*,s:o,s:b,s:b}", "node", c->cfg->node, "version",
			      SLUICE_VERSION, "policy", plan ? plan_hash(plan) : "none", "policy_error",
			      c->policy.last_error, "workloads", workloads_json(conn), "proxy",
			      c->proxy.fd >= 0, "recorder", c->recorder.fd >= 0);
	json_object_set(j, "gaps", c->gaps);
	if (sees_all(conn) && c->status)
		json_object_set(j, "proxy_status", c->status);
	conn_answer(conn, 200, j);
}

static void wait_done(struct status_wait *w)
{
	struct control *c = w->c;
	struct conn *conn = w->hold.conn;
	for (struct status_wait **at = &c->status_waits; *at; at = &(*at)->next) {
		if (*at == w) {
			*at = w->next;
			break;
		}
	}
	loop_timer_del(c->loop, &w->deadline);
	conn_release(&w->hold);
	if (conn)
		status_answer(conn);
	free(w);
}

static void on_wait_deadline(struct timer *t)
{
	wait_done((struct status_wait *)((char *)t - offsetof(struct status_wait, deadline)));
}

void status_arrived(struct control *c)
{
	while (c->status_waits)
		wait_done(c->status_waits);
}

void api_status(struct call *k)
{
	struct status_wait *w = k->c->proxy.fd >= 0 ? calloc(1, sizeof(*w)) : NULL;
	if (!w) {
		status_answer(k->conn); /* with what was known last */
		return;
	}
	w->c = k->c;
	timer_init(&w->deadline, on_wait_deadline);
	conn_hold(k->conn, &w->hold);
	w->next = k->c->status_waits;
	k->c->status_waits = w;
	proxy_ask_status(k->c);
	if (loop_timer_in_ms(k->c->loop, &w->deadline, STATUS_WAIT_MS) < 0)
		wait_done(w);
}

/* --- doctor ------------------------------------------------------------------------------------- */

/* For the asker's own look at whether the node's resolver knows them. */
static json_t *declared_names(const struct plan *p)
{
	json_t *names = json_array();
	for (int i = 0; p && i < plan_n_resources(p); i++) {
		const struct resource *r = plan_resource(p, i);
		for (int k = 0; k < r->n_matches; k++)
			if (r->matches[k].host && !strchr(r->matches[k].host, '*'))
				json_array_append_new(names, json_string(r->matches[k].host));
	}
	return names;
}

void api_doctor(struct call *k)
{
	json_t *rows = json_deep_copy(k->c->probe), *own = findings(k->c);
	json_array_extend(rows, own);
	json_decref(own);
	json_t *j = json_pack("{s:o,s:O}", "features", rows, "gaps", k->c->gaps);
	if (sees_all(k->conn))
		json_object_set_new(j, "names", declared_names(k->c->policy.plan));
	conn_answer(k->conn, 200, j);
}

/* --- policy ------------------------------------------------------------------------------------- */

void api_policy(struct call *k)
{
	const struct plan *p = k->c->policy.plan;
	json_t *resources = json_array();
	for (int i = 0; p && i < plan_n_resources(p); i++)
		json_array_append_new(resources, json_string(plan_resource(p, i)->name));
	conn_answer(k->conn, 200,
		    json_pack("{s:s,s:s,s:s*,s:o}", "path", k->c->cfg->policy, "hash", p ? plan_hash(p) : "none",
			      "error", k->c->policy.last_error, "resources", resources));
}

static json_t *errors_json(const struct policy_error *at, int n)
{
	json_t *list = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(list, json_pack("{s:i,s:i,s:s}", "line", at[i].line, "column",
						      at[i].column, "text", at[i].text));
	return list;
}

void api_policy_reload(struct call *k)
{
	struct control *c = k->c;
	_cleanup_(freep) struct policy_errors *e = calloc(1, sizeof(*e));
	bool changed = false;
	int r = e ? policy_reload(c, e, &changed) : -ENOMEM;
	if (!e) {
		conn_fail(k->conn, 503, NULL, "out of memory");
		return;
	}
	json_t *j = json_pack("{s:b,s:b,s:s,s:s,s:o,s:o}", "ok", r == 0, "changed", changed, "path",
			      c->cfg->policy, "hash", c->policy.plan ? plan_hash(c->policy.plan) : "none",
			      "errors", errors_json(e->at, e->n), "warnings",
			      errors_json(e->warnings, e->n_warnings));
	if (r < 0)
		json_object_set_new(j, "error",
				    json_string(c->policy.last_error ? c->policy.last_error : err_text(r)));
	conn_answer(k->conn, r == 0 ? 200 : 422, j);
}

/* --- tokens ------------------------------------------------------------------------------------- */

/* Sets a claim at a dotted path. */
static void set_claim(json_t *claims, const char *path, json_t *value)
{
	for (const char *dot; (dot = strchr(path, '.')); path = dot + 1) {
		char name[64];
		snprintf(name, sizeof(name), "%.*s", (int)(dot - path), path);
		json_t *inner = json_object_get(claims, name);
		if (!json_is_object(inner)) {
			inner = json_object();
			json_object_set_new(claims, name, inner);
		}
		claims = inner;
	}
	json_object_set(claims, path, value);
}

/* Groups and owner go where the policy looks for them. */
static json_t *claims_of(const struct control *c, const json_t *body, json_int_t ttl)
{
	const char *groups_at = "groups", *owner_at = "act.sub";
	for (int i = 0; c->policy.plan && i < plan_n_issuers(c->policy.plan); i++) {
		const struct issuer *is = plan_issuer(c->policy.plan, i);
		if (strcmp(is->issuer, c->cfg->local_issuer))
			continue;
		groups_at = is->groups_claim ? is->groups_claim : groups_at;
		owner_at = is->owner_claim ? is->owner_claim : owner_at;
	}
	json_t *claims = json_object(), *aud = json_object_get(body, "aud");
	json_object_set(claims, "sub", json_object_get(body, "sub"));
	json_object_set_new(claims, "exp", json_integer((json_int_t)(clock_real_ns() / NS_PER_SEC) + ttl));
	if (json_is_string(aud))
		json_object_set(claims, "aud", aud);
	set_claim(claims, groups_at, json_object_get(body, "groups"));
	if (json_is_string(json_object_get(body, "owner")))
		set_claim(claims, owner_at, json_object_get(body, "owner"));
	return claims;
}

void api_tokens(struct call *k)
{
	const char *sub = json_string_value(json_object_get(k->body, "sub"));
	json_int_t ttl = json_integer_value(json_object_get(k->body, "ttl"));
	struct msg answer = {0};
	char why[300];
	if (!sub || !*sub || !json_is_array(json_object_get(k->body, "groups"))) {
		conn_fail(k->conn, 400, NULL, "expected sub and groups (a list)");
		return;
	}
	if (ttl < 1 || ttl > TTL_MAX) {
		conn_fail(k->conn, 400, NULL, "a token lives for 1 second to %d days, not for %lld seconds",
			  TTL_MAX / 86400, (long long)ttl);
		return;
	}
	json_t *q = json_pack("{s:s,s:o}", "t", "mint", "claims", claims_of(k->c, k->body, ttl));
	int r = monitor_call(k->c, q, -1, &answer, why, sizeof(why));
	if (r == 0)
		conn_answer(k->conn, 201, json_pack("{s:O}", "token", json_object_get(answer.json, "token")));
	else
		conn_fail(k->conn, 409, NULL, "no token: %s", why);
	msg_done(&answer);
}
