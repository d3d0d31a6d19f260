/* One segment of the store: an LMDB environment in a folder "segment-000001" (data.mdb, and
 * lock.mdb while it is written). FORMAT.md describes its databases. */
#pragma once

#include <lmdb.h>
#include <stdatomic.h>

#include "base/span.h"
#include "record/tree.h"

#define SEGMENT_SCHEMA "2"
#define SEGMENT_EXPORT 0u
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
	DB_TREE,
	DB_BLOCKS,
	DB_KEYS,
	DB_COUNT
};

struct segment {
	MDB_env *env;
	MDB_dbi dbs[DB_COUNT];
	bool has_keys;	 /* those of sluice before there was sealing have no such database */
	MDB_dbi omitted; /* of an export: what stands for the events that are not in it */
	uint32_t number; /* SEGMENT_EXPORT: an export, a folder with data.mdb in it */
	_Atomic int refs;
};

enum segment_mode {
	SEGMENT_WRITE,
	SEGMENT_READ, /* with LMDB's reader table where there is one, so that a writer may be at
			 work */
};

/* 0; ERR_NOT_FOUND (also: nothing was ever committed to it); ERR_VERIFY (damaged or cut);
 * ERR_UNSUPPORTED (another version's); a negative errno. map_bytes: for SEGMENT_WRITE. One process
 * may not open a segment twice where one of them writes. */
must_check int segment_open(const char *store, uint32_t number, enum segment_mode mode,
			    uint64_t map_bytes, struct segment **ret_s);
struct segment *segment_ref(struct segment *s);
void segment_unref(struct segment *s);
/* A full segment: its file becomes read-only, and has no table of readers any more. */
must_check int segment_seal(const char *store, uint32_t number);

/* The numbers of a store's segments, ascending; of an export's folder, SEGMENT_EXPORT alone.
 * ret_list: freed by the caller; NULL for an empty store. */
must_check int segment_list(const char *store, uint32_t **ret_list, size_t *ret_n);

/* Those that can be read: without a last one that a crash left before anything was in it. live: as
 * in store_live, or NULL; later ones than it are left out. */
must_check int segment_list_begun(const char *store, const struct segment *live,
				  uint32_t **ret_list, size_t *ret_n);

/* What LMDB said, as one of our codes: ERR_FULL (the map), ERR_NOT_FOUND, ERR_VERIFY,
 * ERR_UNSUPPORTED, -EIO, a negative errno. */
int segment_err(int mdb_code);

void seq_encode(uint64_t seq, uint8_t out[8]);
uint64_t seq_decode(const void *p);
/* Value of a key in the meta database, borrowed from the transaction; empty if there is none. */
struct span segment_meta(const struct segment *s, MDB_txn *txn, const char *key);
/* A place in the record: an event, its hash, and the tree up to it. */
struct position {
	uint64_t seq;
	uint8_t hash[HASH_LEN];
	struct tree tree; /* of seq entries */
};

/* To whom the key of this name (SEAL_ID_TEXT characters) is wrapped: JSON, borrowed from the transaction; empty:
 * it is not here. */
struct span segment_key(const struct segment *s, MDB_txn *txn, struct span id);
/* What comes before the segment's first event. ERR_VERIFY where that is missing. */
must_check int segment_start(const struct segment *s, MDB_txn *txn, struct position *ret_before);
/* Where the segment's events end (of a begun but empty one: what comes before). ERR_NOT_FOUND: it
 * is new, nothing was ever written into it. */
must_check int segment_end(const struct segment *s, MDB_txn *txn, struct chain *c,
			   struct position *ret_end);
/* The last key of a database of numbers. 0: there is none. ret_value may be NULL. */
must_check int segment_last(const struct segment *s, MDB_txn *txn, enum segment_db db,
			    uint64_t *ret_seq, struct span *ret_value);
