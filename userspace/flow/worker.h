/* A small pool of threads for what may block: resolving, logging in, loading a catalogue. A bounded
 * queue; a job that does not fit is refused, and its flow with it. */
#pragma once

#include "base/err.h"

/* Embedded in its owner, which belongs to the pool from pool_submit until work returns. */
struct job {
	void (*work)(struct job *j);
	struct job *next;
};

struct pool;
must_check int pool_new(int n_threads, int max_queued, struct pool **ret_p);
/* Waits for the running jobs; queued ones are run as well (their owners free themselves). */
void pool_free(struct pool *p);
/* ERR_FULL. */
must_check int pool_submit(struct pool *p, struct job *j);
