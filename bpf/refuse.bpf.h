/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Saying no: the errno that the caller sees, and the event that goes on record. */
#pragma once

#include "who.bpf.h"

/* What was asked for, as far as the hook knows it. */
struct ask {
	__u64 cgroup_id; /* of the workload, 0: none */
	struct workload *workload;
	__u32 ip[4];
	__u32 family, type, protocol;
	__u16 port;
	bool has_dst;
};

/* At most EVENTS_PER_SEC a workload: one that floods must not push others off the record. The count
 * of what was left out travels with the next one. */
static __always_inline bool may_tell(struct workload *w, __u32 *ret_suppressed)
{
	__u64 now = bpf_ktime_get_ns();

	if (!w)
		return true;
	if (now - w->window_ns > 1000000000ull) {
		w->window_ns = now;
		w->window_n = 0;
	}
	if (w->window_n >= EVENTS_PER_SEC) {
		__sync_fetch_and_add(&w->suppressed, 1);
		return false;
	}
	__sync_fetch_and_add(&w->window_n, 1);
	*ret_suppressed = w->suppressed;
	w->suppressed = 0;
	return true;
}

static __noinline void tell(struct ask *a, __u32 reason, __u32 suppressed)
{
	struct refusal_event *e;

	if (!a)
		return;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e)
		return; /* counted in workload.refused all the same */
	e->cgroup_id = a->cgroup_id ? a->cgroup_id : bpf_get_current_cgroup_id();
	e->pid = who_pid();
	e->uid = who_uid();
	e->suppressed = suppressed;
	e->dst_port = a->port;
	e->protocol = a->protocol;
	__builtin_memcpy(e->dst, a->ip, 16);
	e->family = a->family;
	e->type = a->type;
	e->reason = reason;
	e->has_dst = a->has_dst;
	e->pad = 0;
	bpf_get_current_comm(e->comm, COMM_LEN);
	who_exe(e->exe);
	bpf_ringbuf_submit(e, 0);
}

/* Returns 0, which refuses. error: what the caller sees where the kernel lets us choose, else
 * EPERM. */
static __always_inline int refuse_quietly(int error)
{
	if (has_set_retval)
		bpf_set_retval(-error);
	return 0;
}

/* For a hook that has neither the current process's numbers nor a say about the errno. */
static __always_inline int refuse_plainly(struct ask *a, enum reason reason)
{
	struct refusal_event *e;
	__u32 suppressed = 0;

	if (a->workload)
		__sync_fetch_and_add(&a->workload->refused, 1);
	if (!may_tell(a->workload, &suppressed))
		return 0;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e)
		return 0;
	__builtin_memset(e, 0, sizeof(*e));
	e->cgroup_id = a->cgroup_id;
	e->uid = who_uid();
	e->suppressed = suppressed;
	e->type = a->type;
	e->protocol = a->protocol;
	e->reason = reason;
	if (has_task_read) {
		struct task_struct *task = (void *)bpf_get_current_task();

		e->pid = BPF_CORE_READ(task, tgid);
		bpf_probe_read_kernel_str(e->comm, COMM_LEN, BPF_CORE_READ(task, comm));
	}
	who_exe(e->exe);
	bpf_ringbuf_submit(e, 0);
	return 0;
}

static __always_inline int refuse(struct ask *a, enum reason reason, int error)
{
	__u32 suppressed = 0;

	if (a->workload)
		__sync_fetch_and_add(&a->workload->refused, 1);
	if (may_tell(a->workload, &suppressed))
		tell(a, reason, suppressed);
	return refuse_quietly(error);
}
