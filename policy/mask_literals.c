/* The text of a definition (a view, a default, a function's body) without the constants in it: somebody may have copied
 * them out of a column that is masked. What is left shows what it does, and can still be read by programs that take it
 * apart: names, types' lengths, quotes. */
#include "base/sqltext.h"
#include "policy/mask.h"

#define PLAIN_DIGITS 2 /* of a number that may be a length or a place */

static bool begins(struct span s, size_t i, const char *word)
{
	size_t n = strlen(word);
	return i + n <= s.len && !memcmp(s.p + i, word, n);
}

/* 'orders_id_seq'::regclass is a name. */
static size_t string(struct span s, size_t i, size_t from, bool has_escapes, struct buf *out)
{
	size_t end = sqltext_skip_quoted(s, i, has_escapes);
	if (begins(s, end, "::regclass") || begins(s, end, "::regproc") || begins(s, end, "::regtype"))
		buf_add(out, s.p + from, end - from);
	else
		buf_add_str(out, end == i + 2 ? "''" : "'****'");
	return end;
}

static size_t number(struct span s, size_t i, struct buf *out)
{
	size_t end = i, digits = 0;
	for (; end < s.len && (sqltext_is_name(s.p[end]) || s.p[end] == '.'); end++)
		digits += isdigit(s.p[end]) != 0;
	bool is_plain = digits <= PLAIN_DIGITS && digits == end - i;
	for (; i < end; i++)
		buf_add_u8(out, is_plain || !isalnum(s.p[i]) ? s.p[i] : '0');
	return end;
}

static size_t name(struct span s, size_t i, struct buf *out)
{
	size_t end = sqltext_skip_name(s, i);
	if (end == i + 1 && end < s.len && s.p[end] == '\'' && strchr("eEbBxXnN", s.p[i]))
		return string(s, end, i, (s.p[i] | 0x20) == 'e', out);
	buf_add(out, s.p + i, end - i);
	return end;
}

/* pg_get_functiondef writes a body between these: it is read on, and so is what ends it. */
static size_t dollar(struct span s, size_t i, struct buf *out)
{
	size_t tag = sqltext_dollar_tag(s, i), end = i + 1;
	bool is_body = tag && (begins(s, i, "$function") || begins(s, i, "$procedure"));
	if (is_body) {
		buf_add(out, s.p + i, tag);
		return i + tag;
	}
	if (tag) {
		buf_add_str(out, "'****'");
		return sqltext_skip_dollar(s, i, tag);
	}
	while (end < s.len && isdigit(s.p[end])) /* $1 */
		end++;
	buf_add(out, s.p + i, end - i);
	return end;
}

static size_t token(struct span s, size_t i, struct buf *out)
{
	uint8_t c = s.p[i], next = i + 1 < s.len ? s.p[i + 1] : 0;
	if (c == '\'')
		return string(s, i, i, false, out);
	if (c == '$')
		return dollar(s, i, out);
	if (isdigit(c) || (c == '.' && isdigit(next)))
		return number(s, i, out);
	if ((c == '-' && next == '-') || (c == '/' && next == '*')) {
		buf_add_u8(out, ' ');
		return sqltext_skip_comment(s, i);
	}
	if (sqltext_is_name(c))
		return name(s, i, out);
	size_t end = c == '"' ? sqltext_skip_quoted(s, i, false) : i + 1;
	buf_add(out, s.p + i, end - i);
	return end;
}

void mask_literals(struct span sql, struct buf *out)
{
	for (size_t i = 0; i < sql.len;) {
		size_t end = token(sql, i, out);
		i = end < sql.len ? end : sql.len;
	}
}
