/* The managed workloads as the monitor knows them, and the listeners in their network namespaces. Kept
 * in a file of root's, so that a restart takes live workloads over. */
#pragma once

#include <jansson.h>

#include "kernel/kernel.h"

#define WORKLOADS_MAX  4096
#define NETNS_PER_LOAD 8

struct workload {
	struct workload *next;
	char *session, *cgroup;
	uint64_t cgroup_id;
	uint32_t generation;
	bool is_attached;
	bool is_gone;	/* it ended while the daemon was down */
	bool is_orphan; /* its session ended, its processes did not: stays managed, has no session */
	json_t *state;	/* control's, opaque but for issuer, subject, owner, role */
	uint64_t netns[NETNS_PER_LOAD];
	int n_netns;
};

struct netns {
	struct netns *next;
	struct listeners l;
	int n_users;
};

struct workloads {
	struct workload *first;
	struct netns *netns;
	int n;
	uint32_t last_generation;
	struct kernel *kernel;
	char *path; /* of the file */
	/* New listeners, and listeners that go. */
	void (*on_listen)(void *ctx, const struct listeners *l);
	void (*on_unlisten)(void *ctx, uint64_t netns_cookie);
	/* One that is about to be forgotten. NULL: nobody wants to know. */
	void (*on_ended)(void *ctx, const struct workload *l);
	void *ctx;
};

must_check int workloads_init(struct workloads *w, struct kernel *k, const char *run_dir);
void workloads_done(struct workloads *w);
/* Reads the file of a former daemon, checks each against the kernel, opens listeners. Returns how many
 * live. */
int workloads_restore(struct workloads *w);

/* Creates "<instance>/<session>" and moves the process; or attaches to the cgroup at path. state is
 * borrowed. 0 and the workload; ERR_STATE (foreign sockets: ret_foreign says which), or another code. */
must_check int workload_enrol(struct workloads *w, const char *session, int pid, const char *path,
			      json_t *state, struct workload **ret_w, json_t **ret_foreign);
void workload_update(struct workloads *w, struct workload *load, json_t *state);
must_check int workload_unenrol(struct workloads *w, struct workload *load);
/* What policy or an operator does to a live one. After a release it is forgotten. */
must_check int workload_freeze(struct workloads *w, struct workload *load);
must_check int workload_thaw(struct workloads *w, struct workload *load);
must_check int workload_kill(struct workloads *w, struct workload *load);
must_check int workload_release(struct workloads *w, struct workload *load);
struct workload *workload_by_cgroup(const struct workloads *w, uint64_t cgroup_id);
json_t *workloads_json(const struct workloads *w);
/* Frees attached cgroups whose session ended once nobody is left in them. */
void workloads_sweep(struct workloads *w);
/* Kills and removes all that the daemon made; detaches the rest. */
void workloads_remove_all(struct workloads *w);
