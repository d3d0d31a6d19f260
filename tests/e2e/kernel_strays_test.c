/* Enrolling a cgroup whose processes hold open sockets: those that they made there are ended where the kernel can
 * (6.5), and the sink hears nothing more of them; any other is a reason to refuse, by name, and then nothing was
 * disturbed. Needs root. */
#include <sys/syscall.h>

#include "tests/e2e/kernel_probe.h"

enum { TCP_LINK, UDP_LINK, LISTENER, UDP_BOUND, KINDS };

/* What the holder of sockets tells: shared memory. */
static struct report {
	_Atomic int is_ready, is_asked, is_answered;
	_Atomic int sent; /* of the tries to send, those that the kernel took */
	_Atomic int tcp_again, udp_again, listener_again; /* errnos of what is tried with the dead sockets */
} *report;

static bool can_end(void)
{
	json_t *gaps = kernel_gaps(env.k), *g;
	size_t i;
	bool can = true;
	json_array_foreach(gaps, i, g)
		can &= strcmp(json_string_value(g), "sock_destroy") != 0;
	json_decref(gaps);
	return can;
}

static int linked(int type)
{
	struct sockaddr_storage sa;
	struct addr a = addr_of(env.out4, type == SOCK_STREAM ? SINK_PORT : 443);
	socklen_t len = addr_to_sockaddr(&a, &sa);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	return connect(fd, (struct sockaddr *)&sa, len) ? -1 : fd;
}

static int bound(int type)
{
	struct sockaddr_in sa = {.sin_family = AF_INET};
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) || (type == SOCK_STREAM && listen(fd, 3)))
		return -1;
	return fd;
}

static void hold(int fds[KINDS])
{
	fds[TCP_LINK] = linked(SOCK_STREAM);
	fds[UDP_LINK] = linked(SOCK_DGRAM);
	fds[LISTENER] = bound(SOCK_STREAM);
	fds[UDP_BOUND] = bound(SOCK_DGRAM);
}

/* Another connect with a socket that was: first disconnected, as a hostile program would. */
static int again(int fd, uint16_t port)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	struct sockaddr_storage sa;
	struct addr a = addr_of(env.out4, port);
	socklen_t len = addr_to_sockaddr(&a, &sa);
	connect(fd, &none, sizeof(none));
	return connect(fd, (struct sockaddr *)&sa, len) ? errno : 0;
}

static int p_holder(void *arg)
{
	int fds[KINDS];
	(void)arg;
	for (int i = 0; i < env.n_gates * LISTEN_FDS; i++) /* inherited, made elsewhere */
		close(env.gates[i / LISTEN_FDS].fds[i % LISTEN_FDS]);
	hold(fds);
	for (int i = 0; i < KINDS; i++)
		if (fds[i] < 0)
			return BROKEN;
	for (report->is_ready = 1; !report->is_asked; sleep_ms(2)) {
		report->sent += send(fds[TCP_LINK], "t", 1, MSG_NOSIGNAL) == 1;
		report->sent += send(fds[UDP_LINK], "u", 1, 0) == 1;
	}
	report->tcp_again = again(fds[TCP_LINK], SINK_PORT);
	report->udp_again = again(fds[UDP_LINK], 443);
	report->listener_again = again(fds[LISTENER], SINK_PORT);
	report->is_answered = 1;
	pause();
	return 0;
}

static bool wait_for(const _Atomic int *what)
{
	for (int i = 0; i < 2000 && !*what; i++)
		sleep_ms(5);
	return *what;
}

static bool is_silent(int ms)
{
	sleep_ms(100); /* what was on its way */
	long before = env.sink->frames;
	sleep_ms(ms);
	return env.sink->frames == before;
}

/* The control: it does reach the sink. */
static bool is_heard(void)
{
	long before = env.sink->frames;
	for (int i = 0; i < 1000 && env.sink->frames == before; i++)
		sleep_ms(5);
	return env.sink->frames != before;
}

static int rows_of(const json_t *rows, int pid, const char *prefix)
{
	size_t i;
	json_t *row;
	int n = 0;
	json_array_foreach(rows, i, row)
		n += json_integer_value(json_object_get(row, "pid")) == pid &&
		     !strncmp(json_string_value(json_object_get(row, "what")), prefix, strlen(prefix));
	return n;
}

static pid_t holder_up(const char *cgroup)
{
	memset(report, 0, sizeof(*report));
	pid_t pid = start_in(cgroup, p_holder, NULL);
	CHECK(wait_for(&report->is_ready));
	CHECK(is_heard());
	return pid;
}

static void holder_down(pid_t pid)
{
	kill(pid, SIGKILL);
	finish(pid);
}

static void test_ended(const char *cgroup, uint64_t id)
{
	json_t *rows = NULL;
	pid_t pid = holder_up(cgroup);
	CHECK_INT(kernel_attach_cgroup(env.k, cgroup, &rows), 0);
	CHECK_INT(json_array_size(rows), KINDS);
	CHECK_INT(rows_of(rows, pid, "tcp "), 2);
	CHECK_INT(rows_of(rows, pid, "udp "), 2);
	json_decref(rows);
	CHECK_INT(kernel_manage(env.k, id, 21), 0);
	CHECK(is_silent(300));
	report->is_asked = 1;
	CHECK(wait_for(&report->is_answered));
	CHECK_INT(report->tcp_again, ECONNREFUSED);
	CHECK_INT(report->udp_again, ECONNREFUSED);
	CHECK_INT(report->listener_again, ECONNREFUSED);
	CHECK(is_silent(200));
	holder_down(pid);
	CHECK_INT(kernel_unmanage(env.k, id), 0);
	CHECK_INT(kernel_detach_cgroup(env.k, id), 0);
}

static void test_refused(const char *cgroup)
{
	json_t *rows = NULL;
	pid_t pid = holder_up(cgroup);
	CHECK_INT(kernel_attach_cgroup(env.k, cgroup, &rows), ERR_STATE);
	CHECK_INT(json_array_size(rows), KINDS);
	json_decref(rows);
	CHECK(is_heard());
	holder_down(pid);
}

/* A socket of another cgroup, among those that could be ended. */
static int p_carrier(void *arg)
{
	const char *cgroup = arg;
	int brought = linked(SOCK_DGRAM);
	if (kernel_cgroup_move(cgroup, getpid()))
		return BROKEN;
	if (fcntl(brought, F_SETFD, 0))
		return BROKEN;
	return p_holder(NULL);
}

static void test_brought(const char *cgroup)
{
	json_t *rows = NULL;
	memset(report, 0, sizeof(*report));
	pid_t pid = start_in(NULL, p_carrier, (void *)(uintptr_t)cgroup);
	CHECK(wait_for(&report->is_ready));
	CHECK_INT(kernel_attach_cgroup(env.k, cgroup, &rows), ERR_STATE);
	CHECK_INT(json_array_size(rows), can_end() ? 1 : KINDS + 1); /* what is in the way */
	CHECK(rows_of(rows, pid, "udp ") >= 1);
	json_decref(rows);
	CHECK(is_heard()); /* the others were left as they are */
	holder_down(pid);
}

/* In a network namespace of its own, and one that is not TCP or UDP. */
static int p_elsewhere(void *arg)
{
	(void)arg;
	if (unshare(CLONE_NEWNET))
		return BROKEN;
	shell("ip link set lo up");
	for (int i = 0; i < env.n_gates * LISTEN_FDS; i++)
		close(env.gates[i / LISTEN_FDS].fds[i % LISTEN_FDS]);
	int fd = bound(SOCK_STREAM);
	report->is_ready = fd >= 0;
	pause();
	return 0;
}

static int p_raw(void *arg)
{
	(void)arg;
	for (int i = 0; i < env.n_gates * LISTEN_FDS; i++)
		close(env.gates[i / LISTEN_FDS].fds[i % LISTEN_FDS]);
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	report->is_ready = fd >= 0;
	pause();
	return 0;
}

static void test_other(const char *cgroup, uint64_t id, int (*probe)(void *), int expect)
{
	json_t *rows = NULL;
	memset(report, 0, sizeof(*report));
	pid_t pid = start_in(cgroup, probe, NULL);
	CHECK(wait_for(&report->is_ready));
	CHECK_INT(kernel_attach_cgroup(env.k, cgroup, &rows), expect);
	CHECK_INT(json_array_size(rows), 1);
	json_decref(rows);
	if (!expect)
		CHECK_INT(kernel_detach_cgroup(env.k, id), 0);
	holder_down(pid);
}

static void run_all(void)
{
	char path[256];
	uint64_t id = 0;
	struct work w = work_new("s-where", 0);
	snprintf(path, sizeof(path), "%.200s", w.path);
	work_end(&w);
	*strrchr(path, '/') = '\0';
	strcat(path, "-strays");
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK_INT(mkdir(path, 0755), 0);
	CHECK_INT(kernel_cgroup_id(path, &id), 0);
	if (can_end())
		test_ended(path, id);
	else
		test_refused(path);
	test_brought(path);
	test_other(path, id, p_elsewhere, can_end() ? 0 : ERR_STATE);
	test_other(path, id, p_raw, ERR_STATE);
	CHECK_INT(rmdir(path), 0);
}

int main(void)
{
	return env_main(run_all);
}
