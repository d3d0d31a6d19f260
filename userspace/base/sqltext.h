/* Where tokens of an SQL text end, as PostgreSQL's lexer has it with standard_conforming_strings on. PostgreSQL
 * documentation, "Lexical Structure". What does not end, ends with the text. */
#pragma once

#include <ctype.h>

#include "base/span.h"

static inline bool sqltext_is_name(uint8_t c)
{
	return isalnum(c) || c == '_' || c >= 0x80;
}

/* Behind what begins at i (< s.len): a string or a name in quotes; has_escapes: E'..'. */
size_t sqltext_skip_quoted(struct span s, size_t i, bool has_escapes);
/* The length of "$tag$" at i; 0: it is none. */
size_t sqltext_dollar_tag(struct span s, size_t i);
size_t sqltext_skip_dollar(struct span s, size_t i, size_t tag);
/* "--" or "/" "*" is there. */
size_t sqltext_skip_comment(struct span s, size_t i);
size_t sqltext_skip_name(struct span s, size_t i);
