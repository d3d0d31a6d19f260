/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The programs that a kernel must have (5.10 and later), in one object. They are attached to the
 * managed cgroups only: whatever socket meets them is managed, so every doubt refuses, and the rest
 * of the host never runs them. reference: kernel.h for what the daemon does with them. */
#include "guard.bpf.h"
#include "rules_host.bpf.h"

char LICENSE[] SEC("license") = "GPL";

SEC("cgroup/sock_create")
int gate_sock_create(struct bpf_sock *ctx)
{
	struct ask a = {.family = ctx->family, .type = ctx->type, .protocol = ctx->protocol};
	struct stamp *st;

	a.workload = who_workload(&a.cgroup_id);
	if (!a.workload)
		return refuse(&a, REASON_NO_WORKLOAD, EPERM);
	if (!rules_socket_allowed(a.family, a.type, a.protocol))
		return refuse(&a, REASON_PROTOCOL, EPERM);
	st = bpf_sk_storage_get(&stamps, ctx, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!st)
		return refuse(&a, REASON_LIMIT, EPERM);
	st->cgroup_id = a.cgroup_id;
	st->netns = bpf_get_netns_cookie(ctx);
	st->generation = a.workload->generation;
	return 1;
}

SEC("cgroup/connect4")
int gate_connect4(struct bpf_sock_addr *ctx)
{
	struct ask a = {};
	__u16 port = 0;

	ask_v4(ctx, &a);
	int go = decide(ctx, &a, false, &port);
	if (go != GO_GATE)
		return go;
	to_loopback_v4(ctx, port);
	return 1;
}

SEC("cgroup/connect6")
int gate_connect6(struct bpf_sock_addr *ctx)
{
	struct ask a = {};
	__u16 port = 0;

	ask_v6(ctx, &a);
	int go = decide(ctx, &a, false, &port);
	if (go != GO_GATE)
		return go;
	to_loopback_v6(ctx, &a, port);
	return 1;
}

SEC("cgroup/sendmsg4")
int gate_sendmsg4(struct bpf_sock_addr *ctx)
{
	struct ask a = {};
	__u16 port = 0;

	ask_v4(ctx, &a);
	int go = decide(ctx, &a, true, &port);
	if (go != GO_GATE)
		return go;
	to_loopback_v4(ctx, port);
	return 1;
}

SEC("cgroup/sendmsg6")
int gate_sendmsg6(struct bpf_sock_addr *ctx)
{
	struct ask a = {};
	__u16 port = 0;

	ask_v6(ctx, &a);
	int go = decide(ctx, &a, true, &port);
	if (go != GO_GATE)
		return go;
	to_loopback_v6(ctx, &a, port);
	return 1;
}

/* The stamp, if the address in a is the gateway as this socket was sent to it. */
static __always_inline struct stamp *from_gate(struct bpf_sock_addr *ctx, const struct ask *a)
{
	struct bpf_sock *sk = ctx->sk;
	struct stamp *st = sk ? bpf_sk_storage_get(&stamps, sk, 0, 0) : NULL;

	if (!st || st->mode != STAMP_GATE || a->port != st->gate_port || !rules_is_loopback(a->ip))
		return NULL;
	return st;
}

static __always_inline int show_v4(struct bpf_sock_addr *ctx)
{
	struct ask a = {};

	ask_v4(ctx, &a);
	struct stamp *st = from_gate(ctx, &a);
	if (st) {
		ctx->user_ip4 = *(__u32 *)(void *)(st->flow.dst + 12);
		ctx->user_port = bpf_htons(st->flow.dst_port);
	}
	return 1;
}

static __always_inline int show_v6(struct bpf_sock_addr *ctx)
{
	struct ask a = {};

	ask_v6(ctx, &a);
	struct stamp *st = from_gate(ctx, &a);
	if (st) {
		__u32 ip[4];
		__builtin_memcpy(ip, st->flow.dst, 16);
		ctx->user_ip6[0] = ip[0];
		ctx->user_ip6[1] = ip[1];
		ctx->user_ip6[2] = ip[2];
		ctx->user_ip6[3] = ip[3];
		ctx->user_port = bpf_htons(st->flow.dst_port);
	}
	return 1;
}

SEC("cgroup/recvmsg4")
int gate_recvmsg4(struct bpf_sock_addr *ctx)
{
	return show_v4(ctx);
}

SEC("cgroup/recvmsg6")
int gate_recvmsg6(struct bpf_sock_addr *ctx)
{
	return show_v6(ctx);
}

SEC("cgroup/getpeername4")
int gate_peername4(struct bpf_sock_addr *ctx)
{
	return show_v4(ctx);
}

SEC("cgroup/getpeername6")
int gate_peername6(struct bpf_sock_addr *ctx)
{
	return show_v6(ctx);
}

/* The gateway's port is nobody else's, on whatever address. */
static __always_inline int on_bind(struct bpf_sock_addr *ctx, struct ask *a)
{
	int ret = 0;

	if (!ask_who(ctx, a, &ret))
		return ret;
	if (a->port && a->port == gate_port(ctx))
		return refuse(a, REASON_LISTEN, EADDRINUSE);
	return 1;
}

SEC("cgroup/bind4")
int gate_bind4(struct bpf_sock_addr *ctx)
{
	struct ask a = {};

	ask_v4(ctx, &a);
	return on_bind(ctx, &a);
}

SEC("cgroup/bind6")
int gate_bind6(struct bpf_sock_addr *ctx)
{
	struct ask a = {};

	ask_v6(ctx, &a);
	return on_bind(ctx, &a);
}

/* A connection that its owner closed before the daemon took it over keeps its entry: what was sent
 * is waiting in the daemon's queue. The daemon takes it, or the sweep does. */
SEC("cgroup/sock_release")
int gate_sock_release(struct bpf_sock *ctx)
{
	struct stamp *st = bpf_sk_storage_get(&stamps, ctx, 0, 0);
	struct workload *w;

	if (!st || !st->is_live || st->flow.cookie != bpf_get_socket_cookie(ctx))
		return 1;
	if (st->key.protocol == IPPROTO_UDP || !rules_outlives_close(ctx->state))
		unpublish(st);
	w = bpf_map_lookup_elem(&workloads, &st->cgroup_id);
	if (w && w->generation == st->flow.generation)
		__sync_fetch_and_add(&w->live, -1);
	return 1;
}

/* Before the SYN leaves: ports and addresses are known now, and the peer is not yet told. */
SEC("sockops")
int gate_sockops(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk;
	struct stamp *st;
	__u32 src[4] = {}, dst[4] = {};
	bool is_v6 = ctx->family == AF_INET6;

	if (ctx->op != BPF_SOCK_OPS_TCP_CONNECT_CB && ctx->op != BPF_SOCK_OPS_STATE_CB)
		return 1;
	sk = ctx->sk;
	if (sk && ctx->op == BPF_SOCK_OPS_STATE_CB) {
		tally_change(ctx, sk);
		return 1;
	}
	st = sk ? bpf_sk_storage_get(&stamps, sk, 0, 0) : NULL;
	if (!st || st->mode != STAMP_GATE)
		return 1;
	if (is_v6) {
		src[0] = ctx->local_ip6[0];
		src[1] = ctx->local_ip6[1];
		src[2] = ctx->local_ip6[2];
		src[3] = ctx->local_ip6[3];
		dst[0] = ctx->remote_ip6[0];
		dst[1] = ctx->remote_ip6[1];
		dst[2] = ctx->remote_ip6[2];
		dst[3] = ctx->remote_ip6[3];
	}
	__builtin_memset(&st->key, 0, sizeof(st->key));
	to_mapped(is_v6, src, ctx->local_ip4, st->key.src);
	to_mapped(is_v6, dst, ctx->remote_ip4, st->key.dst);
	st->key.netns = st->netns;
	st->key.src_port = ctx->local_port;
	st->key.dst_port = bpf_ntohl(ctx->remote_port);
	st->key.protocol = IPPROTO_TCP;
	publish(st);
	tally_begin(ctx, sk);
	return 1;
}

/* Where nothing above was asked (a raw header, a route, NAT): a managed socket's packet leaves by
 * loopback, and UDP only as a question to the gateway, or not at all. */
SEC("cgroup_skb/egress")
int gate_egress(struct __sk_buff *skb)
{
	struct bpf_sock *sk;

	if (!rules_may_pass_device(skb->ifindex))
		return tally_drop(skb);
	sk = skb->sk;
	if (!sk)
		return 0;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return 1; /* a request socket: the SYN-ACK of a listener, on loopback */
	return sk->protocol == IPPROTO_UDP ? udp_egress(skb, sk) : 1;
}

/* Nothing reaches a managed socket from outside: a listener that never asked bind() is no way in.
 */
SEC("cgroup_skb/ingress")
int gate_ingress(struct __sk_buff *skb)
{
	return rules_may_pass_device(skb->ifindex) ? 1 : tally_drop(skb);
}

/* Devices by which packets, another machine's memory or keystrokes leave, and raw memory and disks of the host. A
 * managed cgroup's own: terminals, GPUs and what else there is stay. Which process tried is told by its task. */
SEC("cgroup/dev")
int gate_device(struct bpf_cgroup_dev_ctx *ctx)
{
	struct ask a = {.type = ctx->access_type & 0xffff, .protocol = ctx->major};

	if (rules_device_allowed((ctx->access_type & 0xffff) == BPF_DEVCG_DEV_BLOCK, ctx->major, ctx->minor))
		return 1;
	a.cgroup_id = bpf_get_current_cgroup_id();
	a.workload = bpf_map_lookup_elem(&workloads, &a.cgroup_id);
	return refuse_plainly(&a, REASON_DEVICE_NODE);
}

/* What makes the kernel send on a socket's behalf. An option that is none of these is taken as the caller gave it. */
SEC("cgroup/setsockopt")
int gate_setsockopt(struct bpf_sockopt *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct ask a = {};
	struct stamp *st;

	if (rules_option_allowed(ctx->level, ctx->optname)) {
		ctx->optlen = 0;
		return 1;
	}
	if (sk) {
		a.family = sk->family;
		a.type = sk->type;
		a.protocol = sk->protocol;
		st = bpf_sk_storage_get(&stamps, sk, 0, 0);
		a.cgroup_id = st ? st->cgroup_id : 0;
	}
	if (a.cgroup_id)
		a.workload = bpf_map_lookup_elem(&workloads, &a.cgroup_id);
	return refuse_plainly(&a, REASON_GROUP);
}
