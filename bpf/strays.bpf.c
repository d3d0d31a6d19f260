/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Ends sockets from before an enrolment. Optional, loaded apart and only while a cgroup is attached: the kernel lets
 * an iterator over sockets destroy them (bpf_sock_destroy, Linux 6.5). What is in question stands in `strays` by its
 * cookie. First a walk over what all processes hold says which of these the cgroup's own processes made: whatever is
 * tried on such a socket later meets the cgroup's programs. One of another cgroup could be connected anew behind our
 * back. Then a walk over the sockets of a network namespace finds them, and ends them where it is told to. */
#include "lsm_types.bpf.h"

#include "shared.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

#define TCP_TIME_WAIT	 6
#define TCP_CLOSE	 7
#define TCP_NEW_SYN_RECV 12

/* The cgroup that is enrolled. */
const volatile __u64 target_id = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, STRAYS_MAX);
	__type(key, __u64);
	__type(value, __u32); /* enum stray_state */
} strays SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32); /* not 0: end them */
} may_end SEC(".maps");

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct udp_sock {
	char dummy;
};
struct bpf_iter__task_file {
	struct file *file;
};
struct bpf_iter__tcp {
	struct sock_common *sk_common;
};
struct bpf_iter__udp {
	struct udp_sock *udp_sk;
};
#pragma clang attribute pop

extern int bpf_sock_destroy(struct sock_common *sk) __ksym;

static __always_inline bool is_of_target(struct sock *sk)
{
	struct cgroup *cg = BPF_CORE_READ(sk, sk_cgrp_data.cgroup);

	for (int level = 0; level < CGROUP_DEPTH && cg; level++) {
		if (BPF_CORE_READ(cg, kn, id) == target_id)
			return true;
		cg = (struct cgroup *)BPF_CORE_READ(cg, self.parent);
	}
	return false;
}

/* A TCP socket that is closed (bound or not: to listen is no way in), a UDP socket without a port. */
static __always_inline bool is_idle(struct sock *sk)
{
	if (BPF_CORE_READ(sk, sk_protocol) == IPPROTO_TCP)
		return BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_CLOSE;
	return !BPF_CORE_READ(sk, __sk_common.skc_num);
}

SEC("iter/task_file")
int whose_socket(struct bpf_iter__task_file *ctx)
{
	struct file *file = ctx->file;
	struct socket *socket = file ? bpf_sock_from_file(file) : NULL;
	struct sock *sk;
	__u64 cookie;
	__u32 *state;

	if (!socket)
		return 0;
	sk = BPF_CORE_READ(socket, sk);
	if (!sk)
		return 0;
	cookie = (__u64)BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	state = bpf_map_lookup_elem(&strays, &cookie);
	if (!state || *state == STRAY_ENDED)
		return 0;
	if (!is_of_target(sk))
		*state = STRAY_FOREIGN;
	else
		*state = is_idle(sk) ? STRAY_IDLE : STRAY_HELD;
	return 0;
}

static __always_inline void end(struct sock_common *skc)
{
	__u64 cookie = bpf_get_socket_cookie(skc);
	__u32 zero = 0, *state = bpf_map_lookup_elem(&strays, &cookie), *may = bpf_map_lookup_elem(&may_end, &zero);

	if (!state || !may || *state != STRAY_HELD)
		return;
	*state = *may && !bpf_sock_destroy(skc) ? STRAY_ENDED : STRAY_FOUND;
}

SEC("iter/tcp")
int end_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *skc = ctx->sk_common;

	/* What has no whole socket behind it belongs to no process. */
	if (skc && skc->skc_state != TCP_TIME_WAIT && skc->skc_state != TCP_NEW_SYN_RECV)
		end(skc);
	return 0;
}

SEC("iter/udp")
int end_udp(struct bpf_iter__udp *ctx)
{
	struct sock_common *skc = (struct sock_common *)ctx->udp_sk;

	if (skc)
		end(skc);
	return 0;
}
