/* asciicast v2 of one session: a header, then what replay would show, event by event, in the
 * session's own time; an operation that was denied is a marker. */
#include "base/clock.h"
#include "base/jw.h"
#include "cli/export.h"
#include "cli/inert.h"
#include "cli/show.h"

#define COLUMNS 132
#define LINES	40

static void cast_head(struct buf *out, const struct scan *e, uint64_t start_ns)
{
	struct jw w;
	struct buf name, title;
	buf_init(&name, 4096);
	buf_init(&title, 16384);
	buf_add_str(&name, "sluice ");
	export_value(&name, e, "session");
	buf_add_str(&name, ": ");
	export_value(&name, e, "identity");
	inert_add(&title, buf_span(&name), NULL);
	jw_begin(&w, out);
	jw_object(&w, NULL);
	jw_int(&w, "height", LINES);
	jw_int(&w, "timestamp", (int64_t)(start_ns / NS_PER_SEC));
	jw_text(&w, "title", "title_b64", buf_span(&title));
	jw_int(&w, "version", 2);
	jw_int(&w, "width", COLUMNS);
	jw_object_end(&w);
	buf_add_u8(out, '\n');
	buf_done(&name);
	buf_done(&title);
}

static void add_line(struct buf *out, uint64_t at_us, const char *kind, struct span text)
{
	struct jw w;
	buf_printf(out, "[%llu.%06llu,", (unsigned long long)(at_us / 1000000),
		   (unsigned long long)(at_us % 1000000));
	jw_begin(&w, out);
	jw_str(&w, NULL, kind);
	buf_add_u8(out, ',');
	jw_begin(&w, out);
	jw_text(&w, NULL, NULL, text);
	buf_add_str(out, "]\n");
}

/* A terminal wants both. */
static void add_returns(struct buf *out, struct span text)
{
	for (const uint8_t *p = text.p, *end = p + text.len; p < end;) {
		const uint8_t *nl = memchr(p, '\n', (size_t)(end - p));
		size_t n = nl ? (size_t)(nl - p) : (size_t)(end - p);
		buf_add(out, p, n);
		buf_add_str(out, "\r\n");
		p += n + 1;
	}
}

static void cast_event(struct buf *out, struct span stored, const struct scan *e,
		       struct export_state *s)
{
	struct buf shown, text;
	uint64_t now = scan_u64(e, "time");
	json_t *j = json_loadb((const char *)stored.p, stored.len, 0, NULL);
	if (!s->n++) {
		s->start_ns = now;
		cast_head(out, e, now);
	}
	uint64_t at_us = now > s->start_ns ? (now - s->start_ns) / 1000 : 0;
	buf_init(&shown, SHOW_MAX);
	buf_init(&text, SHOW_MAX);
	show_event(&shown, j, at_us / 1000);
	add_returns(&text, buf_span(&shown));
	add_line(out, at_us, "o", buf_span(&text));
	if (span_is(scan_plain(e, "decision"), "deny"))
		add_line(out, at_us, "m", span_str("denied"));
	json_decref(j);
	buf_done(&shown);
	buf_done(&text);
}

const struct export_text export_asciicast = {"asciicast", "session.cast", false, NULL,
						cast_event};
