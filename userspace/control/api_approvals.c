/* Approvals: requests, answers, roles for a time, and the stream of what happens. Who answers is told by
 * their own token, never by their uid: root has no vote. */
#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "base/macro.h"
#include "control/api_internal.h"
#include "control/vote_read.h"
#include "identity/identity.h"


static const char *text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));
	return s ? s : "";
}

/* --- reading ------------------------------------------------------------------------------------ */

static bool is_own(const struct call *k, const char *session)
{
	const struct session *s = session_by_id(&k->c->sessions, session);
	return sees_all(k->conn) || (s && s->uid == k->conn->peer.uid);
}

/* By the console: administrators and auditors see all, approvers what asks for a group of theirs. */
static bool is_shown(const struct call *k, const struct request *r)
{
	const char *groups[WEB_GROUPS_MAX];
	if (!k->web || k->web->roles & (WEB_ADMIN | WEB_AUDITOR))
		return is_own(k, r->ask.session);
	return request_asks(r, groups, web_groups(k->web, groups));
}

static json_t *list_requests(struct control *c, const struct call *k, const struct identity *id,
			     bool with_ended)
{
	json_t *a = json_array();
	for (struct request *r = book_requests(c->approvals.book); r; r = r->next) {
		bool shows = k ? is_shown(k, r) : request_asks(r, id->groups, id->n_groups);
		if (shows && (with_ended || r->state != REQUEST_ENDED))
			json_array_append_new(a, request_json(c, r, false));
	}
	return json_pack("{s:o}", "requests", a);
}

void api_requests(struct call *k)
{
	char all[8] = "";
	if (http_query(k->query, "all", all, sizeof(all)) < 0)
		all[0] = 0;
	conn_answer(k->conn, 200, list_requests(k->c, k, NULL, all[0] == '1'));
}

static struct request *known(struct call *k)
{
	struct request *r = book_request(k->c->approvals.book, k->id);
	if (!r || !is_shown(k, r)) {
		conn_fail(k->conn, 404, "sluice requests lists them",
			  "there is no request %s that is yours to see", k->id);
		return NULL;
	}
	return r;
}

void api_request_one(struct call *k)
{
	struct request *r = known(k);
	if (!r)
		return;
	if (k->web)
		request_show(r, k->web->token_sha256);
	conn_answer(k->conn, 200, request_json(k->c, r, true));
}

/* --- with a token ------------------------------------------------------------------------------- */

/* One call of somebody who shows who they are. Owns what it holds; the client may go away meanwhile. */
struct visit {
	struct voter voter; /* first */
	struct vote_wait wait;
	struct conn_hold hold;
	struct control *c;
	json_t *body;
	char request[BOOK_ID_MAX], from[64];
	void (*run)(struct visit *v, const struct identity *id);
};

static void visit_free(struct visit *v)
{
	conn_release(&v->hold);
	json_decref(v->body);
	free(v);
}

static void on_person(struct voter *voter, const struct identity *id, int status, const char *why)
{
	struct visit *v = (struct visit *)voter;
	if (id) {
		v->run(v, id);
		return;
	}
	log_warn("an approver's token is refused: %s", why);
	if (v->hold.conn)
		conn_fail(v->hold.conn, status, "sluice approve --token-file TOKEN, of a fresh login", "%s",
			  why);
	visit_free(v);
}

/* One who logged in to the console has shown who they are. */
static void visit_of_web(struct visit *v, const struct web_session *s)
{
	const char *groups[WEB_GROUPS_MAX];
	struct identity id = {.issuer = s->issuer,
			      .subject = s->subject,
			      .owner = "",
			      .groups = groups,
			      .n_groups = web_groups(s, groups),
			      .expires = s->expires,
			      .auth_time = s->auth_time,
			      .label = ""};
	snprintf(id.token_sha256, sizeof(id.token_sha256), "%s", s->token_sha256);
	v->run(v, &id);
}

static void visit(struct call *k, void (*run)(struct visit *v, const struct identity *id))
{
	struct visit *v = calloc(1, sizeof(*v));
	if (!v) {
		conn_fail(k->conn, 503, NULL, "out of memory");
		return;
	}
	v->voter.on_person = on_person;
	v->c = k->c;
	v->body = k->body ? TAKE(k->body) : json_object();
	v->run = run;
	snprintf(v->request, sizeof(v->request), "%.*s", (int)sizeof(v->request) - 1, k->id);
	snprintf(v->from, sizeof(v->from), "unix uid %u pid %d", (unsigned)k->conn->peer.uid,
		 (int)k->conn->peer.pid);
	conn_hold(k->conn, &v->hold);
	if (k->web) {
		snprintf(v->from, sizeof(v->from), "%.*s", (int)sizeof(v->from) - 1, k->conn->from);
		visit_of_web(v, k->web);
		return;
	}
	voter_verify(k->c, text_of(v->body, "token"), &v->voter);
}

static void show_list(struct visit *v, const struct identity *id)
{
	bool all = json_is_true(json_object_get(v->body, "all"));
	if (v->hold.conn)
		conn_answer(v->hold.conn, 200, list_requests(v->c, NULL, id, all));
	visit_free(v);
}

void api_requests_query(struct call *k)
{
	visit(k, show_list);
}

static void show_one(struct visit *v, const struct identity *id)
{
	struct request *r = book_request(v->c->approvals.book, v->request);
	bool is_asked = r && request_asks(r, id->groups, id->n_groups);
	if (v->hold.conn && is_asked) {
		request_show(r, id->token_sha256);
		conn_answer(v->hold.conn, 200, request_json(v->c, r, true));
	} else if (v->hold.conn) {
		conn_fail(v->hold.conn, 404, "sluice requests lists them", "no request %s asks %s",
			  v->request, id->subject);
	}
	visit_free(v);
}

void api_request_query(struct call *k)
{
	visit(k, show_one);
}

static void on_voted(struct vote_wait *w, int status, const char *why, struct request *r, uint64_t seq)
{
	struct visit *v = (struct visit *)((char *)w - offsetof(struct visit, wait));
	if (v->hold.conn && status == 200)
		conn_answer(v->hold.conn, 200,
			    json_pack("{s:I,s:o}", "seq", (json_int_t)seq, "request",
				      request_json(v->c, r, false)));
	else if (v->hold.conn)
		conn_fail(v->hold.conn, status, NULL, "%s", why);
	visit_free(v);
}

static void cast(struct visit *v, const struct identity *id)
{
	struct vote vote = {.who = {.issuer = id->issuer,
				    .subject = id->subject,
				    .owner = id->owner,
				    .groups = id->groups,
				    .n_groups = id->n_groups,
				    .issued = id->auth_time ? id->auth_time : id->issued,
				    .expires = id->expires,
				    .token_sha256 = id->token_sha256,
				    .from = v->from},
			    .reader = id->token_sha256};
	struct vote_lists lists;
	const char *why = vote_read(v->body, &lists, &vote);
	const struct request *r = book_request(v->c->approvals.book, v->request);
	if (why) {
		if (v->hold.conn)
			conn_fail(v->hold.conn, 400, NULL, "%s", why);
		visit_free(v);
		return;
	}
	if (!vote.narrow.choice)
		vote.narrow.choice = r && r->terms.role ? CHOICE_ROLE : CHOICE_ONCE;
	v->wait.on_done = on_voted;
	approvals_vote(v->c, v->request, &vote, text_of(v->body, "hash"), &v->wait);
}

void api_vote(struct call *k)
{
	visit(k, cast);
}

/* --- roles and grants --------------------------------------------------------------------------- */

/* The workload's own session where the call comes from inside; else the one that is named, and owned. */
static struct session *whose(struct call *k)
{
	uint64_t id;
	if (k->conn->is_inside) {
		int err = monitor_workload_of(k->c, k->conn->peer.pid, &id);
		for (struct session *s = k->c->sessions.first; s && !err; s = s->next)
			if (s->cgroup_id == id && s->state == SESSION_LIVE)
				return s;
		conn_fail(k->conn, 403, NULL, "this workload has no live session");
		return NULL;
	}
	struct session *s = session_by_id(&k->c->sessions, text_of(k->body, "session"));
	if (s && (k->conn->peer.uid == 0 || k->conn->peer.uid == s->uid))
		return s;
	conn_fail(k->conn, 404, "sluice status lists them", "there is no such session of yours: --session S");
	return NULL;
}

void api_elevate(struct call *k)
{
	char why[300];
	struct request *r;
	struct elevate e = {.role = text_of(k->body, "role"),
			    .reason = text_of(k->body, "reason"),
			    .resource = text_of(k->body, "resource"),
			    .for_s = json_integer_value(json_object_get(k->body, "for"))};
	struct session *s = whose(k);
	if (!s)
		return;
	if (!*e.role || !*e.reason || strlen(e.reason) >= BOOK_TEXT_MAX) {
		conn_fail(k->conn, 400, NULL, "\"role\" and \"reason\" (under 400 bytes) are needed");
		return;
	}
	int status = approvals_elevate(k->c, s, &e, &r, why, sizeof(why));
	if (status)
		conn_fail(k->conn, status, NULL, "%s", why);
	else
		conn_answer(k->conn, 201, request_json(k->c, r, false));
}

void api_grants(struct call *k)
{
	char all[8] = "";
	json_t *a = json_array();
	if (http_query(k->query, "all", all, sizeof(all)) < 0)
		all[0] = 0;
	for (const struct grant *g = book_grants(k->c->approvals.book); g; g = g->next)
		if (is_own(k, g->session) && (g->end == GRANT_LIVE || all[0] == '1'))
			json_array_append_new(a, grant_json(g));
	conn_answer(k->conn, 200, json_pack("{s:o}", "grants", a));
}

void api_revoke_grant(struct call *k)
{
	char by[ACTOR_MAX];
	const char *reason = text_of(k->body, "reason");
	const struct grant *g = book_grant_by_id(k->c->approvals.book, k->id);
	call_actor(k, by);
	/* Giving up power needs nobody's leave but the session's owner's. */
	int err = g && is_own(k, g->session)
			  ? approvals_revoke_grant(k->c, k->id, by, *reason ? reason : "no reason given")
			  : ERR_NOT_FOUND;
	if (err)
		conn_fail(k->conn, err == ERR_NOT_FOUND ? 404 : 409, "sluice grants lists them",
			  err == ERR_NOT_FOUND ? "there is no grant %s of yours" : "grant %s is over already",
			  k->id);
	else
		conn_answer(k->conn, 200, grant_json(g));
}

void api_distrust(struct call *k)
{
	const char *subject = text_of(k->body, "subject"),
		   *issuer = json_string_value(json_object_get(k->body, "issuer"));
	char by[ACTOR_MAX];
	call_actor(k, by);
	int n = *subject ? approvals_distrust(k->c, issuer, subject, by) : ERR_MALFORMED;
	if (n < 0)
		conn_fail(k->conn, n == ERR_MALFORMED ? 400 : 503, NULL, "%s",
			  n == ERR_MALFORMED ? "\"subject\" is missing" : err_text(n));
	else
		conn_answer(k->conn, 200, json_pack("{s:s,s:i}", "subject", subject, "votes", n));
}

/* --- the stream --------------------------------------------------------------------------------- */

struct stream {
	struct feed feed; /* first */
	struct conn_hold hold;
	struct control *c;
};

static void on_news(struct feed *f, const char *type, const json_t *news)
{
	struct stream *s = (struct stream *)f;
	_cleanup_(freep) char *text = json_dumps(news, JSON_COMPACT | JSON_SORT_KEYS);
	struct buf line;
	(void)type;
	if (!text || !s->hold.conn)
		return;
	if (conn_stream_full(s->hold.conn)) { /* one that does not read is dropped, and may come again */
		conn_stream_end(s->hold.conn, false);
		return;
	}
	buf_init(&line, CONN_OUT_MAX);
	buf_add_str(&line, text);
	buf_add_u8(&line, '\n');
	conn_stream_add(s->hold.conn, buf_span(&line));
	buf_done(&line);
}

static void on_gone(struct conn_hold *h)
{
	struct stream *s = (struct stream *)((char *)h - offsetof(struct stream, hold));
	approvals_unsubscribe(s->c, &s->feed);
	free(s);
}

void api_requests_stream(struct call *k)
{
	struct stream *s = calloc(1, sizeof(*s));
	if (!s) {
		conn_fail(k->conn, 503, NULL, "out of memory");
		return;
	}
	s->c = k->c;
	s->feed.on_news = on_news;
	s->hold.on_gone = on_gone;
	conn_hold(k->conn, &s->hold);
	approvals_subscribe(k->c, &s->feed);
	conn_stream(k->conn, "application/x-ndjson");
}
