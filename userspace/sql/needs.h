/* What one statement needs, gathered without repeats. The list and its strings live in the arena.
 */
#pragma once

#include "base/arena.h"
#include "policy/op.h"

#define NEEDS_MAX 1000 /* more different ones than this: the statement is too big */

struct needs {
	struct arena *a;
	struct need *at;
	int n, room;
	bool is_full;
	bool is_write, is_untransactional;
	bool reads_numbers; /* the value of a number in the text was looked at */
	bool reads_views;   /* what a name stands for is a definition that others may replace */
	struct needs *reached; /* what the relations reach besides (sql/reach.h); NULL: nothing */
};

/* Copies what n points to. A need that is there already is not added again; where one of the two is
 * implied only, the stricter stays. */
void needs_add(struct needs *l, const struct need *n);
/* Shorthands. why must outlive the list (a constant, or in its arena). */
void needs_opaque(struct needs *l, const char *why);
void needs_plain(struct needs *l, enum verb v, enum op_class class, bool is_implied);
void needs_execute(struct needs *l, const char *schema, const char *name, const char *why);
