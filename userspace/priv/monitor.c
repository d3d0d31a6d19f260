#include "priv/monitor_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "identity/identity.h"

#define BEAT_MS	      250
#define BEAT_START_MS 20		/* until all parts are up */
#define HUNG_NS	      (15 * NS_PER_SEC) /* a child that says nothing for so long is killed */
#define STOP_LIMIT_MS 15000

/* --- refusals ------------------------------------------------------------------------------------- */

static void on_refusal(void *ctx, const struct refusal *r)
{
	record_refusal(ctx, r);
}

void read_refusals(struct monitor *m)
{
	kernel_events_read(m->kernel, on_refusal, m);
}

void read_last_refusals(struct monitor *m, uint64_t cgroup_id)
{
	read_refusals(m);
	kernel_events_rest(m->kernel, cgroup_id, on_refusal, m);
}

/* While nobody records, refusals wait in the kernel's buffer: on_beat comes back to them. */
static void on_kernel_events(struct source *s, uint32_t events)
{
	struct monitor *m = (struct monitor *)((char *)s - offsetof(struct monitor, kernel_events));
	(void)events;
	if (ring_check(m->ring) < 0)
		loop_del(m->loop, s);
	else
		read_refusals(m);
}

static void watch_refusals(struct monitor *m)
{
	if (m->is_start_recorded && !m->kernel_events.is_added && ring_check(m->ring) == 0 &&
	    loop_add(m->loop, &m->kernel_events) < 0)
		monitor_stop(m, 1);
}

/* --- health ------------------------------------------------------------------------------------- */

static void slots_of(const struct monitor *m, enum child_kind kind, int *ret_first, int *ret_n)
{
	static const int first[] = {[CHILD_RECORDER] = HEALTH_RECORDER,
				    [CHILD_CONTROL] = HEALTH_CONTROL,
				    [CHILD_PROXY] = HEALTH_LOOP_0};
	*ret_first = first[kind];
	*ret_n = kind == CHILD_PROXY ? m->n_loops : 1;
}

/* How long ago the slowest part of a child said that it lives; now: never. */
static uint64_t silence_ns(const struct monitor *m, const struct child *c, uint64_t now)
{
	int first, n;
	uint64_t worst = 0;
	slots_of(m, c->kind, &first, &n);
	for (int i = first; i < first + n; i++) {
		uint64_t beat = atomic_load_explicit(&m->health->beat_ns[i], memory_order_relaxed);
		worst = MAX(worst, now > beat ? now - beat : 0);
	}
	return worst;
}

/* The console is no part of it: what it serves are people, and workloads do not wait for them. */
static bool all_well(struct monitor *m)
{
	uint64_t now = clock_mono_ns();
	bool is_well = true;
	if (now - m->looked_ns > HUNG_NS / 2) /* the machine stood still, and they with it */
		m->awake_ns = now;
	m->looked_ns = now;
	for (int i = 0; i <= CHILD_PROXY; i++) {
		struct child *c = &m->children[i];
		uint64_t silence = c->pid ? silence_ns(m, c, now) : UINT64_MAX;
		is_well = is_well && silence < now && MIN(silence, now - m->awake_ns) < HEALTH_STALE_MS * NS_PER_MS;
		if (c->pid && MIN(silence, now - MAX(c->started_ns, m->awake_ns)) > HUNG_NS)
			child_end(c, "gives no sign of life");
	}
	return is_well;
}

bool monitor_beat(struct monitor *m)
{
	if (m->is_stopping || !all_well(m))
		return false;
	kernel_beat(m->kernel);
	atomic_store(&m->health->beat_ns[HEALTH_HEART], clock_mono_ns());
	return true;
}

static void on_beat(struct timer *t)
{
	struct monitor *m = (struct monitor *)((char *)t - offsetof(struct monitor, beat));
	if (!m->is_start_recorded && !m->is_stopping)
		m->is_start_recorded =
			record_node(m, "node.start") == 0; /* as soon as the recorder takes it */
	watch_refusals(m);
	if (monitor_beat(m)) {
		service_notify("WATCHDOG=1");
		if (!m->is_ready) {
			service_notify("READY=1\nSTATUS=all parts are up");
			log_info("ready");
		}
		m->is_ready = true;
	}
	workloads_sweep(&m->workloads);
	tallies_write(m, false);
	if (m->is_ready)
		children_start(m); /* a console that died */
	if (loop_timer_in_ms(m->loop, t, m->is_ready ? BEAT_MS : BEAT_START_MS) < 0)
		monitor_stop(m, 1);
}

/* --- events ------------------------------------------------------------------------------------- */

static void on_listen(void *ctx, const struct listeners *l)
{
	struct monitor *m = ctx;
	int fds[LISTEN_FDS], n = 0;
	json_t *at = json_array(); /* what each descriptor is, by its place in struct listeners */
	for (int i = 0; i < LISTEN_FDS; i++) {
		if (l->fds[i] < 0)
			continue;
		fds[n++] = l->fds[i];
		json_array_append_new(at, json_integer(i));
	}
	json_t *j = json_pack("{sssIsiso}", "t", "listen", "netns", (json_int_t)l->netns_cookie, "port",
			      (int)l->port, "at", at);
	child_notify(&m->children[CHILD_PROXY], j, fds, n);
}

static void on_unlisten(void *ctx, uint64_t netns_cookie)
{
	struct monitor *m = ctx;
	json_t *j = json_pack("{sssI}", "t", "unlisten", "netns", (json_int_t)netns_cookie);
	child_notify(&m->children[CHILD_PROXY], j, NULL, 0);
}

static void on_stop_deadline(struct timer *t)
{
	struct monitor *m = (struct monitor *)((char *)t - offsetof(struct monitor, stop_deadline));
	for (int i = 0; i < CHILD_KINDS; i++)
		child_end(&m->children[i], "does not stop in time");
	m->exit_code = 1;
}

void monitor_stop(struct monitor *m, int exit_code)
{
	if (m->is_stopping)
		return;
	m->is_stopping = true;
	m->exit_code = exit_code;
	log_info("stopping");
	service_notify("STOPPING=1");
	children_stop(m);
	if (children_gone(m) || loop_timer_in_ms(m->loop, &m->stop_deadline, STOP_LIMIT_MS) < 0)
		loop_stop(m->loop);
}

static void on_signal(struct source *s, uint32_t events)
{
	struct monitor *m = (struct monitor *)((char *)s - offsetof(struct monitor, signals));
	struct signalfd_siginfo si;
	(void)events;
	while (read(s->fd, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGCHLD)
			continue;
		if (si.ssi_signo == SIGHUP)
			children_reload(m);
		else
			monitor_stop(m, 0);
	}
	children_reap(m);
	if (m->is_stopping && children_gone(m))
		loop_stop(m->loop);
}

/* --- set up and take down ------------------------------------------------------------------------ */

static int open_kernel(const struct config *cfg, struct kernel **ret_k)
{
	char why[500] = "";
	struct kernel_options o = {cfg->instance, cfg->bpffs, cfg->cgroup_root};
	int r = kernel_open(&o, ret_k, why, sizeof(why));
	if (r < 0)
		log_error("the kernel side cannot be loaded: %s (%s)", why, err_text(r));
	return r;
}

static char *json_text(json_t *j)
{
	char *text = j ? json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	json_decref(j);
	return text;
}

static int make_health(struct monitor *m)
{
	m->health_fd = memfd_create("sluice-health", MFD_CLOEXEC);
	if (m->health_fd < 0 || ftruncate(m->health_fd, sizeof(*m->health)) < 0)
		return -errno;
	m->health = mmap(NULL, sizeof(*m->health), PROT_READ | PROT_WRITE, MAP_SHARED, m->health_fd, 0);
	return m->health == MAP_FAILED ? -errno : 0;
}

static int make_rings(struct monitor *m)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	m->n_loops = m->cfg->loops ? m->cfg->loops : (int)MIN(MAX(cores, 1L), (long)MAX_LOOPS);
	int r = 0;
	for (int i = 0; r == 0 && i < m->n_loops + 2; i++)
		r = ring_create(RING_SIZE, &m->rings[i]);
	return r < 0 ? r : ring_open(&m->rings[m->n_loops + 1], &m->ring);
}

static int make_sources(struct monitor *m)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	m->signals =
		(struct source){signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), EPOLLIN, on_signal, false};
	m->kernel_events = (struct source){kernel_events_fd(m->kernel), EPOLLIN, on_kernel_events, false};
	timer_init(&m->beat, on_beat);
	timer_init(&m->stop_deadline, on_stop_deadline);
	if (m->signals.fd < 0)
		return -errno;
	int r = loop_add(m->loop, &m->signals);
	return r == 0 ? loop_timer_in_ms(m->loop, &m->beat, BEAT_START_MS) : r;
}

static int make_local_issuer(const struct config *cfg)
{
	char key[300], jwks[300];
	void *pkey = NULL;
	if (!cfg->has_local_issuer)
		return 0;
	snprintf(key, sizeof(key), "%s/keys/local.key", cfg->state_dir);
	snprintf(jwks, sizeof(jwks), "%s/keys/local.jwks", cfg->state_dir);
	int r = local_key_load(key, jwks, &pkey);
	local_key_free(pkey);
	return r;
}

/* What must be there before the first child. Each step says why it failed. */
static int set_up(struct monitor *m)
{
	static const struct {
		const char *what;
		int (*run)(struct monitor *m);
	} steps[] = {{"the health page", make_health},
		     {"the rings", make_rings},
		     {"the event sources", make_sources}};
	int r = places_prepare(m);
	if (r == 0)
		r = places_listen(m);
	if (r == 0)
		r = open_kernel(m->cfg, &m->kernel);
	if (r < 0)
		return r;
	if (kernel_befriend(m->kernel, m->control_fd) < 0)
		log_warn("workloads cannot reach the control socket: sluice elevate from inside is refused");
	m->gaps_json = json_text(kernel_gaps(m->kernel));
	m->probe_json = json_text(kernel_probe());
	if (!m->gaps_json || !m->probe_json)
		return -ENOMEM;
	ca_init(&m->ca, m->cfg, m->keys_dir_fd);
	r = signer_init(&m->signer, m->keys_dir_fd);
	if (r == 0)
		r = make_local_issuer(m->cfg);
	if (r < 0) {
		log_error("the keys in %s/keys cannot be used: %s", m->cfg->state_dir, err_text(r));
		return r;
	}
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		r = steps[i].run(m);
		if (r < 0) {
			log_error("%s: %s", steps[i].what, err_text(r));
			return r;
		}
	}
	return 0;
}

static int take_over(struct monitor *m)
{
	int r = workloads_init(&m->workloads, m->kernel, m->cfg->run_dir);
	if (r < 0)
		return r;
	m->workloads.on_listen = on_listen;
	m->workloads.on_unlisten = on_unlisten;
	m->workloads.on_ended = tallies_ended;
	m->workloads.ctx = m;
	int live = workloads_restore(&m->workloads);
	if (live > 0)
		log_info("live workloads taken over: %d", live);
	return 0;
}

static void tear_down(struct monitor *m)
{
	workloads_done(&m->workloads);
	ring_free(m->ring);
	for (int i = 0; i < m->n_loops + 2; i++)
		ring_desc_done(&m->rings[i]);
	if (m->kernel)
		kernel_close(m->kernel, true); /* what was managed stays refused */
	signer_done(&m->signer);
	ca_done(&m->ca);
	kept_done(&m->kept);
	loop_free(m->loop);
	closep(&m->control_fd);
	closep(&m->metrics_fd);
	closep(&m->console_fd);
	closep(&m->keys_dir_fd);
	closep(&m->health_fd);
	closep(&m->signals.fd);
	free(m->gaps_json);
	free(m->probe_json);
}

/* No core, no debugger: the keys pass through here. */
static void protect(void)
{
	struct rlimit none = {0, 0};
	if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		log_warn("core dumps cannot be forbidden");
}

int monitor_run(const struct config *cfg, const struct monitor_options *o)
{
	static struct monitor m;
	m = (struct monitor){.cfg = cfg,
			     .options = o,
			     .control_fd = -1,
			     .metrics_fd = -1,
			     .console_fd = -1,
			     .keys_dir_fd = -1,
			     .health_fd = -1,
			     .signals.fd = -1};
	protect();
	children_init(&m);
	int r = loop_new(&m.loop);
	if (r == 0)
		kept_init(&m.kept, m.loop, cfg->credential_ttl_s);
	if (r == 0)
		r = set_up(&m);
	if (r == 0)
		r = take_over(&m);
	if (r == 0) {
		children_start(&m);
		r = loop_run(m.loop);
	}
	if (r < 0)
		m.exit_code = 1;
	tear_down(&m);
	log_info("stopped");
	return m.exit_code;
}

/* --- sluiced --cleanup --------------------------------------------------------------------------- */

static bool is_running(const struct config *cfg)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/control.sock", cfg->run_dir);
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd >= 0 && connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0;
}

static void ignore_listen(void *ctx, const struct listeners *l)
{
	(void)ctx;
	(void)l;
}

static void ignore_unlisten(void *ctx, uint64_t netns_cookie)
{
	(void)ctx;
	(void)netns_cookie;
}

int monitor_cleanup(const struct config *cfg)
{
	struct kernel *k = NULL;
	struct workloads w;
	if (is_running(cfg)) {
		log_error("the daemon runs: stop it first");
		return 1;
	}
	if (open_kernel(cfg, &k) < 0)
		return 1;
	int r = workloads_init(&w, k, cfg->run_dir);
	if (r == 0) {
		w.on_listen = ignore_listen;
		w.on_unlisten = ignore_unlisten;
		workloads_restore(&w);
		workloads_remove_all(&w);
		workloads_done(&w);
	}
	kernel_close(k, false);
	return r < 0;
}
