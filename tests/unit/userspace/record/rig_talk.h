/* What tests say to the recorder of rig.h, and what it answers. */
#pragma once

#include "rig.h"

static inline void rig_kill(struct rig *g)
{
	kill(g->pid, SIGKILL);
	rig_reap(g);
}

/* Waits up to ten seconds for the recorder to answer as expected (0: it takes events). */
static inline bool rig_says(struct rig *g, int expected)
{
	for (int i = 0; i < 1000; i++) {
		if (ring_check(g->producers[0]) == expected)
			return true;
		usleep(10000);
	}
	return false;
}

static const struct who rig_who = {.session = "s-7f2",
				   .issuer = "https://issuer",
				   .subject = "crew-7",
				   .owner = "pat@example.com",
				   .role = "viewer",
				   .expires = 4102444800};

static inline struct event_ctx rig_ctx(const struct who *who)
{
	return (struct event_ctx){.node = "node-07",
				  .who = who,
				  .flow = "f-1",
				  .resource = "shop",
				  .time_ns = clock_real_ns()};
}

static inline void rig_op(struct buf *b, const struct who *who, uint64_t id, const char *text,
			  enum effect effect)
{
	struct event_ctx c = rig_ctx(who);
	struct need need = {
	    .kind = NEED_RELATION, .verb = VERB_SELECT, .schema = "public", .name = "customers"};
	struct op op = {.id = id,
			.protocol = "postgres",
			.class = CLASS_READ,
			.tag = "SELECT",
			.text = span_str(text),
			.needs = &need,
			.n_needs = 1};
	struct decision d = {.effect = effect == EFFECT_ASK ? EFFECT_ALLOW : effect};
	if (effect == EFFECT_ASK) /* it was held, and approved */
		snprintf(d.request, sizeof(d.request), "r-1-1");
	snprintf(d.rule, sizeof(d.rule), "%s", effect == EFFECT_DENY ? "default" : "viewer-read");
	buf_reset(b);
	event_op(b, &c, &op, &d, 65536);
}

/* Puts, and waits for room. 0, or what ring_put says. */
static inline int rig_put(struct rig *g, int ring, const struct buf *b, uint64_t *ret_ticket)
{
	uint64_t ticket;
	for (int i = 0; i < 5000; i++) {
		int r =
		    ring_put(g->producers[ring], buf_span(b), ret_ticket ? ret_ticket : &ticket);
		if (r != ERR_FULL)
			return r;
		usleep(1000);
	}
	return ERR_FULL;
}

/* Until the ticket is on disk, at most ten seconds. */
static inline bool rig_wait(struct rig *g, int ring, uint64_t ticket)
{
	for (int i = 0; i < 1000; i++) {
		struct pollfd p = {.fd = g->rings[ring].to_producer, .events = POLLIN};
		uint64_t n;
		ring_want(g->producers[ring], ticket);
		if (ring_durable(g->producers[ring], ticket))
			return true;
		if (poll(&p, 1, 10) > 0 && read(p.fd, &n, sizeof(n)) < 0)
			return false;
	}
	return false;
}

/* Within a minute: one that died has left its end of the pipe in a queue, where nobody closes it. */
static inline bool rig_answers(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	return poll(&p, 1, 60000) > 0;
}

/* The running recorder's answer to a query (stolen), as text. The caller frees it. NULL: there is none. */
static inline char *rig_ask(struct rig *g, json_t *query)
{
	int ends[2];
	char *text = NULL;
	size_t len;
	if (pipe2(ends, O_CLOEXEC) < 0 || msg_send(g->peer, query, &ends[1], 1) < 0)
		abort();
	json_decref(query);
	close(ends[1]);
	if (!rig_answers(ends[0]) || fd_read_all(ends[0], 256 << 20, &text, &len) < 0)
		text = NULL;
	close(ends[0]);
	return text;
}

/* The verdict over the store that nobody writes to. */
static inline struct verify_result rig_verify(const char *store, int *ret_err)
{
	struct verify_options o = {0};
	struct verify_result v;
	*ret_err = verify_store(store, NULL, &o, &v);
	return v;
}

static inline size_t rig_lines(const char *s)
{
	size_t n = 0;
	for (; s && *s; s++)
		n += *s == '\n';
	return n;
}
