/* The Merkle tree over the chain's hashes (RFC 6962 2.1, SHA-256; FORMAT.md): entry i is hash(i+1).
 * Kept as its edge, the nodes that no later entry changes: adding costs two hashes on average,
 * whatever the size. */
#pragma once

#include "record/chain.h"

#define TREE_HEIGHTS  64
#define TREE_EDGE_MAX (TREE_HEIGHTS * HASH_LEN)
#define TREE_STEP     8 /* nodes are kept at heights that are multiples of it: one for 256 entries */

struct tree {
	uint64_t size;			       /* entries */
	uint8_t nodes[TREE_HEIGHTS][HASH_LEN]; /* [h]: over 2^h entries, where size has bit h */
};

/* Told of each node at a multiple of TREE_STEP that became complete; index: counted at its height.
 */
struct tree_keep {
	int (*node)(void *ctx, unsigned height, uint64_t index, const uint8_t hash[HASH_LEN]);
	void *ctx;
};

must_check int tree_leaf(struct chain *c, const uint8_t entry[HASH_LEN], uint8_t out[HASH_LEN]);
must_check int tree_join(struct chain *c, const uint8_t left[HASH_LEN],
			 const uint8_t right[HASH_LEN], uint8_t out[HASH_LEN]);
/* keep may be NULL. After an error the tree is spoilt. */
must_check int tree_add(struct tree *t, struct chain *c, const uint8_t entry[HASH_LEN],
			const struct tree_keep *keep);
/* Adds a node over 2^height entries that are not here. ERR_MALFORMED: it does not stand on such a
 * border. */
must_check int tree_graft(struct tree *t, struct chain *c, unsigned height,
			  const uint8_t node[HASH_LEN]);
must_check int tree_root(const struct tree *t, struct chain *c, uint8_t out[HASH_LEN]);
/* The edge, from the highest node to the lowest. Its length. */
size_t tree_edge(const struct tree *t, uint8_t out[TREE_EDGE_MAX]);
/* ERR_MALFORMED: that is no edge of so many entries. */
must_check int tree_read(struct span edge, uint64_t size, struct tree *ret_t);
/* Is the node at this height and index part of the edge? Then ret_hash is it. */
bool tree_has(const struct tree *t, unsigned height, uint64_t index, uint8_t ret_hash[HASH_LEN]);
bool tree_same(const struct tree *a, const struct tree *b);
