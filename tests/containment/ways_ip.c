/* TCP and UDP sockets, asked in every way that the kernel knows. */
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/containment/vector.h"

#ifndef MSG_FASTOPEN
#define MSG_FASTOPEN 0x20000000
#endif

static int tcp4(const struct stage *s)
{
	return sink_connect(s, socket(AF_INET, SOCK_STREAM, 0), AF_INET);
}

static int tcp6(const struct stage *s)
{
	return sink_connect(s, socket(AF_INET6, SOCK_STREAM, 0), AF_INET6);
}

static struct sockaddr_in6 mapped(const struct stage *s, uint16_t port)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct addr a = {0};
	if (!addr_parse_ip(s->out4, &a))
		memcpy(&in6.sin6_addr, a.ip, 16);
	return in6;
}

static int tcp_mapped(const struct stage *s)
{
	struct sockaddr_in6 sa = mapped(s, SINK_TCP);
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	return fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) ? errno
									 : hear_word(fd, "sink");
}

static int udp_mapped(const struct stage *s)
{
	struct sockaddr_in6 sa = mapped(s, SINK_UDP);
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	return errno_if(fd < 0 || sendto(fd, "x", 1, 0, (struct sockaddr *)&sa, sizeof(sa)) < 0);
}

static int with_option(const struct stage *s, int level, int option, const void *value,
		       socklen_t len)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0 || setsockopt(fd, level, option, value, len))
		return errno;
	return sink_connect(s, fd, AF_INET);
}

static int bound_to_device(const struct stage *s)
{
	return with_option(s, SOL_SOCKET, SO_BINDTODEVICE, s->dev, (socklen_t)strlen(s->dev));
}

static int marked(const struct stage *s)
{
	int mark = 0x539;
	return with_option(s, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
}

static int transparent(const struct stage *s)
{
	int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in src = {.sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(0xc6336409)}; /* 198.51.100.9 */
	struct sockaddr_storage sa;
	socklen_t len = sink_sa(s, AF_INET, SINK_TCP, &sa);
	if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&src, sizeof(src)))
		return errno;
	struct timeval t = {.tv_usec = 300000};
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
	return connect(fd, (struct sockaddr *)&sa, len) ? errno : 0;
}

/* A socket under repair is connected without a handshake. */
static int repaired(const struct stage *s)
{
	int on = 1, off = 0, fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in me = {.sin_family = AF_INET};
	struct sockaddr_storage sa;
	socklen_t len = sink_sa(s, AF_INET, SINK_TCP, &sa);
	struct addr a = {0};
	if (addr_parse_ip(s->here4, &a))
		return BROKEN_PROBE;
	memcpy(&me.sin_addr, a.ip + 12, 4);
	if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&me, sizeof(me)) ||
	    connect(fd, (struct sockaddr *)&sa, len) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off)))
		return errno;
	return errno_if(send(fd, "x", 1, MSG_NOSIGNAL) < 0);
}

/* Loose source route by way of the sink: the destination is declared, the next hop is not. */
static int source_route(const struct stage *s, int type, uint16_t port)
{
	uint8_t option[12] = {1, 131, 11, 4};
	struct addr a = {0};
	struct sockaddr_in declared = {.sin_family = AF_INET,
				       .sin_port = htons(port),
				       .sin_addr.s_addr = htonl(0xcb007107)}; /* 203.0.113.7 */
	int fd = socket(AF_INET, type, 0);
	if (addr_parse_ip(s->out4, &a))
		return BROKEN_PROBE;
	memcpy(option + 4, a.ip + 12, 4);
	memcpy(option + 8, &declared.sin_addr, 4);
	if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_OPTIONS, option, sizeof(option)))
		return errno;
	struct timeval t = {.tv_usec = 300000};
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
	if (type == SOCK_STREAM && connect(fd, (struct sockaddr *)&declared, sizeof(declared)))
		return errno;
	return errno_if(
	    sendto(fd, "x", 1, MSG_NOSIGNAL, (struct sockaddr *)&declared, sizeof(declared)) < 0);
}

static int tcp_source_route(const struct stage *s)
{
	return source_route(s, SOCK_STREAM, SINK_TCP);
}

static int udp_source_route(const struct stage *s)
{
	return source_route(s, SOCK_DGRAM, 53);
}

static int fastopen(const struct stage *s)
{
	struct sockaddr_storage sa;
	socklen_t len = sink_sa(s, AF_INET, SINK_TCP, &sa);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0 || sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&sa, len) < 0)
		return errno;
	return hear_word(fd, "sink");
}

static int fastopen_connect(const struct stage *s)
{
	int on = 1;
	return with_option(s, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof(on));
}

static int udp4(const struct stage *s)
{
	return sink_send(s, socket(AF_INET, SOCK_DGRAM, 0), AF_INET);
}

static int udp6(const struct stage *s)
{
	return sink_send(s, socket(AF_INET6, SOCK_DGRAM, 0), AF_INET6);
}

static int udp_connected(const struct stage *s)
{
	int fd = sink_socket(s, SOCK_DGRAM);
	return errno_if(fd < 0 || send(fd, "x", 1, 0) < 0);
}

static int dns_socket(const struct stage *s)
{
	struct sockaddr_storage sa;
	socklen_t len = sink_sa(s, AF_INET, 53, &sa);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	return fd < 0 || connect(fd, (struct sockaddr *)&sa, len) ? -1 : fd;
}

/* A socket that the gateway serves, turned elsewhere. */
static int udp_unspec(const struct stage *s)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	int fd = dns_socket(s);
	return fd < 0 || connect(fd, &none, sizeof(none)) ? errno : sink_send(s, fd, AF_INET);
}

static int udp_elsewhere(const struct stage *s)
{
	return sink_send(s, dns_socket(s), AF_INET);
}

static int tcp_unspec(const struct stage *s)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	struct sockaddr_in declared = {.sin_family = AF_INET,
				       .sin_port = htons(SINK_TCP),
				       .sin_addr.s_addr = htonl(0xcb007107)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct timeval t = {.tv_usec = 300000};
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t)))
		return errno;
	if (connect(fd, (struct sockaddr *)&declared, sizeof(declared)) && errno == EPERM)
		return errno;
	return connect(fd, &none, sizeof(none)) ? errno : sink_connect(s, fd, AF_INET);
}

static int udp_many(const struct stage *s)
{
	struct sockaddr_storage dns, sa;
	socklen_t len = sink_sa(s, AF_INET, 53, &dns);
	len = sink_sa(s, AF_INET, SINK_UDP, &sa);
	struct iovec v = {"x", 1};
	struct mmsghdr m[2] = {{.msg_hdr = {&dns, len, &v, 1, NULL, 0, 0}},
			       {.msg_hdr = {&sa, len, &v, 1, NULL, 0, 0}}};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0)
		return errno;
	return sendmmsg(fd, m, 2, 0) == 2 ? 0 : EPERM;
}

/* DNS is redirected by address; the packet information asks for the wire all the same. */
static int udp_pktinfo(const struct stage *s)
{
	char control[CMSG_SPACE(sizeof(struct in_pktinfo))] = "";
	struct sockaddr_storage sa;
	socklen_t len = sink_sa(s, AF_INET, 53, &sa);
	struct iovec v = {"x", 1};
	struct msghdr m = {&sa, len, &v, 1, control, sizeof(control), 0};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	struct in_pktinfo *info = (void *)CMSG_DATA(c);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(*info));
	info->ipi_ifindex = (int)if_nametoindex(s->dev);
	return errno_if(fd < 0 || sendmsg(fd, &m, 0) < 0);
}

static int multicast(const struct stage *s)
{
	struct ip_mreqn m = {.imr_ifindex = (int)if_nametoindex(s->dev)};
	struct sockaddr_in group = {
	    .sin_family = AF_INET, .sin_port = htons(5353), .sin_addr.s_addr = htonl(0xe00000fb)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &m, sizeof(m)))
		return errno;
	return errno_if(sendto(fd, "x", 1, 0, (struct sockaddr *)&group, sizeof(group)) < 0);
}

static int link_local(const struct stage *s)
{
	struct sockaddr_in6 all = {.sin6_family = AF_INET6,
				   .sin6_port = htons(SINK_UDP),
				   .sin6_scope_id = if_nametoindex(s->dev)};
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	inet_pton(AF_INET6, "ff02::1", &all.sin6_addr);
	return errno_if(fd < 0 || sendto(fd, "x", 1, 0, (struct sockaddr *)&all, sizeof(all)) < 0);
}

const struct vector vectors_ip[] = {
    {"TCP connect", tcp4},
    {"TCP connect, IPv6", tcp6},
    {"TCP connect, v4-mapped", tcp_mapped},
    {"TCP fast open, MSG_FASTOPEN", fastopen},
    {"TCP fast open, TCP_FASTOPEN_CONNECT", fastopen_connect},
    {"TCP reconnect by AF_UNSPEC", tcp_unspec},
    {"SO_BINDTODEVICE", bound_to_device},
    {"SO_MARK", marked},
    {"IP_TRANSPARENT", transparent},
    {"TCP_REPAIR", repaired},
    {"IP source route, TCP", tcp_source_route},
    {"IP source route, DNS", udp_source_route},
    {"UDP sendto", udp4},
    {"UDP sendto, IPv6", udp6},
    {"UDP sendto, v4-mapped", udp_mapped},
    {"UDP connected", udp_connected},
    {"UDP reconnect by AF_UNSPEC", udp_unspec},
    {"UDP sendto elsewhere on a DNS socket", udp_elsewhere},
    {"UDP sendmmsg", udp_many},
    {"UDP with IP_PKTINFO", udp_pktinfo},
    {"UDP multicast", multicast},
    {"UDP link-local multicast, IPv6", link_local},
    {0},
};
