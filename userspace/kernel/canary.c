#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/macro.h"
#include "kernel/kernel_internal.h"

enum { CANARY_REFUSED, CANARY_GOT_SOCKET, CANARY_CANNOT_ENTER };

/* Between fork and _exit of a process that may have threads: system calls only. */
static int enter_and_try(int procs_fd, int family)
{
	if (write(procs_fd, "0", 1) != 1)
		return CANARY_CANNOT_ENTER;
	/* Whatever anybody may have: a TCP socket, the list of generic netlink families. */
	if (socket(family, family == AF_INET ? SOCK_STREAM : SOCK_RAW, family == AF_INET ? 0 : NETLINK_GENERIC) >= 0)
		return CANARY_GOT_SOCKET;
	return errno == EPERM ? CANARY_REFUSED : CANARY_CANNOT_ENTER;
}

/* One of the three, or a negative errno. */
static int send_canary(struct kernel *k, int family)
{
	int status;
	_cleanup_(closep) int root = cgroup_open(k, k->root_id);
	_cleanup_(closep) int procs =
	    root < 0 ? -1 : openat(root, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	if (procs < 0)
		return -errno;
	pid_t pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid)
		_exit(enter_and_try(procs, family));
	k->canary_pid = (uint32_t)pid;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : CANARY_CANNOT_ENTER;
}

int canary_try(struct kernel *k, struct why *why)
{
	int r = send_canary(k, AF_INET);
	if (r < 0)
		return why_say(why, r, "cannot enter the cgroup %s", k->root);
	if (r == CANARY_REFUSED)
		return 0;
	if (r == CANARY_GOT_SOCKET)
		return why_say(why, ERR_VERIFY,
			       "the programs are attached to %s but do not act there: another "
			       "cgroup tree, or v1 net_cls/net_prio in use",
			       k->root);
	return why_say(why, ERR_VERIFY,
		       "no process can be put into %s: no controllers may be enabled in its "
		       "cgroup.subtree_control",
		       k->root);
}

int canary_try_family(struct kernel *k)
{
	int r = send_canary(k, AF_NETLINK);
	return r == CANARY_REFUSED ? 0 : r < 0 ? r : ERR_VERIFY;
}
