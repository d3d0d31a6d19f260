/* The nodes of a store's tree, wherever they are: kept ones, those of the edge before its first
 * segment, and else from the events' links. A node costs at most 256 reads, whatever the size of
 * the store. */
#pragma once

#include "record/proof.h"
#include "record/segment.h"

struct tree_reader;

/* live: the segment that this process writes to, or NULL; it is borrowed. What is written later is
 * not seen. ERR_NOT_FOUND: there is no segment. */
must_check int tree_reader_open(const char *path, struct segment *live, struct tree_reader **ret_t);
/* One segment alone: nodes that begin before it are those of its edge. */
must_check int tree_reader_of(struct segment *g, struct tree_reader **ret_t);
void tree_reader_close(struct tree_reader *t);
struct tree_nodes tree_reader_nodes(struct tree_reader *t);
/* Appends an event's stored bytes. ERR_NOT_FOUND. */
must_check int tree_reader_event(struct tree_reader *t, uint64_t seq, struct buf *out);
/* The checkpoint over exactly seq events; 0: the last one. ERR_NOT_FOUND. */
must_check int tree_reader_checkpoint(struct tree_reader *t, uint64_t seq,
				      struct checkpoint *ret_c);
