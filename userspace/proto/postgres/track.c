#include "proto/postgres/track.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"

#define RING_FIRST 16 /* a power of two */
#define RING_KEEP  64

static void drop(struct track *t)
{
	prepared_unref(t->stmt);
	name_unref(t->name);
	masking_unref(t->masking);
	free(t->mandate);
	if (t->refusal) {
		buf_done(t->refusal);
		free(t->refusal);
	}
	*t = (struct track){.kind = TRACK_GONE};
}

static int grow(struct tracks *q)
{
	int cap = q->cap ? q->cap * 2 : RING_FIRST;
	struct track *ring = calloc((size_t)cap, sizeof(*ring));
	if (!ring)
		return -ENOMEM;
	for (int i = 0; i < q->n; i++)
		ring[i] = *tracks_at(q, i);
	free(q->ring);
	q->ring = ring;
	q->cap = cap;
	q->head = 0;
	return 0;
}

static void count(struct tracks *q, const struct track *t, int by)
{
	q->n_fences += t->is_fence ? by : 0;
	q->n_tx += t->touches_tx ? by : 0;
	q->n_copies += t->may_copy_in ? by : 0;
}

int tracks_push(struct tracks *q, const struct track *t)
{
	struct track copy = *t;
	int err = q->n >= TRACK_MAX + TRACK_SLACK ? ERR_LIMIT : 0;
	if (!err && q->n == q->cap)
		err = grow(q);
	if (err) {
		drop(&copy);
		return err;
	}
	q->n++;
	*tracks_at(q, q->n - 1) = copy;
	count(q, t, 1);
	return 0;
}

void tracks_pop(struct tracks *q)
{
	struct track *t = tracks_head(q);
	count(q, t, -1);
	drop(t);
	q->head = (q->head + 1) & (q->cap - 1);
	q->n--;
	if (q->n || q->cap <= RING_KEEP)
		return;
	free(q->ring); /* a long pipeline is over */
	q->ring = NULL;
	q->cap = q->head = 0;
}

void track_forget(struct tracks *q, struct track *t)
{
	count(q, t, -1);
	drop(t);
}

void tracks_done(struct tracks *q)
{
	while (q->n)
		tracks_pop(q);
	free(q->ring);
	*q = (struct tracks){0};
}
