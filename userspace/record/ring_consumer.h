/* The recorder's end of a ring. Everything in the shared memory is the work of a producer that may
 * be hostile: lengths are read once and checked, events are copied before anybody looks at them,
 * and the consumer's own positions live in its own memory and in the store. */
#pragma once

#include "record/ring.h"

struct ring_consumer;

/* Starts at the position that the ring itself knows; ring_consumer_seek moves to the store's. */
must_check int ring_consumer_open(const struct ring_desc *d, struct ring_consumer **ret_c);
void ring_consumer_free(struct ring_consumer *c);
/* 16 bytes, as they were when the ring was opened. */
const uint8_t *ring_consumer_id(const struct ring_consumer *c);
/* The eventfd that becomes readable when a sleeping recorder is wanted. */
int ring_consumer_fd(const struct ring_consumer *c);

/* Where reading stands (behind the last event that ring_consumer_next gave). */
uint64_t ring_consumer_pos(const struct ring_consumer *c);
/* Back to a position of before: after a write that failed, or after a start. A position that the
 * ring does not hold (any more) is not taken: ERR_NOT_FOUND. */
must_check int ring_consumer_seek(struct ring_consumer *c, uint64_t pos);

/* Notes how far the producer is: from now on ring_consumer_next gives nothing that came later
 * (before the first call: all there is). */
void ring_consumer_mark(struct ring_consumer *c);
/* Copies the next event into out (RING_EVENT_MAX bytes). 1; 0: nothing there; ERR_MALFORMED: what
 * is there has no framing, all of it was skipped. */
must_check int ring_consumer_next(struct ring_consumer *c, uint8_t *out, size_t *ret_len);
/* From now on what is freed is overwritten first: it is stored sealed, and the ring is no second copy in the clear. */
void ring_consumer_wipes(struct ring_consumer *c);
/* Everything up to pos is on disk: frees the room, wakes who waited. */
void ring_consumer_commit(struct ring_consumer *c, uint64_t pos);

enum ring_health { RING_RECORDS, RING_RECORDS_IN_MEMORY, RING_CANNOT_RECORD };
/* Says how the recorder is; a change wakes the producer. */
void ring_consumer_say(struct ring_consumer *c, enum ring_health health);
void ring_consumer_beat(struct ring_consumer *c, uint64_t now_ns);

/* Does the producer wait for something that is not on disk, or is the ring filling? */
bool ring_consumer_is_urgent(const struct ring_consumer *c);
/* From now on the producer must wake us; call, then look at is_urgent once more, then sleep. */
void ring_consumer_sleep(struct ring_consumer *c);
/* Takes the flag back, and drains the eventfd where it was found readable. */
void ring_consumer_awake(struct ring_consumer *c, bool is_readable);
