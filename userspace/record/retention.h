/* Which segments may go, by age and size of the whole record, and how they do: FORMAT.md,
 * retention. */
#pragma once

#include "base/buf.h"
#include "record/segment.h"

struct retention_limits {
	uint64_t seconds, bytes; /* 0: none */
};

/* What is removed: segments up to and with a number. */
struct tombstone {
	uint32_t upto; /* 0: none */
	int segments;
	uint64_t first, last; /* events */
	uint8_t chain[HASH_LEN], root[HASH_LEN];
	const char *reason; /* "age", "size" */
};

/* The oldest sealed segments that are over a limit; never the live one. now_ns: real time. 1: there
 * are some; 0: none. */
must_check int retention_due(const char *store, struct segment *live,
			     const struct retention_limits *l, uint64_t now_ns,
			     struct tombstone *ret_t);
/* Removes them, the oldest first, so that what a crash leaves is a record without its beginning.
 * Also what a crash left behind of segments that were on their way out. */
must_check int retention_remove(const char *store, uint32_t upto);
/* The event that tells it, appended to out. */
void retention_event(struct buf *out, const char *node, uint64_t now_ns, const struct tombstone *t);
