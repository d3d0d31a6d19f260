/* One segment of the store: an LMDB environment in a folder "segment-000001" (data.mdb, and
 * lock.mdb while it is written). EVENTS.md describes its databases. */
#pragma once

#include <lmdb.h>
#include <stdatomic.h>

#include "base/span.h"
#include "record/chain.h"

#define SEGMENT_SCHEMA "1"
#define SEGMENT_NAME   "segment-%06u"
#define SEGMENTS_MAX   1000000u
#define SESSION_ID_MAX 64 /* longer ids are not indexed */

enum segment_db {
	DB_META,
	DB_EVENTS,
	DB_SESSIONS,
	DB_BY_SESSION,
	DB_CHECKPOINTS,
	DB_RINGS,
	DB_COUNT
};

struct segment {
	MDB_env *env;
	MDB_dbi dbs[DB_COUNT];
	uint32_t number;
	_Atomic int refs;
};

enum segment_mode {
	SEGMENT_WRITE,
	SEGMENT_READ, /* with LMDB's reader table where there is one, so that a writer may be at
			 work */
};

/* 0; ERR_NOT_FOUND; ERR_VERIFY (damaged or cut); ERR_UNSUPPORTED (another version's); a negative
 * errno. map_bytes: for SEGMENT_WRITE. One process may not open a segment twice where one of them
 * writes. */
must_check int segment_open(const char *store, uint32_t number, enum segment_mode mode,
			    uint64_t map_bytes, struct segment **ret_s);
struct segment *segment_ref(struct segment *s);
void segment_unref(struct segment *s);
/* A full segment: its file becomes read-only, and has no table of readers any more. */
must_check int segment_seal(const char *store, uint32_t number);

/* The numbers of a store's segments, ascending. ret_list: freed by the caller; NULL for an empty
 * store. */
must_check int segment_list(const char *store, uint32_t **ret_list, size_t *ret_n);

/* What LMDB said, as one of our codes: ERR_FULL (the map), ERR_NOT_FOUND, ERR_VERIFY,
 * ERR_UNSUPPORTED, -EIO, a negative errno. */
int segment_err(int mdb_code);

void seq_encode(uint64_t seq, uint8_t out[8]);
uint64_t seq_decode(const void *p);
/* Value of a key in the meta database, borrowed from the transaction; empty if there is none. */
struct span segment_meta(const struct segment *s, MDB_txn *txn, const char *key);
/* The first event's number and the hash before it. ERR_VERIFY where they are missing. */
must_check int segment_start(const struct segment *s, MDB_txn *txn, uint64_t *ret_first,
			     uint8_t ret_prev[HASH_LEN]);
/* Where the segment's events end: the last one and its hash (of a begun but empty one: what comes
 * before). ERR_NOT_FOUND: it is new, nothing was ever written into it. */
must_check int segment_end(const struct segment *s, MDB_txn *txn, struct chain *c,
			   uint64_t *ret_seq, uint8_t ret_hash[HASH_LEN]);
