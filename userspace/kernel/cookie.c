/* The cookie of the calling thread's network namespace. Before SO_NETNS_COOKIE (5.14) user space
 * cannot ask for it; but every managed socket is stamped with it, and a stamp can be read through
 * the socket's descriptor. So a child makes one in a managed cgroup and hands it over. */
#include "kernel/kernel_internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/macro.h"
#include "bpf/shared.h"
#include "sluice.skel.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

int cookie_by_option(uint64_t *ret)
{
	socklen_t len = sizeof(*ret);
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	return getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, ret, &len) < 0 ? -errno : 0;
}

union fd_message {
	struct cmsghdr align;
	char space[CMSG_SPACE(sizeof(int))];
};

/* In the child, after fork: system calls only. */
static int make_and_send(int procs_fd, int channel)
{
	union fd_message control = {0};
	struct iovec v = {"", 1};
	struct msghdr m = {.msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = &control,
			   .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	int fd = write(procs_fd, "0", 1) == 1 ? socket(AF_INET, SOCK_DGRAM, 0) : -1;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return fd < 0 || sendmsg(channel, &m, 0) != 1;
}

static int receive_fd(int channel)
{
	union fd_message control = {0};
	char byte;
	struct iovec v = {&byte, 1};
	struct msghdr m = {.msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = &control,
			   .msg_controllen = sizeof(control)};
	int fd;
	if (recvmsg(channel, &m, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&m))
		return ERR_NOT_FOUND;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

static int socket_from_child(int procs_fd)
{
	int pair[2], status;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid_t pid = fork();
	if (!pid)
		_exit(make_and_send(procs_fd, pair[1]));
	close(pair[1]);
	int fd = pid < 0 ? -errno : receive_fd(pair[0]);
	close(pair[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return fd;
}

static int stamp_cookie(struct kernel *k, uint64_t cgroup_id, uint64_t *ret)
{
	struct stamp st;
	_cleanup_(closep) int dir = cgroup_open(k, cgroup_id);
	_cleanup_(closep) int procs =
	    dir < 0 ? -1 : openat(dir, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	if (procs < 0)
		return ERR_NOT_FOUND;
	_cleanup_(closep) int fd = socket_from_child(procs);
	if (fd < 0)
		return fd;
	int err = bpf_map_lookup_elem(bpf_map__fd(k->skel->maps.stamps), &fd, &st);
	if (!err)
		*ret = st.netns;
	return err;
}

int cookie_by_stamp(struct kernel *k, uint64_t *ret)
{
	_cleanup_(freep) char *path = NULL;
	char name[32];
	uint64_t id;
	snprintf(name, sizeof(name), "cookie-%d", gettid());
	int err = kernel_cgroup_create(k, name, &path, &id);
	if (err)
		return err;
	err = kernel_manage(k, id, 0);
	if (!err)
		err = stamp_cookie(k, id, ret);
	int left = kernel_cgroup_remove(k, path);
	int kept = kernel_unmanage(k, id);
	return err ? err : left ? left : kept;
}
