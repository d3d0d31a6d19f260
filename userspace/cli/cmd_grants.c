/* Roles for a time: asked for, listed, given back; and people whose answers no longer count. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/api.h"
#include "cli/approval.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/session.h"
#include "cli/table.h"

/* From inside a workload nothing else may be asked: it learns the answer when its next connection passes. */
int cmd_elevate(int argc, char **argv)
{
	const char *role = NULL, *for_text = NULL, *reason = NULL, *resource = NULL, *session = NULL;
	const struct cli_option options[] = {
		{"role", &role, NULL, NULL},	   {"for", &for_text, NULL, NULL},
		{"reason", &reason, NULL, NULL},   {"resource", &resource, NULL, NULL},
		{"session", &session, NULL, NULL}, {0}};
	json_t *answer = NULL;
	argc = cli_take_options(argc, argv, options);
	if (argc < 0)
		return CLI_USAGE;
	if (argc != 1 || !role || !for_text || !reason)
		return cli_usage("elevate", "needs --role, --for and --reason");
	if (cli_seconds(for_text) <= 0)
		return cli_usage("elevate", "--for %s is not understood, expected 90s, 15m, 8h or 7d",
				 for_text);
	json_t *body =
		json_pack("{s:s,s:I,s:s,s:s*,s:s*}", "role", role, "for", (json_int_t)cli_seconds(for_text),
			  "reason", reason, "resource", resource, "session", session);
	if (!body)
		return cli_usage("elevate", "an option is not UTF-8");
	int r = api_do("POST", "/v1/elevate", body, &answer);
	json_decref(body);
	if (r == 0)
		printf("request %s  role %s is asked for; approvers: %s\n", json_text(answer, "request", "?"),
		       role, json_text(answer, "where", "?"));
	json_decref(answer);
	return r < 0;
}

static void add_row(json_t *rows, const json_t *g)
{
	char left[32], uses[48], what[160];
	bool is_live = !strcmp(json_text(g, "state", ""), "live");
	if (is_live)
		left_text(json_number(g, "until"), time(NULL), left, sizeof(left));
	else
		snprintf(left, sizeof(left), "%s", json_text(g, "state", "?"));
	if (json_number(g, "uses"))
		snprintf(uses, sizeof(uses), "%lld of %lld", json_number(g, "used"), json_number(g, "uses"));
	else
		snprintf(uses, sizeof(uses), "%lld", json_number(g, "used"));
	snprintf(what, sizeof(what), "%s%s%s", json_text(g, "kind", "?"),
		 *json_text(g, "gives", "") ? " " : "", json_text(g, "gives", ""));
	json_array_append_new(rows, json_pack("[s,s,s,s,s,s,s]", json_text(g, "grant", "?"), what,
					      json_text(g, "subject", "?"), json_text(g, "resource", ""),
					      left, uses, json_text(g, "by", "")));
}

int cmd_grants(int argc, char **argv)
{
	bool all = false, is_json = false;
	const struct cli_option options[] = {{"all", NULL, &all, NULL}, {"json", NULL, &is_json, NULL}, {0}};
	json_t *answer = NULL, *g, *rows;
	size_t i;
	argc = cli_take_options(argc, argv, options);
	if (argc < 0)
		return CLI_USAGE;
	if (argc != 1)
		return cli_usage("grants", "takes no arguments");
	if (api_do("GET", all ? "/v1/grants?all=1" : "/v1/grants", NULL, &answer) < 0)
		return 1;
	rows = json_pack("[[s,s,s,s,s,s,s]]", "GRANT", "WHAT", "WHO", "RESOURCE", "LEFT", "USED", "BY");
	json_array_foreach(json_object_get(answer, "grants"), i, g)
	{
		add_row(rows, g);
		if (is_json) {
			json_dumpf(g, stdout, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII);
			putchar('\n');
		}
	}
	if (!is_json)
		table_print(rows);
	json_decref(rows);
	json_decref(answer);
	return 0;
}

int cmd_revoke_grant(int argc, char **argv)
{
	const char *reason = NULL;
	char path[128];
	const struct cli_option options[] = {{"reason", &reason, NULL, NULL}, {0}};
	json_t *answer = NULL;
	argc = cli_take_options(argc, argv, options);
	if (argc < 0)
		return CLI_USAGE;
	if (argc != 2 || strlen(argv[1]) > 30 ||
	    strspn(argv[1], "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(argv[1]))
		return cli_usage("revoke-grant", "needs a grant");
	snprintf(path, sizeof(path), "/v1/grants/%s/revoke", argv[1]);
	json_t *body = json_pack("{s:s}", "reason", reason ? reason : "no reason given");
	int r = body ? api_do("POST", path, body, &answer) : -1;
	json_decref(body);
	if (r == 0)
		printf("grant %s  revoked\n", argv[1]);
	json_decref(answer);
	return r < 0;
}

int cmd_revoke_approver(int argc, char **argv)
{
	const char *issuer = NULL;
	const struct cli_option options[] = {{"issuer", &issuer, NULL, NULL}, {0}};
	json_t *answer = NULL;
	argc = cli_take_options(argc, argv, options);
	if (argc < 0)
		return CLI_USAGE;
	if (argc != 2)
		return cli_usage("revoke-approver", "needs a person: the subject of their tokens");
	json_t *body = json_pack("{s:s,s:s*}", "subject", argv[1], "issuer", issuer);
	int r = body ? api_do("POST", "/v1/approvers/revoke", body, &answer) : -1;
	json_decref(body);
	if (r == 0)
		printf("tokens of %s from before are not believed any more; answers that no longer count: "
		       "%lld\n",
		       argv[1], json_number(answer, "votes"));
	json_decref(answer);
	return r < 0;
}
