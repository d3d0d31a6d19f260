/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What a workload's connections to the gateway carried, counted apart from the gateway: the record is held against it
 * when the workload ends (userspace/record/ledger.h). */
#pragma once

#include "facts.bpf.h"

#define TCP_SYN_SENT_STATE 2

static __always_inline struct tally *tally_of(const struct stamp *st)
{
	__u64 id = st->cgroup_id;
	struct tally *t = bpf_map_lookup_elem(&tallies, &id);

	return t && t->generation == st->generation ? t : NULL;
}

/* Asks to be called when the state of this connection changes. */
static __always_inline void tally_begin(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	if (bpf_sk_storage_get(&legs, sk, 0, BPF_SK_STORAGE_GET_F_CREATE))
		bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
}

static __always_inline void tally_state(struct tally *t, struct leg *leg, __u32 from, __u32 to)
{
	if (from == TCP_SYN_SENT_STATE && to == BPF_TCP_ESTABLISHED && !leg->is_open) {
		leg->is_open = 1;
		__sync_fetch_and_add(&t->opened, 1);
	}
	if (to == BPF_TCP_CLOSE && leg->is_open) {
		leg->is_open = 0;
		__sync_fetch_and_add(&t->closed, 1);
	}
}

/* The difference to what was said before: sums, whatever the order of changes. */
static __always_inline void tally_change(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct leg *leg = bpf_sk_storage_get(&legs, sk, 0, 0), now = {};
	struct stamp *st = bpf_sk_storage_get(&stamps, sk, 0, 0);
	struct tally *t = st ? tally_of(st) : NULL;
	__u32 from = ctx->args[0], to = ctx->args[1];

	if (!leg || !t)
		return;
	tally_state(t, leg, from, to);
	rules_leg(from, to, ctx->bytes_acked, ctx->snd_nxt - ctx->snd_una, ctx->bytes_received, &now);
	__sync_fetch_and_add(&t->up_min, now.up_min - leg->up_min);
	__sync_fetch_and_add(&t->up_max, now.up_max - leg->up_max);
	__sync_fetch_and_add(&t->down, now.down - leg->down);
	if (!leg->is_used && (now.up_min || now.down)) {
		leg->is_used = 1;
		__sync_fetch_and_add(&t->used, 1);
	}
	leg->up_min = now.up_min;
	leg->up_max = now.up_max;
	leg->down = now.down;
}

/* A packet that may not leave, or come in. Returns 0, which drops it. */
static __always_inline int tally_drop(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct stamp *st;
	struct tally *t;

	sk = sk ? bpf_sk_fullsock(sk) : NULL;
	st = sk ? bpf_sk_storage_get(&stamps, sk, 0, 0) : NULL;
	t = st ? tally_of(st) : NULL;
	if (t)
		__sync_fetch_and_add(&t->dropped, 1);
	return 0;
}
