/* Where the values of a statement come from: what the SQL analysis says and what masks are decided by.
 * Protocol-neutral and pure. Conservative: whatever is not sure is LINEAGE_UNKNOWN, never left out. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* A column of a relation, resolved. Strings borrowed from the operation's arena. */
struct source {
	const char *schema, *relation, *column;
	uint32_t oid; /* the relation's, and the column's number in it: below 0 the system's. 0: not known */
	int number;
};

enum lineage_kind {
	LINEAGE_NONE,    /* no relation's data is in it: literals, parameters, now() */
	/* sources[0], unchanged: under any alias, through subqueries, CTEs, joins. Further sources are other names of
	 * the same column: of the views that it came through, of parents and partitions. */
	LINEAGE_COPY,
	LINEAGE_DERIVED, /* computed from all of sources: an expression, an aggregate, a set operation over several */
	LINEAGE_UNKNOWN, /* cannot be traced; why says which part */
};

/* One output column, in the order of the result. */
struct lineage {
	enum lineage_kind kind;
	const struct source *sources;
	int n_sources;
	const char *why;
	uint32_t type; /* object identifier, 0: not known */
	bool has_constant; /* something of the statement's own text or parameters is in it */
};

/* One result of an operation: of a statement that returns rows, or that keeps them. What is only written (INSERT ...
 * SELECT, SET a = b, SELECT INTO) has no outputs, and what flows is in predicates. */
struct result_lineage {
	const struct lineage *outputs; /* after star expansion */
	int n_outputs;
	/* Columns that the rows do not show but tell of: WHERE, JOIN, ORDER BY, GROUP BY, HAVING, CASE, DISTINCT,
	 * arguments of functions in predicates. */
	const struct source *predicates;
	int n_predicates;
	const char *unknown_predicate; /* not NULL: a predicate tells of what cannot be traced; says which */
	bool is_known; /* false: the outputs could not be listed; why below */
	const char *why;
	const char *unmaskable; /* not NULL: rows of this form cannot be rewritten; says why */
};
