#include "record/payload.h"

#include <zstd.h>

#include "base/ossl.h"

#include "base/macro.h"

#define SMALL 128 /* bytes that are not worth packing */

/* By type, ascending as the fields of an event are. */
static const struct {
	const char *type;
	const char *const fields[10];
} kept[] = {
    {"op",
     {"params", "params_json_sha256", "params_sha256", "reason", "reason_b64", "text", "text_b64", "text_len",
      "text_sha256"}},
    {"op.end", {"columns", "error", "error_b64", "result", "result_json_sha256", "result_sha256"}},
    {"op.part", {"data", "data_b64"}},
    {"approval.request",
     {"params", "params_sha256", "text", "text_b64", "text_len", "text_sha256", "words"}},
    {"approval.end", {"error", "error_b64"}},
    {"admin.call", {"query", "query_b64"}},
};

static const char *const *fields_of(struct span type)
{
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		if (span_is(type, kept[i].type))
			return kept[i].fields;
	return NULL;
}

static bool is_kept(const char *const *fields, struct span key)
{
	for (; *fields; fields++)
		if (span_is(key, *fields))
			return true;
	return false;
}

static void add_field(struct buf *out, const struct scan_field *f, bool is_first)
{
	buf_add(out, is_first ? "{\"" : ",\"", 2);
	buf_add_span(out, f->key);
	buf_add(out, "\":", 2);
	buf_add_span(out, f->value);
}

int payload_take(struct span event, size_t prefix, struct span type, struct buf *out)
{
	const char *const *fields = fields_of(type);
	struct scan s;
	int n = 0, r = fields ? scan_stored(event, prefix, &s) : 0;
	if (!fields || r < 0)
		return r;
	for (int i = 0; i < s.n; i++)
		if (is_kept(fields, s.fields[i].key))
			add_field(out, &s.fields[i], n++ == 0);
	if (n)
		buf_add_u8(out, '}');
	return buf_err(out) ? buf_err(out) : n > 0;
}

/* Writes fields one behind the other, and marks them. */
struct writing {
	struct buf *out;
	struct marks *m;
	size_t from;
};

static void put(struct writing *w, const struct scan_field *f)
{
	add_field(w->out, f, buf_len(w->out) == w->from);
	enum mark mark = mark_of(f->key);
	if (mark == MARKS)
		return;
	w->m->at[mark] = (uint32_t)(buf_len(w->out) - w->from - f->value.len);
	w->m->len[mark] = (uint32_t)f->value.len;
}

static bool is_before(struct span a, struct span b)
{
	int order = memcmp(a.p, b.p, MIN(a.len, b.len));
	return order < 0 || (order == 0 && a.len < b.len);
}

static void put_text(struct writing *w, struct span key, struct span text)
{
	buf_add(w->out, buf_len(w->out) == w->from ? "{\"" : ",\"", 2);
	buf_add_span(w->out, key);
	buf_add(w->out, "\":\"", 3);
	buf_add_span(w->out, text);
	buf_add_u8(w->out, '"');
}

int payload_replace(struct span event, struct span type, const char *key, struct span base64,
		    struct buf *out, struct marks *ret_m)
{
	struct writing w = {out, ret_m, buf_len(out)};
	const char *const *fields = fields_of(type);
	struct span name = span_str(key);
	bool is_put = false;
	struct scan s;
	int r = fields ? scan_stored(event, 1, &s) : ERR_STATE;
	if (r < 0)
		return r;
	ret_m->shift = 0;
	memset(ret_m->len, 0, sizeof(ret_m->len));
	for (int i = 0; i < s.n; i++) {
		if (is_kept(fields, s.fields[i].key))
			continue;
		if (!is_put && is_before(name, s.fields[i].key)) {
			put_text(&w, name, base64);
			is_put = true;
		}
		put(&w, &s.fields[i]);
	}
	if (!is_put)
		put_text(&w, name, base64);
	buf_add_u8(out, '}');
	return buf_err(out);
}

static bool is_own(struct span key)
{
	return span_is(key, "packed") || span_is(key, "sealed");
}

int payload_restore(const struct scan *stored, struct span payload, struct buf *out)
{
	struct scan p;
	size_t from = buf_len(out);
	int i = 0, j = 0, r = scan_event(payload, false, &p);
	if (r < 0)
		return r;
	while (i < stored->n || j < p.n) {
		const struct scan_field *a = i < stored->n ? &stored->fields[i] : NULL;
		const struct scan_field *b = j < p.n ? &p.fields[j] : NULL;
		if (a && is_own(a->key)) {
			i++;
			continue;
		}
		if (a && b && span_eq(a->key, b->key))
			return ERR_MALFORMED;
		bool is_stored = a && (!b || is_before(a->key, b->key));
		add_field(out, is_stored ? a : b, buf_len(out) == from);
		i += is_stored;
		j += !is_stored;
	}
	buf_add_u8(out, '}');
	return buf_err(out);
}

/* --- zstd ---------------------------------------------------------------------------------------
 */

int payload_pack(ZSTD_CCtx *c, int level, struct span payload, struct buf *out)
{
	size_t bound = ZSTD_compressBound(payload.len);
	uint8_t *to = payload.len < SMALL ? NULL : buf_reserve(out, bound);
	if (!to)
		return payload.len < SMALL ? 0 : buf_err(out);
	size_t n = ZSTD_compressCCtx(c, to, bound, payload.p, payload.len, level);
	if (ZSTD_isError(n) || n > payload.len / 4 * 3)
		return 0;
	buf_commit(out, n);
	return 1;
}

int payload_unpack(struct span frame, struct buf *out)
{
	unsigned long long len = ZSTD_getFrameContentSize(frame.p, frame.len);
	if (len == ZSTD_CONTENTSIZE_ERROR || len == ZSTD_CONTENTSIZE_UNKNOWN)
		return ERR_MALFORMED;
	if (len > PAYLOAD_MAX)
		return ERR_LIMIT;
	uint8_t *to = buf_reserve(out, (size_t)len);
	if (!to)
		return buf_err(out);
	if (ZSTD_decompress(to, (size_t)len, frame.p, frame.len) != len)
		return ERR_MALFORMED;
	buf_commit(out, (size_t)len);
	return 0;
}

int payload_base64(struct span text, struct buf *out)
{
	size_t pad =
	    text.len > 1 ? (text.p[text.len - 1] == '=') + (text.p[text.len - 2] == '=') : 0;
	uint8_t *to = text.len && text.len % 4 == 0 && text.len < INT32_MAX
			  ? buf_reserve(out, text.len / 4 * 3)
			  : NULL;
	if (!to)
		return buf_err(out) ? buf_err(out) : ERR_MALFORMED;
	if (EVP_DecodeBlock(to, text.p, (int)text.len) != (int)(text.len / 4 * 3))
		return ERR_MALFORMED;
	buf_commit(out, text.len / 4 * 3 - pad);
	return 0;
}

/* --- strings ---------------------------------------------------------------------------------
 */

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
void payload_unescape(struct buf *out, struct span s)
{
	if (s.len < 2) /* no string: not even its quotes */
		return;
	const uint8_t *p = s.p + 1, *end = s.p + s.len - 1;
	while (p < end) {
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

int payload_unpack_event(struct span stored, struct buf *out)
{
	static const char mark[] = "\"packed\":\"";
	struct buf frame, payload;
	struct scan s;
	if (!memmem(stored.p, stored.len, mark, sizeof(mark) - 1))
		return 0;
	int r = scan_event(stored, true, &s);
	struct span base64 = r == 0 ? scan_plain(&s, "packed") : (struct span){0};
	if (!base64.len)
		return r;
	buf_init(&frame, PAYLOAD_MAX);
	buf_init(&payload, PAYLOAD_MAX);
	r = payload_base64(base64, &frame);
	if (r == 0)
		r = payload_unpack(buf_span(&frame), &payload);
	if (r == 0)
		r = payload_restore(&s, buf_span(&payload), out);
	buf_done(&frame);
	buf_done(&payload);
	return r < 0 ? r : 1;
}
