#include "kernel/kernel_internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/clock.h"
#include "base/macro.h"
#include "bpf/shared.h"
#include "sluice.skel.h"

#define SWEEP_PER_BEAT 4096 /* entries */

int why_say(struct why *why, int err, const char *fmt, ...)
{
	va_list ap;
	if (!why || !why->text || !why->size)
		return err;
	va_start(ap, fmt);
	vsnprintf(why->text, why->size, fmt, ap);
	va_end(ap);
	return err;
}

/* libbpf speaks on its own; what it says is told in our words through ret_why. */
static int say_nothing(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	(void)level, (void)fmt, (void)ap;
	return 0;
}

static int open_root(struct kernel *k, const char *cgroup_root, struct why *why)
{
	struct statfs fs;
	int err = 0;
	if (cgroup_root)
		k->cgroup_mount = strdup(cgroup_root);
	else
		err = cgroup_find_mount(&k->cgroup_mount);
	if (err || !k->cgroup_mount)
		return why_say(why, err ? err : -ENOMEM,
			       "no cgroup2 mount found: mount -t cgroup2 none /sys/fs/cgroup");
	if (statfs(k->cgroup_mount, &fs) < 0 || (uint32_t)fs.f_type != CGROUP2_SUPER_MAGIC)
		return why_say(why, ERR_CONFIG, "%s is no cgroup2 mount: check cgroup_root",
			       k->cgroup_mount);
	if (asprintf(&k->root, "%s/%s", k->cgroup_mount, k->instance) < 0)
		return -ENOMEM;
	if (mkdir(k->root, 0755) < 0 && errno != EEXIST) {
		err = -errno;
		return why_say(why, err,
			       "cannot create the cgroup %s (%s): run as root, outside a "
			       "container's read-only cgroup mount",
			       k->root, strerror(-err));
	}
	err = kernel_cgroup_id(k->root, &k->root_id);
	return err ? why_say(why, err, "cannot tell the id of the cgroup %s", k->root) : 0;
}

static int load(struct kernel *k, struct why *why)
{
	libbpf_set_print(say_nothing);
	k->skel = sluice_bpf__open();
	if (!k->skel)
		return why_say(why, -errno, "the BPF object cannot be read (%s)", strerror(errno));
	k->skel->rodata->has_set_retval = probe_has_set_retval();
	k->skel->rodata->has_task_read = probe_has_task_read();
	int err = pins_set_maps(k, k->skel->obj);
	if (!err)
		err = sluice_bpf__load(k->skel);
	if (!err)
		return 0;
	if (err == -EPERM)
		return why_say(why, err,
			       "the kernel refuses BPF: run as root (CAP_BPF, CAP_NET_ADMIN, "
			       "CAP_PERFMON, CAP_SYS_ADMIN)");
	return why_say(why, err,
		       "the BPF programs do not load (%s): `sluice doctor` names what the "
		       "kernel lacks; maps of another version under %s must be removed",
		       strerror(-err), k->pins);
}

/* Listeners do not outlive a daemon: a namespace is ready again when this one listens in it. */
static void forget_gates(const struct kernel *k)
{
	int fd = bpf_map__fd(k->skel->maps.gates);
	uint64_t netns;
	while (!bpf_map_get_next_key(fd, NULL, &netns) && !bpf_map_delete_elem(fd, &netns))
		;
}

/* Workloads whose cgroup was removed while no daemon ran. */
static void forget_dead(const struct kernel *k)
{
	int fd = bpf_map__fd(k->skel->maps.workloads);
	uint64_t id, next;
	bool is_more = !bpf_map_get_next_key(fd, NULL, &next);
	while (is_more) {
		id = next;
		is_more = !bpf_map_get_next_key(fd, &id, &next);
		_cleanup_(closep) int cgroup = cgroup_open(k, id);
		if (cgroup == ERR_NOT_FOUND)
			bpf_map_delete_elem(fd, &id);
	}
}

static int map_heart(struct kernel *k)
{
	void *p = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED,
		       bpf_map__fd(k->skel->maps.heart), 0);
	if (p == MAP_FAILED)
		return -errno;
	k->heart = p;
	return 0;
}

static int open_all(struct kernel *k, const struct kernel_options *o, struct why *why)
{
	int err = open_root(k, o->cgroup_root, why);
	if (!err)
		err = pins_open(k, o->bpffs, why);
	if (!err)
		err = load(k, why);
	if (err)
		return err;
	forget_gates(k);
	err = map_heart(k);
	if (!err)
		err = events_open(k);
	if (err)
		return why_say(why, err, "a BPF map cannot be used (%s)", err_text(err));
	forget_dead(k);
	tally_sweep(k);
	err = pins_adopt(k, why);
	if (!err)
		err = pins_attach(k, k->root_id, why);
	if (!err)
		err = canary_try(k, why);
	if (err)
		return err;
	lsm_open(k); /* a gap where it cannot be */
	pins_forget_old(k);
	return 0;
}

int kernel_open(const struct kernel_options *o, struct kernel **ret_k, char *ret_why,
		size_t why_size)
{
	struct why why = {ret_why, why_size};
	struct kernel *k = calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	if (ret_why && why_size)
		*ret_why = '\0';
	k->lock_fd = k->events_fd = k->fold_timer_fd = -1;
	k->instance = strdup(o->instance ? o->instance : "sluice");
	int err = k->instance ? open_all(k, o, &why) : -ENOMEM;
	if (err) {
		kernel_close(k, true);
		return err;
	}
	*ret_k = k;
	return 0;
}

void kernel_close(struct kernel *k, bool keep)
{
	if (!k)
		return;
	events_close(k);
	if (k->heart) {
		*k->heart =
		    0; /* connects are refused from now on, not only when the beat is stale */
		munmap((void *)k->heart, (size_t)sysconf(_SC_PAGESIZE));
	}
	if (!keep) {
		pins_remove_all(k);
		if (k->root && rmdir(k->root) < 0) {
			/* workloads are left in it: theirs to end */
		}
	}
	lsm_close(k);
	sluice_bpf__destroy(k->skel);
	if (k->lock_fd >= 0) {
		flock(k->lock_fd, LOCK_UN); /* for those, too, who inherited it */
		close(k->lock_fd);
	}
	free(k->gates);
	free(k->pins);
	free(k->root);
	free(k->cgroup_mount);
	free(k->instance);
	free(k);
}

int kernel_flow_map_fd(const struct kernel *k)
{
	return bpf_map__fd(k->skel->maps.flows);
}

int kernel_dest_map_fd(const struct kernel *k)
{
	return bpf_map__fd(k->skel->maps.dests);
}

/* Flows that nobody took: their connection ended before the daemon accepted it. A part of the table at each beat, all
 * of it within a minute: a full one must not hold the heart up. */
static void sweep(struct kernel *k, uint64_t now)
{
	int fd = bpf_map__fd(k->skel->maps.flows);
	struct flow_key key;
	struct flow_value v;
	for (int n = 0; n < SWEEP_PER_BEAT; n++) {
		bool is_more = !bpf_map_get_next_key(fd, k->is_sweeping ? &k->sweep_at : NULL, &key);
		/* Behind the next one, before this one may go: a key that is gone leads to the beginning. */
		if (k->is_sweeping && !bpf_map_lookup_elem(fd, &k->sweep_at, &v) && v.at_ns < now &&
		    now - v.at_ns > FLOW_STALE_NS)
			bpf_map_delete_elem(fd, &k->sweep_at);
		k->is_sweeping = is_more;
		if (!is_more)
			return;
		k->sweep_at = key;
	}
}

void kernel_beat(struct kernel *k)
{
	uint64_t now = clock_mono_ns();
	*k->heart = now;
	sweep(k, now);
}

int kernel_manage(struct kernel *k, uint64_t cgroup_id, uint32_t generation)
{
	int fd = bpf_map__fd(k->skel->maps.workloads);
	struct workload w;
	if (!bpf_map_lookup_elem(fd, &cgroup_id, &w) && w.generation == generation)
		return 0; /* taken over: its counters go on */
	w = (struct workload){.generation = generation};
	int err = tally_begin(k, cgroup_id, generation);
	if (err)
		return err;
	return bpf_map_update_elem(fd, &cgroup_id, &w, BPF_ANY);
}

int kernel_unmanage(struct kernel *k, uint64_t cgroup_id)
{
	int err = bpf_map_delete_elem(bpf_map__fd(k->skel->maps.workloads), &cgroup_id);
	return err == -ENOENT ? ERR_NOT_FOUND : err;
}

int kernel_managed(struct kernel *k, uint64_t *ret_ids, int max)
{
	int fd = bpf_map__fd(k->skel->maps.workloads), n = 0;
	uint64_t id, *at = NULL;
	while (n < max && !bpf_map_get_next_key(fd, at, &id)) {
		ret_ids[n++] = id;
		at = &id;
	}
	return n;
}

int kernel_stats(struct kernel *k, uint64_t cgroup_id, struct workload_stats *ret)
{
	struct workload w;
	int err = bpf_map_lookup_elem(bpf_map__fd(k->skel->maps.workloads), &cgroup_id, &w);
	if (err)
		return err == -ENOENT ? ERR_NOT_FOUND : err;
	*ret = (struct workload_stats){.connects = w.connects, .refused = w.refused};
	return 0;
}
