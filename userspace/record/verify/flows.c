#include "record/verify/flows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/macro.h"

#define BUCKETS 16384

struct flow {
	struct flow *next_in_bucket;
	struct flow *prev, *next; /* of all, in the order of their opening */
	uint64_t opened, ended;
	const char *by;
	uint64_t running; /* operations without an end */
	char id[FLOW_ID_MAX + 1], session[FLOW_ID_MAX + 1];
};

struct flows {
	struct flow *buckets[BUCKETS];
	struct flow *first, *last;
	uint64_t n;
	struct flow_counts counts;
};

int flows_new(struct flows **ret_f)
{
	*ret_f = calloc(1, sizeof(**ret_f));
	return *ret_f ? 0 : -ENOMEM;
}

void flows_free(struct flows *f)
{
	if (!f)
		return;
	for (struct flow *at = f->first, *next; at; at = next) {
		next = at->next;
		free(at);
	}
	free(f);
}

static uint32_t hash_of(struct span id)
{
	return span_hash(SPAN_HASH_START, id) % BUCKETS;
}

/* The place that points to the flow, or would. An id is unique on its node; the session tells
 * records of several apart all the same. */
static struct flow **find(struct flows *f, struct span id, struct span session)
{
	struct flow **at = &f->buckets[hash_of(id)];
	while (*at && !(span_is(id, (*at)->id) && span_is(session, (*at)->session)))
		at = &(*at)->next_in_bucket;
	return at;
}

/* It is told of no more. */
static void drop(struct flows *f, struct flow **at)
{
	struct flow *x = *at;
	*at = x->next_in_bucket;
	*(x->prev ? &x->prev->next : &f->first) = x->next;
	*(x->next ? &x->next->prev : &f->last) = x->prev;
	f->counts.unended += x->running;
	f->n--;
	free(x);
}

static void lose(struct flow_counts *c, const struct flow *x)
{
	if (c->lost < FLOWS_NAMED) {
		struct flow_lost *l = &c->named[c->lost];
		*l = (struct flow_lost){.opened = x->opened, .ended = x->ended};
		memcpy(l->flow, x->id, sizeof(l->flow));
		memcpy(l->session, x->session, sizeof(l->session));
		snprintf(l->by, sizeof(l->by), "%s", x->by);
	}
	c->lost++;
}

/* --- by type ------------------------------------------------------------------------------------
 */

struct seen {
	const struct scan *event;
	struct span flow, session;
	uint64_t seq;
};

static void on_open(struct flows *f, const struct seen *e)
{
	struct flow **at = find(f, e->flow, e->session);
	if (*at) {
		(*at)->ended = e->seq;
		(*at)->by = "flow.open";
		lose(&f->counts, *at);
		drop(f, at);
		at = find(f, e->flow, e->session);
	}
	struct flow *x = f->n < FLOWS_OPEN_MAX ? calloc(1, sizeof(*x)) : NULL;
	if (!x) {
		f->counts.is_unknown = true;
		return;
	}
	memcpy(x->id, e->flow.p, e->flow.len);
	memcpy(x->session, e->session.p, e->session.len);
	x->opened = e->seq;
	x->prev = f->last;
	*(f->last ? &f->last->next : &f->first) = x;
	f->last = *at = x;
	f->n++;
	f->counts.opened++;
}

static void on_close(struct flows *f, const struct seen *e)
{
	struct flow **at = find(f, e->flow, e->session);
	f->counts.unopened += !*at;
	f->counts.closed += *at != NULL;
	if (*at)
		drop(f, at);
}

static void on_op(struct flows *f, const struct seen *e)
{
	struct flow *x = *find(f, e->flow, e->session);
	struct span decision = scan_plain(e->event, "decision");
	f->counts.unopened += !x;
	/* What is denied or asked about goes no further. */
	if (!x || span_is(decision, "deny") || span_is(decision, "ask"))
		return;
	x->running++;
	f->counts.ops++;
}

static void on_op_end(struct flows *f, const struct seen *e)
{
	struct flow *x = *find(f, e->flow, e->session);
	f->counts.unopened += !x;
	if (!x || !x->running)
		return;
	x->running--;
	f->counts.ended++;
}

static void end_all(struct flows *f, const struct seen *e, const char *by)
{
	for (struct flow *x = f->first; x; x = x->next)
		if (!x->ended && (!e->session.len || span_is(e->session, x->session))) {
			x->ended = e->seq;
			x->by = by;
		}
}

static void on_session_end(struct flows *f, const struct seen *e)
{
	if (e->session.len)
		end_all(f, e, "session.end");
}

/* No connection outlives the daemon. */
static void on_node_start(struct flows *f, const struct seen *e)
{
	end_all(f, &(struct seen){.seq = e->seq}, "node.start");
}

void flows_take(struct flows *f, const struct scan *event, uint64_t seq)
{
	static const struct {
		const char *type;
		void (*take)(struct flows *f, const struct seen *e);
		bool is_of_flow;
	} types[] = {{"op", on_op, true},	      {"op.end", on_op_end, true},
		     {"flow.open", on_open, true},    {"flow.close", on_close, true},
		     {"session.end", on_session_end}, {"node.start", on_node_start}};
	struct span type = scan_plain(event, "type");
	struct seen e = {event, scan_plain(event, "flow"), scan_plain(event, "session"), seq};
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (!span_is(type, types[i].type))
			continue;
		if (e.flow.len <= FLOW_ID_MAX && e.session.len <= FLOW_ID_MAX &&
		    (e.flow.len || !types[i].is_of_flow))
			types[i].take(f, &e);
		return;
	}
}

void flows_end(struct flows *f, struct flow_counts *ret_c)
{
	while (f->first) {
		struct flow *x = f->first;
		if (x->ended) {
			lose(&f->counts, x);
		} else {
			f->counts.open++;
			f->counts.running += x->running;
			x->running = 0;
		}
		drop(f, find(f, span_str(x->id), span_str(x->session)));
	}
	*ret_c = f->counts;
}
