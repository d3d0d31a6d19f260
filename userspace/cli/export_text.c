#include <stdio.h>

#include "cli/export.h"

static uint8_t unescaped(uint8_t c)
{
	static const char from[] = "nrtbf", to[] = "\n\r\t\b\f";
	const char *at = strchr(from, c);
	return at && c ? (uint8_t)to[at - from] : c;
}

static uint8_t hex_digit(uint8_t c)
{
	return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* Canonical JSON has the short escapes, and \u00xx for the other control characters. */
void export_unescape(struct buf *out, struct span s)
{
	const uint8_t *p = s.p + 1, *end = s.p + s.len - 1;
	while (s.len >= 2 && p < end) {
		const uint8_t *slash = memchr(p, '\\', (size_t)(end - p));
		size_t plain = slash ? (size_t)(slash - p) : (size_t)(end - p);
		buf_add(out, p, plain);
		p += plain;
		if (!slash || end - p < 2)
			break;
		if (p[1] == 'u' && end - p >= 6) {
			buf_add_u8(out, (uint8_t)(hex_digit(p[4]) << 4 | hex_digit(p[5])));
			p += 6;
		} else {
			buf_add_u8(out, unescaped(p[1]));
			p += 2;
		}
	}
}

void export_value(struct buf *out, const struct scan *e, const char *key)
{
	char b64[64];
	struct span v = scan_get(e, key);
	if (!v.len) {
		snprintf(b64, sizeof(b64), "%s_b64", key);
		v = scan_get(e, b64);
		buf_add_str(out, v.len ? "base64:" : "");
		if (!v.len && !strcmp(key, "text") && scan_get(e, "sealed").len)
			buf_add_str(out, "[sealed]");
	}
	if (v.len && v.p[0] == '"')
		export_unescape(out, v);
	else
		buf_add_span(out, v);
}

static void jsonl_event(struct buf *out, struct span stored, const struct scan *e,
			struct export_state *s)
{
	(void)e;
	(void)s;
	buf_add_span(out, stored);
	buf_add_u8(out, '\n');
}

const struct export_text export_jsonl = {"jsonl", "events.jsonl", true, NULL, jsonl_event};
