/* The control process: tokens, policy, the registry of workloads, the admin API. Unprivileged; what needs
 * privilege it asks of the monitor. */
#include <errno.h>
#include <fcntl.h>

#include "base/log.h"
#include "base/macro.h"
#include "control/control_internal.h"

#define SWEEP_MS 1000

int control_record(struct control *c, struct buf *event)
{
	uint64_t ticket;
	int r = buf_err(event);
	if (r == 0)
		r = ring_put(c->ring, buf_span(event), &ticket);
	buf_done(event);
	return r;
}

/* --- notices of the monitor --------------------------------------------------------------------- */

static void on_peer(struct control *c, struct msg *m)
{
	const char *name = json_string_value(json_object_get(m->json, "name"));
	int fd = msg_take_fd(m, 0);
	if (name && !strcmp(name, "proxy"))
		peer_set(&c->proxy, fd);
	else if (name && !strcmp(name, "recorder"))
		peer_set(&c->recorder, fd);
	else if (name && !strcmp(name, "console"))
		peer_set(&c->console, fd);
	else
		closep(&fd);
}

static void on_refused(struct control *c, struct msg *m)
{
	const char *vector = json_string_value(json_object_get(m->json, "vector"));
	const char *session = json_string_value(json_object_get(m->json, "session"));
	c->n_kernel_refused += (uint64_t)json_integer_value(json_object_get(m->json, "count"));
	if (vector && session)
		contain_on_bypass(c, session_by_id(&c->sessions, session), vector);
}

static void on_reload(struct control *c, struct msg *m)
{
	bool changed;
	(void)m;
	if (policy_reload(c, NULL, &changed) == 0)
		log_info("policy read again: %s", changed ? "a new one is in force" : "nothing changed");
}

static void on_checkpoint(struct control *c, struct msg *m)
{
	const char *line = json_string_value(json_object_get(m->json, "line"));
	if (line)
		sinks_put(c->sinks, line);
}

static void on_stop(struct control *c, struct msg *m)
{
	(void)m;
	loop_stop(c->loop);
}

static void on_notify(struct source *s, uint32_t events)
{
	static const struct {
		const char *name;
		void (*run)(struct control *c, struct msg *m);
	} notices[] = {{"peer", on_peer}, {"refused", on_refused}, {"reload", on_reload}, {"stop", on_stop},
		       {"checkpoint", on_checkpoint}};
	struct control *c = (struct control *)((char *)s - offsetof(struct control, notify));
	struct msg m;
	int r = msg_recv(s->fd, &m);
	(void)events;
	if (r == -EAGAIN)
		return;
	if (r < 0) {
		log_error("the monitor is gone");
		loop_stop(c->loop);
		return;
	}
	const char *t = json_string_value(json_object_get(m.json, "t"));
	for (size_t i = 0; t && i < ARRAY_LEN(notices); i++)
		if (!strcmp(notices[i].name, t))
			notices[i].run(c, &m);
	msg_done(&m);
}

/* --- timers ------------------------------------------------------------------------------------- */

static void on_beat(struct timer *t)
{
	struct control *c = (struct control *)((char *)t - offsetof(struct control, beat));
	atomic_store_explicit(&c->env->health->beat_ns[HEALTH_CONTROL], clock_mono_ns(),
			      memory_order_relaxed);
	if (loop_timer_in_ms(c->loop, t, HEALTH_EVERY_MS) < 0)
		loop_stop(c->loop);
}

static void on_sweep(struct timer *t)
{
	struct control *c = (struct control *)((char *)t - offsetof(struct control, sweep));
	sessions_sweep(c);
	web_sweep(c);
	proxy_ask_status(c);
	if (loop_timer_in_ms(c->loop, t, SWEEP_MS) < 0)
		loop_stop(c->loop);
}

static void on_wake(void *ctx)
{
	struct control *c = ctx;
	fetches_arrived(c);
}

/* --- set up ------------------------------------------------------------------------------------- */

static int start_servers(struct control *c)
{
	c->api = (struct server){.on_request = api_request, .may_stay = api_may_stay, .is_local = true};
	c->metrics = (struct server){.on_request = metrics_request};
	c->web = (struct server){.on_request = web_request};
	int r = api_open_when_ready(c);
	if (r == 0)
		r = server_start(&c->metrics, c, c->loop, c->env->metrics_fd);
	return r < 0 ? r : server_start(&c->web, c, c->loop, -1);
}

static int start_sinks(struct control *c)
{
	char why[1300];
	int r = sinks_start(c->cfg, &c->sinks, why, sizeof(why));
	if (r < 0)
		log_error("%s", why);
	return r;
}

static int set_up(struct control *c)
{
	timer_init(&c->beat, on_beat);
	timer_init(&c->sweep, on_sweep);
	peers_init(c);
	fetches_init(&c->fetches);
	keys_init(&c->keys, c);
	c->gaps = json_loads(c->env->gaps_json ? c->env->gaps_json : "[]", 0, NULL);
	c->probe = json_loads(c->env->probe_json ? c->env->probe_json : "[]", 0, NULL);
	int r = loop_new(&c->loop);
	if (r == 0)
		r = ring_open(&c->env->rings[0], &c->ring);
	if (r < 0)
		return r;
	loop_on_wake(c->loop, on_wake, c);
	c->notify = (struct source){c->env->notify_fd, EPOLLIN, on_notify, false};
	r = cgroup_watch_init(c);
	if (r == 0)
		r = loop_add(c->loop, &c->notify);
	if (r < 0)
		return r;
	r = start_sinks(c);
	if (r < 0)
		return r;
	on_beat(&c->beat);
	r = approvals_init(c);
	if (r < 0)
		return r;
	live_init(c);
	web_init(c);
	hooks_init(c);
	news_init(c);
	policy_init(c);
	sessions_restore(c);
	on_sweep(&c->sweep);
	return start_servers(c);
}

int control_main(const struct config *cfg, const struct child_env *env)
{
	struct control *c = calloc(1, sizeof(*c));
	if (!c)
		return 1;
	c->cfg = cfg;
	c->env = env;
	int r = set_up(c);
	if (r < 0)
		log_error("control cannot start: %s", err_text(r));
	else
		r = loop_run(c->loop);
	approvals_stop(c, "the gateway stops");
	server_stop(&c->api);
	server_stop(&c->metrics);
	server_stop(&c->web);
	web_done(c);
	hooks_done(c);
	policy_done(c);
	sinks_stop(c->sinks);
	sessions_free(&c->sessions);
	ring_free(c->ring);
	return r < 0;
}
