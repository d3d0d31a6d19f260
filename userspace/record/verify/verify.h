/* Checks the chain of a store, event by event, its checkpoints, and that each release of an approval has its quorum
 * before it (quorum.h); names the first bad event. */
#pragma once

#include "record/checkpoint.h"
#include "record/segment.h"
#include "record/verify/flows.h"

struct verify_options {
	uint64_t
	    from; /* begin at this event and take its own word for the hash before it; 0: all */
	const uint8_t *key;	 /* KEY_LEN bytes; NULL: the one that the store itself names */
	const char *fingerprint; /* of the key that it must name; NULL: any */
	/* From elsewhere (a log, a sink): the record must go on from each of them. */
	const struct checkpoint *checkpoints;
	size_t n_checkpoints;
	/* Asked now and then; true ends the work with -ECANCELED. May be NULL. */
	bool (*is_stopped)(void *ctx);
	void *ctx;
};

struct verify_result {
	bool is_bad;
	bool is_unknown; /* what was asked cannot be told: why */
	uint64_t bad_seq;
	char why[400];
	char node[NODE_MAX];
	uint64_t first, last; /* 0: there are no events */
	uint64_t signed_to;
	uint64_t removed_to; /* events 1 to this one were removed, a tombstone says so; 0: none */
	uint64_t left_out;   /* events that an export has only the hashes of */
	uint64_t untold;     /* uses of an approval whose answers may lie in what was removed */
	uint64_t bytes;	     /* that were hashed */
	bool has_root;
	uint8_t root[HASH_LEN]; /* of the tree up to last */
	struct flow_counts flows; /* of a store: of the events that are here */
	bool has_key;
	uint8_t key[KEY_LEN];
};

/* One segment alone. 0 (then look at is_bad), ERR_VERIFY (LMDB finds its own file damaged), or
 * another. */
must_check int verify_segment(struct segment *g, const struct verify_options *o,
			      struct verify_result *ret_v);
/* All segments in order. live: the one that this process writes to, or NULL. */
must_check int verify_store(const char *path, struct segment *live, const struct verify_options *o,
			    struct verify_result *ret_v);
/* One line: {"bytes","exit","first","flows","key","last","left_out","line","lines","node","removed_to",
 * "root","signed_to"}, with "bad" where an event is. line: "OK node-07 events 5..12 signed-to 10
 * unsigned-tail 2 removed 1..4", "BAD node-07 event 7: ..." or "CANNOT TELL ..." for people; exit: 0,
 * 1, 2; key: the fingerprint of the key that signed; flows: counts; lines: for people, what they say
 * (of a part: nothing). */
void verify_json(struct buf *out, const struct verify_result *v, int err);
