/* The shared memory of a ring: one header page, then RING data bytes. Between ring.c (producer) and
 * ring_consumer.c only. Positions are counts of bytes since birth: they only rise, and a position is
 * also the ticket of the event that ends there. A frame is its length (4 bytes, little-endian as the
 * machine) and its bytes; it wraps round the end of the data.
 *
 * Who writes what is told by the cache line; the consumer believes none of the producer's and keeps its
 * own copies of its own. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define RING_MAGIC   0x676e6952u /* "Ring" */
#define RING_VERSION 1u
#define RING_HEADER  4096
#define RING_FRAME   4

enum ring_state { RING_STATE_NONE, RING_STATE_OK, RING_STATE_MEMORY, RING_STATE_ERROR };

struct ring_header {
	uint32_t magic, version;
	uint64_t size; /* of the data, a power of two */
	uint8_t id[16]; /* random: the store keeps the position of each ring under it */

	_Alignas(64) _Atomic uint64_t head; /* producer: accepted up to here */
	_Atomic uint64_t wanted;             /* producer: the highest ticket that somebody waits for */
	_Atomic uint32_t room_wanted;        /* producer: tell me when there is room */

	_Alignas(64) _Atomic uint64_t tail; /* consumer: free up to here */
	_Atomic uint64_t durable;            /* consumer: on disk up to here */
	_Atomic uint64_t beat_ns;            /* consumer: CLOCK_MONOTONIC of its last sign of life */
	_Atomic uint32_t state;              /* consumer: enum ring_state */
	_Atomic uint32_t is_asleep;          /* consumer: needs its eventfd to notice anything at once */
};

_Static_assert(sizeof(struct ring_header) <= RING_HEADER, "one page");

/* Is position a at or behind b? They may wrap: a producer that was taken over can leave any head behind,
 * and the one that comes after it goes on from there. */
static inline bool ring_reaches(uint64_t a, uint64_t b)
{
	return (int64_t)(a - b) >= 0;
}

/* Maps a ring's memfd after checking its size and seals. ERR_MALFORMED: not a ring. */
int ring_map(int memfd, struct ring_header **ret_h, uint64_t *ret_size);
void ring_unmap(struct ring_header *h, uint64_t size);
