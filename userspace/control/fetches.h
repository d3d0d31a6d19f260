/* Exchanges with servers elsewhere, each in a thread of its own that touches nothing but its job.
 */
#pragma once

#include <pthread.h>

#include "identity/fetch.h"

#define FETCHES_MAX 32

struct control;

struct fetch_job {
	struct fetch_job *next;
	struct control *c;
	struct fetch request; /* its strings are the job's own */
	/* What came of it: 0 with status and text, or a code of fetch_url and why. */
	int err;
	long status;
	char *text;
	size_t len;
	char why[300];
	/* From the loop, once. The job is freed after it. */
	void (*on_done)(struct fetch_job *j);
	void *ctx;
};

struct fetches {
	int n;
	pthread_mutex_t lock; /* over `done` */
	struct fetch_job *done;
};

void fetches_init(struct fetches *f);
/* request is copied. ERR_LIMIT (too many at a time), -ENOMEM, -EAGAIN: then on_done is not called.
 */
must_check int fetch_start(struct control *c, const struct fetch *request,
			   void (*on_done)(struct fetch_job *j), void *ctx);
/* From the loop, after a thread woke it. */
void fetches_arrived(struct control *c);
