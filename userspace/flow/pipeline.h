/* Identity -> module -> decision -> record: the verbs that a module speaks (proto.h: sink_ops), and
 * what they leave behind in a flow. */
#pragma once

#include "flow/list.h"
#include "flow/rows.h"
#include "policy/op.h"
#include "proto/proto.h"
#include "record/event.h"

struct flow;
struct lane;
struct event_ctx;

/* An allowed operation that has not ended. */
struct running_op {
	uint64_t id, started_ns;
	enum op_class class;
	bool is_permanent;
	int mask_count; /* where its masked values are counted; -1: nowhere */
	char request[24]; /* by whose approval it runs; "" none */
	char grant[24];	  /* by which it runs, or that its approval made: it ends with that; "" none */
};

struct pipeline {
	enum dir dir;		    /* which side is being fed or resumed: what a hold belongs to */
	uint64_t ticket;	    /* of the flow's last event */
	struct running_op *running; /* in the order of their ids; those before running_from have ended */
	uint32_t running_from, n_running, running_cap;
	bool has_ddl;	   /* uncommitted changes of the catalogue may be open */
	struct rows *rows; /* of the operation whose rows arrive, or NULL */
	struct resource_counts *counts;
	struct mask_counts *masks; /* what they did so far, or NULL */
	struct event_known known; /* what all its events say */
};

/* The i-th from the oldest. */
static inline struct running_op *pipeline_running(const struct pipeline *p, uint32_t i)
{
	return &p->running[p->running_from + i];
}

extern const struct sink_ops pipeline_ops;

/* A decision about an operation that was held for people. */
void pipeline_decided(struct flow *f, enum dir d, const struct op *op, struct decision *decision);
/* Nobody waits for that decision any more: the operation is on record as one that did not run. */
void pipeline_given_up(struct flow *f, const struct op *op, struct decision *d, const char *sqlstate,
		       const char *reason);
void pipeline_done(struct flow *f);
/* Tries the lane's holds again: the ring has room, or something reached the disk. */
void pipeline_retry(struct lane *lane);
void pipeline_ctx(const struct flow *f, struct event_ctx *ret);
/* The flow's session, id or resource are new: what its events say of them is written anew. */
void pipeline_know(struct flow *f);
/* Notes in f->env what the policy says of this flow's role whatever it asks for. */
void pipeline_ask_plan(struct flow *f);
