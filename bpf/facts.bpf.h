/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* From a hook's context to the plain facts that rules.bpf.h decides on. */
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

/* The caller and its socket, checked against each other: a socket is used by the workload that made
 * it. NULL: refused, *ret is what the hook returns. */
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

static __always_inline void ask_facts(struct bpf_sock_addr *ctx, const struct ask *a,
				      struct facts *f)
{
	f->is_udp = a->protocol == IPPROTO_UDP;
	f->is_fresh = is_heart_fresh();
	f->is_loopback = rules_is_loopback(a->ip);
	f->is_declared = is_declared(a);
	f->port = a->port;
	f->gate_port = gate_port(ctx);
}
