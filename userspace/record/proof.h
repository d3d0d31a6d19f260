/* Proofs over the record's tree (RFC 6962 2.1.1, 2.1.2), and their texts: C2SP tlog-proof for an
 * event in a checkpoint's tree, and in the manner of it for a checkpoint that an older one goes on
 * to. */
#pragma once

#include "base/buf.h"
#include "record/checkpoint.h"
#include "record/tree.h"

#define PROOF_HASHES   (2 * TREE_HEIGHTS)
#define PROOF_TEXT_MAX (1024 * 1024)

struct proof {
	int n;
	uint8_t hashes[PROOF_HASHES][HASH_LEN];
};

/* Where the nodes of a tree are. height 0: leaves. */
struct tree_nodes {
	int (*node)(void *ctx, unsigned height, uint64_t index, uint8_t ret_hash[HASH_LEN]);
	void *ctx;
};

/* The tree hash of entries from..from+n, where from is a multiple of a power of two that is at
 * least n, as it is everywhere within a tree. */
must_check int proof_range(const struct tree_nodes *t, struct chain *c, uint64_t from, uint64_t n,
			   uint8_t ret_hash[HASH_LEN]);
/* index < size; 0 < old <= size: else ERR_LIMIT. */
must_check int proof_inclusion(const struct tree_nodes *t, struct chain *c, uint64_t index,
			       uint64_t size, struct proof *ret_p);
must_check int proof_consistency(const struct tree_nodes *t, struct chain *c, uint64_t old,
				 uint64_t size, struct proof *ret_p);
/* 0 or ERR_VERIFY. */
must_check int proof_check_inclusion(const struct proof *p, struct chain *c, uint64_t index,
				     uint64_t size, const uint8_t leaf[HASH_LEN],
				     const uint8_t root[HASH_LEN]);
must_check int proof_check_consistency(const struct proof *p, struct chain *c, uint64_t old,
				       uint64_t size, const uint8_t old_root[HASH_LEN],
				       const uint8_t root[HASH_LEN]);

/* A proof that can be handed on. */
struct proof_text {
	struct proof proof;
	bool is_consistency;
	uint64_t index;	  /* of the entry: the event's number - 1; or the older tree's size */
	struct buf event; /* its stored bytes; of consistency: empty */
	struct checkpoint checkpoint; /* that it leads to */
};

/* init and done only care for the buffer. */
void proof_text_init(struct proof_text *t);
void proof_text_done(struct proof_text *t);
void proof_write(struct buf *out, const struct proof_text *t);
/* ERR_MALFORMED. */
must_check int proof_read(struct span text, struct proof_text *ret_t);
/* Does it hold, under this key? old: the older checkpoint, for consistency. ERR_VERIFY; ERR_STATE:
 * old is not the one that is meant. */
must_check int proof_check(const struct proof_text *t, struct chain *c, const uint8_t key[KEY_LEN],
			   const struct checkpoint *old);
