/* What the network layer puts on the wire by itself, or where it takes a packet after the socket was asked: groups,
 * broadcasts, source routes of IPv6, routes and translation of the loopback leg. */
#include <arpa/inet.h>
#include <linux/l2tp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip6.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/containment/vector.h"

#define PROTOCOL_L2TP 115
#define REPORTS_US 2500000 /* within which the kernel repeats its reports of a group */

/* Reports of joining and of leaving are all out when this returns: none of them is the next attempt's. */
static int joined(int fd)
{
	close(fd);
	usleep(REPORTS_US);
	return 0;
}

/* 28 bits of the workload's choice. */
static int igmp(const struct stage *s, int option)
{
	struct ip_mreqn m = {.imr_multiaddr.s_addr = htonl(0xef534543), .imr_ifindex = (int)if_nametoindex(s->dev)};
	struct ip_mreq_source from = {.imr_multiaddr.s_addr = htonl(0xe8534543),
				      .imr_sourceaddr.s_addr = htonl(0x53656372)};
	struct in_addr here;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (inet_pton(AF_INET, s->here4, &here) != 1)
		return BROKEN_PROBE;
	from.imr_interface = here;
	const void *value = option == IP_ADD_MEMBERSHIP ? (void *)&m : (void *)&from;
	socklen_t len = option == IP_ADD_MEMBERSHIP ? sizeof(m) : sizeof(from);
	if (fd < 0 || setsockopt(fd, IPPROTO_IP, option, value, len))
		return errno;
	return joined(fd);
}

static int igmp_join(const struct stage *s)
{
	return igmp(s, IP_ADD_MEMBERSHIP);
}

static int igmp_source(const struct stage *s)
{
	return igmp(s, IP_ADD_SOURCE_MEMBERSHIP);
}

/* 14 bytes: the sink counts reports of this group alone, and none of the link's own. */
static int mld(const struct stage *s, bool is_old_name)
{
	struct ipv6_mreq m = {.ipv6mr_interface = if_nametoindex(s->dev)};
	struct group_req g = {.gr_interface = m.ipv6mr_interface};
	struct sockaddr_in6 *group = (void *)&g.gr_group;
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	group->sin6_family = AF_INET6;
	inet_pton(AF_INET6, "ff0e::5365:6372:6574", &m.ipv6mr_multiaddr); /* "Secret" */
	group->sin6_addr = m.ipv6mr_multiaddr;
	if (fd < 0 || (is_old_name ? setsockopt(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &m, sizeof(m))
				   : setsockopt(fd, IPPROTO_IPV6, MCAST_JOIN_GROUP, &g, sizeof(g))))
		return errno;
	return joined(fd);
}

static int mld_join(const struct stage *s)
{
	return mld(s, true);
}

static int mld_join_group(const struct stage *s)
{
	return mld(s, false);
}

static int broadcast(const struct stage *s, uint16_t port)
{
	struct sockaddr_in all = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct in_addr here;
	int on = 1, fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (inet_pton(AF_INET, s->here4, &here) != 1)
		return BROKEN_PROBE;
	all.sin_addr.s_addr = htonl(ntohl(here.s_addr) | 3); /* of the wire's /30 */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)))
		return errno;
	return errno_if(sendto(fd, "x", 1, 0, (struct sockaddr *)&all, sizeof(all)) < 0);
}

static int broadcast_any(const struct stage *s)
{
	return broadcast(s, SINK_UDP);
}

static int broadcast_dns(const struct stage *s)
{
	return broadcast(s, 53);
}

/* Segment routing (RFC 8754): by way of the sink to what is declared; the kernel sends to the first segment. */
static int segments(const struct stage *s, int type, uint16_t port)
{
	struct {
		struct ip6_rthdr h;
		uint8_t last, flags;
		uint16_t tag;
		struct in6_addr segment[2];
	} r = {.h = {.ip6r_len = 4, .ip6r_type = 4, .ip6r_segleft = 1}, .last = 1};
	struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct timeval t = {.tv_sec = 2}; /* a link that is new looks for its neighbours first */
	int fd = socket(AF_INET6, type, 0);
	inet_pton(AF_INET6, "2001:db8::7", &to.sin6_addr); /* declared */
	r.segment[0] = to.sin6_addr;
	if (inet_pton(AF_INET6, s->out6, &r.segment[1]) != 1)
		return BROKEN_PROBE;
	if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_RTHDR, &r, sizeof(r)))
		return errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
	if (type == SOCK_STREAM && connect(fd, (struct sockaddr *)&to, sizeof(to)))
		return errno;
	return errno_if(sendto(fd, "x", 1, MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof(to)) < 0);
}

static int segments_tcp(const struct stage *s)
{
	return segments(s, SOCK_STREAM, SINK_TCP);
}

static int segments_dns(const struct stage *s)
{
	return segments(s, SOCK_DGRAM, 53);
}

static int l2tp(const struct stage *s)
{
	struct sockaddr_l2tpip sa = {.l2tp_family = AF_INET, .l2tp_conn_id = 7};
	int fd = socket(AF_INET, SOCK_DGRAM, PROTOCOL_L2TP);
	struct sockaddr_l2tpip me = sa;
	if (fd < 0 || bind(fd, (struct sockaddr *)&me, sizeof(me)))
		return errno;
	inet_pton(AF_INET, s->out4, &sa.l2tp_addr);
	return errno_if(sendto(fd, "x", 1, 0, (struct sockaddr *)&sa, sizeof(sa)) < 0);
}

/* --- the leg to the gateway, led elsewhere by who may set up the network --------------------- */

/* From a workload to what is declared, and so to the gateway on loopback; from outside to loopback as such. */
static int say_to_gateway(const struct stage *s)
{
	struct sockaddr_in lo = {.sin_family = AF_INET, .sin_port = htons(s->gate_port)}, db = lo;
	struct timeval t = {.tv_usec = 300000};
	int fd = socket(AF_INET, SOCK_STREAM, 0), other = socket(AF_INET, SOCK_STREAM, 0);
	lo.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	db.sin_addr.s_addr = htonl(0xcb007107); /* 203.0.113.7 */
	db.sin_port = htons(SINK_TCP);
	if (fd < 0 || other < 0)
		return errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
	setsockopt(other, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
	int err = connect(fd, (struct sockaddr *)&lo, sizeof(lo)) ? errno : 0;
	return connect(other, (struct sockaddr *)&db, sizeof(db)) ? err : 0;
}

static int routed_out(const struct stage *s)
{
	if (shell_cmd("ip rule add pref 1 lookup local 2>/dev/null && ip rule del pref 0 lookup local && "
		      "ip rule add pref 0 lookup 777 && ip route add 127.0.0.1/32 via %s dev %s table 777 2>/dev/null",
		      s->out4, s->dev))
		return EPERM;
	return say_to_gateway(s);
}

static void routes_back(const struct stage *s)
{
	(void)s;
	shell_cmd("{ ip rule add pref 0 lookup local; ip rule del pref 0 lookup 777; ip rule del pref 1 lookup local; "
		  "ip route flush table 777; } 2>/dev/null");
}

static int translated(const struct stage *s)
{
	if (shell_cmd("nft 'table ip kt { chain c { type nat hook output priority -100; "
		      "ip daddr 127.0.0.1 tcp dport %d dnat to %s:%d; }; "
		      "chain p { type nat hook postrouting priority 100; oifname \"%s\" masquerade; }; }' 2>/dev/null",
		      s->gate_port, s->out4, SINK_TCP, s->dev))
		return ENOSYS;
	return say_to_gateway(s);
}

static void untranslated(const struct stage *s)
{
	(void)s;
	shell_cmd("nft delete table ip kt 2>/dev/null");
}

const struct vector vectors_wire[] = {
    {"IGMP, a group joined", igmp_join},
    {"IGMP, a source joined", igmp_source},
    {"MLD, a group joined", mld_join},
    {"MLD, MCAST_JOIN_GROUP", mld_join_group},
    {"UDP broadcast", broadcast_any},
    {"UDP broadcast, DNS", broadcast_dns},
    {"IPv6 segment routing, TCP", segments_tcp},
    {"IPv6 segment routing, DNS", segments_dns},
    {"L2TP", l2tp},
    {"loopback routed to the wire", routed_out, .after = routes_back},
    {"loopback translated (nftables)", translated, .after = untranslated},
    {0},
};
