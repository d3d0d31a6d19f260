#include "policy/mask.h"

#include <stdio.h>
#include <stdlib.h>
#include <unictype.h>
#include <unistr.h>

#include "base/macro.h"
#include "base/ossl.h"

const struct result_lineage lineage_free = {.n_outputs = -1, .is_known = true};

static const char redacted[] = "****";

const char *mask_way_name(enum mask_way w)
{
	static const char *const names[MASK_WAY_COUNT] = {
#define X(name, text) [MASK_##name] = text,
	    MASK_WAY_LIST(X)
#undef X
	};
	return (unsigned int)w < MASK_WAY_COUNT ? names[w] : "?";
}

/* Bytes of the character at p. What is no UTF-8 is a character of one byte. */
static size_t char_len(const uint8_t *p, size_t left)
{
	if (*p < 0x80)
		return 1;
	size_t n = *p < 0xc2 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : *p < 0xf5 ? 4 : 1;
	if (n > left)
		return 1;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 1;
	return n;
}

/* Separators stay: they are the form, not the value. */
static bool is_hidden(uint8_t first)
{
	return first >= 0x80 || (first | 0x20u) - 'a' < 26 || (unsigned int)first - '0' < 10;
}

static size_t count_hidden(struct span v)
{
	size_t n = 0;
	for (size_t i = 0; i < v.len; i += v.p[i] < 0x80 ? 1 : char_len(v.p + i, v.len - i))
		n += is_hidden(v.p[i]);
	return n;
}

/* Keeps characters from..to of those that would be hidden. A value that would be kept whole is
 * hidden whole. */
static void keep(struct span v, size_t from, size_t to, struct buf *out)
{
	uint8_t *p = buf_reserve(out, v.len), *start = p;
	size_t at = 0;
	for (size_t i = 0, n; p && i < v.len; i += n) {
		n = v.p[i] < 0x80 ? 1 : char_len(v.p + i, v.len - i);
		bool hides = is_hidden(v.p[i]), is_kept = (!hides) | ((at >= from) & (at < to));
		at += hides;
		if (n == 1) {
			*p++ = is_kept ? v.p[i] : '*';
			continue;
		}
		for (size_t k = 0; is_kept && k < n; k++)
			*p++ = v.p[i + k];
		if (!is_kept)
			*p++ = '*';
	}
	if (start)
		buf_commit(out, (size_t)(p - start));
}

/* ---- the same where all is ASCII: eight bytes at a time ---- */

typedef uint8_t bytes8 __attribute__((vector_size(8), aligned(1)));

/* Of eight or more bytes; the last eight may be looked at twice. */
static bool is_ascii(struct span v)
{
	uint64_t any = 0, eight;
	for (size_t i = 0; i + 8 <= v.len; i += 8) {
		memcpy(&eight, v.p + i, 8);
		any |= eight;
	}
	memcpy(&eight, v.p + v.len - 8, 8);
	return !((any | eight) & 0x8080808080808080);
}

static inline void hide_8(const uint8_t *p, uint8_t *to)
{
	bytes8 v;
	memcpy(&v, p, sizeof(v));
	bytes8 letter = (v | 0x20) - 'a', digit = v - '0';
	bytes8 hidden = (bytes8)(letter < 26) | (bytes8)(digit < 10);
	v = (hidden & '*') | (v & ~hidden);
	memcpy(to, &v, sizeof(v));
}

/* Bytes from..to stay, if any outside would be hidden. */
static void keep_ascii(const struct mask_how *how, struct span v, struct buf *out)
{
	bool is_last = how->way == MASK_KEEP_LAST, is_more = false;
	size_t from = is_last ? v.len : 0, to = from, left = (size_t)how->n;
	while (left && (is_last ? from > 0 : to < v.len))
		left -= is_hidden(is_last ? v.p[--from] : v.p[to++]);
	for (size_t i = is_last ? 0 : to, end = is_last ? from : v.len; i < end && !is_more; i++)
		is_more = is_hidden(v.p[i]);
	uint8_t *start = buf_reserve(out, v.len);
	if (!start)
		return;
	for (size_t i = 0; i + 8 <= v.len; i += 8)
		hide_8(v.p + i, start + i);
	hide_8(v.p + v.len - 8, start + v.len - 8);
	if (is_more)
		memcpy(start + from, v.p + from, to - from);
	buf_commit(out, v.len);
}

static void keep_some(const struct mask_how *how, struct span v, struct buf *out)
{
	if (v.len >= 8 && is_ascii(v)) {
		keep_ascii(how, v, out);
		return;
	}
	size_t total = count_hidden(v), n = (size_t)how->n;
	if (n >= total)
		keep(v, 0, 0, out);
	else if (how->way == MASK_KEEP_LAST)
		keep(v, total - n, total, out);
	else
		keep(v, 0, n, out);
}

static bool is_digit(uint8_t c)
{
	return (uint8_t)(c - '0') < 10;
}

/* Is the character at i a digit, of whatever script? *ret_len: its bytes; *ret: '0' to '9'. */
static bool digit_at(struct span v, size_t i, size_t *ret_len, uint8_t *ret)
{
	ucs4_t u;
	*ret_len = 1;
	if (v.p[i] < 0x80) {
		*ret = v.p[i];
		return is_digit(v.p[i]);
	}
	*ret_len = char_len(v.p + i, v.len - i);
	int value = u8_mbtoucr(&u, v.p + i, *ret_len) > 0 ? uc_digit_value(u) : -1;
	*ret = (uint8_t)('0' + value);
	return value >= 0;
}

static void zero_digits(struct span v, struct buf *out)
{
	uint8_t digit;
	for (size_t i = 0, n; i < v.len; i += n) {
		if (digit_at(v, i, &n, &digit))
			buf_add_u8(out, '0');
		else
			buf_add(out, v.p + i, n);
	}
}

/* ---- under a key ---- */

static void hmac(const uint8_t *key, size_t key_len, struct span v, uint8_t ret[32])
{
	unsigned int n = 0;
	const uint8_t *p = v.len ? v.p : (const uint8_t *)"";
	if (!HMAC(EVP_sha256(), key, (int)key_len, p, v.len, ret, &n) || n != 32)
		abort(); /* no memory, or a library without SHA-256: nothing may be shown */
}

void mask_key_of_file(struct span file, uint8_t ret_key[MASK_KEY_BYTES])
{
	static const char use[] = "sluice mask key 1";
	hmac((const uint8_t *)use, sizeof(use) - 1, file, ret_key);
}

void mask_key_of_scope(struct mask_how *how, const char *name)
{
	static const char *const scopes[MASK_SCOPE_COUNT] = {
#define X(id, text) [MASK_SCOPE_##id] = text,
	    MASK_SCOPE_LIST(X)
#undef X
	};
	char text[320];
	uint8_t key[MASK_KEY_BYTES];
	int n = snprintf(text, sizeof(text), "%s\n%s\n%s", mask_way_name(how->way),
			 scopes[how->scope], how->scope == MASK_SCOPE_POLICY ? "" : name);
	hmac(how->key, sizeof(how->key), span_of(text, MIN((size_t)n, sizeof(text) - 1)), key);
	memcpy(how->key, key, sizeof(key));
}

void mask_hash(const struct mask_how *how, struct span value, uint8_t ret_hash[MASK_HASH_BYTES])
{
	uint8_t all[32];
	hmac(how->key, sizeof(how->key), value, all);
	memcpy(ret_hash, all, MASK_HASH_BYTES);
}

static void add_hash(const struct mask_how *how, struct span v, struct buf *out)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t hash[MASK_HASH_BYTES];
	mask_hash(how, v, hash);
	for (size_t i = 0; i < sizeof(hash); i++) {
		buf_add_u8(out, (uint8_t)digits[hash[i] >> 4]);
		buf_add_u8(out, (uint8_t)digits[hash[i] & 15]);
	}
}

/* Other digits for a number's, whatever stands between them; every 32 digits depend on all. */
static void other_digits(const struct mask_how *how, struct span v, struct buf *out)
{
	uint8_t stream[32], digit;
	struct buf digits;
	buf_init(&digits, v.len + 1);
	for (size_t i = 0, n; i < v.len; i += n)
		if (digit_at(v, i, &n, &digit))
			buf_add_u8(&digits, digit);
	if (buf_err(&digits)) {
		zero_digits(v, out);
		buf_done(&digits);
		return;
	}
	hmac(how->key, sizeof(how->key), buf_span(&digits), stream);
	buf_wipe(&digits);
	for (size_t i = 0, k = 0, n; i < v.len; i += n) {
		if (!digit_at(v, i, &n, &digit)) {
			buf_add(out, v.p + i, n);
			continue;
		}
		if (k == sizeof(stream)) {
			hmac(how->key, sizeof(how->key), span_of(stream, sizeof(stream)), stream);
			k = 0;
		}
		buf_add_u8(out, (uint8_t)('0' + stream[k++] % 10));
	}
}

/* ---- the ways ---- */

static void truncate_to(struct span v, int n, struct buf *out)
{
	size_t i = 0;
	while (n-- > 0 && i < v.len)
		i += char_len(v.p + i, v.len - i);
	buf_add(out, v.p, i);
}

/* A find whose end was not awaited is hidden whole, whatever the way. */
void mask_find(const struct mask_how *how, struct span v, struct buf *out)
{
	struct mask_how plain = *how;
	plain.detect = 0;
	if (v.len > DETECT_LONGEST || !mask_text(&plain, v, out))
		buf_add_str(out, redacted);
}

/* What is between the finds stays. */
static void mask_found(const struct mask_how *how, struct span v, struct buf *out)
{
	struct detect d = {how->detect, how->bare, how->patterns};
	struct detect_walk w;
	struct find f;
	size_t from = 0;
	detect_begin(&w, &d, v);
	while (detect_next(&w, &f)) {
		buf_add(out, v.p + from, f.at - from);
		mask_find(how, span_of(v.p + f.at, f.len), out);
		from = f.at + f.len;
	}
	buf_add(out, v.p + from, v.len - from);
}

bool mask_text(const struct mask_how *how, struct span value, struct buf *out)
{
	if (how->detect) {
		mask_found(how, value, out);
		return true;
	}
	switch (how->way) {
	case MASK_REDACT:
	case MASK_WHOLE:
		buf_add_str(out, redacted);
		return true;
	case MASK_FIXED:
		buf_add_str(out, how->text);
		return true;
	case MASK_KEEP_LAST:
	case MASK_KEEP_FIRST:
		keep_some(how, value, out);
		return true;
	case MASK_DIGITS:
		if (how->has_key)
			other_digits(how, value, out);
		else
			zero_digits(value, out);
		return true;
	case MASK_HASH:
		if (how->has_key)
			add_hash(how, value, out);
		return how->has_key;
	case MASK_TRUNCATE:
		truncate_to(value, how->n, out);
		return true;
	case MASK_LITERALS:
		mask_literals(value, out);
		return true;
	case MASK_NULL: /* and what makes no sense for a text */
	case MASK_YEAR:
	case MASK_DROP:
	case MASK_WAY_COUNT:
		break;
	}
	return false;
}
