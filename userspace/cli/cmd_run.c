/* sluice run: a command as a workload. The parent stays outside: it forwards signals, renews the token,
 * and says at the end what happened. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/macro.h"
#include "base/msg.h"
#include "cli/api.h"
#include "cli/child.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/session.h"
#include "cli/stdio_relay.h"
#include "cli/token_file.h"
#include "guard/guard.h"

#define TOLD_MAX       (256 * 1024)
#define WATCH_EVERY_MS 30000 /* where inotify sees nothing: network file systems, links across folders */
#define SETTLE_MS      100   /* a replaced file may bring several events */

struct run {
	const char *token_path, *role;
	bool is_quiet;
	struct guard guard;
	struct stdio_relay relay;
	char **argv;
	struct buf token;
	struct token_watch watch;
	bool has_complained; /* about the renewal that is still to succeed */
	pid_t child;
	json_t *session; /* the daemon's answer to the enrolment */
	sigset_t old_mask;
	struct sigaction old_chld;
	int signal_fd;
};

static const int forwarded[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};

/* Signals are read from a descriptor; the child gets back what there was. */
static int take_signals(struct run *r)
{
	sigset_t mask;
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	for (size_t i = 0; i < ARRAY_LEN(forwarded); i++)
		sigaddset(&mask, forwarded[i]);
	if (sigprocmask(SIG_BLOCK, &mask, &r->old_mask) < 0 || sigaction(SIGCHLD, &dfl, &r->old_chld) < 0)
		return -errno;
	r->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	return r->signal_fd < 0 ? -errno : 0;
}

static int start_child(struct run *r, int *ret_told_fd)
{
	int told[2];
	pid_t parent = getpid();
	if (pipe2(told, O_CLOEXEC) < 0)
		return -errno;
	r->child = fork();
	if (r->child < 0) {
		close(told[0]);
		close(told[1]);
		return -errno;
	}
	if (r->child == 0) {
		struct child_plan p = {.token = span_of(buf_span(&r->token).p, buf_len(&r->token) - 1),
				       .role = r->role,
				       .argv = r->argv,
				       .guard = &r->guard,
				       .parent = parent,
				       .told_fd = told[1]};
		sigaction(SIGCHLD, &r->old_chld, NULL);
		sigprocmask(SIG_SETMASK, &r->old_mask, NULL);
		stdio_relay_take(&r->relay);
		child_run(&p);
	}
	close(told[1]);
	stdio_relay_leave(&r->relay);
	*ret_told_fd = told[0];
	return 0;
}

/* What the child told until it ran the command, or ended. */
static void hear(struct run *r, int told_fd)
{
	_cleanup_(freep) char *text = NULL;
	size_t len = 0;
	if (fd_read_all(told_fd, TOLD_MAX, &text, &len) < 0 || len == 0)
		return;
	r->session = json_loads(text, JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, NULL);
}

/* A signal from the terminal reached the command's process group already; one that was sent to us is
 * for the command. */
static void forward_signals(struct run *r)
{
	struct signalfd_siginfo s;
	while (read(r->signal_fd, &s, sizeof(s)) == (ssize_t)sizeof(s))
		if (s.ssi_signo != SIGCHLD && s.ssi_code != SI_KERNEL)
			kill(r->child, (int)s.ssi_signo);
}

static void renew(struct run *r)
{
	struct buf token;
	char path[256];
	if (!token_watch_check(&r->watch, &token))
		return;
	const char *id = json_text(r->session, "session", "");
	json_t *answer = NULL;
	json_t *body = json_pack("{s:s}", "token", (const char *)buf_span(&token).p);
	int status = 0, err = session_path(id, "/renew", path);
	err = err < 0 ? err : api_call("POST", path, body, &answer, &status);
	bool is_good = err == 0 && status / 100 == 2;
	/* A refused token stays refused; a daemon that is away or busy is asked again. */
	if (err == 0 && status / 100 != 5)
		token_watch_seen(&r->watch, span_of(buf_span(&token).p, buf_len(&token) - 1));
	if (!is_good && !r->has_complained) {
		cli_error("the token in %s was not taken:", r->token_path);
		api_complain(err, status, answer);
	}
	r->has_complained = !is_good && (err < 0 || status / 100 == 5);
	json_decref(answer);
	json_decref(body);
	buf_wipe(&token);
}

/* Waits for the command. Returns its wait status. */
static int supervise(struct run *r)
{
	struct pollfd fds[] = {{r->signal_fd, POLLIN, 0}, {r->watch.fd, POLLIN, 0}};
	uint64_t next_ns = clock_mono_ns() + WATCH_EVERY_MS * NS_PER_MS;
	int status = 0;
	while (waitpid(r->child, &status, WNOHANG) != r->child) {
		uint64_t now = clock_mono_ns();
		if (now >= next_ns) {
			renew(r);
			next_ns = now + WATCH_EVERY_MS * NS_PER_MS;
		}
		if (poll(fds, ARRAY_LEN(fds), (int)((next_ns - now) / NS_PER_MS) + 1) <= 0)
			continue;
		if (fds[0].revents)
			forward_signals(r);
		if (fds[1].revents) {
			token_watch_drain(&r->watch);
			next_ns = MIN(next_ns, clock_mono_ns() + SETTLE_MS * NS_PER_MS);
		}
	}
	return status;
}

/* A daemon answers the end of a session with its summary, or when asked for it. */
static void end_session(const struct run *r, int code)
{
	char path[256];
	json_t *summary = NULL, *body = json_pack("{s:i}", "exit_code", code);
	const char *id = json_text(r->session, "session", "");
	int err = session_path(id, "/end", path);
	err = err < 0 ? err : api_do("POST", path, body, &summary);
	json_decref(body);
	if (err == 0 && !json_object_get(summary, "ops")) {
		json_decref(summary);
		summary = NULL;
		err = session_path(id, "", path);
		err = err < 0 ? err : api_do("GET", path, NULL, &summary);
	}
	if (err == 0 && !r->is_quiet)
		summary_print(summary, json_text(r->session, "role", "viewer"));
	json_decref(summary);
}

static int run(struct run *r)
{
	_cleanup_(closep) int told_fd = -1;
	int err = take_signals(r);
	err = err < 0 ? err : stdio_relay_start(&r->relay);
	err = err < 0 ? err : start_child(r, &told_fd);
	if (err < 0) {
		cli_error("cannot start: %s", err_text(err));
		return EXIT_SLUICE;
	}
	hear(r, told_fd);
	token_watch_init(&r->watch, r->token_path, span_of(buf_span(&r->token).p, buf_len(&r->token) - 1));
	buf_wipe(&r->token);
	int status = supervise(r);
	stdio_relay_wait(&r->relay);
	int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	if (r->session)
		end_session(r, code);
	token_watch_done(&r->watch);
	json_decref(r->session);
	close(r->signal_fd);
	return code;
}

int cmd_run(int argc, char **argv)
{
	struct run r = {.signal_fd = -1, .guard.keep_socket = api_socket()};
	const char *without = NULL;
	const struct cli_option options[] = {{"token-file", &r.token_path, NULL, NULL},
					     {"without", &without, NULL, NULL},
					     {"role", &r.role, NULL, NULL},
					     {"quiet", NULL, &r.is_quiet, NULL},
					     {"q", NULL, &r.is_quiet, NULL},
					     {0}};
	argc = cli_take_options(argc, argv, options);
	if (argc < 0)
		return CLI_USAGE;
	if (argc < 2 || strcmp(argv[1], "--") != 0)
		return cli_usage("run", "the command stands behind \"--\"");
	if (argc < 3 || !argv[2][0])
		return cli_usage("run", "no command behind \"--\"");
	if (!r.token_path)
		return cli_usage("run", "--token-file is missing");
	if (without && guard_leave_out(&r.guard, span_str(without)) < 0)
		return cli_usage("run", "--without takes parts of the guard, with commas: not \"%s\"", without);
	r.argv = argv + 2;
	if (token_file_read(r.token_path, &r.token) < 0)
		return EXIT_SLUICE;
	int code = run(&r);
	buf_wipe(&r.token);
	return code;
}
