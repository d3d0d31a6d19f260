/* sluice: the command line. */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/macro.h"
#include "cli/api.h"

static const struct command commands[] = {
	{"init", cmd_init, "ask a database and write a first policy for it",
	 "--dsn URL [-o DIR] [--allow HOST:PORT]... [--force]\n"
	 "  --dsn URL            the database, with the login that the gateway is to use\n"
	 "  -o DIR               where to write (default /etc/sluice)\n"
	 "  --allow HOST:PORT    another destination that the agent may use, such as its LLM\n"
	 "  --force              overwrite what is there\n"},
	{"token", cmd_token, "mint a token of this machine's own issuer (root only)",
	 "mint --sub S --groups A,B [--owner O] [--ttl 1h] [--aud A] [-o FILE] [--user U]\n"
	 "  --sub S              whom the token is for: the agent's name\n"
	 "  --groups A,B         its groups, which the policy turns into roles\n"
	 "  --owner O            the person on whose behalf it acts\n"
	 "  --ttl T              how long it is good for: 90s, 15m, 8h (default 1h)\n"
	 "  --aud A              the audience, where it is not the configured one\n"
	 "  -o FILE              write it there (mode 0600, replaced at once) instead of stdout\n"
	 "  --user U             give FILE to this user\n"},
	{"run", cmd_run, "run a command as a workload, bound to a token's identity",
	 "--token-file T [--role R] [--without PART,...] [--quiet] -- CMD [ARG...]\n"
	 "  --token-file T       the token; watched, and renewed when it is replaced\n"
	 "  --role R             which role, where the token's groups give several\n"
	 "  --without PARTS      leave parts of the guard open: view (private mounts), capabilities, privileges\n"
	 "                       (no_new_privs), scope (Landlock), calls (seccomp), unix (no Unix sockets but pairs,\n"
	 "                       where the kernel cannot tell them apart)\n"
	 "  -q, --quiet          no line about what happened at the end\n"
	 "  exit code: CMD's; 128+n if signal n ended it; 127, 126 if it could not be run; 125 sluice\n"},
	{"attach", cmd_attach, "enrol a cgroup that is there already",
	 "--cgroup PATH --token-file T [--role R]\n"
	 "  --cgroup PATH        the cgroup, with everything below it\n"
	 "  --token-file T       the token\n"
	 "  --role R             which role, where the token's groups give several\n"},
	{"renew", cmd_renew, "give a session a newer token",
	 "SESSION --token-file T\n"},
	{"revoke", cmd_revoke, "end a session's identity now",
	 "SESSION [--reason TEXT]\n"
	 "  --reason TEXT        for the record and for the agent\n"},
	{"thaw", cmd_thaw, "let a workload go on that policy froze (root only)",
	 "SESSION --reason TEXT\n"},
	{"release", cmd_release, "let a workload out of the gateway, for good (root only, on record)",
	 "SESSION --reason TEXT\n"
	 "  --reason TEXT        for the record\n"},
	{"status", cmd_status, "workloads, identities, flows and rates",
	 "[--json]\n"},
	{"doctor", cmd_doctor, "what the kernel and the gateway lack, what that costs, what to do",
	 "[--json]\n"
	 "  exit code: 0 nothing is missing, 1 something is\n"},
	{"policy", cmd_policy, "check, test or explain a policy",
	 "check [--duties] FILE...\n"
	 "       sluice policy test FILE CASES [--dsn URL] [-q]\n"
	 "       sluice policy explain FILE --role R --resource N (--needs NEEDS | --sql TEXT --dsn URL)\n"
	 "  check                errors as FILE:LINE:COLUMN: what, expected what; then warnings. Exit 1 on errors\n"
	 "  --duties             and which groups could, without a second person, read what masks hide from\n"
	 "                       others and write, or answer their own requests. Exit 1 if one could\n"
	 "  test                 lines of role, resource, needs, effect, rule (tabs between); exit 1 if one fails\n"
	 "  explain              which rule meets each need, and the decision. Exit 0 allowed, 1 refused, 3 asked\n"
	 "  --needs NEEDS        such as \"select:public.orders execute:public.f set:work_mem\"\n"
	 "  --sql TEXT           a statement; needs --dsn, a database whose catalogue resolves the names\n"
	 "  --search-path P      instead of the login's own\n"
	 "  --owner O            the person behind the agent, as the answer would name it\n"
	 "  -q, --quiet          test: failures only\n"},
	{"requests", cmd_requests, "what waits for an approval; one of them whole",
	 "[REQUEST] [--token-file T] [--all] [--json]\n"
	 "  STATE                pending; left: whoever sent it is gone, and approved it runs when it is sent again;\n"
	 "                       approved, running; with --all how it ended: done, denied, expired, withdrawn\n"
	 "  --token-file T       as the approver whose token this is; without it: those of your own sessions\n"
	 "  --all                those that ended lately as well\n"},
	{"approve", cmd_approve, "approve what was asked for, once it was shown whole",
	 "REQUEST --token-file T [options]\n"
	 "  --token-file T       the approver's own token, of a fresh login\n"
	 "  --hash H             what sluice requests REQUEST showed: instead of the question, without a terminal\n"
	 "  --choice C           once, text (whatever its parameters), pattern (other constants): as the rule permits\n"
	 "  --for T, --uses N    at most so long, so often; with text, pattern and roles\n"
	 "  --resource R, --relation S.T, --class C   of a role: on these alone\n"
	 "  --words TEXT         for the record\n"
	 "  --no-wait            do not wait for what comes of it\n"},
	{"deny", cmd_deny, "deny what was asked for",
	 "REQUEST --token-file T --reason TEXT [--hash H]\n"
	 "  --reason TEXT        what the agent is told\n"},
	{"elevate", cmd_elevate, "ask for a role for a time, from inside a workload or for a session",
	 "--role R --for T --reason TEXT [--resource N] [--session S]\n"
	 "  --session S          from outside: whose\n"},
	{"grants", cmd_grants, "what approvals have granted, and until when", "[--all] [--json]\n"},
	{"revoke-grant", cmd_revoke_grant, "end a grant now", "GRANT [--reason TEXT]\n"},
	{"revoke-approver", cmd_revoke_approver, "believe a person's tokens from before no longer (root only)",
	 "SUBJECT [--issuer I]\n"},
	{"reload", cmd_reload, "have the daemon read its policy again (root only)", "\n"},
	{"sessions", cmd_sessions, "list sessions: who, for whom, how much, how it ended",
	 "[options]\n"
	 "  --identity S, --owner O, --role R\n"
	 "  --since T, --until T  a date (2026-11-24), a time (2026-11-24T08:00:00Z), an age (90m, 24h, 7d)\n"
	 "  --denied              only those with an operation denied or a connect refused\n"
	 "  --json                a JSON object a line\n"
	 "  --store DIR           a store's folder instead of the daemon\n"},
	{"replay", cmd_replay, "play a session back from the record",
	 "SESSION [options]\n"
	 "  --speed N|max         N times as fast as it was; max: at once\n"
	 "  --step                waits for Enter before each operation\n"
	 "  --follow              a live session: what it did, then what it does, until it ends\n"
	 "  --decrypt-key FILE    an auditor's private key (PEM): opens what is sealed (audit.encrypt_to)\n"
	 "  --store DIR           a store's folder, or an export's, instead of the daemon\n"},
	{"search", cmd_search, "find text, identities, tables and verdicts in the record",
	 "[WORD...] [options]\n"
	 "  WORD, --text PHRASE   occurs in what was asked, answered or refused; all of them; case is the same\n"
	 "  --relation R          needs this table, view or function: public.orders, or orders\n"
	 "  --verdict V           allow, mask, ask, deny (and connects refused), refused, observed, error\n"
	 "  --session S, --identity S, --owner O, --role R, --resource R, --since T, --until T, --denied\n"
	 "  --limit N             no more than N lines\n"
	 "  --json                the events, a line each\n"
	 "  --decrypt-key FILE    an auditor's private key (PEM): opens what is sealed, and looks into it\n"
	 "  --store DIR           a store's folder, or an export's, instead of the daemon\n"
	 "  exit code: 0 something was found, 1 nothing, 2 it could not be looked for\n"},
	{"export", cmd_export, "write the record out, for somebody else to read and to check",
	 "[options]\n"
	 "  --format F            jsonl (the default): an event a line, as stored; csv: for a spreadsheet;\n"
	 "                        ocsf: OCSF 1.8.0, for a SIEM; asciicast: one session as a terminal's recording;\n"
	 "                        lmdb: a folder that an auditor can check without sluice\n"
	 "  -o FILE|DIR           instead of standard output; lmdb: a folder that is not there yet\n"
	 "  --session S, --identity S, --owner O, --role R, --resource R, --relation R, --verdict V,\n"
	 "  --since T, --until T, --denied\n"
	 "  --decrypt-key FILE    an auditor's private key (PEM): opens what is sealed (not with lmdb)\n"
	 "  --store DIR           a store's folder, or an export's, instead of the daemon\n"},
	{"verify", cmd_verify, "check the record: chain, tree, and the node's signatures over them",
	 "[DIR] [options]\n"
	 "       sluice verify --proof FILE --key FILE [--checkpoint LINE]\n"
	 "  DIR                   a store's folder, live or a copy, instead of the daemon (--store DIR is the same)\n"
	 "  --key FINGERPRINT     of the node's key: SHA-256 of its 32 bytes, in hex; or FILE, keys/node.pub\n"
	 "  --checkpoint LINE     from the daemon's log or a sink off the node: the record must go on from it.\n"
	 "                        May be given several times\n"
	 "  --proof FILE          what sluice prove wrote (- is standard input); for one of consistency,\n"
	 "                        --checkpoint is the older one\n"
	 "  exit code: 0 good, 1 bad (the first bad event is named), 2 cannot tell\n"},
	{"prove", cmd_prove, "prove to an outsider that an event is in the record",
	 "EVENT [--at N] [--store DIR]\n"
	 "       sluice prove --consistency OLD [NEW] [--store DIR]\n"
	 "  EVENT                 its number; the proof (C2SP tlog-proof, which holds the event) goes to stdout\n"
	 "  --at N                in the tree of the checkpoint at event N instead of the last one\n"
	 "  --consistency         that the checkpoint at OLD goes on to the one at NEW, or to the last one\n"},
	{"version", cmd_version, "print the version", "\n"},
	{"help", cmd_help, "help on a command", "[COMMAND]\n"},
};

const struct command *command_by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

void cli_error(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fputs("sluice: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

void cli_remedy(const char *fmt, ...)
{
	if (!fmt)
		return;
	va_list ap;
	va_start(ap, fmt);
	fputs("  -> ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

static void print_usage(FILE *f, const struct command *c)
{
	fprintf(f, "usage: sluice %s%s%s", c->name, *c->usage == '\n' ? "" : " ", c->usage);
}

int cli_usage(const char *command, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fprintf(stderr, "sluice %s: ", command);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	const struct command *c = command_by_name(command);
	if (c)
		print_usage(stderr, c);
	return CLI_USAGE;
}

static void print_help(FILE *f)
{
	fputs("usage: sluice [--socket PATH] COMMAND ...\n\n", f);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		fprintf(f, "  %-15s %s\n", commands[i].name, commands[i].help);
	fputs("\n  --socket PATH        the daemon's control socket (default $SLUICE_SOCKET or " API_SOCKET
	      ")\n  sluice help COMMAND  its options\n",
	      f);
}

int cmd_help(int argc, char **argv)
{
	const struct command *c = argc > 1 ? command_by_name(argv[1]) : NULL;
	if (argc > 2 || (argc == 2 && !c))
		return cli_usage("help", "no command \"%s\"", argv[argc - 1]);
	if (!c) {
		print_help(stdout);
		return 0;
	}
	printf("sluice %s: %s\n", c->name, c->help);
	print_usage(stdout, c);
	return 0;
}

int cmd_version(int argc, char **argv)
{
	(void)argv;
	if (argc > 1)
		return cli_usage("version", "takes no arguments");
	puts("sluice " SLUICE_VERSION);
	return 0;
}

/* Takes the shared options out of argv, up to "--": what stands behind it is not ours. Returns the
 * new argc, or CLI_USAGE negated. */
static int take_shared(int argc, char **argv, bool *ret_help)
{
	int n = 1;
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--")) {
			while (i < argc)
				argv[n++] = argv[i++];
		} else if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			*ret_help = true;
		} else if (!strncmp(argv[i], "--socket=", 9)) {
			api_set_socket(argv[i] + 9);
		} else if (!strcmp(argv[i], "--socket")) {
			if (i + 1 >= argc)
				return -CLI_USAGE;
			api_set_socket(argv[++i]);
		} else {
			argv[n++] = argv[i];
		}
	}
	argv[n] = NULL;
	return n;
}

int main(int argc, char **argv)
{
	bool wants_help = false;
	prctl(PR_SET_DUMPABLE, 0); /* tokens and passwords pass through here: no core dump */
	argc = take_shared(argc, argv, &wants_help);
	if (argc < 0) {
		cli_error("--socket needs a path");
		return CLI_USAGE;
	}
	if (argc < 2) {
		print_help(wants_help ? stdout : stderr);
		return wants_help ? 0 : CLI_USAGE;
	}
	const char *name = strcmp(argv[1], "--version") ? argv[1] : "version";
	const struct command *c = command_by_name(name);
	if (!c) {
		cli_error("no command \"%s\": see sluice help", name);
		return CLI_USAGE;
	}
	if (wants_help) {
		print_usage(stdout, c);
		return 0;
	}
	return c->run(argc - 1, argv + 1);
}
