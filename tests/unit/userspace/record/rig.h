/* A real recorder for tests: its own process, real rings, a real signer behind its call channel, a
 * store in a temporary folder. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"
#include "config.h"
#include "priv/signer.h"
#include "record/event.h"
#include "record/query/query.h"
#include "record/verify/verify.h"
#include "rig_child.h"
#include "rig_sign.h"

#define RIG_SPARES 16

struct rig {
	char dir[PATH_MAX], store[PATH_MAX + 16];
	struct config cfg;
	struct ring_desc rings[RIG_RINGS];
	struct ring *producers[RIG_RINGS];
	struct health *health;
	int call[2], notify[2], peer;
	int keys_fd;
	struct signer signer;
	pthread_t monitor;
	pthread_mutex_t mutex;	       /* of the call channel */
	struct checkpoint last_signed; /* by the monitor's thread */
	bool has_monitor;
	struct rig_child spares[RIG_SPARES];
	int n_spares;
	atomic_bool stops;
	pid_t pid;
};

/* Signs what the recorder asks for, as the monitor does. */
static inline void *rig_monitor(void *arg)
{
	struct rig *g = arg;
	while (!atomic_load(&g->stops)) {
		struct msg m;
		pthread_mutex_lock(&g->mutex);
		struct pollfd p = {.fd = g->call[0], .events = POLLIN};
		if (poll(&p, 1, 5) <= 0 || msg_recv(g->call[0], &m) < 0) {
			pthread_mutex_unlock(&g->mutex);
			usleep(1000);
			continue;
		}
		json_t *a = rig_sign(&g->signer, g->cfg.node, m.json, &g->last_signed);
		if (msg_send(g->call[0], a, NULL, 0) < 0)
			perror("rig: answer");
		pthread_mutex_unlock(&g->mutex);
		json_decref(a);
		msg_done(&m);
	}
	return NULL;
}

static inline void rig_end_monitor(struct rig *g)
{
	atomic_store(&g->stops, true);
	if (g->has_monitor)
		pthread_join(g->monitor, NULL);
	g->has_monitor = false;
}

static inline void rig_begin_monitor(struct rig *g)
{
	atomic_store(&g->stops, false);
	if (pthread_create(&g->monitor, NULL, rig_monitor, g))
		abort();
	g->has_monitor = true;
}

/* For rig_start to take beside other threads: a sanitizer does not know them in a child. */
static inline void rig_spares(struct rig *g)
{
	rig_end_monitor(g);
	while (g->n_spares < RIG_SPARES)
		g->spares[g->n_spares++] = rig_child_fork(&g->cfg, g->rings, g->health);
	rig_begin_monitor(g);
}

static inline void rig_start(struct rig *g)
{
	int ends[2];
	rig_end_monitor(g); /* channels are new with every process */
	for (int i = 0; i < 2; i++) {
		closep(&g->call[i]);
		closep(&g->notify[i]);
	}
	struct rig_child c =
	    g->n_spares ? g->spares[--g->n_spares] : rig_child_fork(&g->cfg, g->rings, g->health);
	memcpy(g->call, c.call, sizeof(g->call));
	memcpy(g->notify, c.notify, sizeof(g->notify));
	g->pid = c.pid;
	if (write(c.gate[1], "g", 1) != 1 || msg_pair(ends) < 0)
		abort();
	close(c.gate[1]);
	json_t *j = json_pack("{s:s}", "t", "peer");
	if (msg_send(g->notify[0], j, &ends[1], 1) < 0)
		abort();
	json_decref(j);
	close(ends[1]);
	g->peer = ends[0];
	rig_begin_monitor(g);
}

/* dir: NULL for a folder of its own. segment_bytes 0: 64 MiB. */
static inline void rig_init(struct rig *g, const char *dir, uint64_t segment_bytes)
{
	char keys[PATH_MAX + 16];
	*g = (struct rig){0};
	snprintf(g->dir, sizeof(g->dir), "%s", dir ? dir : "/tmp/sluice-rec-XXXXXX");
	if (!dir && !mkdtemp(g->dir))
		abort();
	snprintf(g->store, sizeof(g->store), "%s/store", g->dir);
	snprintf(keys, sizeof(keys), "%s/keys", g->dir);
	mkdir(keys, 0700);
	g->cfg = (struct config){.node = "node-07",
				 .state_dir = g->dir,
				 .is_durable = true,
				 .store_bytes = segment_bytes ? segment_bytes : 64 << 20,
				 .checkpoint_events = 1000,
				 .checkpoint_seconds = 1};
	g->keys_fd = open(keys, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (signer_init(&g->signer, g->keys_fd) < 0)
		abort();
	for (int i = 0; i < RIG_RINGS; i++)
		if (ring_create(RING_SIZE, &g->rings[i]) < 0 ||
		    ring_open(&g->rings[i], &g->producers[i]) < 0)
			abort();
	g->health = mmap(NULL, sizeof(*g->health), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (g->health == MAP_FAILED)
		abort();
	pthread_mutex_init(&g->mutex, NULL);
	g->call[0] = g->call[1] = g->notify[0] = g->notify[1] = -1;
	rig_start(g);
}

/* The recorder's exit code, or minus the signal. */
static inline int rig_reap(struct rig *g)
{
	int status = 0;
	if (g->pid > 0)
		waitpid(g->pid, &status, 0);
	g->pid = 0;
	close(g->peer);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static inline int rig_stop(struct rig *g)
{
	json_t *j = json_pack("{s:s}", "t", "stop");
	if (msg_send(g->notify[0], j, NULL, 0) < 0)
		perror("rig: stop");
	json_decref(j);
	return rig_reap(g);
}

static inline void rig_done(struct rig *g)
{
	if (g->pid)
		rig_stop(g);
	rig_end_monitor(g);
	while (g->n_spares) {
		kill(g->spares[--g->n_spares].pid, SIGKILL);
		waitpid(g->spares[g->n_spares].pid, NULL, 0);
	}
	for (int i = 0; i < RIG_RINGS; i++) {
		ring_free(g->producers[i]);
		ring_desc_done(&g->rings[i]);
	}
	for (int i = 0; i < 2; i++) {
		close(g->call[i]);
		close(g->notify[i]);
	}
	signer_done(&g->signer);
	close(g->keys_fd);
	munmap(g->health, sizeof(*g->health));
	rig_remove(g->dir);
}
