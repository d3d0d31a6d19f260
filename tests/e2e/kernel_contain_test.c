/* What must not get out of a managed cgroup, each way tried for real and judged at a sink behind a
 * wire: nothing arrives there, while the same from an unmanaged cgroup does. Needs root. */
#include <linux/io_uring.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <sys/syscall.h>

#include "tests/e2e/kernel_probe.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#ifndef MSG_FASTOPEN
#define MSG_FASTOPEN 0x20000000
#endif

static struct sockaddr_storage out_sa(int family, uint16_t port, socklen_t *ret_len)
{
	struct sockaddr_storage sa;
	struct addr a = addr_of(family == AF_INET6 ? env.out6 : env.out4, port);
	*ret_len = addr_to_sockaddr(&a, &sa);
	return sa;
}

static int connect_from(int fd, int family, bool is_mapped)
{
	socklen_t len;
	struct sockaddr_storage sa = out_sa(family, SINK_PORT, &len);
	if (fd < 0)
		return errno;
	if (is_mapped) {
		struct addr a = addr_of(env.out4, SINK_PORT);
		len = sockaddr_for(AF_INET6, &a, &sa);
	}
	return connect(fd, (struct sockaddr *)&sa, len) ? errno : hear(fd, "sink");
}

static int p_tcp4(void *arg)
{
	(void)arg;
	return connect_from(socket(AF_INET, SOCK_STREAM, 0), AF_INET, false);
}

static int p_tcp6(void *arg)
{
	(void)arg;
	return connect_from(socket(AF_INET6, SOCK_STREAM, 0), AF_INET6, false);
}

static int p_mapped(void *arg)
{
	(void)arg;
	return connect_from(socket(AF_INET6, SOCK_STREAM, 0), AF_INET, true);
}

static int p_mptcp(void *arg)
{
	(void)arg;
	return connect_from(socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP), AF_INET, false);
}

static int p_device(void *arg)
{
	char name[16];
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	(void)arg;
	snprintf(name, sizeof(name), "kt%d", getppid());
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, sizeof(name)))
		return errno;
	return connect_from(fd, AF_INET, false);
}

static int p_mark(void *arg)
{
	int mark = 0x539, fd = socket(AF_INET, SOCK_STREAM, 0);
	(void)arg;
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)))
		return errno;
	return connect_from(fd, AF_INET, false);
}

static int p_fastopen(void *arg)
{
	socklen_t len;
	struct sockaddr_storage sa = out_sa(AF_INET, SINK_PORT, &len);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	(void)arg;
	if (fd < 0 || sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&sa, len) < 0)
		return errno;
	return hear(fd, "sink");
}

static int p_fastopen_connect(void *arg)
{
	int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
	(void)arg;
	if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof(on)))
		return errno;
	return connect_from(fd, AF_INET, false);
}

static int udp_to(int family, uint16_t port)
{
	socklen_t len;
	struct sockaddr_storage sa = out_sa(family, port, &len);
	int fd = socket(family, SOCK_DGRAM, 0);
	return fd < 0 || sendto(fd, "x", 1, 0, (struct sockaddr *)&sa, len) < 0 ? errno : 0;
}

static int p_udp4(void *arg)
{
	(void)arg;
	return udp_to(AF_INET, 443);
}

static int p_udp6(void *arg)
{
	(void)arg;
	return udp_to(AF_INET6, 443);
}

static int p_udp_connected(void *arg)
{
	socklen_t len;
	struct sockaddr_storage sa = out_sa(AF_INET, 443, &len);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	(void)arg;
	return fd < 0 || connect(fd, (struct sockaddr *)&sa, len) || send(fd, "x", 1, 0) < 0 ? errno
											     : 0;
}

/* A socket that the gateway serves, turned elsewhere. */
static int p_udp_unspec(void *arg)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	socklen_t len;
	struct sockaddr_storage dns = out_sa(AF_INET, 53, &len), sa = out_sa(AF_INET, 443, &len);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	(void)arg;
	if (fd < 0 || connect(fd, (struct sockaddr *)&dns, len) || connect(fd, &none, sizeof(none)))
		return errno;
	return sendto(fd, "x", 1, 0, (struct sockaddr *)&sa, len) < 0 ? errno : 0;
}

static int p_udp_many(void *arg)
{
	socklen_t len;
	struct sockaddr_storage dns = out_sa(AF_INET, 53, &len), sa = out_sa(AF_INET, 443, &len);
	struct iovec v = {"x", 1};
	struct mmsghdr m[2] = {{.msg_hdr = {&dns, len, &v, 1, NULL, 0, 0}},
			       {.msg_hdr = {&sa, len, &v, 1, NULL, 0, 0}}};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	(void)arg;
	if (fd < 0)
		return errno;
	return sendmmsg(fd, m, 2, 0) == 2 ? 0 : EPERM;
}

/* DNS is redirected by address; the packet information asks for the wire all the same. Only the
 * backstop below the sockets stands there. */
static int p_udp_pktinfo(void *arg)
{
	char control[CMSG_SPACE(sizeof(struct in_pktinfo))] = "", name[16];
	socklen_t len;
	struct sockaddr_storage sa = out_sa(AF_INET, 53, &len);
	struct iovec v = {"x", 1};
	struct msghdr m = {&sa, len, &v, 1, control, sizeof(control), 0};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	struct in_pktinfo *info = (void *)CMSG_DATA(c);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	(void)arg;
	snprintf(name, sizeof(name), "kt%d", getppid());
	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(*info));
	info->ipi_ifindex = (int)if_nametoindex(name);
	return fd < 0 || sendmsg(fd, &m, 0) < 0 ? errno : 0;
}

static int p_raw(void *arg)
{
	socklen_t len;
	struct sockaddr_storage sa = out_sa(AF_INET, 0, &len);
	struct icmphdr echo = {.type = ICMP_ECHO, .checksum = 0xfff7};
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	(void)arg;
	return fd < 0 || sendto(fd, &echo, sizeof(echo), 0, (struct sockaddr *)&sa, len) < 0 ? errno
											     : 0;
}

static int p_raw_header(void *arg)
{
	socklen_t len;
	struct sockaddr_storage sa = out_sa(AF_INET, 0, &len);
	struct iphdr ip = {.version = 4,
			   .ihl = 5,
			   .ttl = 9,
			   .protocol = 253,
			   .daddr = ((struct sockaddr_in *)&sa)->sin_addr.s_addr};
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	(void)arg;
	return fd < 0 || sendto(fd, &ip, sizeof(ip), 0, (struct sockaddr *)&sa, len) < 0 ? errno
											 : 0;
}

static int p_udplite(void *arg)
{
	socklen_t len;
	struct sockaddr_storage sa = out_sa(AF_INET, 443, &len);
	int fd = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE);
	(void)arg;
	return fd < 0 || sendto(fd, "x", 1, 0, (struct sockaddr *)&sa, len) < 0 ? errno : 0;
}

static void *map_ring(int ring, size_t size, off_t which)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, which);
}

/* connect() that is no connect(2): one entry through io_uring, submitted by the task itself or by
 * the kernel's polling thread. */
static int uring_connect(unsigned int flags)
{
	struct io_uring_params p = {.flags = flags, .sq_thread_idle = 50};
	socklen_t len;
	struct sockaddr_storage sa = out_sa(AF_INET, SINK_PORT, &len);
	int fd = socket(AF_INET, SOCK_STREAM, 0), ring = (int)syscall(SYS_io_uring_setup, 4, &p);
	if (fd < 0 || ring < 0)
		return fd < 0 ? errno : BROKEN;
	size_t cq_size = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
	uint8_t *sq = map_ring(ring, p.sq_off.array + 4 * p.sq_entries, IORING_OFF_SQ_RING);
	uint8_t *cq = map_ring(ring, cq_size, IORING_OFF_CQ_RING);
	struct io_uring_sqe *e = map_ring(ring, p.sq_entries * sizeof(*e), IORING_OFF_SQES);
	*e = (struct io_uring_sqe){
	    .opcode = IORING_OP_CONNECT, .fd = fd, .addr = (uintptr_t)&sa, .off = len};
	*(unsigned int *)(sq + p.sq_off.array) = 0;
	__atomic_store_n((unsigned int *)(sq + p.sq_off.tail), 1, __ATOMIC_RELEASE);
	for (int i = 0; i < 100; i++) {
		syscall(SYS_io_uring_enter, ring, 1, 0, flags ? IORING_ENTER_SQ_WAKEUP : 0, NULL,
			0);
		if (__atomic_load_n((unsigned int *)(cq + p.cq_off.tail), __ATOMIC_ACQUIRE)) {
			int res = ((struct io_uring_cqe *)(void *)(cq + p.cq_off.cqes))->res;
			return res ? -res : hear(fd, "sink");
		}
		sleep_ms(20);
	}
	return BROKEN;
}

static int p_uring(void *arg)
{
	(void)arg;
	return uring_connect(0);
}

static int p_uring_poll(void *arg)
{
	(void)arg;
	return uring_connect(IORING_SETUP_SQPOLL);
}

static const struct way {
	const char *name;
	int (*probe)(void *arg);
	const char *reason; /* on record */
} ways[] = {
    {"tcp4", p_tcp4, "not declared"},
    {"tcp6", p_tcp6, "not declared"},
    {"v4-mapped", p_mapped, "not declared"},
    {"bound to a device", p_device, "not declared"},
    {"marked", p_mark, "not declared"},
    {"MSG_FASTOPEN", p_fastopen, "not declared"},
    {"TCP_FASTOPEN_CONNECT", p_fastopen_connect, "not declared"},
    {"io_uring", p_uring, "not declared"},
    {"io_uring, polled", p_uring_poll, "not declared"},
    {"mptcp", p_mptcp, "protocol"},
    {"udp4", p_udp4, "UDP other than DNS"},
    {"udp6", p_udp6, "UDP other than DNS"},
    {"connected udp", p_udp_connected, "UDP other than DNS"},
    {"udp after AF_UNSPEC", p_udp_unspec, "UDP other than DNS"},
    {"sendmmsg", p_udp_many, "UDP other than DNS"},
    {"udp with packet information", p_udp_pktinfo, NULL},
    {"raw icmp", p_raw, "protocol"},
    {"raw with header", p_raw_header, "protocol"},
    {"udp-lite", p_udplite, "protocol"},
};

/* The control: whatever it answers, it arrives. false: this kernel has no such protocol at all. */
static bool has_way(const struct way *way)
{
	long before = env.sink->frames;
	int err = run_in(NULL, way->probe, NULL);
	sleep_ms(60);
	if (err == EPROTONOSUPPORT) {
		printf("SKIP %s: not on this kernel, the control fails too\n", way->name);
		tap_skipped++;
		return false;
	}
	if (env.sink->frames == before)
		printf("note: control %s: errno %d\n", way->name, err);
	CHECK(env.sink->frames > before);
	return true;
}

static void test_way(const struct work *w, const struct way *way)
{
	if (!has_way(way))
		return;
	long before = env.sink->frames;
	uint64_t from = clock_mono_ns();
	int err = run_in(w->path, way->probe, NULL);
	sleep_ms(60);
	if (env.sink->frames != before || err <= 0 || err >= NO_SOCKET)
		printf("note: %s: errno %d, %ld frames\n", way->name, err,
		       env.sink->frames - before);
	CHECK_INT(env.sink->frames, before);
	CHECK(err > 0 && err < NO_SOCKET);
	CHECK(clock_mono_ns() - from < 2 * NS_PER_SEC);
	if (way->reason)
		CHECK(was_refused(w->id, NULL, way->reason, NULL));
}

static void test_refusal_event(const struct work *w)
{
	struct addr to = addr_of(env.out4, SINK_PORT);
	struct refusal r = {0};
	CHECK(was_refused(w->id, &to, "not declared", &r));
	CHECK(!strcmp(r.comm, "kernel_contain_") || !strncmp(r.comm, "iou-sqp", 7));
	CHECK(strstr(r.exe, "/kernel_contain_test") != NULL);
	CHECK(r.family == AF_INET || r.family == AF_INET6);
	CHECK_INT(r.type, SOCK_STREAM);
	CHECK_INT(r.protocol, IPPROTO_TCP);
	CHECK_INT(r.uid, 0);
}

/* In the managed root, or in a cgroup in it that was never bound: nothing at all. */
static void test_unbound(void)
{
	struct work w = work_new("s-unbound", 0);
	CHECK_INT(run_in(w.path, p_tcp4, NULL), EPERM);
	CHECK(was_refused(w.id, NULL, "no identity bound to this cgroup", NULL));
	work_end(&w);
}

/* Inbound: a listener that never asked bind(). */
static int p_listen(void *arg)
{
	int *fds = arg, fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in me;
	socklen_t len = sizeof(me);
	if (fd < 0 || listen(fd, 5) || getsockname(fd, (struct sockaddr *)&me, &len) ||
	    write(fds[1], &me.sin_port, 2) != 2)
		return BROKEN;
	struct pollfd p = {fd, POLLIN, 0};
	return poll(&p, 1, 4000) == 1 ? 0 : ETIMEDOUT;
}

static int inbound(const char *cgroup)
{
	int fds[2];
	uint16_t port_be;
	CHECK(!pipe(fds));
	pid_t pid = start_in(cgroup, p_listen, fds);
	CHECK_INT(read(fds[0], &port_be, 2), 2);
	shell("nsenter -t %d -n timeout 3 bash -c 'exec 3<>/dev/tcp/%s/%d' 2>/dev/null",
	      env.sink_pid, env.here4, ntohs(port_be));
	close(fds[0]);
	close(fds[1]);
	return finish(pid);
}

static int p_dial_gate(void *arg)
{
	struct ask_net a = {
	    addr_of("127.0.0.1", *(uint16_t *)arg), AF_INET, "direct", "gate", false, false};
	return probe_tcp(&a);
}

static int p_bind_gate(void *arg)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(*(uint16_t *)arg)};
	int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
	inet_pton(AF_INET, "127.0.0.9", &sa.sin_addr); /* free: only our rule stands there */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return bind(fd, (struct sockaddr *)&sa, sizeof(sa)) ? errno : 0;
}

/* A helper outside that listens on loopback: for its own kind only. */
static int p_local(void *arg)
{
	struct ask_net a = {
	    addr_of("127.0.0.1", *(uint16_t *)arg), AF_INET, NULL, "x", false, false};
	int err = probe_tcp(&a);
	return err == NO_ANSWER ? 0 : err;
}

static int serve_local(void *arg)
{
	int *fds = arg, fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sa);
	if (bind(fd, (struct sockaddr *)&sa, len) || listen(fd, 5) ||
	    getsockname(fd, (struct sockaddr *)&sa, &len) || write(fds[1], &sa.sin_port, 2) != 2)
		return BROKEN;
	for (;;) {
		int c = accept(fd, NULL, NULL);
		if (write(c, "x", 1) == 1)
			close(c);
	}
}

static void test_local(const struct work *w, const char *listener_cgroup, int expect)
{
	int fds[2];
	uint16_t port;
	CHECK(!pipe(fds));
	pid_t pid = start_in(listener_cgroup, serve_local, fds);
	CHECK_INT(read(fds[0], &port, 2), 2);
	port = ntohs(port);
	CHECK_REFUSED(run_in(w->path, p_local, &port), expect);
	CHECK_INT(run_in(NULL, p_local, &port), 0);
	kill(pid, SIGKILL);
	finish(pid);
	close(fds[0]);
	close(fds[1]);
}

/* Resolvers connect to sort addresses: refused, and no news. */
static int p_address_probe(void *arg)
{
	socklen_t len;
	struct sockaddr_storage sa = out_sa(AF_INET, 0, &len);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	(void)arg;
	return connect(fd, (struct sockaddr *)&sa, len) ? errno : 0;
}

static int p_flood(void *arg)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	(void)arg;
	for (int i = 0; i < 2000; i++)
		connect_from(fd, AF_INET, false);
	return 0;
}

static void test_flood(void)
{
	struct work w = work_new("s-flood", 3);
	struct workload_stats st;
	int before = env.n_refused;
	uint64_t told = 0;
	CHECK_INT(run_in(w.path, p_flood, NULL), 0);
	sleep_ms(1200);
	CHECK_REFUSED(run_in(w.path, p_tcp4, NULL), ECONNREFUSED);
	sleep_ms(200);
	for (int i = before; i < env.n_refused; i++)
		told += env.refused[i].cgroup_id == w.id ? env.refused[i].count : 0;
	CHECK_INT(kernel_stats(env.k, w.id, &st), 0);
	CHECK_INT(st.refused, 2001);
	CHECK_INT(told, 2001); /* folded and summed up, none lost */
	CHECK(env.n_refused - before < 20);
	work_end(&w);
}

/* The list names the listener, and the gateway's four, which the child inherited, and nothing else.
 */
static bool has_row(const json_t *rows, int pid, uint16_t port)
{
	char want[64];
	size_t i;
	json_t *row;
	bool has = false;
	snprintf(want, sizeof(want), "tcp 127.0.0.1:%d -> -", port);
	json_array_foreach(rows, i, row)
	{
		if (json_integer_value(json_object_get(row, "pid")) != pid)
			return false;
		has |= !strcmp(json_string_value(json_object_get(row, "what")), want);
	}
	return has && json_array_size(rows) == 1 + LISTEN_FDS;
}

static void test_attach(void)
{
	char path[256], real[300];
	uint64_t id;
	json_t *foreign = NULL;
	int fds[2];
	uint16_t port;
	struct ask_net db = {
	    addr_of("203.0.113.7", 5432), AF_INET, "attached", "gate", false, false};
	struct seen s = {0};
	struct work w = work_new("s-where", 0);
	snprintf(path, sizeof(path), "%s", w.path);
	*strrchr(path, '/') = '\0';
	snprintf(real, sizeof(real), "%.200s-other", path);
	CHECK_INT(mkdir(real, 0755), 0);
	CHECK_INT(kernel_cgroup_id(real, &id), 0);
	CHECK_INT(kernel_attach_cgroup(env.k, path, NULL), ERR_STATE); /* ours already */
	/* A process with a socket from before. */
	CHECK(!pipe(fds));
	pid_t pid = start_in(real, serve_local, fds);
	CHECK_INT(read(fds[0], &port, 2), 2);
	close(fds[0]);
	close(fds[1]);
	CHECK_INT(kernel_attach_cgroup(env.k, real, &foreign), ERR_STATE);
	CHECK(has_row(foreign, pid, ntohs(port)));
	json_decref(foreign);
	CHECK_INT(run_in(real, p_tcp4, NULL), 0); /* it was left as it is */
	kill(pid, SIGKILL);
	finish(pid);
	CHECK_INT(kernel_attach_cgroup(env.k, real, &foreign), 0);
	CHECK(foreign == NULL);
	CHECK_INT(run_in(real, p_tcp4, NULL), EPERM); /* attached, not yet bound */
	CHECK_INT(kernel_manage(env.k, id, 5), 0);
	CHECK_REFUSED(run_in(real, p_tcp4, NULL), ECONNREFUSED);
	CHECK_INT(run_in(real, probe_tcp, &db), 0);
	CHECK(gate_saw("attached", &s));
	CHECK_INT(s.info.cgroup_id, id);
	CHECK_INT(kernel_unmanage(env.k, id), 0);
	CHECK_INT(run_in(real, p_tcp4, NULL), EPERM);
	CHECK_INT(kernel_detach_cgroup(env.k, id), 0);
	CHECK_INT(run_in(real, p_tcp4, NULL), 0);
	rmdir(real);
	work_end(&w);
}

static void run_all(void)
{
	struct work w = work_new("s-one", 1), other = work_new("s-two", 2);
	struct addr net = addr_of("203.0.113.0", 0);
	uint16_t port = env.gates[0].port;
	int quiet;
	CHECK_INT(dest_add(kernel_dest_map_fd(env.k), net.ip, 96 + 24, SINK_PORT), 0);
	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		test_way(&w, &ways[i]);
	test_refusal_event(&w);
	test_unbound();
	CHECK_INT(inbound(w.path), ETIMEDOUT);
	CHECK_INT(inbound(NULL), 0);
	CHECK_REFUSED(run_in(w.path, p_dial_gate, &port), ECONNREFUSED);
	CHECK(was_refused(w.id, NULL, "the gateway's own port", NULL));
	CHECK_REFUSED(run_in(w.path, p_bind_gate, &port), EADDRINUSE);
	CHECK_INT(run_in(NULL, p_bind_gate, &port), 0);
	test_local(&w, w.path, 0);
	test_local(&w, NULL, ECONNREFUSED);
	test_local(&w, other.path, ECONNREFUSED);
	sleep_ms(1200);
	quiet = env.n_refused;
	CHECK_REFUSED(run_in(w.path, p_address_probe, NULL), ECONNREFUSED);
	CHECK_INT(run_in(NULL, p_address_probe, NULL), 0);
	sleep_ms(200);
	CHECK_INT(env.n_refused, quiet);
	test_flood();
	test_attach();
	work_end(&w);
	work_end(&other);
}

int main(void)
{
	return env_main(run_all);
}
