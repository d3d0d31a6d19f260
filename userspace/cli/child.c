#include "cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/macro.h"
#include "cli/api.h"
#include "cli/cli.h"
#include "cli/session.h"

#define MEM_MAJOR 1 /* null, zero, full, random, urandom */

static const char *socket_refused(int fd)
{
	int domain = 0;
	socklen_t len = sizeof(domain);
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0)
		return "a socket of unknown kind";
	return domain == AF_UNIX ? NULL : "a network socket";
}

const char *child_fd_refused(int fd)
{
	struct stat st;
	char link[32], target[64];
	if (fstat(fd, &st) < 0)
		return errno == EBADF ? NULL : "unreadable";
	switch (st.st_mode & S_IFMT) {
	case S_IFSOCK:
		return socket_refused(fd);
	case S_IFIFO:
		return NULL;
	case S_IFCHR:
		return isatty(fd) || major(st.st_rdev) == MEM_MAJOR ? NULL : "a device that is no terminal";
	case S_IFREG:
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		ssize_t n = readlink(link, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = 0;
		return strncmp(target, "anon_inode:", 11) ? NULL : "an object of the kernel";
	default:
		return "no file, pipe or terminal";
	}
}

static bool check_standard_fds(void)
{
	static const char *const names[] = {"standard input", "standard output", "standard error"};
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_WRONLY : O_RDONLY) != fd)
			return false; /* the lowest free number, so it is this one */
		const char *why = child_fd_refused(fd);
		if (!why)
			continue;
		cli_error("%s is %s: it would be a way around the gateway", names[fd], why);
		cli_remedy("redirect it from or to a file, a pipe or a terminal");
		return false;
	}
	return true;
}

static int close_all_but(int keep)
{
	int r = keep > 3 ? close_range(3, (unsigned)keep - 1, 0) : 0;
	return r < 0 ? -errno : close_range((unsigned)keep + 1, UINT_MAX, 0) < 0 ? -errno : 0;
}

static json_t *enrolment(const struct child_plan *p)
{
	json_t *body = json_pack("{s:s%, s:o}", "token", (const char *)p->token.p, p->token.len, "command",
				 command_json(p->argv));
	if (body && p->role && json_object_set_new(body, "role", json_string(p->role)) < 0) {
		json_decref(body);
		return NULL;
	}
	return body;
}

/* From the daemon's answer on this process is in the workload's cgroup. */
static int enrol(const struct child_plan *p)
{
	json_t *answer = NULL, *body = enrolment(p);
	if (!body) {
		cli_error("the token or the role is not text");
		return ERR_MALFORMED;
	}
	int r = api_do("POST", "/v1/sessions", body, &answer);
	json_decref(body);
	if (r < 0)
		return r;
	char *text = json_is_object(answer) ? json_dumps(answer, JSON_COMPACT) : NULL;
	if (!text || dprintf(p->told_fd, "%s\n", text) < 0) {
		cli_error("the daemon's answer is not understood");
		r = ERR_MALFORMED;
	}
	free(text);
	json_decref(answer);
	return r;
}

_Noreturn void child_run(const struct child_plan *p)
{
	/* Whoever kills `sluice run` hard means the command: nobody would be left to renew or end it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != p->parent)
		_exit(EXIT_SLUICE);
	/* The monitor looks at this process's namespaces, which one that must not be dumped hides. */
	prctl(PR_SET_DUMPABLE, 1);
	if (close_all_but(p->told_fd) < 0 || !check_standard_fds() || enrol(p) < 0)
		_exit(EXIT_SLUICE);
	/* What the call to the daemon left open, and what would name sluice to the command (shells put the
	 * program's own path into "_"). */
	unsetenv("SLUICE_SOCKET");
	if (getenv("_"))
		setenv("_", p->argv[0], 1);
	if (close_all_but(p->told_fd) < 0)
		_exit(EXIT_SLUICE);
	execvp(p->argv[0], p->argv);
	int err = errno;
	dprintf(p->told_fd, "%d\n", err);
	cli_error("%s: %s", p->argv[0], strerror(err));
	_exit(err == ENOENT ? EXIT_NO_CMD : EXIT_NO_RUN);
}
