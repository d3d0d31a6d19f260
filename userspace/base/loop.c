#include "base/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"

#define EVENTS_PER_ROUND 64

struct loop {
	int epfd;
	bool is_stopped;
	uint64_t now_ns, real_ns; /* of this round; real_ns 0: nobody has asked */
	struct source wake;
	void (*on_wake)(void *ctx);
	void *wake_ctx;
	struct timer **heap;
	int n_timers, heap_cap;
	struct deferred *deferred;
	struct epoll_event ready[EVENTS_PER_ROUND];
	int n_ready;
	/* Polling before sleeping. */
	uint64_t spin_ns, spin_again_ns;
	int spin_credit;
	void *hot[2];	  /* the last two descriptors that had events */
	int quiet_rounds; /* since another one had */
};

static void on_wake_fd(struct source *s, uint32_t events)
{
	struct loop *l = (struct loop *)((char *)s - offsetof(struct loop, wake));
	uint64_t n;
	(void)events;
	if (read(s->fd, &n, sizeof(n)) == sizeof(n) && l->on_wake)
		l->on_wake(l->wake_ctx);
}

int loop_new(struct loop **ret_loop)
{
	struct loop *l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->now_ns = clock_mono_ns();
	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	l->wake =
	    (struct source){eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), EPOLLIN, on_wake_fd, false};
	if (l->epfd < 0 || l->wake.fd < 0 || loop_add(l, &l->wake) < 0) {
		int err = -errno;
		loop_free(l);
		return err;
	}
	*ret_loop = l;
	return 0;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	if (l->epfd >= 0)
		close(l->epfd);
	if (l->wake.fd >= 0)
		close(l->wake.fd);
	free(l->heap);
	free(l);
}

uint64_t loop_now(const struct loop *l)
{
	return l->now_ns;
}

uint64_t loop_real(struct loop *l)
{
	if (!l->real_ns)
		l->real_ns = clock_real_ns();
	return l->real_ns;
}

void loop_stop(struct loop *l)
{
	l->is_stopped = true;
}

int loop_add(struct loop *l, struct source *s)
{
	struct epoll_event ev = {.events = s->events, .data.ptr = s};
	if (epoll_ctl(l->epfd, EPOLL_CTL_ADD, s->fd, &ev) < 0)
		return -errno;
	s->is_added = true;
	return 0;
}

int loop_mod(struct loop *l, struct source *s, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = s};
	if (s->events == events)
		return 0;
	if (epoll_ctl(l->epfd, EPOLL_CTL_MOD, s->fd, &ev) < 0)
		return -errno;
	s->events = events;
	return 0;
}

void loop_del(struct loop *l, struct source *s)
{
	if (!s->is_added)
		return;
	epoll_ctl(l->epfd, EPOLL_CTL_DEL, s->fd, NULL);
	s->is_added = false;
	for (int i = 0; i < l->n_ready; i++)
		if (l->ready[i].data.ptr == s)
			l->ready[i].data.ptr = NULL;
}

/* A binary heap by deadline. */
static void heap_put(struct loop *l, int i, struct timer *t)
{
	l->heap[i] = t;
	t->index = i;
}

static void heap_up(struct loop *l, int i, struct timer *t)
{
	for (; i > 0 && l->heap[(i - 1) / 2]->at_ns > t->at_ns; i = (i - 1) / 2)
		heap_put(l, i, l->heap[(i - 1) / 2]);
	heap_put(l, i, t);
}

static void heap_down(struct loop *l, int i, struct timer *t)
{
	for (;;) {
		int kid = 2 * i + 1;
		if (kid + 1 < l->n_timers && l->heap[kid + 1]->at_ns < l->heap[kid]->at_ns)
			kid++;
		if (kid >= l->n_timers || l->heap[kid]->at_ns >= t->at_ns)
			break;
		heap_put(l, i, l->heap[kid]);
		i = kid;
	}
	heap_put(l, i, t);
}

void timer_init(struct timer *t, void (*on_timer)(struct timer *t))
{
	*t = (struct timer){.on_timer = on_timer, .index = -1};
}

int loop_timer_at(struct loop *l, struct timer *t, uint64_t at_ns)
{
	loop_timer_del(l, t);
	if (l->n_timers == l->heap_cap) {
		int cap = MAX(64, l->heap_cap * 2);
		struct timer **heap = realloc(l->heap, (size_t)cap * sizeof(*heap));
		if (!heap)
			return -ENOMEM;
		l->heap = heap;
		l->heap_cap = cap;
	}
	t->at_ns = at_ns;
	l->n_timers++;
	heap_up(l, l->n_timers - 1, t);
	return 0;
}

int loop_timer_in_ms(struct loop *l, struct timer *t, uint64_t ms)
{
	return loop_timer_at(l, t, clock_mono_ns() + ms * NS_PER_MS);
}

void loop_timer_del(struct loop *l, struct timer *t)
{
	int i = t->index;
	if (i < 0)
		return;
	t->index = -1;
	struct timer *last = l->heap[--l->n_timers];
	if (last == t)
		return;
	if (i > 0 && l->heap[(i - 1) / 2]->at_ns > last->at_ns)
		heap_up(l, i, last);
	else
		heap_down(l, i, last);
}

void loop_defer(struct loop *l, struct deferred *d)
{
	if (d->is_queued)
		return;
	d->is_queued = true;
	d->next = l->deferred;
	l->deferred = d;
}

void loop_on_wake(struct loop *l, void (*on_wake)(void *ctx), void *ctx)
{
	l->on_wake = on_wake;
	l->wake_ctx = ctx;
}

void loop_wake(struct loop *l)
{
	uint64_t one = 1;
	if (write(l->wake.fd, &one, sizeof(one)) < 0)
		return; /* full counter: a wake-up is due anyway */
}

int loop_wake_fd(const struct loop *l)
{
	return l->wake.fd;
}

/* By the round's own clock: a timer may be late by what the round has taken. */
static int wait_ms(const struct loop *l)
{
	if (l->deferred)
		return 0;
	if (!l->n_timers)
		return -1;
	uint64_t now = l->now_ns, at = l->heap[0]->at_ns;
	uint64_t ms = at > now ? (at - now + NS_PER_MS - 1) / NS_PER_MS : 0;
	return (int)MIN(ms, (uint64_t)60000);
}

static void run_timers(struct loop *l)
{
	while (l->n_timers && l->heap[0]->at_ns <= l->now_ns) {
		struct timer *t = l->heap[0];
		loop_timer_del(l, t);
		t->on_timer(t);
	}
}

static void run_deferred(struct loop *l)
{
	struct deferred *d = l->deferred;
	l->deferred = NULL;
	while (d) {
		struct deferred *next = d->next;
		d->is_queued = false;
		d->run(d);
		d = next;
	}
}

#define SPIN_QUIET    64     /* rounds of one flow alone, before polling is tried */
#define SPIN_CREDIT   16     /* unanswered polls that are paid for by answered ones */
#define SPIN_CROWDED  500000 /* ns: a poll that took longer waited for the work of others */
#define SPIN_PAUSE_NS (50 * NS_PER_MS)

void loop_spin(struct loop *l, uint64_t ns)
{
	l->spin_ns = ns;
}

/* Is it one flow alone that keeps this loop busy? With more, sleeping is better: what comes
 * meanwhile is taken in one go. */
static void note_sources(struct loop *l)
{
	for (int i = 0; i < l->n_ready; i++) {
		void *s = l->ready[i].data.ptr;
		if (s == l->hot[0] || s == l->hot[1])
			continue;
		l->hot[1] = l->hot[0];
		l->hot[0] = s;
		l->quiet_rounds = 0;
		return;
	}
	if (l->n_ready && l->quiet_rounds < SPIN_QUIET)
		l->quiet_rounds++;
}

static bool may_spin(struct loop *l)
{
	if (!l->spin_ns || l->quiet_rounds < SPIN_QUIET)
		return false;
	if (l->spin_credit <= 0 && l->now_ns >= l->spin_again_ns)
		l->spin_credit = 2;
	return l->spin_credit > 0;
}

/* No sched_yield between the polls: it costs what the polling gains. */
static int spin(struct loop *l)
{
	uint64_t from = clock_mono_ns(), now = from, before;
	bool is_crowded = false;
	int n = 0;
	while (!n && !is_crowded && now - from < l->spin_ns) {
		before = now;
		n = epoll_wait(l->epfd, l->ready, EVENTS_PER_ROUND, 0);
		now = clock_mono_ns();
		is_crowded = now - before > SPIN_CROWDED;
	}
	if (is_crowded)
		l->spin_credit = 0;
	else
		l->spin_credit += n > 0 ? l->spin_credit < SPIN_CREDIT : -1;
	if (l->spin_credit <= 0)
		l->spin_again_ns = now + SPIN_PAUSE_NS;
	return n;
}

static int wait_events(struct loop *l)
{
	int ms = wait_ms(l);
	if (ms && may_spin(l)) {
		int n = spin(l);
		if (n)
			return n;
		ms = wait_ms(l);
	}
	return epoll_wait(l->epfd, l->ready, EVENTS_PER_ROUND, ms);
}

int loop_run(struct loop *l)
{
	while (!l->is_stopped) {
		int n = wait_events(l);
		if (n < 0 && errno != EINTR)
			return -errno;
		l->now_ns = clock_mono_ns();
		l->real_ns = 0;
		l->n_ready = MAX(n, 0);
		note_sources(l);
		for (int i = 0; i < l->n_ready; i++) {
			struct source *s = l->ready[i].data.ptr;
			if (s)
				s->on_event(s, l->ready[i].events);
		}
		l->n_ready = 0;
		run_timers(l);
		run_deferred(l);
	}
	l->is_stopped = false;
	return 0;
}
