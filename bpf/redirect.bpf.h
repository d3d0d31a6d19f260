/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* connect, sendmsg, and their mirror images: what is declared goes to the daemon's listener on
 * loopback, everything else is refused at once. The agent keeps seeing the address that it asked
 * for. */
#pragma once

#include "facts.bpf.h"

/* Completes the stamp with who asks for what; sockops (TCP) and egress (UDP) publish it. */
static __always_inline void stamp_ask(struct bpf_sock_addr *ctx, struct stamp *st, struct ask *a,
				      __u16 port)
{
	struct flow_value *v = &st->flow;

	st->mode = STAMP_GATE;
	st->gate_port = port;
	st->netns = bpf_get_netns_cookie(ctx);
	v->cgroup_id = a->cgroup_id;
	v->generation = a->workload->generation;
	v->cookie = bpf_get_socket_cookie(ctx);
	v->pid = who_pid();
	v->uid = who_uid();
	v->dst_port = a->port;
	__builtin_memcpy(v->dst, a->ip, 16);
	bpf_get_current_comm(v->comm, COMM_LEN);
	who_exe(v->exe);
}

/* Is a TCP listener of this very workload there? */
static __always_inline bool has_own_listener(struct bpf_sock_addr *ctx, const struct ask *a)
{
	struct bpf_sock_tuple t = {};
	struct bpf_sock *sk;
	bool is_own = false;

	if (rules_is_v4(a->ip)) {
		t.ipv4.saddr = t.ipv4.daddr = a->ip[3];
		t.ipv4.dport = bpf_htons(a->port);
		sk = bpf_sk_lookup_tcp(ctx, &t, sizeof(t.ipv4), BPF_F_CURRENT_NETNS, 0);
	} else {
		__builtin_memcpy(t.ipv6.saddr, a->ip, 16);
		__builtin_memcpy(t.ipv6.daddr, a->ip, 16);
		t.ipv6.dport = bpf_htons(a->port);
		sk = bpf_sk_lookup_tcp(ctx, &t, sizeof(t.ipv6), BPF_F_CURRENT_NETNS, 0);
	}
	if (!sk)
		return false;
	if (sk->state == BPF_TCP_LISTEN) {
		struct stamp *st = bpf_sk_storage_get(&stamps, sk, 0, 0);
		is_own = st && st->cgroup_id == a->cgroup_id;
	}
	bpf_sk_release(sk);
	return is_own;
}

/* A socket bound to a device would look for loopback there. Kernels before 6.1 let only connect
 * undo it. */
static __always_inline bool unbind_device(struct bpf_sock_addr *ctx, bool is_send)
{
	struct bpf_sock *sk = ctx->sk;
	char none[4] = {};

	if (!sk || sk->bound_dev_if == 0 || rules_may_pass_device(sk->bound_dev_if))
		return sk != NULL;
	if (is_send)
		return false;
	return !bpf_setsockopt(ctx, SOL_SOCKET, SO_BINDTODEVICE, none, sizeof(none));
}

/* 0 and 1 are what the hook returns; GO_GATE: to the port in *ret_port. */
enum { GO_REFUSED, GO_DIRECT, GO_GATE };
static __always_inline int decide(struct bpf_sock_addr *ctx, struct ask *a, bool is_send,
				  __u16 *ret_port)
{
	enum reason reason = REASON_NOT_DECLARED;
	struct facts f = {};
	int ret = 0;
	struct stamp *st = ask_who(ctx, a, &ret);

	if (!st)
		return ret;
	ask_facts(ctx, a, &f);
	f.is_send = is_send;
	f.was_sent = st->mode == STAMP_GATE && st->gate_port == a->port;
	enum verdict v = rules_connect(&f, &reason);
	if (v == VERDICT_PASS)
		return GO_DIRECT;
	if (v == VERDICT_LOCAL && has_own_listener(ctx, a)) {
		st->mode = STAMP_LOCAL;
		return GO_DIRECT;
	}
	if (v == VERDICT_QUIET)
		return refuse_quietly(ECONNREFUSED);
	if (v != VERDICT_GATE)
		return refuse(a, reason, ECONNREFUSED);
	if (a->workload->live >= LIVE_MAX && !st->is_live)
		return refuse(a, REASON_LIMIT, ECONNREFUSED);
	if (!unbind_device(ctx, is_send))
		return refuse(a, REASON_DEVICE, ECONNREFUSED);
	__sync_fetch_and_add(&a->workload->connects, 1);
	stamp_ask(ctx, st, a, f.gate_port);
	*ret_port = f.gate_port;
	return GO_GATE;
}

static __always_inline void to_loopback_v4(struct bpf_sock_addr *ctx, __u16 port)
{
	ctx->user_ip4 = bpf_htonl(0x7f000001);
	ctx->user_port = bpf_htons(port);
}

/* A v4-mapped destination stays one: a socket that asked for IPv4 may have no IPv6 address. */
static __always_inline void to_loopback_v6(struct bpf_sock_addr *ctx, const struct ask *a,
					   __u16 port)
{
	bool is_v4 = rules_is_v4(a->ip);

	ctx->user_ip6[0] = 0;
	ctx->user_ip6[1] = 0;
	ctx->user_ip6[2] = is_v4 ? bpf_htonl(0xffff) : 0;
	ctx->user_ip6[3] = is_v4 ? bpf_htonl(0x7f000001) : bpf_htonl(1);
	ctx->user_port = bpf_htons(port);
}
