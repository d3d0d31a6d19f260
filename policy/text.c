#include "policy/text.h"

#include <stdio.h>

#define NAME_SHOWN 80 /* PostgreSQL's own names have at most 63 bytes */

void text_init(struct text *t, char *p, size_t size)
{
	*t = (struct text){.p = p, .size = size};
	p[0] = 0;
}

/* One character, whole or not at all. Room for "..." and NUL is always kept. */
static void put(struct text *t, const char *s, size_t n)
{
	if (t->is_cut)
		return;
	if (t->len + n + 4 > t->size) {
		memcpy(t->p + t->len, "...", 4);
		t->len += 3;
		t->is_cut = true;
		return;
	}
	memcpy(t->p + t->len, s, n);
	t->len += n;
	t->p[t->len] = 0;
}

void text_add(struct text *t, const char *s)
{
	for (; *s; s++)
		put(t, s, 1);
}

void text_int(struct text *t, long v)
{
	char digits[24];
	snprintf(digits, sizeof(digits), "%ld", v);
	text_add(t, digits);
}

/* The length of the UTF-8 character at s (Unicode table 3-7) and its code point; 0 if it is none.
 */
static size_t utf8_char(const char *text, uint32_t *ret_cp)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const uint8_t *s = (const uint8_t *)text;
	size_t n = s[0] < 0x80	     ? 1
		   : s[0] >> 5 == 6  ? 2
		   : s[0] >> 4 == 14 ? 3
		   : s[0] >> 3 == 30 ? 4
				     : 0;
	if (n < 2) {
		*ret_cp = s[0];
		return n;
	}
	uint32_t cp = s[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if (s[i] >> 6 != 2)
			return 0; /* a NUL ends here as well */
		cp = cp << 6 | (s[i] & 63);
	}
	if (cp < least[n] || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
		return 0;
	*ret_cp = cp;
	return n;
}

/* What could forge a line, hide text or turn its direction: C0, C1, zero-width and bidi characters,
 * line and paragraph separators, tags. */
static bool is_unseen(uint32_t cp)
{
	static const struct {
		uint32_t from, to;
	} ranges[] = {
	    {0, 0x1f},	      {0x7f, 0x9f},	  {0xad, 0xad},	    {0x61c, 0x61c},
	    {0x200b, 0x200f}, {0x2028, 0x202e},	  {0x2060, 0x206f}, {0xfeff, 0xfeff},
	    {0xfff9, 0xfffb}, {0xe0000, 0xe0fff},
	};
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (cp >= ranges[i].from && cp <= ranges[i].to)
			return true;
	return false;
}

static void foreign(struct text *t, const char *s, size_t max, bool doubles_quotes)
{
	size_t at = 0;
	while (s[at] && !t->is_cut) {
		uint32_t cp;
		size_t n = utf8_char(s + at, &cp);
		if (at + (n ? n : 1) > max) {
			text_add(t, "...");
			return;
		}
		if (!n)
			put(t, "?", 1);
		else if (doubles_quotes && cp == '"')
			put(t, "\"\"", 2);
		else if (!is_unseen(cp))
			put(t, s + at, n);
		at += n ? n : 1;
	}
}

void text_foreign(struct text *t, const char *s, size_t max)
{
	foreign(t, s, max, false);
}

void text_quoted(struct text *t, const char *s)
{
	put(t, "\"", 1);
	foreign(t, s, NAME_SHOWN, true);
	put(t, "\"", 1);
}

static bool is_bare(const char *s)
{
	if (!((*s >= 'a' && *s <= 'z') || *s == '_'))
		return false;
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_$");
	return !s[n] && n <= NAME_SHOWN;
}

void text_name(struct text *t, const char *s)
{
	if (is_bare(s))
		text_add(t, s);
	else
		text_quoted(t, s);
}

void text_qualified(struct text *t, const char *schema, const char *name)
{
	if (schema)
		text_name(t, schema);
	if (schema && name)
		put(t, ".", 1);
	if (name)
		text_name(t, name);
}

void text_vprintf(struct text *t, const char *fmt, va_list ap)
{
	char raw[1024];
	vsnprintf(raw, sizeof(raw), fmt, ap);
	foreign(t, raw, sizeof(raw), false);
}
