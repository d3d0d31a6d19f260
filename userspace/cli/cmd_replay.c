/* sluice replay: a session from the record, in its own time. What was recorded is hostile: it is
 * shown inert, whatever it holds. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"
#include "cli/cli.h"
#include "cli/inert.h"
#include "cli/options.h"
#include "cli/record_source.h"

#define PAUSE_MAX_NS (10 * NS_PER_SEC) /* longer silences are cut, and said to be */

struct replay {
	double speed; /* 0: as fast as it goes */
	uint64_t start_ns, last_ns;
	size_t n;
};

static const char *text_of(const json_t *e, const char *key)
{
	const char *s = json_string_value(json_object_get(e, key));
	return s ? s : "";
}

static uint64_t number_of(const json_t *e, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(e, key));
}

/* "key": text, or its base64 where it is not text. */
static void say_text(const json_t *e, const char *key)
{
	char b64[64];
	snprintf(b64, sizeof(b64), "%s_b64", key);
	const char *raw = json_string_value(json_object_get(e, b64));
	inert_print(raw ? raw : text_of(e, key), "             ");
	if (raw)
		fputs(" (base64: it is not text)", stdout);
	snprintf(b64, sizeof(b64), "%s_len", key);
	if (json_object_get(e, b64))
		printf(" ... (%" PRIu64 " bytes in all)", number_of(e, b64));
}

static void on_session_start(const json_t *e)
{
	printf("session %s  identity ", text_of(e, "session"));
	inert_print(text_of(e, "identity"), "");
	fputs("  for ", stdout);
	inert_print(*text_of(e, "owner") ? text_of(e, "owner") : "-", "");
	printf("  role %s  (%s)", text_of(e, "role"), text_of(e, "how"));
}

static void on_session_end(const json_t *e)
{
	fputs("session ends: ", stdout);
	inert_print(text_of(e, "reason"), "");
}

static void on_session_renew(const json_t *e)
{
	char until[40];
	clock_rfc3339(number_of(e, "expires") * NS_PER_SEC, until, sizeof(until));
	printf("identity is renewed, until %.19sZ", until);
}

static void on_session_revoke(const json_t *e)
{
	fputs("identity is revoked: ", stdout);
	inert_print(text_of(e, "reason"), "");
}

static void on_session_expire(const json_t *e)
{
	inert_print(text_of(e, "reason"), "");
}

static void on_flow_open(const json_t *e)
{
	printf("%s opens to %s  %s  by ", text_of(e, "flow"), text_of(e, "dst"),
	       text_of(e, "protocol"));
	inert_print(*text_of(e, "exe") ? text_of(e, "exe") : text_of(e, "comm"), "");
	printf("[%" PRIu64 "]", number_of(e, "pid"));
}

static void on_flow_close(const json_t *e)
{
	printf("%s closes: ", text_of(e, "flow"));
	inert_print(text_of(e, "reason"), "");
	printf("  %" PRIu64 " bytes up, %" PRIu64 " down", number_of(e, "bytes_up"),
	       number_of(e, "bytes_down"));
}

static void say_params(const json_t *e)
{
	size_t i;
	json_t *p;
	json_array_foreach(json_object_get(e, "params"), i, p)
	{
		printf("\n             $%zu = ", i + 1);
		const char *text = json_is_string(p)
				       ? json_string_value(p)
				       : json_string_value(json_object_get(p, "text"));
		const char *b64 = json_string_value(json_object_get(p, "b64"));
		inert_print(text ? text : b64 ? b64 : "NULL", "             ");
	}
}

static void on_op(const json_t *e)
{
	say_text(e, "text");
	say_params(e);
	printf("\n             -> %s (rule ", text_of(e, "decision"));
	inert_print(text_of(e, "rule"), "");
	printf(")%s", json_is_true(json_object_get(e, "observed")) ? " observed only" : "");
	if (*text_of(e, "reason")) {
		fputs(": ", stdout);
		inert_print(text_of(e, "reason"), "             ");
	}
}

static void say_cells(const json_t *row)
{
	size_t i;
	json_t *cell;
	fputs("\n             |", stdout);
	json_array_foreach(row, i, cell)
	{
		const char *b64 = json_string_value(json_object_get(cell, "b64"));
		const char *text = json_is_string(cell) ? json_string_value(cell)
				   : b64		? b64
							: "NULL";
		putchar(' ');
		inert_print(text, NULL);
		fputs(" |", stdout);
	}
}

static void on_op_end(const json_t *e)
{
	size_t i;
	json_t *row;
	const json_t *columns = json_object_get(e, "columns"), *rows = json_object_get(e, "result");
	if (*text_of(e, "sqlstate")) {
		printf("   error %s: ", text_of(e, "sqlstate"));
		inert_print(text_of(e, "error"), "             ");
		return;
	}
	printf("   %s  %" PRIu64 " rows, %" PRIu64 ".%03" PRIu64 " ms", text_of(e, "tag"),
	       number_of(e, "rows"), number_of(e, "duration_ns") / 1000000,
	       number_of(e, "duration_ns") / 1000 % 1000);
	if (json_array_size(columns))
		say_cells(columns);
	json_array_foreach(rows, i, row) say_cells(row);
	if (json_is_true(json_object_get(e, "cut")))
		fputs("\n             (the record keeps no more of it)", stdout);
}

static void on_refused(const json_t *e)
{
	fputs("refused: ", stdout);
	inert_print(*text_of(e, "name") ? text_of(e, "name") : text_of(e, "dst"), "");
	printf("  %s  ", text_of(e, "protocol"));
	inert_print(text_of(e, "reason"), "");
	fputs("  by ", stdout);
	inert_print(*text_of(e, "exe") ? text_of(e, "exe") : text_of(e, "comm"), "");
	if (number_of(e, "count") > 1)
		printf("  (%" PRIu64 " times)", number_of(e, "count"));
}

static const struct {
	const char *type;
	void (*say)(const json_t *e);
} types[] = {
    {"session.start", on_session_start},
    {"session.renew", on_session_renew},
    {"session.revoke", on_session_revoke},
    {"session.expire", on_session_expire},
    {"session.end", on_session_end},
    {"flow.open", on_flow_open},
    {"flow.close", on_flow_close},
    {"op", on_op},
    {"op.end", on_op_end},
    {"connect.refused", on_refused},
};

static void say_event(const json_t *e)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (!strcmp(types[i].type, text_of(e, "type"))) {
			types[i].say(e);
			return;
		}
	fputs(text_of(e, "type"), stdout);
}

static void keep_time(struct replay *r, uint64_t at_ns)
{
	uint64_t pause = r->last_ns && at_ns > r->last_ns ? at_ns - r->last_ns : 0;
	r->last_ns = at_ns;
	if (r->speed <= 0)
		return;
	pause = (uint64_t)((double)pause / r->speed);
	fflush(stdout);
	if (pause > PAUSE_MAX_NS) {
		printf("          ... (%" PRIu64 " s of silence)\n",
		       (uint64_t)(pause / NS_PER_SEC));
		pause = PAUSE_MAX_NS;
	}
	usleep((useconds_t)(pause / 1000));
}

static void on_line(void *ctx, const char *line, size_t len)
{
	struct replay *r = ctx;
	json_t *e = json_loadb(line, len, 0, NULL);
	uint64_t at = number_of(e, "time");
	if (!r->n++)
		r->start_ns = at;
	keep_time(r, at);
	uint64_t ms = at > r->start_ns ? (at - r->start_ns) / 1000000 : 0;
	printf("%6" PRIu64 ".%03" PRIu64 "   ", ms / 1000, ms % 1000);
	say_event(e);
	putchar('\n');
	json_decref(e);
}

int cmd_replay(int argc, char **argv)
{
	struct record_source source = {0};
	struct replay r = {.speed = 1};
	const char *speed = NULL;
	char *end = "";
	const struct cli_option options[] = {
	    {"speed", &speed, NULL, NULL}, {"store", &source.store, NULL, NULL}, {0}};
	argc = cli_take_options(argc, argv, options);
	if (argc < 0)
		return CLI_USAGE;
	if (argc != 2)
		return cli_usage("replay", "expected one session: sluice sessions lists them");
	bool is_max = speed && !strcmp(speed, "max");
	if (speed)
		r.speed = is_max ? 0 : strtod(speed, &end);
	if (!is_max && (*end || r.speed <= 0))
		return cli_usage("replay", "--speed %s: expected a number such as 2 or 0.5, or max",
				 speed);
	json_t *filters = json_pack("{s:s}", "session", argv[1]);
	int e = record_ask(&source, "events", filters, on_line, &r);
	json_decref(filters);
	if (e == 0 && !r.n) {
		cli_error("%s: there is no such session in the record", argv[1]);
		cli_remedy("sluice sessions lists them");
		return 1;
	}
	return e < 0;
}
