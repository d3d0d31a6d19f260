/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The few kernel structures that are read, with the few members that are read: offsets come from
 * the running kernel's BTF at load (CO-RE). What the UAPI headers have is taken from them. */
#pragma once

#include <linux/types.h>

#include <stdbool.h>
#include <stddef.h>

#include <linux/bpf.h>
#include <linux/in.h>

#define AF_INET		2
#define AF_INET6	10
#define SOCK_STREAM	1
#define SOCK_DGRAM	2
#define SOL_SOCKET	1
#define SO_BINDTODEVICE 25
#define EPERM		1
#define EADDRINUSE	98
#define ECONNREFUSED	111

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct qstr {
	union {
		struct {
			__u32 hash;
			__u32 len;
		};
		__u64 hash_len;
	};
	const unsigned char *name;
};

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
};

struct path {
	struct dentry *dentry;
};

struct file {
	struct path f_path;
};

struct mm_struct {
	struct file *exe_file;
};

struct task_struct {
	struct mm_struct *mm;
	int tgid;
	char comm[16];
};

#pragma clang attribute pop
