/* The way of an event from its producer (a proxy loop, control, the monitor) to the recorder: a
 * byte ring in a memfd that the monitor made and owns, sealed against shrinking. One producer
 * thread and one consumer. An event is accepted once it is in the ring: a producer that dies after
 * that takes nothing with it. The consumer trusts nothing in it: it copies before it validates. */
#pragma once

#include "base/span.h"

#define RING_EVENT_MAX (256 * 1024) /* bytes of one event */
#define RING_SIZE      (8 * 1024 * 1024)

/* What a child process inherits for one ring. Not owned by the struct's copies. */
struct ring_desc {
	int memfd;
	int to_recorder; /* eventfd: there is work */
	int to_producer; /* eventfd: the durable mark that was asked for is reached, or there is
			    room */
};

must_check int ring_create(size_t size, struct ring_desc *ret_desc);
void ring_desc_done(struct ring_desc *d);

struct ring;
must_check int ring_open(const struct ring_desc *d, struct ring **ret_r); /* as the producer */
void ring_free(struct ring *r); /* unmaps; closes nothing */

/* Accepts one event: a canonical JSON object, "{...}", without the recorder's own keys ("_..."),
 * not over RING_EVENT_MAX. ret_ticket: a mark to ask ring_durable with; rises. 0; ERR_FULL (no
 * room: hold the operation, to_producer will tell); ERR_RECORD (the recorder is not alive or has
 * said that it cannot record: nothing may pass); ERR_LIMIT. */
must_check int ring_put(struct ring *r, struct span event, uint64_t *ret_ticket);
/* Is there room for n events of so many bytes together? If not, to_producer will tell. */
bool ring_has_room(struct ring *r, size_t n, size_t bytes);
/* Is everything up to ticket on disk? (With audit.durability memory: always, while the recorder
 * lives.) */
bool ring_durable(struct ring *r, uint64_t ticket);
/* Asks for a wake-up on to_producer once ticket is durable. Check ring_durable after asking. */
void ring_want(struct ring *r, uint64_t ticket);
/* 0, or ERR_RECORD as ring_put would answer. A recorder without a sign of life is dead for whoever has looked twice, at
 * some distance: look now and then. */
must_check int ring_check(struct ring *r);
