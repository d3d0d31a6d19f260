/* sluice search: where in the record something occurs. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/macro.h"
#include "cli/cli.h"
#include "cli/export.h"
#include "cli/filters.h"
#include "cli/inert.h"
#include "cli/opened.h"
#include "cli/options.h"
#include "cli/record_source.h"
#include "record/opener.h"

#define LINE_MAX_BYTES (2 * 1024 * 1024)
#define SHOWN_MAX      120 /* of what was found, in a line */

struct search {
	bool is_json;
	uint64_t n;
	struct buf text, line;
};

/* What the event is about, by its type's first field that is there. */
static void add_what(struct buf *text, const struct scan *e)
{
	static const char *const fields[] = {"text", "error", "result", "name", "dst",
					     "reason", "command"};
	for (size_t i = 0; i < ARRAY_LEN(fields) && !buf_len(text); i++)
		export_value(text, e, fields[i]);
}

static void add_field(struct search *s, const struct scan *e, const char *key, int width)
{
	buf_reset(&s->text);
	export_value(&s->text, e, key);
	if (!buf_len(&s->text))
		buf_add_u8(&s->text, '-');
	size_t before = buf_len(&s->line);
	inert_add(&s->line, buf_span(&s->text), NULL);
	struct span shown = span_of(buf_span(&s->line).p + before, buf_len(&s->line) - before);
	buf_printf(&s->line, "%*s  ", MAX(width - inert_width(shown), 0), "");
}

/* No longer than a line is read. */
static struct span cut(struct span text)
{
	size_t n = MIN(text.len, (size_t)SHOWN_MAX);
	while (n < text.len && n && (text.p[n] & 0xc0) == 0x80)
		n--;
	return span_of(text.p, n);
}

static void add_line(struct search *s, const struct scan *e)
{
	char when[40];
	clock_rfc3339(scan_u64(e, "time"), when, sizeof(when));
	buf_printf(&s->line, "%.19sZ  %8llu  ", when, (unsigned long long)scan_u64(e, "_seq"));
	add_field(s, e, "session", 14);
	add_field(s, e, "identity", 16);
	add_field(s, e, scan_get(e, "decision").len ? "decision" : "type", 8);
	buf_reset(&s->text);
	add_what(&s->text, e);
	struct span what = cut(buf_span(&s->text));
	inert_add(&s->line, what, NULL);
	if (what.len < buf_len(&s->text))
		buf_add_str(&s->line, " ...");
}

static int on_line(void *ctx, const char *line, size_t len)
{
	struct search *s = ctx;
	struct scan e;
	if (scan_event(span_of(line, len), true, &e) < 0)
		return ERR_MALFORMED;
	s->n++;
	buf_reset(&s->line);
	if (s->is_json)
		inert_add_json(&s->line, span_of(line, len));
	else
		add_line(s, &e);
	buf_add_u8(&s->line, '\n');
	fwrite(buf_span(&s->line).p, 1, buf_len(&s->line), stdout);
	return 0;
}

/* The words, and --text: all must occur. */
static int add_words(json_t *filters, int argc, char **argv, const char *text)
{
	struct buf b;
	buf_init(&b, 4096);
	for (int i = 1; i < argc; i++)
		buf_printf(&b, "%s\n", argv[i]);
	buf_add_str(&b, text ? text : "");
	buf_add_u8(&b, 0);
	int r = buf_err(&b);
	if (r == 0 && buf_len(&b) > 1)
		json_object_set_new(filters, "text", json_string((const char *)buf_span(&b).p));
	bool is_lost = buf_len(&b) > 1 && !json_object_get(filters, "text");
	buf_done(&b);
	return r < 0 || is_lost ? cli_usage("search", "the words are too long, or no UTF-8") : 0;
}

static int run(struct search *s, struct record_source *source, const json_t *filters)
{
	buf_init(&s->text, LINE_MAX_BYTES);
	buf_init(&s->line, 4 * LINE_MAX_BYTES);
	int r = opened_ask(source, "events", filters, on_line, s);
	buf_done(&s->text);
	buf_done(&s->line);
	if (r == ERR_MALFORMED)
		cli_error("the answer is not understood");
	return r < 0 ? 2 : s->n == 0;
}

int cmd_search(int argc, char **argv)
{
	struct filters f = {0};
	struct record_source source = {0};
	struct search s = {0};
	const char *text = NULL, *limit = NULL, *key = NULL;
	const struct cli_option options[] = {{"text", &text, NULL, NULL},
					     {"limit", &limit, NULL, NULL},
					     {"json", NULL, &s.is_json, NULL},
					     FILTER_WHAT(f),
					     {"store", &source.store, NULL, NULL},
					     {"decrypt-key", &key, NULL, NULL},
					     {0}};
	argc = cli_take_options(argc, argv, options);
	if (argc < 0)
		return CLI_USAGE;
	json_t *filters = filters_json(&f, "search");
	if (!filters || add_words(filters, argc, argv, text)) {
		json_decref(filters);
		return CLI_USAGE;
	}
	const char *name;
	json_t *value;
	int n = 0;
	json_object_foreach(filters, name, value) n += json_is_string(value);
	json_object_set_new(filters, "limit", limit ? json_string(limit) : json_null());
	int r = n ? 0 : cli_usage("search", "expected words, or one of the filters");
	if (r == 0 && opened_key(key, &source.opener) < 0)
		r = 2;
	if (r == 0)
		r = run(&s, &source, filters);
	opener_free(source.opener);
	json_decref(filters);
	return r;
}
