/* Starting, and what may go wrong with it: killed at any point, over the state of a version with other maps, two at
 * once, the managed root gone; and what comes again or runs away: process numbers, the clock, a full table of flows.
 * Enforcement never opens; judged at the sink. SOAK=1: killed at every point, not at some. Needs root. */
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <time.h>

#include "bpf/shared.h"
#include "tests/e2e/kernel_probe.h"

#define BPFFS "/sys/fs/bpf"

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

static int open_kernel(struct kernel **ret_k)
{
	struct kernel_options o = {.instance = env.instance};
	char why[512] = "";
	int err = kernel_open(&o, ret_k, why, sizeof(why));
	if (err)
		printf("kernel_open: %s: %s\n", err_text(err), why);
	return err;
}

static void go_down(void)
{
	gate_stop();
	for (int i = 0; i < env.n_gates; i++)
		for (int j = 0; j < LISTEN_FDS; j++)
			closep(&env.gates[i].fds[j]);
	env.n_gates = 0;
	kernel_close(env.k, true);
	env.k = NULL;
}

static void come_up(void)
{
	struct addr net = addr_of("203.0.113.0", 0);
	CHECK_INT(open_kernel(&env.k), 0);
	CHECK_INT(gate_listen(getpid()), 0);
	CHECK_INT(dest_add(kernel_dest_map_fd(env.k), net.ip, 96 + 24, SINK_PORT), 0);
	gate_start();
}

static void check_works(const struct work *w, uint32_t generation)
{
	static int n;
	char say[32];
	struct ask_net db = {addr_of("203.0.113.7", 5432), AF_INET, say, "gate", false, false};
	struct seen s = {0};
	snprintf(say, sizeof(say), "works-%d", ++n);
	CHECK_INT(kernel_manage(env.k, w->id, generation), 0);
	CHECK_INT(run_in(w->path, probe_tcp, &db), 0);
	CHECK(gate_saw(say, &s));
	CHECK_INT(s.info.cgroup_id, w->id);
	check_shut(w->path);
}

/* --- killed at any point ------------------------------------------------------------------------ */

/* What changes something outside of the process, or is the kernel's own work. */
static bool is_step(uint64_t nr)
{
	static const long steps[] = {SYS_bpf,	   SYS_mkdir,  SYS_unlink,   SYS_rename, SYS_mmap,
				     SYS_mount,	   SYS_flock,  SYS_unlinkat, SYS_rmdir,	 SYS_mkdirat,
				     SYS_renameat, SYS_clone};
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		if (nr == (uint64_t)steps[i])
			return true;
	return false;
}

/* Starts a daemon's kernel side and kills it when it is about to take its n-th step (-1: never). The steps it took. */
static int start_and_die(int n)
{
	struct __ptrace_syscall_info info;
	int status, steps = 0;
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		struct kernel *k;
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(open_kernel(&k) != 0);
	}
	waitpid(pid, &status, 0);
	ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD);
	for (;;) {
		int sig = WSTOPSIG(status), pass_on = sig == (SIGTRAP | 0x80) || sig == SIGSTOP ? 0 : sig;
		ptrace(PTRACE_SYSCALL, pid, NULL, pass_on);
		if (waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status))
			break;
		if (WSTOPSIG(status) != (SIGTRAP | 0x80) ||
		    ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) < 0 ||
		    info.op != PTRACE_SYSCALL_INFO_ENTRY || !is_step(info.entry.nr))
			continue;
		if (steps++ == n) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return steps;
		}
	}
	CHECK(WIFEXITED(status) && !WEXITSTATUS(status)); /* it came through */
	return steps;
}

/* An emulated machine takes its time: fewer there. */
static int stride(int steps, int tries)
{
	tries = getenv("SLOWNESS") ? MAX(tries / 3, 1) : tries;
	return getenv("SOAK") ? 1 : MAX(steps / tries, 1);
}

static void test_killed(void)
{
	struct work w = work_new("s-killed", 6);
	go_down();
	int steps = start_and_die(-1);
	CHECK(steps > 50);
	for (int n = 0; n < steps; n += stride(steps, 7)) {
		start_and_die(n);
		check_shut(w.path);
	}
	come_up();
	check_works(&w, 6);
	work_end(&w);
}

/* Nothing is there yet: what was begun is taken up, and nobody is let in before the end. */
static void test_killed_at_first(void)
{
	char kept[32];
	struct work w;
	struct kernel *k = NULL;
	snprintf(kept, sizeof(kept), "%s", env.instance);
	snprintf(env.instance, sizeof(env.instance), "kf-%d", getpid());
	int steps = start_and_die(-1);
	CHECK_INT(open_kernel(&k), 0);
	kernel_close(k, false);
	for (int n = 0; n < steps; n += stride(steps, 4))
		start_and_die(n);
	CHECK_INT(open_kernel(&k), 0);
	CHECK_INT(kernel_cgroup_create(k, "s-first", &w.path, &w.id), 0);
	CHECK_INT(run_in(w.path, p_out, NULL), NO_SOCKET);
	CHECK_INT(kernel_cgroup_remove(k, w.path), 0);
	free(w.path);
	kernel_close(k, false);
	snprintf(env.instance, sizeof(env.instance), "%s", kept);
}

/* --- a version with other maps ------------------------------------------------------------------- */

static void age(void)
{
	char now[128], then[128];
	snprintf(now, sizeof(now), BPFFS "/%s/v%d", env.instance, SHARED_ABI);
	snprintf(then, sizeof(then), BPFFS "/%s/v0", env.instance);
	CHECK(!rename(now, then));
}

static bool has_old_maps(void)
{
	char path[128];
	snprintf(path, sizeof(path), BPFFS "/%s/v0", env.instance);
	return !access(path, F_OK);
}

/* Programs of the old version run with the old maps until each is replaced through its link: at every point of that,
 * and after it, what was managed stays shut; the new version then manages it anew, and the old maps go. */
static void test_upgrade(const char *top)
{
	char path[256];
	uint64_t id;
	struct work w = work_new("s-upgrade", 7);
	snprintf(path, sizeof(path), "%.200s-upgrade", top);
	CHECK(!mkdir(path, 0755));
	CHECK_INT(kernel_cgroup_id(path, &id), 0);
	CHECK_INT(kernel_attach_cgroup(env.k, path, NULL), 0);
	CHECK_INT(kernel_manage(env.k, id, 8), 0);
	go_down();
	int steps = start_and_die(-1);
	for (int n = 0; n < steps; n += stride(steps, 5)) {
		CHECK_INT(open_kernel(&env.k), 0);
		CHECK(!has_old_maps());
		kernel_close(env.k, true);
		age();
		start_and_die(n);
		check_shut(w.path);
		check_shut(path);
	}
	come_up();
	CHECK(!has_old_maps());
	check_shut(w.path); /* nobody is known yet */
	check_shut(path);
	check_works(&w, 7);
	CHECK_INT(kernel_manage(env.k, id, 8), 0);
	check_shut(path);
	CHECK_INT(kernel_unmanage(env.k, id), 0);
	CHECK_INT(kernel_detach_cgroup(env.k, id), 0);
	CHECK_INT(run_in(path, p_out, NULL), 0);
	CHECK(!rmdir(path));
	work_end(&w);
}

/* --- two at once ---------------------------------------------------------------------------------- */

static void test_two(void)
{
	struct work w = work_new("s-two-starts", 9);
	go_down();
	for (int round = 0; round < 3; round++) {
		int up[2], hold[2], n_good = 0;
		char got[2] = "";
		pid_t pids[2];
		CHECK(!pipe(up) && !pipe(hold));
		fflush(stdout);
		for (int i = 0; i < 2; i++) {
			pids[i] = fork();
			if (pids[i])
				continue;
			struct kernel_options o = {.instance = env.instance};
			struct kernel *k;
			char why[512], c;
			close(hold[1]);
			int err = kernel_open(&o, &k, why, sizeof(why));
			c = err ? err == ERR_EXISTS ? 'n' : '?' : 'y';
			_exit(write(up[1], &c, 1) != 1 || read(hold[0], &c, 1) < 0);
		}
		CHECK(read(up[0], got, 1) == 1 && read(up[0], got + 1, 1) == 1);
		for (int i = 0; i < 2; i++)
			n_good += got[i] == 'y';
		CHECK_INT(n_good, 1);
		CHECK(got[0] == 'n' || got[1] == 'n');
		check_shut(w.path);
		close(hold[1]);
		for (int i = 0; i < 2; i++)
			finish(pids[i]);
		close(hold[0]);
		close(up[0]);
		close(up[1]);
	}
	come_up();
	check_works(&w, 9);
	work_end(&w);
}

/* --- the root that the links belong to is gone ------------------------------------------------------ */

static void test_root_gone(const char *top)
{
	struct stat st;
	go_down();
	CHECK(!rmdir(top)); /* the links are dead, their pins are there */
	CHECK(!mkdir(top, 0755) && !stat(top, &st));
	CHECK_INT(run_in(top, p_out, NULL), 0); /* nothing acts there: what a pin alone is worth */
	come_up();				/* the canary says that it does again */
	CHECK_INT(run_in(top, p_out, NULL), NO_SOCKET);
	struct work w = work_new("s-again", 10);
	check_works(&w, 10);
	work_end(&w);
}

/* --- what comes again, runs away, or is full ---------------------------------------------------------- */

/* A child with this very process number, or -1. */
static pid_t fork_as(pid_t wanted)
{
	for (int tries = 0; tries < 200; tries++) {
		FILE *f = fopen("/proc/sys/kernel/ns_last_pid", "we");
		if (!f || fprintf(f, "%d", wanted - 1) < 0 || fclose(f))
			return -1;
		fflush(stdout);
		pid_t pid = fork();
		if (!pid && getpid() == wanted)
			return 0;
		if (!pid)
			_exit(0);
		if (pid == wanted)
			return pid;
		waitpid(pid, NULL, 0);
	}
	return -1;
}

static int run_as(pid_t wanted, const char *cgroup, int (*probe)(void *), void *arg)
{
	pid_t pid = fork_as(wanted);
	if (pid < 0)
		return -1;
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(20);
		_exit(cgroup && kernel_cgroup_move(cgroup, getpid()) ? 127 : probe(arg));
	}
	return finish(pid);
}

/* The number of a process is nobody's identity. */
static void test_pid_again(void)
{
	struct ask_net a = {addr_of("203.0.113.7", 5432), AF_INET, "pid-a", "gate", false, false}, b = a;
	struct seen first = {0}, second = {0};
	struct work one = work_new("s-pid-one", 11), two = work_new("s-pid-two", 12);
	b.say = "pid-b";
	pid_t pid = start_in(one.path, probe_tcp, &a);
	CHECK_INT(finish(pid), 0);
	int err = run_as(pid, two.path, probe_tcp, &b);
	if (err < 0) {
		SKIP("process numbers cannot be chosen here");
	} else {
		CHECK_INT(err, 0);
		CHECK(gate_saw("pid-a", &first) && gate_saw("pid-b", &second));
		CHECK_INT(first.info.pid, second.info.pid);
		CHECK_INT(first.info.cgroup_id, one.id);
		CHECK_INT(second.info.cgroup_id, two.id);
		CHECK_INT(second.info.generation, 12);
		CHECK_INT(run_as(pid, NULL, p_out, NULL), 0); /* and outside it is an outsider's */
	}
	work_end(&one);
	work_end(&two);
}

static void test_clock(void)
{
	static const long jumps[] = {86400L * 400, -86400L * 800, 86400L * 400};
	struct work w = work_new("s-clock", 13);
	if (!getenv("VMTEST"))
		SKIP("the clock of this machine is not the test's to set");
	for (size_t i = 0; getenv("VMTEST") && i < ARRAY_LEN(jumps); i++) {
		struct timespec t;
		clock_gettime(CLOCK_REALTIME, &t);
		t.tv_sec += jumps[i];
		CHECK(!clock_settime(CLOCK_REALTIME, &t));
		check_works(&w, 13);
	}
	work_end(&w);
}

enum { BATCH = 4096, FLOWS = 262144 };
static struct flow_key fake_keys[BATCH];
static struct flow_value fake_values[BATCH];

static uint32_t fake_flows(uint32_t at, bool is_there)
{
	LIBBPF_OPTS(bpf_map_batch_opts, o);
	uint32_t n = BATCH;
	int fd = kernel_flow_map_fd(env.k);
	for (uint32_t i = 0; i < BATCH; i++) {
		fake_keys[i] = (struct flow_key){.netns = 1ull << 60, .src = {1}, .dst_port = 1};
		memcpy(fake_keys[i].dst, &(uint32_t){at + i}, 4);
		fake_values[i].at_ns = clock_mono_ns();
	}
	if (is_there)
		(void)bpf_map_update_batch(fd, fake_keys, fake_values, &n, &o);
	else
		(void)bpf_map_delete_batch(fd, fake_keys, &n, &o);
	return n;
}

/* Whoever finds no place in the table is closed by the daemon, not let through. */
static void test_full_flows(void)
{
	struct ask_net db = {addr_of("203.0.113.7", 5432), AF_INET, "full", "gate", false, false};
	struct work w = work_new("s-flows", 14);
	struct seen s = {0};
	uint32_t n = 0;
	for (uint32_t at = 0; at <= FLOWS; at += BATCH)
		n += fake_flows(at, true);
	CHECK_INT(n, FLOWS);
	CHECK(run_in(w.path, probe_tcp, &db) != 0);
	check_shut(w.path);
	for (uint32_t at = 0; at <= FLOWS; at += BATCH)
		fake_flows(at, false);
	db.say = "room";
	int err = -1;
	for (int tries = 0; err && tries < 10; tries++, sleep_ms(200))
		err = run_in(w.path, probe_tcp, &db);
	CHECK_INT(err, 0);
	CHECK(gate_saw("room", &s));
	work_end(&w);
}

static void run_all(void)
{
	struct addr net = addr_of("203.0.113.0", 0);
	char top[256];
	struct work w = work_new("s-where", 0);
	snprintf(top, sizeof(top), "%.200s", w.path);
	*strrchr(top, '/') = '\0';
	work_end(&w);
	CHECK_INT(dest_add(kernel_dest_map_fd(env.k), net.ip, 96 + 24, SINK_PORT), 0);
	CHECK_INT(run_in(NULL, p_out, NULL), 0);
	test_killed();
	test_killed_at_first();
	test_upgrade(top);
	test_two();
	test_root_gone(top);
	test_pid_again();
	test_clock();
	test_full_flows();
}

int main(void)
{
	return env_main(run_all);
}
