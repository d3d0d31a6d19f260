/* A loop thread: its flows, its ring, its copies of what is shared. Nothing in it is touched by
 * other threads but the inbox and the counters. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "base/loop.h"
#include "flow/journal.h"
#include "flow/list.h"
#include "flow/names.h"

struct proxy;
struct plan;
struct refusal;

struct lane;

/* Embedded in its owner: run once in the lane's thread, after which it is the owner's again. */
struct mail {
	void (*run)(struct mail *m, struct lane *lane);
	struct mail *next;
};

#define LANE_SCRATCH (64 * 1024)
#define LANE_FOLDS   32

struct lane {
	struct proxy *proxy;
	int index;
	struct loop *loop;
	pthread_t thread;
	pthread_mutex_t inbox_mutex;
	struct mail *inbox, **inbox_tail;
	struct list flows;
	_Atomic int n_flows; /* with what is on its way to here */
	struct plan *plan;   /* NULL until the first one */
	uint64_t n_plans;    /* how many it has seen: the number of this one */
	struct journal journal;
	struct list asks; /* operations that wait for people: asks.c */
	uint64_t next_ask;
	uint8_t *scratch;    /* LANE_SCRATCH bytes: what is read, before it is fed */
	struct buf spare[2]; /* output memory, lent to the flow that is being stepped */
	struct timer beat;
	uint64_t next_id;
	struct names_answer answer; /* of the last name looked up */
	struct refusal *folds;	    /* LANE_FOLDS repeated refusals */
};

must_check int lane_init(struct lane *l, struct proxy *p, int index);
must_check int lane_start(struct lane *l);
/* Stops the thread: its flows are closed with "shutdown". */
void lane_stop(struct lane *l);
void lane_done(struct lane *l);
/* Any thread. */
void lane_post(struct lane *l, struct mail *m);
/* Lends output memory to a buffer without any, and takes it back once it is empty. */
void lane_lend(struct lane *l, int i, struct buf *b);
void lane_reclaim(struct lane *l, int i, struct buf *b);
