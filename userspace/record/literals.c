#include "record/literals.h"

#include <ctype.h>

static bool is_name(uint8_t c)
{
	return isalnum(c) || c == '_' || c >= 0x80;
}

/* Behind the closing quote; a doubled one does not close. */
static size_t skip_quoted(struct span s, size_t i, bool has_escapes)
{
	uint8_t quote = s.p[i++];
	while (i < s.len) {
		if (has_escapes && s.p[i] == '\\')
			i += 2;
		else if (s.p[i] != quote)
			i++;
		else if (i + 1 < s.len && s.p[i + 1] == quote)
			i += 2;
		else
			return i + 1;
	}
	return s.len;
}

/* The length of "$tag$" at i; 0: it is none. */
static size_t dollar_tag(struct span s, size_t i)
{
	size_t n = i + 1;
	while (n < s.len && is_name(s.p[n]))
		n++;
	bool is_tag = n < s.len && s.p[n] == '$' && !isdigit(s.p[i + 1]);
	return is_tag ? n + 1 - i : 0;
}

static size_t skip_dollar(struct span s, size_t i, size_t tag)
{
	for (size_t at = i + tag; at + tag <= s.len; at++)
		if (!memcmp(s.p + at, s.p + i, tag))
			return at + tag;
	return s.len;
}

static size_t skip_comment(struct span s, size_t i)
{
	int depth = 0;
	if (s.p[i] == '-') {
		while (i < s.len && s.p[i] != '\n' && s.p[i] != '\r')
			i++;
		return i;
	}
	while (i < s.len) {
		bool opens = i + 1 < s.len && s.p[i] == '/' && s.p[i + 1] == '*';
		bool closes = i + 1 < s.len && s.p[i] == '*' && s.p[i + 1] == '/';
		depth += opens - closes;
		i += opens || closes ? 2 : 1;
		if (closes && !depth)
			return i;
	}
	return s.len;
}

/* 1, 1.5e-3, 0x1f, 1_000. */
static size_t skip_number(struct span s, size_t i)
{
	for (; i < s.len; i++) {
		bool is_sign = (s.p[i] == '+' || s.p[i] == '-') && (s.p[i - 1] | 0x20) == 'e';
		if (!is_name(s.p[i]) && s.p[i] != '.' && !is_sign)
			break;
	}
	return i;
}

static size_t skip_name(struct span s, size_t i)
{
	while (i < s.len && (is_name(s.p[i]) || s.p[i] == '$'))
		i++;
	return i;
}

/* A name and the string that it belongs to: E'..', B'..', X'..', N'..', U&'..'. */
static size_t word(struct span s, size_t i, struct buf *out)
{
	size_t end = skip_name(s, i);
	bool is_prefix =
	    end == i + 1 && end < s.len && s.p[end] == '\'' && strchr("eEbBxXnN", s.p[i]);
	if (!is_prefix) {
		buf_add(out, s.p + i, end - i);
		return end;
	}
	buf_add_u8(out, '?');
	return skip_quoted(s, end, (s.p[i] | 0x20) == 'e');
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
		return literal(skip_quoted(s, i, false), out);
	if (c == '$' && dollar_tag(s, i))
		return literal(skip_dollar(s, i, dollar_tag(s, i)), out);
	if (isdigit(c) || (c == '.' && isdigit(next)))
		return literal(skip_number(s, i), out);
	if ((c == '-' && next == '-') || (c == '/' && next == '*')) {
		buf_add_u8(out, ' ');
		return skip_comment(s, i);
	}
	if (is_name(c))
		return word(s, i, out);
	size_t end = c == '"' ? skip_quoted(s, i, false) : c == '$' ? skip_name(s, i + 1) : i + 1;
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
