#include "sql/numbers.h"

#include <strings.h>

#include "base/macro.h"
#include "sql/sql.h"

#define INT4_DIGITS 9

/* Each byte's kinds: each is looked at for each statement. ODD: what only the lexer can tell from a plain token:
 * strings, names in quotes, escapes, all beyond ASCII. */
enum { DIGIT = 1, WORD = 2, SPACE = 4, ODD = 8 };
static const uint8_t kinds[256] = {
    /* what only the lexer can tell */
    [0] = ODD,
    ['\''] = ODD,
    ['"'] = ODD,
    ['\\'] = ODD,
    [0x80 ... 0xff] = ODD,
    /* tokens */
    ['\t' ... '\r'] = SPACE,
    [' '] = SPACE,
    ['A' ... 'Z'] = WORD,
    ['a' ... 'z'] = WORD,
    ['_'] = WORD,
    ['$'] = WORD,
    ['0' ... '9'] = WORD | DIGIT,
};

static bool is_word(uint8_t c)
{
	return kinds[c] & WORD;
}

static bool is_space(uint8_t c)
{
	return kinds[c] & SPACE;
}

static bool is_digit(uint8_t c)
{
	return kinds[c] & DIGIT;
}

/* Comments as well. */
static bool is_plain(uint8_t c, uint8_t next)
{
	if (kinds[c] & ODD)
		return false;
	return !(c == '-' && next == '-') && !(c == '/' && next == '*');
}

static bool begins_as_dml(struct span text)
{
	static const char *const words[] = {"select", "insert", "update", "delete"};
	size_t i = 0;
	while (i < text.len && is_space(text.p[i]))
		i++;
	for (size_t w = 0; text.len - i > 6 && w < ARRAY_LEN(words); w++)
		if (!strncasecmp((const char *)text.p + i, words[w], 6) && !is_word(text.p[i + 6]))
			return true;
	return false;
}

static bool ends_here(struct span text, size_t i)
{
	for (; i < text.len; i++)
		if (!is_space(text.p[i]) && text.p[i] != ';')
			return false;
	return true;
}

static bool is_digits(struct span text, size_t from, size_t end)
{
	for (size_t i = from; i < end; i++)
		if (!is_digit(text.p[i]))
			return false;
	return true;
}

/* The end of the word at i; 0 for one that stands in the way: the grammar itself looks at the
 * number in FLOAT(n), "$" may open a string, 1e+5 and the like take the lexer. */
static size_t word_end(struct span text, size_t i)
{
	size_t from = i;
	if (text.p[i] == '$' && (i + 1 == text.len || !is_digit(text.p[i + 1])))
		return 0;
	while (i < text.len && is_word(text.p[i]))
		i++;
	bool is_float = i - from == 5 && !strncasecmp((const char *)text.p + from, "float", 5);
	bool is_number = is_digit(text.p[from]) && !is_digits(text, from, i);
	return is_float || is_number ? 0 : i;
}

static bool is_integer(struct span text, size_t from, size_t end)
{
	bool is_part = (from && text.p[from - 1] == '.') || (end < text.len && text.p[end] == '.');
	return is_digits(text, from, end) && end - from <= INT4_DIGITS && !is_part;
}

bool numbers_mask(struct span text, char out[NUMBERS_TEXT_MAX])
{
	bool has_any = false;
	if (text.len >= NUMBERS_TEXT_MAX || !begins_as_dml(text))
		return false;
	memcpy(out, text.p, text.len);
	for (size_t i = 0, end; i < text.len; i = end) {
		uint8_t c = text.p[i];
		end = i + 1;
		if (!is_plain(c, end < text.len ? text.p[end] : 0) ||
		    (c == ';' && !ends_here(text, i)))
			return false;
		if (!is_word(c))
			continue;
		end = word_end(text, i);
		if (!end)
			return false;
		if (!is_integer(text, i, end))
			continue;
		memset(out + i, '0', end - i);
		has_any = true;
	}
	return has_any;
}

bool numbers_are_free(const struct sql_result *r)
{
	return r->status == SQL_OK && r->n_stmts == 1 && r->stmts[0].kind == SQL_OTHER &&
	       !r->stmts[0].reads_numbers;
}
