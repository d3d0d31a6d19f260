/* Sockets of other kinds: below IP, beside it, and other transports on it. */
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include <linux/vm_sockets.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/containment/vector.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#ifndef AF_XDP
#define AF_XDP 44
#endif
#ifndef SOL_XDP
#define SOL_XDP 283
#endif

static int mptcp(const struct stage *s)
{
	return sink_connect(s, socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP), AF_INET);
}

static int udplite(const struct stage *s)
{
	return sink_send(s, socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE), AF_INET);
}

/* Their first packet is what arrives: nobody answers there. */
static int first_packet(const struct stage *s, int type, int protocol)
{
	struct sockaddr_storage sa;
	socklen_t len = sink_sa(s, AF_INET, 5432, &sa);
	struct timeval t = {.tv_usec = 300000};
	int fd = socket(AF_INET, type, protocol);
	if (fd < 0)
		return errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
	return errno_if(connect(fd, (struct sockaddr *)&sa, len) < 0);
}

static int sctp(const struct stage *s)
{
	return first_packet(s, SOCK_STREAM, 132);
}

static int dccp(const struct stage *s)
{
	return first_packet(s, 6, 33);
}

static int smc(const struct stage *s)
{
	return sink_connect(s, socket(43, SOCK_STREAM, 0), AF_INET);
}

static int raw_icmp(const struct stage *s)
{
	struct sockaddr_storage sa;
	socklen_t len = sink_sa(s, AF_INET, 0, &sa);
	struct icmphdr echo = {.type = ICMP_ECHO, .checksum = 0xfff7};
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	return errno_if(fd < 0 ||
			sendto(fd, &echo, sizeof(echo), 0, (struct sockaddr *)&sa, len) < 0);
}

static int ping(const struct stage *s)
{
	struct sockaddr_storage sa;
	socklen_t len = sink_sa(s, AF_INET, 0, &sa);
	struct icmphdr echo = {.type = ICMP_ECHO};
	int fd = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
	return errno_if(fd < 0 ||
			sendto(fd, &echo, sizeof(echo), 0, (struct sockaddr *)&sa, len) < 0);
}

static void ip_header(const struct stage *s, struct iphdr *ip)
{
	struct addr a = {0};
	*ip = (struct iphdr){
	    .version = 4, .ihl = 5, .ttl = 9, .protocol = 253, .tot_len = htons(sizeof(*ip))};
	if (!addr_parse_ip(s->out4, &a))
		memcpy(&ip->daddr, a.ip + 12, 4);
}

static int raw_header(const struct stage *s)
{
	struct sockaddr_storage sa;
	socklen_t len = sink_sa(s, AF_INET, 0, &sa);
	struct iphdr ip;
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	ip_header(s, &ip);
	return errno_if(fd < 0 || sendto(fd, &ip, sizeof(ip), 0, (struct sockaddr *)&sa, len) < 0);
}

static int packet(const struct stage *s, int type, bool bypasses_qdisc)
{
	struct sockaddr_ll ll = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(ETH_P_IP),
				 .sll_ifindex = (int)if_nametoindex(s->dev),
				 .sll_halen = 6,
				 .sll_addr = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
	struct {
		struct ethhdr eth;
		struct iphdr ip;
	} __attribute__((packed))
	f = {.eth = {.h_dest = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, .h_proto = htons(ETH_P_IP)}};
	int on = 1, fd = socket(AF_PACKET, type, htons(ETH_P_IP));
	if (fd < 0 ||
	    (bypasses_qdisc && setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on))))
		return errno;
	struct iphdr ip;
	ip_header(s, &ip);
	memcpy(&f.ip, &ip, sizeof(ip));
	const void *from = type == SOCK_RAW ? (const void *)&f : (const void *)&ip;
	size_t len = type == SOCK_RAW ? sizeof(f) : sizeof(ip);
	return errno_if(sendto(fd, from, len, 0, (struct sockaddr *)&ll, sizeof(ll)) < 0);
}

static int packet_raw(const struct stage *s)
{
	return packet(s, SOCK_RAW, false);
}

static int packet_dgram(const struct stage *s)
{
	return packet(s, SOCK_DGRAM, false);
}

static int packet_direct(const struct stage *s)
{
	return packet(s, SOCK_RAW, true);
}

/* One frame of user memory through an XDP socket in copy mode. */
#define FRAME 4096
#define SLOTS 64
static int xdp(const struct stage *s)
{
	struct xdp_mmap_offsets off;
	socklen_t len = sizeof(off);
	int n = SLOTS, fd = socket(AF_XDP, SOCK_RAW, 0);
	uint8_t *area =
	    mmap(NULL, SLOTS * FRAME, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct xdp_umem_reg reg = {
	    .addr = (uintptr_t)area, .len = SLOTS * FRAME, .chunk_size = FRAME};
	struct sockaddr_xdp sa = {
	    .sxdp_family = AF_XDP, .sxdp_flags = XDP_COPY, .sxdp_ifindex = if_nametoindex(s->dev)};
	struct iphdr ip;
	struct ethhdr eth = {.h_dest = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
			     .h_proto = htons(ETH_P_IP)};
	if (fd < 0 || setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)) ||
	    setsockopt(fd, SOL_XDP, XDP_UMEM_FILL_RING, &n, sizeof(n)) ||
	    setsockopt(fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &n, sizeof(n)) ||
	    setsockopt(fd, SOL_XDP, XDP_TX_RING, &n, sizeof(n)) ||
	    getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &off, &len))
		return errno;
	/* Mapped before bind: until 6.1 a bound socket maps nothing any more. */
	uint8_t *tx = mmap(NULL, off.tx.desc + SLOTS * sizeof(struct xdp_desc),
			   PROT_READ | PROT_WRITE, MAP_SHARED, fd, XDP_PGOFF_TX_RING);
	if (tx == MAP_FAILED)
		return errno;
	/* The kernel takes its time to give up the queue of the attempt before. */
	for (int tries = 0; bind(fd, (struct sockaddr *)&sa, sizeof(sa)); tries++) {
		if (errno != EBUSY || tries == 100)
			return errno == EBUSY ? ENODEV
					      : errno; /* or this driver has none to give */
		usleep(20000);
	}
	ip_header(s, &ip);
	memcpy(area, &eth, sizeof(eth));
	memcpy(area + sizeof(eth), &ip, sizeof(ip));
	for (uint32_t i = 0; i < SLOTS; i++) {
		((struct xdp_desc *)(void *)(tx + off.tx.desc))[i] =
		    (struct xdp_desc){.len = sizeof(eth) + sizeof(ip)};
		__atomic_store_n((uint32_t *)(void *)(tx + off.tx.producer), i + 1, __ATOMIC_RELEASE);
		if (sendto(fd, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0 || errno == EAGAIN)
			return 0;
		if (errno != EBUSY)
			return errno;
		usleep(5000);
	}
	return ENODEV; /* EBUSY: the device dropped the frame; one that drops each has no way out here */
}

/* To a helper of this machine, which relays; a virtual machine's host is reached the same way. */
static int vsock(const struct stage *s)
{
	struct sockaddr_vm sa = {
	    .svm_family = AF_VSOCK, .svm_cid = 1, .svm_port = (unsigned)s->vsock_port};
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
		return errno == ETIMEDOUT ? ENODEV
					  : errno; /* no transport leads from a machine to itself */
	return errno_if(send(fd, "x", 1, MSG_NOSIGNAL) < 0);
}

const struct vector vectors_raw[] = {
    {"MPTCP", mptcp},
    {"UDP-Lite", udplite},
    {"SCTP", sctp},
    {"DCCP", dccp},
    {"SMC", smc},
    {"raw ICMP", raw_icmp},
    {"raw with own header", raw_header},
    {"ping socket", ping},
    {"AF_PACKET, raw", packet_raw},
    {"AF_PACKET, datagram", packet_dgram},
    {"AF_PACKET, QDISC_BYPASS", packet_direct},
    {"AF_XDP", xdp},
    {"AF_VSOCK", vsock},
    {0},
};
