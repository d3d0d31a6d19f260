/* What makes an event durable: a preallocated file "journal" in the store's folder, to which each
 * group of events goes with one write and one fdatasync. LMDB, where everything belongs, follows
 * within 100 ms, in larger transactions, and what it has frees the journal's room. After a crash
 * the recorder writes into LMDB what only the journal has. (Measured: EVENTS.md.)
 *
 * Two halves, filled in turn. A group begins on a page: its header (lengths, numbers, the chain's
 * hash behind it, the rings' positions; SHA-256 over these), then each event as its length (4
 * bytes, as the machine has it) and its stored bytes. A group is real if its header's hash is right
 * and its events carry the chain on to the hash in the header: whatever was torn, or is left from
 * before, is neither. */
#pragma once

#include "base/buf.h"
#include "record/marks.h"

#define JOURNAL_HALF  (16 * 1024 * 1024)
#define JOURNAL_RINGS 18
#define JOURNAL_FRAME 4

struct ring_position {
	uint8_t ring[16]; /* the ring's id */
	uint64_t pos;
};

/* Some events, in order, and where the rings stand behind them. */
struct batch {
	struct buf events;	/* frames: length, stored bytes */
	struct buf marks;	/* struct marks of each; none of what was read from the journal */
	uint64_t first, last;	/* 0: empty */
	uint8_t hash[HASH_LEN]; /* of the last */
	struct ring_position positions[JOURNAL_RINGS];
	uint32_t n_positions;
};

void batch_init(struct batch *b, size_t limit);
void batch_done(struct batch *b);
void batch_reset(struct batch *b);
/* Room for an event's stored bytes, which the caller fills; NULL: over the limit, or no memory. */
uint8_t *batch_add(struct batch *b, uint64_t seq, size_t len);
/* The marks of the event that was added last; shift: how far its text moved since they were taken.
 * -ENOMEM, ERR_LIMIT. */
must_check int batch_mark(struct batch *b, const struct marks *m, const uint8_t prev[HASH_LEN],
			  size_t shift);
/* The marks of all events, made where the batch has none, as read from the journal. ERR_MALFORMED,
 * -ENOMEM, ERR_LIMIT. */
must_check int batch_marks(const struct batch *b, struct buf *out);
/* How far a batch went, for what is added behind: that alone, which borrows from b and holds until more is added;
 * taken back. */
struct batch_place {
	size_t events, marks; /* bytes */
	uint64_t first, last;
	uint8_t hash[HASH_LEN];
	struct ring_position positions[JOURNAL_RINGS];
	uint32_t n_positions;
};
void batch_end(const struct batch *b, struct batch_place *ret);
void batch_since(const struct batch *b, const struct batch_place *from, struct batch *ret_part);
void batch_back(struct batch *b, const struct batch_place *to);
/* The frames, one after the other: *at starts at 0. False at the end. */
bool batch_next(const struct batch *b, size_t *at, struct span *ret_stored);

struct journal;

/* Opens, or creates and fills the room. What is in it counts as read. */
must_check int journal_open(const char *store, struct journal **ret_j);
void journal_close(struct journal *j);
/* On disk when it returns 0 (is_durable; else in the kernel's hands). ERR_FULL: what LMDB does not
 * have yet takes all the room. */
must_check int journal_write(struct journal *j, const struct batch *b, bool is_durable);
/* LMDB has everything up to seq. */
void journal_settle(struct journal *j, uint64_t seq);

/* Gives, group by group, what the journal has behind event after, whose hash is given. on_group
 * gets whole events only, in order, chain checked; a negative code from it ends the reading. 0
 * where there is no journal. */
must_check int journal_read(const char *store, uint64_t after, const uint8_t hash[HASH_LEN],
			    int (*on_group)(void *ctx, const struct batch *b), void *ctx);
