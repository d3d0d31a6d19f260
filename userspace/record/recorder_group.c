/* From the rings into the store, in groups. */
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "record/event.h"
#include "record/recorder_internal.h"

#define GROUP_EVENTS     10000
#define GROUP_BYTES      (4 * 1024 * 1024)
#define GARBAGE_EVERY_NS NS_PER_SEC

static const char *const producer_names[] = {"control", "proxy", "monitor"};

/* Who may say what: a proxy that was taken over can neither end a session nor load a policy on record. */
static const struct {
	const char *type;
	unsigned producers; /* 1 << enum producer */
} types[] = {
	{"op", 1 << PRODUCER_PROXY},
	{"op.end", 1 << PRODUCER_PROXY},
	{"flow.open", 1 << PRODUCER_PROXY},
	{"flow.close", 1 << PRODUCER_PROXY},
	{"connect.refused", 1 << PRODUCER_PROXY | 1 << PRODUCER_MONITOR | 1 << PRODUCER_CONTROL},
	{"session.start", 1 << PRODUCER_CONTROL},
	{"session.renew", 1 << PRODUCER_CONTROL},
	{"session.expire", 1 << PRODUCER_CONTROL},
	{"session.revoke", 1 << PRODUCER_CONTROL},
	{"session.end", 1 << PRODUCER_CONTROL},
	{"policy.load", 1 << PRODUCER_CONTROL},
	{"node.start", 1 << PRODUCER_MONITOR},
	{"node.stop", 1 << PRODUCER_MONITOR},
};

int lanes_open(struct recorder *r)
{
	int n = r->env->n_rings;
	if (n < 1 || n > LANES_MAX)
		return -EINVAL;
	for (int i = 0; i < n; i++) {
		struct lane *l = &r->lanes[i];
		l->event = malloc(RING_EVENT_MAX);
		if (!l->event)
			return -ENOMEM;
		int err = ring_consumer_open(&r->env->rings[i], &l->ring);
		if (err < 0)
			return err;
		l->producer = i == 0 ? PRODUCER_CONTROL : i == n - 1 ? PRODUCER_MONITOR : PRODUCER_PROXY;
		r->n_lanes = i + 1;
	}
	return 0;
}

void lanes_close(struct recorder *r)
{
	for (int i = 0; i < LANES_MAX; i++) {
		ring_consumer_free(r->lanes[i].ring);
		free(r->lanes[i].event);
		r->lanes[i] = (struct lane){0};
	}
	r->n_lanes = 0;
}

static struct span ring_key(const struct lane *l)
{
	return span_of(ring_consumer_id(l->ring), 16);
}

static void resume_at(struct lane *l, struct span stored)
{
	if (stored.len == 8 && ring_consumer_seek(l->ring, seq_decode(stored.p)) < 0)
		log_warn("the ring of %s is not where the store left it: going on where the ring is",
			 producer_names[l->producer]);
	l->committed = l->taken = ring_consumer_pos(l->ring);
	l->has_event = false;
	ring_consumer_commit(l->ring, l->committed);
}

/* The store's position is the truth: a recorder that died between its commit and the ring's mark would
 * else write events twice. */
int lanes_resume(struct recorder *r)
{
	struct buf b;
	buf_init(&b, 64);
	int err = store_begin(r->store);
	for (int i = 0; i < r->n_lanes && err == 0; i++) {
		buf_reset(&b);
		err = store_get(r->store, DB_RINGS, ring_key(&r->lanes[i]), &b);
		if (err == 0 || err == ERR_NOT_FOUND)
			resume_at(&r->lanes[i], buf_span(&b));
		err = err == ERR_NOT_FOUND ? 0 : err;
	}
	store_abort(r->store);
	buf_done(&b);
	return err;
}

bool lanes_urgent(const struct recorder *r)
{
	for (int i = 0; i < r->n_lanes; i++)
		if (ring_consumer_is_urgent(r->lanes[i].ring))
			return true;
	return false;
}

void lanes_say(struct recorder *r, enum ring_health health)
{
	for (int i = 0; i < r->n_lanes; i++)
		ring_consumer_say(r->lanes[i].ring, health);
}

/* --- one event ---------------------------------------------------------------------------------- */

static bool is_event(const struct lane *l)
{
	struct span type = scan_plain(&l->scan, "type");
	if (!scan_get(&l->scan, "session").len || !scan_get(&l->scan, "time").len)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (span_is(type, types[i].type))
			return types[i].producers & 1u << l->producer;
	return false;
}

/* Looks at the ring's next event, if it has one within this round. */
static void peek(struct lane *l)
{
	while (!l->has_event) {
		uint64_t before = ring_consumer_pos(l->ring);
		int n = ring_consumer_next(l->ring, l->event, &l->len);
		if (n == 0)
			return;
		bool is_framed = n > 0;
		if (is_framed && scan_event(span_of(l->event, l->len), false, &l->scan) == 0 && is_event(l)) {
			l->time = scan_u64(&l->scan, "time");
			l->has_event = true;
			return;
		}
		l->garbage++;
		l->garbage_bytes += is_framed ? l->len : ring_consumer_pos(l->ring) - before;
		l->taken = ring_consumer_pos(l->ring);
	}
}

static struct lane *earliest(struct recorder *r)
{
	struct lane *best = NULL;
	for (int i = 0; i < r->n_lanes; i++) {
		struct lane *l = &r->lanes[i];
		peek(l);
		if (l->has_event && (!best || l->time < best->time))
			best = l;
	}
	return best;
}

static int append(struct recorder *r, struct span event, const struct scan *s)
{
	uint64_t seq;
	int err = store_append(r->store, event, &seq);
	return err < 0 ? err : summaries_add(r->summaries, r->store, s, seq);
}

static int append_own(struct recorder *r)
{
	struct scan s;
	int err = buf_err(&r->own);
	if (err == 0)
		err = scan_event(buf_span(&r->own), false, &s);
	return err < 0 ? err : append(r, buf_span(&r->own), &s);
}

/* --- what the recorder itself has to say ---------------------------------------------------------- */

static void own_event(struct recorder *r, const char *type, const char *producer, const char *reason,
		      uint64_t count, uint64_t bytes)
{
	struct event_ctx c = {.node = r->cfg->node, .time_ns = clock_real_ns()};
	buf_reset(&r->own);
	event_record(&r->own, &c, type, producer, reason, count, bytes);
}

static bool garbage_is_due(const struct recorder *r)
{
	if (r->garbage_ns && clock_mono_ns() - r->garbage_ns < GARBAGE_EVERY_NS)
		return false;
	for (int i = 0; i < r->n_lanes; i++)
		if (r->lanes[i].garbage)
			return true;
	return false;
}

static int tell_garbage(struct recorder *r)
{
	int err = 0;
	for (int i = 0; i < r->n_lanes && err == 0; i++) {
		struct lane *l = &r->lanes[i];
		if (!l->garbage)
			continue;
		own_event(r, "record.garbage", producer_names[l->producer], "not an event of this producer",
			  l->garbage, l->garbage_bytes);
		err = append_own(r);
	}
	return err;
}

static int tell_resume(struct recorder *r)
{
	own_event(r, "record.resume", "recorder", err_text(r->broken),
		  (clock_mono_ns() - r->broken_ns) / NS_PER_SEC, 0);
	return append_own(r);
}

/* --- the group ---------------------------------------------------------------------------------- */

static size_t group_bytes(const struct recorder *r)
{
	return MIN((size_t)GROUP_BYTES, r->cfg->store_bytes / 16);
}

static int take_events(struct recorder *r)
{
	size_t bytes = 0;
	int n = 0;
	struct lane *l;
	r->is_drained = false;
	while (n < GROUP_EVENTS && bytes < group_bytes(r)) {
		l = earliest(r);
		if (!l) {
			r->is_drained = true;
			break;
		}
		int err = append(r, span_of(l->event, l->len), &l->scan);
		if (err < 0)
			return err;
		l->has_event = false;
		l->taken = ring_consumer_pos(l->ring);
		bytes += l->len;
		n++;
	}
	return n;
}

static int put_positions(struct recorder *r)
{
	int err = 0;
	for (int i = 0; i < r->n_lanes && err == 0; i++) {
		struct lane *l = &r->lanes[i];
		uint8_t pos[8];
		seq_encode(l->taken, pos);
		if (l->taken != l->committed)
			err = store_put(r->store, DB_RINGS, ring_key(l), span_of(pos, 8));
	}
	return err;
}

static int write_all(struct recorder *r, bool tells_garbage)
{
	int n = take_events(r);
	int err = n < 0 ? n : 0;
	if (err == 0 && tells_garbage)
		err = tell_garbage(r);
	if (err == 0 && r->broken)
		err = tell_resume(r);
	if (err == 0)
		err = summaries_flush(r->summaries, r->store);
	if (err == 0)
		err = put_positions(r);
	if (err == 0) {
		atomic_store(&r->is_writing, true);
		err = store_commit(r->store);
		atomic_store(&r->is_writing, false);
	}
	return err < 0 ? err : n;
}

static void settle(struct recorder *r, bool has_told_garbage)
{
	summaries_settle(r->summaries);
	if (has_told_garbage)
		r->garbage_ns = clock_mono_ns();
	for (int i = 0; i < r->n_lanes; i++) {
		struct lane *l = &r->lanes[i];
		if (has_told_garbage && l->garbage) {
			log_error("%llu pieces of what the %s wrote are no events", (unsigned long long)l->garbage,
				  producer_names[l->producer]);
			l->garbage = l->garbage_bytes = 0;
		}
		if (l->taken != l->committed)
			ring_consumer_commit(l->ring, l->taken);
		l->committed = l->taken;
	}
}

/* Nothing of the group is stored: the rings are read again from where the store stands. */
static void undo(struct recorder *r)
{
	store_abort(r->store);
	summaries_forget(r->summaries);
	for (int i = 0; i < r->n_lanes; i++) {
		struct lane *l = &r->lanes[i];
		l->has_event = false;
		l->taken = l->committed;
		if (ring_consumer_seek(l->ring, l->committed) < 0)
			l->committed = l->taken = ring_consumer_pos(l->ring); /* skipped as garbage */
	}
}

int group_write(struct recorder *r)
{
	bool has_any = r->broken != 0;
	for (int i = 0; i < r->n_lanes; i++) {
		ring_consumer_mark(r->lanes[i].ring);
		peek(&r->lanes[i]);
		has_any = has_any || r->lanes[i].has_event || r->lanes[i].taken != r->lanes[i].committed;
	}
	bool tells_garbage = garbage_is_due(r);
	r->is_drained = !has_any;
	if (!has_any && !tells_garbage)
		return 0;
	int n = store_begin(r->store);
	if (n == 0)
		n = write_all(r, tells_garbage);
	if (n < 0)
		undo(r);
	else
		settle(r, tells_garbage);
	if (n == ERR_FULL)
		n = store_rotate(r->store); /* 0: the next round writes it there */
	return n;
}
