#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/macro.h"
#include "kernel/kernel_internal.h"

enum { CANARY_REFUSED, CANARY_GOT_SOCKET, CANARY_CANNOT_ENTER };

/* Between fork and _exit of a process that may have threads: system calls only. */
static int enter_and_try(int procs_fd)
{
	if (write(procs_fd, "0", 1) != 1)
		return CANARY_CANNOT_ENTER;
	if (socket(AF_INET, SOCK_STREAM, 0) >= 0)
		return CANARY_GOT_SOCKET;
	return errno == EPERM ? CANARY_REFUSED : CANARY_CANNOT_ENTER;
}

int canary_try(struct kernel *k, struct why *why)
{
	int status;
	_cleanup_(closep) int root = cgroup_open(k, k->root_id);
	_cleanup_(closep) int procs =
	    root < 0 ? -1 : openat(root, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	if (procs < 0)
		return why_say(why, -errno, "cannot enter the cgroup %s", k->root);
	pid_t pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid)
		_exit(enter_and_try(procs));
	k->canary_pid = (uint32_t)pid;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (WIFEXITED(status) && WEXITSTATUS(status) == CANARY_REFUSED)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == CANARY_GOT_SOCKET)
		return why_say(why, ERR_VERIFY,
			       "the programs are attached to %s but do not act there: another "
			       "cgroup tree, or v1 net_cls/net_prio in use",
			       k->root);
	return why_say(why, ERR_VERIFY,
		       "no process can be put into %s: no controllers may be enabled in its "
		       "cgroup.subtree_control",
		       k->root);
}
