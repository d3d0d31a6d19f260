#include "flow/lane.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "flow/flow.h"
#include "flow/proxy.h"
#include "flow/refuse.h"

#define SPARE_KEEP (256 * 1024)

void lane_lend(struct lane *l, int i, struct buf *b)
{
	struct buf *spare = &l->spare[i];
	if (b->mem || !spare->mem)
		return;
	b->mem = TAKE(spare->mem);
	b->cap = spare->cap;
	b->start = b->end = 0;
}

void lane_reclaim(struct lane *l, int i, struct buf *b)
{
	struct buf *spare = &l->spare[i];
	if (!b->mem || buf_len(b) || b->err)
		return;
	if (spare->mem || b->cap > SPARE_KEEP) {
		buf_done(b);
		return;
	}
	spare->mem = TAKE(b->mem);
	spare->cap = b->cap;
	b->cap = b->start = b->end = 0;
}

void lane_post(struct lane *l, struct mail *m)
{
	m->next = NULL;
	pthread_mutex_lock(&l->inbox_mutex);
	bool was_empty = !l->inbox;
	*l->inbox_tail = m;
	l->inbox_tail = &m->next;
	pthread_mutex_unlock(&l->inbox_mutex);
	if (was_empty)
		loop_wake(l->loop);
}

static void on_inbox(void *ctx)
{
	struct lane *l = ctx;
	pthread_mutex_lock(&l->inbox_mutex);
	struct mail *m = l->inbox;
	l->inbox = NULL;
	l->inbox_tail = &l->inbox;
	pthread_mutex_unlock(&l->inbox_mutex);
	while (m) {
		struct mail *next = m->next;
		m->run(m, l);
		m = next;
	}
}

static void on_ring(struct source *s, uint32_t events)
{
	struct lane *l = container_of(container_of(s, struct journal, wake), struct lane, journal);
	uint64_t n;
	(void)events;
	if (read(s->fd, &n, sizeof(n)) == sizeof(n))
		pipeline_retry(l);
}

static void on_beat(struct timer *t)
{
	struct lane *l = container_of(t, struct lane, beat);
	uint64_t now = loop_now(l->loop);
	int64_t now_s = (int64_t)(clock_real_ns() / NS_PER_SEC);

	atomic_store(&l->proxy->env->health->beat_ns[HEALTH_LOOP_0 + l->index], clock_mono_ns());
	list_each(at, &l->flows) flow_check(container_of(at, struct flow, link), now, now_s);
	refuse_flush(l, now);
	/* A recorder that died wakes nobody. */
	if (!list_empty(&l->journal.holds) || buf_len(&l->journal.backlog))
		pipeline_retry(l);
	if (l->journal.lost)
		log_error("the recorder did not take %llu events",
			  (unsigned long long)l->journal.lost);
	l->journal.lost = 0;
	if (loop_timer_in_ms(l->loop, t, HEALTH_EVERY_MS) < 0)
		loop_stop(l->loop); /* no beat, no connects */
}

int lane_init(struct lane *l, struct proxy *p, int index)
{
	*l = (struct lane){.proxy = p, .index = index};
	pthread_mutex_init(&l->inbox_mutex, NULL);
	l->inbox_tail = &l->inbox;
	list_init(&l->flows);
	list_init(&l->asks);
	l->next_id = clock_real_ns() / NS_PER_MS & 0xffffffffffull;
	buf_init(&l->spare[0], 0);
	buf_init(&l->spare[1], 0);
	timer_init(&l->beat, on_beat);
	l->scratch = malloc(LANE_SCRATCH);
	l->folds = refuse_new();
	if (!l->scratch || !l->folds)
		return -ENOMEM;
	int err = loop_new(&l->loop);
	if (!err)
		err = journal_init(&l->journal, &p->env->rings[index], p->cfg->payload_limit);
	if (err)
		return err;
	loop_spin(l->loop, (uint64_t)p->cfg->spin_us * 1000);
	loop_on_wake(l->loop, on_inbox, l);
	l->journal.wake.events = EPOLLIN;
	l->journal.wake.on_event = on_ring;
	err = loop_add(l->loop, &l->journal.wake);
	return err ? err : loop_timer_in_ms(l->loop, &l->beat, 0);
}

static void *lane_main(void *arg)
{
	struct lane *l = arg;
	struct sched_param none = {0};
	/* Woken for batches, not for every message: see reference measurements in the note. */
	if (sched_setscheduler(0, SCHED_BATCH, &none) < 0)
		log_warn("SCHED_BATCH refused: %s", err_text(-errno));
	int err = loop_run(l->loop);
	if (err < 0)
		log_error("loop %d ended: %s", l->index, err_text(err));
	return NULL;
}

int lane_start(struct lane *l)
{
	int err = pthread_create(&l->thread, NULL, lane_main, l);
	return err ? -err : 0;
}

struct stop_mail {
	struct mail mail;
};

static void on_stop(struct mail *m, struct lane *l)
{
	free(container_of(m, struct stop_mail, mail));
	list_each(at, &l->flows)
	{
		struct flow *f = container_of(at, struct flow, link);
		flow_fail(f, "57P01", "the gateway is shutting down");
		flow_close(f, "shutdown");
	}
	refuse_flush(l, UINT64_MAX);
	journal_drain(&l->journal);
	loop_stop(l->loop);
}

void lane_stop(struct lane *l)
{
	struct stop_mail *m = calloc(1, sizeof(*m));
	if (!m)
		abort(); /* nothing is left to do in order */
	m->mail.run = on_stop;
	lane_post(l, &m->mail);
	pthread_join(l->thread, NULL);
}

void lane_done(struct lane *l)
{
	refuse_free(l);
	journal_done(&l->journal);
	loop_free(l->loop);
	free(l->scratch);
	free(l->spare[0].mem);
	free(l->spare[1].mem);
	plan_unref(l->plan);
	pthread_mutex_destroy(&l->inbox_mutex);
}
