/* Shared between api.c and the files that hold its routes. */
#pragma once

#include "control/control_internal.h"

/* One request. The body is freed after the route ran, unless it took it (TAKE). */
struct call {
	struct control *c;
	struct conn *conn;
	struct span query;
	json_t *body; /* an object, or NULL */
	char id[40];  /* of the session in the path */
};

enum permission {
	MAY_ANY,       /* any process outside of workloads */
	MAY_ENROL,     /* root and those of "enrol" */
	MAY_OWN,       /* root, and the session's own uid */
	MAY_OWN_QUERY, /* the same, for the session in the query; without one: root */
	MAY_ROOT,
};

struct route {
	const char *method, *path;
	enum permission need;
	void (*run)(struct call *k);
};

/* api_sessions.c */
void api_enrol(struct call *k);
void api_session(struct call *k);
void api_renew(struct call *k);
void api_revoke(struct call *k);
void api_end(struct call *k);
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
void api_tokens(struct call *k);
