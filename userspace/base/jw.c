#include "base/jw.h"

#include <assert.h>

void jw_begin(struct jw *w, struct buf *out)
{
	*w = (struct jw){.out = out};
	w->first[0] = true;
}

/* Writes the comma and the key. Where the value goes, with room for n bytes; NULL: there is none. Keys are the
 * program's own: nothing in them to escape. */
static uint8_t *value_at(struct jw *w, const char *key, size_t n)
{
	size_t len = key ? strlen(key) : 0;
	bool is_first = w->first[w->depth];
	uint8_t *p = buf_reserve(w->out, len + 4 + n);
	w->first[w->depth] = false;
	if (key) {
		assert(!w->last_key[w->depth] || jw_key_before(w->last_key[w->depth], key));
		w->last_key[w->depth] = key;
	}
	if (!p)
		return NULL;
	if (!is_first)
		*p++ = ',';
	if (!key)
		return p;
	*p++ = '"';
	memcpy(p, key, len);
	p += len;
	*p++ = '"';
	*p++ = ':';
	return p;
}

static void put_value(struct jw *w, const char *key, const void *text, size_t n)
{
	uint8_t *p = value_at(w, key, n);
	if (!p)
		return;
	memcpy(p, text, n);
	buf_commit_to(w->out, p + n);
}

static void jw_open(struct jw *w, const char *key, char c)
{
	put_value(w, key, &c, 1);
	assert(w->depth + 1 < JW_DEPTH);
	w->depth++;
	w->first[w->depth] = true;
	w->last_key[w->depth] = NULL;
}

static void jw_close(struct jw *w, char c)
{
	assert(w->depth > 0);
	w->depth--;
	buf_add_u8(w->out, (uint8_t)c);
}

void jw_object(struct jw *w, const char *key)
{
	jw_open(w, key, '{');
}

void jw_object_end(struct jw *w)
{
	jw_close(w, '}');
}

void jw_array(struct jw *w, const char *key)
{
	jw_open(w, key, '[');
}

void jw_array_end(struct jw *w)
{
	jw_close(w, ']');
}

static const char *short_escape(uint8_t c)
{
	switch (c) {
	case '"':
		return "\\\"";
	case '\\':
		return "\\\\";
	case '\n':
		return "\\n";
	case '\r':
		return "\\r";
	case '\t':
		return "\\t";
	case '\b':
		return "\\b";
	case '\f':
		return "\\f";
	default:
		return NULL;
	}
}

/* What RFC 8259 wants escaped: control characters, quote, backslash. */
static const bool escapes[256] = {[0 ... 0x1f] = true, ['"'] = true, ['\\'] = true};

static void quote_escaped(struct buf *out, struct span s)
{
	size_t from = 0;
	buf_add_u8(out, '"');
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.p[i];
		if (!escapes[c])
			continue;
		buf_add(out, s.p + from, i - from);
		from = i + 1;
		const char *esc = short_escape(c);
		if (esc)
			buf_add(out, esc, 2);
		else
			buf_printf(out, "\\u%04x", c);
	}
	buf_add(out, s.p + from, s.len - from);
	buf_add_u8(out, '"');
}

/* ASCII with nothing to escape. */
static bool is_plain(struct span s)
{
	const uint8_t *end = s.p + s.len, *p = s.len ? jw_skip_plain(s.p, end) : end;
	if (s.len >= 8 && end - p < 8)
		p = jw_skip_plain(end - 8, end);
	while (p < end && *p < 0x80 && !escapes[*p])
		p++;
	return p == end;
}

static void put_plain(struct jw *w, const char *key, struct span s)
{
	uint8_t *p = value_at(w, key, s.len + 2);
	if (!p)
		return;
	*p++ = '"';
	if (s.len)
		memcpy(p, s.p, s.len);
	p += s.len;
	*p++ = '"';
	buf_commit_to(w->out, p);
}

static void put_string(struct jw *w, const char *key, struct span s)
{
	if (is_plain(s)) {
		put_plain(w, key, s);
		return;
	}
	put_value(w, key, "", 0);
	quote_escaped(w->out, s);
}

void jw_str(struct jw *w, const char *key, const char *s)
{
	if (s)
		put_string(w, key, span_str(s));
	else
		jw_null(w, key);
}

void jw_int(struct jw *w, const char *key, int64_t v)
{
	char digits[24];
	int i = sizeof(digits);
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
	for (; u >= 100; u /= 100) {
		unsigned two = (unsigned)(u % 100);
		digits[--i] = (char)('0' + two % 10);
		digits[--i] = (char)('0' + two / 10);
	}
	if (u >= 10)
		digits[--i] = (char)('0' + u % 10);
	digits[--i] = (char)('0' + (u >= 10 ? u / 10 : u));
	if (v < 0)
		digits[--i] = '-';
	put_value(w, key, digits + i, sizeof(digits) - (size_t)i);
}

void jw_bool(struct jw *w, const char *key, bool v)
{
	if (v)
		put_value(w, key, "true", 4);
	else
		put_value(w, key, "false", 5);
}

void jw_null(struct jw *w, const char *key)
{
	put_value(w, key, "null", 4);
}

void jw_raw(struct jw *w, const char *key, struct span json)
{
	put_value(w, key, json.p ? json.p : (const uint8_t *)"", json.len);
}

void jw_fields(struct jw *w, struct span fields, const char *last_key)
{
	if (!fields.len)
		return;
	bool is_first = w->first[w->depth];
	w->first[w->depth] = false;
	w->last_key[w->depth] = last_key;
	buf_add(w->out, fields.p + is_first, fields.len - is_first);
}

void jw_base64(struct jw *w, const char *key, struct span s)
{
	put_value(w, key, "\"", 1);
	buf_add_base64(w->out, s);
	buf_add_u8(w->out, '"');
}

void jw_text(struct jw *w, const char *key, const char *key_b64, struct span s)
{
	if (is_plain(s))
		put_plain(w, key, s);
	else if (utf8_valid(s))
		put_string(w, key, s);
	else
		jw_base64(w, key_b64, s);
}

/* The number of continuation bytes that a lead byte announces, and the bounds of the first of them
 * (Unicode table 3-7: no overlong forms, no surrogates, nothing above U+10FFFF). -1: no lead byte. */
static int utf8_lead(uint8_t c, uint8_t *lo, uint8_t *hi)
{
	*lo = 0x80;
	*hi = 0xbf;
	if (c >= 0xc2 && c <= 0xdf)
		return 1;
	if (c >= 0xe0 && c <= 0xef) {
		*lo = c == 0xe0 ? 0xa0 : 0x80;
		*hi = c == 0xed ? 0x9f : 0xbf;
		return 2;
	}
	if (c >= 0xf0 && c <= 0xf4) {
		*lo = c == 0xf0 ? 0x90 : 0x80;
		*hi = c == 0xf4 ? 0x8f : 0xbf;
		return 3;
	}
	return -1;
}

/* Plain ASCII without NUL, eight bytes at once; where it ends or changes. */
static size_t skip_ascii(struct span s, size_t i)
{
	const uint64_t ones = 0x0101010101010101ull, tops = 0x8080808080808080ull;
	uint64_t v;
	for (; s.len - i >= sizeof(v); i += sizeof(v)) {
		memcpy(&v, s.p + i, sizeof(v));
		if ((v | (v - ones)) & tops) /* a byte above 0x7f, or perhaps a zero */
			break;
	}
	return i;
}

bool utf8_valid(struct span s)
{
	for (size_t i = skip_ascii(s, 0); i < s.len;) {
		uint8_t lo, hi;
		if (s.p[i] < 0x80) {
			if (s.p[i++] == 0)
				return false;
			continue;
		}
		int n = utf8_lead(s.p[i++], &lo, &hi);
		if (n < 0 || s.len - i < (size_t)n || s.p[i] < lo || s.p[i] > hi)
			return false;
		for (int k = 1; k < n; k++)
			if ((s.p[i + (size_t)k] & 0xc0) != 0x80)
				return false;
		i += (size_t)n;
	}
	return true;
}

static const char b64_std[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char b64_url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void add_base64(struct buf *b, struct span s, const char *abc, bool pad)
{
	for (size_t i = 0; i < s.len; i += 3) {
		size_t n = s.len - i < 3 ? s.len - i : 3;
		uint32_t v = (uint32_t)s.p[i] << 16;
		v |= n > 1 ? (uint32_t)s.p[i + 1] << 8 : 0;
		v |= n > 2 ? s.p[i + 2] : 0;
		for (size_t k = 0; k <= n; k++)
			buf_add_u8(b, (uint8_t)abc[v >> (18 - 6 * k) & 63]);
		for (size_t k = n; pad && k < 3; k++)
			buf_add_u8(b, '=');
	}
}

void buf_add_base64(struct buf *b, struct span s)
{
	add_base64(b, s, b64_std, true);
}

void buf_add_base64url(struct buf *b, struct span s)
{
	add_base64(b, s, b64_url, false);
}

void buf_add_hex(struct buf *b, struct span s)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < s.len; i++) {
		buf_add_u8(b, (uint8_t)digits[s.p[i] >> 4]);
		buf_add_u8(b, (uint8_t)digits[s.p[i] & 15]);
	}
}

int base64url_decode(struct span s, struct buf *out)
{
	uint32_t v = 0;
	int bits = 0;
	for (size_t i = 0; i < s.len; i++) {
		const char *at = s.p[i] ? strchr(b64_url, s.p[i]) : NULL;
		if (!at)
			return ERR_MALFORMED;
		v = v << 6 | (uint32_t)(at - b64_url);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			buf_add_u8(out, (uint8_t)(v >> bits));
			v &= (1u << bits) - 1;
		}
	}
	if (bits >= 6 || v)
		return ERR_MALFORMED;
	return buf_err(out);
}
