/* Over real maps of the same kind. Needs root. */
#include "kernel/flowmap.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>

#include "base/clock.h"
#include "base/macro.h"
#include "bpf/shared.h"
#include "tests/unit/tap.h"

static struct addr at(const char *ip, uint16_t port)
{
	struct addr a = {0};
	CHECK_INT(addr_parse_ip(ip, &a), 0);
	a.port = port;
	return a;
}

static int put(int fd, uint64_t netns, uint8_t protocol, uint64_t at_ns)
{
	struct flow_key k = {
	    .netns = netns, .src_port = 40000, .dst_port = 900, .protocol = protocol};
	struct flow_value v = {.cgroup_id = 11,
			       .cookie = 12,
			       .at_ns = at_ns,
			       .generation = 13,
			       .pid = 14,
			       .uid = 15,
			       .dst_port = 5432};
	struct addr lo = at("127.0.0.1", 0), db = at("10.1.2.3", 0);
	memcpy(k.src, lo.ip, 16);
	memcpy(k.dst, lo.ip, 16);
	memcpy(v.dst, db.ip, 16);
	memset(v.comm, 'c', sizeof(v.comm)); /* no NUL from the kernel: still a string for us */
	strcpy(v.exe, "/usr/bin/psql");
	return bpf_map_update_elem(fd, &k, &v, BPF_ANY);
}

static void test_stale(int fd, const struct addr *peer, const struct addr *local)
{
	uint64_t now = clock_mono_ns(), age = FLOW_STALE_NS + NS_PER_SEC;
	struct flow_info i;
	if (now < age) {
		SKIP("the machine has not been up for long enough to have an old flow");
		return;
	}
	CHECK_INT(put(fd, 1, IPPROTO_TCP, now - age), 0);
	CHECK_INT(flowmap_take(fd, 1, false, peer, local, &i), ERR_NOT_FOUND);
}

static void test_take(void)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "flows", sizeof(struct flow_key),
				sizeof(struct flow_value), 16, NULL);
	struct addr peer = at("127.0.0.1", 40000), local = at("127.0.0.1", 900),
		    other = at("127.0.0.1", 40001), db = at("10.1.2.3", 5432);
	struct flow_info i;
	CHECK_INT(put(fd, 1, IPPROTO_TCP, clock_mono_ns()), 0);
	CHECK_INT(flowmap_take(fd, 2, false, &peer, &local, &i),
		  ERR_NOT_FOUND); /* another namespace */
	CHECK_INT(flowmap_take(fd, 1, true, &peer, &local, &i),
		  ERR_NOT_FOUND); /* another protocol */
	CHECK_INT(flowmap_take(fd, 1, false, &other, &local, &i), ERR_NOT_FOUND);
	CHECK_INT(flowmap_take(fd, 1, false, &local, &peer, &i), ERR_NOT_FOUND);
	CHECK_INT(flowmap_take(fd, 1, false, &peer, &local, &i), 0);
	CHECK_INT(i.cgroup_id, 11);
	CHECK_INT(i.sock_cookie, 12);
	CHECK_INT(i.generation, 13);
	CHECK_INT(i.pid, 14);
	CHECK_INT(i.uid, 15);
	CHECK(addr_eq(&i.dst, &db));
	CHECK_STR(i.exe, "/usr/bin/psql");
	CHECK_INT(strlen(i.comm), 15);
	CHECK_INT(flowmap_take(fd, 1, false, &peer, &local, &i), ERR_NOT_FOUND); /* once */
	CHECK_INT(put(fd, 1, IPPROTO_UDP, clock_mono_ns()), 0);
	CHECK_INT(flowmap_take(fd, 1, true, &peer, &local, &i), 0);
	CHECK_INT(flowmap_take(fd, 1, true, &peer, &local, &i), 0); /* a datagram socket stays */
	test_stale(fd, &peer, &local);
	CHECK_INT(put(fd, 1, IPPROTO_TCP, clock_mono_ns()), 0);
	close(fd);
	CHECK_INT(flowmap_take(fd, 1, false, &peer, &local, &i), -EBADF);
}

static bool is_declared(int fd, const char *ip, uint16_t port)
{
	struct dest_key k = {.bits = 16 + 128};
	struct addr a = at(ip, port);
	uint32_t v;
	memcpy(k.net, a.ip, 16);
	k.port_be[0] = (uint8_t)(port >> 8);
	k.port_be[1] = (uint8_t)port;
	if (!bpf_map_lookup_elem(fd, &k, &v))
		return true;
	k.port_be[0] = k.port_be[1] = 0;
	return !bpf_map_lookup_elem(fd, &k, &v);
}

static void test_dest(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	int fd = bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "dests", sizeof(struct dest_key),
				sizeof(uint32_t), 64, &opts);
	struct addr net = at("10.1.0.0", 0), one = at("2001:db8::5", 0), all = at("0.0.0.0", 0);
	CHECK_INT(dest_add(fd, net.ip, 96 + 16, 5432), 0);
	CHECK_INT(dest_add(fd, net.ip, 96 + 16, 5432), 0); /* twice is once */
	CHECK_INT(dest_add(fd, one.ip, 128, 0), 0);
	CHECK(is_declared(fd, "10.1.255.9", 5432));
	CHECK(!is_declared(fd, "10.1.255.9", 5433));
	CHECK(!is_declared(fd, "10.2.0.1", 5432));
	CHECK(is_declared(fd, "2001:db8::5", 1));
	CHECK(!is_declared(fd, "2001:db8::6", 1));
	CHECK_INT(dest_add(fd, all.ip, 96, 443), 0);
	CHECK(is_declared(fd, "203.0.113.1", 443));
	CHECK(!is_declared(fd, "2001:db8::6", 443)); /* all of IPv4 is not IPv6 */
	CHECK_INT(dest_del(fd, net.ip, 96 + 16, 5432), 0);
	CHECK_INT(dest_del(fd, net.ip, 96 + 16, 5432), ERR_NOT_FOUND);
	CHECK(!is_declared(fd, "10.1.255.9", 5432));
	CHECK_INT(dest_add(fd, net.ip, 129, 1), ERR_LIMIT);
	CHECK_INT(dest_add(fd, net.ip, -1, 1), ERR_LIMIT);
	CHECK_INT(dest_clear(fd), 0);
	CHECK_INT(dest_clear(fd), 0);
	CHECK(!is_declared(fd, "203.0.113.1", 443));
	CHECK(!is_declared(fd, "2001:db8::5", 1));
	close(fd);
}

int main(void)
{
	if (geteuid()) {
		SKIP("needs root");
		return tap_done();
	}
	test_take();
	test_dest();
	return tap_done();
}
