/* Between the files that keep the book. */
#pragma once

#include "approval/hash.h"
#include "control/approvals.h"
#include "control/control_internal.h"

/* An operation that the proxy holds. Newest first: the newest is the client that still waits. */
struct waiter {
	struct waiter *next;
	uint64_t ask;
	struct request *request;
	char session[SESSION_ID_MAX], flow[32];
	bool is_released; /* told to run; "taken" is due */
};

/* An event that something follows from once it is on disk. */
struct writing {
	struct writing *next;
	uint64_t ticket;
	char request[BOOK_ID_MAX];
	struct vote *vote; /* NULL: the release */
	struct vote_wait *wait;
};

struct moment approvals_now(void);
/* Records an event about a request: fields is stolen. With a ticket: it is waited for. */
must_check int approvals_record(struct control *c, const struct request *r, const char *type, json_t *fields,
				uint64_t *ret_ticket);
void approvals_tell(struct control *c, const char *type, struct request *r, const struct grant *g);
/* Ends a request: recorded, told, whoever waits is answered. by: the vote that did, or NULL. */
void approvals_end(struct control *c, struct request *r, enum request_end why, const char *reason,
		   const struct vote *by);

/* What a request event says. */
json_t *approvals_request_fields(const struct request *r);
void approvals_grant_used(struct control *c, const char *id);

/* estimates.c */
void estimates_on_proxy(struct control *c, struct msg *m);

/* approvals_proxy.c */
void waiters_answer(struct control *c, struct request *r, const char *verdict, const char *reason);
/* Lets the newest of those who wait run it. */
void waiters_release(struct control *c, struct request *r);
void proxy_send_grants(struct control *c);
