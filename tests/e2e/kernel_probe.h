/* What a child does inside a cgroup: each probe answers 0 if it got through, else an errno (or one
 * of the numbers below, which no socket call here returns). */
#pragma once

#include "tests/e2e/kernel_env.h"

enum {
	NO_SOCKET = 160,
	WRONG_NAME, /* getpeername or the source of a datagram is not what was asked for */
	NO_ANSWER,  /* silence */
	WRONG_ANSWER,
	BROKEN, /* the probe itself */
};

struct ask_net {
	struct addr to;
	int family; /* of the socket */
	const char *say, *expect;
	bool is_nonblock, is_connected;
};

static inline socklen_t sockaddr_for(int family, const struct addr *a, struct sockaddr_storage *ret)
{
	if (family == AF_INET)
		return addr_to_sockaddr(a, ret);
	struct sockaddr_in6 *in6 = (void *)ret;
	memset(ret, 0, sizeof(*ret));
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(a->port);
	memcpy(&in6->sin6_addr, a->ip, 16);
	return sizeof(*in6);
}

static inline bool is_shown(int fd, const struct addr *to)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	struct addr shown;
	return !getpeername(fd, (struct sockaddr *)&peer, &len) &&
	       !addr_from_sockaddr((struct sockaddr *)&peer, &shown) && addr_eq(&shown, to);
}

static inline int finish_nonblock(int fd, const struct sockaddr *sa, socklen_t len)
{
	struct pollfd p = {fd, POLLOUT, 0};
	int err = 0;
	socklen_t el = sizeof(err);
	if (errno != EINPROGRESS)
		return errno;
	if (poll(&p, 1, slow(3000)) != 1 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &el) || err)
		return err ? err : ETIMEDOUT;
	return connect(fd, sa, len) == 0 || errno == EISCONN ? 0 : BROKEN;
}

static inline int hear(int fd, const char *expect)
{
	struct pollfd p = {fd, POLLIN, 0};
	char got[16] = "";
	if (poll(&p, 1, slow(3000)) != 1 || recv(fd, got, sizeof(got) - 1, 0) < 0)
		return NO_ANSWER;
	return strcmp(got, expect) ? WRONG_ANSWER : 0;
}

/* Connects, checks getpeername, speaks, hears. */
static inline int probe_tcp(void *arg)
{
	const struct ask_net *a = arg;
	struct sockaddr_storage sa;
	socklen_t len = sockaddr_for(a->family, &a->to, &sa);
	int fd = socket(a->family, SOCK_STREAM | (a->is_nonblock ? SOCK_NONBLOCK : 0), 0);
	if (fd < 0)
		return NO_SOCKET;
	if (connect(fd, (struct sockaddr *)&sa, len) < 0) {
		int err = a->is_nonblock ? finish_nonblock(fd, (struct sockaddr *)&sa, len) : errno;
		if (err)
			return err;
	}
	if (!is_shown(fd, &a->to))
		return WRONG_NAME;
	if (a->say && send(fd, a->say, strlen(a->say), MSG_NOSIGNAL) < 0)
		return errno;
	return hear(fd, a->expect);
}

/* Asks by datagram, connected or not; the answer must come from where the question went. */
static inline int probe_udp(void *arg)
{
	const struct ask_net *a = arg;
	struct sockaddr_storage sa, from;
	socklen_t len = sockaddr_for(a->family, &a->to, &sa), flen = sizeof(from);
	struct addr shown;
	char got[16] = "";
	int fd = socket(a->family, SOCK_DGRAM, 0);
	if (fd < 0)
		return NO_SOCKET;
	if (a->is_connected && connect(fd, (struct sockaddr *)&sa, len) < 0)
		return errno;
	if (a->is_connected && !is_shown(fd, &a->to))
		return WRONG_NAME;
	ssize_t n = a->is_connected
			? send(fd, a->say, strlen(a->say), 0)
			: sendto(fd, a->say, strlen(a->say), 0, (struct sockaddr *)&sa, len);
	if (n < 0)
		return errno;
	if (!a->expect)
		return 0;
	struct pollfd p = {fd, POLLIN, 0};
	if (poll(&p, 1, slow(2000)) != 1 ||
	    recvfrom(fd, got, sizeof(got) - 1, 0, (struct sockaddr *)&from, &flen) < 0)
		return NO_ANSWER;
	if (addr_from_sockaddr((struct sockaddr *)&from, &shown) || !addr_eq(&shown, &a->to))
		return WRONG_NAME;
	return strcmp(got, a->expect) ? WRONG_ANSWER : 0;
}
