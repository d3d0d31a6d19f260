/* The walk over PostgreSQL's raw parse tree: for the pg_*.c files only, the only ones that see
 * PostgreSQL's headers. Three layers: scopes and types (pg_scope, pg_from, pg_select: which
 * relation a column comes from), expressions (pg_expr, pg_call, pg_cast), statements (pg_stmt and
 * what its table names). Every function notes what it finds in w->needs; nothing fails but by
 * w->is_too_big. */
#pragma once

#include "base/arena.h"
#include "base/macro.h"
#include "sql/builtin.h"
#include "sql/needs.h"
#include "sql/resolve.h"
#include "sql/sql.h"

#include <postgres.h>
#include <nodes/parsenodes.h>
#include <nodes/pg_list.h>

#if PG_VERSION_NUM >= 180000
#define RETURNING_OF(n) ((n)->returningClause ? (n)->returningClause->exprs : NIL)
#define MERGE_RETURNING RETURNING_OF
#else
#define RETURNING_OF(n) ((n)->returningList)
#if PG_VERSION_NUM >= 170000
#define MERGE_RETURNING RETURNING_OF
#else
#define MERGE_RETURNING(n) NIL
#endif
#endif

/* A type, and for an anonymous record its fields. oid 0: not known. */
struct row;
struct origin;
struct ty {
	uint32_t oid;
	const struct row *row;
	/* Where the value comes from. NULL: not told, which counts as derived from all that was
	 * touched, and in a column of FROM or of a result as unknown. */
	struct origin *from;
};

/* A column of a member of FROM or of a result. */
struct field {
	const char *name;
	struct ty ty;
};

enum origin_kind {
	ORIGIN_NONE,	/* only ever origin_none */
	ORIGIN_COLUMN,	/* column of relation, unchanged */
	ORIGIN_VIEW,	/* another name of a: a view's or a parent's, of what is inside of it */
	ORIGIN_MIX,	/* computed from a and b */
	ORIGIN_ONE,	/* a, the only row of a subquery: which fails if there are more */
	ORIGIN_FAILS,	/* only ever origin_fails: computed by what may fail (pg_total.c) */
	ORIGIN_CONSTANT, /* only ever origin_constant: the statement's own text or parameters */
	ORIGIN_UNKNOWN, /* why */
};

/* What is somewhere in an origin, known without going through it. */
enum {
	HOLDS_COLUMN = 1,
	HOLDS_FAILURE = 2,
	HOLDS_ONE = 4,
	HOLDS_DEFINITION = 16, /* of the catalogue: builtin_is_definition */
	HOLDS_CYCLE = 8, /* a recursive query's: what more is in it is known at the end only */
};

/* A graph: members may be shared, and a recursive query's make circles. */
struct origin {
	enum origin_kind kind;
	uint8_t holds;
	unsigned seen; /* the mark of the last way through */
	const struct cat_relation *relation;
	const char *column, *why;
	struct origin *a, *b, *link;
	const struct source *told; /* its name, once it is in a result */
};

struct row {
	struct field *at;
	int n;
	bool is_open; /* may have columns that we do not know */
};

/* A member of FROM, as names see it. */
struct member {
	struct member *next;		     /* the one before it */
	const char *name;		     /* alias, or the relation's own name; NULL: none */
	const struct cat_relation *relation; /* not for views' insides: the relation as named */
	bool has_alias;
	bool is_renamed; /* some columns of a row that has a type, which calls them otherwise */
	bool is_temp; /* may be a temporary table of the session: columns unknown */
	const struct row *row;
	struct ty whole; /* type of the name itself as an expression */
	bool shows_name, shows_columns;
};

struct cte {
	struct cte *next;
	const char *name;
	CommonTableExpr *node;
	struct scope *scope;   /* where its body is read */
	const struct row *row; /* NULL: not read yet */
	bool is_open;	       /* being read: a recursive reference gets the columns known so far */
};

struct scope {
	struct scope *up;
	struct member *sources; /* last first */
	const struct member
	    *end; /* where the visible ones end: inside an ON, before the join's own */
	struct cte *ctes;
	bool reads_from; /* a member of FROM is being read: its neighbours are seen if it is LATERAL
			  */
	bool is_lateral;
};

/* Cost of one level of recursion in stack, and the limit for a 256 KiB stack. */
#define WALK_DEPTH_MAX 256
#define WALK_NODES_MAX (1000 * 1000)

/* The views whose definitions are being read, innermost first. */
struct view_chain {
	const struct cat_relation *view;
	const struct view_chain *outer;
};

struct walk {
	const struct view_chain *views;
	const struct catalog *c;
	const struct path *path;
	const struct sql_session *session;
	struct arena *a;   /* scratch: dies with the analysis */
	struct arena *tmp; /* for one resolution at a time */
	struct needs *needs;
	struct sql_stmt *stmt;
	struct span text;    /* of the statement */
	const uint32_t *params; /* declared types of $1..., 0 where not */
	int n_params;
	int max_param;
	struct param_uses *uses; /* of the undeclared ones */
	int depth, nodes;
	bool is_too_big, lacks_facts;
	struct cte *filling; /* the recursive query that the next set operation is the body of */
	const struct row *assigned; /* of UPDATE ... SET (a, b) = row */
	const struct cat_function
	    *last_function;	/* the one that func_call found, if it is certain */
	struct origin **values; /* what the expression that is being read is made of so far */
	struct origin *predicates;
	const struct row *rows;	  /* of the result */
	const char *rows_unknown; /* the result cannot be told, and why */
	struct shown *cyclic;	  /* what was shown and HOLDS_CYCLE */
	struct leaves *leaves;	  /* relations whose columns have their origins */
	unsigned stamp, steps;
	bool is_inside; /* the body of PREPARE or EXPLAIN: what it sets, it sets another time */
	bool allows_set_config; /* in the target list of a bare SELECT: runs exactly once */
	const char *setting; /* what pg_settings.name is in the target list that is being read; NULL: not certain */
};

#define PARAM_TRACKED 1023 /* undeclared ones beyond are of no known type */
/* pg_class.relpersistence: catalog/pg_class.h. */
#define PERSISTENCE_TEMP 't'

/* Where an undeclared parameter is used more than once, the first use in the server's order gives
 * it its type for the others: such a one is of no known type anywhere. */
struct param_uses {
	uint8_t n[PARAM_TRACKED + 1]; /* 0, 1, 2 for more */
	bool has_several, was_asked;
};

#define T(oid_) ((struct ty){.oid = (oid_)})
#define UNSURE	T(0)

#include "sql/pg_parts.h"
