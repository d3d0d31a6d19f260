/* The loop: timers in order, deferred work after its round, sources that go within a round,
 * wake-ups from another thread, and the same with polling before sleeping. */
#include "base/loop.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"
#include "flow/list.h"
#include "tests/unit/tap.h"

static struct loop *loop;
static char order[64];
static size_t n_order;

static void note(char c)
{
	if (n_order + 1 < sizeof(order))
		order[n_order++] = c;
}

static void fresh(uint64_t spin_ns)
{
	memset(order, 0, sizeof(order));
	n_order = 0;
	if (loop_new(&loop) < 0)
		abort();
	loop_spin(loop, spin_ns);
}

/* --- timers -------------------------------------------------------------------------------------
 */

struct named_timer {
	struct timer timer;
	char name;
};

static void on_named(struct timer *t)
{
	note(container_of(t, struct named_timer, timer)->name);
}

static void on_last(struct timer *t)
{
	on_named(t);
	loop_stop(loop);
}

static void timers_fire_in_order(void)
{
	struct named_timer t[4] = {{.name = 'c'}, {.name = 'a'}, {.name = 'x'}, {.name = 'b'}};
	const uint64_t after_ms[] = {8, 1, 3, 5};
	uint64_t now = clock_mono_ns();
	fresh(0);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		timer_init(&t[i].timer, i ? on_named : on_last);
		CHECK_INT(loop_timer_at(loop, &t[i].timer, now + after_ms[i] * NS_PER_MS), 0);
	}
	loop_timer_del(loop, &t[2].timer);
	loop_timer_del(loop, &t[2].timer); /* again: nothing */
	CHECK_INT(loop_run(loop), 0);
	CHECK_STR(order, "abc");
	CHECK(clock_mono_ns() >= now + 8 * NS_PER_MS);
	loop_free(loop);
}

/* --- sources ------------------------------------------------------------------------------------
 */

struct end {
	struct source source;
	struct end *other; /* deleted by whichever comes first */
};
static struct deferred later;

static void on_deferred(struct deferred *d)
{
	(void)d;
	note('d');
	loop_stop(loop);
}

static void on_end(struct source *s, uint32_t events)
{
	struct end *e = container_of(s, struct end, source);
	CHECK(events & EPOLLIN);
	note('e');
	loop_del(loop, &e->other->source);
	loop_del(loop, s);
	later.run = on_deferred;
	loop_defer(loop, &later);
	loop_defer(loop, &later); /* once is enough */
}

static void deleted_in_its_round_is_silent(void)
{
	int fds[2];
	struct end a, b;
	fresh(0);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
		abort();
	a = (struct end){{fds[0], EPOLLIN, on_end, false}, &b};
	b = (struct end){{fds[1], EPOLLIN, on_end, false}, &a};
	CHECK_INT(loop_add(loop, &a.source), 0);
	CHECK_INT(loop_add(loop, &b.source), 0);
	CHECK_INT(write(fds[0], "x", 1) + write(fds[1], "x", 1), 2);
	CHECK_INT(loop_run(loop), 0);
	CHECK_STR(order, "ed");
	loop_free(loop);
	close(fds[0]);
	close(fds[1]);
}

/* --- one busy flow, with and without polling ----------------------------------------------------
 */

#define TURNS 2000

struct echo {
	struct source source;
	int turns;
};

static void on_echo(struct source *s, uint32_t events)
{
	struct echo *e = container_of(s, struct echo, source);
	char c;
	CHECK(events & EPOLLIN);
	if (read(s->fd, &c, 1) != 1 || write(s->fd, &c, 1) != 1 || ++e->turns == TURNS)
		loop_stop(loop);
}

static void *ask(void *fd)
{
	int n = 0;
	char c = 'q';
	while (n < TURNS && write(*(int *)fd, &c, 1) == 1 && read(*(int *)fd, &c, 1) == 1)
		n++;
	return (void *)(intptr_t)n;
}

static void busy_flow_is_answered(uint64_t spin_ns)
{
	int fds[2];
	pthread_t peer;
	void *n;
	fresh(spin_ns);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
		abort();
	struct echo e = {{fds[0], EPOLLIN, on_echo, false}, 0};
	CHECK_INT(loop_add(loop, &e.source), 0);
	CHECK_INT(pthread_create(&peer, NULL, ask, &fds[1]), 0);
	CHECK_INT(loop_run(loop), 0);
	pthread_join(peer, &n);
	CHECK_INT((intptr_t)n, TURNS);
	loop_free(loop);
	close(fds[0]);
	close(fds[1]);
}

static long cpu_us(void)
{
	struct rusage r;
	getrusage(RUSAGE_THREAD, &r);
	return (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000L + r.ru_utime.tv_usec +
	       r.ru_stime.tv_usec;
}

/* A loop with nothing to do must not burn the processor, however long it may poll. */
static void idle_loop_sleeps(void)
{
	struct named_timer t = {.name = 'i'};
	fresh(NS_PER_MS);
	timer_init(&t.timer, on_last);
	long before = cpu_us();
	CHECK_INT(loop_timer_in_ms(loop, &t.timer, 300), 0);
	CHECK_INT(loop_run(loop), 0);
	CHECK(cpu_us() - before < 100000);
	loop_free(loop);
}

static void on_wake(void *ctx)
{
	(void)ctx;
	note('w');
	loop_stop(loop);
}

static void *wake(void *arg)
{
	(void)arg;
	for (int i = 0; i < 100; i++)
		loop_wake(loop);
	return NULL;
}

static void another_thread_wakes(void)
{
	pthread_t t;
	fresh(0);
	loop_on_wake(loop, on_wake, NULL);
	CHECK_INT(pthread_create(&t, NULL, wake, NULL), 0);
	CHECK_INT(loop_run(loop), 0);
	pthread_join(t, NULL);
	CHECK_STR(order, "w");
	loop_free(loop);
}

int main(void)
{
	timers_fire_in_order();
	deleted_in_its_round_is_silent();
	busy_flow_is_answered(0);
	busy_flow_is_answered(100000);
	idle_loop_sleeps();
	another_thread_wakes();
	return tap_done();
}
