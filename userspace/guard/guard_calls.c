/* Calls that a workload has no use for and that lead around the gateway. Refused with an errno,
 * never by a signal: programs try some of them and go on without. Arguments behind pointers
 * (addresses, control messages) are out of seccomp's sight: those ways are closed by the cgroup's
 * programs and by the other parts. */
#include "guard/guard_internal.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/netlink.h>

#include "base/macro.h"

/* What the kernel could do on a program's behalf, or to another program. */
static const char *const forbidden[] = {
    "bpf",
    "perf_event_open",
    "pidfd_getfd",
    "keyctl",
    "add_key",
    "request_key",
    "mount",
    "umount2",
    "pivot_root",
    "move_mount",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "open_tree",
    "open_tree_attr",
    "mount_setattr",
    "setns",
    "open_by_handle_at",
    "init_module",
    "finit_module",
    "delete_module",
    "kexec_load",
    "kexec_file_load",
    "iopl",
    "ioperm",
    "acct",
    "swapon",
    "swapoff",
    "reboot",
    "process_madvise",
    "lookup_dcookie",
    "quotactl",
    "quotactl_fd",
    "fanotify_init",
};
/* Where no Landlock domain stands between the processes. */
static const char *const traces[] = {"ptrace", "process_vm_readv", "process_vm_writev", "kcmp"};
/* Interfaces that hide their arguments in memory: libraries fall back where they are not there. */
static const char *const absent[] = {"io_uring_setup", "io_uring_enter", "io_uring_register",
				     "clone3"};

#define NEW_ANYTHING                                                                               \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |             \
	 CLONE_NEWPID | CLONE_NEWNET)
#define NEW_TIME 0x80u /* CLONE_NEWTIME: of unshare only, it is part of clone's exit signal */

static int add_names(scmp_filter_ctx f, uint32_t action, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int nr = seccomp_syscall_resolve_name(names[i]);
		int r = nr == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(f, action, nr, 0);
		if (r < 0)
			return r;
	}
	return 0;
}

/* IP is decided by the cgroup's programs, Unix sockets by the view and the scope. Netlink only for
 * routes and addresses, which every resolver reads. A libseccomp rule is a conjunction: the gaps
 * between the allowed numbers are spelled out. */
static int add_families(scmp_filter_ctx f)
{
	const uint32_t no = SCMP_ACT_ERRNO(EAFNOSUPPORT);
	const int calls[] = {SCMP_SYS(socket), SCMP_SYS(socketpair)};
	const uint64_t low32 = 0xffffffff;
	int r = 0;
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(calls); i++) {
		for (int family = 0; r == 0 && family <= AF_NETLINK; family++)
			if (family != AF_UNIX && family != AF_INET && family != AF_INET6 &&
			    family != AF_NETLINK)
				r = seccomp_rule_add(
				    f, no, calls[i], 1,
				    SCMP_A0(SCMP_CMP_MASKED_EQ, low32, (uint64_t)family));
		/* 17 to 31, and whatever has a higher bit. */
		for (int family = AF_NETLINK + 1; r == 0 && family < 32; family++)
			r = seccomp_rule_add(f, no, calls[i], 1,
					     SCMP_A0(SCMP_CMP_MASKED_EQ, low32, (uint64_t)family));
		for (int bit = 5; r == 0 && bit < 32; bit++)
			r = seccomp_rule_add(f, no, calls[i], 1,
					     SCMP_A0(SCMP_CMP_MASKED_EQ, 1ull << bit, 1ull << bit));
	}
	if (r == 0)
		r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPROTONOSUPPORT), SCMP_SYS(socket), 2,
				     SCMP_A0(SCMP_CMP_MASKED_EQ, low32, AF_NETLINK),
				     SCMP_A2(SCMP_CMP_NE, NETLINK_ROUTE));
	return r;
}

static int add_namespaces(scmp_filter_ctx f)
{
	int r = 0;
	for (int bit = 0; r == 0 && bit < 32; bit++) {
		uint64_t flag = 1ull << bit;
		if (NEW_ANYTHING & flag)
			r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
					     SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag));
		if (r == 0 && ((NEW_ANYTHING | NEW_TIME) & flag))
			r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(unshare), 1,
					     SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag));
	}
	return r;
}

/* What is pushed into a terminal's input is run by the shell outside that reads from it. */
static int add_terminal(scmp_filter_ctx f)
{
	const uint64_t low32 = 0xffffffff;
	int r = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
				 SCMP_A1(SCMP_CMP_MASKED_EQ, low32, TIOCSTI));
	return r < 0 ? r
		     : seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
					SCMP_A1(SCMP_CMP_MASKED_EQ, low32, TIOCLINUX));
}

static int add_all(scmp_filter_ctx f, const struct guard *g)
{
	int r = add_names(f, SCMP_ACT_ERRNO(EPERM), forbidden, ARRAY_LEN(forbidden));
	if (r == 0 && g->closes_traces)
		r = add_names(f, SCMP_ACT_ERRNO(EPERM), traces, ARRAY_LEN(traces));
	if (r == 0)
		r = add_names(f, SCMP_ACT_ERRNO(ENOSYS), absent, ARRAY_LEN(absent));
	if (r == 0)
		r = add_families(f);
	if (r == 0)
		r = add_namespaces(f);
	return r == 0 ? add_terminal(f) : r;
}

/* Without no_new_privs (left out on purpose) only a capability may load a filter; never ask for it
 * here. */
static int load(scmp_filter_ctx f, const struct guard *g)
{
	int r = seccomp_attr_set(f, SCMP_FLTATR_CTL_NNP, g->without[GUARD_PRIVS] ? 0 : 1);
	return r == 0 ? seccomp_load(f) : r;
}

int guard_calls(const struct guard *g)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	int r = f ? add_all(f, g) : -ENOMEM;
	if (r == 0)
		r = load(f, g);
	seccomp_release(f);
	return r;
}

/* A pair is nobody's but its maker's. */
int guard_unix(const struct guard *g)
{
	if (g->has_lsm || g->landlock >= 9)
		return 0;
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	int r = f ? seccomp_rule_add(f, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
				     SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffffffff, AF_UNIX))
		  : -ENOMEM;
	if (r == 0)
		r = load(f, g);
	seccomp_release(f);
	return r;
}
