#include "sql/copy_text.h"

#include <strings.h>

#include "base/sqltext.h"

static bool is_comment(struct span s, size_t i)
{
	uint8_t next = i + 1 < s.len ? s.p[i + 1] : 0;
	return (s.p[i] == '-' && next == '-') || (s.p[i] == '/' && next == '*');
}

static size_t skip_blanks(struct span s, size_t i)
{
	while (i < s.len && (isspace(s.p[i]) || is_comment(s, i)))
		i = is_comment(s, i) ? sqltext_skip_comment(s, i) : i + 1;
	return i;
}

static size_t skip_token(struct span s, size_t i)
{
	size_t tag = s.p[i] == '$' ? sqltext_dollar_tag(s, i) : 0;
	if (tag)
		return sqltext_skip_dollar(s, i, tag);
	if (is_comment(s, i))
		return sqltext_skip_comment(s, i);
	if (s.p[i] == '\'' || s.p[i] == '"')
		return sqltext_skip_quoted(s, i, false);
	if (!sqltext_is_name(s.p[i]))
		return i + 1;
	size_t end = sqltext_skip_name(s, i);
	bool is_escaped = end == i + 1 && (s.p[i] | 0x20) == 'e' && end < s.len && s.p[end] == '\'';
	return is_escaped ? sqltext_skip_quoted(s, end, true) : end;
}

struct span copy_text_query(struct span text)
{
	size_t i = skip_blanks(text, 0);
	int depth = 1;
	if (text.len - i < 4 || strncasecmp((const char *)text.p + i, "copy", 4))
		return (struct span){0};
	i = skip_blanks(text, i + 4);
	if (i >= text.len || text.p[i] != '(')
		return (struct span){0};
	size_t from = ++i;
	while (i < text.len) {
		depth += text.p[i] == '(' ? 1 : text.p[i] == ')' ? -1 : 0;
		if (!depth)
			return span_of(text.p + from, i - from);
		i = skip_token(text, i);
	}
	return (struct span){0};
}
