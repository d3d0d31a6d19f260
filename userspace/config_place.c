#include "config_place.h"

#include <stdlib.h>

/* A cursor over accepted JSON: skips, compares, never builds. All reads are bounded by the end. */
struct scan {
	const uint8_t *p, *end;
};

static int peek(const struct scan *s)
{
	return s->p < s->end ? *s->p : -1;
}

static void skip_space(struct scan *s)
{
	while (s->p < s->end && strchr(" \t\r\n", *s->p) && *s->p)
		s->p++;
}

static struct span skip_string(struct scan *s)
{
	const uint8_t *from = ++s->p;
	while (s->p < s->end && *s->p != '"')
		s->p += *s->p == '\\' && s->end - s->p > 1 ? 2 : 1;
	struct span text = {from, (size_t)(s->p - from)};
	if (s->p < s->end)
		s->p++;
	return text;
}

static void skip_value(struct scan *s)
{
	int depth = 0;
	do {
		int c = peek(s);
		if (c < 0)
			return;
		if (c == '"') {
			skip_string(s);
			continue;
		}
		if (depth == 0 && strchr(",]}", c))
			return;
		depth += (c == '{' || c == '[') - (c == '}' || c == ']');
		s->p++;
		if (depth == 0 && (c == '}' || c == ']'))
			return;
	} while (s->p < s->end);
}

/* s stands on '{'. Leaves it on the member's value; false if there is no such member. */
static bool enter_member(struct scan *s, struct span name)
{
	for (s->p++;;) {
		skip_space(s);
		if (peek(s) != '"')
			return false;
		struct span key = skip_string(s);
		skip_space(s);
		s->p += peek(s) == ':';
		skip_space(s);
		if (span_eq(key, name))
			return true;
		skip_value(s);
		skip_space(s);
		if (peek(s) != ',')
			return false;
		s->p++;
	}
}

static bool enter_element(struct scan *s, int index)
{
	for (s->p++; index > 0; index--) {
		skip_space(s);
		skip_value(s);
		skip_space(s);
		if (peek(s) != ',')
			return false;
		s->p++;
	}
	skip_space(s);
	return peek(s) >= 0 && peek(s) != ']';
}

static struct place place_of(struct span text, const uint8_t *at)
{
	struct place r = {1, 1};
	for (const uint8_t *p = text.p; p < at; p++) {
		r.column++;
		if (*p == '\n') {
			r.line++;
			r.column = 1;
		}
	}
	return r;
}

struct place config_place(struct span text, const char *path, int index)
{
	struct scan s = {text.p, text.p + text.len}, next;
	skip_space(&s);
	while (*path && (peek(&s) == '{' || peek(&s) == '[')) {
		size_t len = strcspn(path, ".");
		next = s;
		bool is_there = peek(&s) == '{' ? enter_member(&next, span_of(path, len))
						: strspn(path, "0123456789") == len && enter_element(&next, atoi(path));
		if (!is_there)
			return place_of(text, s.p);
		s = next;
		path += len + (path[len] == '.');
	}
	next = s;
	if (index >= 0 && peek(&s) == '[' && enter_element(&next, index))
		s = next;
	return place_of(text, s.p);
}
