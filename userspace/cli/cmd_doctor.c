#include <stdio.h>

#include "cli/api.h"
#include "cli/cli.h"
#include "cli/doctor_local.h"
#include "cli/options.h"
#include "cli/session.h"
#include "kernel/kernel.h"

/* The daemon's own findings; without a daemon this process looks itself, as far as it may. */
static json_t *ask(const char **ret_by, json_t **ret_names)
{
	json_t *answer = NULL;
	*ret_names = NULL;
	int status = 0;
	if (api_call("GET", "/v1/doctor", NULL, &answer, &status) == 0 && status == 200) {
		*ret_by = "the daemon";
		json_t *rows = json_is_array(answer) ? answer : json_object_get(answer, "features");
		json_incref(rows);
		*ret_names = json_incref(json_object_get(answer, "names"));
		json_decref(answer);
		return rows;
	}
	json_decref(answer);
	*ret_by = "this command (no daemon answers)";
	return kernel_probe();
}

static void print_row(const json_t *r)
{
	bool have = json_is_true(json_object_get(r, "have"));
	printf("%-8s%s (%s)\n", have ? "ok" : "MISSING", json_text(r, "feature", "?"), json_text(r, "need", "?"));
	if (have)
		return;
	printf("        cost: %s\n", json_text(r, "cost", "?"));
	printf("        do:   %s\n", json_text(r, "remedy", "?"));
}

int cmd_doctor(int argc, char **argv)
{
	bool is_json = false;
	const char *by = NULL;
	size_t i, n_missing = 0;
	json_t *r;
	const struct cli_option options[] = {{"json", NULL, &is_json, NULL}, {0}};
	argc = cli_take_options(argc, argv, options);
	if (argc < 0)
		return CLI_USAGE;
	if (argc > 1)
		return cli_usage("doctor", "no argument is expected");
	json_t *names, *rows = ask(&by, &names);
	if (!json_array_size(rows)) {
		cli_error("nothing could be found out about this kernel");
		json_decref(rows);
		json_decref(names);
		return 1;
	}
	doctor_look(rows, names);
	json_decref(names);
	json_array_foreach (rows, i, r)
		n_missing += !json_is_true(json_object_get(r, "have"));
	if (is_json) {
		json_dumpf(rows, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
		putchar('\n');
	} else {
		json_array_foreach (rows, i, r)
			print_row(r);
		printf("%zu features, %zu missing; asked by %s\n", json_array_size(rows), n_missing, by);
	}
	json_decref(rows);
	return n_missing > 0;
}
