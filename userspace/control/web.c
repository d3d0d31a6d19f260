/* Requests from the console: who is it, did a page of ours make it, may it be. */
#include <stdio.h>

#include "base/log.h"
#include "base/macro.h"
#include "base/ossl.h"
#include "control/api_internal.h"
#include "control/web.h"
#include "record/event.h"

#define SESSION_COOKIE "__Host-sluice"

void web_init(struct control *c)
{
	c->people = (struct web){.c = c};
	web_login_init(&c->people);
}

/* --- what is recorded ---------------------------------------------------------------------------
 */

static int record(struct control *c, const struct event_admin *e)
{
	struct event_ctx ctx = {.node = c->cfg->node, .time_ns = clock_real_ns()};
	struct buf event;
	buf_init(&event, RING_EVENT_MAX);
	event_admin(&event, &ctx, e);
	return control_record(c, &event);
}

int web_record_login(struct conn *conn, const struct web_session *s, const char *refused)
{
	struct event_admin e = {.type = "admin.login",
				.actor = s ? s->subject : NULL,
				.actor_issuer = s ? s->issuer : NULL,
				.decision = s ? "allow" : "deny",
				.from = conn->from,
				.reason = refused};
	return record(conn->c, &e);
}

int web_record_answer(struct conn *conn, const struct http_request *r, const char *actor, const char *refused)
{
	char path[100];
	snprintf(path, sizeof(path), "%.*s", (int)MIN(r->path.len, (size_t)60), (const char *)r->path.p);
	struct event_admin e = {.type = "admin.call",
				.actor = actor,
				.decision = refused ? "deny" : "allow",
				.from = conn->from,
				.method = "POST",
				.path = path,
				.reason = refused};
	return record(conn->c, &e);
}

void web_record_logout(struct conn *conn, const struct web_session *s)
{
	struct event_admin e = {.type = "admin.logout",
				.actor = s->subject,
				.actor_issuer = s->issuer,
				.from = conn->from};
	if (record(conn->c, &e) < 0)
		log_warn("the logout of %s is not recorded", s->subject);
}

int api_record_call(const struct call *k, const struct http_request *r, bool is_permitted)
{
	char actor[ACTOR_MAX], from[80], method[16], path[100];
	snprintf(method, sizeof(method), "%.*s", (int)r->method.len, (const char *)r->method.p);
	snprintf(path, sizeof(path), "%.*s", (int)r->path.len, (const char *)r->path.p);
	snprintf(from, sizeof(from), "pid %d", (int)k->conn->peer.pid);
	struct event_admin e = {.type = "admin.call",
				.actor = call_actor(k, actor),
				.actor_issuer = k->web ? k->web->issuer : NULL,
				.decision = is_permitted ? "allow" : "deny",
				.from = k->web ? k->conn->from : from,
				.method = method,
				.path = path,
				.query = r->query};
	return record(k->c, &e);
}

const char *call_actor(const struct call *k, char out[ACTOR_MAX])
{
	if (k->web)
		snprintf(out, ACTOR_MAX, "%s", k->web->subject);
	else
		snprintf(out, ACTOR_MAX, "uid %u", (unsigned)k->conn->peer.uid);
	return out;
}

/* --- did a page of ours make it? ----------------------------------------------------------------
 */

/* scheme://host[:port] of public_url. */
static struct span own_origin(const struct config *cfg)
{
	const char *url = cfg->public_url ? cfg->public_url : "";
	const char *host = strstr(url, "://");
	return span_of(url, host ? (size_t)(host + 3 - url) + strcspn(host + 3, "/") : 0);
}

static bool is_equal(struct span a, struct span b)
{
	return a.len && a.len == b.len && !CRYPTO_memcmp(a.p, b.p, a.len);
}

/* Three locks on one door: where the page came from (Origin), what the browser says of it
 * (Sec-Fetch-Site), and a value that only a page which may read our answers can know. */
static const char *check_change(struct conn *conn, const struct http_request *r,
				const struct web_session *s)
{
	struct span origin, site, token, type;
	if (http_field(r, "origin", &origin) < 0 || !is_equal(origin, own_origin(conn->c->cfg)))
		return "it comes from another origin than \"public_url\"";
	if (http_field(r, "sec-fetch-site", &site) == 0 && !span_is(site, "same-origin"))
		return "the browser says that another site made it";
	if (http_field(r, "x-csrf-token", &token) < 0 || !is_equal(token, span_str(s->csrf)))
		return "its X-CSRF-Token is not that of this login";
	if (r->body.len &&
	    (http_field(r, "content-type", &type) < 0 || !span_is(type, "application/json")))
		return "its body is not application/json";
	return NULL;
}

/* Another site may link here, but not look. */
static const char *check_read(const struct http_request *r)
{
	struct span site;
	if (http_field(r, "sec-fetch-site", &site) == 0 && !span_is(site, "same-origin") &&
	    !span_is(site, "none"))
		return "the browser says that another site made it";
	return NULL;
}

/* --- routes -------------------------------------------------------------------------------------
 */

static bool is_at(const struct http_request *r, const char *method, const char *path)
{
	return span_is(r->method, method) && span_is(r->path, path);
}

static void request_of(struct conn *conn, const struct http_request *r, struct web_session *s)
{
	bool is_read = span_is(r->method, "GET");
	const char *why = is_read ? check_read(r) : check_change(conn, r, s);
	if (why)
		conn_fail(conn, 403, NULL, "refused: %s", why);
	else if (is_at(r, "POST", "/auth/logout"))
		web_logout(conn, s);
	else
		api_route(conn, r, s);
}

void web_request(struct conn *conn, const struct http_request *r)
{
	struct span cookie;
	struct web_session *s = NULL;
	conn->c->n_requests++;
	if (is_at(r, "GET", "/auth/login")) {
		web_login_begin(conn, r);
		return;
	}
	if (is_at(r, "GET", "/auth/callback")) {
		web_login_callback(conn, r);
		return;
	}
	if (span_is(r->method, "POST") && r->path.len > 7 && !memcmp(r->path.p, "/hooks/", 7)) {
		hooks_answer(conn, r);
		return;
	}
	if (http_cookie(r, SESSION_COOKIE, &cookie) == 0)
		s = web_session_by_cookie(&conn->c->people, cookie);
	if (s)
		request_of(conn, r, s);
	else
		conn_fail(conn, 401, "log in at /auth/login", "nobody is logged in");
}

static json_t *roles_json(unsigned roles)
{
	static const char *const names[] = {"admin", "approver", "auditor"};
	json_t *list = json_array();
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (roles & 1u << i)
			json_array_append_new(list, json_string(names[i]));
	return list;
}

void api_me(struct call *k)
{
	const struct web_session *s = k->web;
	const struct config *cfg = k->c->cfg;
	char actor[ACTOR_MAX];
	if (!s) {
		conn_answer(
		    k->conn, 200,
		    json_pack("{s:s,s:s}", "subject", call_actor(k, actor), "node", cfg->node));
		return;
	}
	json_t *j = json_pack("{s:s,s:s,s:s,s:O,s:o,s:s,s:I,s:I,s:s}", "subject", s->subject,
			      "issuer", s->issuer, "label", s->label ? s->label : s->subject,
			      "groups", s->groups, "roles", roles_json(s->roles), "csrf", s->csrf,
			      "auth_time", (json_int_t)s->auth_time, "expires",
			      (json_int_t)s->expires, "node", cfg->node);
	conn_answer(k->conn, 200, j);
}
