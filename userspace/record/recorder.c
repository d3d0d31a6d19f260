/* The recorder's main loop: look at the rings, copy and check what is there, chain it, commit, tell the
 * producers. One thread writes; questions are answered by threads of their own. What cannot be written
 * stays in the rings: they are read again from where the store stands. */
#include "record/recorder.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/msg.h"
#include "config.h"
#include "priv/child.h"
#include "record/questions.h"
#include "record/ring_consumer.h"
#include "record/scan.h"
#include "record/summary.h"

#define MAX_RINGS    (MAX_LOOPS + 2)
#define BATCH_EVENTS 4096
#define BATCH_BYTES  (8 * 1024 * 1024)
#define IDLE_MS      50   /* reads are on disk within 100 ms */
#define RETRY_NS     NS_PER_SEC

struct recorder {
	const struct config *cfg;
	const struct child_env *env;
	struct store *store;
	struct summaries *summaries;
	struct chain chain, signed_at; /* signed_at.seq: the last checkpoint */
	uint64_t signed_ns;            /* monotonic */
	struct ring_consumer *rings[MAX_RINGS];
	int n_rings;
	int peer_fd; /* control */
	struct questions *questions;
	uint64_t retry_ns; /* nothing is written before */
	bool is_failing, is_stopping;
	struct buf stored;
	uint8_t *event;
};

static void say_all(struct recorder *r, enum ring_health health)
{
	for (int i = 0; i < r->n_rings; i++)
		ring_consumer_say(r->rings[i], health);
}

static void beat(struct recorder *r)
{
	uint64_t now = clock_mono_ns();
	for (int i = 0; i < r->n_rings; i++)
		ring_consumer_beat(r->rings[i], now);
	atomic_store(&r->env->health->beat_ns[HEALTH_RECORDER], now);
}

static enum ring_health health_of(const struct recorder *r)
{
	return r->is_failing ? RING_CANNOT_RECORD : r->cfg->is_durable ? RING_RECORDS : RING_RECORDS_IN_MEMORY;
}

/* --- one event ---------------------------------------------------------------------------------- */

/* Stands in for bytes that are no event, so that they leave a trace. */
static struct span garbage_event(struct recorder *r, int ring, char *room, size_t size)
{
	int n = snprintf(room, size, "{\"node\":\"%s\",\"owner\":\"\",\"producer\":%d,\"session\":\"\",\"time\":%" PRIu64 ",\"type\":\"record.garbage\"}",
			 store_node(r->store), ring, clock_real_ns());
	return span_of(room, (size_t)MIN(n, (int)size - 1));
}

static int write_event(struct recorder *r, struct span event, const struct scan_fields *f)
{
	buf_reset(&r->stored);
	chain_append(&r->chain, event, &r->stored);
	int e = buf_err(&r->stored);
	if (e == 0)
		e = store_put_event(r->store, r->chain.seq, buf_span(&r->stored));
	return e < 0 ? e : summaries_add(r->summaries, r->store, f, r->chain.seq);
}

/* The next event of a ring into the open transaction. 1: written; 0: the ring is empty. */
static int take_event(struct recorder *r, int i, size_t *bytes)
{
	char room[512];
	struct scan_fields f;
	size_t len;
	int n = ring_consumer_next(r->rings[i], r->event, &len);
	if (n == 0)
		return 0;
	struct span event = span_of(r->event, n > 0 ? len : 0);
	if (n < 0 || scan_event(event, &f) < 0) {
		event = garbage_event(r, i, room, sizeof(room));
		int bad = scan_event(event, &f);
		if (bad < 0)
			return bad;
	}
	*bytes += event.len;
	n = write_event(r, event, &f);
	return n < 0 ? n : 1;
}

/* --- one batch ---------------------------------------------------------------------------------- */

static int save_positions(struct recorder *r)
{
	int e = 0;
	for (int i = 0; i < r->n_rings && e == 0; i++) {
		uint8_t pos[8];
		key_of(ring_consumer_pos(r->rings[i]), pos);
		e = store_put(r->store, DB_RINGS, span_of(ring_consumer_id(r->rings[i]), 16), span_of(pos, 8));
	}
	return e;
}

/* Fills the open transaction from all rings in turn, so that none starves. Returns how many or an error. */
static int fill(struct recorder *r)
{
	size_t bytes = 0;
	int n = 0, got;
	do {
		got = 0;
		for (int i = 0; i < r->n_rings && n < BATCH_EVENTS && bytes < BATCH_BYTES; i++) {
			int e = take_event(r, i, &bytes);
			if (e < 0)
				return e;
			got += e;
			n += e;
		}
	} while (got);
	return n;
}

static bool is_anything_there(const struct recorder *r)
{
	for (int i = 0; i < r->n_rings; i++)
		if (ring_consumer_has(r->rings[i]))
			return true;
	return false;
}

static int write_batch(struct recorder *r)
{
	if (store_is_full(r->store)) {
		int e = store_rotate(r->store, &r->chain);
		if (e < 0)
			return e;
	}
	int e = store_begin(r->store);
	int n = e < 0 ? e : fill(r);
	e = n < 0 ? n : summaries_save(r->summaries, r->store);
	e = e < 0 ? e : save_positions(r);
	if (e < 0)
		store_abort(r->store);
	else
		e = store_commit(r->store);
	summaries_saved(r->summaries, e == 0);
	return e < 0 ? e : n;
}

static void fail(struct recorder *r, int err)
{
	if (!r->is_failing)
		log_error("the record cannot be written: %s; nothing passes until it can", err_text(err));
	r->is_failing = true;
	r->retry_ns = clock_mono_ns() + RETRY_NS;
	say_all(r, RING_CANNOT_RECORD);
}

/* Returns how many events were written; 0: nothing to do or it failed. */
static int record(struct recorder *r)
{
	uint64_t from[MAX_RINGS];
	struct chain chain = r->chain;
	if (!is_anything_there(r) && !r->is_failing)
		return 0;
	if (r->is_failing && clock_mono_ns() < r->retry_ns)
		return 0;
	for (int i = 0; i < r->n_rings; i++)
		from[i] = ring_consumer_pos(r->rings[i]);
	int n = write_batch(r);
	if (n < 0) {
		r->chain = chain;
		for (int i = 0; i < r->n_rings; i++)
			if (ring_consumer_seek(r->rings[i], from[i]) < 0)
				log_error("ring %d: its place was lost", i);
		/* A full segment is the writer's own affair: the next try rotates. */
		if (n == ERR_FULL && store_rotate(r->store, &r->chain) == 0)
			return 1;
		fail(r, n);
		return 0;
	}
	if (r->is_failing) {
		log_info("the record can be written again");
		r->is_failing = false;
		say_all(r, health_of(r));
	}
	for (int i = 0; i < r->n_rings; i++)
		ring_consumer_commit(r->rings[i], ring_consumer_pos(r->rings[i]));
	return n;
}

/* --- checkpoints -------------------------------------------------------------------------------- */

static int put_checkpoint(struct recorder *r, const char *hash, int64_t time, const char *sig)
{
	uint8_t key[8];
	json_t *j = json_pack("{s:s,s:s,s:I,s:s,s:I}", "hash", hash, "node", store_node(r->store), "seq",
			      (json_int_t)r->chain.seq, "sig", sig, "time", (json_int_t)time);
	_cleanup_(freep) char *text = j ? json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	json_decref(j);
	if (!text)
		return -ENOMEM;
	key_of(r->chain.seq, key);
	int e = store_begin(r->store);
	if (e == 0)
		e = store_put(r->store, DB_CHECKPOINTS, span_of(key, 8), span_str(text));
	if (e < 0) {
		store_abort(r->store);
		return e;
	}
	return store_commit(r->store);
}

static void checkpoint(struct recorder *r)
{
	char hash[2 * HASH_LEN + 1];
	int64_t time = (int64_t)(clock_real_ns() / NS_PER_SEC);
	struct msg m = {0};
	hash_hex(r->chain.hash, hash);
	json_t *ask = json_pack("{s:s,s:I,s:s,s:I}", "t", "sign", "seq", (json_int_t)r->chain.seq, "hash", hash, "time",
				(json_int_t)time);
	int e = ask ? msg_call(r->env->call_fd, ask, NULL, 0, &m) : -ENOMEM;
	json_decref(ask);
	const char *sig = e == 0 ? json_string_value(json_object_get(m.json, "sig")) : NULL;
	if (sig)
		e = put_checkpoint(r, hash, time, sig);
	if (e < 0 || !sig)
		log_warn("checkpoint %" PRIu64 " was not made: %s", r->chain.seq, e < 0 ? err_text(e) : "the monitor refused");
	msg_done(&m);
	r->signed_at = r->chain;
	r->signed_ns = clock_mono_ns();
}

static void checkpoint_if_due(struct recorder *r, bool now)
{
	uint64_t unsigned_events = r->chain.seq - r->signed_at.seq;
	uint64_t age_ns = clock_mono_ns() - r->signed_ns;
	if (!unsigned_events || r->is_failing)
		return;
	if (now || unsigned_events >= (uint64_t)r->cfg->checkpoint_events ||
	    age_ns >= (uint64_t)r->cfg->checkpoint_seconds * NS_PER_SEC)
		checkpoint(r);
}

/* --- messages ----------------------------------------------------------------------------------- */

static void on_notify(struct recorder *r)
{
	struct msg m;
	int e = msg_recv(r->env->notify_fd, &m);
	if (e < 0) {
		r->is_stopping |= e != -EAGAIN;
		return;
	}
	const char *t = json_string_value(json_object_get(m.json, "t"));
	if (t && !strcmp(t, "stop"))
		r->is_stopping = true;
	if (t && !strcmp(t, "peer")) {
		closep(&r->peer_fd);
		r->peer_fd = msg_take_fd(&m, 0);
	}
	msg_done(&m);
}

static void on_peer(struct recorder *r)
{
	struct msg m;
	int e = msg_recv(r->peer_fd, &m);
	if (e == -EAGAIN)
		return;
	if (e < 0) {
		closep(&r->peer_fd);
		r->peer_fd = -1;
		return;
	}
	const char *t = json_string_value(json_object_get(m.json, "t"));
	int fd = msg_take_fd(&m, 0);
	if (t && !strcmp(t, "query") && fd >= 0) {
		/* What was accepted before the question is in the answer. */
		while (record(r) > 0)
			;
		questions_ask(r->questions, m.json, TAKE_FD(fd));
	}
	closep(&fd);
	msg_done(&m);
}

/* Sleeps until a producer wants something, a message comes, or IDLE_MS have passed. */
static void wait_for_work(struct recorder *r)
{
	struct pollfd p[MAX_RINGS + 2];
	bool is_urgent = false;
	for (int i = 0; i < r->n_rings; i++) {
		ring_consumer_sleep(r->rings[i]);
		is_urgent |= ring_consumer_is_urgent(r->rings[i]);
		p[i] = (struct pollfd){.fd = ring_consumer_fd(r->rings[i]), .events = POLLIN};
	}
	p[r->n_rings] = (struct pollfd){.fd = r->env->notify_fd, .events = POLLIN};
	p[r->n_rings + 1] = (struct pollfd){.fd = r->peer_fd, .events = POLLIN};
	int n = poll(p, (nfds_t)r->n_rings + 2, is_urgent && !r->is_failing ? 0 : IDLE_MS);
	for (int i = 0; i < r->n_rings; i++)
		ring_consumer_awake(r->rings[i]);
	if (n > 0 && p[r->n_rings].revents)
		on_notify(r);
	if (n > 0 && p[r->n_rings + 1].revents && r->peer_fd >= 0)
		on_peer(r);
}

/* --- start and end ------------------------------------------------------------------------------ */

static int open_rings(struct recorder *r)
{
	struct buf pos;
	buf_init(&pos, 64);
	for (int i = 0; i < r->env->n_rings; i++) {
		int e = ring_consumer_open(&r->env->rings[i], &r->rings[i]);
		if (e < 0)
			return e;
		r->n_rings++;
		buf_reset(&pos);
		/* What the store has of this ring is not recorded again; ring of another life: from its start. */
		if (store_get(r->store, DB_RINGS, span_of(ring_consumer_id(r->rings[i]), 16), &pos) == 0 &&
		    ring_consumer_seek(r->rings[i], key_number(buf_span(&pos))) == 0)
			ring_consumer_commit(r->rings[i], key_number(buf_span(&pos)));
	}
	buf_done(&pos);
	return 0;
}

static int start(struct recorder *r, char *why, size_t why_size)
{
	char dir[4096];
	snprintf(dir, sizeof(dir), "%s/store", r->cfg->state_dir);
	int e = store_open(dir, r->cfg->node, r->cfg->store_bytes, &r->store, why, why_size);
	if (e < 0)
		return e;
	e = store_tail(r->store, &r->chain);
	if (e < 0) {
		snprintf(why, why_size, "the last event is broken: sluice verify --store %.300s says more", dir);
		return e;
	}
	r->event = malloc(RING_EVENT_MAX);
	if (!r->event || (e = summaries_new(&r->summaries)) < 0 || (e = open_rings(r)) < 0) {
		snprintf(why, why_size, "rings: %s", err_text(e ? e : -ENOMEM));
		return e ? e : -ENOMEM;
	}
	return questions_new(r->store, r->cfg, &r->questions);
}

static void finish(struct recorder *r)
{
	while (r->store && record(r) > 0)
		beat(r);
	if (r->store)
		checkpoint_if_due(r, true);
	say_all(r, RING_CANNOT_RECORD);
	questions_free(r->questions);
	for (int i = 0; i < r->n_rings; i++)
		ring_consumer_free(r->rings[i]);
	summaries_free(r->summaries);
	store_close(r->store);
	free(r->event);
	buf_done(&r->stored);
	closep(&r->peer_fd);
}

int recorder_main(const struct config *cfg, const struct child_env *env)
{
	struct recorder r = {.cfg = cfg, .env = env, .peer_fd = -1, .signed_ns = clock_mono_ns()};
	char why[512] = "";
	buf_init(&r.stored, RING_EVENT_MAX + 512);
	int e = start(&r, why, sizeof(why));
	if (e < 0) {
		log_error("the record cannot be opened: %s", *why ? why : err_text(e));
		finish(&r);
		return 1;
	}
	say_all(&r, health_of(&r));
	while (!r.is_stopping) {
		beat(&r);
		if (!record(&r))
			checkpoint_if_due(&r, false);
		wait_for_work(&r);
	}
	finish(&r);
	return 0;
}
