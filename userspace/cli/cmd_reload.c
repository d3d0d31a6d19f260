#include <stdio.h>

#include "cli/api.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/session.h"

static void print_places(FILE *f, const char *path, const json_t *places, const char *kind)
{
	size_t i;
	json_t *p;
	json_array_foreach (places, i, p)
		fprintf(f, "%s:%lld:%lld: %s%s\n", path, json_number(p, "line"), json_number(p, "column"), kind,
			json_text(p, "text", "?"));
}

/* A policy with errors comes as an answer like a good one: the daemon goes on with the old plan. */
static int tell(const json_t *answer)
{
	const char *path = json_text(answer, "path", "policy");
	print_places(stderr, path, json_object_get(answer, "errors"), "");
	print_places(stderr, path, json_object_get(answer, "warnings"), "warning: ");
	if (json_is_true(json_object_get(answer, "ok"))) {
		printf("%s: %s, plan %.12s is in force\n", path,
		       json_is_true(json_object_get(answer, "changed")) ? "loaded" : "unchanged",
		       json_text(answer, "hash", "?"));
		return 0;
	}
	if (json_array_size(json_object_get(answer, "errors")) == 0)
		cli_error("%s: %s", path, json_text(answer, "error", "refused"));
	cli_remedy("plan %.12s stays in force", json_text(answer, "hash", "none"));
	return 1;
}

int cmd_reload(int argc, char **argv)
{
	const struct cli_option options[] = {{0}};
	json_t *answer = NULL;
	int status = 0;
	argc = cli_take_options(argc, argv, options);
	if (argc < 0)
		return CLI_USAGE;
	if (argc > 1)
		return cli_usage("reload", "no argument is expected");
	int code = 1, err = api_call("POST", "/v1/policy/reload", NULL, &answer, &status);
	if (err == 0 && (status == 200 || status == 422))
		code = tell(answer);
	else
		api_complain(err, status, answer);
	json_decref(answer);
	return code;
}
