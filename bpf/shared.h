/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The only header that both worlds include: keys, values and events of the maps. Fixed widths,
 * explicit padding, sizes asserted. An address is 16 bytes, IPv4 in its v4-mapped form
 * (::ffff:a.b.c.d); ports are in host order unless the name ends in _be. Raise SHARED_ABI with
 * every change of a layout: maps are pinned under it, and a new daemon takes over only maps of its
 * own ABI. */
#pragma once

#include <linux/types.h>

#define SHARED_ABI     1
#define COMM_LEN       16
#define EXE_LEN	       128
#define CGROUP_DEPTH   32	      /* how many levels of cgroups are searched for a workload */
#define HEART_STALE_NS 3000000000ull  /* connects are refused when the last beat is older */
#define FLOW_STALE_NS  60000000000ull /* an unclaimed flow is swept, and not believed, after this  \
				       */
#define LIVE_MAX       8192	      /* redirected sockets of one workload at a time */
#define EVENTS_PER_SEC 200	      /* refusals of one workload that are told one by one */
#define EVENTS_BYTES   (1024 * 1024)
#define DNS_PORT       53

/* workloads[cgroup id]: the managed cgroups. What is inside the managed root without one is
 * refused. */
struct workload {
	__u32 generation;
	__u32 suppressed; /* refusals not told since the last one that was */
	__u64 connects, refused;
	__s64 live;	 /* sockets that published a flow and are still open */
	__u64 window_ns; /* start of the current second of EVENTS_PER_SEC */
	__u64 window_n;
};
_Static_assert(sizeof(struct workload) == 48, "layout");

/* tallies[cgroup id]: what the sockets of a workload that were sent to the gateway carried, as the kernel saw it: TCP
 * payload, without repeats. up: from the workload. Kept apart from struct workload, so that an older daemon's maps stay
 * what they are. */
struct tally {
	__u32 generation;
	__u32 pad;
	__u64 opened, closed; /* connections that were established; of these, ended */
	__u64 used;	      /* of these, that carried a byte */
	__u64 up_min, up_max; /* what the gateway's kernel acknowledged; what left at most */
	__u64 down;	      /* what arrived */
	__u64 dropped;	      /* packets that would have left by another way */
};
_Static_assert(sizeof(struct tally) == 64, "layout");

/* legs (socket storage): what of a connection stands in the tally already. */
struct leg {
	__u64 up_min, up_max, down;
	__u8 is_open, is_used;
	__u8 pad[6];
};
_Static_assert(sizeof(struct leg) == 32, "layout");

/* gates[netns cookie]: where the daemon listens inside that network namespace. None: all is
 * refused. */
struct gate {
	__u16 port;
	__u16 pad[3];
};
_Static_assert(sizeof(struct gate) == 8, "layout");

/* dests (LPM): what is declared. bits = 16 + prefix length of net; port_be 0 is any port. */
struct dest_key {
	__u32 bits;
	__u8 port_be[2];
	__u8 net[16];
	__u8 pad[2];
};
_Static_assert(sizeof(struct dest_key) == 24, "layout");

/* flows[key]: who is behind a connection to the gateway. src is the workload's end, dst is ours. */
struct flow_key {
	__u64 netns;
	__u8 src[16], dst[16];
	__u16 src_port, dst_port;
	__u8 protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 pad[3];
};
_Static_assert(sizeof(struct flow_key) == 48, "layout");

struct flow_value {
	__u64 cgroup_id; /* of the workload */
	__u64 cookie;	 /* of the workload's socket */
	__u64 at_ns;	 /* CLOCK_MONOTONIC */
	__u32 generation, pid, uid;
	__u16 dst_port, pad;
	__u8 dst[16]; /* what it asked for */
	char comm[COMM_LEN];
	char exe[EXE_LEN]; /* last components of the path, NUL-terminated */
};
_Static_assert(sizeof(struct flow_value) == 200, "layout");

/* What a managed socket carries from its creation on (socket storage, cloned to accepted children).
 */
enum stamp_mode { STAMP_NEW, STAMP_GATE, STAMP_LOCAL };
struct stamp {
	__u64 cgroup_id, netns; /* of its creator */
	__u16 gate_port;	/* STAMP_GATE: where it was sent to */
	__u8 mode;
	__u8 is_live; /* counted in workload.live; key is valid */
	__u32 generation;
	struct flow_key key;
	struct flow_value flow;
	char exe_room[EXE_LEN]; /* so that a component may be read at any offset of flow.exe */
};
_Static_assert(sizeof(struct stamp) == 400, "layout");

/* Why something was refused: name, text on record. */
#define REASON_LIST(X)                                                                             \
	X(NOT_DECLARED, "not declared")                                                            \
	X(PROTOCOL, "protocol")                                                                    \
	X(UDP, "UDP other than DNS")                                                               \
	X(STALE, "the gateway is not running")                                                     \
	X(NO_GATE, "no listener in this network namespace")                                        \
	X(GATE, "the gateway's own port")                                                          \
	X(NO_WORKLOAD, "no identity bound to this cgroup")                                         \
	X(FOREIGN_SOCKET, "a socket of another workload")                                          \
	X(DEVICE, "bound to a device")                                                             \
	X(LIMIT, "too many connections at once")                                                   \
	X(LISTEN, "listening on the gateway's port")                                               \
	X(FAMILY, "socket family")                                                                 \
	X(UNIX, "a Unix socket of a process outside")                                              \
	X(HANDED, "a socket handed in from outside")                                               \
	X(TRACE, "ptrace of a process outside")                                                    \
	X(BPF, "bpf(2)")                                                                           \
	X(CGROUP, "leaving the cgroup")                                                            \
	X(DEVICE_NODE, "a device of the host")                                                     \
	X(GROUP, "joining a multicast group")

enum reason {
#define X(name, text) REASON_##name,
	REASON_LIST(X)
#undef X
	    REASON_COUNT
};

/* Of these, what nobody does by accident: name, vector on record. The others are connects that are not declared. */
#define VECTOR_LIST(X)                                                                             \
	X(PROTOCOL, "protocol")                                                                    \
	X(NO_GATE, "network-namespace")                                                            \
	X(GATE, "gateway-port")                                                                    \
	X(FOREIGN_SOCKET, "foreign-socket")                                                        \
	X(DEVICE, "bound-device")                                                                  \
	X(LISTEN, "gateway-port")                                                                  \
	X(FAMILY, "socket-family")                                                                 \
	X(UNIX, "unix-socket")                                                                     \
	X(HANDED, "handed-socket")                                                                 \
	X(TRACE, "trace")                                                                          \
	X(BPF, "bpf")                                                                              \
	X(CGROUP, "cgroup")                                                                        \
	X(DEVICE_NODE, "device")                                                                   \
	X(GROUP, "multicast-group")

/* strays[socket cookie] (only while a cgroup is attached): what is known of a socket from before. */
#define STRAYS_MAX 4096
enum stray_state {
	STRAY_UNSEEN,  /* no process holds it any more, or none that can be seen */
	STRAY_FOREIGN, /* made in another cgroup */
	STRAY_HELD,    /* made in this one; not met in a network namespace of its processes */
	STRAY_FOUND,   /* and met there: may be ended */
	STRAY_IDLE,    /* made in this one, without a connection or a port: nothing to end */
	STRAY_ENDED,
};

/* events (ring buffer): one refusal. */
struct refusal_event {
	__u64 cgroup_id; /* of the workload; of the task's own cgroup if there is none */
	__u32 pid, uid;
	__u32 suppressed;
	__u16 dst_port, protocol;
	__u8 dst[16];
	__u8 family, type, reason, has_dst;
	__u32 pad;
	char comm[COMM_LEN];
	char exe[EXE_LEN];
	char exe_room[EXE_LEN];
};
_Static_assert(sizeof(struct refusal_event) == 320, "layout");
