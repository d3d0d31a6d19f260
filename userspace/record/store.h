/* The writer's side of the store: a folder of segments, of which the last one is live. One thread
 * of one process writes; readers take the live segment from store_live. */
#pragma once

#include "base/buf.h"
#include "record/checkpoint.h"
#include "record/segment.h"

struct store;

struct store_options {
	const char *node;
	uint64_t segment_bytes;
	uint64_t segment_seconds; /* 0: a segment may be as old as it will */
};

/* Opens or creates, and takes the lock that keeps a second recorder out (-EWOULDBLOCK). Every byte
 * of the events since the last checkpoint is checked. ERR_VERIFY, ERR_UNSUPPORTED: the store must
 * not be written to; ret_why says what is wrong and what to do. */
must_check int store_open(const char *path, const struct store_options *o, struct store **ret_s,
			  char *ret_why, size_t why_size);
void store_close(struct store *s);
/* The last event that is on disk. 0: none yet. */
uint64_t store_seq(const struct store *s);
const uint8_t *store_hash(const struct store *s);
/* The same with the tree. */
const struct position *store_position(const struct store *s);
/* The first event of the live segment. */
uint64_t store_first(const struct store *s);
/* The last checkpoint's number, 0: none. */
uint64_t store_signed(const struct store *s);
/* A reference, from any thread. NULL: not open now. */
struct segment *store_live(struct store *s);
const char *store_path(const struct store *s);

/* Is the live segment full (80 % of its bytes) or old enough, so that store_rotate is due? */
bool store_is_full(const struct store *s);
/* One transaction: begin, append..., put..., commit or abort. Any negative code but those that are
 * named spoils it: abort it; nothing of it is stored. */
must_check int store_begin(struct store *s);
/* Stores one event, chained already; prev: the hash that it holds of the one before. ERR_FULL: the
 * segment is; after the abort, store_rotate. ERR_STATE: it is not the next. */
must_check int store_append(struct store *s, uint64_t seq, const uint8_t prev[HASH_LEN],
			    struct span stored);
/* A checkpoint over events that are stored, and the key that signed it: a transaction of its own.
 * Where the segment of its last event is not the live one any more it is left out: the next one
 * vouches for the same. */
must_check int store_sign(struct store *s, const struct checkpoint *c, const uint8_t key[KEY_LEN]);
must_check int store_put(struct store *s, enum segment_db db, struct span key, struct span value);
/* Keeps what a record.key event tells: the live segment has it, and each later one until there is another. */
must_check int store_keep_key(struct store *s, struct span id, struct span to);
/* The live segment's number. */
uint32_t store_segment(struct store *s);
/* Appends the value to out. ERR_NOT_FOUND. */
must_check int store_get(struct store *s, enum segment_db db, struct span key, struct buf *out);
/* On disk when it returns 0. hash: of the last event that was appended; NULL where there was none.
 */
must_check int store_commit(struct store *s, const uint8_t *hash);
void store_abort(struct store *s);
/* Between transactions: seals the live segment and begins a new one. -ENOSPC if it is still empty.
 */
must_check int store_rotate(struct store *s);
/* After a failed commit: opens anew. -EBUSY while somebody reads; new readers are kept out until
 * then. */
must_check int store_reopen(struct store *s);
