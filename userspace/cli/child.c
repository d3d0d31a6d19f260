#include "cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/macro.h"
#include "cli/api.h"
#include "cli/cli.h"
#include "cli/session.h"
#include "cli/trust.h"
#include "guard/guard.h"

static bool check_standard_fds(void)
{
	static const char *const names[] = {"standard input", "standard output", "standard error"};
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_WRONLY : O_RDONLY) != fd)
			return false; /* the lowest free number, so it is this one */
		const char *why = guard_fd_refused(fd);
		if (!why)
			continue;
		cli_error("%s is %s: it would be a way around the gateway", names[fd], why);
		cli_remedy("redirect it from or to a file, a pipe or a terminal");
		return false;
	}
	return true;
}

/* The parts that will be put on: "unix" only where it has something to do is the daemon's to know. */
static json_t *guard_json(const struct guard *g)
{
	json_t *parts = json_array();
	for (int i = 0; i < GUARD_PARTS; i++)
		if (!g->without[i])
			json_array_append_new(parts, json_string(guard_part_name((enum guard_part)i)));
	return parts;
}

static json_t *enrolment(const struct child_plan *p)
{
	json_t *body = json_pack("{s:s%, s:o}", "token", (const char *)p->token.p, p->token.len, "command",
				 command_json(p->argv));
	if (body)
		json_object_set_new(body, "guard", guard_json(p->guard));
	if (body && p->role && json_object_set_new(body, "role", json_string(p->role)) < 0) {
		json_decref(body);
		return NULL;
	}
	return body;
}

/* Does the daemon say that its LSM programs act here? */
static bool has_lsm(const json_t *answer)
{
	const json_t *gaps = json_object_get(answer, "gaps"), *gap;
	size_t i;
	json_array_foreach((json_t *)gaps, i, gap)
		if (!strcmp(json_string_value(gap) ? json_string_value(gap) : "", "unix_sockets"))
			return false;
	return json_is_array(gaps);
}

/* What of the answer the guard needs. */
struct child_told {
	bool has_lsm;
	char trust[TRUST_PATH]; /* a bundle of certificates, or "" */
};

/* From the daemon's answer on this process is in the workload's cgroup. */
static int enrol(const struct child_plan *p, struct child_told *ret)
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
	ret->has_lsm = has_lsm(answer);
	trust_give(json_text(answer, "trust", NULL), ret->trust);
	free(text);
	json_decref(answer);
	return r;
}

static bool shut_guard(const struct child_plan *p, const struct child_told *told)
{
	struct guard g = *p->guard;
	enum guard_part part = 0;
	g.has_lsm = told->has_lsm;
	g.trust = told->trust[0] ? told->trust : NULL;
	guard_probe(&g);
	int r = guard_enter(&g, &part);
	if (r == 0)
		return true;
	const char *name = guard_part_name(part);
	cli_error("the workload's guard cannot be shut, part \"%s\": %s", name, err_text(r));
	cli_remedy(part == GUARD_VIEW && geteuid() != 0
			   ? "let users make user namespaces (sysctl user.max_user_namespaces, "
			     "kernel.unprivileged_userns_clone), run as root, or leave it open: --without view"
			   : "leave it open if that is meant: --without %s",
		   name);
	return false;
}

_Noreturn void child_run(const struct child_plan *p)
{
	/* Whoever kills `sluice run` hard means the command: nobody would be left to renew or end it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != p->parent)
		_exit(EXIT_SLUICE);
	/* The monitor looks at this process's namespaces, which one that must not be dumped hides. */
	prctl(PR_SET_DUMPABLE, 1);
	struct child_told told = {0};
	if (guard_close_fds(p->told_fd) < 0 || !check_standard_fds() || enrol(p, &told) < 0)
		_exit(EXIT_SLUICE);
	/* What the call to the daemon left open, and what would name sluice to the command (shells put the
	 * program's own path into "_"). */
	unsetenv("SLUICE_SOCKET");
	if (getenv("_"))
		setenv("_", p->argv[0], 1);
	if (guard_close_fds(p->told_fd) < 0 || !shut_guard(p, &told))
		_exit(EXIT_SLUICE);
	execvp(p->argv[0], p->argv);
	int err = errno;
	dprintf(p->told_fd, "%d\n", err);
	cli_error("%s: %s", p->argv[0], strerror(err));
	_exit(err == ENOENT ? EXIT_NO_CMD : EXIT_NO_RUN);
}
