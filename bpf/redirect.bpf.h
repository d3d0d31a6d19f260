/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* connect, sendmsg, and their mirror images: what is declared goes to the daemon's listener on loopback,
 * everything else is refused at once. The agent keeps seeing the address that it asked for. */
#pragma once

#include "refuse.bpf.h"

#include <bpf/bpf_endian.h>

#include "rules.bpf.h"

static __always_inline bool is_heart_fresh(void)
{
	__u32 zero = 0;
	__u64 *beat = bpf_map_lookup_elem(&heart, &zero);

	return beat && rules_is_fresh(bpf_ktime_get_ns(), *(volatile __u64 *)beat);
}

static __always_inline __u16 gate_port(struct bpf_sock_addr *ctx)
{
	__u64 netns = bpf_get_netns_cookie(ctx);
	struct gate *g = bpf_map_lookup_elem(&gates, &netns);

	return g ? g->port : 0;
}

static __always_inline bool is_declared(const struct ask *a)
{
	struct dest_key key = {.bits = 16 + 128};

	__builtin_memcpy(key.net, a->ip, 16);
	key.port_be[0] = a->port >> 8;
	key.port_be[1] = a->port & 0xff;
	if (bpf_map_lookup_elem(&dests, &key))
		return true;
	key.port_be[0] = key.port_be[1] = 0;
	return bpf_map_lookup_elem(&dests, &key) != NULL;
}

static __always_inline void ask_v4(struct bpf_sock_addr *ctx, struct ask *a)
{
	rules_map_v4(ctx->user_ip4, a->ip);
	a->port = bpf_ntohs((__u16)ctx->user_port);
	a->has_dst = true;
}

static __always_inline void ask_v6(struct bpf_sock_addr *ctx, struct ask *a)
{
	a->ip[0] = ctx->user_ip6[0];
	a->ip[1] = ctx->user_ip6[1];
	a->ip[2] = ctx->user_ip6[2];
	a->ip[3] = ctx->user_ip6[3];
	a->port = bpf_ntohs((__u16)ctx->user_port);
	a->has_dst = true;
}

/* The caller and its socket, checked against each other: a socket is used by the workload that made it.
 * NULL: refused, *ret is what the hook returns. */
static __always_inline struct stamp *ask_who(struct bpf_sock_addr *ctx, struct ask *a, int *ret)
{
	struct bpf_sock *sk = ctx->sk;
	struct stamp *st;

	a->family = ctx->family;
	a->type = ctx->type;
	a->protocol = ctx->protocol;
	rules_any_is_loopback(a->ip);
	a->workload = who_workload(&a->cgroup_id);
	if (!a->workload) {
		*ret = refuse(a, REASON_NO_WORKLOAD, ECONNREFUSED);
		return NULL;
	}
	st = sk ? bpf_sk_storage_get(&stamps, sk, 0, 0) : NULL;
	if (!st || st->cgroup_id != a->cgroup_id) {
		*ret = refuse(a, REASON_FOREIGN_SOCKET, ECONNREFUSED);
		return NULL;
	}
	return st;
}

static __always_inline void ask_facts(struct bpf_sock_addr *ctx, const struct ask *a, struct facts *f)
{
	f->is_udp = a->protocol == IPPROTO_UDP;
	f->is_fresh = is_heart_fresh();
	f->is_loopback = rules_is_loopback(a->ip);
	f->is_declared = is_declared(a);
	f->port = a->port;
	f->gate_port = gate_port(ctx);
}

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

/* A socket bound to a device would look for loopback there. Kernels before 6.1 let only connect undo it. */
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
static __always_inline void to_loopback_v6(struct bpf_sock_addr *ctx, const struct ask *a, __u16 port)
{
	bool is_v4 = rules_is_v4(a->ip);

	ctx->user_ip6[0] = 0;
	ctx->user_ip6[1] = 0;
	ctx->user_ip6[2] = is_v4 ? bpf_htonl(0xffff) : 0;
	ctx->user_ip6[3] = is_v4 ? bpf_htonl(0x7f000001) : bpf_htonl(1);
	ctx->user_port = bpf_htons(port);
}
