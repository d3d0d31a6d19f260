/* What was sent to the server and is not answered yet, in order: so that each answer is known by
 * what it answers. Bounded: when it is full the client is not read. */
#pragma once

#include "proto/postgres/names.h"

#define TRACK_MAX   1024 /* the client is read below this */
#define TRACK_SLACK 16	 /* what one client message may add beyond */

enum track_kind {
	TRACK_QUERY,
	TRACK_PARSE,
	TRACK_BIND,
	TRACK_DESCRIBE_STMT,
	TRACK_DESCRIBE_PORTAL,
	TRACK_EXECUTE,
	TRACK_CLOSE_STMT,
	TRACK_CLOSE_PORTAL,
	TRACK_SYNC,
	TRACK_CALL,	/* FunctionCall */
	TRACK_COPY_END, /* CopyDone or CopyFail behind what may turn out to be a COPY: no answer */
	TRACK_GONE,	/* a Sync that the server ignored during COPY: no answer */
	TRACK_KINDS
};

struct track {
	uint8_t kind;
	uint8_t step;	 /* TRACK_DESCRIBE_STMT: parameters were described */
	bool is_poison;	 /* ours, made to fail; only an error may answer it */
	bool is_own;	 /* a Describe of ours: the client is not shown the answer */
	bool is_fence;	 /* changes what later messages mean: they wait for its answer */
	bool touches_tx; /* may begin or end a transaction block */
	bool may_copy_in;
	bool has_failed;
	bool has_columns;  /* an Execute that is an operation itself: its columns were reported */
	bool was_answered; /* an error of it was reported: the operation has ended */
	int n_done;	   /* statements of a Query that have completed */
	uint64_t seq;
	uint64_t op_id; /* 0: none */
	uint64_t rows, masked;
	/* A Query's, or of an Execute that was decided for itself, and of our Describe in front of it; else a
	 * portal has its own. */
	struct masking *masking;
	struct mandate *mandate; /* a Query's: what people let it pass by, owned; or NULL */
	uint64_t limit;		 /* an Execute's: rows that it asks for at most; 0: all */
	struct prepared *stmt; /* a Query's text and analysis (index 0), or an Execute's */
	struct name *name;     /* the version that it makes, uses or ends */
	struct buf *refusal;   /* the ErrorResponse to show instead of the server's */
};

/* Is it an Execute that was decided for itself, not with its Bind? */
static inline bool track_is_decided(const struct track *t)
{
	return t->kind == TRACK_EXECUTE && t->op_id;
}
/* What its rows are masked by; the operation that they belong to. */
static inline struct masking *track_masking(const struct track *t)
{
	return t->masking || !t->name || track_is_decided(t) ? t->masking : t->name->masking;
}
static inline uint64_t track_op(const struct track *t)
{
	return t->op_id || !t->name ? t->op_id : t->name->op_id;
}
static inline uint64_t *track_masked(struct track *t)
{
	return t->name && !track_is_decided(t) ? &t->name->masked : &t->masked;
}

struct tracks {
	struct track *ring;
	int cap, head, n;
	int n_fences, n_tx, n_copies;
};

void tracks_done(struct tracks *q);
static inline bool tracks_full(const struct tracks *q)
{
	return q->n >= TRACK_MAX;
}
/* A zeroed one at the end; takes over the references of t. -ENOMEM, ERR_LIMIT: they are dropped. */
must_check int tracks_push(struct tracks *q, const struct track *t);
/* The oldest, or NULL. */
static inline struct track *tracks_head(struct tracks *q)
{
	return q->n ? &q->ring[q->head] : NULL;
}
/* The i-th from the oldest. */
static inline struct track *tracks_at(struct tracks *q, int i)
{
	return &q->ring[(q->head + i) & (q->cap - 1)];
}
/* Removes the oldest and drops its references. */
void tracks_pop(struct tracks *q);
/* Turns one that has no answer into TRACK_GONE. */
void track_forget(struct tracks *q, struct track *t);
