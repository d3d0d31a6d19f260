/* What happens to enforcement when things around it change, break or run full: it never opens.
 * Judged at the sink. SOAK=n: so many workloads created and ended (1,000; in an emulated machine 50). Needs root. */
#include <bpf/libbpf.h>

#include "tests/e2e/kernel_probe.h"

static int p_out(void *arg)
{
	struct ask_net a = {addr_of(env.out4, SINK_PORT), AF_INET, NULL, "sink", false, false};
	(void)arg;
	return probe_tcp(&a);
}

static void check_shut(const char *cgroup)
{
	long before = env.sink->frames;
	int err = run_in(cgroup, p_out, NULL);
	CHECK(err == ECONNREFUSED || err == EPERM || err == NO_SOCKET);
	sleep_ms(30);
	CHECK_INT(env.sink->frames, before);
}

/* --- somebody else's program on a cgroup above
 * -------------------------------------------------------- */

/* connect4: counts in an array, lets pass. */
static int foreign_program(int map)
{
	struct bpf_insn insns[] = {
	    {.code = BPF_ST | BPF_MEM | BPF_W, .dst_reg = BPF_REG_10, .off = -4, .imm = 0},
	    {.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_2, .src_reg = BPF_REG_10},
	    {.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_2, .imm = -4},
	    {.code = BPF_LD | BPF_DW | BPF_IMM,
	     .dst_reg = BPF_REG_1,
	     .src_reg = BPF_PSEUDO_MAP_FD,
	     .imm = map},
	    {0},
	    {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_map_lookup_elem},
	    {.code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = BPF_REG_0, .off = 2, .imm = 0},
	    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_1, .imm = 1},
	    {.code = BPF_STX | BPF_ATOMIC | BPF_DW,
	     .dst_reg = BPF_REG_0,
	     .src_reg = BPF_REG_1,
	     .imm = BPF_ADD},
	    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
	    {.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_CGROUP_INET4_CONNECT);
	return bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, NULL, "GPL", insns, ARRAY_LEN(insns),
			     &opts);
}

static uint64_t counted(int map)
{
	uint32_t zero = 0;
	uint64_t n = 0;
	CHECK_INT(bpf_map_lookup_elem(map, &zero, &n), 0);
	return n;
}

static void test_foreign(const char *top)
{
	char above[256], below[300];
	uint64_t id;
	struct seen s = {0};
	struct ask_net db = {
	    addr_of("203.0.113.7", 5432), AF_INET, "foreign", "gate", false, false};
	snprintf(above, sizeof(above), "%.200s-above", top);
	snprintf(below, sizeof(below), "%s/below", above);
	CHECK(!mkdir(above, 0755) && !mkdir(below, 0755));
	int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "seen", 4, 8, 1, NULL),
	    prog = foreign_program(map);
	int dir = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int link = bpf_link_create(prog, dir, BPF_CGROUP_INET4_CONNECT, NULL);
	CHECK(map >= 0 && prog >= 0 && link >= 0);
	CHECK_INT(kernel_attach_cgroup(env.k, below, NULL), 0);
	CHECK_INT(kernel_cgroup_id(below, &id), 0);
	CHECK_INT(kernel_manage(env.k, id, 3), 0);
	CHECK_INT(run_in(below, probe_tcp, &db), 0);
	CHECK(gate_saw("foreign", &s));
	CHECK(addr_eq(&s.info.dst,
		      &db.to)); /* what the agent asked for, not what others make of it */
	CHECK_INT(counted(map), 1);
	check_shut(below);
	CHECK_INT(run_in(above, p_out, NULL), 0); /* its other cgroups are as they were */
	CHECK(counted(map) >= 2);
	CHECK_INT(kernel_unmanage(env.k, id), 0);
	CHECK_INT(kernel_detach_cgroup(env.k, id), 0);
	close(link);
	close(prog);
	close(map);
	close(dir);
	CHECK(!rmdir(below) && !rmdir(above));
}

/* --- a cgroup that went and came back under its name
 * --------------------------------------------------- */

static void reopen(void)
{
	struct kernel_options o = {.instance = env.instance};
	char why[512] = "";
	gate_stop();
	for (int i = 0; i < env.n_gates; i++)
		for (int j = 0; j < LISTEN_FDS; j++)
			closep(&env.gates[i].fds[j]);
	kernel_close(env.k, true);
	CHECK_INT(kernel_open(&o, &env.k, why, sizeof(why)), 0);
	CHECK_STR(why, "");
	env.n_gates = 0;
	CHECK_INT(gate_listen(getpid()), 0);
	gate_start();
}

static void test_recreated(const char *top)
{
	char path[256];
	uint64_t id, again, ids[8];
	snprintf(path, sizeof(path), "%.200s-again", top);
	CHECK(!mkdir(path, 0755));
	CHECK_INT(kernel_cgroup_id(path, &id), 0);
	CHECK_INT(kernel_attach_cgroup(env.k, path, NULL), 0);
	CHECK_INT(kernel_manage(env.k, id, 4), 0);
	check_shut(path);
	CHECK(!rmdir(path));
	CHECK(!mkdir(path, 0755));
	CHECK_INT(kernel_cgroup_id(path, &again), 0);
	CHECK(again != id);			 /* another cgroup, whatever its name */
	CHECK_INT(run_in(path, p_out, NULL), 0); /* which nobody enrolled */
	CHECK_INT(kernel_managed(env.k, ids, 8), 1);
	reopen(); /* the dead link and the dead workload are taken for what they are */
	CHECK_INT(kernel_managed(env.k, ids, 8), 0);
	CHECK_INT(kernel_attach_cgroup(env.k, path, NULL), 0);
	CHECK_INT(kernel_manage(env.k, again, 5), 0);
	check_shut(path);
	CHECK_INT(kernel_unmanage(env.k, again), 0);
	CHECK_INT(kernel_detach_cgroup(env.k, again), 0);
	CHECK(!rmdir(path));
}

/* --- killed while it starts
 * ---------------------------------------------------------------------------- */

static void start_and_die(int after_us)
{
	struct kernel_options o = {.instance = env.instance};
	struct kernel *k;
	char why[512];
	pid_t pid = fork();
	if (!pid)
		_exit(kernel_open(&o, &k, why, sizeof(why)) != 0 || pause());
	poll(NULL, 0, after_us / 1000);
	usleep((useconds_t)(after_us % 1000));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_crashes(void)
{
	struct kernel_options o = {.instance = env.instance};
	char why[512] = "";
	struct work w = work_new("s-crash", 6);
	gate_stop();
	kernel_close(env.k, true);
	for (int i = 0; i < 12; i++) {
		start_and_die(i * i * 1000);
		check_shut(w.path);
	}
	CHECK_INT(kernel_open(&o, &env.k, why, sizeof(why)), 0);
	CHECK_STR(why, "");
	for (int j = 0; j < LISTEN_FDS; j++)
		closep(&env.gates[0].fds[j]);
	env.n_gates = 0;
	CHECK_INT(gate_listen(getpid()), 0);
	gate_start();
	check_shut(w.path);
	work_end(&w);
}

/* --- full
 * ---------------------------------------------------------------------------------------------- */

static void test_full_table(void)
{
	uint64_t fake = 1ull << 60;
	int n = 0, err = 0;
	while (n < 10000 && !(err = kernel_manage(env.k, fake + (uint64_t)n, 1)))
		n++;
	CHECK_INT(err, -E2BIG);
	struct work w = work_new("s-full", 0);
	CHECK(kernel_manage(env.k, w.id, 2) < 0);
	check_shut(w.path);
	for (int i = 0; i < n; i++)
		if (kernel_unmanage(env.k, fake + (uint64_t)i))
			err = 0;
	CHECK_INT(err, -E2BIG);
	CHECK_INT(kernel_manage(env.k, w.id, 2), 0);
	work_end(&w);
}

static int p_flood(void *arg)
{
	struct sockaddr_storage sa;
	struct addr a = addr_of(env.out4, SINK_PORT);
	socklen_t len = addr_to_sockaddr(&a, &sa);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	(void)arg;
	for (int i = 0; i < 250; i++)
		if (!connect(fd, (struct sockaddr *)&sa, len))
			return BROKEN;
	return 0;
}

/* Nobody reads: the ring takes what it can, the counters the rest. */
static void test_full_ring(void)
{
	enum { N = 24 };
	struct work w[N];
	struct workload_stats st;
	char name[32];
	gate_stop();
	long before = env.sink->frames;
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "s-ring-%d", i);
		w[i] = work_new(name, 10 + (uint32_t)i);
		kernel_beat(env.k);
		CHECK_INT(run_in(w[i].path, p_flood, NULL), 0);
		CHECK_INT(kernel_stats(env.k, w[i].id, &st), 0);
		CHECK_INT(st.refused, 250);
	}
	CHECK_INT(env.sink->frames, before);
	gate_start();
	for (int i = 0; i < N; i++)
		work_end(&w[i]);
}

/* --- many, and numbers that come again
 * ------------------------------------------------------------------- */

static void test_many(int n)
{
	struct ask_net db = {addr_of("203.0.113.7", 5432), AF_INET, "many", "gate", false, false};
	char name[32];
	int good = 0;
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "s-many-%d", i);
		struct work w = work_new(name, 1000 + (uint32_t)i);
		good += run_in(w.path, probe_tcp, &db) == 0;
		work_end(&w);
	}
	CHECK_INT(good, n);
	uint64_t ids[8];
	CHECK_INT(kernel_managed(env.k, ids, 8), 0);
}

struct reuse {
	const char *say;
	uint16_t port;
};

/* Connects from a port of its choice, and leaves it at once. */
static int p_from_port(void *arg)
{
	const struct reuse *r = arg;
	struct linger hard = {1, 0};
	struct sockaddr_in me = {.sin_family = AF_INET, .sin_port = htons(r->port)};
	struct sockaddr_storage sa;
	struct addr to = addr_of("203.0.113.7", 5432);
	socklen_t len = addr_to_sockaddr(&to, &sa);
	int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&me, sizeof(me)) ||
	    connect(fd, (struct sockaddr *)&sa, len))
		return errno;
	if (send(fd, r->say, strlen(r->say), MSG_NOSIGNAL) < 0)
		return errno;
	int err = hear(fd, "gate");
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	return err;
}

static void test_port_again(void)
{
	char say[32];
	for (int i = 0; i < 6; i++) {
		struct reuse r = {say, 45557};
		struct seen s = {0};
		snprintf(say, sizeof(say), "port-%d", i);
		struct work w = work_new(say, 500 + (uint32_t)i);
		int err = EADDRINUSE;
		for (int tries = 0; err == EADDRINUSE && tries < 100; tries++, sleep_ms(20))
			err = run_in(w.path, p_from_port, &r);
		CHECK_INT(err, 0);
		CHECK(gate_saw(say, &s));
		CHECK_INT(s.err, 0);
		CHECK_INT(s.peer.port, 45557);
		CHECK_INT(s.info.cgroup_id, w.id);
		CHECK_INT(s.info.generation, 500 + i);
		work_end(&w);
	}
}

static void run_all(void)
{
	struct addr net = addr_of("203.0.113.0", 0);
	const char *soak = getenv("SOAK");
	struct work w = work_new("s-where", 0);
	char *top = strdup(w.path);
	*strrchr(top, '/') = '\0';
	work_end(&w);
	CHECK_INT(dest_add(kernel_dest_map_fd(env.k), net.ip, 96 + 24, SINK_PORT), 0);
	CHECK_INT(run_in(NULL, p_out, NULL), 0);
	test_foreign(top);
	test_recreated(top);
	test_crashes();
	test_full_table();
	test_full_ring();
	test_port_again();
	test_many(soak ? atoi(soak) : getenv("SLOWNESS") ? 50 : 1000);
	free(top);
}

int main(void)
{
	return env_main(run_all);
}
