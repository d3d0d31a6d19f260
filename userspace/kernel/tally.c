/* What the connections of a workload carried, as the programs counted it. */
#include <bpf/bpf.h>
#include <errno.h>

#include "bpf/shared.h"
#include "kernel/kernel_internal.h"
#include "sluice.skel.h"

static int look(struct kernel *k, uint64_t cgroup_id, uint32_t generation, struct tally *ret)
{
	int err = bpf_map_lookup_elem(bpf_map__fd(k->skel->maps.tallies), &cgroup_id, ret);
	if (err)
		return err == -ENOENT ? ERR_NOT_FOUND : err;
	return ret->generation == generation ? 0 : ERR_NOT_FOUND;
}

int tally_begin(struct kernel *k, uint64_t cgroup_id, uint32_t generation)
{
	struct tally t = {.generation = generation}, old;
	int fd = bpf_map__fd(k->skel->maps.tallies);
	if (look(k, cgroup_id, generation, &old) == 0)
		return 0; /* taken over: it goes on */
	int err = bpf_map_update_elem(fd, &cgroup_id, &t, BPF_ANY);
	if (err != -E2BIG)
		return err;
	tally_sweep(k); /* full of those that nobody asked for after their end */
	return bpf_map_update_elem(fd, &cgroup_id, &t, BPF_ANY);
}

void tally_sweep(struct kernel *k)
{
	int fd = bpf_map__fd(k->skel->maps.tallies);
	uint64_t id, next;
	bool is_more = !bpf_map_get_next_key(fd, NULL, &next);
	while (is_more) {
		struct workload w;
		id = next;
		is_more = !bpf_map_get_next_key(fd, &id, &next);
		if (bpf_map_lookup_elem(bpf_map__fd(k->skel->maps.workloads), &id, &w))
			bpf_map_delete_elem(fd, &id);
	}
}

int kernel_tally(struct kernel *k, uint64_t cgroup_id, uint32_t generation, struct kernel_tally *ret)
{
	struct tally t;
	int err = look(k, cgroup_id, generation, &t);
	if (err)
		return err;
	*ret = (struct kernel_tally){.opened = t.opened,
				     .closed = t.closed,
				     .used = t.used,
				     .up_min = t.up_min,
				     .up_max = t.up_max,
				     .down = t.down,
				     .dropped = t.dropped};
	return 0;
}

void kernel_tally_forget(struct kernel *k, uint64_t cgroup_id, uint32_t generation)
{
	struct tally t;
	if (look(k, cgroup_id, generation, &t) == 0)
		bpf_map_delete_elem(bpf_map__fd(k->skel->maps.tallies), &cgroup_id);
}
