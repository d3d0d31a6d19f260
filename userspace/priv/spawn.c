#include "priv/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/macro.h"
#include "base/msg.h"
#include "config.h"
#include "priv/sandbox.h"
#include "record/recorder/recorder.h"

#define FIRST_FD  3
#define SPAWN_FDS (3 * (MAX_LOOPS + 2) + 16)
#define ENV_MAX	  (256 * 1024)

/* How each child is confined and what it runs. The one place that knows. */
static const struct {
	const char *name;
	int (*run)(const struct config *cfg, const struct child_env *env);
	bool keep_bpf, outlives;
} kinds[CHILD_KINDS] = {
	/* When the monitor is killed, accepted events are still in the rings: the recorder writes them down,
	 * sees its channels closed, and ends. */
	[CHILD_RECORDER] = {"recorder", recorder_main, .outlives = true},
	[CHILD_CONTROL] = {"control", control_main},
	[CHILD_PROXY] = {"proxy", proxy_main, .keep_bpf = true},
	[CHILD_CONSOLE] = {"console", console_main},
};

const char *child_name(enum child_kind kind)
{
	return kinds[kind].name;
}

int child_by_name(const char *name)
{
	for (int i = 0; i < CHILD_KINDS; i++)
		if (!strcmp(kinds[i].name, name))
			return i;
	return -1;
}

/* Descriptors in the order of their future numbers, from FIRST_FD on. */
struct fd_plan {
	int fds[SPAWN_FDS];
	int n;
};

static int plan_fd(struct fd_plan *p, int fd)
{
	if (fd < 0)
		return -1;
	p->fds[p->n] = fd;
	return FIRST_FD + p->n++;
}

static json_t *describe(const struct spawn *s, struct fd_plan *p, int config_fd)
{
	const struct child_env *e = &s->env;
	json_t *rings = json_array();
	for (int i = 0; i < e->n_rings; i++)
		json_array_append_new(rings, json_pack("[iii]", plan_fd(p, e->rings[i].memfd),
						       plan_fd(p, e->rings[i].to_recorder),
						       plan_fd(p, e->rings[i].to_producer)));
	return json_pack("{s:s,s:i,s:i,s:i,s:i,s:o,s:i,s:i,s:i,s:i,s:i,s:s*,s:s*,s:i}", "config_name",
			 s->config_name, "config", plan_fd(p, config_fd), "call", plan_fd(p, e->call_fd),
			 "notify", plan_fd(p, e->notify_fd), "health", plan_fd(p, s->health_fd), "rings",
			 rings, "flow_map", plan_fd(p, e->flow_map_fd), "dest_map",
			 plan_fd(p, e->dest_map_fd), "control", plan_fd(p, e->control_fd), "metrics",
			 plan_fd(p, e->metrics_fd), "console", plan_fd(p, e->console_fd), "gaps",
			 e->gaps_json, "probe", e->probe_json, "parent", (int)getpid());
}

/* Puts the descriptors at their numbers and closes everything else. First out of the way, then into
 * place, so that none is overwritten before it was moved. */
static int place_fds(const struct fd_plan *p)
{
	int high[SPAWN_FDS];
	for (int i = 0; i < p->n; i++)
		if ((high[i] = fcntl(p->fds[i], F_DUPFD_CLOEXEC, FIRST_FD + p->n)) < 0)
			return -errno;
	for (int i = 0; i < p->n; i++)
		if (dup2(high[i], FIRST_FD + i) < 0)
			return -errno;
	return syscall(SYS_close_range, FIRST_FD + p->n, ~0u, 0) < 0 ? -errno : 0;
}

/* The environment may hold anything; a child sees what libraries need to find the world. */
static void pass_environment(char *out[], size_t max)
{
	static const char *const names[] = {"PATH",	     "LANG",	    "TZ",	"SSL_CERT_FILE",
					    "SSL_CERT_DIR",  "https_proxy", "no_proxy", "ASAN_OPTIONS",
					    "UBSAN_OPTIONS", "LSAN_OPTIONS"};
	size_t n = 0;
	for (char **e = environ; *e && n + 1 < max; e++)
		for (size_t i = 0; i < ARRAY_LEN(names); i++)
			if (!strncmp(*e, names[i], strlen(names[i])) && (*e)[strlen(names[i])] == '=' &&
			    n + 1 < max)
				out[n++] = *e;
	out[n] = NULL;
}

__attribute__((noreturn)) static void become_child(const struct fd_plan *p, const char *name)
{
	char *envv[16], *argv[] = {"sluiced", "--child", (char *)name, NULL};
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	pass_environment(envv, ARRAY_LEN(envv));
	if (place_fds(p) == 0)
		execve("/proc/self/exe", argv, envv);
	_exit(126);
}

int spawn_child(const struct spawn *s, pid_t *ret_pid)
{
	struct fd_plan p = {.n = 1}; /* the first is the description itself */
	_cleanup_(closep) int config_fd = -1;
	_cleanup_(closep) int env_fd = -1;
	int r = memfd_of(s->config_text.p, s->config_text.len, &config_fd);
	if (r < 0)
		return r;
	json_t *env = describe(s, &p, config_fd);
	_cleanup_(freep) char *text = env ? json_dumps(env, JSON_COMPACT) : NULL;
	json_decref(env);
	r = text ? memfd_of(text, strlen(text), &env_fd) : -ENOMEM;
	if (r < 0)
		return r;
	p.fds[0] = env_fd;
	pid_t pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		become_child(&p, child_name(s->kind));
	*ret_pid = pid;
	return 0;
}

/* --- in the child ------------------------------------------------------------------------------ */

static int number(const json_t *env, const char *key)
{
	const json_t *v = json_object_get(env, key);
	return json_is_integer(v) ? (int)json_integer_value(v) : -1;
}

static int take_env(const json_t *j, struct child_env *e)
{
	size_t i;
	json_t *ring;
	json_array_foreach(json_object_get(j, "rings"), i, ring) {
		if (i >= ARRAY_LEN(e->rings))
			return ERR_LIMIT;
		e->rings[i] = (struct ring_desc){(int)json_integer_value(json_array_get(ring, 0)),
						 (int)json_integer_value(json_array_get(ring, 1)),
						 (int)json_integer_value(json_array_get(ring, 2))};
		e->n_rings++;
	}
	e->call_fd = number(j, "call");
	e->notify_fd = number(j, "notify");
	e->flow_map_fd = number(j, "flow_map");
	e->dest_map_fd = number(j, "dest_map");
	e->control_fd = number(j, "control");
	e->metrics_fd = number(j, "metrics");
	e->console_fd = number(j, "console");
	e->gaps_json = json_string_value(json_object_get(j, "gaps"));
	e->probe_json = json_string_value(json_object_get(j, "probe"));
	e->health =
		mmap(NULL, sizeof(*e->health), PROT_READ | PROT_WRITE, MAP_SHARED, number(j, "health"), 0);
	return e->health == MAP_FAILED ? -errno : 0;
}

static int take_config(const json_t *j, struct config **ret_cfg)
{
	_cleanup_(freep) char *text = NULL;
	char why[400];
	size_t len = 0;
	int r = memfd_read(number(j, "config"), ENV_MAX, &text, &len);
	if (r < 0)
		return r;
	return config_parse(span_of(text, len), json_string_value(json_object_get(j, "config_name")), ret_cfg,
			    why, sizeof(why));
}

/* Those that a terminal or a service manager sends to all processes at once: the monitor tells each when
 * it is its turn to stop. */
static void ignore_signals(void)
{
	static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		signal(ignored[i], SIG_IGN);
}

/* As many descriptors as the hard limit gives. */
static void raise_files(void)
{
	struct rlimit l;
	if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
		l.rlim_cur = l.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &l) < 0)
			log_warn("the limit of open files stays as it is");
	}
}

int child_main(const char *name)
{
	_cleanup_(freep) char *text = NULL;
	struct child_env env = {0};
	struct config *cfg = NULL;
	size_t len = 0;
	int kind = child_by_name(name),
	    r = kind < 0 ? ERR_NOT_FOUND : memfd_read(FIRST_FD, ENV_MAX, &text, &len);
	if (r < 0) {
		fprintf(stderr, "sluiced: --child is for the daemon itself\n");
		return 2;
	}
	json_t *j = json_loadb(text, len, 0, NULL); /* lives as long as the process: env borrows from it */
	close(FIRST_FD);
	r = take_config(j, &cfg);
	if (r == 0)
		r = take_env(j, &env);
	if (r == 0) {
		log_init(kinds[kind].name, (enum log_level)cfg->log_level);
		prctl(PR_SET_NAME, kinds[kind].name);
		ignore_signals();
		raise_files();
		close(number(j, "config"));
		close(number(j, "health"));
		r = sandbox_enter(&(struct sandbox){.user = cfg->user,
						    .keep_bpf = kinds[kind].keep_bpf,
						    .outlives = kinds[kind].outlives,
						    .parent = number(j, "parent")});
	}
	if (r < 0) {
		log_error("%s cannot start: %s", name, err_text(r));
		return 1;
	}
	r = kinds[kind].run(cfg, &env);
	json_decref(j);
	return r;
}
