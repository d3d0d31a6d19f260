#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "priv/monitor_internal.h"

static void on_call(struct source *s, uint32_t events);

void children_init(struct monitor *m)
{
	for (int i = 0; i < CHILD_KINDS; i++)
		m->children[i] =
			(struct child){.m = m, .kind = (enum child_kind)i, .call_fd = -1, .notify_fd = -1};
}

/* --- talking ------------------------------------------------------------------------------------ */

void child_answer(struct child *c, int err, struct answer *a)
{
	json_t *body = a->body ? a->body : json_object();
	json_object_set_new(body, "ok", json_boolean(err == 0));
	if (err < 0) {
		json_object_set_new(body, "err", json_string(err_name(err)));
		json_object_set_new(body, "why", json_string(a->why ? a->why : err_text(err)));
	}
	int r = c->call_fd < 0 ? ERR_CLOSED : msg_send(c->call_fd, body, &a->fd, a->fd >= 0);
	json_decref(body);
	closep(&a->fd);
	a->fd = -1;
	if (r < 0 && r != -EPIPE && c->call_fd >= 0)
		child_end(c, "does not take its answers");
	else if (c->call.is_added && loop_mod(c->m->loop, &c->call, EPOLLIN) < 0)
		child_end(c, "cannot be listened to");
}

void child_notify(struct child *c, json_t *msg, const int *fds, int n_fds)
{
	int r = c->notify_fd < 0 ? 0 : msg_send(c->notify_fd, msg, fds, n_fds);
	const char *t = json_string_value(json_object_get(msg, "t"));
	/* Also in the record, or vouched for by the next. */
	bool may_drop = !strcmp(t, "refused") || !strcmp(t, "checkpoint");
	json_decref(msg);
	/* One that is ending already takes nothing more: it is reaped soon. */
	if (r < 0 && r != -EPIPE && !may_drop)
		child_end(c, "does not take its notices");
}

static void on_call(struct source *s, uint32_t events)
{
	struct child *c = (struct child *)((char *)s - offsetof(struct child, call));
	struct msg in;
	int r = msg_recv(c->call_fd, &in);
	if (r == -EAGAIN)
		return;
	if (r < 0) {
		if (r != ERR_CLOSED || !(events & EPOLLHUP))
			child_end(c, "broke the form of requests");
		loop_del(c->m->loop, s);
		return;
	}
	r = request_answer(c, &in);
	if (r < 0) {
		const char *t = json_string_value(json_object_get(in.json, "t"));
		log_error("%s asked for what is not in its table: %s", child_name(c->kind),
			  t ? t : "(no name)");
		child_end(c, "made a forbidden request");
	} else if (c->command.is_active) {
		r = loop_mod(c->m->loop, s, 0); /* until the command is done */
	}
	msg_done(&in);
}

/* --- starting ----------------------------------------------------------------------------------- */

static int nonblocking(int fd)
{
	return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0 ? -errno : 0;
}

static void add_rings(const struct monitor *m, enum child_kind kind, struct child_env *e)
{
	int first = kind == CHILD_PROXY ? 1 : 0;
	int n = kind == CHILD_CONTROL ? 1 : kind == CHILD_PROXY ? m->n_loops : m->n_loops + 2;
	for (int i = 0; i < n; i++)
		e->rings[i] = m->rings[first + i];
	e->n_rings = n;
}

static void fill_env(struct monitor *m, enum child_kind kind, struct child_env *e)
{
	*e = (struct child_env){.flow_map_fd = -1,
				.dest_map_fd = -1,
				.control_fd = -1,
				.metrics_fd = -1,
				.console_fd = -1};
	if (kind == CHILD_CONSOLE) {
		e->console_fd = m->console_fd;
		return; /* it records nothing and sees no ring */
	}
	add_rings(m, kind, e);
	if (kind == CHILD_PROXY) {
		e->flow_map_fd = kernel_flow_map_fd(m->kernel);
		e->dest_map_fd = kernel_dest_map_fd(m->kernel);
	} else if (kind == CHILD_CONTROL) {
		e->control_fd = m->control_fd;
		e->metrics_fd = m->metrics_fd;
		e->gaps_json = m->gaps_json;
		e->probe_json = m->probe_json;
	}
}

/* A channel of their own for two children; both are told. */
static void introduce(struct monitor *m, enum child_kind a, enum child_kind b)
{
	int ends[2];
	struct child *ca = &m->children[a], *cb = &m->children[b];
	if (!ca->pid || !cb->pid || msg_pair(ends) < 0)
		return;
	child_notify(ca, json_pack("{ssss}", "t", "peer", "name", child_name(b)), &ends[0], 1);
	child_notify(cb, json_pack("{ssss}", "t", "peer", "name", child_name(a)), &ends[1], 1);
	close(ends[0]);
	close(ends[1]);
}

static void introduce_all(struct monitor *m, enum child_kind started)
{
	static const enum child_kind others[] = {CHILD_PROXY, CHILD_RECORDER, CHILD_CONSOLE};
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (started == CHILD_CONTROL || started == others[i])
			introduce(m, CHILD_CONTROL, others[i]);
	if (started != CHILD_PROXY)
		return;
	for (struct netns *n = m->workloads.netns; n; n = n->next)
		m->workloads.on_listen(m, &n->l);
}

int child_start(struct monitor *m, enum child_kind kind)
{
	struct child *c = &m->children[kind];
	int call[2] = {-1, -1}, notify[2] = {-1, -1};
	struct spawn s = {.kind = kind,
			  .config_name = m->options->config_name,
			  .config_text = m->options->config_text,
			  .health_fd = m->health_fd};
	int r = msg_pair(call);
	if (r == 0)
		r = msg_pair(notify);
	if (r == 0)
		r = nonblocking(call[0]);
	if (r == 0)
		r = nonblocking(notify[0]);
	if (r == 0) {
		fill_env(m, kind, &s.env);
		s.env.call_fd = call[1];
		s.env.notify_fd = notify[1];
		r = spawn_child(&s, &c->pid);
	}
	closep(&call[1]);
	closep(&notify[1]);
	if (r < 0) {
		closep(&call[0]);
		closep(&notify[0]);
		return r;
	}
	c->call_fd = call[0];
	c->notify_fd = notify[0];
	c->started_ns = clock_mono_ns();
	c->call = (struct source){c->call_fd, EPOLLIN, on_call, false};
	r = loop_add(m->loop, &c->call);
	if (r < 0)
		return r;
	log_info("%s started, process %d", child_name(kind), (int)c->pid);
	introduce_all(m, kind);
	return 0;
}

/* The one whose bytes come from a network: if they can kill it, they kill nothing else with it. */
static bool is_console_due(const struct monitor *m)
{
	return m->console_fd >= 0 && clock_mono_ns() >= m->console_after_ns;
}

void children_start(struct monitor *m)
{
	for (int i = 0; i < CHILD_KINDS && !m->is_stopping; i++) {
		if (m->children[i].pid || (i == CHILD_CONSOLE && !is_console_due(m)))
			continue;
		int r = child_start(m, (enum child_kind)i);
		if (r < 0) {
			log_error("%s cannot be started: %s", child_name((enum child_kind)i), err_text(r));
			monitor_stop(m, 1);
		}
	}
}

/* --- ending ------------------------------------------------------------------------------------- */

void child_end(struct child *c, const char *why)
{
	if (!c->pid)
		return;
	log_error("%s (process %d) %s: killed", child_name(c->kind), (int)c->pid, why);
	kill(c->pid, SIGKILL);
}

static void child_clear(struct child *c)
{
	command_done(&c->command, c);
	loop_del(c->m->loop, &c->call);
	closep(&c->call_fd);
	closep(&c->notify_fd);
	c->call_fd = c->notify_fd = -1;
	c->pid = 0;
}

/* More than DEATHS_MAX in DEATHS_WINDOW_NS: it will not heal by itself. */
static bool died_too_often(struct monitor *m)
{
	uint64_t now = clock_mono_ns();
	uint64_t *oldest = &m->deaths_ns[m->n_deaths++ % DEATHS_MAX];
	bool too_often = *oldest && now - *oldest < DEATHS_WINDOW_NS;
	*oldest = now;
	return too_often;
}

void children_reap(struct monitor *m)
{
	bool any = false;
	for (int i = 0; i < CHILD_KINDS; i++) {
		struct child *c = &m->children[i];
		int status;
		if (!c->pid || waitpid(c->pid, &status, WNOHANG) != c->pid)
			continue;
		bool is_fine = m->is_stopping && WIFEXITED(status) && WEXITSTATUS(status) == 0;
		log_msg(is_fine ? LOG_INFO : LOG_ERROR, "%s (process %d) ended: %s %d", child_name(c->kind),
			(int)c->pid, WIFEXITED(status) ? "exit code" : "signal",
			WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
		if (!is_fine && i != CHILD_CONSOLE)
			record_fault(m, child_name(c->kind), WIFEXITED(status) ? "it exited" : "it was killed");
		child_clear(c);
		any = true;
		if (i == CHILD_CONSOLE)
			m->console_after_ns = clock_mono_ns() + CONSOLE_PAUSE_NS;
		else if (!m->is_stopping && died_too_often(m)) {
			log_error("the processes die too often: giving up; workloads stay refused");
			monitor_stop(m, 1);
		}
	}
	if (any && !m->is_stopping)
		children_start(m);
	else if (any)
		children_stop(m);
}

/* The policy, and the console's certificate. */
void children_reload(struct monitor *m)
{
	child_notify(&m->children[CHILD_CONTROL], json_pack("{ss}", "t", "reload"), NULL, 0);
	child_notify(&m->children[CHILD_CONSOLE], json_pack("{ss}", "t", "reload"), NULL, 0);
}

static void stop_one(struct monitor *m, enum child_kind kind)
{
	child_notify(&m->children[kind], json_pack("{ss}", "t", "stop"), NULL, 0);
}

/* In the order in which they need each other: the proxy and control first, the recorder once nobody
 * can write any more. */
void children_stop(struct monitor *m)
{
	if (m->children[CHILD_CONSOLE].pid)
		stop_one(m, CHILD_CONSOLE);
	if (m->children[CHILD_PROXY].pid || m->children[CHILD_CONTROL].pid) {
		stop_one(m, CHILD_PROXY);
		stop_one(m, CHILD_CONTROL);
	} else if (m->children[CHILD_RECORDER].pid && !m->children[CHILD_CONSOLE].pid) {
		tallies_write(m, true);
		if (record_node(m, "node.stop") < 0)
			log_warn("the node's stop is not recorded");
		stop_one(m, CHILD_RECORDER);
	}
}

bool children_gone(const struct monitor *m)
{
	for (int i = 0; i < CHILD_KINDS; i++)
		if (m->children[i].pid)
			return false;
	return true;
}
