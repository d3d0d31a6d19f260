/* Between the files of this folder only. */
#pragma once

#include "bpf/shared.h"
#include "kernel/kernel.h"

struct bpf_object;
struct bpf_program;
struct ring_buffer;
struct lsm_bpf;
struct sluice_bpf;
struct fold;

struct kernel {
	char *instance;
	char *cgroup_mount; /* the cgroup2 mount point */
	char *root;	    /* <cgroup2>/<instance>, the managed root */
	uint64_t root_id;
	char *pins;  /* <bpffs>/<instance> */
	int lock_fd; /* on pins: one daemon an instance */
	struct sluice_bpf *skel;
	struct lsm_bpf *lsm; /* NULL: this kernel has no BPF LSM */
	volatile uint64_t *heart;
	struct flow_key sweep_at; /* the next beat's sweep goes on behind it */
	bool is_sweeping;
	uint64_t *gates; /* netns cookies that this process listens in */
	int n_gates;
	struct ring_buffer *ring;
	struct fold *fold;
	int events_fd, fold_timer_fd;
	uint32_t canary_pid; /* whose refusal is no news */
};

/* Where a function can say why: at most why_size bytes; why may be NULL. */
struct why {
	char *text;
	size_t size;
};
int why_say(struct why *why, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* pins.c: the folders on bpffs, and the links. Errors with the reason in why. */
must_check int pins_open(struct kernel *k, const char *bpffs, struct why *why);
must_check int pins_set_maps(const struct kernel *k, struct bpf_object *obj);
/* Attaches a program that is not of a cgroup, in the place of a former daemon's. */
must_check int pins_attach_node(const struct kernel *k, struct bpf_program *p);
/* Attaches every program to the cgroup, or replaces what a former daemon attached there. */
must_check int pins_attach(struct kernel *k, uint64_t cgroup_id, struct why *why);
void pins_detach_node(const struct kernel *k);
/* The links of one cgroup are taken off. */
void pins_detach(struct kernel *k, uint64_t cgroup_id);
/* Brings the links of all attached cgroups up to this program version; removes those of cgroups
 * that are gone. */
must_check int pins_adopt(struct kernel *k, struct why *why);
/* The maps of other versions: once no program uses them any more. */
void pins_forget_old(const struct kernel *k);
void pins_remove_all(struct kernel *k);

/* cgroup.c */
must_check int cgroup_find_mount(char **ret_path);
/* A descriptor of the cgroup with this id, or a negative code: ERR_NOT_FOUND if it is gone. */
must_check int cgroup_open(const struct kernel *k, uint64_t id);
/* The path of the process's cgroup under the mount, malloc'd; ERR_NOT_FOUND if it cannot be seen.
 */
must_check int cgroup_of_pid(const struct kernel *k, int pid, char **ret_path);
/* Calls on_pid for every process in the cgroup and below, until one returns non-zero, which is
 * returned. */
int cgroup_each_pid(const char *path, int (*on_pid)(void *ctx, int pid), void *ctx);

/* canary.c: do the programs really run? A child enters the managed root, where no identity is
 * bound, and must not get a socket. */
must_check int canary_try(struct kernel *k, struct why *why);
/* The same for the LSM programs: another family of sockets. */
must_check int canary_try_family(struct kernel *k);

/* lsm.c: what needs BPF LSM. k->lsm stays NULL where this kernel has none, or where it does not act. */
void lsm_open(struct kernel *k);
void lsm_close(struct kernel *k);
/* Is "bpf" among the active security modules, and may we load programs for it? */
bool lsm_is_active(void);

/* cookie.c: the cookie of the calling thread's network namespace; -ENOPROTOOPT: the kernel cannot
 * be asked, but a stamp can. */
must_check int cookie_by_option(uint64_t *ret);
must_check int cookie_by_stamp(struct kernel *k, uint64_t *ret);

/* tally.c: a workload's begins, and those of workloads that are gone go. */
must_check int tally_begin(struct kernel *k, uint64_t cgroup_id, uint32_t generation);
void tally_sweep(struct kernel *k);

/* events.c */
must_check int events_open(struct kernel *k);
void events_close(struct kernel *k);

/* foreign.c: appends {"pid","fd","what"} for each socket of the processes in the cgroup that would
 * work without having been made under the programs: everything but Unix and netlink sockets. With
 * "cookie", the socket's, for plain TCP and UDP. */
must_check int foreign_scan(const char *cgroup, json_t *list);

/* listen.c: runs something in a network namespace, in a thread of its own. What run answers, or a negative errno. */
must_check int netns_visit(int netns_fd, int (*run)(void *arg), void *arg);
/* The network namespace of a process: a descriptor or a negative errno. */
must_check int netns_of_pid(int pid);

/* strays.c: the optional programs that end sockets. ERR_UNSUPPORTED: this kernel has no bpf_sock_destroy. */
struct strays_bpf;
must_check int strays_open(uint64_t cgroup_id, struct strays_bpf **ret_s);
void strays_close(struct strays_bpf *s);
/* Looks for the sockets of foreign_scan's list in the network namespaces of the cgroup's processes, ends those that may
 * be if is_last, and takes what is fine (may be ended; was ended) out of the list and appends it to done. */
must_check int strays_pass(struct strays_bpf *s, const char *cgroup, bool is_last, json_t *list, json_t *done);
bool strays_can_end(void);

/* probe.c: what the one object needs to know before it is loaded. */
bool probe_has_set_retval(void);
bool probe_has_task_read(void);
