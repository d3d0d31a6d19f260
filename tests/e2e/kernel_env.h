/* Workloads, children that run a probe inside one, and the stage as a whole. */
#pragma once

#include "tests/e2e/kernel_gate.h"
#include "tests/e2e/kernel_sink.h"

struct work {
	char *path;
	uint64_t id;
};

static inline struct work work_new(const char *name, uint32_t generation)
{
	struct work w = {0};
	if (kernel_cgroup_create(env.k, name, &w.path, &w.id))
		abort();
	if (generation && kernel_manage(env.k, w.id, generation))
		abort();
	return w;
}

static inline void work_end(struct work *w)
{
	CHECK_INT(kernel_cgroup_remove(env.k, w->path), 0);
	if (kernel_unmanage(env.k, w->id))
		printf("note: %s was not managed\n", w->path);
	free(w->path);
}

/* Runs probe(arg) in the cgroup (NULL: where we are). The answer of the probe, 0 to 127, or -1. */
static inline pid_t start_in(const char *cgroup, int (*probe)(void *arg), void *arg)
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm((unsigned)slow(20));
	if (cgroup && kernel_cgroup_move(cgroup, getpid()))
		_exit(127);
	_exit(probe(arg));
}

static inline int finish(pid_t pid)
{
	int status;
	if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static inline int run_in(const char *cgroup, int (*probe)(void *arg), void *arg)
{
	return finish(start_in(cgroup, probe, arg));
}

/* Did the gateway meet this text? Waits for it. */
static inline bool gate_saw(const char *text, struct seen *ret)
{
	for (int tries = 0; tries < slow(100); tries++) {
		pthread_mutex_lock(&env.lock);
		for (int i = env.n_seen - 1; i >= 0; i--)
			if (!strcmp(env.seen[i].text, text)) {
				*ret = env.seen[i];
				pthread_mutex_unlock(&env.lock);
				return true;
			}
		pthread_mutex_unlock(&env.lock);
		sleep_ms(20);
	}
	return false;
}

static inline bool was_refused(uint64_t cgroup_id, const struct addr *dst, const char *reason,
			       struct refusal *ret)
{
	for (int tries = 0; tries < slow(60); tries++) {
		pthread_mutex_lock(&env.lock);
		for (int i = env.n_refused - 1; i >= 0; i--) {
			struct refusal *r = &env.refused[i];
			if (r->cgroup_id == cgroup_id && (!dst || addr_eq(&r->dst, dst)) &&
			    !strcmp(r->reason, reason)) {
				if (ret)
					*ret = *r;
				pthread_mutex_unlock(&env.lock);
				return true;
			}
		}
		pthread_mutex_unlock(&env.lock);
		sleep_ms(20);
	}
	return false;
}

/* Sets the stage, runs the tests, clears it. */
static inline int env_main(void (*tests)(void))
{
	char why[512] = "";
	if (geteuid()) {
		SKIP("needs root");
		return tap_done();
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	snprintf(env.instance, sizeof(env.instance), "kt-%d", getpid());
	struct kernel_options o = {.instance = env.instance};
	int err = kernel_open(&o, &env.k, why, sizeof(why));
	if (err)
		printf("kernel_open: %s: %s\n", err_text(err), why);
	CHECK_INT(err, 0);
	if (err)
		return tap_done();
	CHECK(sink_up());
	CHECK_INT(gate_listen(getpid()), 0);
	gate_start();
	tests();
	gate_stop();
	kernel_close(env.k, false);
	shell("ip link del kt%d", getpid());
	kill(env.sink_pid, SIGKILL);
	waitpid(env.sink_pid, NULL, 0);
	return tap_done();
}
