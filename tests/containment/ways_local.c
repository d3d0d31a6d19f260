/* Services of the same machine that would act outside on the workload's behalf. Each here relays to
 * the sink. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/containment/vector.h"

static int say_at(const struct sockaddr_un *sun, socklen_t len, int type)
{
	int fd = socket(AF_UNIX, type, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)sun, len))
		return errno;
	return errno_if(send(fd, "x", 1, MSG_NOSIGNAL) < 0);
}

static int say_at_path(const char *dir, const char *name, int type)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/%s", dir, name);
	return say_at(&sun, sizeof(sun), type);
}

static int engine(const struct stage *s)
{
	return say_at_path(s->sock_dir, "docker.sock", SOCK_STREAM);
}

static int resolver(const struct stage *s)
{
	return say_at_path(s->sock_dir, "resolved.sock", SOCK_DGRAM);
}

/* Unconnected, by address in each call. */
static int resolver_sendto(const struct stage *s)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/resolved.sock", s->sock_dir);
	return errno_if(fd < 0 || sendto(fd, "x", 1, 0, (struct sockaddr *)&sun, sizeof(sun)) < 0);
}

static int agent(const struct stage *s)
{
	return say_at_path(s->tmp_dir, "agent.sock", SOCK_STREAM);
}

/* Made by a service after the workload began. */
static int late(const struct stage *s)
{
	if (kill(s->maker, SIGUSR1))
		return errno;
	usleep(150000);
	return say_at_path(s->tmp_dir, "late.sock", SOCK_STREAM);
}

static int hidden_name(const struct stage *s, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(ret->sun_path + 1, s->abstract, strlen(s->abstract));
	return (int)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(s->abstract));
}

static int abstract(const struct stage *s)
{
	struct sockaddr_un sun;
	socklen_t len = (socklen_t)hidden_name(s, &sun);
	return say_at(&sun, len, SOCK_STREAM);
}

static int tcp_helper(const struct stage *s, uint32_t ip)
{
	struct sockaddr_in sa = {
	    .sin_family = AF_INET, .sin_port = htons(s->loop_port), .sin_addr.s_addr = htonl(ip)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
		return errno;
	return errno_if(send(fd, "x", 1, MSG_NOSIGNAL) < 0);
}

static int loopback(const struct stage *s)
{
	return tcp_helper(s, INADDR_LOOPBACK);
}

/* 0.0.0.0 is this machine. */
static int loopback_any(const struct stage *s)
{
	return tcp_helper(s, INADDR_ANY);
}

static int loopback_by_own_address(const struct stage *s)
{
	struct in_addr here;
	return inet_pton(AF_INET, s->here4, &here) == 1 ? tcp_helper(s, ntohl(here.s_addr))
							: BROKEN_PROBE;
}

const struct vector vectors_local[] = {
    {"Unix socket of an engine (docker)", engine},
    {"Unix datagrams to a resolver", resolver},
    {"Unix datagrams to a resolver, sendto", resolver_sendto},
    {"Unix socket of an agent in /tmp", agent},
    {"Unix socket made later", late},
    {"abstract Unix socket", abstract},
    {"loopback to a helper outside", loopback},
    {"0.0.0.0 to a helper outside", loopback_any},
    {"own address to a helper outside", loopback_by_own_address},
    {0},
};
