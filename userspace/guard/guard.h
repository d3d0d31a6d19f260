/* What `sluice run` shuts behind itself before it runs the command: the ways out that a cgroup's
 * programs do not see (other socket families, Unix sockets, io_uring, processes outside, the cgroup
 * tree, devices of the terminal), closed by what every Linux since 5.10 has. For one process and
 * all that come of it; nothing of it can be undone from inside. Called between enrolment and exec,
 * in a process with one thread. Sources: seccomp(2), landlock(7), capabilities(7),
 * mount_namespaces(7). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/span.h"

/* The parts, in the order in which they are put on. */
enum guard_part {
	GUARD_VIEW,  /* a private mount view: no sockets of services, no bpffs, cgroups and kernel
			switches  read-only. Not root: in a user namespace of its own */
	GUARD_CAPS,  /* no capability beyond those that act on files and own processes */
	GUARD_PRIVS, /* no_new_privs: set-user-id programs give nothing; no core dumps */
	GUARD_SCOPE, /* a Landlock domain: no ptrace of what is outside, no abstract Unix sockets of
			others (6.12), no Unix sockets of others at all (7.1) */
	GUARD_CALLS, /* seccomp: socket families, io_uring, bpf, mounts, namespaces, keys, ... */
	GUARD_UNIX,  /* seccomp: no Unix sockets but pairs. Only where nothing else tells those of
			outside  apart: no BPF LSM, and a Landlock before Linux 7.1 */
	GUARD_PARTS
};

struct guard {
	bool without[GUARD_PARTS]; /* left out on purpose */
	const char *keep_socket;   /* path of the one Unix socket that stays in sight, or NULL */
	const char
	    *trust; /* a bundle of certificates that stands in the view for the system's, or NULL */
	bool has_lsm; /* sluice's own BPF LSM programs act on this workload */
	/* Filled in by guard_probe. */
	int landlock;	    /* the kernel's ABI, 0: none */
	bool has_scope;	    /* abstract Unix sockets are closed by the Landlock domain */
	bool closes_traces; /* seccomp refuses ptrace and its like altogether: nothing else would */
};

/* "view", "capabilities", ... */
const char *guard_part_name(enum guard_part p);
/* "view,calls": into without. ERR_MALFORMED: a word is no part's name. */
must_check int guard_leave_out(struct guard *g, struct span list);
/* Asks the kernel. */
void guard_probe(struct guard *g);
/* Puts all parts on. On an error *ret_part is the one that could not be, and the process must not
 * go on. */
must_check int guard_enter(const struct guard *g, enum guard_part *ret_part);

/* NULL, or why descriptor fd must not come along into a workload: a socket is a way out that nobody
 * watches, and a Unix one brings others; what is no file, pipe or terminal might hold one. */
const char *guard_fd_refused(int fd);
/* Closes every descriptor from 3 on but keep (-1: none). */
must_check int guard_close_fds(int keep);
