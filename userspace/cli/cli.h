/* The command line: one table of {name, function, one-line help} that is dispatch and help at once.
 * A command gets its own argv (argv[0] is its name) without the options that all share (--socket,
 * --help), and returns its exit code: 0, 1 (it failed and said so on stderr), CLI_USAGE. */
#pragma once

#include <stdbool.h>

#define CLI_USAGE 2

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;  /* one line */
	const char *usage; /* what stands behind the name; then options, a line each */
};

int cmd_run(int argc, char **argv);
int cmd_attach(int argc, char **argv);
int cmd_renew(int argc, char **argv);
int cmd_revoke(int argc, char **argv);
int cmd_thaw(int argc, char **argv);
int cmd_release(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_token(int argc, char **argv);
int cmd_init(int argc, char **argv);
int cmd_policy(int argc, char **argv);   /* check, test, explain */
int cmd_reload(int argc, char **argv);
int cmd_sessions(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_search(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_prove(int argc, char **argv);
int cmd_requests(int argc, char **argv);
int cmd_approve(int argc, char **argv);
int cmd_deny(int argc, char **argv);
int cmd_elevate(int argc, char **argv);
int cmd_grants(int argc, char **argv);
int cmd_revoke_grant(int argc, char **argv);
int cmd_revoke_approver(int argc, char **argv);
int cmd_version(int argc, char **argv);
int cmd_help(int argc, char **argv);

/* NULL if there is none. */
const struct command *command_by_name(const char *name);
/* "sluice: " and the message on stderr. cli_remedy: the line below it, what to do; NULL: nothing. */
void cli_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void cli_remedy(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Says what is wrong with the arguments and prints the command's usage. Returns CLI_USAGE. */
int cli_usage(const char *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
