/* What stands outside of every workload: helpers that relay a byte to the sink, a process worth
 * tracing, a maker of late sockets, and a cgroup whose packets a program drops. Children of the
 * suite; they die with it. */
#pragma once

#include <linux/vm_sockets.h>
#include <stddef.h>
#include <sys/un.h>

#include "tests/containment/vector.h"
#include "tests/containment/prey.h"

static inline int abstract_bound(const char *name)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	memcpy(sun.sun_path + 1, name, strlen(name));
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
	if (bind(fd, (struct sockaddr *)&sun, len) || listen(fd, 8))
		abort();
	return fd;
}

static inline int tcp_bound(struct stage *s)
{
	struct sockaddr_in sa = {.sin_family = AF_INET};
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(fd, (struct sockaddr *)&sa, len) || listen(fd, 8) ||
	    getsockname(fd, (struct sockaddr *)&sa, &len))
		abort();
	s->loop_port = ntohs(sa.sin_port);
	return fd;
}

/* -1 where the kernel has none. */
static inline int vsock_bound(struct stage *s)
{
	struct sockaddr_vm sa = {
	    .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = VMADDR_PORT_ANY};
	socklen_t len = sizeof(sa);
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, len) || listen(fd, 8) ||
	    getsockname(fd, (struct sockaddr *)&sa, &len))
		return -1;
	s->vsock_port = (int)sa.svm_port;
	return fd;
}

/* Hands a connected socket to whoever comes. */
static inline void give(const struct stage *s, int to)
{
	char control[CMSG_SPACE(sizeof(int))] = "";
	struct iovec v = {"x", 1};
	struct msghdr m = {NULL, 0, &v, 1, control, sizeof(control), 0};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	int gift = sink_socket(s, SOCK_DGRAM);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &gift, sizeof(int));
	if (sendmsg(to, &m, MSG_NOSIGNAL) < 0)
		printf("note: nothing given: errno %d\n", errno);
	close(gift);
}

enum {
	RELAY_ENGINE,
	RELAY_AGENT,
	RELAY_ABSTRACT,
	RELAY_TCP,
	RELAY_VSOCK,
	RELAY_GIVER,
	RELAY_DATAGRAM,
	RELAYS
};

static inline void serve(const struct stage *s, int which, int fd)
{
	char byte;
	struct pollfd in = {-1, POLLIN, 0};
	if (which == RELAY_DATAGRAM) {
		if (recv(fd, &byte, 1, 0) == 1)
			to_sink(s);
		return;
	}
	in.fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	if (in.fd < 0)
		return;
	if (which == RELAY_GIVER)
		give(s, in.fd);
	else if (poll(&in, 1, 1000) == 1 && recv(in.fd, &byte, 1, 0) == 1)
		to_sink(s);
	close(in.fd);
}

static inline pid_t relay_up(struct stage *s)
{
	struct pollfd p[RELAYS];
	const int fds[RELAYS] = {unix_bound(s->sock_dir, "docker.sock", SOCK_STREAM),
				 unix_bound(s->tmp_dir, "agent.sock", SOCK_STREAM),
				 abstract_bound(s->abstract),
				 tcp_bound(s),
				 vsock_bound(s),
				 unix_bound(s->sock_dir, "giver.sock", SOCK_STREAM),
				 unix_bound(s->sock_dir, "resolved.sock", SOCK_DGRAM)};
	pid_t pid = fork();
	for (int i = 0; i < RELAYS; i++) {
		p[i] = (struct pollfd){fds[i], POLLIN, 0};
		if (pid && fds[i] >= 0)
			close(fds[i]);
	}
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		poll(p, RELAYS, -1);
		for (int i = 0; i < RELAYS; i++)
			if (p[i].revents)
				serve(s, i, p[i].fd);
	}
}

static inline void outside_down(const struct stage *s, struct outside *o)
{
	const pid_t pids[] = {o->relay, o->victim, o->maker};
	for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	shell("rm -rf %s %s", s->sock_dir, s->tmp_dir);
}
