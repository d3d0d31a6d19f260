/* The kernel side's way in, for real: cgroups, sockets, namespaces, judged at the gateway's
 * listeners and at a sink behind a wire. Needs root. What must not get out is
 * kernel_contain_test.c's. */
#include "bpf/shared.h"
#include "tests/e2e/kernel_probe.h"

#define DB4 "203.0.113.7"
#define DB6 "2001:db8::7"

static void declare(void)
{
	int dest = kernel_dest_map_fd(env.k);
	struct addr net = addr_of("203.0.113.0", 0), one = addr_of(DB6, 0),
		    out = addr_of(env.out4, 0);
	CHECK_INT(dest_add(dest, net.ip, 96 + 24, SINK_PORT), 0);
	CHECK_INT(dest_add(dest, one.ip, 128, 0), 0);
	CHECK_INT(dest_add(dest, out.ip, 128, SINK_PORT), 0);
}

static void check_seen(const struct ask_net *a, const struct work *w, uint32_t generation)
{
	struct seen s = {0};
	CHECK(gate_saw(a->say, &s));
	CHECK_INT(s.err, 0);
	CHECK(addr_eq(&s.info.dst, &a->to));
	CHECK_INT(s.info.cgroup_id, w->id);
	CHECK_INT(s.info.generation, generation);
	CHECK_STR(s.info.comm, "kernel_test");
	const char *exe = strrchr(s.info.exe, '/');
	CHECK_STR(exe, "/kernel_test");
	CHECK_INT(s.info.uid, 0);
	CHECK(s.info.pid > 1 && s.info.sock_cookie && s.info.at_ns);
}

static void test_redirect(const struct work *w)
{
	struct ask_net asks[] = {
	    {addr_of(DB4, 5432), AF_INET, "v4", "gate", false, false},
	    {addr_of(DB6, 5432), AF_INET6, "v6", "gate", false, false},
	    {addr_of(DB4, 5432), AF_INET6, "mapped", "gate", false, false},
	    {addr_of(DB4, 5432), AF_INET, "nonblock", "gate", true, false},
	    {addr_of(DB6, 5432), AF_INET6, "nonblock6", "gate", true, false},
	    {addr_of(env.out4, 5432), AF_INET, "reachable", "gate", false, false},
	};
	for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
		CHECK_INT(run_in(w->path, probe_tcp, &asks[i]), 0);
		check_seen(&asks[i], w, 7);
	}
}

/* What is not managed does not notice: the declared address is the real one. */
static void test_unmanaged(void)
{
	struct ask_net a = {addr_of(env.out4, SINK_PORT), AF_INET, "hello", "sink", false, false};
	long before = env.sink->tcp;
	CHECK_INT(run_in(NULL, probe_tcp, &a), 0);
	CHECK_INT(env.sink->tcp - before, 1);
}

static void test_dns(const struct work *w)
{
	struct ask_net asks[] = {
	    {addr_of("192.0.2.53", 53), AF_INET, "dns4", "gate", false, false},
	    {addr_of("192.0.2.53", 53), AF_INET, "dns4c", "gate", false, true},
	    {addr_of("2001:db8::53", 53), AF_INET6, "dns6", "gate", false, false},
	    {addr_of("2001:db8::53", 53), AF_INET6, "dns6c", "gate", false, true},
	    {addr_of("192.0.2.53", 53), AF_INET6, "dnsmapped", "gate", false, false},
	    {addr_of("192.0.2.53", 53), AF_INET6, "dnsmappedc", "gate", false, true},
	    {addr_of("127.0.0.53", 53), AF_INET, "dnslo", "gate", false, false},
	};
	for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
		CHECK_INT(run_in(w->path, probe_udp, &asks[i]), 0);
		check_seen(&asks[i], w, 7);
	}
	struct ask_net tcp = {addr_of("192.0.2.53", 53), AF_INET, "dnstcp", "gate", false, false};
	CHECK_INT(run_in(w->path, probe_tcp, &tcp), 0);
	check_seen(&tcp, w, 7);
}

/* One socket that asks two resolvers in turn: each answer shows where its question went. */
static int probe_two_resolvers(void *arg)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	(void)arg;
	for (int i = 0; i < 4; i++) {
		struct addr to = addr_of(i & 1 ? "192.0.2.54" : "192.0.2.53", 53), shown;
		struct sockaddr_storage sa;
		socklen_t len = addr_to_sockaddr(&to, &sa);
		char got[8] = "";
		struct pollfd p = {fd, POLLIN, 0};
		if (sendto(fd, "two", 3, 0, (struct sockaddr *)&sa, len) != 3)
			return errno;
		if (poll(&p, 1, 2000) != 1 ||
		    recvfrom(fd, got, 7, 0, (struct sockaddr *)&sa, &len) != 4)
			return NO_ANSWER;
		if (addr_from_sockaddr((struct sockaddr *)&sa, &shown) || !addr_eq(&shown, &to))
			return WRONG_NAME;
	}
	return 0;
}

static int n_flows(void)
{
	struct flow_key at, next;
	int fd = kernel_flow_map_fd(env.k), n = 0;
	for (bool is_more = !bpf_map_get_next_key(fd, NULL, &next); is_more; n++) {
		at = next;
		is_more = !bpf_map_get_next_key(fd, &at, &next);
	}
	return n;
}

/* One socket under fifty source addresses; the parent looks at the map while it is open. */
static int probe_sources(void *arg)
{
	struct addr to = addr_of("192.0.2.53", 53);
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(&to, &sa);
	const int *ends = arg; /* to say that it is done, and to hear that it may go */
	char byte = 0;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	for (int i = 1; i <= 50; i++) {
		union {
			struct cmsghdr align;
			char space[CMSG_SPACE(sizeof(struct in_pktinfo))];
		} control = {0};
		struct iovec v = {"src", 3};
		struct msghdr m = {&sa, len, &v, 1, &control, sizeof(control), 0};
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		struct in_pktinfo info = {.ipi_spec_dst.s_addr = htonl(0x7f000100u + (uint32_t)i)};
		*c = (struct cmsghdr){CMSG_LEN(sizeof(info)), IPPROTO_IP, IP_PKTINFO};
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		if (sendmsg(fd, &m, 0) != 3 || hear(fd, "gate"))
			return errno ? errno : BROKEN;
	}
	return write(ends[0], &byte, 1) == 1 && read(ends[0], &byte, 1) == 1 ? 0 : BROKEN;
}

static void test_sources(const struct work *w)
{
	int ends[2];
	char byte = 0;
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	pid_t pid = start_in(w->path, probe_sources, ends);
	close(ends[0]);
	CHECK_INT(read(ends[1], &byte, 1), 1);
	CHECK_INT(n_flows(), 1);
	CHECK_INT(write(ends[1], &byte, 1), 1);
	CHECK_INT(finish(pid), 0);
	close(ends[1]);
	CHECK_INT(n_flows(), 0);
}

/* A client that says its piece and leaves before anybody accepted. */
static int probe_leave(void *arg)
{
	struct addr to = addr_of(DB4, 5432);
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(&to, &sa);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	(void)arg;
	if (connect(fd, (struct sockaddr *)&sa, len) || write(fd, "left", 4) != 4)
		return errno;
	close(fd);
	return 0;
}

static void test_leaver(const struct work *w)
{
	struct seen s = {0};
	gate_stop();
	kernel_beat(env.k);
	CHECK_INT(run_in(w->path, probe_leave, NULL), 0);
	gate_start();
	CHECK(gate_saw("left", &s));
	CHECK_INT(s.err, 0);
	CHECK_INT(s.info.cgroup_id, w->id);
}

static int probe_own_loopback(void *arg)
{
	struct sockaddr_in any = {.sin_family = AF_INET};
	struct ask_net a = {addr_of("127.0.0.1", 0), AF_INET, NULL, "gate", false, false};
	socklen_t len = sizeof(any);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	(void)arg;
	any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&any, len) || listen(fd, 5) ||
	    getsockname(fd, (struct sockaddr *)&any, &len))
		return BROKEN;
	a.to.port = ntohs(any.sin_port);
	a.expect = "own";
	pid_t pid = fork();
	if (!pid) {
		int c = accept(fd, NULL, NULL);
		_exit(write(c, "own", 3) != 3);
	}
	int err = probe_tcp(&a);
	return finish(pid) ? BROKEN : err;
}

/* In a namespace of its own: waits until the parent has (or has not) listened in it. */
struct netns_ask {
	struct ask_net a;
	int ready[2], go[2];
};

static int probe_netns(void *arg)
{
	struct netns_ask *n = arg;
	char c = 'x';
	if (unshare(CLONE_NEWNET) || write(n->ready[1], &c, 1) != 1 || read(n->go[0], &c, 1) != 1)
		return BROKEN;
	return c == 'u' ? probe_udp(&n->a) : probe_tcp(&n->a);
}

static void test_netns(const struct work *w, struct ask_net a, char how, bool has_gate, int expect)
{
	struct netns_ask n = {.a = a};
	char c;
	CHECK(!pipe(n.ready) && !pipe(n.go));
	pid_t pid = start_in(w->path, probe_netns, &n);
	CHECK_INT(read(n.ready[0], &c, 1), 1);
	if (has_gate)
		CHECK_INT(gate_listen(pid), 0);
	CHECK_INT(write(n.go[1], &how, 1), 1);
	CHECK_REFUSED(finish(pid), expect);
	if (has_gate) {
		check_seen(&a, w, 7);
		kernel_unlisten(env.k, env.gates[env.n_gates - 1].netns_cookie);
	}
	for (int i = 0; i < 2; i++) {
		close(n.ready[i]);
		close(n.go[i]);
	}
}

static void test_netns_all(const struct work *w)
{
	struct ask_net tcp = {addr_of(DB4, 5432), AF_INET, "netns", "gate", false, false};
	struct ask_net tcp6 = {addr_of(DB6, 5432), AF_INET6, "netns6", "gate", false, false};
	struct ask_net udp = {addr_of("192.0.2.53", 53), AF_INET, "netnsdns", "gate", false, false};
	struct listeners again;
	test_netns(w, tcp, 't', true, 0);
	test_netns(w, tcp6, 't', true, 0);
	test_netns(w, udp, 'u', true, 0);
	test_netns(w, tcp, 't', false, ECONNREFUSED);
	CHECK(was_refused(w->id, &tcp.to, "no listener in this network namespace", NULL));
	CHECK_INT(kernel_listen(env.k, getpid(), &again), ERR_EXISTS);
	CHECK_INT(again.netns_cookie, env.gates[0].netns_cookie);
}

static void test_heart(const struct work *w)
{
	struct ask_net a = {addr_of(DB4, 5432), AF_INET, "heart", "gate", false, false};
	uint64_t from = clock_mono_ns();
	int got;
	env.has_beat = 0; /* the gate still listens: a stopped daemon */
	do {
		got = run_in(w->path, probe_tcp, &a);
		sleep_ms(100);
	} while (!got && clock_mono_ns() - from < 10 * NS_PER_SEC);
	printf("note: refused %.1f s after the last beat\n",
	       (double)(clock_mono_ns() - from) / 1e9);
	CHECK_REFUSED(got, ECONNREFUSED);
	CHECK(clock_mono_ns() - from < 5 * NS_PER_SEC);
	struct ask_net dns = {addr_of("192.0.2.53", 53), AF_INET, "x", "gate", false, false};
	CHECK_REFUSED(run_in(w->path, probe_udp, &dns), ECONNREFUSED);
	CHECK(was_refused(w->id, &a.to, "the gateway is not running", NULL));
	env.has_beat = 1;
	sleep_ms(500);
	a.say = "heart2";
	CHECK_INT(run_in(w->path, probe_tcp, &a), 0);
}

/* A new daemon takes over links and maps; in between connects are refused, and nothing is free. */
static void test_restart(const struct work *w)
{
	struct ask_net a = {addr_of(DB4, 5432), AF_INET, "restart", "gate", false, false};
	struct ask_net out = {addr_of(env.out4, SINK_PORT), AF_INET, "x", "gate", false, false};
	struct kernel_options o = {.instance = env.instance};
	char why[256];
	struct kernel *second;
	long frames = env.sink->frames;
	uint64_t ids[8];
	CHECK_INT(kernel_open(&o, &second, why, sizeof(why)), ERR_EXISTS);
	CHECK(strstr(why, "another daemon") != NULL);
	gate_stop();
	for (int i = 0; i < LISTEN_FDS; i++)
		close(env.gates[0].fds[i]);
	kernel_close(env.k, true);
	CHECK_REFUSED(run_in(w->path, probe_tcp, &a), ECONNREFUSED);
	CHECK_REFUSED(run_in(w->path, probe_tcp, &out), ECONNREFUSED);
	CHECK_INT(env.sink->frames, frames);
	CHECK_INT(kernel_open(&o, &env.k, why, sizeof(why)), 0);
	CHECK_STR(why, "");
	env.n_gates = 0;
	gate_start();
	CHECK_REFUSED(run_in(w->path, probe_tcp, &a), ECONNREFUSED);
	CHECK_INT(kernel_managed(env.k, ids, 8), 1);
	CHECK_INT(ids[0], w->id);
	CHECK_INT(gate_listen(getpid()), 0);
	CHECK_INT(run_in(w->path, probe_tcp, &a), 0);
	check_seen(&a, w, 7);
	CHECK(was_refused(w->id, &a.to, "the gateway is not running", NULL));
}

struct crowd {
	struct work w;
	struct ask_net a;
	char say[32];
	pid_t pid;
};

/* Many at once, each must be taken for itself. */
static void test_crowd(int n)
{
	struct crowd *all = calloc((size_t)n, sizeof(*all));
	char name[32];
	int good = 0;
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "s-crowd-%d", i);
		snprintf(all[i].say, sizeof(all[i].say), "crowd-%d", i);
		all[i].w = work_new(name, 100 + (uint32_t)i);
		all[i].a =
		    (struct ask_net){addr_of(DB4, 5432), AF_INET, all[i].say, "gate", false, false};
	}
	for (int i = 0; i < n; i++)
		all[i].pid = start_in(all[i].w.path, probe_tcp, &all[i].a);
	for (int i = 0; i < n; i++) {
		struct seen s = {0};
		int err = finish(all[i].pid);
		good += !err && gate_saw(all[i].say, &s) && !s.err &&
			s.info.cgroup_id == all[i].w.id && s.info.generation == 100 + (uint32_t)i &&
			s.info.pid == (uint32_t)all[i].pid;
	}
	CHECK_INT(good, n);
	for (int i = 0; i < n; i++)
		work_end(&all[i].w);
	free(all);
}

static void test_end(void)
{
	struct work w = work_new("s-end", 9);
	struct ask_net a = {addr_of(DB4, 5432), AF_INET, "end", "gate", false, false};
	struct workload_stats st;
	CHECK_INT(run_in(w.path, probe_tcp, &a), 0);
	a.to.port = 1;
	CHECK_REFUSED(run_in(w.path, probe_tcp, &a), ECONNREFUSED);
	CHECK_INT(kernel_stats(env.k, w.id, &st), 0);
	CHECK_INT(st.connects, 1);
	CHECK_INT(st.refused, 1);
	pid_t pid = fork();
	if (!pid)
		_exit(kernel_cgroup_move(w.path, getpid()) || pause());
	while (kernel_cgroup_population(w.path) < 1)
		sleep_ms(5);
	CHECK_INT(kernel_pid_is_managed(env.k, pid), 1);
	CHECK_INT(kernel_pid_is_managed(env.k, getpid()), 0);
	work_end(&w);
	CHECK_INT(finish(pid), -1); /* killed with its cgroup */
	CHECK_INT(kernel_stats(env.k, w.id, &st), ERR_NOT_FOUND);
}

static void run_all(void)
{
	struct work w = work_new("s-one", 7);
	declare();
	test_redirect(&w);
	test_unmanaged();
	test_dns(&w);
	CHECK_INT(run_in(w.path, probe_two_resolvers, NULL), 0);
	CHECK_INT(n_flows(), 0);
	test_sources(&w);
	test_leaver(&w);
	CHECK_INT(run_in(w.path, probe_own_loopback, NULL), 0);
	test_netns_all(&w);
	test_heart(&w);
	test_restart(&w);
	test_end();
	test_crowd(200);
	CHECK_INT(n_flows(), 0); /* what was published was taken, or went with its socket */
	work_end(&w);
}

int main(void)
{
	return env_main(run_all);
}
