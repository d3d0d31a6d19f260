/* Reads the events of one segment in order, in short transactions: a writer's pages are not held up
 * for long. */
#pragma once

#include "record/segment.h"

struct seg_cursor {
	struct segment *g; /* borrowed */
	MDB_txn *txn;
	MDB_cursor *events;
	uint64_t next; /* the least number that the next event may have */
	int n_read;
};

must_check int seg_cursor_open(struct segment *g, struct seg_cursor *ret_c);
void seg_cursor_close(struct seg_cursor *c);
/* The next read gives the first event with this number or a higher one. */
void seg_cursor_seek(struct seg_cursor *c, uint64_t seq);
/* 1; 0: no more; negative. ret_stored is borrowed until the next call. */
must_check int seg_cursor_next(struct seg_cursor *c, uint64_t *ret_seq, struct span *ret_stored);
