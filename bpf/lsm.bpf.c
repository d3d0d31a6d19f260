/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What the hooks of a cgroup do not see: socket families beside IP, Unix sockets, descriptors that are handed in, other
 * processes, the cgroup tree, bpf(2). Optional, loaded apart: they need "bpf" among the kernel's active security
 * modules. They run for every process of the host, so each asks first for what is rare, and leaves at once whoever is
 * not managed. */
#include "lsm_types.bpf.h"

#include "refuse.bpf.h"

#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

/* The managed root: what is in it without an identity is refused. */
const volatile __u64 root_id = 0;

#define AF_UNIX		     1
#define AF_NETLINK	     16
#define NETLINK_ROUTE	     0
#define EACCES		     13
#define FMODE_WRITE	     2
#define S_IFMT		     0170000
#define S_IFSOCK	     0140000
#define CGROUP2_MAGIC	     0x63677270
#define CGROUP_MAGIC	     0x27e0eb
#define PTRACE_MODE_ATTACH   2
#define CLONE_INTO_CGROUP    0x200000000ull

/* Unix sockets outside that workloads may speak to: the daemon's own. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u32);
} friends SEC(".maps");

/* Is the caller managed? Fills in who it is; the root alone counts with no workload. */
static __always_inline bool ask_caller(struct ask *a)
{
	a->workload = who_workload(&a->cgroup_id);
	if (a->workload)
		return true;
	for (int level = 1; level <= CGROUP_DEPTH; level++) {
		__u64 id = bpf_get_current_ancestor_cgroup_id(level);
		if (!id)
			return false;
		if (id == root_id) {
			a->cgroup_id = id;
			return true;
		}
	}
	return false;
}

static __always_inline int refuse_as(struct ask *a, enum reason reason, int error)
{
	__u32 suppressed = 0;

	if (a->workload)
		__sync_fetch_and_add(&a->workload->refused, 1);
	if (may_tell(a->workload, &suppressed))
		tell(a, reason, suppressed);
	return -error;
}

/* Is this cgroup the workload's, or below it? */
static __noinline bool is_within(struct cgroup *cg, __u64 workload_id)
{
	for (int level = 0; level < CGROUP_DEPTH && cg; level++) {
		if (BPF_CORE_READ(cg, kn, id) == workload_id)
			return true;
		cg = (struct cgroup *)BPF_CORE_READ(cg, self.parent);
	}
	return false;
}

static __always_inline struct cgroup *cgroup_of_sock(struct sock *sk)
{
	struct sock_cgroup_data___before_5_15 *old;

	if (bpf_core_field_exists(((struct sock_cgroup_data *)0)->cgroup))
		return BPF_CORE_READ(sk, sk_cgrp_data.cgroup);
	old = (void *)__builtin_preserve_access_index(&sk->sk_cgrp_data);
	__u64 val = BPF_CORE_READ(old, val);
	return val & 1 ? NULL : (struct cgroup *)val;
}

SEC("lsm/socket_create")
int BPF_PROG(gate_family, int family, int type, int protocol, int kern)
{
	struct ask a = {.family = family, .type = type & 0xf, .protocol = protocol};

	/* IP is decided by the cgroup's own hook. */
	if (kern || family == AF_INET || family == AF_INET6 || family == AF_UNIX)
		return 0;
	if (!ask_caller(&a) || (a.workload && family == AF_NETLINK && protocol == NETLINK_ROUTE))
		return 0;
	return refuse_as(&a, REASON_FAMILY, EPERM);
}

SEC("lsm/unix_stream_connect")
int BPF_PROG(gate_unix_connect, struct sock *sock, struct sock *other)
{
	struct ask a = {.family = AF_UNIX, .type = SOCK_STREAM};

	if (!ask_caller(&a) || is_within(cgroup_of_sock(other), a.cgroup_id))
		return 0;
	if (bpf_sk_storage_get(&friends, other, 0, 0))
		return 0;
	return refuse_as(&a, REASON_UNIX, ECONNREFUSED);
}

SEC("lsm/unix_may_send")
int BPF_PROG(gate_unix_send, struct socket *sock, struct socket *other)
{
	struct ask a = {.family = AF_UNIX, .type = SOCK_DGRAM};

	if (!ask_caller(&a) || is_within(cgroup_of_sock(BPF_CORE_READ(other, sk)), a.cgroup_id))
		return 0;
	return refuse_as(&a, REASON_UNIX, ECONNREFUSED);
}

/* By SCM_RIGHTS or pidfd_getfd. */
SEC("lsm/file_receive")
int BPF_PROG(gate_receive, struct file *file)
{
	struct file___more *f = (void *)file;
	struct ask a = {};
	struct socket *socket;
	struct sock *sk;

	if ((BPF_CORE_READ(f, f_inode, i_mode) & S_IFMT) != S_IFSOCK || !ask_caller(&a))
		return 0;
	socket = BPF_CORE_READ(f, private_data);
	sk = BPF_CORE_READ(socket, sk);
	if (is_within(cgroup_of_sock(sk), a.cgroup_id))
		return 0;
	a.family = BPF_CORE_READ(sk, __sk_common.skc_family);
	return refuse_as(&a, REASON_HANDED, EACCES);
}

/* Looking at a process outside is refused too, but no news: ps does it. */
SEC("lsm/ptrace_access_check")
int BPF_PROG(gate_trace, struct task_struct *child, unsigned int mode)
{
	struct task_struct___cgroups *t = (void *)child;
	struct ask a = {};

	if (!ask_caller(&a) || is_within(BPF_CORE_READ(t, cgroups, dfl_cgrp), a.cgroup_id))
		return 0;
	return mode & PTRACE_MODE_ATTACH ? refuse_as(&a, REASON_TRACE, EPERM) : -EPERM;
}

SEC("lsm/bpf")
int BPF_PROG(gate_bpf, int cmd)
{
	struct ask a = {};

	return ask_caller(&a) ? refuse_as(&a, REASON_BPF, EPERM) : 0;
}

/* Writing to the cgroup tree, but below the workload itself: nesting leads nowhere. */
SEC("lsm/file_open")
int BPF_PROG(gate_open, struct file *file)
{
	struct file___more *f = (void *)file;
	struct dentry___with_inode *d;
	struct ask a = {};

	if (!(BPF_CORE_READ(f, f_mode) & FMODE_WRITE))
		return 0;
	unsigned long magic = BPF_CORE_READ(f, f_inode, i_sb, s_magic);
	if ((magic != CGROUP2_MAGIC && magic != CGROUP_MAGIC) || !ask_caller(&a))
		return 0;
	d = (void *)BPF_CORE_READ(f, f_path.dentry);
	for (int level = 0; magic == CGROUP2_MAGIC && a.workload && level < CGROUP_DEPTH && d; level++) {
		if (BPF_CORE_READ(d, d_inode, i_ino) == a.cgroup_id)
			return 0;
		d = BPF_CORE_READ(d, d_parent);
	}
	return refuse_as(&a, REASON_CGROUP, EACCES);
}

/* A child that would begin elsewhere. */
SEC("lsm/task_alloc")
int BPF_PROG(gate_task, struct task_struct *task, unsigned long clone_flags)
{
	struct ask a = {};

	if (!(clone_flags & CLONE_INTO_CGROUP) || !ask_caller(&a))
		return 0;
	return refuse_as(&a, REASON_CGROUP, EACCES);
}
