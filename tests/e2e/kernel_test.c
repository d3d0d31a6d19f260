/* The kernel side for real: cgroups, sockets, namespaces, judged at the gateway's listeners and at a sink
 * behind a wire, never by an errno alone. Each containment probe has its control: the same from an
 * unmanaged cgroup reaches the sink. Needs root. */
#include "tests/e2e/kernel_env.h"

struct tcp_ask {
	struct addr to;
	int family; /* of the socket */
	bool is_nonblock;
	const char *say;
	char expect[8];
};

static socklen_t sockaddr_for(int family, const struct addr *a, struct sockaddr_storage *ret)
{
	if (family == AF_INET)
		return addr_to_sockaddr(a, ret);
	struct sockaddr_in6 *in6 = (void *)ret;
	memset(ret, 0, sizeof(*ret));
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(a->port);
	memcpy(&in6->sin6_addr, a->ip, 16);
	return sizeof(*in6);
}

static int finish_nonblock(int fd, const struct sockaddr *sa, socklen_t len)
{
	struct pollfd p = {fd, POLLOUT, 0};
	int err = 0;
	socklen_t el = sizeof(err);
	if (errno != EINPROGRESS)
		return errno;
	if (poll(&p, 1, 3000) != 1 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &el) || err)
		return err ? err : ETIMEDOUT;
	return connect(fd, sa, len) < 0 && errno == EISCONN ? 0 : ENOTRECOVERABLE;
}

/* 0: connected, spoke, was answered as expected, and getpeername shows what was asked for. Else an errno. */
static int probe_tcp(void *arg)
{
	struct tcp_ask *a = arg;
	struct sockaddr_storage sa, peer;
	socklen_t len = sockaddr_for(a->family, &a->to, &sa), plen = sizeof(peer);
	struct addr shown;
	char got[8] = "";
	int fd = socket(a->family, SOCK_STREAM | (a->is_nonblock ? SOCK_NONBLOCK : 0), 0), err;
	if (fd < 0)
		return 126;
	if (connect(fd, (struct sockaddr *)&sa, len) < 0) {
		err = a->is_nonblock ? finish_nonblock(fd, (struct sockaddr *)&sa, len) : errno;
		if (err)
			return err;
	}
	if (getpeername(fd, (struct sockaddr *)&peer, &plen) || addr_from_sockaddr((struct sockaddr *)&peer, &shown) ||
	    !addr_eq(&shown, &a->to))
		return 125;
	if (send(fd, a->say, strlen(a->say), MSG_NOSIGNAL) < 0)
		return errno;
	struct pollfd p = {fd, POLLIN, 0};
	if (poll(&p, 1, 3000) != 1 || read(fd, got, sizeof(got) - 1) < 0)
		return 124;
	return strcmp(got, a->expect) ? 123 : 0;
}

static void test_redirect(struct work *w)
{
	struct tcp_ask asks[] = {
		{addr_of("203.0.113.7", 5432), AF_INET, false, "v4", "gate"},
		{addr_of("2001:db8::7", 5432), AF_INET6, false, "v6", "gate"},
		{addr_of("203.0.113.7", 5432), AF_INET6, false, "mapped", "gate"},
		{addr_of("203.0.113.7", 5432), AF_INET, true, "nonblock", "gate"},
		{addr_of("2001:db8::7", 5432), AF_INET6, true, "nonblock6", "gate"},
	};
	for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
		struct seen s;
		CHECK_INT(run_in(w->path, probe_tcp, &asks[i]), 0);
		CHECK(gate_saw(asks[i].say, &s));
		CHECK_INT(s.err, 0);
		CHECK(addr_eq(&s.info.dst, &asks[i].to));
		CHECK_INT(s.info.cgroup_id, w->id);
		CHECK_INT(s.info.generation, 7);
		CHECK_STR(s.info.comm, "kernel_test");
		CHECK(strstr(s.info.exe, "/kernel_test") != NULL);
	}
}

static int main_tests(void)
{
	struct work w = work_new("s-one", 7);
	int dest = kernel_dest_map_fd(env.k);
	struct addr net = addr_of("203.0.113.0", 0), one = addr_of("2001:db8::7", 0);
	CHECK_INT(dest_add(dest, net.ip, 96 + 24, SINK_PORT), 0);
	CHECK_INT(dest_add(dest, one.ip, 128, 0), 0);
	test_redirect(&w);
	work_end(&w);
	return 0;
}

int main(void)
{
	char why[512];
	if (geteuid()) {
		SKIP("needs root");
		return tap_done();
	}
	snprintf(env.instance, sizeof(env.instance), "kt-%d", getpid());
	struct kernel_options o = {.instance = env.instance};
	int err = kernel_open(&o, &env.k, why, sizeof(why));
	if (err)
		printf("kernel_open: %s: %s\n", err_text(err), why);
	CHECK_INT(err, 0);
	if (err)
		return tap_done();
	CHECK(sink_up());
	CHECK_INT(gate_listen(getpid()), 0);
	gate_start();
	main_tests();
	gate_stop();
	kernel_close(env.k, false);
	kill(env.sink_pid, SIGKILL);
	waitpid(env.sink_pid, NULL, 0);
	return tap_done();
}
