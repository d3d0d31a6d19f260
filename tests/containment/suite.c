/* make containment: every way around the gateway that is known (vector.h), tried for real and
 * judged at a sink behind a wire, in a network namespace of the suite's own. One line a vector:
 *   vector<TAB>closed|refused|not here|open<TAB>how<TAB>sink bytes managed<TAB>sink bytes control
 * "kernel: ..." in how: the cgroup's (or LSM) programs alone close it, with the reason on record.
 * "run: ...": they do not, and each part of `sluice run`'s guard that is named closes it alone.
 * Needs root. With arguments: only the vectors whose names contain one of them. */
#include "guard/guard.h"
#include "tests/containment/outside.h"

enum outcome { CLOSED, REFUSED, NOT_HERE, OPEN, CONTROL_FAILED, OUTCOMES };
static const char *const outcome_names[OUTCOMES] = {"closed", "refused", "not here", "open",
						    "control failed"};

#define EXIT_REFUSED 170
#define PART_FDS                                                                                   \
	GUARD_PARTS /* the descriptors that come along: checked and closed by `run`, no part of    \
		       guard_enter */

struct attempt {
	const char *cgroup; /* NULL: unmanaged */
	bool parts[GUARD_PARTS + 1];
};

struct result {
	int err;
	long bytes;
};

enum { NOT_YET, MADE, GO };
static struct stage stage;
static struct outside outside;
static _Atomic int
    *turn; /* shared with the probe's process: what `before` sent must have arrived */
static int n_outcomes[OUTCOMES];

/* --- one attempt
 * ------------------------------------------------------------------------------------ */

static int hold_fds(const struct vector *v, const struct attempt *a, struct stage *s)
{
	if (v->needs_stdin && dup2(s->held, 0) < 0)
		return BROKEN_PROBE;
	if (!a->parts[PART_FDS])
		return 0;
	if (guard_fd_refused(0))
		return EXIT_REFUSED;
	return guard_close_fds(-1) < 0 ? BROKEN_PROBE : 0;
}

static int enter_guard(const struct attempt *a)
{
	struct guard g = {.has_lsm = kernel_has_lsm(env.k)};
	enum guard_part part = 0;
	bool has_any = false;
	for (int p = 0; p < GUARD_PARTS; p++) {
		g.without[p] = !a->parts[p];
		has_any |= a->parts[p];
	}
	if (!has_any)
		return 0;
	guard_probe(&g);
	int r = guard_enter(&g, &part);
	if (r < 0)
		printf("note: the part \"%s\" cannot be put on: %s\n", guard_part_name(part),
		       err_text(r));
	return r < 0 ? BROKEN_PROBE : 0;
}

static int attempt_in_child(const struct vector *v, const struct attempt *a)
{
	struct stage s = stage;
	int devnull = open("/dev/null", O_RDWR | O_CLOEXEC);
	dup2(devnull, 0);
	s.held = v->before ? v->before(&s) : -1;
	if (v->before && s.held < 0)
		return errno ? errno : BROKEN_PROBE;
	int err = hold_fds(v, a, &s);
	for (*turn = MADE; *turn != GO;)
		sleep_ms(1);
	if (!err && a->cgroup && kernel_cgroup_move(a->cgroup, getpid()))
		return BROKEN_PROBE;
	if (!err)
		err = enter_guard(a);
	fflush(stdout);
	return err ? err : v->probe(&s);
}

/* Waits until the sink has heard something, or for long enough that it would have. */
static long sink_bytes(long before, int wait_ms)
{
	uint64_t until = clock_mono_ns() + (uint64_t)wait_ms * NS_PER_MS * (uint64_t)slow(1);
	while (env.sink->bytes == before && clock_mono_ns() < until)
		sleep_ms(2);
	return env.sink->bytes - before;
}

/* What an attempt before this one left on the wire (the end of a connection, a packet sent again after its 200 ms) is
 * not this one's. */
static bool was_heard;
static void wait_quiet(void)
{
	long last = -1;
	int nap_ms = was_heard ? 250 : 20 * slow(1);
	for (int i = 0; i < 50 && env.sink->bytes != last; i++) {
		last = env.sink->bytes;
		sleep_ms(nap_ms);
	}
}

static bool has_ended(pid_t pid)
{
	siginfo_t info = {0};
	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
	       info.si_pid == pid;
}

static struct result attempt(const struct vector *v, const struct attempt *a, int wait_ms)
{
	struct result r;
	bool needs_toy = v->probe == detach_toy;
	fflush(stdout);
	*turn = NOT_YET;
	if (needs_toy)
		CHECK(toy_up(&stage, &outside));
	pid_t pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(20 * (unsigned)slow(1));
		_exit(attempt_in_child(v, a));
	}
	while (*turn != MADE && !has_ended(pid))
		sleep_ms(1);
	if (v->before)
		sleep_ms(60 * slow(1));
	if (!needs_toy) /* its beacon is never quiet */
		wait_quiet();
	long before = env.sink->bytes;
	*turn = GO;
	r.err = finish(pid);
	if (v->needs_own_machine && !r.err)
		wait_ms = MAX(wait_ms, 600); /* a program is started, and finds its way */
	r.bytes = sink_bytes(before, r.err > 0 ? MIN(wait_ms, 40) : wait_ms);
	was_heard = r.bytes > 0;
	if (v->after)
		v->after(&stage);
	if (needs_toy)
		toy_down(&outside);
	return r;
}

/* --- one vector
 * ------------------------------------------------------------------------------------- */

static bool says_not_here(int err)
{
	static const int none[] = {EPROTONOSUPPORT, EAFNOSUPPORT, ESOCKTNOSUPPORT, ENODEV,
				   ENOENT,	    ENOSYS,	  EOPNOTSUPP,	   ENOPROTOOPT,
				   ENXIO,	    EINVAL,	  ENETDOWN,	   ECONNRESET};
	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		if (err == none[i])
			return true;
	return false;
}

/* What is on record for it. Nothing: its packets were dropped below the sockets, where only the
 * counters know. */
static void kernel_reason(uint64_t cgroup_id, int err, char *out, size_t size)
{
	snprintf(out, size, "kernel: dropped by the backstop");
	if (err > 0 && err != EPERM && err != ETIMEDOUT && err != EINPROGRESS && err != EAGAIN)
		snprintf(out, size, "kernel: errno %d", err);
	for (int tries = 0; tries < 10; tries++) {
		pthread_mutex_lock(&env.lock);
		for (int i = env.n_refused - 1; i >= 0; i--)
			if (env.refused[i].cgroup_id == cgroup_id) {
				snprintf(out, size, "kernel: %s", env.refused[i].reason);
				pthread_mutex_unlock(&env.lock);
				return;
			}
		pthread_mutex_unlock(&env.lock);
		sleep_ms(10);
	}
}

static void all_parts(struct attempt *a, bool on)
{
	for (int p = 0; p <= GUARD_PARTS; p++)
		a->parts[p] = on;
}

/* Which parts of the guard would do it alone. */
static void guard_reason(const struct vector *v, const char *cgroup, char *out, size_t size)
{
	size_t n = (size_t)snprintf(out, size, "run:");
	const char *comma = " ";
	for (int p = 0; p <= GUARD_PARTS && n < size; p++) {
		struct attempt a = {.cgroup = cgroup};
		a.parts[p] = true;
		if (attempt(v, &a, 100).bytes)
			continue;
		n += (size_t)snprintf(out + n, size - n, "%s%s", comma,
				      p == PART_FDS ? "descriptors"
						    : guard_part_name((enum guard_part)p));
		comma = ", ";
	}
	if (*comma == ' ' && n < size)
		snprintf(out + n, size - n, " several parts together");
}

static enum outcome judge(const struct vector *v, const struct work *w, char *how, size_t size,
			  struct result *managed)
{
	struct attempt bare = {.cgroup = w->path}, full = {.cgroup = w->path};
	all_parts(&full, true);
	struct result kernel = attempt(v, &bare, 100), guarded = attempt(v, &full, 100);
	*managed = guarded;
	if (guarded.bytes) {
		snprintf(how, size, "errno %d", guarded.err);
		return OPEN;
	}
	if (!kernel.bytes && kernel.err != BROKEN_PROBE) {
		kernel_reason(w->id, kernel.err, how, size);
		return CLOSED;
	}
	guard_reason(v, w->path, how, size);
	return guarded.err == EXIT_REFUSED ? REFUSED : CLOSED;
}

static void try_vector(const struct vector *v)
{
	static uint32_t generation;
	struct attempt control = {0};
	struct result managed = {0};
	char name[32], how[128] = "";
	enum outcome o;
	struct result c = {ENOSYS, 0};
	bool is_ours = !v->needs_own_machine || getenv("VMTEST");
	if (is_ours)
		c = attempt(v, &control, 1500);
	if (!is_ours) {
		o = NOT_HERE;
		snprintf(how, sizeof(how), "the switches of this machine are not the test's: make vmtest");
	} else if (!c.bytes) {
		o = says_not_here(c.err) ? NOT_HERE : CONTROL_FAILED;
		snprintf(how, sizeof(how), "the control fails too: %s", strerror(c.err));
	} else {
		snprintf(name, sizeof(name), "s-%u", ++generation);
		struct work w = work_new(name, generation);
		o = judge(v, &w, how, sizeof(how), &managed);
		work_end(&w);
	}
	n_outcomes[o]++;
	printf("%s\t%s\t%s\t%ld\t%ld\n", v->name, outcome_names[o], how, managed.bytes, c.bytes);
}

/* --- all
 * -------------------------------------------------------------------------------------------- */

static char *const *picks;
static bool is_picked(const char *name)
{
	for (char *const *p = picks; *p; p++)
		if (strstr(name, *p))
			return true;
	return !*picks;
}

static void set_helper(void)
{
	snprintf(stage.helper, sizeof(stage.helper), "%s/helper", stage.tmp_dir);
	FILE *f = fopen(stage.helper, "we");
	CHECK(f && fprintf(f, "#!/bin/bash\nexec /usr/bin/nsenter -t %d -n /bin/bash -c 'echo x >/dev/udp/%s/%d'\n",
			   getpid(), stage.out4, SINK_UDP) > 0);
	CHECK(f && !fchmod(fileno(f), 0755) && !fclose(f));
}

static void set_stage(void)
{
	_cleanup_(freep) char *top = NULL;
	snprintf(stage.out4, sizeof(stage.out4), "%s", env.out4);
	snprintf(stage.out6, sizeof(stage.out6), "%s", env.out6);
	snprintf(stage.here4, sizeof(stage.here4), "%s", env.here4);
	snprintf(stage.dev, sizeof(stage.dev), "kt%d", getpid());
	snprintf(stage.sock_dir, sizeof(stage.sock_dir), "/run/kt-%d", getpid());
	snprintf(stage.tmp_dir, sizeof(stage.tmp_dir), "/tmp/kt-%d", getpid());
	snprintf(stage.abstract, sizeof(stage.abstract), "kt-%d", getpid());
	struct work w = work_new("s-where", 0);
	snprintf(stage.cgroup_top, sizeof(stage.cgroup_top), "%.*s",
		 (int)(strlen(w.path) - strlen(env.instance) - strlen("/s-where") - 1), w.path);
	work_end(&w);
	stage.sink_pid = env.sink_pid;
	stage.gate_port = env.gates[0].port;
	CHECK(!mkdir(stage.sock_dir, 0755) && !mkdir(stage.tmp_dir, 0755));
	set_helper();
	outside.relay = relay_up(&stage);
	outside.victim = stage.victim = victim_up(&stage);
	outside.maker = stage.maker = maker_up(&stage);
}

static void run_all(void)
{
	const struct vector *const lists[] = {vectors_ip,     vectors_uring, vectors_wire,  vectors_raw,
					      vectors_handed, vectors_local, vectors_reach, vectors_upcall};
	struct addr net = addr_of("203.0.113.0", 0), one = addr_of("2001:db8::7", 0);
	set_stage();
	turn = mmap(NULL, sizeof(*turn), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	/* What a fresh network namespace does not have by itself. */
	shell("echo '0 2147483647' >/proc/sys/net/ipv4/ping_group_range; echo 1 "
	      ">/proc/sys/net/ipv4/ip_forward; "
	      "ip route add 203.0.113.0/24 via %s dev %s",
	      env.out4, stage.dev);
	CHECK_INT(dest_add(kernel_dest_map_fd(env.k), net.ip, 96 + 24, SINK_PORT), 0);
	CHECK_INT(dest_add(kernel_dest_map_fd(env.k), one.ip, 128, SINK_PORT), 0);
	printf("vector\toutcome\thow\tsink bytes managed\tsink bytes control\n");
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		for (const struct vector *v = lists[i]; v->name; v++)
			if (is_picked(v->name))
				try_vector(v);
	outside_down(&stage, &outside);
	tap_passed = n_outcomes[CLOSED] + n_outcomes[REFUSED];
	tap_failed += n_outcomes[OPEN] + n_outcomes[CONTROL_FAILED];
	tap_skipped += n_outcomes[NOT_HERE];
}

int main(int argc, char **argv)
{
	(void)argc;
	picks = argv + 1;
	if (geteuid() == 0 && unshare(CLONE_NEWNET) < 0)
		return 1;
	return env_main(run_all);
}
