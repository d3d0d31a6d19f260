#include "record/literals.h"

#include <ctype.h>

#include "base/sqltext.h"

/* 1, 1.5e-3, 0x1f, 1_000. */
static size_t skip_number(struct span s, size_t i)
{
	for (; i < s.len; i++) {
		bool is_sign = (s.p[i] == '+' || s.p[i] == '-') && (s.p[i - 1] | 0x20) == 'e';
		if (!sqltext_is_name(s.p[i]) && s.p[i] != '.' && !is_sign)
			break;
	}
	return i;
}

/* A name and the string that it belongs to: E'..', B'..', X'..', N'..', U&'..'. */
static size_t word(struct span s, size_t i, struct buf *out)
{
	size_t end = sqltext_skip_name(s, i);
	bool is_prefix =
	    end == i + 1 && end < s.len && s.p[end] == '\'' && strchr("eEbBxXnN", s.p[i]);
	if (!is_prefix) {
		buf_add(out, s.p + i, end - i);
		return end;
	}
	buf_add_u8(out, '?');
	return sqltext_skip_quoted(s, end, (s.p[i] | 0x20) == 'e');
}

static size_t literal(size_t end, struct buf *out)
{
	buf_add_u8(out, '?');
	return end;
}

static size_t token(struct span s, size_t i, struct buf *out)
{
	uint8_t c = s.p[i], next = i + 1 < s.len ? s.p[i + 1] : 0;
	if (c == '\'')
		return literal(sqltext_skip_quoted(s, i, false), out);
	if (c == '$' && sqltext_dollar_tag(s, i))
		return literal(sqltext_skip_dollar(s, i, sqltext_dollar_tag(s, i)), out);
	if (isdigit(c) || (c == '.' && isdigit(next)))
		return literal(skip_number(s, i), out);
	if ((c == '-' && next == '-') || (c == '/' && next == '*')) {
		buf_add_u8(out, ' ');
		return sqltext_skip_comment(s, i);
	}
	if (sqltext_is_name(c))
		return word(s, i, out);
	size_t end = c == '"' ? sqltext_skip_quoted(s, i, false) : c == '$' ? sqltext_skip_name(s, i + 1) : i + 1;
	buf_add(out, s.p + i, end - i);
	return end;
}

void literals_hide(struct span sql, struct buf *out)
{
	for (size_t i = 0; i < sql.len;) {
		size_t end = token(sql, i, out);
		i = end < sql.len ? end : sql.len;
	}
}
