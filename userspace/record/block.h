/* What occurs in a block of events, so that a question need not look where nothing can match: the
 * least and the greatest time (clocks may be set back), which verdicts, and a Bloom filter of the
 * values of flow, identity, owner, resource, role, session and type. It says "not here" truly and
 * "here" perhaps. Derived from the events; a verifier does not need it. */
#pragma once

#include "record/marks.h"
#include "record/store.h"

#define BLOCK_EVENTS	 1024
#define BLOCK_BITS	 2048
#define BLOCK_VALUE_SIZE (8 + 8 + 4 + BLOCK_BITS / 8) /* time_min, time_max, verdicts, bits */

enum block_verdict {
	BLOCK_ALLOW = 1,
	BLOCK_MASK = 2,
	BLOCK_ASK = 4,
	BLOCK_DENY = 8,
	BLOCK_REFUSED = 16,
	BLOCK_OBSERVED = 32,
	BLOCK_ERROR = 64
};

struct block {
	uint64_t first; /* 0: none */
	uint64_t time_min, time_max;
	uint32_t verdicts;
	uint8_t bits[BLOCK_BITS / 8];
};

void block_add(struct block *b, const struct marked *event);
/* May an event in it have this value at this key? value: as it stands in the event. Of a key that
 * is not kept: true. */
bool block_has(const struct block *b, const char *key, struct span value);
void block_write(const struct block *b, uint8_t out[BLOCK_VALUE_SIZE]);
/* ERR_VERIFY. */
must_check int block_read(uint64_t first, struct span value, struct block *ret_b);

/* The block that is being filled, within a store's transaction. After an abort, and at first:
 * forget. */
void block_forget(struct block *b);
must_check int block_take(struct block *b, struct store *store, const struct marked *event,
			  uint64_t seq);
must_check int block_flush(const struct block *b, struct store *store);
