/* How a tree grew: the fewest nodes that make it the larger one, in the order in which they are
 * grafted. Whoever holds the smaller tree gets the larger one from them, and thereby knows that
 * nothing of the smaller was changed. */
#pragma once

#include "base/buf.h"
#include "record/proof.h"

#define GROWTH_NODE (2 + HASH_HEX) /* level and hash, in hex */
#define GROWTH_MAX  (2 * TREE_HEIGHTS * GROWTH_NODE)

/* Appends the nodes from a tree of so many entries to one of size. */
must_check int growth_write(const struct tree_nodes *t, struct chain *c, uint64_t from,
			    uint64_t size, struct buf *out);
/* Grafts them. ERR_MALFORMED. */
must_check int growth_take(struct span nodes, struct chain *c, struct tree *t);
