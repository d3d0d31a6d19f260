/* Names to objects by PostgreSQL's rules: the search_path, then for functions and operators the
 * choice among those of one name by argument types. Where a type is not known the answer is every
 * candidate that could be chosen. PostgreSQL documentation, 5.9.3 "The Schema Search Path", 10.2
 * and 10.3; catalog/namespace.c, parser/parse_func.c, parser/parse_oper.c. */
#pragma once

#include "base/arena.h"
#include "sql/types.h"

#define PATH_MAX_SCHEMAS 64
#define RISKY_MAX	 16

/* Where unqualified names are looked for, in order; pg_catalog is in it always. */
struct path {
	const struct cat_schema *at[PATH_MAX_SCHEMAS];
	int n;
	bool is_catalog_implicit; /* pg_catalog is first without being named: nothing is created
				     there */
};

/* Reads a search_path as SHOW gives it. Schemas that do not exist are left out, as the server does.
 * ERR_MALFORMED, ERR_LIMIT. */
must_check int path_read(const struct catalog *c, const char *text, struct path *ret_path);

/* Relations that an unqualified name may mean: the first is the one that the catalogue's login
 * sees, more follow only behind schemas that it may not use. Returns how many, at most max. */
int path_relations(const struct catalog *c, const struct path *p, const char *name,
		   const struct cat_relation **ret, int max);
/* NULL: no such type. schema NULL: by the path. */
const struct cat_type *path_type(const struct catalog *c, const struct path *p, const char *schema,
				 const char *name);

struct call {
	const char *schema; /* NULL: by the path */
	const char *name;
	const uint32_t *types; /* of n arguments; for a prefix operator one */
	int n;
	bool has_names;	  /* f(a => 1): positions are not known */
	bool is_variadic; /* the last argument is VARIADIC */
	bool is_prefix;	  /* operators */
};

struct target {
	const struct cat_function *function;
	const struct cat_operator *operator; /* NULL for a function */
	const uint32_t *args;		     /* one for each argument of the call */
	enum fit fit;
};

struct resolved {
	int n_named;		  /* how many bear the name within reach */
	bool has_risky_named;	  /* one of them is no built-in read */
	int n_matching;		  /* how many of them take such arguments */
	const struct target *one; /* the one that is meant, when that is certain */
	bool is_exact;		  /* its arguments are just of the declared types */
	uint32_t result;	  /* type; 0: not known */
	/* Those that may be meant and are no built-in reads. */
	const struct target *risky[RISKY_MAX];
	int n_risky;
	bool has_more_risky;
	const struct target *first; /* of the matching ones; NULL if there is none */
};

/* The result lives in a. ERR_LIMIT when a is full. */
must_check int resolve_function(const struct catalog *c, const struct path *p,
				const struct call *call, struct arena *a, struct resolved *ret);
must_check int resolve_operator(const struct catalog *c, const struct path *p,
				const struct call *call, struct arena *a, struct resolved *ret);
