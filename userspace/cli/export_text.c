#include <stdio.h>

#include "cli/export.h"
#include "record/payload.h"

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
		payload_unescape(out, v);
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
