#include "flow/flow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "flow/asks.h"
#include "flow/cancelling.h"
#include "flow/dial.h"
#include "flow/lane.h"
#include "flow/mask_counts.h"
#include "flow/proxy.h"
#include "upstream/tls.h"
#include "flow/tls_server.h"
#include "flow/wire.h"
#include "policy/login.h"
#include "record/event.h"

#define CLOSING_MS 5000
#define LINGER_MS  1000

static const char *const state_names[] = {"opening", "running", "closing", "lingering", "closed"};

static void set_state(struct flow *f, enum flow_state to)
{
	if (to <= f->state) {
		log_error("flow %s: %s after %s", f->origin.id, state_names[to],
			  state_names[f->state]);
		abort(); /* a bug, never input: states only rise */
	}
	f->state = to;
}

void flow_running(struct flow *f)
{
	set_state(f, FLOW_RUNNING);
}

void flow_blame(struct flow *f, const char *reason)
{
	if (!f->origin.reason[0])
		snprintf(f->origin.reason, sizeof(f->origin.reason), "%s", reason);
}

static struct flow_end *other(struct flow_end *e)
{
	return &e->flow->ends[e == &e->flow->ends[FROM_CLIENT] ? FROM_SERVER : FROM_CLIENT];
}

static bool is_there(const struct flow_end *e)
{
	return e->source.fd >= 0 || e->io_ctx;
}

static void end_close(struct flow_end *e, bool is_reset)
{
	if (!is_there(e))
		return;
	loop_del(e->flow->lane->loop, &e->source);
	e->io->close(e, is_reset);
	e->source.fd = -1;
}

/* Level-triggered: what is not wanted must not be asked for. */
static void want(struct flow_end *e)
{
	struct flow *f = e->flow;
	uint32_t events = 0;
	bool has_room = buf_len(&e->in) < FLOW_IN_HIGH && buf_len(&other(e)->out) < FLOW_OUT_HIGH;
	bool reads =
	    !e->is_eof && (f->state >= FLOW_CLOSING ? f->state == FLOW_LINGERING : has_room);
	if (e->source.fd < 0)
		return;
	enum io_wait waits = e->io->waits ? e->io->waits(e) : IO_WAITS_READ;
	if (reads && waits != IO_WAITS_OTHER)
		events |= EPOLLIN;
	if (buf_len(&e->out) || waits == IO_WAITS_WRITE)
		events |= EPOLLOUT;
	if (!e->source.is_added) {
		e->source.events = events;
		if ((events || !e->is_eof) && loop_add(f->lane->loop, &e->source) < 0)
			flow_close(f, "epoll refused the socket");
	} else if (!events && e->is_eof) {
		loop_del(f->lane->loop, &e->source); /* else a hang-up is reported for ever */
	} else if (loop_mod(f->lane->loop, &e->source, events) < 0) {
		flow_close(f, "epoll refused the socket");
	}
}

static void take_result(struct flow *f, enum dir d, int r)
{
	if (f->state >= FLOW_CLOSING)
		return;
	f->is_held[d] = r == ERR_HELD;
	if (r == 0 || r == ERR_HELD)
		return;
	if (r == ERR_CLOSED) {
		flow_finish(f, "closed by the protocol");
		return;
	}
	if (f->proto->keeps_half_open)
		f->origin.is_reset = true; /* there are no words in it */
	flow_finish(f, err_text(r));
}

static void feed(struct flow *f, enum dir d, struct cur *c)
{
	f->pipe.dir = d;
	take_result(f, d, f->proto->feed(f->module, d, c, &f->sink));
}

static bool may_feed(struct flow *f, enum dir d)
{
	if (f->state >= FLOW_CLOSING || f->is_held[d])
		return false;
	if (buf_len(&f->ends[!d].out) >= FLOW_OUT_HIGH)
		return false;
	return d != FROM_CLIENT || (!f->upstream.n_cancels && !upstream_is_stale(f));
}

/* Offers the unread bytes of one side. True if the module took some. */
static bool feed_unread(struct flow *f, enum dir d)
{
	struct buf *in = &f->ends[d].in;
	size_t before = buf_len(in);
	if (!before || !may_feed(f, d))
		return false;
	bool is_private = dial_is_private(f);
	struct cur c = cur_of(buf_span(in));
	const uint8_t *from = c.p;
	feed(f, d, &c);
	if (f->state == FLOW_CLOSED)
		return false;
	if (is_private)
		explicit_bzero(in->mem + in->start, (size_t)(c.p - from));
	buf_consume(in, (size_t)(c.p - from));
	if (!buf_len(in) && in->mem)
		buf_done(in); /* an idle flow holds no memory for what it might read */
	return c.p != from;
}

/* A message that was cut off by the end is read no further, once nothing more can come of it. */
static bool is_drained(struct flow *f, enum dir d)
{
	const struct flow_end *e = &f->ends[d];
	bool is_stuck = !f->pipe.n_running && may_feed(f, d);
	return e->is_eof && !f->is_held[d] && (!buf_len(&e->in) || is_stuck);
}

static void pass_eof(struct flow_end *to)
{
	if (!is_there(to) || to->is_shut || buf_len(&to->out))
		return;
	to->is_shut = true;
	to->io->shut(to);
}

/* One side has said its last word, and the module has read it. */
static void on_eof(struct flow *f, enum dir d)
{
	static const char *const texts[] = {"the client closed the connection",
					    "the upstream closed the connection"};
	bool is_over = is_drained(f, !d) && !buf_len(&f->ends[0].out) && !buf_len(&f->ends[1].out);
	if (f->proto->keeps_half_open) {
		pass_eof(&f->ends[!d]);
		if (is_over || !is_there(&f->ends[FROM_SERVER]))
			flow_finish(f, texts[d]);
	} else if (d == FROM_CLIENT) {
		/* What it asked for may still be answered: some clients close only their half. */
		pass_eof(&f->ends[FROM_SERVER]);
		if (!f->pipe.n_running)
			flow_finish(f, texts[d]);
	} else if (f->ends[FROM_CLIENT].is_eof) {
		flow_finish(f, texts[FROM_CLIENT]);
	} else {
		flow_fail(f, "08006", texts[d]);
	}
}

/* Both sides have all that they were sent: say so, and wait for the client to read it. */
static void go_on_closing(struct flow *f)
{
	struct flow_end *client = &f->ends[FROM_CLIENT], *server = &f->ends[FROM_SERVER];
	if (f->state != FLOW_CLOSING || buf_len(&client->out) ||
	    (is_there(server) && buf_len(&server->out)))
		return;
	end_close(server, false);
	if (client->source.fd < 0 || client->is_eof || f->origin.is_reset) {
		flow_close(f, f->origin.reason);
		return;
	}
	client->is_shut = true;
	client->io->shut(client);
	f->origin.deadline_ns = loop_now(f->lane->loop) + LINGER_MS * NS_PER_MS;
	set_state(f, FLOW_LINGERING);
}

/* What the module passes on from where it was read, before that is read into again. */
static void send_lent(struct flow *f, enum dir d)
{
	struct span lent = f->sink.lent[d];
	f->sink.lent[d] = (struct span){0};
	if (lent.len && f->state != FLOW_CLOSED)
		end_lend(&f->ends[d], lent);
}

static void flush(struct flow *f, enum dir d)
{
	struct flow_end *e = &f->ends[d];
	if (f->state == FLOW_CLOSED || !is_there(e))
		return;
	send_lent(f, d);
	if (buf_err(&e->out)) {
		flow_close(f, "more to send than may be kept");
		return;
	}
	int r = end_flush(e);
	if (r < 0)
		flow_close(f, d == FROM_CLIENT ? "the client is gone" : "the upstream is gone");
}

static void settle(struct flow *f)
{
	/* A client that gave up while its operation waits for people. */
	if (f->asked && f->ends[FROM_CLIENT].is_eof)
		flow_finish(
		    f,
		    "the client closed the connection while its operation waited for an approval");
	for (enum dir d = FROM_CLIENT; d <= FROM_SERVER && f->state < FLOW_CLOSING; d++)
		if (is_drained(f, d))
			on_eof(f, d);
	for (enum dir d = FROM_CLIENT; d <= FROM_SERVER; d++)
		flush(f, d);
	if (f->env.is_datagram && !f->is_held[FROM_CLIENT])
		flow_finish(f, "answered");
	go_on_closing(f);
	for (enum dir d = FROM_CLIENT; d <= FROM_SERVER && f->state != FLOW_CLOSED; d++)
		want(&f->ends[d]);
}

static void read_end(struct flow *f, enum dir d);

static void lend(struct flow *f)
{
	for (int i = 0; i < 2; i++)
		lane_lend(f->lane, i, &f->ends[i].out);
}

static void reclaim(struct flow *f)
{
	for (int i = 0; i < 2; i++)
		lane_reclaim(f->lane, i, &f->ends[i].out);
}

/* What the transport holds back is not told by the socket. */
static void read_primed(struct flow *f)
{
	for (enum dir d = FROM_CLIENT; d <= FROM_SERVER; d++) {
		struct flow_end *e = &f->ends[d];
		if (e->io->is_primed && is_there(e) && !e->is_eof && may_feed(f, d) &&
		    e->io->is_primed(e))
			read_end(f, d);
		if (f->state == FLOW_CLOSED)
			return;
	}
}

void flow_step(struct flow *f)
{
	lend(f);
	read_primed(f);
	if (f->state == FLOW_CLOSED)
		return;
	bool has_moved = true;
	while (has_moved && f->state < FLOW_CLOSING) {
		has_moved = feed_unread(f, FROM_CLIENT);
		has_moved |= feed_unread(f, FROM_SERVER);
	}
	settle(f);
	reclaim(f);
}

void flow_notice(struct flow *f, const char *text, const char *hint)
{
	if (f->state >= FLOW_CLOSING || buf_len(&f->ends[FROM_CLIENT].out) >= FLOW_OUT_HIGH)
		return;
	lend(f);
	f->proto->notice(f->module, text, hint, &f->sink);
	flow_step(f);
}

/* Straight from what was read, without a copy, where nothing older waits. */
static void feed_read(struct flow *f, enum dir d, size_t n)
{
	struct flow_end *e = &f->ends[d];
	struct cur c = cur_of(span_of(f->lane->scratch, n));
	if (!buf_len(&e->in) && may_feed(f, d)) {
		struct flow_end *to = other(e);
		f->sink.may_lend[!d] = to->io == &io_plain && to->source.fd >= 0;
		feed(f, d, &c);
		f->sink.may_lend[!d] = false;
		send_lent(f, !d);
		if (f->state == FLOW_CLOSED)
			return;
	}
	if (dial_is_private(f) && !e->in.mem)
		(void)buf_reserve(&e->in, PROTO_UNREAD_MAX); /* what grows leaves copies behind */
	buf_add(&e->in, c.p, (size_t)(c.end - c.p));
	if (buf_err(&e->in))
		flow_close(f, "out of memory");
}

/* In the transport's words, where it has some. */
static const char *why_lost(const struct flow_end *e, enum dir d, char text[200])
{
	static const char *const resets[] = {"the client reset the connection",
					     "the upstream reset the connection"};
	const char *why = e->io->why ? e->io->why(e) : "";
	if (!why[0])
		return resets[d];
	snprintf(text, 200, "TLS with the %s failed: %s", d == FROM_CLIENT ? "client" : "upstream",
		 why);
	return text;
}

static void read_end(struct flow *f, enum dir d)
{
	struct flow_end *e = &f->ends[d];
	struct lane *lane = f->lane;
	char text[200];
	if (f->state == FLOW_LINGERING) {
		ssize_t n = e->io->read(e, f->lane->scratch, LANE_SCRATCH);
		if (n == 0 || (n < 0 && n != -EAGAIN))
			flow_close(f, f->origin.reason);
		return;
	}
	ssize_t n = e->io->read(e, f->lane->scratch, LANE_SCRATCH);
	if (n == -EAGAIN)
		return;
	if (n < 0 && d == FROM_SERVER && !f->proto->keeps_half_open) {
		flow_fail(f, "08006", why_lost(e, d, text));
		end_close(e, false);
	} else if (n < 0) {
		f->origin.is_reset =
		    !(e->io->why && e->io->why(e)[0]); /* an alert that was sent has to arrive */
		flow_close(f, why_lost(e, d, text));
	} else if (n == 0) {
		e->is_eof = true;
	} else {
		bool is_private = dial_is_private(f);
		e->bytes_in += (uint64_t)n;
		feed_read(f, d, (size_t)n);
		if (is_private)
			explicit_bzero(lane->scratch, (size_t)n);
	}
}

static void on_end_event(struct source *s, uint32_t events)
{
	struct flow_end *e = container_of(s, struct flow_end, source);
	struct flow *f = e->flow;
	enum dir d = e == &f->ends[FROM_CLIENT] ? FROM_CLIENT : FROM_SERVER;

	f->origin.active_ns = loop_now(f->lane->loop);
	lend(f);
	bool waits_to_read = events & EPOLLOUT && e->io->waits && e->io->waits(e) == IO_WAITS_WRITE;
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR) || waits_to_read) && !e->is_eof)
		read_end(f, d);
	else if (events & EPOLLERR)
		flow_close(f, "a connection broke");
	if (f->state != FLOW_CLOSED)
		flow_step(f);
}

void flow_attach_server(struct flow *f, int fd, struct span leftover)
{
	struct flow_end *e = &f->ends[FROM_SERVER];
	e->source.fd = fd;
	buf_add_span(&e->in, leftover);
}

void flow_secure(struct flow *f, enum dir d, struct tls *t)
{
	struct flow_end *e = &f->ends[d];
	e->io = &io_tls;
	e->io_ctx = t;
}

void flow_offer(struct flow *f, struct span length, struct span message)
{
	buf_add_span(&f->ends[FROM_CLIENT].in, length);
	buf_add_span(&f->ends[FROM_CLIENT].in, message);
	flow_step(f);
}

void flow_resume(struct flow *f, enum dir d, const struct resume *r)
{
	if (f->state >= FLOW_CLOSING)
		return;
	lend(f);
	f->pipe.dir = d;
	f->origin.active_ns = loop_now(f->lane->loop);
	take_result(f, d, f->proto->resume(f->module, r, &f->sink));
	if (f->state != FLOW_CLOSED)
		flow_step(f);
}

static void init_end(struct flow *f, enum dir d, size_t in_limit)
{
	struct flow_end *e = &f->ends[d];
	e->flow = f;
	e->io = &io_plain;
	e->source = (struct source){.fd = -1, .on_event = on_end_event};
	buf_init(&e->in, in_limit);
	buf_init(&e->out, FLOW_OUT_MAX);
}

static void describe(struct flow *f, const struct flow_plan *p)
{
	struct origin *o = &f->origin;
	char text[ADDR_TEXT];
	o->info = *p->info;
	snprintf(o->id, sizeof(o->id), "f-%x%08llx", f->lane->index,
		 (unsigned long long)f->lane->next_id++);
	snprintf(o->name, sizeof(o->name), "%s", p->name ? p->name : "");
	if (o->name[0])
		snprintf(o->destination, sizeof(o->destination), "%s:%u", o->name,
			 o->info.dst.port);
	else
		snprintf(o->destination, sizeof(o->destination), "%s",
			 addr_text(&o->info.dst, text));
	o->opened_ns = o->active_ns = loop_now(f->lane->loop);
}

static int record_open(struct flow *f)
{
	struct origin *o = &f->origin;
	struct event_ctx c;
	struct process_label label = {o->info.pid, o->info.uid, o->info.comm, o->info.exe};
	if (f->env.is_datagram)
		return ring_check(f->lane->journal.ring);
	pipeline_ctx(f, &c);
	event_flow_open(&f->lane->journal.event, &c, f->proto->name, &o->info.dst,
			o->name[0] ? o->name : NULL, &label);
	return journal_note(&f->lane->journal);
}

static void count_open(struct flow *f, int by)
{
	struct proxy *p = f->lane->proxy;
	atomic_fetch_add(&p->n_flows, by);
	atomic_fetch_add(&f->session->counts->open_flows, by);
	if (f->pipe.counts)
		atomic_fetch_add(&f->pipe.counts->open_flows, by);
	if (by < 0)
		return;
	atomic_fetch_add(&p->total_flows, 1);
	if (f->env.is_datagram)
		return;
	atomic_fetch_add(&f->session->counts->flows, 1);
	if (f->pipe.counts)
		atomic_fetch_add(&f->pipe.counts->flows, 1);
}

static struct flow *flow_alloc(struct lane *lane, const struct flow_plan *p)
{
	size_t head = (sizeof(struct flow) + 63) & ~(size_t)63;
	struct flow *f = calloc(1, head + p->proto->state_size);
	if (!f)
		return NULL;
	f->lane = lane;
	f->proto = p->proto;
	f->module = (char *)f + head;
	f->session = session_ref(p->session);
	f->resource = p->resource;
	init_end(f, FROM_CLIENT, FLOW_IN_HIGH + LANE_SCRATCH);
	init_end(f, FROM_SERVER, FLOW_IN_HIGH + LANE_SCRATCH);
	f->sink = (struct sink){.to = {&f->ends[FROM_CLIENT].out, &f->ends[FROM_SERVER].out},
				.ops = &pipeline_ops};
	describe(f, p);
	if (p->resource)
		f->pipe.counts = proxy_counts(lane->proxy, p->resource->name);
	if (!p->datagram) /* one event, if any */
		pipeline_know(f);
	f->env = (struct proto_env){.catalog = upstream_catalog,
				    .ctx = f,
				    .wants_rows = p->resource && p->resource->record != RECORD_NONE,
				    .mask_limit = lane->proxy->cfg->mask_limit,
				    .destination = f->origin.destination,
				    .is_datagram = p->datagram != NULL};
	f->env.is_tls_offered = p->resource && p->resource->client_tls != CLIENT_TLS_REFUSE;
	f->env.is_tls_required = p->resource && p->resource->client_tls == CLIENT_TLS_REQUIRE;
	if (p->resource)
		pipeline_ask_plan(f);
	return f;
}

int flow_start(struct lane *lane, const struct flow_plan *p)
{
	struct flow *f = flow_alloc(lane, p);
	if (!f)
		return -ENOMEM;
	int err = record_open(f);
	if (!err)
		err = f->proto->open(f->module, &f->env);
	if (err) {
		session_unref(f->session);
		event_known_done(&f->pipe.known);
		free(f);
		return err;
	}
	list_add(&lane->flows, &f->link);
	count_open(f, 1);
	f->ends[FROM_CLIENT].source.fd = p->client_fd;
	if (p->datagram) {
		f->ends[FROM_CLIENT].io = &io_datagram;
		f->ends[FROM_CLIENT].io_ctx = p->datagram;
		return 0; /* the caller offers the message */
	}
	lend(f);
	struct cur none = {0};
	if (f->proto->server_speaks_first)
		feed(f, FROM_CLIENT, &none);
	if (f->state != FLOW_CLOSED)
		flow_step(f);
	return 0;
}

void flow_finish(struct flow *f, const char *reason)
{
	if (f->state >= FLOW_CLOSING)
		return;
	flow_blame(f, reason);
	f->origin.deadline_ns = loop_now(f->lane->loop) + CLOSING_MS * NS_PER_MS;
	set_state(f, FLOW_CLOSING);
	want(&f->ends[FROM_CLIENT]);
}

void flow_fail(struct flow *f, const char *sqlstate, const char *reason)
{
	if (f->state >= FLOW_CLOSING)
		return;
	lend(f);
	cancelling_own(f);
	f->proto->farewell(f->module, sqlstate, reason, &f->sink);
	f->origin.is_reset |= f->proto->keeps_half_open;
	buf_done(&f->ends[FROM_SERVER].out);
	flow_finish(f, reason);
	settle(f);
	if (f->state != FLOW_CLOSED)
		reclaim(f);
}

static void flow_free(struct deferred *d)
{
	free(container_of(d, struct flow, freed));
}

static void record_close(struct flow *f)
{
	struct event_ctx c;
	struct wire wire;
	if (f->env.is_datagram)
		return;
	pipeline_ctx(f, &c);
	wire_end(f->ends[FROM_CLIENT].source.fd, f->origin.is_reset, &wire);
	struct flow_figures figures = {.bytes_up = f->ends[FROM_CLIENT].bytes_in,
				       .bytes_down = f->ends[FROM_SERVER].bytes_in,
				       .wire_up = wire.up,
				       .wire_down = wire.down,
				       .duration_ns = clock_mono_ns() - f->origin.opened_ns};
	mask_counts_record(f);
	event_flow_close(&f->lane->journal.event, &c, f->origin.reason, &figures);
	journal_note(&f->lane->journal);
}

void flow_close(struct flow *f, const char *reason)
{
	if (f->state == FLOW_CLOSED)
		return;
	flow_blame(f, reason);
	set_state(f, FLOW_CLOSED);
	asks_drop_flow(f);
	record_close(f);
	f->proto->done(f->module);
	for (enum dir d = FROM_CLIENT; dial_is_private(f) && d <= FROM_SERVER; d++) {
		buf_wipe(&f->ends[d].in);
		buf_wipe(&f->ends[d].out);
	}
	upstream_done(f);
	tls_server_done(f);
	pipeline_done(f);
	for (enum dir d = FROM_CLIENT; d <= FROM_SERVER; d++) {
		end_close(&f->ends[d], f->origin.is_reset);
		buf_done(&f->ends[d].in);
		buf_reset(&f->ends[d].out);
		lane_reclaim(f->lane, d, &f->ends[d].out);
		buf_done(&f->ends[d].out);
	}
	list_del(&f->link);
	count_open(f, -1);
	atomic_fetch_sub(&f->lane->n_flows, 1);
	session_unref(f->session);
	f->freed.run = flow_free;
	loop_defer(f->lane->loop, &f->freed);
}

static bool is_past(uint64_t since_ns, uint64_t now_ns, int limit_ms)
{
	return limit_ms > 0 && now_ns > since_ns &&
	       now_ns - since_ns > (uint64_t)limit_ms * NS_PER_MS;
}

void flow_check(struct flow *f, uint64_t now_ns, int64_t now_s)
{
	const struct config *cfg = f->lane->proxy->cfg;
	const struct origin *o = &f->origin;
	if (f->state >= FLOW_CLOSING) {
		if (now_ns > o->deadline_ns)
			flow_close(f, o->reason);
		return;
	}
	upstream_keep_up(f);
	/* A flow that has not begun is told when it does. */
	bool is_told_later = f->state == FLOW_OPENING && f->resource && !f->proto->keeps_half_open;
	if (session_is_over(f->session, now_s) && !is_told_later)
		flow_fail(f, "57P01", "the identity of this workload has expired");
	else if (f->state == FLOW_OPENING && !f->upstream.dialling && !f->asked &&
		 is_past(o->opened_ns, now_ns, cfg->startup_timeout_ms) && f->resource)
		flow_fail(f, "08006", "nothing that begins a session came in time");
	else if (!f->resource && is_past(o->active_ns, now_ns, cfg->startup_timeout_ms))
		flow_finish(f, "idle");
	else if (!f->pipe.n_running && !f->asked &&
		 is_past(o->active_ns, now_ns, cfg->idle_timeout_ms))
		flow_fail(f, "57P05", "idle for too long");
	else if (f->asked || f->login_role[0] || f->pipe.n_running)
		asks_check(f, now_ns);
	if (f->state == FLOW_CLOSING)
		flow_step(f);
}

void flow_replan(struct flow *f)
{
	if (!f->resource || f->state >= FLOW_CLOSING)
		return;
	const struct resource *r = plan_resource_by_name(f->lane->plan, f->resource->name);
	bool is_same = r && !strcmp(r->protocol, f->proto->name);
	bool is_login_same = is_same && login_is_same(f->resource->login, r->login);
	f->resource = is_same ? r : NULL;
	if (!is_same || !plan_role_uses(f->lane->plan, r, f->session->who.role)) {
		flow_fail(f, "57P01", "the policy no longer declares this resource for this role");
		return;
	}
	if (!is_login_same) {
		flow_fail(
		    f, "57P01",
		    "the policy has changed what holds of this resource's logins: connect again");
		return;
	}
	f->env.wants_rows = r->record != RECORD_NONE;
	pipeline_ask_plan(f);
	if (f->upstream.is_replication && !f->env.is_replication_allowed) {
		flow_fail(f, "57P01", "the policy no longer lets this role replicate");
		return;
	}
	asks_replan(f);
}
