/* The book of approvals: requests, votes, quorum, grants. Pure: no I/O, no clock, no logging; whoever
 * keeps a book passes the time in, records what happens and tells who waits. One thread.
 *
 * A request is about one operation (bound by its hash) or one role. Its life:
 *   PENDING   people are asked; whoever sends the same again joins it
 *   APPROVED  a quorum is there and its release is (being) put on record; not used yet
 *   RUNNING   it was handed to the one who waits; what comes of it is not known yet
 *   ENDED     why: request.end
 * Time runs on two clocks, and a deadline is over as soon as one of them says so: setting the real clock
 * can shorten a wait, never lengthen it. */
#pragma once

#include "approval/request.h"

struct book;
must_check int book_new(struct book **ret_b);
void book_free(struct book *b);
int book_n_open(const struct book *b);

/* The request for this: a new one, or the open one of the same hash, joined. ret_joined tells. An approved
 * one that was not used yet is joined as well. ERR_LIMIT: too many, too large; -ENOMEM; ERR_MALFORMED. */
must_check int book_ask(struct book *b, const struct ask *a, const struct terms *t, struct moment now,
			struct request **ret_r, bool *ret_joined);
/* Why book_ask would say ERR_LIMIT to this: too many, too large; NULL: it would not. For people; a static string. */
const char *book_why_full(const struct book *b, const struct ask *a, const char *rule);
struct request *book_request(struct book *b, const char *id); /* NULL: none */
struct request *book_requests(struct book *b);		      /* newest first, then ->next */

/* Is one of these groups asked, now? */
bool request_asks(const struct request *r, const char *const *groups, int n_groups);

/* The request was given whole to this reader: a login, by its token's SHA-256, or whatever else tells it from
 * others. */
void request_show(struct request *r, const char *reader);
bool request_is_shown(const struct request *r, const char *reader);

/* Takes a vote: it is checked, and waits (VOTE_WRITING) to be put on record. hash: what the voter was
 * shown. ret_why: a sentence for people.
 * ERR_STATE (not pending), ERR_EXPIRED, ERR_EXISTS (voted already), ERR_VERIFY (another hash, or not shown
 * whole to v->reader), ERR_DENIED (the
 * requester, the owner, in no group that is asked, login not fresh, choice not permitted), ERR_LIMIT, -ENOMEM. */
must_check int book_vote(struct book *b, struct request *r, const struct vote *v, const char *hash,
			 struct moment now, struct vote **ret_vote, char *ret_why, size_t why_size);
/* Its event is on disk: it counts from now on. Returns what follows: */
enum after_vote { VOTE_NOTHING, VOTE_QUORUM, VOTE_DENIED };
enum after_vote book_recorded(struct book *b, struct request *r, struct vote *v, uint64_t seq, struct moment now);
/* It could not be put on record. */
void book_void(struct vote *v);
/* Is a quorum of one of the open stages there, of people whose tokens are still good? Names in each vote the
 * group it stands for. */
bool book_has_quorum(struct request *r, struct moment now);
/* How many people of this group are still missing in the given stage. */
int book_missing(const struct request *r, int stage, int group, struct moment now);
/* A person is no longer to be trusted: open votes become void. issuer NULL: of any. The number of votes. */
int book_distrust(struct book *b, const char *issuer, const char *subject, struct moment now);

/* PENDING -> APPROVED (ERR_STATE, ERR_DENIED: no quorum). */
must_check int book_approve(struct book *b, struct request *r, struct moment now);
/* APPROVED and on record -> RUNNING: it may be used, once. ERR_STATE. */
must_check int book_take(struct book *b, struct request *r);
/* RUNNING -> APPROVED: whoever was to run it was gone before it began. */
void book_untake(struct request *r);
void book_end(struct book *b, struct request *r, enum request_end why, const char *reason, struct moment now);
/* What ran has ended: RUNNING -> ENDED. */
struct outcome {
	const char *tag, *sqlstate, *error; /* NULL: none */
	int64_t rows, duration_ns;
};
void book_outcome(struct book *b, struct request *r, const struct outcome *o, struct moment now);

/* Makes the grant that an approved request stands for (its narrow.choice is wider than once, or it is for a
 * role), and ends the request unless an operation waits to run by it. ERR_LIMIT, ERR_STATE, -ENOMEM. */
must_check int book_grant(struct book *b, struct request *r, struct moment now, struct grant **ret_g);
struct grant *book_grant_by_id(struct book *b, const char *id);
struct grant *book_grants(struct book *b);
/* Something may still pass by it: it is live, or it is used up and what began by it goes on. */
bool book_grant_is_open(const struct grant *g, struct moment now);
void book_grant_end(struct grant *g, enum grant_end why, const char *reason, struct moment now);
/* It was used. True: that was the last time. */
bool book_grant_used(struct grant *g, struct moment now);

/* What time has done since: calls on_* for each; the book has changed already when it calls. */
struct book_news {
	void *ctx;
	void (*on_expired)(void *ctx, struct request *r);
	void (*on_escalated)(void *ctx, struct request *r); /* r->stage is open now */
	void (*on_grant_over)(void *ctx, struct grant *g);
};
void book_tick(struct book *b, struct moment now, const struct book_news *news);
