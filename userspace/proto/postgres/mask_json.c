/* Detectors within a document: RFC 8259, sections 6 and 7. What is found in a string, names of members too, or in a
 * number is masked; all else is as it was, so that what was valid JSON still is. A member's name says of its values
 * what a column's name says of its own. */
#include "proto/postgres/masking.h"

#include <stdio.h>

static void add_utf8(struct buf *out, uint32_t c)
{
	if (c < 0x80) {
		buf_add_u8(out, (uint8_t)c);
		return;
	}
	int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
	static const uint8_t leads[] = {0, 0xc0, 0xe0, 0xf0};
	buf_add_u8(out, (uint8_t)(leads[more] | c >> (6 * more)));
	while (more--)
		buf_add_u8(out, (uint8_t)(0x80 | (c >> (6 * more) & 0x3f)));
}

/* Four hexadecimal digits; UINT32_MAX: they are none. */
static uint32_t read_hex(struct cur *c)
{
	uint32_t v = 0;
	struct span digits = cur_bytes(c, 4);
	for (size_t i = 0; i < digits.len; i++) {
		static const char all[] = "0123456789abcdef0123456789ABCDEF";
		const char *at = digits.p[i] ? strchr(all, digits.p[i]) : NULL;
		if (!at)
			return UINT32_MAX;
		v = v << 4 | (uint32_t)((at - all) & 15);
	}
	return cur_err(c) ? UINT32_MAX : v;
}

/* Half of a pair that stands alone goes on as the three bytes that it would have. */
static bool read_unicode(struct cur *c, struct buf *ret)
{
	uint32_t v = read_hex(c);
	struct cur at = *c;
	bool is_first = v >= 0xd800 && v < 0xdc00;
	if (is_first && cur_left(c) >= 6 && cur_u8(&at) == '\\' && cur_u8(&at) == 'u') {
		uint32_t second = read_hex(&at);
		if (second >= 0xdc00 && second < 0xe000) {
			v = 0x10000 + ((v - 0xd800) << 10) + (second - 0xdc00);
			*c = at;
		}
	}
	if (v != UINT32_MAX)
		add_utf8(ret, v);
	return v != UINT32_MAX;
}

/* Up to the closing quote. False: nothing closes it. */
static bool read_string(struct cur *c, struct buf *ret)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	while (cur_left(c)) {
		uint8_t b = cur_u8(c);
		if (b == '"')
			return !buf_err(ret);
		if (b != '\\') {
			buf_add_u8(ret, b);
			continue;
		}
		b = cur_u8(c);
		const char *at = b ? strchr(from, b) : NULL;
		if (at)
			buf_add_u8(ret, (uint8_t)to[at - from]);
		else if (b != 'u' || !read_unicode(c, ret))
			return false;
	}
	return false;
}

static void write_string(struct span v, struct buf *out)
{
	buf_add_u8(out, '"');
	for (size_t i = 0; i < v.len; i++) {
		if (v.p[i] < ' ') {
			buf_printf(out, "\\u%04x", v.p[i]);
			continue;
		}
		if (v.p[i] == '"' || v.p[i] == '\\')
			buf_add_u8(out, '\\');
		buf_add_u8(out, v.p[i]);
	}
	buf_add_u8(out, '"');
}

/* text: what raw says. */
static bool mask_token(const struct mask_how *how, struct span raw, struct span text, struct buf *out)
{
	struct buf shown;
	buf_init(&shown, out->limit);
	bool ok = mask_text(how, text, &shown) && !buf_err(&shown);
	if (ok && span_eq(buf_span(&shown), text))
		buf_add_span(out, raw);
	else if (ok)
		write_string(buf_span(&shown), out);
	buf_done(&shown);
	return ok;
}

/* Is what was just read a member's name? */
static bool is_name(struct cur c)
{
	while (cur_left(&c) && *c.p && strchr(" \t\r\n", *c.p))
		(void)cur_u8(&c);
	return cur_left(&c) && *c.p == ':';
}

/* What the name tells; names of more bytes tell nothing. */
static uint64_t context_of(struct span name)
{
	char text[64] = "";
	if (name.len && name.len < sizeof(text))
		memcpy(text, name.p, name.len);
	return detect_context(text);
}

/* here: how, with what the last member's name told. */
static bool take_string(const struct mask_how *how, struct mask_how *here, struct cur *c, struct buf *out)
{
	struct buf text;
	const uint8_t *from = c->p;
	(void)cur_u8(c);
	buf_init(&text, cur_left(c) + 4);
	bool ok = read_string(c, &text), names = ok && is_name(*c);
	if (names)
		here->bare = how->bare | (context_of(buf_span(&text)) & how->detect);
	ok = ok && mask_token(names ? how : here, span_of(from, (size_t)(c->p - from)), buf_span(&text), out);
	buf_done(&text);
	return ok;
}

static bool take_number(const struct mask_how *how, struct cur *c, struct buf *out)
{
	const uint8_t *from = c->p;
	while (cur_left(c) && *c->p && strchr("0123456789+-.eE", *c->p))
		(void)cur_u8(c);
	struct span raw = span_of(from, (size_t)(c->p - from));
	return mask_token(how, raw, raw, out);
}

bool mask_json(const struct mask_how *how, struct span value, struct buf *out)
{
	struct cur c = cur_of(value);
	struct mask_how here = *how;
	size_t start = buf_len(out);
	bool ok = true;
	while (ok && cur_left(&c)) {
		uint8_t b = *c.p;
		if (b == '"')
			ok = take_string(how, &here, &c, out);
		else if (b == '-' || (b >= '0' && b <= '9'))
			ok = take_number(&here, &c, out);
		else
			buf_add_u8(out, cur_u8(&c));
	}
	ok = ok && !cur_err(&c);
	if (!ok && !buf_err(out))
		out->end = out->start + start;
	return ok;
}
