/* The store: a folder of segments, "segment-000001" and so on, each an LMDB environment. Sub-databases:
 *   meta         "schema" -> "1", "node", "first" -> number of its first event, "prev" -> hash before it
 *   events       number (64-bit big-endian) -> event
 *   sessions     session id -> summary (JSON); the latest segment's is the one that holds
 *   by_session   session id, NUL, first number (big-endian) -> last number (big-endian): where its events lie
 *   checkpoints  number (big-endian) -> {"hash","node","seq","sig","time"} (JSON)
 *   rings        ring id (16 bytes) -> position (64-bit big-endian) up to which it is recorded
 * One process writes; readers use read transactions of their own. */
#pragma once

#include "record/chain.h"

struct store;
enum store_db { DB_META, DB_EVENTS, DB_SESSIONS, DB_BY_SESSION, DB_CHECKPOINTS, DB_RINGS, DB_COUNT };

/* As the writer: makes what is missing. map_bytes: the size of a new segment's map. ret_why: a sentence with the
 * place and the remedy. */
must_check int store_open(const char *dir, const char *node, size_t map_bytes, struct store **ret_s, char *ret_why,
			  size_t why_size);
/* As a reader, of a live store or a copy; writes nothing but LMDB's lock file. */
must_check int store_open_read(const char *dir, struct store **ret_s, char *ret_why, size_t why_size);
void store_close(struct store *s);
const char *store_node(const struct store *s);
/* Where the chain stands in the last segment, read from its last event. ERR_VERIFY: the last event is broken. */
must_check int store_tail(struct store *s, struct chain *ret_c);

/* One write transaction at a time. After a failure (-ENOSPC, -EIO, ERR_FULL: the segment is full, ...) abort. */
must_check int store_begin(struct store *s);
must_check int store_put(struct store *s, enum store_db db, struct span key, struct span value);
must_check int store_put_event(struct store *s, uint64_t seq, struct span stored);
must_check int store_commit(struct store *s);
void store_abort(struct store *s);
/* Is the last segment so full that the next event should start a new one? Outside a transaction. */
bool store_is_full(struct store *s);
must_check int store_rotate(struct store *s, const struct chain *c);
/* In the last segment; copies into out. ERR_NOT_FOUND. */
must_check int store_get(struct store *s, enum store_db db, struct span key, struct buf *out);

/* Calls on for each entry of db, in key order, over all segments in theirs, from key `from` on (empty: the
 * first). Entries are borrowed. on returns 0 to go on, a positive number to leave this segment, a negative
 * code to stop, which is returned. */
typedef int (*store_on)(void *ctx, struct span key, struct span value);
must_check int store_each(struct store *s, enum store_db db, struct span from, store_on on, void *ctx);
/* Picks up segments that came since. */
must_check int store_refresh(struct store *s);

void key_of(uint64_t n, uint8_t ret_key[8]);
uint64_t key_number(struct span key);
