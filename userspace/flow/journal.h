/* A lane's way to the record: puts events into the ring, keeps order when it is full, and holds
 * operations until there is room or what they need is on disk. */
#pragma once

#include "base/loop.h"
#include "flow/list.h"
#include "policy/op.h"
#include "proto/proto.h"
#include "record/parts.h"
#include "record/ring.h"

struct flow;

/* An operation (or a barrier) that waits for the record. */
struct hold {
	struct list link; /* in the journal: oldest first */
	struct flow *flow;
	enum resume_kind kind; /* RESUME_DECISION or RESUME_BARRIER */
	enum dir dir;
	const struct op *op;
	struct decision decision;
	struct plan *plan; /* a reference to what was decided by: its masks point into it; NULL of a barrier */
	uint64_t ticket;
	bool is_recorded; /* else the ring was full: the event is still to be put */
};

struct journal {
	struct ring *ring;
	struct source wake; /* ring_desc.to_producer */
	struct buf event;   /* scratch for one event */
	struct parts parts; /* and for those that come before it */
	struct buf backlog; /* events that must not be lost and found no room, or no recorder: length, bytes */
	struct list holds, free_holds;
	struct list ready; /* holds that are over, being handed out */
	uint64_t lost;	   /* events that found no room in the backlog either */
};

must_check int journal_init(struct journal *j, const struct ring_desc *d, size_t payload_limit);
void journal_done(struct journal *j);

/* Puts what stands in j->parts and j->event, all of it or nothing. ret_ticket may be NULL. ERR_FULL,
 * ERR_RECORD, ERR_LIMIT as ring_put. */
must_check int journal_put(struct journal *j, uint64_t *ret_ticket);
/* The same for what cannot wait to be asked again: keeps it (bounded) while there is no room, or nobody who records.
 * ERR_RECORD. */
int journal_note(struct journal *j);
/* Is ticket on disk? If not, the lane will be woken. */
bool journal_is_durable(struct journal *j, uint64_t ticket);
/* Writes the backlog as far as there is room. True if it is empty now. */
bool journal_drain(struct journal *j);

/* NULL: out of memory. */
struct hold *journal_hold(struct journal *j);
void journal_unhold(struct journal *j, struct hold *h);
void journal_drop_flow(struct journal *j, const struct flow *f);
