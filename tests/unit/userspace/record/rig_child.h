/* A recorder's process for rig.h: forked, and waiting to begin. */
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/msg.h"
#include "config.h"
#include "priv/child.h"
#include "record/recorder/recorder.h"
#include "record/ring.h"

#define RIG_RINGS 4 /* control, two proxy loops, the monitor */

struct rig_child {
	pid_t pid;
	int call[2], notify[2], gate[2]; /* it begins by a byte through the gate */
};

static inline void rig_child_run(const struct rig_child *c, const struct config *cfg, const struct ring_desc *rings,
				 struct health *health)
{
	struct child_env env = {.call_fd = c->call[1],
				.notify_fd = c->notify[1],
				.health = health,
				.n_rings = RIG_RINGS,
				.control_fd = -1,
				.metrics_fd = -1};
	char go;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(c->call[0]);
	close(c->notify[0]);
	memcpy(env.rings, rings, RIG_RINGS * sizeof(*rings));
	if (read(c->gate[0], &go, 1) != 1)
		_exit(1);
	log_init("recorder", getenv("RIG_LOG") ? LOG_INFO : LOG_ERROR + 1);
	_exit(recorder_main(cfg, &env));
}

static inline struct rig_child rig_child_fork(const struct config *cfg, const struct ring_desc *rings,
					      struct health *health)
{
	struct rig_child c;
	if (msg_pair(c.call) < 0 || msg_pair(c.notify) < 0 || pipe2(c.gate, O_CLOEXEC) < 0)
		abort();
	fflush(NULL);
	c.pid = fork();
	if (c.pid == 0)
		rig_child_run(&c, cfg, rings, health);
	close(c.gate[0]);
	return c;
}
