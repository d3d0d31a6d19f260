#include <stdio.h>
#include <time.h>

#include "cli/api.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/session.h"
#include "cli/token_file.h"

int cmd_renew(int argc, char **argv)
{
	const char *token_path = NULL;
	char path[256], left[32];
	struct buf token;
	const struct cli_option options[] = {{"token-file", &token_path, NULL, NULL}, {0}};
	argc = cli_take_options(argc, argv, options);
	if (argc < 0)
		return CLI_USAGE;
	if (argc != 2 || !token_path)
		return cli_usage("renew", "needs a session and --token-file");
	if (session_path(argv[1], "/renew", path) < 0 || token_file_read(token_path, &token) < 0)
		return 1;
	json_t *answer = NULL, *body = json_pack("{s:s}", "token", (const char *)buf_span(&token).p);
	buf_wipe(&token);
	int r = api_do("POST", path, body, &answer);
	json_decref(body);
	if (r == 0)
		printf("session %s  renewed, %s left\n", argv[1],
		       left_text(json_number(answer, "expires"), time(NULL), left, sizeof(left)));
	json_decref(answer);
	return r < 0;
}

int cmd_revoke(int argc, char **argv)
{
	const char *reason = NULL;
	char path[256];
	const struct cli_option options[] = {{"reason", &reason, NULL, NULL}, {0}};
	argc = cli_take_options(argc, argv, options);
	if (argc < 0)
		return CLI_USAGE;
	if (argc != 2)
		return cli_usage("revoke", "needs a session");
	if (session_path(argv[1], "/revoke", path) < 0)
		return 1;
	json_t *answer = NULL, *body = json_pack("{s:s}", "reason", reason ? reason : "revoked by the operator");
	if (!body)
		return cli_usage("revoke", "the reason is not UTF-8");
	int r = api_do("POST", path, body, &answer);
	json_decref(body);
	if (r == 0)
		printf("session %s  revoked\n", argv[1]);
	json_decref(answer);
	return r < 0;
}

/* What only root does to somebody's workload, for a reason that goes on record. */
static int operate(int argc, char **argv, const char *suffix, const char *done)
{
	const char *reason = NULL;
	char path[256], last[32];
	const struct cli_option options[] = {{"reason", &reason, NULL, NULL}, {0}};
	argc = cli_take_options(argc, argv, options);
	if (argc < 0)
		return CLI_USAGE;
	if (argc != 2 || !reason || !*reason)
		return cli_usage(argv[0], "needs a session and --reason");
	snprintf(last, sizeof(last), "/%s", suffix);
	if (session_path(argv[1], last, path) < 0)
		return 1;
	json_t *answer = NULL, *body = json_pack("{s:s}", "reason", reason);
	if (!body)
		return cli_usage(argv[0], "the reason is not UTF-8");
	int r = api_do("POST", path, body, &answer);
	json_decref(body);
	if (r == 0)
		printf("session %s  %s\n", argv[1], done);
	json_decref(answer);
	return r < 0;
}

int cmd_thaw(int argc, char **argv)
{
	return operate(argc, argv, "thaw", "goes on");
}

int cmd_release(int argc, char **argv)
{
	return operate(argc, argv, "release",
		       "RELEASED: its processes are not contained any more, nothing that they do is "
		       "decided or recorded");
}
