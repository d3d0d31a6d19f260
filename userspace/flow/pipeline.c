#include "flow/pipeline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/macro.h"
#include "flow/questions.h"
#include "flow/asks.h"
#include "flow/cancelling.h"
#include "flow/dial.h"
#include "flow/flow.h"
#include "flow/lane.h"
#include "flow/proxy.h"
#include "flow/mask_counts.h"
#include "flow/refuse.h"
#include "flow/tls_server.h"
#include "record/event.h"

#define RUNNING_MAX 65536

static const char cannot_record[] = "the recorder cannot record: nothing may pass until it can";

void pipeline_ctx(const struct flow *f, struct event_ctx *ret)
{
	*ret = (struct event_ctx){.node = f->lane->proxy->cfg->node,
				  .who = &f->session->who,
				  .flow = f->origin.id,
				  .resource = f->pipe.counts ? f->pipe.counts->name : NULL,
				  .time_ns = loop_real(f->lane->loop),
				  .known = buf_len(&f->pipe.known.json) ? &f->pipe.known : NULL};
}

void pipeline_know(struct flow *f)
{
	struct event_ctx c;
	pipeline_ctx(f, &c);
	if (event_know(&f->pipe.known, &c) < 0)
		event_known_done(&f->pipe.known); /* each event writes them itself */
}

/* rule may be d's own. */
static void deny(struct decision *d, const char *rule, const char *reason)
{
	struct decision denied = {.effect = EFFECT_DENY};
	snprintf(denied.rule, sizeof(denied.rule), "%s", rule);
	snprintf(denied.reason, sizeof(denied.reason), "%s", reason);
	*d = denied;
}

/* A name is decided by a resource that declares it. A declared name with a search domain behind it
 * is let through to be answered with "no such name": clients that search (musl, for one) take
 * REFUSED for an end, and would never come to the name itself. */
static void decide_name(struct flow *f, const struct op *op, int64_t now_s, struct decision *d)
{
	const char *name = op->needs[0].name;
	const struct plan *p = f->lane->plan;
	const struct who *who = &f->session->who;
	const struct resource *r = plan_resource_of_name(p, name, who->role);
	if (!f->env.is_datagram && !questions_may(f->session->counts->questions, clock_mono_ns())) {
		deny(d, "limit", "too many questions"); /* those by UDP are counted where they arrive */
		return;
	}
	if (r) {
		plan_decide(p, r, who, op, now_s, d);
		return;
	}
	if (refuse_is_search(p, name)) {
		*d = (struct decision){.effect = EFFECT_ALLOW, .rule = "search-domain"};
		return;
	}
	deny(d, "default", "");
	snprintf(d->reason, sizeof(d->reason), "no resource declares the name %.200s", name);
}

static void decide(struct flow *f, const struct op *op, struct decision *d)
{
	int64_t now_s = (int64_t)(loop_real(f->lane->loop) / NS_PER_SEC);
	if (session_is_over(f->session, now_s)) {
		deny(d, "identity", "the identity of this workload has expired");
		return;
	}
	if (!f->resource) {
		decide_name(f, op, now_s, d);
		return;
	}
	if (op->broken) { /* its message quotes the text, which may hold what is masked */
		bool hides = plan_hides(f->lane->plan, f->resource);
		deny(d, "syntax", hides ? "the text cannot be parsed" : op->broken);
		d->hides_text = hides;
		return;
	}
	plan_decide(f->lane->plan, f->resource, &f->session->who, op, now_s, d);
	if (d->effect != EFFECT_ALLOW && op->prior && ask_goes_on(f, op, d))
		return;
	if (d->effect == EFFECT_DENY || (d->effect == EFFECT_ASK && !op->is_prepare_only))
		ask_granted(f, op, d);
}

void pipeline_ask_plan(struct flow *f)
{
	struct need need = {
	    .kind = NEED_OPAQUE, .verb = VERB_ADMIN, .class = CLASS_OPAQUE, .why = "?"};
	struct op op = {.protocol = f->proto->name,
			.class = CLASS_OPAQUE,
			.tag = "?",
			.needs = &need,
			.n_needs = 1,
			.is_write = true};
	struct decision d;
	int64_t now = (int64_t)(clock_real_ns() / NS_PER_SEC);
	plan_decide(f->lane->plan, f->resource, &f->session->who, &op, now, &d);
	f->env.is_opaque_allowed = d.effect == EFFECT_ALLOW;
	f->env.has_masks = d.has_masks;
	need = (struct need){.kind = NEED_PLAIN, .verb = VERB_REPLICATE, .class = CLASS_ADMIN};
	plan_decide(f->lane->plan, f->resource, &f->session->who, &op, now, &d);
	f->env.is_replication_allowed = d.effect == EFFECT_ALLOW && !d.has_masks;
}

#define COUNT(counter) atomic_fetch_add_explicit(&(counter), 1, memory_order_relaxed)

static void count(struct flow *f, const struct op *op, const struct decision *d)
{
	struct session_counts *s = f->session->counts;
	struct resource_counts *r = f->pipe.counts;
	COUNT(s->ops);
	if (d->effect == EFFECT_DENY)
		COUNT(s->denied);
	if (decision_was_asked(op, d))
		COUNT(s->asked);
	if (d->is_observed)
		COUNT(s->observed);
	if (d->is_masked)
		COUNT(s->masked);
	if (!r) {
		COUNT(f->lane->proxy->other_ops);
		return;
	}
	COUNT(r->ops);
	if (d->is_masked)
		COUNT(r->masked);
	if (d->effect == EFFECT_DENY)
		COUNT(r->denied);
}

/* A place behind the last one. What has ended in front makes room, once it is half of all: so that a long pipeline
 * moves each but once or twice. */
static int make_room(struct pipeline *p)
{
	if (p->running_from + p->n_running < p->running_cap)
		return 0;
	if (p->running_from && p->running_from >= p->running_cap / 2) {
		memmove(p->running, pipeline_running(p, 0), p->n_running * sizeof(*p->running));
		p->running_from = 0;
		return 0;
	}
	uint32_t cap = MAX(4u, p->running_cap * 2);
	if (cap > RUNNING_MAX)
		return ERR_LIMIT;
	struct running_op *more = realloc(p->running, cap * sizeof(*more));
	if (!more)
		return -ENOMEM;
	p->running = more;
	p->running_cap = cap;
	return 0;
}

static int run(struct flow *f, const struct op *op, const struct decision *d)
{
	struct pipeline *p = &f->pipe;
	int err = make_room(p);
	if (err)
		return err;
	struct running_op *r = pipeline_running(p, p->n_running++);
	*r = (struct running_op){op->id, loop_now(f->lane->loop), op->class, op->is_permanent, -1, "", ""};
	if (d->is_masked)
		r->mask_count = mask_counts_op(&p->masks, d->rule);
	memcpy(r->grant, d->grant[0] ? d->grant : d->made_grant, sizeof(r->grant));
	/* Of what a grant lets pass nobody waits for the outcome. */
	if (!d->grant[0])
		memcpy(r->request, d->request, sizeof(d->request));
	return 0;
}

static int record(struct flow *f, const struct op *op, const struct decision *d,
		  uint64_t *ret_ticket)
{
	struct journal *j = &f->lane->journal;
	struct event_ctx c;
	pipeline_ctx(f, &c);
	if (!f->resource && d->effect == EFFECT_DENY) {
		refuse_name(f, op->needs[0].name, d->reason);
		*ret_ticket = f->pipe.ticket;
		return 0;
	}
	event_op_whole(&j->event, j->parts.limit ? &j->parts : NULL, &c, op, d, f->lane->proxy->cfg->text_limit);
	return journal_put(j, ret_ticket);
}

/* The event is in the ring (or cannot be): what the module may be told, or ERR_HELD. */
static int recorded(struct flow *f, const struct op *op, int err, struct decision *d)
{
	if (err == ERR_RECORD)
		deny(d, "record", cannot_record);
	else if (err)
		deny(d, "record", "the operation is too large to be recorded whole");
	count(f, op, d);
	if (d->effect != EFFECT_ALLOW)
		return 0;
	err = run(f, op, d);
	if (err)
		return err;
	return op->is_permanent && !journal_is_durable(&f->lane->journal, f->pipe.ticket) ? ERR_HELD
											  : 0;
}

static int hold(struct flow *f, enum resume_kind kind, const struct op *op,
		const struct decision *d, bool is_recorded)
{
	struct hold *h = journal_hold(&f->lane->journal);
	if (!h)
		return -ENOMEM;
	h->flow = f;
	h->kind = kind;
	h->dir = f->pipe.dir;
	h->op = op;
	h->ticket = f->pipe.ticket;
	h->is_recorded = is_recorded;
	if (d) {
		h->decision = *d;
		h->plan = plan_ref(f->lane->plan);
	}
	return ERR_HELD;
}

/* As before, but what people have approved stays approved. */
static void decide_again(struct flow *f, const struct op *op, struct decision *d)
{
	struct decision was = *d;
	decide(f, op, d);
	if (!was.release || d->effect != EFFECT_ASK || strcmp(d->rule, was.rule))
		return;
	d->effect = EFFECT_ALLOW;
	d->release = was.release;
	memcpy(d->request, was.request, sizeof(d->request));
	memcpy(d->grant, was.grant, sizeof(d->grant));
	memcpy(d->made_grant, was.made_grant, sizeof(d->made_grant));
}

/* The decision is made: on record, then to whoever waits. 0 or ERR_HELD: it comes later. */
static int settle_op(struct flow *f, const struct op *op, struct decision *d)
{
	d->plan = f->lane->n_plans;
	int r = record(f, op, d, &f->pipe.ticket);
	if (r == ERR_FULL)
		return hold(f, RESUME_DECISION, op, d, false);
	r = recorded(f, op, r, d);
	return r == ERR_HELD ? hold(f, RESUME_DECISION, op, d, true) : r;
}

static void tell_outcome(struct flow *f, const char *request, const struct op_result *r)
{
	if (*request)
		asks_send(f->lane->proxy,
			  json_pack("{s:s,s:s,s:s*,s:s*,s:s*,s:I,s:I}", "t", "outcome", "request", request, "tag",
				    r->tag, "sqlstate", r->sqlstate, "error", r->error, "rows", (json_int_t)r->rows,
				    "duration_ns", (json_int_t)r->duration_ns),
			  -1);
}

void pipeline_decided(struct flow *f, enum dir dir, const struct op *op, struct decision *d)
{
	bool was_released = d->effect == EFFECT_ALLOW;
	f->pipe.dir = dir;
	int r = settle_op(f, op, d);
	if (was_released && (r || d->effect != EFFECT_ALLOW) && r != ERR_HELD)
		tell_outcome(f, d->request, &(struct op_result){.sqlstate = "58030", .error = cannot_record});
	if (r == ERR_HELD)
		return;
	if (r) {
		flow_fail(f, "58030", cannot_record);
		return;
	}
	struct resume resume = {.kind = RESUME_DECISION, .op_id = op->id, .decision = d};
	flow_resume(f, dir, &resume);
}

void pipeline_given_up(struct flow *f, const struct op *op, struct decision *d, const char *sqlstate,
		       const char *reason)
{
	struct journal *j = &f->lane->journal;
	struct event_ctx c;
	d->effect = EFFECT_DENY;
	d->masks = NULL;
	d->plan = f->lane->n_plans;
	snprintf(d->sqlstate, sizeof(d->sqlstate), "%s", sqlstate);
	snprintf(d->reason, sizeof(d->reason), "%s", reason);
	pipeline_ctx(f, &c);
	event_op_whole(&j->event, NULL, &c, op, d, f->lane->proxy->cfg->text_limit);
	if (journal_note(j) == 0)
		count(f, op, d);
}

static int on_op(struct sink *s, const struct op *op, struct decision *ret_decision)
{
	struct flow *f = flow_of_sink(s);
	decide(f, op, ret_decision);
	if (ret_decision->effect == EFFECT_ASK) {
		int held = ask_about(f, op, ret_decision);
		if (held)
			return held;
	}
	int r = settle_op(f, op, ret_decision);
	if (ret_decision->effect != EFFECT_ALLOW && f->proto->keeps_half_open)
		flow_blame(f, ret_decision->reason);
	return r;
}

static bool on_stands(struct sink *s, uint64_t plan, const struct mandate *m)
{
	struct flow *f = flow_of_sink(s);
	return plan == f->lane->n_plans && (!m || ask_stands(f, m));
}

static int on_barrier(struct sink *s)
{
	struct flow *f = flow_of_sink(s);
	if (journal_is_durable(&f->lane->journal, f->pipe.ticket))
		return 0;
	return hold(f, RESUME_BARRIER, NULL, NULL, true);
}

/* True if the hold is over: then its flow is to be resumed. */
static bool try_hold(struct journal *j, struct hold *h)
{
	struct flow *f = h->flow;
	if (!h->is_recorded) {
		/* Time has passed: the decision is made anew, on what holds now. */
		plan_unref(h->plan);
		h->plan = plan_ref(f->lane->plan);
		decide_again(f, h->op, &h->decision);
		h->decision.plan = f->lane->n_plans;
		if (h->decision.effect == EFFECT_ASK)
			deny(&h->decision, h->decision.rule,
			     "the rules changed while the record was full: send it again");
		int r = record(f, h->op, &h->decision, &f->pipe.ticket);
		if (r == ERR_FULL)
			return false;
		h->is_recorded = true;
		h->ticket = f->pipe.ticket;
		r = recorded(f, h->op, r, &h->decision);
		if (r && r != ERR_HELD)
			deny(&h->decision, "record", "out of memory");
		return r != ERR_HELD;
	}
	if (journal_is_durable(j, h->ticket))
		return true;
	if (ring_check(j->ring) != ERR_RECORD)
		return false;
	/* The recorder died before it was on disk. The event may be recorded or not; nothing was
	 * sent. */
	deny(&h->decision, "record", cannot_record);
	return true;
}

static void hand_out(struct journal *j, struct hold *at)
{
	struct hold h = *at;
	at->plan = NULL;
	journal_unhold(j, at);
	if (h.flow->state >= FLOW_CLOSING) {
		plan_unref(h.plan);
		return;
	}
	if (h.kind == RESUME_BARRIER && !ring_durable(j->ring, h.ticket)) {
		flow_fail(h.flow, "58030", cannot_record);
		return;
	}
	struct resume r = {
	    .kind = h.kind, .op_id = h.op ? h.op->id : 0, .decision = h.op ? &h.decision : NULL};
	flow_resume(h.flow, h.dir, &r);
	plan_unref(h.plan);
}

void pipeline_retry(struct lane *lane)
{
	struct journal *j = &lane->journal;
	if (!journal_drain(j) && ring_check(j->ring) != ERR_RECORD)
		return;
	list_each(at, &j->holds)
	{
		struct hold *h = container_of(at, struct hold, link);
		if (!try_hold(j, h))
			continue;
		list_del(&h->link);
		list_add(&j->ready, &h->link);
	}
	/* Resuming may hold again, and may close this flow or others, which drops their holds. */
	while (!list_empty(&j->ready))
		hand_out(j, container_of(j->ready.next, struct hold, link));
}

static int on_dial(struct sink *s, const struct dial *d)
{
	return dial_start(flow_of_sink(s), d);
}

static int on_entered(struct sink *s, const struct entered *e)
{
	return dial_entered(flow_of_sink(s), e);
}

static int on_facts(struct sink *s)
{
	return upstream_facts(flow_of_sink(s));
}

static int on_views(struct sink *s)
{
	return upstream_views(flow_of_sink(s));
}

static int on_cancel(struct sink *s, uint32_t pid, uint32_t key)
{
	return cancelling_request(flow_of_sink(s), pid, key);
}

static int on_resolve(struct sink *s, const char *name, struct resolved *ret)
{
	return upstream_resolve(flow_of_sink(s), name, ret);
}

static int on_start_tls(struct sink *s, struct span first, bool is_direct)
{
	return tls_server_start(flow_of_sink(s), first, is_direct);
}

static struct rows *rows_for(struct flow *f, uint64_t op_id)
{
	struct pipeline *p = &f->pipe;
	if (!f->env.wants_rows || (p->rows && p->rows->op_id == op_id))
		return p->rows;
	rows_free(p->rows);
	p->rows = rows_new(op_id, f->resource, plan_hides(f->lane->plan, f->resource));
	return p->rows;
}

static void on_columns(struct sink *s, uint64_t op_id, const struct span *names,
		       const uint16_t *formats, int n)
{
	struct rows *r = rows_for(flow_of_sink(s), op_id);
	if (r)
		rows_columns(r, names, formats, n);
}

static void on_row(struct sink *s, uint64_t op_id, const struct span *fields, int n, bool is_whole)
{
	struct rows *r = rows_for(flow_of_sink(s), op_id);
	if (r)
		rows_add(r, fields, n, is_whole);
}

/* Usually the oldest one. */
static bool take_running(struct pipeline *p, uint64_t op_id, struct running_op *ret)
{
	for (uint32_t i = 0; i < p->n_running; i++) {
		struct running_op *r = pipeline_running(p, i);
		if (r->id != op_id)
			continue;
		*ret = *r;
		p->n_running--;
		if (i)
			memmove(r, r + 1, (p->n_running - i) * sizeof(*r));
		else
			p->running_from = p->n_running ? p->running_from + 1 : 0;
		return true;
	}
	return false;
}

/* DDL shows to other sessions, the one that loads the catalogue included, once it is committed. */
static void note_change(struct flow *f, const struct running_op *op)
{
	bool is_change = op->class == CLASS_DDL || op->class == CLASS_DCL ||
			 op->class == CLASS_PROCEDURAL || op->class == CLASS_OPAQUE;
	if (is_change || (f->pipe.has_ddl && op->is_permanent))
		upstream_changed(f);
	if (is_change)
		f->pipe.has_ddl = true;
	else if (op->is_permanent)
		f->pipe.has_ddl = false;
}

static void on_result(struct sink *s, uint64_t op_id, const struct op_result *result)
{
	struct flow *f = flow_of_sink(s);
	struct journal *j = &f->lane->journal;
	struct op_result r = *result;
	struct running_op op;
	struct event_ctx c;
	uint8_t sha256[32];

	if (!take_running(&f->pipe, op_id, &op))
		return; /* a denied one: its event said all */
	struct rows *rows = f->pipe.rows && f->pipe.rows->op_id == op_id ? f->pipe.rows : NULL;
	if (!r.duration_ns)
		r.duration_ns = loop_now(f->lane->loop) - op.started_ns;
	pipeline_ctx(f, &c);
	if (r.masked && f->pipe.counts)
		atomic_fetch_add_explicit(&f->pipe.counts->masked_values, r.masked, memory_order_relaxed);
	mask_counts_values(f->pipe.masks, op.mask_count, r.masked);
	if (rows) {
		bool has_hash = rows_end(rows, sha256);
		event_op_end(&j->event, &c, op_id, &r, buf_span(&rows->columns),
			     buf_span(&rows->json), has_hash ? sha256 : NULL, rows->is_cut);
		rows_free(TAKE(f->pipe.rows));
	} else {
		event_op_end(&j->event, &c, op_id, &r, (struct span){0}, (struct span){0}, NULL,
			     false);
	}
	journal_note(j);
	tell_outcome(f, op.request, &r);
	note_change(f, &op);
}

void pipeline_done(struct flow *f)
{
	char why[300];
	snprintf(why, sizeof(why), "the connection ended while it ran: %s", f->origin.reason);
	for (uint32_t i = 0; i < f->pipe.n_running; i++)
		tell_outcome(f, pipeline_running(&f->pipe, i)->request,
			     &(struct op_result){.sqlstate = "08006", .error = why});
	journal_drop_flow(&f->lane->journal, f);
	rows_free(f->pipe.rows);
	mask_counts_free(TAKE(f->pipe.masks));
	event_known_done(&f->pipe.known);
	free(f->pipe.running);
	f->pipe.rows = NULL;
	f->pipe.running = NULL;
	f->pipe.running_from = f->pipe.n_running = f->pipe.running_cap = 0;
}

static void on_stale(struct sink *s)
{
	upstream_changed(flow_of_sink(s));
}

const struct sink_ops pipeline_ops = {
    .op = on_op,
    .stands = on_stands,
    .barrier = on_barrier,
    .dial = on_dial,
    .entered = on_entered,
    .facts = on_facts,
    .views = on_views,
    .stale = on_stale,
    .columns = on_columns,
    .row = on_row,
    .result = on_result,
    .cancel = on_cancel,
    .resolve = on_resolve,
    .start_tls = on_start_tls,
};
