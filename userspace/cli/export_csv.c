/* CSV for people with a spreadsheet: RFC 4180, UTF-8 with a mark at the front (without it a
 * spreadsheet guesses), every cell in quotes. What was recorded is hostile, and a spreadsheet runs
 * what looks like a formula; and where its separator is the semicolon it does not see our quotes.
 * So an apostrophe stands before = + - @ wherever a cell, a line of it or what follows a semicolon
 * begins with one. Control and invisible characters are shown as escapes. */
#include "base/clock.h"
#include "base/macro.h"
#include "cli/export.h"
#include "cli/inert.h"

#define CELL_MAX  32000 /* a spreadsheet's cell holds 32,767 characters */
#define VALUE_MAX (2 * 1024 * 1024)

enum form { TEXT, TIME, NEEDS };

static const struct {
	const char *key, *title;
	enum form form;
} columns[] = {
    {"_seq", "seq", TEXT},	  {"time", "time", TIME},
    {"type", "type", TEXT},	  {"node", "node", TEXT},
    {"session", "session", TEXT}, {"identity", "identity", TEXT},
    {"owner", "owner", TEXT},	  {"role", "role", TEXT},
    {"flow", "flow", TEXT},	  {"resource", "resource", TEXT},
    {"protocol", "protocol", TEXT}, {"id", "operation", TEXT},
    {"decision", "decision", TEXT}, {"rule", "rule", TEXT},
    {"reason", "reason", TEXT},	  {"class", "class", TEXT},
    {"needs", "needs", NEEDS},	  {"text", "text", TEXT},
    {"params", "params", TEXT},	  {"tag", "tag", TEXT},
    {"rows", "rows", TEXT},	  {"masked", "masked", TEXT},
    {"columns", "columns", TEXT}, {"result", "result", TEXT},
    {"sqlstate", "sqlstate", TEXT}, {"error", "error", TEXT},
    {"duration_ns", "duration_ns", TEXT}, {"dst", "dst", TEXT},
    {"name", "name", TEXT},	  {"count", "count", TEXT},
    {"comm", "comm", TEXT},	  {"exe", "exe", TEXT},
    {"pid", "pid", TEXT},	  {"uid", "uid", TEXT},
    {"bytes_up", "bytes_up", TEXT}, {"bytes_down", "bytes_down", TEXT},
    {"command", "command", TEXT}, {"exit_code", "exit_code", TEXT},
};

/* --- the cell -----------------------------------------------------------------------------------
 */

/* The length of white space at p, 0: there is none. */
static size_t space_len(const uint8_t *p, size_t left)
{
	static const char *const spaces[] = {" ",	     "\n",	     "\xc2\xa0",
					     "\xe3\x80\x80", "\xe2\x80\xaf", "\xe2\x81\x9f",
					     "\xe1\x9a\x80"};
	for (size_t i = 0; i < ARRAY_LEN(spaces); i++) {
		size_t n = strlen(spaces[i]);
		if (left >= n && memcmp(p, spaces[i], n) == 0)
			return n;
	}
	return left >= 3 && p[0] == 0xe2 && p[1] == 0x80 && p[2] <= 0x8a ? 3 : 0; /* U+2000.. */
}

/* = + - @ and their full-width forms, which some spreadsheets take for the same. */
static bool begins_formula(const uint8_t *p, size_t left)
{
	if (left && memchr("=+-@", *p, 4))
		return true;
	return left >= 3 && p[0] == 0xef && p[1] == 0xbc && memchr("\x9d\x8b\x8d\xa0", p[2], 4);
}

/* How many bytes there are that neither end a quoted cell nor begin another. */
static size_t dull_len(struct span s)
{
	size_t n = 0;
	while (n < s.len && s.p[n] != '"' && s.p[n] != ';' && s.p[n] != '\n')
		n++;
	return n;
}

static void add_safe(struct buf *out, struct span s)
{
	bool is_start = true;
	for (size_t i = 0, n; i < s.len; i += n) {
		n = is_start ? 0 : dull_len(span_of(s.p + i, s.len - i));
		if (n) {
			buf_add(out, s.p + i, n);
			continue;
		}
		n = space_len(s.p + i, s.len - i);
		if (!n && is_start && begins_formula(s.p + i, s.len - i))
			buf_add_u8(out, '\'');
		if (!n)
			is_start = s.p[i] == ';' || (is_start && s.p[i] == '"');
		else if (s.p[i] == '\n')
			is_start = true;
		n = n ? n : 1;
		if (s.p[i] == '"')
			buf_add_u8(out, '"');
		buf_add(out, s.p + i, n);
	}
}

/* Text of the record as one cell. */
static void add_cell(struct buf *out, struct span value)
{
	static _Thread_local struct buf b = {.limit = VALUE_MAX}; /* its memory serves all cells */
	buf_reset(&b);
	inert_add(&b, value, "");
	struct span shown = buf_span(&b);
	size_t len = MIN(shown.len, (size_t)CELL_MAX);
	while (len < shown.len && len && (shown.p[len] & 0xc0) == 0x80)
		len--;
	buf_add_u8(out, '"');
	add_safe(out, span_of(shown.p, len));
	if (len < shown.len)
		buf_printf(out, " ... (%zu bytes in all: jsonl has them)", value.len);
	buf_add_u8(out, '"');
}

/* --- the row ------------------------------------------------------------------------------------
 */

static void add_time(struct buf *value, const struct scan *e)
{
	char text[40];
	uint64_t ns = scan_u64(e, "time");
	clock_rfc3339(ns, text, sizeof(text));
	buf_printf(value, "%.19s.%09uZ", text, (unsigned)(ns % NS_PER_SEC));
}

/* "select public.orders, execute f" */
static void add_needs(struct buf *value, const struct scan *e)
{
	struct span needs = scan_get(e, "needs"), item;
	const char *before = "";
	for (size_t at = 0; scan_item(needs, &at, &item);) {
		struct scan n;
		if (scan_event(item, false, &n) < 0)
			continue;
		buf_add_str(value, before);
		export_value(value, &n, "verb");
		buf_add_u8(value, ' ');
		export_value(value, &n, "schema");
		buf_add_str(value, scan_get(&n, "schema").len ? "." : "");
		export_value(value, &n, "name");
		before = ", ";
	}
}

static bool has_column(struct span key)
{
	if (span_is(key, "_prev"))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
		size_t n = strlen(columns[i].key);
		if (span_is(key, columns[i].key) ||
		    (key.len == n + 4 && memcmp(key.p, columns[i].key, n) == 0 &&
		     memcmp(key.p + n, "_b64", 4) == 0))
			return true;
	}
	return false;
}

/* What has no column, as JSON. */
static void add_rest(struct buf *value, const struct scan *e)
{
	for (int i = 0; i < e->n; i++) {
		const struct scan_field *f = &e->fields[i];
		if (has_column(f->key))
			continue;
		buf_add_str(value, buf_len(value) ? ",\"" : "{\"");
		buf_add_span(value, f->key);
		buf_add_str(value, "\":");
		buf_add_span(value, f->value);
	}
	if (buf_len(value))
		buf_add_u8(value, '}');
}

static void csv_event(struct buf *out, struct span stored, const struct scan *e,
		      struct export_state *s)
{
	struct buf value;
	(void)stored;
	(void)s;
	buf_init(&value, VALUE_MAX);
	for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
		buf_reset(&value);
		if (columns[i].form == TIME)
			add_time(&value, e);
		else if (columns[i].form == NEEDS)
			add_needs(&value, e);
		else
			export_value(&value, e, columns[i].key);
		if (buf_len(&value))
			add_cell(out, buf_span(&value));
		buf_add_u8(out, ',');
	}
	buf_reset(&value);
	add_rest(&value, e);
	add_cell(out, buf_span(&value));
	buf_add_str(out, "\r\n");
	buf_done(&value);
}

static void csv_head(struct buf *out)
{
	buf_add_str(out, "\xef\xbb\xbf");
	for (size_t i = 0; i < ARRAY_LEN(columns); i++)
		buf_printf(out, "\"%s\",", columns[i].title);
	buf_add_str(out, "\"rest\"\r\n");
}

const struct export_text export_csv = {"csv", "events.csv", false, csv_head, csv_event};
