#include "record/recorder/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/msg.h"
#include "record/recorder/internal.h"

#define BEAT_MS	     100
#define SLEEP_MS     50 /* how long an event may lie in a ring that nobody waits for */
#define RETRY_NS     NS_PER_SEC
#define STUCK_NS     (HEALTH_STALE_MS * NS_PER_MS)
#define SLOW_DISK_NS (20 * NS_PER_SEC) /* a disk may take this long before we count as dead */
#define LAST_SIGN_NS (2 * NS_PER_SEC)
#define FLUSH_NS                                                                                   \
	(50 * NS_PER_MS) /* how long an event may wait for LMDB: longer means larger transactions  \
			  */
#define FLUSH_BYTES (2 * 1024 * 1024)
#define CATCH_UP_MS 10000
#define PENDING_MAX (64 * 1024 * 1024)
#define CHUNK_BYTES (4 * 1024 * 1024)

/* --- the sign of life ---------------------------------------------------------------------------
 */

/* A thread of its own, because a slow disk is no reason to refuse, only to wait. It tells the truth
 * about the main thread: one that neither works nor waits for the disk is dead. */
static void *beat_main(void *arg)
{
	struct recorder *r = arg;
	while (!atomic_load(&r->beat_stop)) {
		uint64_t now = clock_mono_ns(), since = now - atomic_load(&r->round_ns);
		if (since < (atomic_load(&r->is_writing) ? SLOW_DISK_NS : STUCK_NS)) {
			for (int i = 0; i < r->n_lanes; i++)
				ring_consumer_beat(r->lanes[i].ring, now);
			atomic_store(&r->env->health->beat_ns[HEALTH_RECORDER], now);
		}
		poll(NULL, 0, BEAT_MS);
	}
	return NULL;
}

static int beat_start(struct recorder *r)
{
	sigset_t all, old;
	atomic_store(&r->round_ns, clock_mono_ns());
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int err = pthread_create(&r->beat, NULL, beat_main, r);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -err;
}

/* --- can it record? -----------------------------------------------------------------------------
 */

static void say_broken(struct recorder *r, int err)
{
	if (!r->broken) {
		log_error("cannot record: %s. Nothing passes until it can; trying every second",
			  err_text(err));
		r->broken_ns = clock_mono_ns();
	} else if (r->broken != err) {
		log_error("still cannot record: %s", err_text(err));
	}
	r->broken = err;
	r->owes_resume = true;
	r->retry_ns = clock_mono_ns() + RETRY_NS;
	lanes_say(r, RING_CANNOT_RECORD);
}

static void say_well(struct recorder *r)
{
	if (r->broken)
		log_info("records again");
	r->broken = 0;
	lanes_say(r, r->cfg->is_durable ? RING_RECORDS : RING_RECORDS_IN_MEMORY);
}

/* What waiting does not mend. */
static bool is_fatal(int err)
{
	return err == ERR_VERIFY || err == ERR_UNSUPPORTED || err == -EINVAL;
}

static uint64_t chunk_bytes(const struct recorder *r)
{
	return MIN((uint64_t)CHUNK_BYTES, r->cfg->store_bytes / 16);
}

static int on_replayed(void *ctx, const struct batch *b)
{
	struct recorder *r = ctx;
	log_info("events %llu to %llu come from the journal", (unsigned long long)b->first,
		 (unsigned long long)b->last);
	return writer_write(r->store, chunk_bytes(r), b);
}

/* Everything that the last recorder made durable goes into LMDB; then both begin anew. */
static int open_journal(struct recorder *r)
{
	int err = journal_read(store_path(r->store), store_seq(r->store), store_hash(r->store),
			       on_replayed, r);
	if (err == 0)
		err = journal_open(store_path(r->store), &r->journal);
	if (err < 0)
		return err;
	r->seq = store_seq(r->store);
	memcpy(r->hash, store_hash(r->store), HASH_LEN);
	journal_settle(r->journal, r->seq);
	err = lanes_resume(r);
	return err == 0 ? writer_start(r->store, chunk_bytes(r), &r->writer) : err;
}

static void close_store(struct recorder *r)
{
	writer_stop(TAKE(r->writer));
	journal_close(TAKE(r->journal));
	store_close(TAKE(r->store));
}

static int open_store(struct recorder *r)
{
	char path[PATH_MAX], why[PATH_MAX + 600];
	snprintf(path, sizeof(path), "%s/store", r->cfg->state_dir);
	atomic_store(&r->is_writing, true); /* to check a long tail takes time as well */
	struct store_options o = {.node = r->cfg->node, .segment_bytes = r->cfg->store_bytes,
				  .segment_seconds = (uint64_t)r->cfg->segment_seconds};
	int err = store_open(path, &o, &r->store, why, sizeof(why));
	if (err < 0 && (!r->broken || is_fatal(err)))
		log_error("%s", why);
	if (err == 0) {
		r->signed_seq = r->vouched = store_signed(r->store);
		r->signed_ns = clock_mono_ns();
		if (retention_remove(path, 0) < 0)
			log_warn("what is left of removed segments stays in %s", path);
		err = open_journal(r);
		if (err < 0)
			close_store(r);
		else
			log_info("the record goes on behind event %llu",
				 (unsigned long long)r->seq);
	}
	atomic_store(&r->is_writing, false);
	return err;
}

/* What the journal has goes on to LMDB: now, or once it is worth a transaction. */
static void hand_over(struct recorder *r, bool now)
{
	struct checkpoint at;
	writer_position(r->writer, &at);
	journal_settle(r->journal, at.seq);
	if (!r->pending.first) {
		r->pending_ns = clock_mono_ns();
		return;
	}
	if (now || clock_mono_ns() - r->pending_ns >= FLUSH_NS ||
	    buf_len(&r->pending.events) >= FLUSH_BYTES)
		writer_take(r->writer, &r->pending);
	/* What comes next waits its own time: else each round would be a transaction. */
	if (!r->pending.first)
		r->pending_ns = clock_mono_ns();
}

/* After a journal that failed: LMDB gets all that is durable, then there is a new one. */
static int mend(struct recorder *r)
{
	hand_over(r, true);
	if (!writer_wait(r->writer, 0))
		return writer_err(r->writer) ? writer_err(r->writer) : r->broken;
	hand_over(r, true);
	if (r->pending.first)
		return r->broken; /* on its way */
	journal_close(TAKE(r->journal));
	int err = journal_open(store_path(r->store), &r->journal);
	if (err == 0)
		journal_settle(r->journal, r->seq);
	return err;
}

/* Can it write? Where it could not, it is tried again every second. */
static int ready(struct recorder *r)
{
	if (!r->store)
		return open_store(r);
	int err = writer_err(r->writer);
	if (err < 0 || !r->broken)
		return err;
	return mend(r);
}

/* One round of work. The number of events that became durable, or a fatal error. */
static int work(struct recorder *r)
{
	if (r->broken && clock_mono_ns() < r->retry_ns)
		return 0;
	int n = ready(r);
	if (n == 0)
		n = group_write(r);
	if (n < 0) {
		say_broken(r, n);
		return is_fatal(n) ? n : 0;
	}
	say_well(r);
	hand_over(r, r->is_blocked);
	return n;
}

/* Until the writer is idle. It may wait for the monitor's signature meanwhile, which comes by us.
 */
static void wait_writer(struct recorder *r)
{
	uint64_t until = clock_mono_ns() + CATCH_UP_MS * NS_PER_MS;
	while (!writer_wait(r->writer, CATCH_UP_MS) && writer_is_sealing(r->writer) &&
	       clock_mono_ns() < until) {
		struct pollfd p = {.fd = r->is_orphan ? -1 : r->env->call_fd, .events = POLLIN};
		sign_if_due(r, false);
		if (poll(&p, 1, SLEEP_MS) > 0)
			on_signature(r);
	}
}

void catch_up(struct recorder *r)
{
	do {
		atomic_store(&r->round_ns, clock_mono_ns());
		if (work(r) < 0 || r->broken)
			return;
		if (r->is_blocked)
			wait_writer(r);
	} while (!r->is_drained);
	atomic_store(&r->is_writing, true);
	for (int i = 0; i < 2; i++) { /* what it has in hand, then what waits */
		wait_writer(r);
		hand_over(r, true);
	}
	wait_writer(r);
	atomic_store(&r->is_writing, false);
}

/* --- messages -----------------------------------------------------------------------------------
 */

static int nonblocking(int fd)
{
	return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0 ? -errno : 0;
}

static void on_notify(struct recorder *r)
{
	struct msg m;
	int err = msg_recv(r->env->notify_fd, &m);
	if (err == -EAGAIN)
		return;
	if (err < 0) {
		r->is_orphan = r->is_stopping = true;
		return;
	}
	const char *t = json_string_value(json_object_get(m.json, "t"));
	if (t && !strcmp(t, "stop")) {
		r->is_stopping = true;
	} else if (t && !strcmp(t, "peer") && m.n_fds == 1) {
		if (r->n_peers == PEERS_MAX) { /* the oldest is a control process that died */
			close(r->peers[0]);
			memmove(r->peers, r->peers + 1, sizeof(r->peers[0]) * (PEERS_MAX - 1));
			r->n_peers--;
		}
		int fd = msg_take_fd(&m, 0);
		if (nonblocking(fd) < 0)
			log_error("control's channel cannot be used without waiting");
		r->peers[r->n_peers++] = fd;
	}
	msg_done(&m);
}

static void on_peers(struct recorder *r, const struct pollfd *p)
{
	int n = 0, was = r->n_peers;
	for (int i = 0; i < was; i++) {
		if (p[i].revents && !on_peer(r, r->peers[i]))
			close(r->peers[i]);
		else
			r->peers[n++] = r->peers[i];
	}
	r->n_peers = n;
}

/* Sleeps until there is something to do, at most timeout_ms. */
static void wait_for_work(struct recorder *r, int timeout_ms)
{
	struct pollfd p[LANES_MAX + PEERS_MAX + 3];
	int n = 0;
	uint64_t count;
	for (int i = 0; i < r->n_lanes; i++)
		ring_consumer_sleep(r->lanes[i].ring);
	if (!r->broken && !r->is_blocked && lanes_urgent(r))
		timeout_ms = 0;
	p[n++] = (struct pollfd){.fd = r->is_orphan ? -1 : r->env->notify_fd, .events = POLLIN};
	p[n++] = (struct pollfd){.fd = r->is_orphan ? -1 : r->env->call_fd, .events = POLLIN};
	for (int i = 0; i < r->n_peers; i++)
		p[n++] = (struct pollfd){.fd = r->peers[i], .events = POLLIN};
	int writer_at = n;
	p[n++] = (struct pollfd){.fd = r->writer ? writer_fd(r->writer) : -1, .events = POLLIN};
	int lanes_at = n;
	for (int i = 0; i < r->n_lanes; i++)
		p[n++] =
		    (struct pollfd){.fd = ring_consumer_fd(r->lanes[i].ring), .events = POLLIN};
	int ready = poll(p, (nfds_t)n, timeout_ms);
	for (int i = 0; i < r->n_lanes; i++)
		ring_consumer_awake(r->lanes[i].ring, ready > 0 && p[lanes_at + i].revents);
	if (ready <= 0)
		return;
	if (p[writer_at].revents && read(p[writer_at].fd, &count, sizeof(count)) < 0)
		log_debug("the writer's wake-up was taken before");
	if (p[1].revents)
		on_signature(r);
	on_peers(r, p + 2);
	if (p[0].revents)
		on_notify(r);
}

static int run(struct recorder *r)
{
	int n = 0;
	while (!r->is_stopping) {
		atomic_store(&r->round_ns, clock_mono_ns());
		n = work(r);
		if (n < 0)
			return 1;
		sign_if_due(r, false);
		retain_if_due(r);
		wait_for_work(r, n > 0 && lanes_urgent(r) ? 0 : SLEEP_MS);
	}
	return 0;
}

/* Everything that was accepted goes to disk, and is signed. */
static void finish(struct recorder *r)
{
	catch_up(r);
	uint64_t until = clock_mono_ns() + LAST_SIGN_NS;
	while (r->writer && !r->is_orphan && clock_mono_ns() < until) {
		sign_if_due(r, true);
		if (!r->asked.seq)
			break;
		struct pollfd p = {.fd = r->env->call_fd, .events = POLLIN};
		if (poll(&p, 1, BEAT_MS) > 0)
			on_signature(r);
	}
}

static int open_sealer(struct recorder *r)
{
	char why[PATH_MAX + 200] = "";
	int err = sealer_new(r->cfg->encrypt_to, r->cfg->n_encrypt_to, r->cfg->compress, &r->sealer, why, sizeof(why));
	if (err < 0)
		log_error("%s", why);
	return err;
}

static int start(struct recorder *r)
{
	signal(SIGPIPE, SIG_IGN);
	buf_init(&r->own, RING_EVENT_MAX);
	batch_init(&r->pending, PENDING_MAX);
	int err = nonblocking(r->env->notify_fd);
	if (err == 0)
		err = nonblocking(r->env->call_fd);
	if (err == 0)
		err = chain_new(&r->chain);
	if (err == 0)
		err = ledger_new(&r->ledger);
	if (err == 0)
		err = open_sealer(r);
	if (err == 0)
		err = lanes_open(r);
	return err == 0 ? beat_start(r) : err;
}

static void end(struct recorder *r)
{
	queries_end(r);
	lanes_say(r, RING_CANNOT_RECORD);
	if (r->beat) {
		atomic_store(&r->beat_stop, true);
		pthread_join(r->beat, NULL);
	}
	lanes_close(r);
	close_store(r);
	chain_free(r->chain);
	ledger_free(r->ledger);
	sealer_free(r->sealer);
	batch_done(&r->pending);
	buf_done(&r->own);
	for (int i = 0; i < r->n_peers; i++)
		close(r->peers[i]);
	free(r);
}

int recorder_main(const struct config *cfg, const struct child_env *env)
{
	struct recorder *r = calloc(1, sizeof(*r));
	if (!r)
		return 1;
	r->cfg = cfg;
	r->env = env;
	int err = start(r), code = 1;
	if (err < 0)
		log_error("the recorder cannot start: %s", err_text(err));
	else
		code = run(r);
	if (err == 0 && code == 0)
		finish(r);
	end(r);
	return code;
}
