/* The kernel side as the monitor sees it: load, pin, take over, attach; the table of managed
 * cgroups; listeners inside a network namespace; the heartbeat; refusals. reference: bpf/shared.h
 * for layouts. */
#pragma once

#include <jansson.h>

#include "base/addr.h"

struct kernel;
struct loop;

struct kernel_options {
	const char
	    *instance; /* names the pin folder and the managed cgroup root; "sluice" by default */
	const char *bpffs;	 /* mount point of a bpffs; mounted there if it is none */
	const char *cgroup_root; /* NULL: find the cgroup2 mount */
};

/* Loads, or takes over what is pinned. 0 or a negative code; then ret_why (a static or
 * owned-by-kernel sentence with the remedy) says what is wrong. */
must_check int kernel_open(const struct kernel_options *o, struct kernel **ret_k, char *ret_why,
			   size_t why_size);
/* keep: leave links and maps pinned (enforcement goes on, connects are refused); else remove all.
 */
void kernel_close(struct kernel *k, bool keep);

/* The maps that the proxy uses, as descriptors. Owned by the kernel object. */
int kernel_flow_map_fd(const struct kernel *k);
int kernel_dest_map_fd(const struct kernel *k);

/* Are the LSM programs loaded, and do they act? */
bool kernel_has_lsm(const struct kernel *k);
/* A listening Unix socket that workloads may go on to connect to (the daemon's own, which knows how to refuse). */
must_check int kernel_befriend(const struct kernel *k, int socket_fd);

/* The heartbeat that connects are refused without. Call every 500 ms while all is well. */
void kernel_beat(struct kernel *k);

/* A workload's cgroup "<root>/<instance>/<name>": created empty. ret_path is malloc'd. */
must_check int kernel_cgroup_create(struct kernel *k, const char *name, char **ret_path,
				    uint64_t *ret_cgroup_id);
/* Kills what is left inside (bounded wait) and removes it. */
must_check int kernel_cgroup_remove(struct kernel *k, const char *path);
/* -1: cannot tell, else the number of processes in it and below. */
int kernel_cgroup_population(const char *path);
must_check int kernel_cgroup_move(const char *path, int pid);
/* Stops what runs in it, or lets it go on; ends all of it. */
must_check int kernel_cgroup_freeze(const char *path, bool on);
must_check int kernel_cgroup_kill(const char *path);
/* Moves every process of a workload out of the managed tree, to "<cgroup2>/<instance>-released/<name>". What they open
 * from then on is not managed; sockets that they hold stay what they were. */
must_check int kernel_cgroup_release(struct kernel *k, const char *path, const char *name);
must_check int kernel_cgroup_id(const char *path, uint64_t *ret_id);
/* The other way round, malloc'd. ERR_NOT_FOUND: it is gone. */
must_check int kernel_cgroup_path(struct kernel *k, uint64_t id, char **ret_path);
/* Is this process in a managed cgroup (its own or any above)? 1, 0 or negative. */
int kernel_pid_is_managed(struct kernel *k, int pid);
/* Which managed cgroup it is in: the topmost one's id. ERR_NOT_FOUND, or negative: cannot tell. */
must_check int kernel_pid_workload(struct kernel *k, int pid, uint64_t *ret_id);

/* For cgroups that are not ours: attaches the programs to it (pinned). TCP and UDP sockets that its processes made
 * there before are ended where the kernel can, and listed in ret_foreign: a JSON array of {"pid","fd","what"}; NULL:
 * there were none. Else, or if they hold others, refuses with ERR_STATE and the list of those. */
must_check int kernel_attach_cgroup(struct kernel *k, const char *path, json_t **ret_foreign);
must_check int kernel_detach_cgroup(struct kernel *k, uint64_t cgroup_id);

/* Makes a cgroup managed under a generation, and back. From the first call on everything that it
 * connects to is redirected or refused. */
must_check int kernel_manage(struct kernel *k, uint64_t cgroup_id, uint32_t generation);
must_check int kernel_unmanage(struct kernel *k, uint64_t cgroup_id);
/* The managed cgroups that a former daemon left in the maps. */
int kernel_managed(struct kernel *k, uint64_t *ret_ids, int max);

/* Listeners in a network namespace, all on one port: TCP on 127.0.0.1 and ::1, UDP on both (DNS).
 */
#define LISTEN_FDS 4
struct listeners {
	uint64_t netns_cookie;
	uint16_t port;
	int fds[LISTEN_FDS]; /* tcp4, tcp6, udp4, udp6; -1 where the family is off. Owned by the
				caller. */
};
/* In the namespace of a process (brings its lo up). ERR_EXISTS with the cookie filled in: this
 * namespace has its listeners already. Also tells the kernel side the port. */
must_check int kernel_listen(struct kernel *k, int pid, struct listeners *ret_l);
void kernel_unlisten(struct kernel *k, uint64_t netns_cookie);

/* What the kernel refused. Borrowed in the callback. */
struct refusal {
	uint64_t cgroup_id; /* of the workload */
	uint32_t pid, uid;
	char comm[16], exe[128];
	struct addr dst;
	int family, type, protocol; /* socket's */
	const char *reason;	    /* static: "not declared", "protocol", "no listener", ... */
	const char *vector;	    /* static: which way around it was; NULL: an ordinary refused connect */
	uint64_t count;		    /* folded repeats, >= 1 */
};
/* A descriptor that becomes readable, and its reader. */
int kernel_events_fd(struct kernel *k);
void kernel_events_read(struct kernel *k, void (*on_refusal)(void *ctx, const struct refusal *r),
			void *ctx);
/* Says what is still held back of a workload's refusals (too many in a second): before it is forgotten. */
void kernel_events_rest(struct kernel *k, uint64_t cgroup_id, void (*on_refusal)(void *ctx, const struct refusal *r),
			void *ctx);
/* Per workload counters, by cgroup id. 0 or ERR_NOT_FOUND. */
struct workload_stats {
	uint64_t connects, refused;
};
must_check int kernel_stats(struct kernel *k, uint64_t cgroup_id, struct workload_stats *ret);

/* What its connections carried, counted apart from the gateway: bpf/shared.h, struct tally. It outlives
 * kernel_unmanage. ERR_NOT_FOUND: there is none of this generation. */
struct kernel_tally {
	uint64_t opened, closed, used, up_min, up_max, down, dropped;
};
must_check int kernel_tally(struct kernel *k, uint64_t cgroup_id, uint32_t generation, struct kernel_tally *ret);
void kernel_tally_forget(struct kernel *k, uint64_t cgroup_id, uint32_t generation);

/* What this kernel can do, one row a feature: array of {"feature","have","need","cost","remedy"};
 * "have" by really trying. Usable without a kernel object. */
json_t *kernel_probe(void);
/* Adds a row in that form, of whatever part of the gateway. */
void probe_add(json_t *rows, const char *feature, bool have, const char *need, const char *cost, const char *remedy);
/* The names of the gaps: array of strings. */
json_t *kernel_gaps(const struct kernel *k);
