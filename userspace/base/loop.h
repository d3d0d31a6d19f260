/* One epoll loop per thread: descriptors, timers, wake-ups from other threads. Level-triggered.
 * A callback may delete any source, its own included: freed memory is the caller's affair only after
 * loop_defer's round has passed. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/err.h"

struct loop;

/* Embedded in its owner. on_event gets EPOLL* bits. fd is not owned. */
struct source {
	int fd;
	uint32_t events;
	void (*on_event)(struct source *s, uint32_t events);
	bool is_added;
};

/* Embedded in its owner. Fires once at or after its deadline. */
struct timer {
	uint64_t at_ns; /* CLOCK_MONOTONIC */
	void (*on_timer)(struct timer *t);
	int index; /* place in the heap, -1: not set */
};

/* Embedded in its owner; runs once after the current round of events. */
struct deferred {
	void (*run)(struct deferred *d);
	struct deferred *next;
	bool is_queued;
};

must_check int loop_new(struct loop **ret_loop);
void loop_free(struct loop *l);
/* Runs until loop_stop; may run again after that. Returns 0 or a negative errno. */
must_check int loop_run(struct loop *l);
void loop_stop(struct loop *l);
/* Lets the loop poll for up to ns before it sleeps, while that pays: while all its events come from at most
 * two descriptors (one busy flow), the polls are mostly answered, and nobody else wants the processor.
 * 0: never. */
void loop_spin(struct loop *l, uint64_t ns);
/* Monotonic time taken at the start of this round. */
uint64_t loop_now(const struct loop *l);
/* Real time of this round, as it was when somebody first asked for it. */
uint64_t loop_real(struct loop *l);

must_check int loop_add(struct loop *l, struct source *s);
/* Changes what is waited for; events may be 0. */
must_check int loop_mod(struct loop *l, struct source *s, uint32_t events);
void loop_del(struct loop *l, struct source *s);

void timer_init(struct timer *t, void (*on_timer)(struct timer *t));
must_check int loop_timer_at(struct loop *l, struct timer *t, uint64_t at_ns);
must_check int loop_timer_in_ms(struct loop *l, struct timer *t, uint64_t ms);
void loop_timer_del(struct loop *l, struct timer *t);

void loop_defer(struct loop *l, struct deferred *d);

/* From any thread or signal handler: the loop calls on_wake soon, once for many calls. */
void loop_on_wake(struct loop *l, void (*on_wake)(void *ctx), void *ctx);
void loop_wake(struct loop *l);
/* The eventfd behind loop_wake, for a process that shares it. Owned by the loop. */
int loop_wake_fd(const struct loop *l);
