/* What is left of a process that entered the sandbox. Each trial is a process of its own. */
#include "priv/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../tap.h"

static int enter(bool keep_bpf)
{
	return sandbox_enter(&(struct sandbox){.user = "nobody", .keep_bpf = keep_bpf, .parent = getppid()});
}

/* The exit code of a trial in the sandbox, or 1000 + the signal that ended it. */
static int try_it(int (*trial)(void), bool keep_bpf)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		if (enter(keep_bpf) < 0)
			_exit(99);
		_exit(trial());
	}
	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int is_nobody(void)
{
	return getuid() == 0 || geteuid() == 0 || getgid() == 0 || getgroups(0, NULL) != 0 || setuid(0) == 0;
}

static long capabilities(const char *name)
{
	char line[200], key[20];
	long value = -1;
	FILE *f = fopen("/proc/self/status", "r");
	snprintf(key, sizeof(key), "%s:\t%%lx", name);
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, key, (unsigned long *)&value) == 1)
			break;
	return value;
}

static int has_none(void)
{
	return capabilities("CapEff") || capabilities("CapPrm") || capabilities("CapBnd") ||
	       capabilities("CapAmb");
}

static int has_bpf_alone(void)
{
	return capabilities("CapEff") != 1l << 39 || capabilities("CapPrm") != 1l << 39 ||
	       capabilities("CapBnd");
}

static int is_closed_to_others(void)
{
	return prctl(PR_GET_DUMPABLE) != 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1;
}

static int run_program(void)
{
	char *argv[] = {"true", NULL};
	return execv("/bin/true", argv);
}

static int become_another(void)
{
	return setresuid(1, 1, 1);
}

static int trace_parent(void)
{
	return (int)syscall(SYS_ptrace, 16, getppid(), 0, 0);
}

static int fork_once(void)
{
	return fork() == 0;
}

static int new_namespace(void)
{
	return unshare(CLONE_NEWNET);
}

static int load_program(void)
{
	union bpf_attr a = {0};
	return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &a, sizeof(a));
}

static int get_map(void)
{
	union bpf_attr a = {0};
	return (int)syscall(SYS_bpf, BPF_MAP_GET_FD_BY_ID, &a, sizeof(a));
}

static int look_up(void)
{
	union bpf_attr a = {.map_fd = 1000000};
	return syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &a, sizeof(a)) == -1 && errno == EBADF ? 0 : 1;
}

static void *nothing(void *arg)
{
	return arg;
}

static int start_thread(void)
{
	pthread_t t;
	return pthread_create(&t, NULL, nothing, NULL) || pthread_join(t, NULL);
}

static int use_io_uring(void)
{
	return syscall(SYS_io_uring_setup, 1, NULL) == -1 && errno == ENOSYS ? 0 : 1;
}

static void needs_a_real_user(void)
{
	static const char *const users[] = {"root", "no-such-user-here"};
	for (int i = 0; i < 2; i++) {
		int status;
		pid_t pid = fork();
		if (pid == 0)
			_exit(sandbox_enter(&(struct sandbox){.user = users[i], .parent = getppid()}) ==
			      ERR_CONFIG);
		CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 1);
	}
}

int main(void)
{
	if (geteuid() != 0) {
		SKIP("needs root");
		return tap_done();
	}
	needs_a_real_user();
	CHECK_INT(try_it(is_nobody, false),
		  1000 + SIGSYS); /* setuid(0), after all the rest was as it should be */
	CHECK_INT(try_it(has_none, false), 0);
	CHECK_INT(try_it(has_bpf_alone, true), 0);
	CHECK_INT(try_it(is_closed_to_others, false), 0);
	CHECK_INT(try_it(run_program, false), 1000 + SIGSYS);
	CHECK_INT(try_it(become_another, false), 1000 + SIGSYS);
	CHECK_INT(try_it(trace_parent, false), 1000 + SIGSYS);
	CHECK_INT(try_it(fork_once, false), 1000 + SIGSYS);
	CHECK_INT(try_it(new_namespace, false), 1000 + SIGSYS);
	CHECK_INT(try_it(look_up, false), 1000 + SIGSYS);
	CHECK_INT(try_it(load_program, true), 1000 + SIGSYS);
	CHECK_INT(try_it(get_map, true), 1000 + SIGSYS);
	CHECK_INT(try_it(look_up, true), 0);
	CHECK_INT(try_it(start_thread, false), 0);
	CHECK_INT(try_it(use_io_uring, false), 0);
	return tap_done();
}
