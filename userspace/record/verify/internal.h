/* Between the files of the verifier: one walk over the events, and what is checked at each. */
#pragma once

#include "record/ledger.h"
#include "record/payload.h"
#include "record/scan.h"
#include "record/segment_read.h"
#include "record/verify/verify.h"
#include "record/verify/quorum.h"

struct verify_parts;

struct walk {
	const struct verify_options *o;
	struct verify_result *v;
	struct chain *chain;
	struct seg_cursor cur;
	MDB_cursor *checkpoints;
	struct checkpoint next_signed; /* the next one of this segment; seq 0: no more */
	uint64_t expected;	       /* the number that comes next */
	struct position at;	       /* behind the event before it */
	bool is_begun;		       /* at.hash is known */
	bool has_tree;		       /* at.tree is */
	bool is_export;
	struct position gone; /* what came before the first event is not here; seq 0: nothing */
	uint8_t gone_root[HASH_LEN];
	uint64_t tombstone; /* the event that says so */
	uint64_t n_nodes;   /* of an export: that stood for events */
	char sealed_with[24];	/* the last key that was looked at */
	struct verify_parts *parts;
	struct quorum_check *quorum;
	struct flows *flows; /* NULL: a segment alone */
	struct ledger *ledger;
	uint64_t incomplete; /* the first session.reconciled that says, or should say, mismatch; 0: none */
	char incomplete_why[300];
};

/* --- verify.c. Both name an event, mark the result and return 0. --- */
__attribute__((format(printf, 3, 4))) int verify_bad(struct walk *w, uint64_t seq, const char *fmt,
						     ...);
int verify_missing(struct walk *w, uint64_t from, uint64_t to, const char *who);
/* Unless something is bad, it cannot be told: the first reason is kept. signed.c */
__attribute__((format(printf, 2, 3))) void verify_unknown(struct walk *w, const char *fmt, ...);

/* --- omitted.c: an export. What is bad stands in the result. --- */
/* Goes over what is left out, up to the event before this one. */
must_check int verify_omitted(struct walk *w, uint64_t before);
/* At the end: over the rest, and there must be no nodes but those. */
must_check int verify_all_omitted(struct walk *w);

/* --- signed.c. 0, or an error of reading; what is bad stands in the result. --- */
/* The key that a segment names, against the one that is expected. */
must_check int verify_key(struct walk *w, MDB_txn *txn);
must_check int verify_next_signature(struct walk *w, MDB_cursor_op op);
/* Checkpoints at the event that was just read: the store's and those that were given. */
must_check int verify_signatures(struct walk *w, uint64_t seq);
/* The events from this one to the last are left out as one: what is told of a place within cannot be compared. */
void verify_hidden(struct walk *w, uint64_t first, uint64_t last);
/* The record begins behind its first event: notes what has to be vouched for. */
must_check int verify_removed(struct walk *w);
/* Is this event the one that vouches for it? */
must_check int verify_tombstone(struct walk *w, uint64_t seq, const struct scan *event);
/* Is what stands in parts whole? parts.c */
must_check int verify_parts_new(struct verify_parts **ret_p);
void verify_parts_free(struct verify_parts *p);
must_check int verify_parts(struct walk *w, uint64_t seq, const struct scan *event);
/* Can it be opened, by who may? sealed.c */
must_check int verify_sealed(struct walk *w, uint64_t seq, const struct scan *event);
/* Are the sessions complete? ledger.c: what is found stands apart, so that the chain is checked to its end. */
void verify_ledger(struct walk *w, uint64_t seq, const struct scan *event);
void verify_complete(struct walk *w);
/* After the last event: what is still owed. */
must_check int verify_end(struct walk *w);
