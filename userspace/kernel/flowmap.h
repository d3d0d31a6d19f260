/* The proxy's side of the maps: who is behind an accepted connection, and which destinations are
 * declared. Uses only lookup, update and delete on inherited map descriptors. */
#pragma once

#include "base/addr.h"

/* Who connected and where to: the kernel's word, published before the SYN left. */
struct flow_info {
	uint64_t cgroup_id; /* of the workload (the managed cgroup, not the leaf) */
	uint32_t generation;
	uint64_t sock_cookie;
	uint32_t pid, uid;
	char comm[16], exe[128];
	struct addr dst; /* what the workload asked for */
	uint64_t at_ns;	 /* CLOCK_MONOTONIC */
};

/* peer: the workload's end of the loopback leg; local: ours. Removes the entry (TCP).
 * ERR_NOT_FOUND: close the connection. */
must_check int flowmap_take(int flow_map_fd, uint64_t netns_cookie, bool is_udp,
			    const struct addr *peer, const struct addr *local,
			    struct flow_info *ret);

/* Declares that connects to net/prefix_len (of the v4-mapped form) on port (0: any) are redirected
 * to the gateway; everything else is refused in the kernel. */
must_check int dest_add(int dest_map_fd, const uint8_t net[16], int prefix_len, uint16_t port);
must_check int dest_del(int dest_map_fd, const uint8_t net[16], int prefix_len, uint16_t port);
/* Removes every entry. */
must_check int dest_clear(int dest_map_fd);
