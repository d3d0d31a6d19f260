/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Which sockets may exist at all, what may leave by which interface, and the publication of who is
 * behind a connection. */
#pragma once

#include "redirect.bpf.h"
#include "tally.bpf.h"

static __always_inline void to_mapped(bool is_v6, const __u32 *v6, __u32 v4, __u8 ret[16])
{
	__u32 ip[4];

	if (is_v6) {
		ip[0] = v6[0];
		ip[1] = v6[1];
		ip[2] = v6[2];
		ip[3] = v6[3];
	} else {
		rules_map_v4(v4, ip);
	}
	__builtin_memcpy(ret, ip, 16);
}

/* Publishes st->flow under st->key, and counts the socket once. A full map shows as a closed
 * connection: the daemon believes nothing that it does not find. */
static __always_inline void publish(struct stamp *st)
{
	struct workload *w;

	st->flow.at_ns = bpf_ktime_get_ns();
	if (bpf_map_update_elem(&flows, &st->key, &st->flow, BPF_ANY) || st->is_live)
		return;
	st->is_live = 1;
	w = bpf_map_lookup_elem(&workloads, &st->cgroup_id);
	if (w && w->generation == st->flow.generation)
		__sync_fetch_and_add(&w->live, 1);
}

/* Drops the flow under the stamp's key if it is still this socket's. */
static __always_inline void unpublish(struct stamp *st)
{
	struct flow_value *v = bpf_map_lookup_elem(&flows, &st->key);

	if (v && v->cookie == st->flow.cookie)
		bpf_map_delete_elem(&flows, &st->key);
}

struct ports_head {
	__be16 src, dst;
};

/* The addresses of a UDP packet, at its IP header. false: not plain UDP (a fragment, an extension
 * header, another protocol). */
static __always_inline bool udp_tuple(struct __sk_buff *skb, struct flow_key *k)
{
	__u8 head[40];
	struct ports_head ports;
	__u32 at;

	if (bpf_skb_load_bytes(skb, 0, head, 20))
		return false;
	if ((head[0] >> 4) == 4) {
		at = (head[0] & 0xf) * 4;
		if (head[9] != IPPROTO_UDP || (head[6] & 0x3f) || head[7])
			return false;
		to_mapped(false, NULL, *(__u32 *)(void *)(head + 12), k->src);
		to_mapped(false, NULL, *(__u32 *)(void *)(head + 16), k->dst);
	} else {
		at = 40;
		if (bpf_skb_load_bytes(skb, 0, head, 40) || head[6] != IPPROTO_UDP)
			return false;
		__builtin_memcpy(k->src, head + 8, 16);
		__builtin_memcpy(k->dst, head + 24, 16);
	}
	if (bpf_skb_load_bytes(skb, at, &ports, sizeof(ports)))
		return false;
	k->src_port = bpf_ntohs(ports.src);
	k->dst_port = bpf_ntohs(ports.dst);
	return true;
}

static __always_inline bool is_same_key(const struct flow_key *a, const struct flow_key *b)
{
	const __u64 *x = (const void *)a, *y = (const void *)b;
	__u64 diff = 0;

#pragma unroll
	for (unsigned int i = 0; i < sizeof(*a) / 8; i++)
		diff |= x[i] ^ y[i];
	return !diff;
}

/* A UDP packet on loopback: a question to the gateway, or nothing. One key a socket: a new source
 * address replaces the former, so that nobody can fill the map from one socket. */
static __always_inline int udp_egress(struct __sk_buff *skb, struct bpf_sock *sk)
{
	struct flow_key k = {.protocol = IPPROTO_UDP};
	__u32 dst[4];
	struct stamp *st = bpf_sk_storage_get(&stamps, sk, 0, 0);

	if (!st || st->mode != STAMP_GATE || !udp_tuple(skb, &k) || k.dst_port != st->gate_port)
		return 0;
	__builtin_memcpy(dst, k.dst, 16);
	if (!rules_is_loopback(dst))
		return 0;
	k.netns = st->netns;
	if (st->is_live && !is_same_key(&st->key, &k))
		unpublish(st);
	st->key = k;
	publish(st);
	return 1;
}
