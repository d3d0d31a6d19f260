/* Shared between the files of the control process only. */
#pragma once

#include <jansson.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/msg.h"
#include "config.h"
#include "control/approvals.h"
#include "control/fetches.h"
#include "control/hooks.h"
#include "control/keys.h"
#include "control/server.h"
#include "control/sessions.h"
#include "control/sinks.h"
#include "control/web.h"
#include "policy/policy.h"
#include "priv/child.h"

/* A channel to another child, given anew by the monitor after each start of it. */
struct peer {
	struct control *c;
	struct source source;
	int fd; /* -1: it is not there */
};

/* One who waits for the proxy's next status. */
struct status_wait {
	struct conn_hold hold;
	struct timer deadline;
	struct control *c;
	struct status_wait *next;
};

struct policy_file {
	struct plan *plan;  /* in force, or NULL */
	int text_fd;	    /* its text as a sealed memfd, for the proxy; -1 */
	char seen_hash[65]; /* of the last text that was looked at, good or bad */
	char *last_error;   /* why the last text is not in force, or NULL */
	struct source watch;
	struct timer settle, poll;
};

struct control {
	const struct config *cfg;
	const struct child_env *env;
	struct loop *loop;
	struct ring *ring;
	struct source notify;
	struct peer proxy, recorder, console;
	struct policy_file policy;
	struct keys keys;
	struct fetches fetches;
	struct sinks *sinks; /* NULL: none are configured */
	struct web people;
	struct hook_queue hooks;
	struct feed news;
	struct live live;
	struct sessions sessions;
	struct approvals approvals;
	struct source cgroup_watch;
	struct timer beat, sweep, opening;
	uint64_t opens_ns; /* ready.c: when the API answers at the latest */
	struct server api, metrics, web;
	json_t *status; /* the proxy's last, or NULL */
	uint64_t status_ns, status_before_ns;
	json_t *status_before; /* the one before, for rates */
	bool is_asked;	       /* a status is on its way */
	struct status_wait *status_waits;
	struct explain_wait *explain_waits; /* api_explain.c */
	uint64_t n_explained;
	uint64_t n_enrolled, n_enrol_refused, n_kernel_refused, n_requests, n_reconciled, n_mismatches;
	json_t *gaps, *probe;
	json_t *certificate; /* the console's, as it says: {until, fault}; NULL: it has said nothing */
};

/* monitor_calls.c: one call, one answer; blocking, and the monitor answers at once. */
must_check int monitor_call(struct control *c, json_t *request, int fd, struct msg *ret_answer, char *ret_why,
			    size_t why_size); /* steals request; fd -1: none */
/* The answer's one descriptor. */
must_check int monitor_open(struct control *c, json_t *request, int *ret_fd, char *ret_why, size_t why_size);
/* 1, 0; negative: cannot tell (then refuse). */
int monitor_is_managed(struct control *c, int pid);
/* The managed cgroup that a process is in. ERR_NOT_FOUND, or negative: cannot tell. */
must_check int monitor_workload_of(struct control *c, int pid, uint64_t *ret_cgroup_id);

/* peers.c */
void peers_init(struct control *c);
void peer_set(struct peer *p, int fd);
must_check int peer_send(struct peer *p, json_t *msg, int fd); /* steals msg; fd is borrowed, -1: none */
void proxy_send_policy(struct control *c);
void proxy_send_session(struct control *c, const struct session *s);
void proxy_end_session(struct control *c, const struct session *s, const char *reason);
void proxy_ask_status(struct control *c);

/* policy_file.c */
void policy_init(struct control *c);
void policy_done(struct control *c);
/* Reads the file; a good one comes into force, a bad one leaves the old. ret_errors may be NULL. */
must_check int policy_reload(struct control *c, struct policy_errors *ret_errors, bool *ret_changed);

/* Does some resource answer its clients with TLS? */
bool policy_offers_tls(const struct plan *p);

/* enrol.c */
void enrol_start(struct conn *conn, json_t *body);		      /* steals body */
void renew_start(struct conn *conn, struct session *s, json_t *body); /* steals body */

/* lifecycle.c: what happens to a session after it began. */
void session_arm(struct control *c, struct session *s);
void session_revoke(struct control *c, struct session *s, const char *reason);
void session_end(struct control *c, struct session *s, const char *reason, int exit_code);
void session_keep(struct control *c, const struct session *s); /* its state, with the monitor */
/* contain.c: what policy or an operator does to a live workload. s may be NULL. */
void contain_on_bypass(struct control *c, struct session *s, const char *vector);
/* action: "freeze", "thaw", "kill", "release"; on record as session.<action> before it is done. */
must_check int session_contain(struct control *c, struct session *s, const char *action, const char *reason,
			       char *ret_why, size_t why_size);
must_check int record_session(struct control *c, const struct session *s, const char *type, const char *reason,
			      int exit_code); /* lifecycle.c */
void sessions_restore(struct control *c);
void sessions_sweep(struct control *c);
must_check int cgroup_watch_init(struct control *c);

/* api.c, api_*.c */
bool api_may_stay(struct conn *conn); /* not from inside a workload */
void api_request(struct conn *conn, const struct http_request *r);
void metrics_request(struct conn *conn, const struct http_request *r);
void status_arrived(struct control *c);
/* findings.c: what is with the gateway itself, in the form of the kernel's probe. A new array. */
json_t *findings(const struct control *c);
/* ready.c: NULL if operations can pass, else why not, for people. */
const char *why_not_ready(const struct control *c);
/* The admin API, from when the gateway is ready on, or a few seconds after its start. */
must_check int api_open_when_ready(struct control *c);
/* api_explain.c */
void explain_from_proxy(struct control *c, struct msg *m);
void explain_proxy_gone(struct control *c);
/* May the process on the Unix socket read the whole record? api.c */
bool may_audit(const struct control *c, const struct peer_cred *p);
/* Root, or one who came by the console: there the route's roles decide. */
static inline bool sees_all(const struct conn *conn)
{
	return conn->peer.uid == 0 || conn->server == &conn->c->web;
}

/* relay.c: an answer of the recorder, line by line, to the client. */
void relay_start(struct conn *conn, json_t *query); /* steals query */
/* Or its lines to whoever makes one answer of them. */
struct relay_sink {
	void (*line)(void *ctx, struct span line);
	void (*answer)(void *ctx, struct conn *conn); /* all lines were there */
	void (*free)(void *ctx);
	bool is_permitted; /* the route has checked: lines of other people's sessions are not left out */
};
/* Steals query and ctx. */
void relay_collect(struct conn *conn, json_t *query, const struct relay_sink *sink, void *ctx);
void summary_start(struct conn *conn, struct session *s, const char *id);

/* news.c */
void news_init(struct control *c);

/* control.c */
must_check int control_record(struct control *c, struct buf *event); /* ends the buffer */
