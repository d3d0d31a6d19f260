/* Between the files of the recorder. Its threads: the main thread takes events out of the rings,
 * chains them and makes them durable in the journal; the writer follows with LMDB; a beater tells
 * that the main thread lives; each question has a thread. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "config.h"
#include "priv/child.h"
#include "record/checkpoint.h"
#include "record/journal.h"
#include "record/ledger.h"
#include "record/retention.h"
#include "record/ring_consumer.h"
#include "record/sealer.h"
#include "record/store.h"
#include "record/writer.h"

#define LANES_MAX   (MAX_LOOPS + 2)
#define PEERS_MAX   4
#define QUERIES_MAX 8

_Static_assert(LANES_MAX == JOURNAL_RINGS, "a position for each ring");

enum producer { PRODUCER_CONTROL, PRODUCER_PROXY, PRODUCER_MONITOR };

/* A ring, and the one event that was taken out of it to see its time. */
struct lane {
	struct ring_consumer *ring;
	enum producer producer;
	uint64_t committed; /* the journal has everything up to here */
	uint64_t taken;	    /* the group has everything up to here */
	uint8_t *event;	    /* RING_EVENT_MAX bytes */
	size_t len;
	bool has_event;
	struct marks marks; /* of it */
	uint64_t time;
	uint64_t garbage, garbage_bytes; /* not yet told */
};

/* Where an event of control's went: a release names the votes before it by number. */
struct place {
	uint64_t ticket, seq;
};
#define PLACES_MAX 512

struct recorder {
	const struct config *cfg;
	const struct child_env *env;
	struct store *store; /* the writer's, once that runs */
	struct journal *journal;
	struct writer *writer;
	struct lane lanes[LANES_MAX];
	int n_lanes;
	struct chain *chain;
	uint64_t seq; /* the last event in the journal, and its hash */
	uint8_t hash[HASH_LEN];
	struct batch pending; /* is in the journal, and goes to the writer; behind group what goes to the journal now */
	struct batch_place group;
	uint64_t pending_ns;  /* since when */
	struct buf own;	      /* an event of the recorder's own */
	bool is_drained;      /* the last group took all that was there when it began */
	bool is_blocked;      /* no room until the writer is further */

	int broken;		      /* the error that keeps it from recording; 0: it records */
	uint64_t broken_ns, retry_ns; /* monotonic: since when, when to try again */
	bool owes_resume;
	uint64_t garbage_ns; /* when garbage was told last */
	struct place places[PLACES_MAX]; /* events of this group that control is told the numbers of */
	int n_places;
	struct sealer *sealer; /* NULL: payloads are stored as they are */
	uint32_t sealed_in;    /* the segment that its key was made in */
	struct ledger *ledger;	/* is the record complete? */

	bool is_stopping, is_orphan;
	struct checkpoint asked; /* what the monitor was asked to sign; seq 0: nothing */
	uint64_t signed_seq, signed_ns;
	uint64_t vouched; /* the tree that the monitor signed last, by what we know */

	struct tombstone tombstone; /* that is being told; upto 0: none */
	bool owes_tombstone;
	uint64_t tombstone_seq; /* its event, once that is durable; 0: not yet */
	uint64_t retain_ns;	/* when it was looked last */
	int64_t clock_offset_s; /* real time less time since boot, at first */

	int peers[PEERS_MAX];
	int n_peers;
	_Atomic int n_queries;
	_Atomic bool queries_stop;

	_Atomic uint64_t round_ns; /* the main thread's last sign of life */
	_Atomic bool is_writing;   /* it waits for the disk */
	_Atomic bool beat_stop;
	pthread_t beat;
};

/* --- recorder.c --- */
/* Everything that was accepted before is in LMDB when this returns, unless it cannot record. */
void catch_up(struct recorder *r);

/* --- group.c: rings -> journal --- */
must_check int lanes_open(struct recorder *r);
void lanes_close(struct recorder *r);
/* Once the store is open: goes on where the store ends. */
must_check int lanes_resume(struct recorder *r);
/* Takes what the rings hold, as one group, in the order of the events' times, and makes it durable.
 * The number of events, 0: there were none; or why nothing was stored: then all of it is still in
 * the rings. */
must_check int group_write(struct recorder *r);
/* Does anybody wait? */
bool lanes_urgent(const struct recorder *r);
void lanes_say(struct recorder *r, enum ring_health health);

/* --- seal.c --- */
/* Before a group: the key of its payloads. ret_tells: r->own is the event that tells it, and comes first. */
must_check int seal_begin(struct recorder *r, bool *ret_tells);

/* --- sign.c: checkpoints --- */
/* Asks the monitor for a signature where one is due (at once: is_last). */
void sign_if_due(struct recorder *r, bool is_last);
/* The monitor's answer is there. */
void on_signature(struct recorder *r);

/* --- retain.c --- */
/* Removes what is over the limits, a step at a time. */
void retain_if_due(struct recorder *r);

/* --- query.c: questions --- */
/* A message from control is there; false: the channel is at its end. */
bool on_peer(struct recorder *r, int fd);
/* Ends the questions that run, and waits for them. */
void queries_end(struct recorder *r);
