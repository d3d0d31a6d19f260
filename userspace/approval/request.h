/* What the book of approvals is made of: people, votes, requests, grants. book.h has what is done with
 * them. */
#pragma once

#include "base/arena.h"
#include "policy/terms.h"

#define BOOK_REQUESTS_MAX 16384 /* not ended */
#define BOOK_OWN_MAX	  1024	/* of one identity, not ended */
#define BOOK_RULE_MAX	  8192	/* of one rule, not ended: a flood of one leaves room for the others */
#define BOOK_BYTES_MAX	  (256u * 1024 * 1024)
#define BOOK_ENDED_MAX	  512 /* of the last that ended, kept to be asked about */
#define BOOK_GRANTS_MAX	  4096
#define REQUEST_VOTES_MAX 64
#define REQUEST_BODY_MAX  (1024 * 1024)
#define ESTIMATE_MAX	  8192
#define BOOK_TEXT_MAX	  400 /* of a reason */
#define BOOK_ID_MAX	  24
#define HASH_TEXT	  65
#define SHOWN_MAX	  64u
#define SHOWN_KEY	  32

/* Now, by both clocks, in seconds. */
struct moment {
	int64_t real_s, mono_s;
};

/* Somebody, from a verified token. */
struct person {
	const char *issuer, *subject;
	const char *owner; /* for whom the token's bearer acts; NULL or "": for itself */
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
	const char *reader; /* as whom they were shown the request (request_show); borrowed */
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
	/* Who was shown it whole; the oldest of more than SHOWN_MAX are forgotten, and read again. */
	uint8_t (*shown)[SHOWN_KEY];
	uint32_t n_shown;
	struct narrow narrow; /* of all approvals together, once APPROVED */
	uint64_t release_ticket, release_seq; /* the keeper's; seq 0: not on record yet */
	char grant[BOOK_ID_MAX]; /* that it made; "" */
	/* What came of it; "" where that is not known. */
	char outcome_tag[64], outcome_sqlstate[6], outcome_error[BOOK_TEXT_MAX];
	int64_t outcome_rows, outcome_ns; /* -1: not known */
	bool has_outcome;
	const char *estimate; /* the keeper's: JSON of what the database expects; NULL: it has not said */
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
