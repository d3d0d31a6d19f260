/* Patterns of names: parts with '*' for any run of characters. "public.*", "sales.order_*",
 * public."Odd Name" (in quotes everything is literal, "" is a quote). Bare parts are lower case, as
 * PostgreSQL folds bare names: a capital letter outside quotes is an error, not a surprise. */
#pragma once

#include "base/arena.h"

#define PATTERN_PARTS 3

enum part_kind { PART_ANY, PART_LITERAL, PART_PREFIX, PART_GLOB };

struct part {
	enum part_kind kind;
	const char *text; /* without the '*' of PART_PREFIX */
	size_t len;
};

struct pattern {
	struct part parts[PATTERN_PARTS];
	int n;
	bool is_nocase;	    /* settings: names without case */
	const char *source; /* as it was written */
};

struct patterns {
	const struct pattern *at;
	int n;
};

/* n_parts: 1 column, 2 schema.name, 3 schema.table.column. ERR_MALFORMED with a reason that says
 * what was expected (static string); ERR_LIMIT: the arena is full. */
must_check int pattern_parse(struct arena *a, const char *source, int n_parts, struct pattern *ret,
			     const char **ret_why);
/* A setting's name: one part, dots are plain, no case. */
must_check int pattern_parse_setting(struct arena *a, const char *source, struct pattern *ret,
				     const char **ret_why);
bool pattern_matches(const struct pattern *p, const char *const *names);
/* Does some pattern match schema.name? False if either is NULL. */
bool patterns_match(const struct patterns *ps, const char *schema, const char *name);
/* Of three parts: may some column of schema.table match? */
bool patterns_touch(const struct patterns *ps, const char *schema, const char *table);
/* For one part: columns, settings. */
bool patterns_match_one(const struct patterns *ps, const char *name);
/* Does a match everything that b matches? May say no where the answer is yes. */
bool patterns_cover(const struct patterns *a, const struct patterns *b);
