/* What the planner expects, from EXPLAIN (FORMAT JSON). PostgreSQL documentation, "EXPLAIN";
 * commands/explain.c. Pure. */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

#define PLAN_PARTS_MAX 16
#define PLAN_NAME_MAX  64		/* NAMEDATALEN */
#define PLAN_ROWS_MAX  1000000000000000 /* 10^15: more is said to be so many */

/* One relation that it reads or changes, as often as the plan has it. */
struct plan_part {
	char how[32];		      /* "Seq Scan", "Delete", ... */
	char relation[PLAN_NAME_MAX]; /* without its schema; UTF-8 */
	int64_t rows;		      /* that it gives, or that are changed */
};

struct plan_rows {
	int64_t rows; /* that are changed, anywhere in the plan; without any, that are returned */
	int64_t cost; /* in the planner's units */
	struct plan_part parts[PLAN_PARTS_MAX];
	int n_parts;
	bool has_more; /* parts than these */
};

/* ERR_MALFORMED: no such plan; ERR_LIMIT: too deep, or too many nodes. *ret is untouched then. */
must_check int plan_rows_read(struct span json, struct plan_rows *ret);
