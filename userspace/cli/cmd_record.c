/* sluice sessions. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "cli/cli.h"
#include "cli/filters.h"
#include "cli/options.h"
#include "cli/record_source.h"
#include "cli/table.h"

/* --- sessions -----------------------------------------------------------------------------------
 */

static const char *length_text(uint64_t from_ns, uint64_t to_ns, char *out, size_t size)
{
	uint64_t s = to_ns > from_ns ? (to_ns - from_ns) / NS_PER_SEC : 0;
	if (s < 3600)
		snprintf(out, size, "%" PRIu64 ":%02" PRIu64, s / 60, s % 60);
	else
		snprintf(out, size, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, s / 3600, s / 60 % 60,
			 s % 60);
	return out;
}

static const char *text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));
	return s && *s ? s : "-";
}

static int keep_session(void *ctx, const char *line, size_t len)
{
	json_t *j = json_loadb(line, len, 0, NULL);
	if (j)
		json_array_append_new(ctx, j);
	return 0;
}

static int by_start(const void *a, const void *b)
{
	json_int_t x = json_integer_value(json_object_get(*(json_t *const *)a, "start"));
	json_int_t y = json_integer_value(json_object_get(*(json_t *const *)b, "start"));
	return x < y ? -1 : x > y;
}

static void add_session(json_t *rows, const json_t *j)
{
	static const char *const counts[] = {"flows",	      "ops",   "denied",
					     "refused_total", "asked", "masked"};
	uint64_t start = (uint64_t)json_integer_value(json_object_get(j, "start"));
	uint64_t end = (uint64_t)json_integer_value(json_object_get(j, "end"));
	char when[40], length[32];
	clock_rfc3339(start, when, sizeof(when));
	when[19] = 0;
	json_t *row =
	    json_pack("[s,s,s,s,s,s]", text_of(j, "session"), when,
		      length_text(start, end ? end : clock_real_ns(), length, sizeof(length)),
		      text_of(j, "identity"), text_of(j, "owner"), text_of(j, "role"));
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		char n[24];
		snprintf(n, sizeof(n), "%lld",
			 (long long)json_integer_value(json_object_get(j, counts[i])));
		json_array_append_new(row, json_string(n));
	}
	json_array_append_new(row, json_string(end ? text_of(j, "reason") : "live"));
	json_array_append_new(rows, row);
}

/* In the order in which they began: a table, or a line each. */
static int show_sessions(const json_t *sessions, bool is_json)
{
	size_t n = json_array_size(sessions);
	_cleanup_(freep) json_t **sorted = calloc(n + 1, sizeof(*sorted));
	json_t *rows = json_pack("[[s,s,s,s,s,s,s,s,s,s,s,s,s]]", "SESSION", "START (UTC)",
				 "LENGTH", "IDENTITY", "FOR", "ROLE", "FLOWS", "OPS", "DENIED",
				 "REFUSED", "ASKED", "MASKED", "END");
	if (!sorted || !rows)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		sorted[i] = json_array_get(sessions, i);
	qsort(sorted, n, sizeof(*sorted), by_start);
	for (size_t i = 0; i < n; i++) {
		if (!is_json)
			add_session(rows, sorted[i]);
		else if (json_dumpf(sorted[i], stdout, JSON_COMPACT | JSON_SORT_KEYS) == 0)
			putchar('\n');
	}
	if (!is_json)
		table_print(rows);
	json_decref(rows);
	return 0;
}

int cmd_sessions(int argc, char **argv)
{
	struct filters f = {0};
	struct record_source source = {0};
	bool is_json = false;
	const struct cli_option options[] = {FILTER_WHO(f),
					     {"json", NULL, &is_json, NULL},
					     {"store", &source.store, NULL, NULL},
					     {0}};
	argc = cli_take_options(argc, argv, options);
	if (argc < 0)
		return CLI_USAGE;
	if (argc > 1)
		return cli_usage("sessions",
				 "no argument is expected: sluice replay SESSION shows one");
	json_t *filters = filters_json(&f, "sessions");
	if (!filters)
		return CLI_USAGE;
	json_t *sessions = json_array();
	int r = record_ask(&source, "sessions", filters, keep_session, sessions);
	if (r == 0)
		r = show_sessions(sessions, is_json);
	json_decref(sessions);
	json_decref(filters);
	return r < 0;
}
