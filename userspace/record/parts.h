/* What is too large for an event of its own: chunks in events op.part, each with its place, that
 * come before the operation's event. That says how many there are, and binds them by the SHA-256
 * over all their bytes: it is their manifest. */
#pragma once

#include "record/event.h"

#define PART_BYTES (96 * 1024)	     /* of one, as JSON */
#define PARTS_MAX  (4 * 1024 * 1024) /* of all before one event: half of what a ring takes */

/* Where they are put: one behind the other, each led by its length (4 bytes, as the machine has
 * it). */
struct parts {
	struct buf events; /* limit PARTS_MAX */
	size_t limit;	   /* bytes of a text, or of all parameters, that are kept whole; 0: none */
};

void parts_init(struct parts *p, size_t limit);
void parts_done(struct parts *p);
/* Appends the events of whole; their number, 0: it is larger than is kept. */
int parts_put(struct parts *p, const struct event_ctx *c, uint64_t op_id, const char *field,
	      struct span whole);
/* The next event; *at starts at 0. False at the end. */
bool parts_next(const struct parts *p, size_t *at, struct span *ret_event);
