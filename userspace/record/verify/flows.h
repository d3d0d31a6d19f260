/* Completeness, as far as the record itself tells it: is every flow that was opened closed, or open
 * still? Has every operation that was let through an end? What is missing makes a record not bad (a
 * proxy that dies closes nothing on record), but it is told, and named. */
#pragma once

#include "record/scan.h"
#include "record/segment.h"

#define FLOWS_OPEN_MAX	(1u << 20) /* at a time; more: it cannot be told */
#define FLOWS_NAMED	16
#define FLOW_ID_MAX	64
#define FLOW_TEXT	(2 * FLOW_ID_MAX + 8)

/* A flow without a close, though it cannot be open any more. */
struct flow_lost {
	uint64_t opened, ended; /* events: flow.open; what ended it, session.end, node.start or the same
				   flow opened anew */
	char flow[FLOW_ID_MAX + 1], session[FLOW_ID_MAX + 1], by[24]; /* by: the type of ended */
};

struct flow_counts {
	uint64_t opened, closed, open, lost; /* opened = closed + open + lost */
	uint64_t ops, ended, running, unended; /* that were let through; ops = ended + running (in
						  open flows) + unended */
	uint64_t unopened; /* events of flows that were not opened on record */
	struct flow_lost named[FLOWS_NAMED]; /* the first ones of lost */
	bool is_unknown;			 /* too much at a time, or no memory */
};

struct flows;

must_check int flows_new(struct flows **ret_f);
void flows_free(struct flows *f);
/* The events in order. */
void flows_take(struct flows *f, const struct scan *event, uint64_t seq);
/* After the last one. */
void flows_end(struct flows *f, struct flow_counts *ret_c);
