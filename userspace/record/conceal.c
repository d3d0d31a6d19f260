#include "record/conceal.h"

#include <strings.h>

/* Of those in detect/token.c the shortest has 20. */
#define SECRET_SHORTEST 16

static bool has_find(uint64_t kinds, struct span text)
{
	struct detect d = {.kinds = kinds};
	struct find f;
	if (text.len < SECRET_SHORTEST && !(kinds & ~CONCEAL_SECRETS))
		return false;
	return detect_part(&d, text, 0, 0, text.len, &f);
}

struct span conceal(uint64_t kinds, struct span text, struct buf *scratch)
{
	static const struct span none = {(const uint8_t *)"", 0};
	if (!text.len || !has_find(kinds, text))
		return text;
	struct mask_how how = {.way = MASK_REDACT, .detect = kinds};
	buf_reset(scratch);
	(void)mask_text(&how, text, scratch);
	return buf_err(scratch) ? none : buf_span(scratch);
}

bool conceal_has_password(struct span sql)
{
	static const char word[] = "password";
	static const ptrdiff_t before = 4; /* of its 'w', which statements have few of */
	for (int k = 0; k < 2; k++) {
		const uint8_t *at = sql.p, *end = sql.p + sql.len;
		while (at < end && (at = memchr(at, k ? 'W' : 'w', (size_t)(end - at)))) {
			bool fits = at - sql.p >= before && end - at >= (ptrdiff_t)sizeof(word) - 1 - before;
			if (fits && (at[-before] | 0x20) == 'p' &&
			    !strncasecmp((const char *)at - before, word, sizeof(word) - 1))
				return true;
			at++;
		}
	}
	return false;
}

bool conceal_is_clean(uint64_t kinds, struct span text, uint64_t *looked)
{
	if (looked && (*looked & kinds) == kinds)
		return true;
	if (has_find(kinds, text) || conceal_has_password(text))
		return false;
	if (looked)
		*looked |= kinds;
	return true;
}
