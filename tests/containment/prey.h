/* Outside of every workload, and worth reaching for: a process to trace, a maker of late sockets, a
 * cgroup whose packets a program drops. Children of the suite; they die with it. */
#pragma once

#include <stddef.h>
#include <sys/un.h>

#include "tests/containment/vector.h"
#include "tests/e2e/kernel_env.h"

struct outside {
	pid_t relay, victim, maker, beacon;
	int toy_link;
	char toy_path[256];
};

static inline void to_sink(const struct stage *s)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sink_send(s, fd, AF_INET))
		printf("note: a helper outside cannot reach the sink\n");
	close(fd);
}

static inline int unix_bound(const char *dir, const char *name, int type)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/%s", dir, name);
	unlink(sun.sun_path);
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) ||
	    (type == SOCK_STREAM && listen(fd, 8)))
		abort();
	return fd;
}

/* Has a flag in its memory and a connected socket; keeps both to itself. */
static inline pid_t victim_up(struct stage *s)
{
	static volatile int flag;
	s->victim_flag = &flag;
	s->victim_socket = sink_socket(s, SOCK_DGRAM);
	pid_t pid = fork();
	if (pid) {
		close(s->victim_socket);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		if (flag) {
			flag = 0;
			to_sink(s);
		}
		sleep_ms(5);
	}
}

static volatile sig_atomic_t is_asked_late, is_asked_program;
static inline void on_late(int signo)
{
	(void)signo;
	is_asked_late = 1;
}

static inline void on_program(int signo)
{
	(void)signo;
	is_asked_program = 1;
}

/* A program that no handler of the machine's knows. */
static inline void run_program(const struct stage *s)
{
	char path[96];
	snprintf(path, sizeof(path), "%s/program", s->tmp_dir);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	if (fd < 0 || write(fd, "KTMAGIC\n", 8) != 8)
		printf("note: no program: errno %d\n", errno);
	close(fd);
	pid_t pid = fork();
	if (!pid) {
		execl(path, path, NULL);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
}

/* Makes a new socket at its name each time it is asked, or runs a program. */
static inline pid_t maker_up(const struct stage *s)
{
	int fd = -1;
	char byte;
	pid_t pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGUSR1, on_late);
	signal(SIGUSR2, on_program);
	for (;;) {
		struct pollfd p = {fd, POLLIN, 0};
		if (is_asked_program) {
			is_asked_program = 0;
			run_program(s);
		}
		if (is_asked_late) {
			is_asked_late = 0;
			if (fd >= 0)
				close(fd);
			fd = unix_bound(s->tmp_dir, "late.sock", SOCK_STREAM);
			continue;
		}
		if (poll(&p, 1, 20) != 1 || !p.revents)
			continue;
		int c = accept(fd, NULL, NULL);
		if (c >= 0 && recv(c, &byte, 1, 0) == 1)
			to_sink(s);
		close(c);
	}
}

/* "return 0" on egress of a cgroup in which a beacon sends all the time. */
static inline bool toy_up(struct stage *s, struct outside *o)
{
	struct bpf_insn drop[] = {
	    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
	    {.code = BPF_JMP | BPF_EXIT}};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_CGROUP_INET_EGRESS);
	snprintf(o->toy_path, sizeof(o->toy_path), "%s/toy-%d", s->cgroup_top, getpid());
	mkdir(o->toy_path, 0755);
	int dir = open(o->toy_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int prog = bpf_prog_load(BPF_PROG_TYPE_CGROUP_SKB, NULL, "GPL", drop, 2, &opts);
	o->toy_link = bpf_link_create(prog, dir, BPF_CGROUP_INET_EGRESS, NULL);
	close(dir);
	close(prog);
	if (o->toy_link < 0 || kernel_cgroup_id(o->toy_path, &s->toy_cgroup))
		return false;
	o->beacon = fork();
	if (o->beacon)
		return true;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (kernel_cgroup_move(o->toy_path, getpid()))
		_exit(1);
	for (int fd = socket(AF_INET, SOCK_DGRAM, 0);; sleep_ms(10))
		if (sink_send(s, fd, AF_INET) && errno != EPERM)
			sleep_ms(1);
}

static inline void toy_down(struct outside *o)
{
	kill(o->beacon, SIGKILL);
	waitpid(o->beacon, NULL, 0);
	close(o->toy_link);
	rmdir(o->toy_path);
}
