#include "policy/mask.h"


#include "policy/detect.h"

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

static void keep_some(const struct mask_how *how, struct span v, struct buf *out)
{
	size_t total = count_hidden(v), n = (size_t)how->n;
	if (n >= total)
		keep(v, 0, 0, out);
	else if (how->way == MASK_KEEP_LAST)
		keep(v, total - n, total, out);
	else
		keep(v, 0, n, out);
}

static void zero_digits(struct span v, struct buf *out)
{
	for (size_t i = 0; i < v.len; i++)
		buf_add_u8(out, (unsigned int)v.p[i] - '0' < 10 ? '0' : v.p[i]);
}

static void truncate_to(struct span v, int n, struct buf *out)
{
	size_t i = 0;
	while (n-- > 0 && i < v.len)
		i += char_len(v.p + i, v.len - i);
	buf_add(out, v.p, i);
}

/* What is between the finds stays. */
static void mask_found(const struct mask_how *how, struct span v, struct buf *out)
{
	struct mask_how plain = *how;
	size_t from = 0, at, len;
	plain.detect = 0;
	while (detect_next(how->detect, v, from, &at, &len)) {
		buf_add(out, v.p + from, at - from);
		if (!mask_text(&plain, span_of(v.p + at, len), out))
			buf_add_str(out, redacted);
		from = at + len;
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
		zero_digits(value, out);
		return true;
	case MASK_TRUNCATE:
		truncate_to(value, how->n, out);
		return true;
	case MASK_NULL: /* and what makes no sense for a text */
	case MASK_YEAR:
	case MASK_DROP:
	case MASK_WAY_COUNT:
		break;
	}
	return false;
}
