/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The decisions of the kernel side as pure functions over plain facts; compiled natively for the
 * unit tests. No helper, no map, no kernel type here. */
#pragma once

#include <linux/types.h>

#include <stdbool.h>

#include "shared.h"

#define RULES_INLINE static inline __attribute__((always_inline, unused))

enum {
	RULES_INET = 2,
	RULES_INET6 = 10,
	RULES_STREAM = 1,
	RULES_DGRAM = 2,
	RULES_TCP = 6,
	RULES_UDP = 17
};

/* What a managed process may create. Everything else (raw, ping, MPTCP, SCTP, UDP-Lite, ...) is
 * refused: an allowlist, because the list of protocols grows with the kernel. */
RULES_INLINE bool rules_socket_allowed(__u32 family, __u32 type, __u32 protocol)
{
	if (family != RULES_INET && family != RULES_INET6)
		return false;
	return (type == RULES_STREAM && protocol == RULES_TCP) ||
	       (type == RULES_DGRAM && protocol == RULES_UDP);
}

/* addr_be as the kernel holds it, into the v4-mapped form. */
RULES_INLINE void rules_map_v4(__u32 addr_be, __u32 ret_ip[4])
{
	ret_ip[0] = 0;
	ret_ip[1] = 0;
	ret_ip[2] = 0;
	((__u8 *)ret_ip)[10] = 0xff;
	((__u8 *)ret_ip)[11] = 0xff;
	ret_ip[3] = addr_be;
}

RULES_INLINE bool rules_is_v4(const __u32 ip[4])
{
	const __u8 *b = (const __u8 *)ip;
	return !ip[0] && !ip[1] && !b[8] && !b[9] && b[10] == 0xff && b[11] == 0xff;
}

RULES_INLINE bool rules_is_loopback(const __u32 ip[4])
{
	const __u8 *b = (const __u8 *)ip;
	if (rules_is_v4(ip))
		return b[12] == 127;
	return !ip[0] && !ip[1] && !ip[2] && !b[12] && !b[13] && !b[14] && b[15] == 1;
}

/* The kernel takes a connect to the unspecified address as one to loopback, after the hook. */
RULES_INLINE void rules_any_is_loopback(__u32 ip[4])
{
	__u8 *b = (__u8 *)ip;
	if (ip[3])
		return;
	if (rules_is_v4(ip)) {
		b[12] = 127;
		b[15] = 1;
	} else if (!ip[0] && !ip[1] && !ip[2]) {
		b[15] = 1;
	}
}

/* A beat from the future (a little: two cores' clocks) is fresh; never was is not. */
RULES_INLINE bool rules_is_fresh(__u64 now_ns, __u64 beat_ns)
{
	return beat_ns && (now_ns <= beat_ns || now_ns - beat_ns <= HEART_STALE_NS);
}

enum verdict {
	VERDICT_REFUSE, /* and tell */
	VERDICT_QUIET,	/* refuse, and say nothing */
	VERDICT_GATE,	/* to the daemon's listener */
	VERDICT_LOCAL,	/* on as it is, if a listener of the same workload is there */
	VERDICT_PASS,	/* on as it is */
};

struct facts {
	bool is_udp, is_send, is_fresh, is_loopback, is_declared;
	bool was_sent;	       /* this very socket's connect was sent to the gate before */
	__u16 port, gate_port; /* gate_port 0: none in this network namespace */
};

/* Resolvers connect UDP sockets only to learn a source address (glibc: port 0 or the service's,
 * musl: 65535). No packet follows and nothing was asked for, so a refusal of it is not news. */
RULES_INLINE bool rules_is_address_probe(const struct facts *f)
{
	return f->is_udp && !f->is_send && (f->is_declared || f->port == 0 || f->port == 65535);
}

/* What becomes of a connect. ret_reason is set with VERDICT_REFUSE and VERDICT_QUIET. */
RULES_INLINE enum verdict rules_connect(const struct facts *f, enum reason *ret_reason)
{
	if (!f->is_fresh) {
		*ret_reason = REASON_STALE;
		return VERDICT_REFUSE;
	}
	if (!f->gate_port) {
		*ret_reason = REASON_NO_GATE;
		return VERDICT_REFUSE;
	}
	if (f->is_loopback && f->port == f->gate_port) {
		/* send() on an IPv6 socket that is connected to a v4-mapped address: the kernel
		 * asks about the address that we put there. */
		*ret_reason = REASON_GATE;
		return f->is_send && f->was_sent ? VERDICT_PASS : VERDICT_REFUSE;
	}
	if (f->port == DNS_PORT)
		return VERDICT_GATE;
	if (f->is_udp) {
		*ret_reason = REASON_UDP;
		return rules_is_address_probe(f) ? VERDICT_QUIET : VERDICT_REFUSE;
	}
	if (f->is_declared)
		return VERDICT_GATE;
	*ret_reason = REASON_NOT_DECLARED;
	return f->is_loopback ? VERDICT_LOCAL : VERDICT_REFUSE;
}

/* May this packet of a managed socket leave (or reach it)? Loopback is interface 1 in every
 * namespace; after NAT and routing this is the last word. */
RULES_INLINE bool rules_may_pass_device(__u32 ifindex)
{
	return ifindex == 1;
}

/* The socket still has something to say to the daemon although its owner closed it: TCP states
 * other than "never connected" and "reset". */
RULES_INLINE bool rules_outlives_close(__u32 tcp_state)
{
	enum { SYN_SENT = 2, SYN_RECV = 3, CLOSED = 7, LISTENING = 10 };
	return tcp_state != SYN_SENT && tcp_state != SYN_RECV && tcp_state != CLOSED &&
	       tcp_state != LISTENING;
}

/* What a connection carried, from the kernel's counters at a change of its state. The counters hold the sequence
 * numbers of SYN and FIN too; where it cannot be told whether a FIN is among them, up_min and down are a byte too low,
 * never too high, and up_max too high. flight: sent and not acknowledged. */
RULES_INLINE void rules_leg(__u32 from, __u32 to, __u64 acked, __u32 flight, __u64 received, struct leg *ret)
{
	enum { FIN_WAIT1 = 4, FIN_WAIT2 = 5, TIME_WAIT = 6, CLOSED = 7, CLOSE_WAIT = 8, LAST_ACK = 9, CLOSING = 11 };
	bool has_sent_fin = from == FIN_WAIT2 || from == LAST_ACK || from == CLOSING ||
			    (from == FIN_WAIT1 && to != CLOSING);
	bool has_got_fin = to == CLOSE_WAIT || to == CLOSING || to == TIME_WAIT || from == CLOSE_WAIT ||
			   from == LAST_ACK || from == CLOSING ||
			   ((from == FIN_WAIT1 || from == FIN_WAIT2) && to == CLOSED);
	__u64 over = 1 + has_sent_fin;

	ret->up_min = acked > over ? acked - over : 0;
	ret->up_max = acked + flight > 1 ? acked + flight - 1 : 0;
	ret->down = received > has_got_fin ? received - has_got_fin : 0;
}
