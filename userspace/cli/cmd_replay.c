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
#include "cli/opened.h"
#include "cli/options.h"
#include "cli/record_source.h"
#include "cli/show.h"
#include "record/opener.h"

#define PAUSE_MAX_NS (10 * NS_PER_SEC) /* longer silences are cut, and said to be */
/* A long session is asked for in pieces: whoever plays slowly holds nothing up in the daemon. */
#define PAGE "64"

struct replay {
	double speed; /* 0: as fast as it goes */
	bool is_stepped, is_followed, is_over;
	uint64_t start_ns, last_ns;
	uint64_t next; /* the number of the event to go on with */
	uint64_t n;
	json_t *page; /* events that are still to be shown */
	struct buf out;
};

static uint64_t number_of(const json_t *e, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(e, key));
}

static bool is_type(const json_t *e, const char *type)
{
	const char *s = json_string_value(json_object_get(e, "type"));
	return s && !strcmp(s, type);
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
		fflush(stdout);
		pause = PAUSE_MAX_NS;
	}
	struct timespec t = {(time_t)(pause / NS_PER_SEC), (long)(pause % NS_PER_SEC)};
	nanosleep(&t, NULL);
}

/* Before each operation: Enter shows it, q ends. */
static void wait_for_key(struct replay *r)
{
	char line[80];
	fputs("-- Enter: on, q: end -- ", stdout);
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin) || line[0] == 'q')
		r->is_over = true;
}

static void show(struct replay *r, const json_t *e)
{
	uint64_t at = number_of(e, "time");
	if (!r->n++)
		r->start_ns = at;
	if (r->is_stepped && is_type(e, "op"))
		wait_for_key(r);
	else
		keep_time(r, at);
	if (r->is_over)
		return;
	buf_reset(&r->out);
	show_event(&r->out, e, at > r->start_ns ? (at - r->start_ns) / NS_PER_MS : 0);
	fwrite(buf_span(&r->out).p, 1, buf_len(&r->out), stdout);
	if (buf_err(&r->out))
		fputs("\n" SHOW_INDENT "(the rest is too long to be shown)\n", stdout);
	if (r->is_followed)
		fflush(stdout);
	r->is_over = r->is_followed && is_type(e, "session.end"); /* else what comes after it, too */
}

static int keep_line(void *ctx, const char *line, size_t len)
{
	struct replay *r = ctx;
	json_t *e = json_loadb(line, len, 0, NULL);
	if (!e)
		return 0;
	r->next = number_of(e, "_seq") + 1;
	json_array_append_new(r->page, e);
	return 0;
}

static int play(struct replay *r, struct record_source *source, const char *session)
{
	size_t i;
	json_t *e;
	char from[24];
	do {
		snprintf(from, sizeof(from), "%" PRIu64, r->next);
		json_t *q =
		    json_pack("{s:s,s:s,s:s}", "session", session, "from", from, "limit", PAGE);
		int err = opened_ask(source, "events", q, keep_line, r);
		json_decref(q);
		if (err < 0)
			return err;
		if (json_array_size(r->page) == 0)
			return 0;
		for (i = 0; i < json_array_size(r->page) && !r->is_over; i++) {
			e = json_array_get(r->page, i);
			show(r, e);
		}
		json_array_clear(r->page);
	} while (!r->is_over);
	return 0;
}

/* What is still to come comes until the session ends. */
static int follow_line(void *ctx, const char *line, size_t len)
{
	struct replay *r = ctx;
	json_t *e = json_loadb(line, len, 0, NULL);
	if (e)
		show(r, e);
	json_decref(e);
	return r->is_over;
}

static int follow(struct replay *r, struct record_source *source, const char *session)
{
	r->speed = 0;
	r->is_followed = true;
	json_t *q = json_pack("{s:s,s:s}", "session", session, "follow", "1");
	int err = opened_ask(source, "events", q, follow_line, r);
	json_decref(q);
	return err;
}

static int check_options(struct replay *r, const char *speed, bool is_followed)
{
	char *end = "";
	bool is_max = speed && !strcmp(speed, "max");
	if (speed)
		r->speed = is_max ? 0 : strtod(speed, &end);
	if (!is_max && (*end || !(r->speed > 0 && r->speed < 1e6)))
		return cli_usage("replay", "--speed %s: expected a number such as 2 or 0.5, or max",
				 speed);
	if ((is_followed && (speed || r->is_stepped)) || (speed && r->is_stepped))
		return cli_usage("replay", "one of --speed, --step and --follow");
	if (r->is_stepped && !isatty(0))
		return cli_usage("replay", "--step waits for keys: standard input is no terminal");
	return 0;
}

int cmd_replay(int argc, char **argv)
{
	struct record_source source = {0};
	struct replay r = {.speed = 1};
	const char *speed = NULL, *key = NULL;
	bool is_followed = false;
	const struct cli_option options[] = {{"speed", &speed, NULL, NULL},
					     {"step", NULL, &r.is_stepped, NULL},
					     {"follow", NULL, &is_followed, NULL},
					     {"store", &source.store, NULL, NULL},
					     {"decrypt-key", &key, NULL, NULL},
					     {0}};
	argc = cli_take_options(argc, argv, options);
	if (argc < 0)
		return CLI_USAGE;
	if (argc != 2)
		return cli_usage("replay", "expected one session: sluice sessions lists them");
	if (check_options(&r, speed, is_followed))
		return CLI_USAGE;
	if (opened_key(key, &source.opener) < 0)
		return 1;
	buf_init(&r.out, SHOW_MAX);
	r.page = json_array();
	int e = (is_followed ? follow : play)(&r, &source, argv[1]);
	opener_free(source.opener);
	json_decref(r.page);
	buf_done(&r.out);
	if (e == 0 && !r.n) {
		cli_error("%s: there is no such session in the record", argv[1]);
		cli_remedy("sluice sessions lists them");
		return 1;
	}
	return e < 0;
}
