#include "check/check.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/macro.h"
#include "check/internal.h"
#include "config_place.h"

#define FOUND_MAX 100

/* --- findings --- */

__attribute__((format(printf, 5, 0))) static void print(struct checking *c,
							const struct source_text *in,
							const char *key, int index, const char *fmt,
							va_list ap)
{
	struct place at = config_place(in->text, key, index);
	fprintf(stderr, "%s:%d:%d: ", in->name, at.line, at.column);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	c->n_found++;
}

void found(struct checking *c, const char *key, int index, const char *fmt, ...)
{
	const struct source_text in = {c->k->name, c->k->text};
	va_list ap;
	va_start(ap, fmt);
	print(c, &in, key, index, fmt, ap);
	va_end(ap);
}

void found_in(struct checking *c, const struct source_text *in, const char *key, const char *fmt,
	      ...)
{
	va_list ap;
	va_start(ap, fmt);
	print(c, in, key, -1, fmt, ap);
	va_end(ap);
}

/* --- asking --- */

char *check_read(struct checking *c, json_t *request, size_t limit, size_t *ret_len, char *ret_why,
		 size_t why_size)
{
	struct msg answer = {0};
	char *text = NULL;
	int r = request ? msg_line_call(&c->monitor, request, &answer) : -ENOMEM;
	json_decref(request);
	const char *why = r == 0 ? json_string_value(json_object_get(answer.json, "why")) : NULL;
	_cleanup_(closep) int fd = r == 0 ? msg_take_fd(&answer, 0) : -1;
	if (r == 0 && !why)
		r = fd_read_all(fd, limit, &text, ret_len);
	snprintf(ret_why, why_size, "%s", why ? why : err_text(r));
	msg_done(&answer);
	return text;
}

/* --- answering --- */

static int answer(const struct config *cfg, int fd)
{
	struct msg in = {0};
	_cleanup_(closep) int file = -1;
	int r = msg_recv(fd, &in);
	if (r < 0)
		return r;
	r = open_requested(cfg, in.json, &file);
	const char *why =
	    r == ERR_DENIED
		? "it is no file that lies in a folder of \"credential_dirs\" (keys: \"key_dirs\")"
		: err_text(r);
	json_t *j = r == 0 ? json_pack("{s:b}", "ok", 1)
			   : json_pack("{s:b,s:s,s:s}", "ok", 0, "err", err_name(r), "why", why);
	r = j ? msg_send(fd, j, &file, file >= 0) : -ENOMEM;
	json_decref(j);
	msg_done(&in);
	return r;
}

/* --- as the user --- */

static bool become(const struct passwd *pw)
{
	struct rlimit none = {0, 0};
	return setrlimit(RLIMIT_CORE, &none) == 0 && prctl(PR_SET_DUMPABLE, 0) == 0 &&
	       (geteuid() != 0 ||
		(setgroups(0, NULL) == 0 && setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) == 0 &&
		 setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) == 0));
}

static int look(struct checking *c, const struct passwd *pw, bool is_all)
{
	if (!become(pw)) {
		found(c, "user", -1, "\"user\": cannot become \"%s\": %s", c->k->cfg->user,
		      err_text(-errno));
		return c->n_found;
	}
	check_needed(c);
	if (is_all) {
		check_named(c);
		check_policy(c);
	}
	return c->n_found;
}

/* In a process of its own, which this one answers until it ends. */
static int look_apart(struct checking *c, const struct passwd *pw, bool is_all)
{
	int ends[2], status = 0;
	if (msg_pair(ends) < 0)
		return found(c, "user", -1, "out of descriptors"), 1;
	pid_t pid = fork();
	if (pid == 0) {
		close(ends[0]);
		c->monitor = (struct msg_line){.fd = ends[1], .mutex = PTHREAD_MUTEX_INITIALIZER};
		int n = look(c, pw, is_all);
		_exit(n < FOUND_MAX ? n : FOUND_MAX);
	}
	close(ends[1]);
	while (pid > 0 && answer(c->k->cfg, ends[0]) == 0)
		;
	close(ends[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return found(c, "user", -1,
			     "the configuration could not be checked: no process for it"),
		       1;
	return WEXITSTATUS(status);
}

int check_run(const struct check *k, bool is_all, bool *ret_is_partial)
{
	struct checking c = {.k = k};
	const struct passwd *pw = getpwnam(k->cfg->user);
	*ret_is_partial = geteuid() != 0;
	if (!pw || pw->pw_uid == 0 || pw->pw_gid == 0) {
		found(&c, "user", -1,
		      "\"user\": \"%s\" %s: create one (useradd --system --no-create-home --shell "
		      "/usr/sbin/nologin %s) or name another unprivileged user",
		      k->cfg->user,
		      pw ? "is root, who must not run the unprivileged processes"
			 : "does not exist",
		      pw ? "sluice" : k->cfg->user);
		return c.n_found;
	}
	return look_apart(&c, pw, is_all && !*ret_is_partial);
}
