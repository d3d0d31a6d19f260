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

#include "base/arena.h"
#include "policy/terms.h"

#define BOOK_REQUESTS_MAX 16384 /* not ended */
#define BOOK_OWN_MAX	  4096	/* of one identity, not ended */
#define BOOK_BYTES_MAX	  (256u * 1024 * 1024)
#define BOOK_ENDED_MAX	  512 /* of the last that ended, kept to be asked about */
#define BOOK_GRANTS_MAX	  4096
#define REQUEST_VOTES_MAX 64
#define REQUEST_BODY_MAX  (1024 * 1024)
#define BOOK_TEXT_MAX	  400 /* of a reason */
#define BOOK_ID_MAX	  24
#define HASH_TEXT	  65

/* Now, by both clocks, in seconds. */
struct moment {
	int64_t real_s, mono_s;
};

/* Somebody, from a verified token. */
struct person {
	const char *issuer, *subject;
	const char *const *groups;
	int n_groups;
	int64_t issued, expires; /* of the token: iat (0: it names none), exp */
	const char *token_sha256;
	const char *from; /* from where the vote came, for the record: "unix uid 1000", "10.0.0.7" */
};

enum request_state { REQUEST_PENDING, REQUEST_APPROVED, REQUEST_RUNNING, REQUEST_ENDED };
enum request_end {
	END_NONE,
	END_DONE,      /* it ran (see outcome), or its grant was made */
	END_DENIED,    /* by an approver */
	END_EXPIRED,   /* nobody answered in time */
	END_WITHDRAWN, /* session over or revoked, policy changed, shutdown: end_reason says */
};
const char *request_state_name(enum request_state s);
const char *request_end_name(enum request_end e);

enum vote_state {
	VOTE_WRITING, /* on its way to the record: does not count yet */
	VOTE_COUNTS,
	VOTE_VOID, /* the voter was revoked, or it could not be recorded */
};

/* How far an approval reaches; each voter may narrow, all of it holds together. */
struct narrow {
	enum choice choice; /* CHOICE_ONCE unless something wider was chosen */
	int64_t for_s;	    /* 0: as long as asked for */
	uint32_t uses;	    /* 0: not limited */
	const char *resource; /* NULL: any */
	const char *const *relations; /* patterns "schema.table"; n 0: any */
	int n_relations;
	const char *const *classes;
	int n_classes;
};

struct vote {
	struct person who;
	bool is_approval;
	const char *words; /* "" if none */
	struct narrow narrow;
	enum vote_state state;
	int64_t at;	 /* Unix seconds */
	uint64_t ticket; /* of its event in the ring; the keeper's */
	uint64_t seq;	 /* of its event in the record, once it counts */
	const char *group; /* of the quorum: which group it stands for; NULL: none */
};

/* What is asked for. Borrowed; the book copies. */
struct ask {
	const char *hash;	 /* 64 hex digits: resource, identity, text, parameter values (hash.h) */
	const char *text_hash;	 /* the same without parameters; "" where there is none */
	const char *pattern_hash; /* and without constants; "" */
	const char *issuer, *subject, *owner, *role, *session;
	const char *resource; /* "" for a role without one */
	const char *tag, *class; /* "ALTER TABLE", "ddl"; "elevate", "" */
	const char *reason;	 /* the asker's own words, unverified; "" */
	struct span body;	 /* JSON object of what is asked for, whole; the book does not read it */
	int64_t for_s;		 /* of a role: how long */
};

struct request {
	struct request *next; /* newest first */
	struct request *same; /* in its hash bucket */
	struct arena arena;
	char id[BOOK_ID_MAX]; /* "r-..." */
	struct ask ask;	      /* copies */
	struct terms terms;   /* copies */
	enum request_state state;
	enum request_end end;
	char end_reason[BOOK_TEXT_MAX];
	struct moment asked, deadline, ended;
	int stage; /* the last stage that is open */
	uint32_t n_joined, n_waiting; /* who joined in all; who waits now (the keeper's) */
	struct vote *votes[REQUEST_VOTES_MAX];
	int n_votes;
	struct narrow narrow; /* of all approvals together, once APPROVED */
	uint64_t release_ticket, release_seq; /* the keeper's; seq 0: not on record yet */
	char grant[BOOK_ID_MAX]; /* that it made; "" */
	/* What came of it; "" where that is not known. */
	char outcome_tag[64], outcome_sqlstate[6], outcome_error[BOOK_TEXT_MAX];
	int64_t outcome_rows, outcome_ns; /* -1: not known */
	bool has_outcome;
};

enum grant_end { GRANT_LIVE, GRANT_EXPIRED, GRANT_USED, GRANT_REVOKED };
const char *grant_end_name(enum grant_end e);

/* What an approval created: lives until a moment, however many sessions are open. */
struct grant {
	struct grant *next; /* newest first */
	struct arena arena;
	char id[BOOK_ID_MAX]; /* "g-..." */
	const char *request, *rule;
	const char *issuer, *subject, *owner, *role, *session;
	enum choice choice;
	const char *hash; /* that it answers to: of the text, of the pattern; "" for a role */
	const char *gives; /* the role; "" otherwise */
	const char *resource; /* "" any */
	/* Each list of relations (classes) is one voter's, and all must agree. */
	const struct narrow **narrows;
	int n_narrows;
	uint32_t uses, used; /* uses 0: not limited */
	struct moment made, until;
	uint64_t release_seq;
	const char *by; /* whose approvals, for people */
	enum grant_end end;
	int64_t ended_at;
	char end_reason[BOOK_TEXT_MAX];
};

struct book;
must_check int book_new(struct book **ret_b);
void book_free(struct book *b);
int book_n_open(const struct book *b);

/* The request for this: a new one, or the open one of the same hash, joined. ret_joined tells. An approved
 * one that was not used yet is joined as well. ERR_LIMIT: too many, too large; -ENOMEM; ERR_MALFORMED. */
must_check int book_ask(struct book *b, const struct ask *a, const struct terms *t, struct moment now,
			struct request **ret_r, bool *ret_joined);
struct request *book_request(struct book *b, const char *id); /* NULL: none */
struct request *book_requests(struct book *b);		      /* newest first, then ->next */

/* Is one of these groups asked, now? */
bool request_asks(const struct request *r, const char *const *groups, int n_groups);

/* Takes a vote: it is checked, and waits (VOTE_WRITING) to be put on record. hash: what the voter was
 * shown. ret_why: a sentence for people.
 * ERR_STATE (not pending), ERR_EXPIRED, ERR_EXISTS (voted already), ERR_VERIFY (another hash), ERR_DENIED (the
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
