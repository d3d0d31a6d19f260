/* Shared between api.c and the files that hold its routes. */
#pragma once

#include "control/control_internal.h"

/* One request. The body is freed after the route ran, unless it took it (TAKE). */
struct call {
	struct control *c;
	struct conn *conn;
	struct span query;
	json_t *body; /* an object, or NULL */
	const struct web_session *web; /* who came by the console; NULL: on the Unix socket */
	char id[40];  /* of the session, the request or the grant in the path */
};

#define ACTOR_MAX 600
/* Who asks, for records and for people: a subject, or "uid N". */
const char *call_actor(const struct call *k, char out[ACTOR_MAX]);
must_check int api_record_call(const struct call *k, const struct http_request *r, bool is_permitted);
/* Finds the route, and whether the caller may take it. */
void api_route(struct conn *conn, const struct http_request *r, const struct web_session *web);

enum permission {
	MAY_ANY,       /* any process outside of workloads */
	MAY_ENROL,     /* root and those of "enrol" */
	MAY_OWN,       /* root, and the session's own uid */
	MAY_OWN_QUERY, /* the same, for the session in the query; without one: MAY_AUDIT */
	MAY_AUDIT,     /* root and the groups of "audit.groups" */
	MAY_ROOT,
	MAY_INSIDE, /* any process, of workloads too: the route itself looks whose it is */
};

struct route {
	const char *method, *path;
	enum permission need; /* on the Unix socket */
	void (*run)(struct call *k);
	unsigned web;  /* the roles that may by the console; 0: nobody */
	bool is_vital; /* works even while nothing can be recorded */
};
const struct route *api_routes(size_t *ret_n);

/* web.c, live.c */
void api_me(struct call *k);
void api_live(struct call *k);

/* api_sessions.c */
void api_enrol(struct call *k);
void api_thaw(struct call *k);
void api_release(struct call *k);
void api_session(struct call *k);
void api_renew(struct call *k);
void api_revoke(struct call *k);
void api_end(struct call *k);
/* session_page.c */
void api_newest(struct call *k);
/* api_record.c */
void api_sessions(struct call *k);
void api_events(struct call *k);
void api_export(struct call *k);
void api_verify(struct call *k);
void api_prove(struct call *k);
/* api_node.c */
void api_status(struct call *k);
void api_doctor(struct call *k);
void api_policy(struct call *k);
void api_policy_reload(struct call *k);
/* api_explain.c */
void api_policy_explain(struct call *k);
void api_policy_explain_sql(struct call *k);
/* api_node.c */
void api_tokens(struct call *k);
/* api_approvals.c */
void api_requests(struct call *k);
void api_requests_query(struct call *k);
void api_requests_stream(struct call *k);
void api_request_one(struct call *k);
void api_request_query(struct call *k);
void api_vote(struct call *k);
void api_elevate(struct call *k);
void api_grants(struct call *k);
void api_revoke_grant(struct call *k);
void api_distrust(struct call *k);
