/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What the optional programs (LSM, strays) read of the kernel, beside vmlinux_min.h; offsets come from the running
 * kernel (CO-RE). */
#pragma once

#include "vmlinux_min.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct kernfs_node {
	__u64 id;
};

struct cgroup_subsys_state {
	struct cgroup_subsys_state *parent;
};

struct cgroup {
	struct cgroup_subsys_state self; /* the first member on every kernel: a css of a cgroup is the cgroup */
	struct kernfs_node *kn;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct sock_cgroup_data {
	struct cgroup *cgroup;
};

struct sock_cgroup_data___before_5_15 {
	__u64 val; /* the cgroup, or v1 data with the lowest bit set */
};

typedef struct {
	__s64 counter;
} atomic64_t;

struct sock_common {
	unsigned short skc_num;
	unsigned short skc_family;
	unsigned char skc_state;
	atomic64_t skc_cookie;
};

struct sock {
	struct sock_common __sk_common;
	struct sock_cgroup_data sk_cgrp_data;
	__u16 sk_protocol;
};

struct socket {
	struct sock *sk;
};

struct super_block {
	unsigned long s_magic;
};

struct inode {
	unsigned short i_mode;
	struct super_block *i_sb;
	unsigned long i_ino;
};

struct dentry___with_inode {
	struct inode *d_inode;
	struct dentry___with_inode *d_parent;
};

struct file___more {
	unsigned int f_mode;
	struct inode *f_inode;
	void *private_data;
	struct path f_path;
};

struct task_struct___cgroups {
	struct css_set *cgroups;
};

#pragma clang attribute pop
