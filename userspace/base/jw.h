/* Writes canonical JSON into a buf: no white space, keys in ascending byte order (the caller writes
 * them so; an assert holds it to that), integers only, strings escaped as RFC 8259 requires and no
 * further. Text that is not UTF-8 goes by jw_text, which writes it as base64 under "<key>_b64". */
#pragma once

#include <endian.h>

#include "base/buf.h"

#define JW_DEPTH 16

struct jw {
	struct buf *out;
	int depth;
	bool first[JW_DEPTH];
	const char *last_key[JW_DEPTH]; /* borrowed: keys are literals or outlive the object */
};

void jw_begin(struct jw *w, struct buf *out);
/* key is NULL inside arrays and at the top. */
void jw_object(struct jw *w, const char *key);
void jw_object_end(struct jw *w);
void jw_array(struct jw *w, const char *key);
void jw_array_end(struct jw *w);
void jw_str(struct jw *w, const char *key, const char *s); /* must be UTF-8; NULL writes null */
void jw_int(struct jw *w, const char *key, int64_t v);
void jw_bool(struct jw *w, const char *key, bool v);
void jw_null(struct jw *w, const char *key);
/* Any bytes: a string where they are UTF-8 without NUL, else base64 under key_b64. key_b64 sorts
 * behind key and must sort before the next key. */
void jw_text(struct jw *w, const char *key, const char *key_b64, struct span s);
/* Any bytes as a base64 string. */
void jw_base64(struct jw *w, const char *key, struct span s);
/* Bytes that are canonical JSON already. */
void jw_raw(struct jw *w, const char *key, struct span json);
/* Fields that are canonical JSON already, each with a comma before it: ",\"a\":1,\"b\":2". last_key: the last one's. */
void jw_fields(struct jw *w, struct span fields, const char *last_key);

/* Does key a come before key b? Mostly the first letters tell. */
static inline bool jw_key_before(const char *a, const char *b)
{
	for (; *a == *b && *a; a++)
		b++;
	return (uint8_t)*a < (uint8_t)*b;
}

/* The first byte from p on that may be a quote, a backslash, a control character or none of ASCII's, eight looked at
 * at a time; near the end it may stop before. A byte that is one of them sets its high bit in odd; what it borrows
 * or carries spoils only those behind it. */
static inline const uint8_t *jw_skip_plain(const uint8_t *p, const uint8_t *end)
{
	const uint64_t each = 0x0101010101010101u;
	for (uint64_t w; end - p >= 8; p += 8) {
		memcpy(&w, p, sizeof(w));
		w = le64toh(w);
		uint64_t odd = (w - each * 0x20) | ((w ^ each * '"') - each) |
			       ((w ^ each * '\\') - each) | (w + each) | w;
		odd &= each * 0x80;
		if (odd)
			return p + __builtin_ctzll(odd) / 8;
	}
	return p;
}

bool utf8_valid(struct span s);
/* Standard base64 with padding, and the URL alphabet without (RFC 4648 4, 5). */
void buf_add_base64(struct buf *b, struct span s);
void buf_add_base64url(struct buf *b, struct span s);
void buf_add_hex(struct buf *b, struct span s);
/* Strict base64url: no padding, no white space, no dangling bits. ERR_MALFORMED otherwise. */
must_check int base64url_decode(struct span s, struct buf *out);
