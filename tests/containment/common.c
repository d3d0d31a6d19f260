#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/containment/vector.h"

unsigned int sink_sa(const struct stage *s, int family, uint16_t port, struct sockaddr_storage *ret)
{
	struct addr a = {0};
	if (addr_parse_ip(family == AF_INET6 ? s->out6 : s->out4, &a))
		abort();
	a.port = port;
	return addr_to_sockaddr(&a, ret);
}

int hear_word(int fd, const char *expect)
{
	struct pollfd p = {fd, POLLIN, 0};
	char got[16] = "";
	if (poll(&p, 1, 3000) != 1 || recv(fd, got, sizeof(got) - 1, 0) < 0)
		return BROKEN_PROBE;
	return strcmp(got, expect) ? BROKEN_PROBE : 0;
}

int sink_connect(const struct stage *s, int fd, int family)
{
	struct sockaddr_storage sa;
	socklen_t len = sink_sa(s, family, SINK_TCP, &sa);
	if (fd < 0)
		return errno;
	return connect(fd, (struct sockaddr *)&sa, len) ? errno : hear_word(fd, "sink");
}

int sink_send(const struct stage *s, int fd, int family)
{
	struct sockaddr_storage sa;
	socklen_t len = sink_sa(s, family, SINK_UDP, &sa);
	return errno_if(fd < 0 || sendto(fd, "x", 1, 0, (struct sockaddr *)&sa, len) < 0);
}

int sink_socket(const struct stage *s, int type)
{
	struct sockaddr_storage sa;
	socklen_t len = sink_sa(s, AF_INET, type == SOCK_STREAM ? SINK_TCP : SINK_UDP, &sa);
	int fd = socket(AF_INET, type, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, len))
		return -1;
	return fd;
}

int shell_cmd(const char *fmt, ...)
{
	char cmd[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	return system(cmd);
}
