/* What the kernel side costs, in one run, the lowest tenth of them in ns: a connect from a managed
 * cgroup against one from an unmanaged cgroup, a packet through the backstop, a socket option; and that a
 * process outside pays nothing once the programs are there. Needs root. Prints what<TAB>ns. */
#include "tests/e2e/kernel_probe.h"

#define ROUNDS 4000

static _Atomic long *result;

static int by_size(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;
	return (x > y) - (x < y);
}

static long typical(long *ns, int n)
{
	qsort(ns, (size_t)n, sizeof(*ns), by_size);
	return ns[n /
		  10]; /* the lowest tenth: what wakes up another core is not what is measured */
}

/* socket() and connect() by TCP, closed by a reset. */
static int p_connects(void *arg)
{
	static long ns[ROUNDS];
	const struct addr *to = arg;
	struct linger hard = {1, 0};
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(to, &sa);
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t from = clock_mono_ns();
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(fd, (struct sockaddr *)&sa, len))
			return errno;
		ns[i] = (long)(clock_mono_ns() - from);
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		close(fd);
	}
	*result = typical(ns, ROUNDS);
	return 0;
}

/* One datagram on a connected socket, over loopback. */
static int p_packets(void *arg)
{
	static long ns[ROUNDS];
	const struct addr *to = arg;
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(to, &sa);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (connect(fd, (struct sockaddr *)&sa, len))
		return errno;
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t from = clock_mono_ns();
		if (send(fd, "x", 1, 0) < 0 && errno != ECONNREFUSED)
			return errno;
		ns[i] = (long)(clock_mono_ns() - from);
	}
	*result = typical(ns, ROUNDS);
	return 0;
}

/* An option that every client sets. */
static int p_options(void *arg)
{
	static long ns[ROUNDS];
	int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t from = clock_mono_ns();
		if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)))
			return errno;
		ns[i] = (long)(clock_mono_ns() - from);
	}
	*result = typical(ns, ROUNDS);
	return 0;
}

static long measure(const char *what, const char *cgroup, int (*probe)(void *arg), struct addr to)
{
	int err = run_in(cgroup, probe, &to);
	CHECK_INT(err, 0);
	printf("%s\t%ld\n", what, err ? -1 : *result);
	return *result;
}

static void run_all(void)
{
	struct addr net = addr_of("203.0.113.0", 0), here = addr_of("127.0.0.1", env.gates[0].port);
	struct addr db = addr_of("203.0.113.7", 5432), dns = addr_of("203.0.113.7", 53);
	struct work w = work_new("s-cost", 1);
	CHECK_INT(dest_add(kernel_dest_map_fd(env.k), net.ip, 96 + 24, SINK_PORT), 0);
	for (int round = 1; round <= 3; round++) {
		printf("round\t%d\n", round);
		measure("connect, unmanaged", NULL, p_connects, here);
		measure("connect, managed", w.path, p_connects, db);
		measure("packet, unmanaged", NULL, p_packets, here);
		measure("packet, managed", w.path, p_packets, dns);
		measure("setsockopt, unmanaged", NULL, p_options, here);
		measure("setsockopt, managed", w.path, p_options, here);
	}
	work_end(&w);
}

/* Before anything is loaded: a listener of our own. */
static void before_all(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(!bind(fd, (struct sockaddr *)&sa, len) && !listen(fd, 4096) &&
	      !getsockname(fd, (struct sockaddr *)&sa, &len));
	struct addr own = addr_of("127.0.0.1", ntohs(sa.sin_port));
	pid_t taker = fork();
	while (!taker)
		close(accept(fd, NULL, NULL));
	measure("connect, outside, before the programs are loaded", NULL, p_connects, own);
	struct kernel_options o = {.instance = "kt-cost"};
	char why[512] = "";
	CHECK_INT(kernel_open(&o, &env.k, why, sizeof(why)), 0);
	measure("connect, outside, once they are", NULL, p_connects, own);
	kernel_close(env.k, false);
	kill(taker, SIGKILL);
	waitpid(taker, NULL, 0);
	close(fd);
}

int main(void)
{
	result =
	    mmap(NULL, sizeof(*result), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (geteuid() || unshare(CLONE_NEWNET))
		return 1;
	if (shell("ip link set lo up"))
		return 1;
	before_all();
	return env_main(run_all);
}
