#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/api.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/session.h"
#include "cli/table.h"

static void add_number(json_t *row, const json_t *workload, const char *key)
{
	const json_t *v = json_object_get(workload, key);
	char text[32] = "-";
	if (json_is_integer(v))
		snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(v));
	else if (json_is_real(v))
		snprintf(text, sizeof(text), "%.1f", json_real_value(v));
	json_array_append_new(row, json_string(text));
}

static json_t *row_of(const json_t *w)
{
	static const char *const numbers[] = {"processes", "flows", "ops", "ops_per_second", "denied"};
	char left[32];
	const char *owner = json_text(w, "owner", ""), *state = json_text(w, "state", "live");
	left_text(json_number(w, "expires"), time(NULL), left, sizeof(left));
	json_t *row = json_pack("[s, s, s, s, s]", json_text(w, "session", "?"), json_text(w, "subject", "?"),
				*owner ? owner : "-", json_text(w, "role", "?"),
				strcmp(state, "live") ? state : left);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		add_number(row, w, numbers[i]);
	json_array_append_new(row, json_string(json_text(w, "cgroup", "-")));
	return row;
}

static void print_status(const json_t *status)
{
	size_t i;
	json_t *w;
	const json_t *workloads = json_object_get(status, "workloads");
	size_t n = json_array_size(workloads);
	printf("node %s  sluiced %s  policy %.12s  %zu workload%s\n", json_text(status, "node", "?"),
	       json_text(status, "version", "?"), json_text(status, "policy", "none"), n, n == 1 ? "" : "s");
	if (n == 0)
		return;
	json_t *rows = json_pack("[[s,s,s,s,s,s,s,s,s,s,s]]", "SESSION", "IDENTITY", "FOR", "ROLE", "LEFT", "PROCS",
				 "FLOWS", "OPS", "OPS/S", "DENIED", "CGROUP");
	json_array_foreach (workloads, i, w)
		json_array_append_new(rows, row_of(w));
	table_print(rows);
	json_decref(rows);
}

int cmd_status(int argc, char **argv)
{
	bool is_json = false;
	json_t *status = NULL;
	const struct cli_option options[] = {{"json", NULL, &is_json, NULL}, {0}};
	argc = cli_take_options(argc, argv, options);
	if (argc < 0)
		return CLI_USAGE;
	if (argc > 1)
		return cli_usage("status", "no argument is expected");
	if (api_do("GET", "/v1/status", NULL, &status) < 0)
		return 1;
	if (is_json) {
		json_dumpf(status, stdout, JSON_INDENT(2) | JSON_SORT_KEYS);
		putchar('\n');
	} else {
		print_status(status);
	}
	json_decref(status);
	return 0;
}
