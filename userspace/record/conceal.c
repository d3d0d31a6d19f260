#include "record/conceal.h"

#include <strings.h>

static bool has_find(uint64_t kinds, struct span text)
{
	struct detect d = {.kinds = kinds};
	struct detect_walk w;
	struct find f;
	detect_begin(&w, &d, text);
	return detect_next(&w, &f);
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
