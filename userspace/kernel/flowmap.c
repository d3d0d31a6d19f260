#include "kernel/flowmap.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>

#include "base/clock.h"
#include "bpf/shared.h"

static void to_info(const struct flow_value *v, struct flow_info *ret)
{
	*ret = (struct flow_info){
	    .cgroup_id = v->cgroup_id,
	    .generation = v->generation,
	    .sock_cookie = v->cookie,
	    .pid = v->pid,
	    .uid = v->uid,
	    .dst.port = v->dst_port,
	    .at_ns = v->at_ns,
	};
	memcpy(ret->comm, v->comm, sizeof(ret->comm));
	memcpy(ret->exe, v->exe, sizeof(ret->exe));
	memcpy(ret->dst.ip, v->dst, 16);
	ret->comm[sizeof(ret->comm) - 1] = ret->exe[sizeof(ret->exe) - 1] = '\0';
}

int flowmap_take(int flow_map_fd, uint64_t netns_cookie, bool is_udp, const struct addr *peer,
		 const struct addr *local, struct flow_info *ret)
{
	struct flow_key k = {
	    .netns = netns_cookie,
	    .src_port = peer->port,
	    .dst_port = local->port,
	    .protocol = is_udp ? IPPROTO_UDP : IPPROTO_TCP,
	};
	struct flow_value v;
	uint64_t now = clock_mono_ns();

	memcpy(k.src, peer->ip, 16);
	memcpy(k.dst, local->ip, 16);
	int err = bpf_map_lookup_elem(flow_map_fd, &k, &v);
	if (err == -ENOENT)
		return ERR_NOT_FOUND;
	if (err)
		return err;
	if (!is_udp)
		bpf_map_delete_elem(flow_map_fd, &k);
	if (v.at_ns < now && now - v.at_ns > FLOW_STALE_NS)
		return ERR_NOT_FOUND;
	to_info(&v, ret);
	return 0;
}

static int dest_key(const uint8_t net[16], int prefix_len, uint16_t port, struct dest_key *ret)
{
	if (prefix_len < 0 || prefix_len > 128)
		return ERR_LIMIT;
	*ret = (struct dest_key){
	    .bits = 16 + (uint32_t)prefix_len,
	    .port_be = {(uint8_t)(port >> 8), (uint8_t)port},
	};
	memcpy(ret->net, net, 16);
	return 0;
}

int dest_add(int dest_map_fd, const uint8_t net[16], int prefix_len, uint16_t port)
{
	struct dest_key k;
	uint32_t on = 1;
	int err = dest_key(net, prefix_len, port, &k);
	return err ? err : bpf_map_update_elem(dest_map_fd, &k, &on, BPF_ANY);
}

int dest_del(int dest_map_fd, const uint8_t net[16], int prefix_len, uint16_t port)
{
	struct dest_key k;
	int err = dest_key(net, prefix_len, port, &k);
	if (!err)
		err = bpf_map_delete_elem(dest_map_fd, &k);
	return err == -ENOENT ? ERR_NOT_FOUND : err;
}

int dest_clear(int dest_map_fd)
{
	struct dest_key k;
	int err;
	/* The first key anew each time: a deletion may end an iteration early. */
	while (!(err = bpf_map_get_next_key(dest_map_fd, NULL, &k))) {
		err = bpf_map_delete_elem(dest_map_fd, &k);
		if (err && err != -ENOENT)
			return err;
	}
	return err == -ENOENT ? 0 : err;
}
