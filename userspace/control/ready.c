/* Whether operations can pass, and if not, why; and that the admin API begins to answer only when
 * they can: who calls while the parts still come up waits, rather than being told that one of them
 * is away. */
#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "control/control_internal.h"

#define LOOK_MS 20
#define WAIT_NS (5 * NS_PER_SEC) /* then it answers all the same, and says what is missing */

static bool is_fresh(const struct control *c, int from, int to)
{
	uint64_t now = clock_mono_ns();
	for (int i = from; i <= to; i++) {
		uint64_t beat = atomic_load(&c->env->health->beat_ns[i]);
		if (now > beat && now - beat > HEALTH_STALE_MS * NS_PER_MS)
			return false;
	}
	return true;
}

const char *why_not_ready(const struct control *c)
{
	if (c->recorder.fd < 0 || !is_fresh(c, HEALTH_RECORDER, HEALTH_RECORDER))
		return "the recorder is not up";
	if (ring_check(c->ring) < 0)
		return "the recorder cannot record: see the daemon's log";
	if (!c->policy.plan)
		return "no policy is in force: sluice policy check says what is wrong";
	if (c->proxy.fd < 0 || !is_fresh(c, HEALTH_LOOP_0, HEALTH_LOOP_0))
		return "the proxy is not up";
	return is_fresh(c, HEALTH_HEART, HEALTH_HEART)
		   ? NULL
		   : "a part of the gateway gives no sign of life";
}

/* A policy that is wrong, or is not there, is nothing to wait for: people have to be told. */
static bool is_worth_waiting(const struct control *c)
{
	bool is_policy_alone = c->recorder.fd >= 0 && c->proxy.fd >= 0 &&
			       ring_check(c->ring) == 0 && c->policy.last_error;
	return clock_mono_ns() < c->opens_ns && !is_policy_alone && why_not_ready(c);
}

static void on_look(struct timer *t)
{
	struct control *c = (struct control *)((char *)t - offsetof(struct control, opening));
	if (is_worth_waiting(c) && loop_timer_in_ms(c->loop, t, LOOK_MS) == 0)
		return;
	const char *why = why_not_ready(c);
	if (why)
		log_warn("not ready: %s", why);
	if (loop_add(c->loop, &c->api.listen) < 0)
		loop_stop(c->loop);
}

int api_open_when_ready(struct control *c)
{
	int r = server_start(&c->api, c, c->loop, -1);
	c->api.listen.fd = c->env->control_fd;
	c->opens_ns = clock_mono_ns() + WAIT_NS;
	timer_init(&c->opening, on_look);
	return r < 0 ? r : loop_timer_in_ms(c->loop, &c->opening, LOOK_MS);
}
