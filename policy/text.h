/* Bounded text for people and models: never longer than its array, cut only between UTF-8
 * characters (then it ends in "..."), and free of control and direction characters whoever supplied
 * the pieces. */
#pragma once

#include <stdarg.h>

#include "base/span.h"

struct text {
	char *p;
	size_t size, len;
	bool is_cut; /* full: what is added from now on is left out */
};

/* Writes into p, which is NUL-terminated from here on. size >= 8. */
void text_init(struct text *t, char *p, size_t size);
/* Our own words: taken as they are. */
void text_add(struct text *t, const char *s);
void text_int(struct text *t, long v);
/* Foreign words. Invalid UTF-8 becomes '?', control and direction characters are dropped; at most
 * max bytes of s are shown. */
void text_foreign(struct text *t, const char *s, size_t max);
/* Foreign words in double quotes, quotes inside doubled. */
void text_quoted(struct text *t, const char *s);
/* An SQL name: bare where it needs no quotes (lower case, digits, '_'), else quoted. */
void text_name(struct text *t, const char *s);
/* "schema.name", or the one that is there. */
void text_qualified(struct text *t, const char *schema, const char *name);
/* The whole message foreign: cleans what vsnprintf made. */
void text_vprintf(struct text *t, const char *fmt, va_list ap);
