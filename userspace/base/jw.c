#include "base/jw.h"

#include <assert.h>

void jw_begin(struct jw *w, struct buf *out)
{
	*w = (struct jw){.out = out};
	w->first[0] = true;
}

/* Keys are the program's own: nothing in them to escape. */
static void jw_key(struct jw *w, const char *key)
{
	bool is_first = w->first[w->depth];
	w->first[w->depth] = false;
	if (!key) {
		if (!is_first)
			buf_add_u8(w->out, ',');
		return;
	}
	assert(!w->last_key[w->depth] || jw_key_before(w->last_key[w->depth], key));
	w->last_key[w->depth] = key;
	size_t n = strlen(key);
	uint8_t *p = buf_reserve(w->out, n + 4), *from = p;
	if (!p)
		return;
	if (!is_first)
		*p++ = ',';
	*p++ = '"';
	memcpy(p, key, n);
	p += n;
	*p++ = '"';
	*p++ = ':';
	buf_commit(w->out, (size_t)(p - from));
}

static void jw_open(struct jw *w, const char *key, char c)
{
	jw_key(w, key);
	buf_add_u8(w->out, (uint8_t)c);
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

static void quote_plain(struct buf *out, struct span s)
{
	uint8_t *p = buf_reserve(out, s.len + 2);
	if (!p)
		return;
	p[0] = '"';
	if (s.len)
		memcpy(p + 1, s.p, s.len);
	p[s.len + 1] = '"';
	buf_commit(out, s.len + 2);
}

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

static void jw_quote(struct jw *w, struct span s)
{
	size_t i = 0;
	while (i < s.len && !escapes[s.p[i]])
		i++;
	if (i == s.len)
		quote_plain(w->out, s);
	else
		quote_escaped(w->out, s);
}

void jw_str(struct jw *w, const char *key, const char *s)
{
	if (!s) {
		jw_null(w, key);
		return;
	}
	jw_key(w, key);
	jw_quote(w, span_str(s));
}

void jw_int(struct jw *w, const char *key, int64_t v)
{
	char digits[24];
	int i = sizeof(digits);
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
	do {
		digits[--i] = (char)('0' + u % 10);
		u /= 10;
	} while (u);
	if (v < 0)
		digits[--i] = '-';
	jw_key(w, key);
	buf_add(w->out, digits + i, sizeof(digits) - (size_t)i);
}

void jw_bool(struct jw *w, const char *key, bool v)
{
	jw_key(w, key);
	buf_add_str(w->out, v ? "true" : "false");
}

void jw_null(struct jw *w, const char *key)
{
	jw_key(w, key);
	buf_add(w->out, "null", 4);
}

void jw_raw(struct jw *w, const char *key, struct span json)
{
	jw_key(w, key);
	buf_add_span(w->out, json);
}

void jw_base64(struct jw *w, const char *key, struct span s)
{
	jw_key(w, key);
	buf_add_u8(w->out, '"');
	buf_add_base64(w->out, s);
	buf_add_u8(w->out, '"');
}

void jw_text(struct jw *w, const char *key, const char *key_b64, struct span s)
{
	if (!utf8_valid(s)) {
		jw_base64(w, key_b64, s);
		return;
	}
	jw_key(w, key);
	jw_quote(w, s);
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
