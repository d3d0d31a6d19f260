#include "record/writer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "record/block.h"
#include "record/retention.h"
#include "record/summary.h"

#define RETRY_MS    1000
#define PENDING_MAX (64 * 1024 * 1024)
#define SEAL_MS	    1000 /* how long a full segment waits for its last checkpoint */
#define LOOK_MS	    1000 /* how often an idle writer looks whether the segment is old */

struct writer {
	struct store *store;
	struct summaries *summaries;
	struct chain *chain;
	uint64_t chunk_bytes;
	int fd;
	pthread_t thread;

	pthread_mutex_t mutex; /* of all below */
	pthread_cond_t to_writer, to_main;
	struct batch batch;
	struct checkpoint checkpoint; /* seq 0: none */
	uint8_t key[KEY_LEN];	      /* that signed it */
	bool is_busy; /* with what is in batch and checkpoint: batch is the thread's */
	bool is_stopping;
	bool is_sealing;
	uint32_t remove_upto; /* 0: nothing */
	int err;
	struct checkpoint at; /* seq, hash and root of what LMDB has */
};

/* --- a segment's last checkpoint
 * -------------------------------------------------------------------- */

static void tell_main(struct writer *w)
{
	uint64_t one = 1;
	pthread_cond_broadcast(&w->to_main);
	if (write(w->fd, &one, sizeof(one)) < 0)
		return; /* a full counter wakes as well */
}

static int note_position(struct writer *w)
{
	const struct position *p = store_position(w->store);
	w->at.seq = p->seq;
	memcpy(w->at.hash, p->hash, HASH_LEN);
	return tree_root(&p->tree, w->chain, w->at.root);
}

static void after(int ms, struct timespec *ret)
{
	clock_gettime(CLOCK_MONOTONIC, ret);
	ret->tv_sec += ms / 1000;
	ret->tv_nsec += ms % 1000 * 1000000l;
	if (ret->tv_nsec >= 1000000000l) {
		ret->tv_sec++;
		ret->tv_nsec -= 1000000000l;
	}
}

/* A full segment ends with a checkpoint over all of it. Where none comes in time it is closed
 * without: the next one vouches for it as well. In the meantime the journal takes what comes. */
static void seal(struct writer *w)
{
	uint64_t end = store_seq(w->store);
	struct checkpoint c = {0};
	uint8_t key[KEY_LEN];
	struct timespec until;
	if (end == 0 || store_signed(w->store) == end)
		return;
	after(SEAL_MS, &until);
	pthread_mutex_lock(&w->mutex);
	w->is_sealing = note_position(w) == 0;
	tell_main(w);
	while (w->is_sealing && w->checkpoint.seq < end && !w->is_stopping)
		if (pthread_cond_timedwait(&w->to_writer, &w->mutex, &until))
			break;
	w->is_sealing = false;
	if (w->checkpoint.seq == end) {
		c = w->checkpoint;
		memcpy(key, w->key, KEY_LEN);
		w->checkpoint.seq = 0;
	}
	pthread_mutex_unlock(&w->mutex);
	int err = c.seq ? store_sign(w->store, &c, key) : ERR_NOT_FOUND;
	if (err < 0)
		log_warn("a segment is closed at event %llu without a checkpoint of its own: %s",
			 (unsigned long long)end, err_text(err));
}

/* --- transactions -------------------------------------------------------------------------------
 */

struct place {
	size_t byte;
	uint64_t event; /* counted from 0 */
};

struct progress {
	struct store *store;
	struct summaries *summaries;
	struct block block;
	const struct batch *batch;
	const struct marks *marks; /* of its events */
	uint64_t chunk_bytes;
	struct writer *writer; /* NULL: before the thread runs, nobody can be asked to sign */
	struct place at;       /* within the batch: LMDB has what comes before */
};

static int put_positions(struct store *store, const struct batch *b)
{
	int err = 0;
	for (uint32_t i = 0; i < b->n_positions && err == 0; i++) {
		uint8_t pos[8];
		seq_encode(b->positions[i].pos, pos);
		err =
		    store_put(store, DB_RINGS, span_of(b->positions[i].ring, 16), span_of(pos, 8));
	}
	return err;
}

/* The hash behind the event before this place: the next event holds it. */
static const uint8_t *hash_at(const struct progress *p, const struct place *at)
{
	bool is_end = at->byte == buf_len(&p->batch->events);
	return is_end ? p->batch->hash : p->marks[at->event].prev;
}

static int keep_key(struct store *store, struct span stored)
{
	struct scan s;
	int err = scan_event(stored, true, &s);
	return err < 0 ? err : store_keep_key(store, scan_plain(&s, "key"), scan_get(&s, "to"));
}

static int put_event(struct progress *p, struct span stored, uint64_t i)
{
	struct marked e = {stored, &p->marks[i]};
	uint64_t seq = p->batch->first + i;
	int err = store_append(p->store, seq, e.marks->prev, stored);
	if (err == 0 && span_is(mark_plain(&e, MARK_TYPE), "record.key"))
		err = keep_key(p->store, stored);
	if (err == 0)
		err = summaries_add(p->summaries, p->store, &e, seq);
	return err == 0 ? block_take(&p->block, p->store, &e, seq) : err;
}

/* One transaction's worth. *at is where it ends. */
static int put_chunk(struct progress *p, struct place *at)
{
	size_t from = at->byte;
	struct span stored;
	int err = 0;
	while (err == 0 && at->byte - from < p->chunk_bytes &&
	       batch_next(p->batch, &at->byte, &stored))
		err = put_event(p, stored, at->event++);
	return err;
}

static int rotate(struct progress *p)
{
	if (p->writer)
		seal(p->writer);
	return store_rotate(p->store);
}

static int write_chunk(struct progress *p)
{
	struct place at = p->at;
	int err = store_is_full(p->store) ? rotate(p) : 0;
	if (err == 0)
		err = store_begin(p->store);
	if (err == 0)
		err = put_chunk(p, &at);
	if (err == 0)
		err = summaries_flush(p->summaries, p->store);
	if (err == 0)
		err = block_flush(&p->block, p->store);
	if (err == 0 && at.byte == buf_len(&p->batch->events))
		err = put_positions(p->store, p->batch);
	if (err == 0)
		err = store_commit(p->store, hash_at(p, &at));
	if (err == 0) {
		summaries_settle(p->summaries);
		p->at = at;
		return 0;
	}
	store_abort(p->store);
	summaries_forget(p->summaries);
	block_forget(&p->block);
	return err == ERR_FULL ? rotate(p) : err; /* 0: the next try goes there */
}

static int write_batch(struct progress *p)
{
	int err = 0;
	while (err == 0 && p->at.byte < buf_len(&p->batch->events))
		err = write_chunk(p);
	return err;
}

int writer_write(struct store *store, uint64_t chunk_bytes, const struct batch *b)
{
	struct progress p = {.store = store, .batch = b, .chunk_bytes = chunk_bytes};
	struct buf marks;
	buf_init(&marks, SIZE_MAX);
	int err = batch_marks(b, &marks);
	p.marks = (const struct marks *)buf_span(&marks).p;
	if (err == 0)
		err = summaries_new(&p.summaries);
	if (err == 0)
		err = write_batch(&p);
	summaries_free(p.summaries);
	buf_done(&marks);
	return err;
}

/* --- the thread ---------------------------------------------------------------------------------
 */

/* With the mutex held. */
static void say(struct writer *w, int err)
{
	if (err < 0 && !w->err)
		log_error("the store cannot be written to: %s; trying every second", err_text(err));
	else if (err == 0 && w->err)
		log_info("the store can be written to again");
	w->err = err;
	if (err == 0 && note_position(w) < 0)
		log_error("the tree's root cannot be told");
	tell_main(w);
}

static void wait_retry(struct writer *w)
{
	struct timespec until;
	after(RETRY_MS, &until);
	while (!w->is_stopping && pthread_cond_timedwait(&w->to_writer, &w->mutex, &until) == 0)
		;
}

/* A checkpoint speaks of what LMDB has: it goes first. */
static int write_signed(struct writer *w)
{
	uint8_t key[KEY_LEN];
	pthread_mutex_lock(&w->mutex);
	struct checkpoint c = w->checkpoint;
	memcpy(key, w->key, KEY_LEN);
	pthread_mutex_unlock(&w->mutex);
	int err = c.seq ? store_sign(w->store, &c, key) : 0;
	pthread_mutex_lock(&w->mutex);
	if (err == 0 && w->checkpoint.seq == c.seq)
		w->checkpoint.seq = 0;
	pthread_mutex_unlock(&w->mutex);
	return err;
}

/* What cannot be removed now is looked at again with the next tombstone. */
static void remove_old(struct writer *w)
{
	pthread_mutex_lock(&w->mutex);
	uint32_t upto = w->remove_upto;
	w->remove_upto = 0;
	pthread_mutex_unlock(&w->mutex);
	int err = upto ? retention_remove(store_path(w->store), upto) : 0;
	if (err < 0)
		log_warn("segments up to " SEGMENT_NAME " are not removed: %s", upto, err_text(err));
}

/* Everything in hand, however often it takes. With the mutex held, but not while it works. */
static void write_hand(struct writer *w)
{
	struct progress p = {.store = w->store,
			     .summaries = w->summaries,
			     .batch = &w->batch,
			     .marks = (const struct marks *)buf_span(&w->batch.marks).p,
			     .chunk_bytes = w->chunk_bytes,
			     .writer = w};
	int err;
	w->is_busy = true;
	do {
		bool was_broken = w->err != 0;
		pthread_mutex_unlock(&w->mutex);
		err = was_broken ? store_reopen(w->store) : 0;
		if (err == 0)
			err = write_signed(w);
		if (err == 0)
			remove_old(w);
		if (err == 0 && !p.batch->first && store_is_full(w->store))
			err = rotate(&p); /* an idle one grows old */
		if (err == 0)
			err = write_batch(&p);
		pthread_mutex_lock(&w->mutex);
		say(w, err);
		if (err < 0)
			wait_retry(w);
	} while (err < 0 && !w->is_stopping);
	w->is_busy = false;
	batch_reset(&w->batch);
}

static bool has_work(const struct writer *w)
{
	return w->batch.first || w->checkpoint.seq || w->remove_upto || w->is_busy;
}

/* Waits for something to do; true: there is nothing but a segment that should be closed by now. */
static bool is_old(struct writer *w)
{
	struct timespec until;
	after(LOOK_MS, &until);
	if (pthread_cond_timedwait(&w->to_writer, &w->mutex, &until) != ETIMEDOUT)
		return false;
	return store_is_full(w->store);
}

static void *writer_main(void *arg)
{
	struct writer *w = arg;
	pthread_mutex_lock(&w->mutex);
	for (;;) {
		while (!has_work(w) && !w->is_stopping && !is_old(w))
			;
		if (!has_work(w) && w->is_stopping)
			break;
		write_hand(w);
		tell_main(w);
	}
	pthread_mutex_unlock(&w->mutex);
	return NULL;
}

static int start_thread(struct writer *w)
{
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int err = -pthread_create(&w->thread, NULL, writer_main, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return err;
}

static void writer_free(struct writer *w)
{
	summaries_free(w->summaries);
	chain_free(w->chain);
	batch_done(&w->batch);
	closep(&w->fd);
	pthread_cond_destroy(&w->to_writer);
	pthread_cond_destroy(&w->to_main);
	pthread_mutex_destroy(&w->mutex);
	free(w);
}

int writer_start(struct store *store, uint64_t chunk_bytes, struct writer **ret_w)
{
	struct writer *w = calloc(1, sizeof(*w));
	pthread_condattr_t monotonic;
	if (!w)
		return -ENOMEM;
	w->store = store;
	w->chunk_bytes = chunk_bytes;
	batch_init(&w->batch, PENDING_MAX);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&w->mutex, NULL);
	pthread_cond_init(&w->to_writer, &monotonic);
	pthread_cond_init(&w->to_main, &monotonic);
	pthread_condattr_destroy(&monotonic);
	w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int err = w->fd < 0 ? -errno : summaries_new(&w->summaries);
	if (err == 0)
		err = chain_new(&w->chain);
	if (err == 0)
		err = note_position(w);
	if (err == 0)
		err = start_thread(w);
	if (err < 0) {
		writer_free(w);
		return err;
	}
	*ret_w = w;
	return 0;
}

void writer_stop(struct writer *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->mutex);
	w->is_stopping = true;
	pthread_cond_broadcast(&w->to_writer);
	pthread_mutex_unlock(&w->mutex);
	pthread_join(w->thread, NULL);
	writer_free(w);
}

int writer_fd(const struct writer *w)
{
	return w->fd;
}

bool writer_take(struct writer *w, struct batch *b)
{
	pthread_mutex_lock(&w->mutex);
	bool is_idle = !w->batch.first && !w->is_busy;
	if (is_idle) {
		struct batch empty = w->batch; /* buffers are swapped, not copied */
		w->batch = *b;
		*b = empty;
		pthread_cond_signal(&w->to_writer);
	}
	pthread_mutex_unlock(&w->mutex);
	return is_idle;
}

void writer_sign(struct writer *w, const struct checkpoint *c, const uint8_t key[KEY_LEN])
{
	pthread_mutex_lock(&w->mutex);
	w->checkpoint = *c;
	memcpy(w->key, key, KEY_LEN);
	pthread_cond_signal(&w->to_writer);
	pthread_mutex_unlock(&w->mutex);
}

bool writer_wait(struct writer *w, int timeout_ms)
{
	struct timespec until;
	after(timeout_ms, &until);
	pthread_mutex_lock(&w->mutex);
	while (has_work(w) && !w->err && !w->is_sealing)
		if (pthread_cond_timedwait(&w->to_main, &w->mutex, &until))
			break;
	bool is_idle = !has_work(w);
	pthread_mutex_unlock(&w->mutex);
	return is_idle;
}

int writer_err(struct writer *w)
{
	pthread_mutex_lock(&w->mutex);
	int err = w->err;
	pthread_mutex_unlock(&w->mutex);
	return err;
}

void writer_remove(struct writer *w, uint32_t upto)
{
	pthread_mutex_lock(&w->mutex);
	w->remove_upto = upto;
	pthread_cond_signal(&w->to_writer);
	pthread_mutex_unlock(&w->mutex);
}

bool writer_is_sealing(struct writer *w)
{
	pthread_mutex_lock(&w->mutex);
	bool is_sealing = w->is_sealing;
	pthread_mutex_unlock(&w->mutex);
	return is_sealing;
}

uint32_t writer_segment(struct writer *w)
{
	return store_segment(w->store);
}

void writer_position(struct writer *w, struct checkpoint *ret_c)
{
	pthread_mutex_lock(&w->mutex);
	*ret_c = w->at;
	pthread_mutex_unlock(&w->mutex);
}
