/* The routes of the admin API: who may ask what. */
#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "base/macro.h"
#include "control/api_internal.h"

/* A session's id, in the place of "*" in a route. */
#define ID_MAX 40

#define WEB_READERS (WEB_ADMIN | WEB_AUDITOR)

static const struct route routes[] = {
	{"POST", "/v1/sessions", MAY_ENROL, api_enrol},
	{"GET", "/v1/sessions", MAY_ANY, api_sessions, WEB_READERS},
	{"GET", "/v1/sessions/newest", MAY_ANY, api_newest, WEB_READERS},
	{"GET", "/v1/sessions/*", MAY_OWN, api_session, WEB_READERS},
	{"POST", "/v1/sessions/*/renew", MAY_OWN, api_renew},
	{"POST", "/v1/sessions/*/revoke", MAY_OWN, api_revoke, WEB_ADMIN, .is_vital = true},
	{"POST", "/v1/sessions/*/thaw", MAY_ROOT, api_thaw, WEB_ADMIN},
	{"POST", "/v1/sessions/*/release", MAY_ROOT, api_release},
	{"POST", "/v1/sessions/*/end", MAY_OWN, api_end, .is_vital = true},
	{"GET", "/v1/status", MAY_ANY, api_status, WEB_ALL, .is_vital = true},
	{"GET", "/v1/doctor", MAY_ANY, api_doctor, WEB_ALL, .is_vital = true},
	{"GET", "/v1/events", MAY_OWN_QUERY, api_events, WEB_READERS},
	{"GET", "/v1/export", MAY_OWN_QUERY, api_export, WEB_READERS},
	{"GET", "/v1/verify", MAY_AUDIT, api_verify, WEB_READERS},
	{"GET", "/v1/prove", MAY_AUDIT, api_prove, WEB_READERS},
	{"GET", "/v1/policy", MAY_ROOT, api_policy, WEB_READERS},
	{"GET", "/v1/policy/explain", MAY_ROOT, api_policy_explain, WEB_READERS},
	{"POST", "/v1/policy/explain", MAY_ROOT, api_policy_explain_sql, WEB_READERS},
	{"POST", "/v1/policy/reload", MAY_ROOT, api_policy_reload, WEB_ADMIN},
	{"POST", "/v1/tokens", MAY_ROOT, api_tokens},
	{"GET", "/v1/me", MAY_ANY, api_me, WEB_ALL, .is_vital = true},
	{"GET", "/v1/live", MAY_ROOT, api_live, WEB_ALL, .is_vital = true},
	{"GET", "/v1/requests", MAY_ANY, api_requests, WEB_ALL},
	{"POST", "/v1/requests", MAY_ANY, api_requests_query},
	{"GET", "/v1/requests/stream", MAY_ROOT, api_requests_stream},
	{"GET", "/v1/requests/*", MAY_ANY, api_request_one, WEB_ALL},
	{"POST", "/v1/requests/*", MAY_ANY, api_request_query},
	{"POST", "/v1/requests/*/vote", MAY_ANY, api_vote, WEB_APPROVER}, /* no exception for administrators */
	{"POST", "/v1/elevate", MAY_INSIDE, api_elevate},
	{"GET", "/v1/grants", MAY_ANY, api_grants, WEB_ALL},
	{"POST", "/v1/grants/*/revoke", MAY_ANY, api_revoke_grant, WEB_ADMIN | WEB_APPROVER, .is_vital = true},
	{"POST", "/v1/approvers/revoke", MAY_ROOT, api_distrust, WEB_ADMIN, .is_vital = true},
};

const struct route *api_routes(size_t *ret_n)
{
	*ret_n = ARRAY_LEN(routes);
	return routes;
}

/* Does the path fit? The one variable part goes to id. */
static bool fits(const char *pattern, struct span path, char id[ID_MAX])
{
	const char *star = strchr(pattern, '*');
	size_t head = star ? (size_t)(star - pattern) : strlen(pattern);
	size_t tail = star ? strlen(star + 1) : 0;
	if (!star)
		return span_is(path, pattern);
	if (path.len <= head + tail || path.len - head - tail >= ID_MAX || memcmp(path.p, pattern, head) ||
	    memcmp(path.p + path.len - tail, star + 1, tail))
		return false;
	snprintf(id, ID_MAX, "%.*s", (int)(path.len - head - tail), path.p + head);
	return strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == path.len - head - tail;
}

static bool in_list(const uint32_t *list, int n, uint32_t id)
{
	for (int i = 0; i < n; i++)
		if (list[i] == id)
			return true;
	return false;
}

static bool in_groups(const uint32_t *gids, int n, const struct peer_cred *p)
{
	if (in_list(gids, n, p->gid))
		return true;
	for (int i = 0; i < p->n_groups; i++)
		if (in_list(gids, n, p->groups[i]))
			return true;
	return false;
}

static bool may_enrol(const struct control *c, const struct peer_cred *p)
{
	const struct config *cfg = c->cfg;
	return p->uid == 0 || in_list(cfg->enrol_uids, cfg->n_enrol_uids, p->uid) ||
	       in_groups(cfg->enrol_gids, cfg->n_enrol_gids, p);
}

bool may_audit(const struct control *c, const struct peer_cred *p)
{
	/* Who came over the network has no groups here. */
	return p->uid == 0 || (p->uid != (uid_t)-1 && in_groups(c->cfg->audit_gids, c->cfg->n_audit_gids, p));
}

static bool owns(const struct control *c, const struct peer_cred *p, const char *id)
{
	const struct session *s = session_by_id(&c->sessions, id);
	return p->uid == 0 || (s && s->uid == p->uid);
}

static bool is_permitted(struct call *k, enum permission need)
{
	const struct peer_cred *p = &k->conn->peer;
	char session[ID_MAX];
	switch (need) {
	case MAY_ANY:
	case MAY_INSIDE:
		return true;
	case MAY_ENROL:
		return may_enrol(k->c, p);
	case MAY_OWN:
		return owns(k->c, p, k->id);
	case MAY_OWN_QUERY:
		return may_audit(k->c, p) ||
		       (http_query(k->query, "session", session, sizeof(session)) == 0 &&
			owns(k->c, p, session));
	case MAY_AUDIT:
		return may_audit(k->c, p);
	case MAY_ROOT:
		return p->uid == 0;
	}
	return false;
}

static const char *remedy_of(enum permission need)
{
	return need == MAY_ENROL  ? "ask for a place in \"enrol\" of the daemon's configuration"
	       : need == MAY_ROOT ? "ask root"
	       : need == MAY_AUDIT ? "ask for a group of \"audit.groups\" in the daemon's configuration"
				  : "only root and the user who started a session may ask about it";
}

/* An agent shares its user's uid: what it is, only its cgroup tells. Whoever cannot be placed is refused. */
static bool is_outside(struct conn *conn, bool may_be_inside)
{
	int managed = conn->peer.pid > 0 ? monitor_is_managed(conn->c, conn->peer.pid) : -ESRCH;
	/* Asked of a number: it must still have been the same process when the answer was found. */
	bool is_placed = managed >= 0 && conn_peer_lives(conn);
	conn->is_inside = managed > 0;
	if (is_placed && (managed == 0 || may_be_inside))
		return true;
	log_warn("a request of process %d, uid %u, is refused: %s", (int)conn->peer.pid,
		 (unsigned)conn->peer.uid,
		 managed > 0 ? "it is in a managed cgroup" : "it cannot be placed");
	conn_fail(conn, 403, NULL, "requests from inside a workload are refused");
	return false;
}

bool api_may_stay(struct conn *conn)
{
	return conn->peer.pid > 0 && monitor_is_managed(conn->c, conn->peer.pid) == 0;
}

static bool take_body(struct call *k, struct span body)
{
	json_error_t e;
	if (!body.len)
		return true;
	k->body = json_loadb((const char *)body.p, body.len, JSON_REJECT_DUPLICATES, &e);
	if (json_is_object(k->body))
		return true;
	json_decref(TAKE(k->body));
	conn_fail(k->conn, 400, NULL, "the body is no JSON object");
	return false;
}

static void refuse(struct call *k, const struct route *r)
{
	char actor[ACTOR_MAX];
	/* What is not the asker's to know is not there for them. */
	conn_fail(k->conn, 403,
		  k->web ? "ask for a group of \"console\" in the daemon's configuration" : remedy_of(r->need),
		  "not permitted for %s", call_actor(k, actor));
}

static void dispatch(struct call *k, const struct route *r, const struct http_request *request)
{
	bool is_ok = k->web ? (k->web->roles & r->web) != 0 : is_permitted(k, r->need);
	/* First the record, then the deed. */
	if (api_record_call(k, request, is_ok) < 0) {
		log_error("a call of the admin API is not recorded");
		if (!r->is_vital) {
			conn_fail(k->conn, 503,
				  "the recorder is starting or away: try again; if it lasts, see the daemon's log",
				  "the call cannot be recorded");
			return;
		}
	}
	if (!is_ok) {
		refuse(k, r);
	} else if (take_body(k, request->body)) {
		r->run(k);
		json_decref(k->body);
	}
}

static const struct route *find(const struct http_request *r, char id[ID_MAX], bool *ret_known)
{
	*ret_known = false;
	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		if (!fits(routes[i].path, r->path, id))
			continue;
		*ret_known = true;
		if (span_is(r->method, routes[i].method))
			return &routes[i];
	}
	return NULL;
}

void api_route(struct conn *conn, const struct http_request *r, const struct web_session *web)
{
	struct call k = {.c = conn->c, .conn = conn, .query = r->query, .web = web};
	bool is_known;
	const struct route *route = find(r, k.id, &is_known);
	if (route)
		dispatch(&k, route, r);
	else if (is_known)
		conn_fail(conn, 405, NULL, "this path does not take that method");
	else
		conn_fail(conn, 404, NULL, "there is no such path");
}

void api_request(struct conn *conn, const struct http_request *r)
{
	char id[ID_MAX];
	bool is_known;
	const struct route *route = find(r, id, &is_known);
	conn->c->n_requests++;
	if (is_outside(conn, route && route->need == MAY_INSIDE))
		api_route(conn, r, NULL);
}
