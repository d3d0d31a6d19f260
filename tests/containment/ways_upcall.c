/* Programs that the kernel starts for somebody, outside of every cgroup, and file systems that it fetches by itself.
 * These turn switches of the whole machine: only in a machine of their own (vmtest). */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/containment/vector.h"

#define CORE_PATTERN "/proc/sys/kernel/core_pattern"
#define MODPROBE     "/proc/sys/kernel/modprobe"
#define BINFMT	     "/proc/sys/fs/binfmt_misc"
#define REQUEST_KEY  "/sbin/request-key"

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	int err = errno_if(fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text));
	close(fd);
	return err;
}

/* A child that dies of a signal, with a core. */
static void crash(void)
{
	pid_t pid = fork();
	if (!pid)
		abort();
	waitpid(pid, NULL, 0);
}

static int pattern_written(const struct stage *s)
{
	char text[128];
	snprintf(text, sizeof(text), "|%s", s->helper);
	int err = put(CORE_PATTERN, text);
	if (!err)
		crash();
	return err;
}

/* The pattern is the machine's own, as of a crash reporter: the workload only crashes. */
static int pattern_there(const struct stage *s)
{
	char text[128];
	snprintf(text, sizeof(text), "|%s", s->helper);
	return put(CORE_PATTERN, text) ? -1 : open("/dev/null", O_RDONLY);
}

static int crashed(const struct stage *s)
{
	(void)s;
	crash();
	return 0;
}

static void pattern_back(const struct stage *s)
{
	(void)s;
	put(CORE_PATTERN, "core");
}

/* A terminal's line discipline that is not there (12: N_SMSBLOCK, which never was) is asked of modprobe, by whoever has
 * a terminal. */
static int modprobe_written(const struct stage *s)
{
	int none = 12, err = put(MODPROBE, s->helper);
	int pty = err ? -1 : open("/dev/ptmx", O_RDWR | O_NOCTTY);
	if (!err && pty < 0)
		return errno;
	return err || ioctl(pty, TIOCSETD, &none) < 0 ? err : BROKEN_PROBE;
}

static void modprobe_back(const struct stage *s)
{
	(void)s;
	put(MODPROBE, "/sbin/modprobe");
}

/* An interpreter for programs that others start. */
static int interpreter(const struct stage *s)
{
	char text[160];
	snprintf(text, sizeof(text), ":kt%d:M::KTMAGIC::%s:", (int)getpid(), s->helper);
	int err = put(BINFMT "/register", text);
	if (!err && kill(s->maker, SIGUSR2))
		err = errno;
	usleep(200000);
	return err;
}

static void interpreter_gone(const struct stage *s)
{
	(void)s;
	put(BINFMT "/status", "-1");
}

/* A hierarchy of version 1, whose last process's end starts a program. */
static int release_agent(const struct stage *s)
{
	char dir[96], path[160], text[96];
	snprintf(dir, sizeof(dir), "%s/v1-%d", s->tmp_dir, (int)getpid());
	snprintf(text, sizeof(text), "none,name=kt%d", (int)getpid());
	if (mkdir(dir, 0700) || unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", dir, "cgroup", 0, text))
		return errno;
	snprintf(path, sizeof(path), "%s/release_agent", dir);
	int err = put(path, s->helper);
	snprintf(path, sizeof(path), "%s/in", dir);
	if (err || mkdir(path, 0700))
		return err ? err : errno;
	snprintf(path, sizeof(path), "%s/in/notify_on_release", dir);
	err = put(path, "1");
	snprintf(path, sizeof(path), "%s/in/cgroup.procs", dir);
	pid_t pid = err ? -1 : fork();
	if (!pid)
		_exit(put(path, "0"));
	waitpid(pid, NULL, 0);
	usleep(200000);
	snprintf(path, sizeof(path), "%s/in", dir);
	rmdir(path);
	return err;
}

/* A key that is not there is asked of a program, dns_resolver's among them. */
static int key_asked(const struct stage *s)
{
	char name[32];
	(void)s;
	snprintf(name, sizeof(name), "kt:%d", (int)getpid());
	long r = syscall(SYS_request_key, "user", name, "secret", -2); /* KEY_SPEC_PROCESS_KEYRING */
	return r < 0 && errno != ENOKEY ? errno : 0;
}

static int key_helper(const struct stage *s)
{
	struct stat st;
	if (lstat(REQUEST_KEY, &st) && symlink(s->helper, REQUEST_KEY))
		return -1;
	return open("/dev/null", O_RDONLY);
}

/* The kernel connects, from a worker of its own. */
static int fetched_by_mount(const struct stage *s)
{
	char dir[96], source[64], data[192];
	int status;
	snprintf(dir, sizeof(dir), "%s/nfs-%d", s->tmp_dir, (int)getpid());
	snprintf(source, sizeof(source), "%s:/x", s->out4);
	snprintf(data, sizeof(data),
		 "addr=%s,vers=3,nolock,soft,timeo=3,retrans=1,proto=tcp,port=%d,mountproto=tcp,mountport=%d",
		 s->out4, SINK_TCP, SINK_TCP);
	if (mkdir(dir, 0700))
		return errno;
	pid_t pid = fork();
	if (!pid)
		_exit(mount(source, dir, "nfs", 0, data) ? errno : 0);
	for (int i = 0; i < 40 && !waitpid(pid, &status, WNOHANG); i++) {
		usleep(25000);
		if (i == 39) { /* it goes on trying: what it sent, it sent */
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return 0;
		}
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : BROKEN_PROBE;
}

const struct vector vectors_upcall[] = {
    {"core pattern written", pattern_written, .after = pattern_back, .needs_own_machine = true},
    {"crash under a piped core pattern", crashed, pattern_there, .after = pattern_back, .needs_own_machine = true},
    {"modprobe's path written", modprobe_written, .after = modprobe_back, .needs_own_machine = true},
    {"binfmt_misc interpreter", interpreter, .after = interpreter_gone, .needs_own_machine = true},
    {"cgroup v1 release agent", release_agent, .needs_own_machine = true},
    {"request_key upcall", key_asked, key_helper, .needs_own_machine = true},
    {"NFS mount", fetched_by_mount, .needs_own_machine = true},
    {0},
};
