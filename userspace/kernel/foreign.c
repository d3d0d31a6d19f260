/* Which sockets the processes of a cgroup hold, by asking each descriptor itself (pidfd_getfd, 5.6)
 * and not by guessing from /proc/net, which shows one network namespace and few families. */
#include "kernel/kernel_internal.h"

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/macro.h"

struct scan {
	json_t *list;
	int pid;
};

static int add(struct scan *s, int fd, const char *what, uint64_t cookie)
{
	json_t *row = json_pack("{s:i,s:i,s:s}", "pid", s->pid, "fd", fd, "what", what);
	if (row && cookie)
		json_object_set_new(row, "cookie", json_integer((json_int_t)cookie));
	return json_array_append_new(s->list, row) ? -ENOMEM : 0;
}

static void endpoint(int fd, bool is_peer, char *out)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct addr a;
	int err = is_peer ? getpeername(fd, (struct sockaddr *)&sa, &len)
			  : getsockname(fd, (struct sockaddr *)&sa, &len);
	if (err || addr_from_sockaddr((struct sockaddr *)&sa, &a))
		snprintf(out, ADDR_TEXT, "-");
	else
		addr_text(&a, out);
}

/* 0: harmless. 1: what it is stands in out; cookie: of plain TCP and UDP. */
static int describe(int sock, uint64_t *ret_cookie, char *out, size_t size)
{
	int domain, type = 0, protocol = 0;
	socklen_t len = sizeof(int);
	char local[ADDR_TEXT], peer[ADDR_TEXT];
	if (getsockopt(sock, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0)
		return snprintf(out, size, "socket of an unknown family"), 1;
	if (domain == AF_UNIX || domain == AF_NETLINK)
		return 0;
	if (domain != AF_INET && domain != AF_INET6)
		return snprintf(out, size, "socket of family %d", domain), 1;
	getsockopt(sock, SOL_SOCKET, SO_TYPE, &type, &len);
	getsockopt(sock, SOL_SOCKET, SO_PROTOCOL, &protocol, &len);
	len = sizeof(*ret_cookie);
	if (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP)
		getsockopt(sock, SOL_SOCKET, SO_COOKIE, ret_cookie, &len);
	endpoint(sock, false, local);
	endpoint(sock, true, peer);
	const char *kind = type == SOCK_STREAM ? "tcp" : type == SOCK_DGRAM ? "udp" : "raw";
	snprintf(out, size, "%s %s -> %s", kind, local, peer);
	return 1;
}

static int ask_fd(struct scan *s, int pidfd, int fd)
{
	char what[2 * ADDR_TEXT + 32];
	uint64_t cookie = 0;
	_cleanup_(closep) int sock = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	if (sock < 0)
		return errno == EBADF || errno == ESRCH
			   ? 0
			   : add(s, fd, "socket that cannot be examined", 0);
	return describe(sock, &cookie, what, sizeof(what)) ? add(s, fd, what, cookie) : 0;
}

static bool link_of(const char *dir, const char *name, char out[64])
{
	char path[352];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	ssize_t n = readlink(path, out, 63);
	out[MAX(n, 0)] = '\0';
	return n > 0;
}

/* Sockets in one descriptor table. A thread with a table of its own cannot be asked by pidfd: what
 * is not in the process's table under the same number counts as foreign. */
static int scan_table(struct scan *s, const char *dir, int tid, int pidfd)
{
	char main_dir[64], link[64], main_link[64];
	struct dirent *e;
	int err = 0;
	DIR *d = opendir(dir);
	if (!d)
		return errno == ENOENT || errno == ESRCH ? 0 : -errno;
	snprintf(main_dir, sizeof(main_dir), "/proc/%d/fd", s->pid);
	while (!err && (e = readdir(d))) {
		if (e->d_name[0] == '.' || !link_of(dir, e->d_name, link) ||
		    strncmp(link, "socket:", 7))
			continue;
		if (tid == s->pid)
			err = ask_fd(s, pidfd, atoi(e->d_name));
		else if (!link_of(main_dir, e->d_name, main_link) || strcmp(link, main_link))
			err = add(s, atoi(e->d_name), "socket in a thread's own descriptor table", 0);
	}
	closedir(d);
	return err;
}

static int scan_pid(void *ctx, int pid)
{
	struct scan *s = ctx;
	char dir[96];
	struct dirent *e;
	int err = 0;
	s->pid = pid;
	_cleanup_(closep) int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return errno == ESRCH ? 0 : -errno;
	snprintf(dir, sizeof(dir), "/proc/%d/task", pid);
	DIR *d = opendir(dir);
	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while (!err && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(dir, sizeof(dir), "/proc/%d/task/%d/fd", pid, atoi(e->d_name));
		err = scan_table(s, dir, atoi(e->d_name), pidfd);
	}
	closedir(d);
	return err;
}

int foreign_scan(const char *cgroup, json_t *list)
{
	struct scan s = {.list = list};
	return cgroup_each_pid(cgroup, scan_pid, &s);
}
