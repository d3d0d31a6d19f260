/* The walk over PostgreSQL's raw parse tree: for the pg_*.c files only, the only ones that see
 * PostgreSQL's headers. Three layers: scopes and types (pg_scope, pg_from, pg_select: which relation a
 * column comes from), expressions (pg_expr, pg_call, pg_cast), statements (pg_stmt and what its table
 * names). Every function notes what it finds in w->needs; nothing fails but by w->is_too_big. */
#pragma once

#include "base/arena.h"
#include "base/macro.h"
#include "sql/builtin.h"
#include "sql/needs.h"
#include "sql/resolve.h"
#include "sql/sql.h"

#include "postgres.h"
#include "nodes/parsenodes.h"
#include "nodes/pg_list.h"

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
struct ty {
	uint32_t oid;
	const struct row *row;
};

/* A column of a source or of a result. relation: where it comes from unchanged, with its pg_attribute
 * number; NULL where it is computed. */
struct field {
	const char *name;
	struct ty ty;
	const struct cat_relation *relation;
	int number;
};

struct row {
	struct field *at;
	int n;
	bool is_open; /* may have columns that we do not know */
};

/* A member of FROM, as names see it. */
struct source {
	struct source *next; /* the one before it */
	const char *name;    /* alias, or the relation's own name; NULL: none */
	const struct cat_relation *relation; /* not for views' insides: the relation as named */
	bool has_alias;
	bool is_temp; /* may be a temporary table of the session: columns unknown */
	const struct row *row;
	struct ty whole; /* type of the name itself as an expression */
	bool shows_name, shows_columns;
};

struct cte {
	struct cte *next;
	const char *name;
	CommonTableExpr *node;
	struct scope *scope; /* where its body is read */
	const struct row *row; /* NULL: not read yet */
	bool is_open; /* being read: a recursive reference gets the columns known so far */
};

struct scope {
	struct scope *up;
	struct source *sources; /* last first */
	const struct source *end; /* where the visible ones end: inside an ON, before the join's own */
	struct cte *ctes;
	bool reads_from; /* a member of FROM is being read: its neighbours are seen if it is LATERAL */
	bool is_lateral;
};

/* Cost of one level of recursion in stack, and the limit for a 256 KiB stack. */
#define WALK_DEPTH_MAX 256
#define WALK_NODES_MAX (1000 * 1000)

struct walk {
	const struct catalog *c;
	const struct path *path;
	const struct sql_session *session;
	struct arena *a; /* scratch: dies with the analysis */
	struct arena *tmp; /* for one resolution at a time */
	struct needs *needs;
	struct sql_stmt *stmt;
	const uint32_t *params; /* declared types of $1..., 0 where not */
	int n_params;
	int max_param;
	struct param_uses *uses; /* of the undeclared ones */
	int depth, nodes;
	bool is_too_big, lacks_facts;
	struct cte *filling; /* the recursive query that the next set operation is the body of */
	const struct cat_function *last_function; /* the one that func_call found, if it is certain */
	bool allows_set_config; /* in the target list of a bare SELECT: runs exactly once */
};

#define PARAM_TRACKED 1023 /* undeclared ones beyond are of no known type */
/* pg_class.relpersistence: catalog/pg_class.h. */
#define PERSISTENCE_TEMP 't'

/* Where an undeclared parameter is used more than once, the first use in the server's order gives it
 * its type for the others: such a one is of no known type anywhere. */
struct param_uses {
	uint8_t n[PARAM_TRACKED + 1]; /* 0, 1, 2 for more */
	bool has_several, was_asked;
};

#define T(oid_) ((struct ty){.oid = (oid_)})
#define UNSURE  T(0)

/* False when too deep or too big: then return at once. Pairs with leave. */
bool enter(struct walk *w, int cost);
void leave(struct walk *w, int cost);

/* pg_expr.c: types of expressions. */
struct ty expr(struct walk *w, struct scope *s, Node *n);
void expr_list(struct walk *w, struct scope *s, const List *l);
/* Types of the members, as an array in w->a. */
struct ty *expr_types(struct walk *w, struct scope *s, const List *l);

/* pg_scope.c: columns. */
struct source *scope_add(struct walk *w, struct scope *s, const char *name, const struct row *row);
struct row *row_new(struct walk *w, int n);
struct row *row_of_relation(struct walk *w, const struct cat_relation *r);
/* The fields of a type: of a composite, of a record that is known; NULL otherwise. */
const struct row *row_of_type(struct walk *w, struct ty t);
const struct field *row_find(const struct row *r, const char *name);
/* A column, whole row, or f(row): with its needs. ret_field: the column itself, or NULL. */
struct ty column_ref(struct walk *w, struct scope *s, ColumnRef *c, const struct field **ret_field);
/* What a.* or * stands for, appended to out (grown in w->a). */
void star_fields(struct walk *w, struct scope *s, ColumnRef *c, struct row *out);
void row_push(struct walk *w, struct row *r, struct field f);
/* (expr).name: a field, or a function of the row. */
struct ty field_or_call(struct walk *w, struct ty of, const char *name);

/* pg_call.c: functions and operators. */
struct ty func_call(struct walk *w, struct scope *s, FuncCall *f);
/* name of this type or of this row, when it is written as a column. */
struct ty call_by_types(struct walk *w, const char *schema, const char *name, const struct ty *types, int n);
struct ty operate(struct walk *w, const List *name, struct ty left, struct ty right, bool is_prefix);
struct ty operate_named(struct walk *w, const char *name, struct ty left, struct ty right);
/* Sorting, grouping and comparing by the type's default operators. */
void need_order(struct walk *w, struct ty t);

/* pg_cast.c: type names and conversions. */
const char *name_parts(const List *names, const char **ret_schema);
struct ty type_named(struct walk *w, const TypeName *t);
void need_type_input(struct walk *w, uint32_t type);
void need_cast(struct walk *w, struct ty from, uint32_t to, char context);
/* Into the common type of a CASE, a UNION and the like: returns it. */
struct ty need_common(struct walk *w, const struct ty *types, int n);

/* pg_from.c: FROM. */
void from_clause(struct walk *w, struct scope *s, const List *from);
/* Adds what the item stands for; returns the source that shows its columns. */
struct source *from_item(struct walk *w, struct scope *s, Node *n);
struct cte *find_cte(struct scope *s, const char *name);
/* A relation by name, with a need of verb on it: for reading (ctes count) or as a target. */
struct source *from_relation(struct walk *w, struct scope *s, const RangeVar *v);
/* columns: written ones as ResTargets, or NIL. */
struct source *target_relation(struct walk *w, struct scope *s, const RangeVar *v, enum verb verb,
			       const List *columns);
/* The target of MERGE as its conditions see it; is_select: they are all that becomes of it. */
void read_target(struct walk *w, struct scope *s, const RangeVar *v, bool is_select);
/* pg_names.c: need, completed with the names that v may mean. Returns the relation as far as it is
 * known; ret_temp: it may be a temporary one, which the catalogue does not hold. */
const struct cat_relation *need_relation(struct walk *w, const RangeVar *v, struct need need, bool *ret_temp);

/* pg_select.c: queries. */
/* Any query, also one that writes and returns. */
const struct row *query(struct walk *w, struct scope *up, Node *n);
/* The same for SELECT and VALUES alone; untyped literals stay untyped. */
const struct row *select_query(struct walk *w, struct scope *up, SelectStmt *n);
void with_clause(struct walk *w, struct scope *s, WithClause *c);
const struct row *cte_row(struct walk *w, struct cte *t);
struct row *target_list(struct walk *w, struct scope *s, const List *targets);
/* The name that a column gets by itself: FigureColname of parser/parse_target.c. */
const char *column_name(Node *n);
/* SELECT INTO and CREATE TABLE AS. */
void need_into(struct walk *w, const IntoClause *into, bool is_matview);

/* pg_dml.c */
const struct row *insert_query(struct walk *w, struct scope *up, InsertStmt *n);
const struct row *update_query(struct walk *w, struct scope *up, UpdateStmt *n);
const struct row *delete_query(struct walk *w, struct scope *up, DeleteStmt *n);
const struct row *merge_query(struct walk *w, struct scope *up, MergeStmt *n);

/* pg_stmt.c: fills in w->stmt and w->needs. */
void statement(struct walk *w, Node *n);
/* pg_set.c */
void on_set(struct walk *w, Node *n);
void on_transaction(struct walk *w, Node *n);
/* A call of set_config. */
void set_config_call(struct walk *w, FuncCall *f);
/* pg_ddl.c */
void on_ddl(struct walk *w, Node *n);
/* A need on an object that is no relation. name: list of strings, a String or NULL. */
void need_object(struct walk *w, enum verb v, enum op_class class, Node *name);
