#include "base/sqltext.h"

/* Behind the closing quote; a doubled one does not close. */
size_t sqltext_skip_quoted(struct span s, size_t i, bool has_escapes)
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
size_t sqltext_dollar_tag(struct span s, size_t i)
{
	size_t n = i + 1;
	while (n < s.len && sqltext_is_name(s.p[n]))
		n++;
	bool is_tag = n < s.len && s.p[n] == '$' && !isdigit(s.p[i + 1]);
	return is_tag ? n + 1 - i : 0;
}

size_t sqltext_skip_dollar(struct span s, size_t i, size_t tag)
{
	for (size_t at = i + tag; at + tag <= s.len; at++)
		if (!memcmp(s.p + at, s.p + i, tag))
			return at + tag;
	return s.len;
}

size_t sqltext_skip_comment(struct span s, size_t i)
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

size_t sqltext_skip_name(struct span s, size_t i)
{
	while (i < s.len && (sqltext_is_name(s.p[i]) || s.p[i] == '$'))
		i++;
	return i;
}
