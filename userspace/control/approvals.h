/* Keeps the book of approvals (approval/book.h): records what happens, tells the proxy, the clients of the
 * admin API, and whoever subscribed. One thread: control's.
 *
 * The order of things. A vote is put on record; once it is on disk, under a number, it counts. A quorum makes
 * a release event that names the numbers of its votes; once that is on disk the proxy is told, and the
 * operation runs. Whatever cannot be recorded does not happen. */
#pragma once

#include <jansson.h>

#include "approval/book.h"
#include "base/loop.h"
#include "control/server.h"

struct control;
struct identity;
struct msg;
struct session;
struct plan;

/* One who is told what happens. type: "request", "estimate", "join", "vote", "escalate", "release", "end", "grant",
 * "grant_end". news is borrowed: {"type", "request": request_json without its text} or {"type", "grant":
 * grant_json}. Called from the loop, right after the event was put into the record's ring; it may unsubscribe
 * itself, and must not vote. */
struct feed {
	struct feed *next;
	void (*on_news)(struct feed *f, const char *type, const json_t *news);
};

struct approvals {
	struct control *c;
	struct book *book;
	struct waiter *waiters;	    /* operations held in the proxy */
	struct writing *writing;    /* events on their way to the disk */
	struct feed *feeds;
	struct timer tick;
	bool has_grant_news; /* in this tick a grant ended */
	char policy[65];     /* hash of the policy that requests were made under */
};

must_check int approvals_init(struct control *c);
/* Every open request ends with the reason. */
void approvals_stop(struct control *c, const char *reason);

void approvals_subscribe(struct control *c, struct feed *f);
void approvals_unsubscribe(struct control *c, struct feed *f);

/* --- what people do ----------------------------------------------------------------------------- */

/* A vote on its way: it counts once it is on disk. */
struct vote_wait {
	/* status 200: it is on record as event seq, and r is as it is now (borrowed); else an HTTP status and
	 * why. Called once, maybe before approvals_vote returns. */
	void (*on_done)(struct vote_wait *w, int status, const char *why, struct request *r, uint64_t seq);
};
/* hash: of what the voter was shown. v is copied. w must live until on_done was called. */
void approvals_vote(struct control *c, const char *request, const struct vote *v, const char *hash,
		    struct vote_wait *w);
/* A role for a session, asked for by itself or by its user. 0, or an HTTP status with ret_why. */
struct elevate {
	const char *role, *reason, *resource; /* resource "" or NULL: wherever the role may go */
	int64_t for_s;
};
int approvals_elevate(struct control *c, struct session *s, const struct elevate *e, struct request **ret_r,
		      char *ret_why, size_t why_size);
/* by: for the record. ERR_NOT_FOUND, ERR_STATE. */
must_check int approvals_revoke_grant(struct control *c, const char *id, const char *by, const char *reason);
/* Tokens of this person that were issued until now are not believed any more; the number of votes that no longer
 * count, or negative. issuer NULL: of any. */
int approvals_distrust(struct control *c, const char *issuer, const char *subject, const char *by);
/* A session is over: what it was granted as a role ends; where its identity expired or was revoked, all that it asked
 * and was granted. */
void approvals_session_over(struct control *c, const struct session *s, const char *reason);
/* A new policy is in force: open requests end, grants whose rule is gone too. */
void approvals_policy(struct control *c);

/* --- what the other processes say --------------------------------------------------------------- */

void approvals_from_proxy(struct control *c, struct msg *m, const char *type);
void approvals_proxy_is_new(struct control *c);
void approvals_proxy_gone(struct control *c);
void approvals_recorder_gone(struct control *c);
void approvals_written(struct control *c, uint64_t ticket, uint64_t seq);

/* --- shapes (approvals_json.c) ------------------------------------------------------------------ */

/* {"request", "hash", "state", "end", "end_reason", "rule", "description", "kind": "operation" | "role", "issuer",
 * "subject", "owner", "role", "session", "node", "resource", "tag", "class", "reason", "asked", "deadline" (Unix
 * seconds), "waiting", "joined", "stage", "break_glass", "estimate", "choices": [..], "grant_for", "for",
 * "gives", "where", "notify": [..], "need": [[{"group", "need", "missing"}]] (the open stages, any of which is
 * enough), "votes": [{"issuer", "subject", "verdict", "words", "choice", "state", "at", "seq", "group", "from"}],
 * "release", "grant", "outcome": {"tag", "sqlstate", "error", "rows", "duration_ns"}, "estimated": null until
 * the database has said, then {"rows", "cost", "parts": [{"how", "relation", "rows"}], "more"} or {"why"}}
 * is_whole: with "body" {"text" | "text_b64", "params", "needs", "database", "in_transaction"}: what is
 * approved; and "before" {"request", "text"}: what was approved last of the same identity by the same rule. */
json_t *request_json(struct control *c, struct request *r, bool is_whole);
/* {"grant", "request", "rule", "kind", "issuer", "subject", "owner", "role", "session", "gives", "resource", "made",
 * "until", "uses", "used", "by", "state", "end_reason", "narrows": [{"resource", "relations", "classes"}],
 * "release"} */
json_t *grant_json(const struct grant *g);
/* For the proxy: those in force. */
json_t *grants_for_proxy(struct control *c);
/* "ran, 14 ms, 0 rows"; "failed, 42P01: ..." */
void outcome_text(const struct request *r, char *out, size_t size);

/* --- who it is (voter.c) ------------------------------------------------------------------------ */

/* Verifies a token as an enrolment would; on_person is called once, maybe before this returns. id is NULL with a
 * status and why. The token's bytes are wiped. */
struct voter {
	void (*on_person)(struct voter *v, const struct identity *id, int status, const char *why);
};
void voter_verify(struct control *c, const char *token, struct voter *v);
