#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/macro.h"
#include "priv/beneath.h"
#include "priv/monitor_internal.h"

#define COMMAND_TIMEOUT_MS 10000
#define SECRET_MAX                                                                                           \
	(64 * 1024) /* what a pipe holds: a command that says more than this never ends in time              \
		     */

static int open_file(struct child *c, const char *path, struct answer *a)
{
	const struct config *cfg = c->m->cfg;
	struct stat st;
	int r = open_beneath(cfg->credential_dirs, cfg->n_credential_dirs, path, &a->fd);
	if (r == ERR_DENIED)
		a->why = "the credential does not lie in a folder of \"credential_dirs\"";
	else if (r < 0)
		a->why = "the credential cannot be opened";
	/* The agent is told that much; which file it is, and why, is for the log alone. */
	if (r < 0)
		log_warn("credential %s: %s", path, err_text(r));
	else if (fstat(a->fd, &st) == 0 && (st.st_mode & 077))
		log_warn("credential %s: others may read it (mode %04o): chmod 600 it", path, st.st_mode & 07777);
	return r;
}

/* The service manager's file descriptor of that name (sd_listen_fds(3)). Opened anew, so that every login
 * reads from its start. */
static int open_inherited(const char *name, struct answer *a)
{
	const char *names = getenv("LISTEN_FDNAMES");
	char path[64];
	for (int fd = 3; names && *names; fd++) {
		size_t len = strcspn(names, ":");
		if (len == strlen(name) && !memcmp(names, name, len)) {
			snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
			a->fd = open(path, O_RDONLY | O_CLOEXEC);
			return a->fd < 0 ? -errno : 0;
		}
		names += len + (names[len] == ':');
	}
	a->why = "no descriptor of that name was inherited";
	return ERR_NOT_FOUND;
}

/* --- command: ------------------------------------------------------------------------------------ */

/* In the new process. Says nothing: what a command prints on its error output may hold the secret. */
__attribute__((noreturn)) static void run_command(const struct config *cfg, int program, int out)
{
	struct rlimit none = {0, 0};
	char *argv[] = {"credential", NULL};
	char *envv[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", NULL};
	const struct passwd *pw = getpwnam(cfg->user);
	int null = open("/dev/null", O_RDWR);
	sigset_t unblocked;
	sigemptyset(&unblocked);
	sigprocmask(SIG_SETMASK, &unblocked, NULL);
	setsid();
	if (!pw || null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(null, 2) < 0 ||
	    dup2(program, 3) < 0 || syscall(SYS_close_range, 4, ~0u, 0) < 0 ||
	    setrlimit(RLIMIT_CORE, &none) < 0)
		_exit(126);
	if (setgroups(0, NULL) < 0 || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		_exit(126);
	syscall(SYS_execveat, 3, "", argv, envv,
		AT_EMPTY_PATH); /* 3 stays open: a script is read through it */
	_exit(126);
}

static void command_reset(struct command_run *r, struct child *c)
{
	loop_timer_del(c->m->loop, &r->deadline);
	loop_del(c->m->loop, &r->exited);
	closep(&r->exited.fd);
	closep(&r->out_fd);
	r->exited.fd = r->out_fd = -1;
	r->is_active = false;
}

/* From the pipe into a memfd, without a copy in the monitor's own memory. */
static int collect(int pipe_fd, int *ret_fd)
{
	_cleanup_(closep) int fd = memfd_create("credential", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	for (ssize_t n = 1; n > 0;) {
		n = splice(pipe_fd, NULL, fd, NULL, SECRET_MAX, SPLICE_F_NONBLOCK);
		if (n < 0 && errno != EAGAIN)
			return -errno;
	}
	/* Nobody but root opens it anew to write. */
	if (lseek(fd, 0, SEEK_SET) < 0 || fchmod(fd, 0400) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

void command_done(struct command_run *r, struct child *c)
{
	struct answer a = {.fd = -1};
	int status = 0;
	if (!r->is_active)
		return;
	kill(-r->pid, SIGKILL);
	waitpid(r->pid, &status, 0);
	int err = WIFEXITED(status) && WEXITSTATUS(status) == 0 ? collect(r->out_fd, &a.fd) : ERR_UPSTREAM;
	if (err == 0 && c->m->kept.ttl_ns) {
		_cleanup_(closep) int whole = TAKE_FD(a.fd);
		kept_put(&c->m->kept, r->path, whole);
		err = kept_open(&c->m->kept, r->path, &a.fd);
	}
	if (err < 0) {
		a.why = "the credential's command failed or took too long";
		log_warn("credential command: %s %d", WIFEXITED(status) ? "exit code" : "signal",
			 WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	}
	command_reset(r, c);
	child_answer(c, err, &a);
}

static struct child *child_of_command(struct command_run *r)
{
	return (struct child *)((char *)r - offsetof(struct child, command));
}

static void on_exited(struct source *s, uint32_t events)
{
	struct command_run *r = (struct command_run *)((char *)s - offsetof(struct command_run, exited));
	(void)events;
	command_done(r, child_of_command(r));
}

static void on_deadline(struct timer *t)
{
	struct command_run *r = (struct command_run *)((char *)t - offsetof(struct command_run, deadline));
	command_done(r, child_of_command(r));
}

static int watch(struct child *c, pid_t pid, int out_fd)
{
	struct command_run *r = &c->command;
	*r = (struct command_run){.pid = pid, .out_fd = out_fd, .is_active = true};
	r->exited = (struct source){(int)syscall(SYS_pidfd_open, pid, 0), EPOLLIN, on_exited, false};
	timer_init(&r->deadline, on_deadline);
	int err = r->exited.fd < 0 ? -errno : loop_add(c->m->loop, &r->exited);
	if (err == 0)
		err = loop_timer_in_ms(c->m->loop, &r->deadline, COMMAND_TIMEOUT_MS);
	if (err < 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		command_reset(r, c);
	}
	return err;
}

static int start_command(struct child *c, const char *path, struct answer *a)
{
	const struct config *cfg = c->m->cfg;
	_cleanup_(closep) int program = -1;
	int ends[2];
	if (kept_open(&c->m->kept, path, &a->fd) == 0)
		return 0;
	int r = open_beneath(cfg->credential_dirs, cfg->n_credential_dirs, path, &program);
	if (r < 0) {
		a->why = "the credential's command does not lie in a folder of \"credential_dirs\"";
		return r;
	}
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid_t pid = fork();
	if (pid == 0)
		run_command(cfg, program, ends[1]);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return -EAGAIN;
	}
	r = watch(c, pid, ends[0]);
	a->is_later = r == 0;
	snprintf(c->command.path, sizeof(c->command.path), "%s", path);
	return r;
}

int credential_open(struct child *c, const char *source, struct answer *a)
{
	if (!strncmp(source, "file:/", 6))
		return open_file(c, source + 5, a);
	if (!strncmp(source, "command:/", 9))
		return start_command(c, source + 8, a);
	if (!strncmp(source, "fd:", 3))
		return open_inherited(source + 3, a);
	a->why = "expected file:/path, command:/path or fd:NAME";
	return ERR_UNSUPPORTED;
}
