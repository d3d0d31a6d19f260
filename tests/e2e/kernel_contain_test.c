/* What a managed cgroup is refused, as the daemon is told of it; listeners, floods, and the enrolment of a cgroup that
 * is there already. The ways around themselves are tests/containment's. Needs root. */
#include "tests/e2e/kernel_probe.h"

static struct sockaddr_storage out_sa(int family, uint16_t port, socklen_t *ret_len)
{
	struct sockaddr_storage sa;
	struct addr a = addr_of(family == AF_INET6 ? env.out6 : env.out4, port);
	*ret_len = addr_to_sockaddr(&a, &sa);
	return sa;
}

static int connect_from(int fd, int family)
{
	socklen_t len;
	struct sockaddr_storage sa = out_sa(family, SINK_PORT, &len);
	if (fd < 0)
		return errno;
	return connect(fd, (struct sockaddr *)&sa, len) ? errno : hear(fd, "sink");
}

static int p_tcp4(void *arg)
{
	(void)arg;
	return connect_from(socket(AF_INET, SOCK_STREAM, 0), AF_INET);
}

static void test_refusal_event(const struct work *w)
{
	struct addr to = addr_of(env.out4, SINK_PORT);
	struct refusal r = {0};
	CHECK(was_refused(w->id, &to, "not declared", &r));
	CHECK_STR(r.comm, "kernel_contain_");
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
	return poll(&p, 1, slow(4000)) == 1 ? 0 : ETIMEDOUT;
}

static int inbound(const char *cgroup)
{
	int fds[2];
	uint16_t port_be;
	CHECK(!pipe(fds));
	pid_t pid = start_in(cgroup, p_listen, fds);
	CHECK_INT(read(fds[0], &port_be, 2), 2);
	shell("nsenter -t %d -n timeout %d bash -c 'exec 3<>/dev/tcp/%s/%d' 2>/dev/null",
	      env.sink_pid, slow(3), env.here4, ntohs(port_be));
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
		connect_from(fd, AF_INET);
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

/* The list names the gateway's four, which the child inherited, and its own listener where that cannot be ended
 * (kernel_strays_test.c); nothing else. */
static bool has_rows(const json_t *rows, int pid, uint16_t port)
{
	char own[64], gate[64];
	size_t i, n_own = 0, n_gate = 0;
	json_t *row;
	snprintf(own, sizeof(own), "tcp 127.0.0.1:%d -> -", port);
	snprintf(gate, sizeof(gate), "tcp 127.0.0.1:%d -> -", env.gates[0].port);
	json_array_foreach(rows, i, row)
	{
		const char *what = json_string_value(json_object_get(row, "what"));
		if (json_integer_value(json_object_get(row, "pid")) != pid)
			return false;
		n_own += !strcmp(what, own);
		n_gate += !strcmp(what, gate);
	}
	return n_gate == 1 && n_own <= 1 && json_array_size(rows) == n_own + LISTEN_FDS;
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
	CHECK(has_rows(foreign, pid, ntohs(port)));
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
	CHECK_REFUSED(run_in(w.path, p_tcp4, NULL), ECONNREFUSED);
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
