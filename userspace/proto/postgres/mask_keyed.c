/* Values of types that are no text, replaced under a key: whole numbers by whole numbers that fit,
 * UUIDs by UUIDs. The same value gives the same in text and in binary. */
#include <stdio.h>
#include <stdlib.h>

#include "proto/postgres/masking.h"

#define OID_INT8  20
#define OID_INT2  21
#define OID_INT4  23
#define OID_JSON  114
#define OID_UUID  2950
#define OID_JSONB 3802

/* Its decimal digits; 0: that is no whole number of n bytes. */
static size_t decimal(struct span v, uint16_t format, size_t n, char text[24])
{
	uint64_t x = 0;
	if (!format) {
		if (!v.len || v.len > 20)
			return 0;
		memcpy(text, v.p, v.len);
		text[v.len] = 0;
		return v.len;
	}
	if (v.len != n)
		return 0;
	for (size_t i = 0; i < n; i++)
		x = x << 8 | v.p[i];
	int unused = 64 - 8 * (int)n;
	return (size_t)snprintf(text, 24, "%lld", (long long)((int64_t)(x << unused) >> unused));
}

/* As many digits, other ones. A first digit of 1 fits always. */
static int64_t other_digits(const struct mask_how *how, const char *text, int64_t most)
{
	struct buf b;
	buf_init(&b, 64);
	(void)mask_text(how, span_str(text), &b);
	buf_add_u8(&b, 0);
	char *digits = buf_err(&b) ? NULL : (char *)buf_span(&b).p;
	int64_t x = 0;
	if (digits) {
		size_t sign = digits[0] == '-';
		if (digits[sign] == '0' && text[sign] != '0')
			digits[sign] = '1';
		x = strtoll(digits, NULL, 10);
		if (x > most || x < -most)
			digits[sign] = '1';
		x = strtoll(digits, NULL, 10);
	}
	buf_done(&b);
	return x;
}

static bool integer(const struct mask_how *how, size_t n, uint16_t format, struct span v,
		    struct buf *out)
{
	char text[24];
	int64_t most = (int64_t)(UINT64_MAX >> (65 - 8 * n)), x = 0;
	uint8_t hash[MASK_HASH_BYTES];
	if (!decimal(v, format, n, text))
		return false;
	if (how->way == MASK_HASH) {
		mask_hash(how, span_str(text), hash);
		memcpy(&x, hash, sizeof(x));
		x &= most;
	} else {
		x = other_digits(how, text, most);
	}
	if (!format)
		buf_printf(out, "%lld", (long long)x);
	for (size_t i = n; format && i > 0; i--)
		buf_add_u8(out, (uint8_t)((uint64_t)x >> (8 * (i - 1))));
	return true;
}

static void add_hex(struct buf *out, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "%02x", p[i]);
}

/* RFC 9562 5.8: version 8 is for whatever one likes. */
static bool uuid(const struct mask_how *how, uint16_t format, struct span v, struct buf *out)
{
	static const size_t groups[] = {4, 2, 2, 2, 6};
	uint8_t hash[MASK_HASH_BYTES];
	struct buf text;
	if (how->way != MASK_HASH || (format && v.len != 16))
		return false;
	buf_init(&text, 64);
	for (size_t i = 0; !format && i < v.len; i++)
		if (v.p[i] != '-')
			buf_add_u8(&text, v.p[i]);
	if (format)
		add_hex(&text, v.p, v.len);
	bool is_whole = !buf_err(&text);
	if (is_whole)
		mask_hash(how, buf_span(&text), hash);
	buf_done(&text);
	if (!is_whole)
		return false;
	hash[6] = (hash[6] & 0x0f) | 0x80;
	hash[8] = (hash[8] & 0x3f) | 0x80;
	if (format)
		buf_add(out, hash, sizeof(hash));
	for (size_t i = 0, at = 0; !format && i < 5; at += groups[i++]) {
		if (i)
			buf_add_u8(out, '-');
		add_hex(out, hash + at, groups[i]);
	}
	return true;
}

/* A JSON string of the whole document's hash. */
static bool document(const struct mask_how *how, bool has_version, struct span v, struct buf *out)
{
	if (how->way != MASK_HASH || (has_version && !v.len))
		return false;
	if (has_version) {
		buf_add_u8(out, v.p[0]);
		v = span_of(v.p + 1, v.len - 1);
	}
	buf_add_u8(out, '"');
	(void)mask_text(how, v, out);
	buf_add_u8(out, '"');
	return true;
}

bool mask_keyed(const struct mask_how *how, uint32_t type, uint16_t format, struct span v,
		struct buf *out)
{
	switch (type) {
	case OID_INT2:
		return integer(how, 2, format, v, out);
	case OID_INT4:
		return integer(how, 4, format, v, out);
	case OID_INT8:
		return integer(how, 8, format, v, out);
	case OID_UUID:
		return uuid(how, format, v, out);
	case OID_JSON:
	case OID_JSONB:
		return document(how, type == OID_JSONB && format, v, out);
	default:
		return false;
	}
}
