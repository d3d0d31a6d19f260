/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Who is calling: the workload of the current task, and what it runs. */
#pragma once

#include "vmlinux_min.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "maps.bpf.h"

#define EXE_DEPTH 8

/* Set before loading to what the kernel was found to have; the verifier drops the other branch. */
const volatile bool has_set_retval = false;
const volatile bool has_task_read = false;

/* The outermost managed cgroup above the current task: a workload cannot be left by nesting. */
static __always_inline struct workload *who_workload(__u64 *ret_cgroup_id)
{
	for (int level = 1; level <= CGROUP_DEPTH; level++) {
		__u64 id = bpf_get_current_ancestor_cgroup_id(level);
		if (!id)
			break;
		struct workload *w = bpf_map_lookup_elem(&workloads, &id);
		if (w) {
			*ret_cgroup_id = id;
			return w;
		}
	}
	return NULL;
}

/* The components that fit, from the file upwards. Returns whether the top was reached. */
static __always_inline bool exe_components(struct dentry *at[EXE_DEPTH])
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct dentry *d = BPF_CORE_READ(task, mm, exe_file, f_path.dentry), *up;
	bool is_top = false;
	__u32 total = 0;

#pragma unroll
	for (int i = 0; i < EXE_DEPTH; i++) {
		at[i] = NULL;
		if (!d)
			continue;
		up = BPF_CORE_READ(d, d_parent);
		total += BPF_CORE_READ(d, d_name.len) + 1;
		if (up == d || (i && total >= EXE_LEN)) {
			is_top = up == d;
			d = NULL;
			continue;
		}
		at[i] = d;
		d = up;
	}
	return is_top || (d && BPF_CORE_READ(d, d_parent) == d);
}

/* The end of the running binary's path ("/usr/bin/psql"; without the slash in front where the
 * beginning did not fit). exe is EXE_LEN bytes with EXE_LEN writable bytes behind them. */
static __always_inline void who_exe(char *exe)
{
	struct dentry *at[EXE_DEPTH];
	__u32 off = 0;

	exe[0] = '\0';
	if (!has_task_read)
		return;
	bool is_top = exe_components(at);
#pragma unroll
	for (int i = EXE_DEPTH - 1; i >= 0; i--) {
		if (!at[i])
			continue;
		if (off || is_top)
			exe[off++ & (EXE_LEN - 1)] = '/';
		off &= EXE_LEN - 1;
		long n = bpf_probe_read_kernel_str(exe + off, EXE_LEN,
						   BPF_CORE_READ(at[i], d_name.name));
		if (n > 0)
			off += n - 1;
		off &= EXE_LEN - 1;
	}
	exe[EXE_LEN - 1] = '\0';
}

static __always_inline __u32 who_pid(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

static __always_inline __u32 who_uid(void)
{
	return (__u32)bpf_get_current_uid_gid();
}
