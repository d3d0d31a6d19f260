/* What the files of the walk do for each other. Included by pg_walk.h, never by itself. */
#pragma once

/* False when too deep or too big: then return at once. Pairs with leave. */
bool enter(struct walk *w, int cost);
void leave(struct walk *w, int cost);

/* pg_expr.c: types of expressions. */
struct ty expr(struct walk *w, struct scope *s, Node *n);
void expr_list(struct walk *w, struct scope *s, const List *l);
/* An expression that is made to be of a type: a condition, a number of rows. */
void expr_as(struct walk *w, struct scope *s, Node *n, uint32_t type);
/* Types of the members, as an array in w->a. */
struct ty *expr_types(struct walk *w, struct scope *s, const List *l);

/* pg_scope.c: columns. */
struct member *scope_add(struct walk *w, struct scope *s, const char *name, const struct row *row);
struct row *row_new(struct walk *w, int n);
/* The fields of a type: of a composite, of a record that is known; NULL otherwise. */
const struct row *row_of_type(struct walk *w, struct ty t);
const struct field *row_find(const struct row *r, const char *name);
/* A column, whole row, or f(row): with its needs. */
struct ty column_ref(struct walk *w, struct scope *s, ColumnRef *c);
/* What a.* or * stands for, appended to out (grown in w->a). */
void star_fields(struct walk *w, struct scope *s, ColumnRef *c, struct row *out);
void row_push(struct walk *w, struct row *r, struct field f);
/* (expr).name: a field, or a function of the row. */
struct ty field_or_call(struct walk *w, struct ty of, const char *name);

/* pg_origin.c: where values come from. */
extern struct origin origin_none, origin_fails, origin_constant;
__attribute__((format(printf, 2, 3))) struct origin *origin_unknown(struct walk *w, const char *fmt,
								    ...);
/* Computed from both, from one (which is not a copy of it then), from all of a row. */
struct origin *origin_mix(struct walk *w, struct origin *a, struct origin *b);
struct origin *origin_derived(struct walk *w, struct origin *o);
struct origin *origin_of_row(struct walk *w, const struct row *r);
/* The value of a subquery in an expression: a copy still. */
struct origin *origin_one(struct walk *w, struct origin *o);
/* What a definition of the catalogue shows (builtin_is_definition); as its SQL text, or computed from that. */
struct origin *origin_definition(struct walk *w, const struct cat_relation *rel, const char *column, bool is_raw);
/* One or the other: a copy only if both are the same. */
struct origin *origin_same(struct walk *w, struct origin *a, struct origin *b);
struct origin *origin_system_column(struct walk *w, const struct cat_relation *rel,
				    const char *name);
/* Adds to what the present expression is made of; to the statement's predicates. */
void touch(struct walk *w, struct origin *o);
void touch_row(struct walk *w, const struct row *r);
void touch_predicate(struct walk *w, struct origin *o);
/* The expression that is being read has something in it that fails by its values: a division, most casts. */
void touch_failure(struct walk *w);
/* A value that a query gives: shown or not, that it could be computed tells of it where it may fail, so that what it
 * is made of is a predicate then. */
void note_shown(struct walk *w, struct origin *o);
/* An origin that was noted before all of it was known. */
struct shown {
	struct shown *next;
	struct origin *origin;
};
/* An expression whose value is not shown, only what follows from it. */
struct ty predicate(struct walk *w, struct scope *s, Node *n);
void predicate_as(struct walk *w, struct scope *s, Node *n, uint32_t type);
/* A copy whose fields all come from there; NULL: from what holds them. */
const struct row *row_derived(struct walk *w, const struct row *r, struct origin *from);
/* A relation's columns as themselves. */
struct row *row_of_relation(struct walk *w, const struct cat_relation *r);
/* needs_execute and needs_opaque for what a value is made by: it is unknown then. */
void walk_execute(struct walk *w, const char *schema, const char *name, const char *why);
void walk_opaque(struct walk *w, const char *why);
/* pg_view.c: what a view gives, by its definition; NULL: it cannot be told. */
const struct row *view_row(struct walk *w, const struct cat_relation *rel);
/* pg_parse.c: one SELECT; NULL: it is none. */
Node *parse_query(const char *text);
/* pg_lineage.c: in out. NULL: nothing passes. */
struct result_lineage *lineage_new(struct walk *w, struct arena *out);
struct result_lineage *lineage_merge(struct arena *out, struct result_lineage *a,
				     const struct result_lineage *b);

/* pg_call.c: functions and operators. */
struct ty func_call(struct walk *w, struct scope *s, FuncCall *f);
/* name of this type or of this row, when it is written as a column. */
struct ty call_by_types(struct walk *w, const char *schema, const char *name,
			const struct ty *types, int n);
struct ty operate(struct walk *w, const List *name, struct ty left, struct ty right,
		  bool is_prefix);
struct ty operate_named(struct walk *w, const char *name, struct ty left, struct ty right);
/* pg_total.c: what gives a value for every argument, or fails for all alike: only that may be done to
 * masked values where predicates are denied. */
bool total_call(const struct walk *w, const FuncCall *f, const struct call *call, const struct resolved *r);
bool total_cast(const struct walk *w, uint32_t from, uint32_t to);
void touch_choice(struct walk *w, const struct resolved *r, const struct ty *types, int n);
/* Sorting, grouping and comparing by the type's default operators. */
void need_order(struct walk *w, struct ty t);
/* By the operator that ORDER BY names, if it does. */
void need_sort(struct walk *w, const SortBy *by, struct ty t);

/* Making JSON of a value: by the type's own cast, if it has one. */
void need_json_of(struct walk *w, struct ty t);
void window(struct walk *w, struct scope *s, WindowDef *d);

/* pg_json.c: NULL where the grammar has no such thing, or the node is none of JSON's. */
struct ty (*json_handler(NodeTag tag))(struct walk *, struct scope *, Node *);
const struct row *json_table(struct walk *w, struct scope *s, Node *n, const Alias **ret_alias);

/* pg_cast.c: type names and conversions. */
const char *name_parts(const List *names, const char **ret_schema);
struct ty type_named(struct walk *w, const TypeName *t);
void need_type_input(struct walk *w, uint32_t type);
void need_cast(struct walk *w, struct ty from, uint32_t to, char context);
/* The same without a word of whether it may fail: where it is made only if there is such a cast. */
void need_cast_code(struct walk *w, struct ty from, uint32_t to, char context);
/* type(n): the type's own function for lengths. */
void need_length_cast(struct walk *w, uint32_t type);
/* Whatever a value of a type of the database may be made into without being asked. */
void need_implicit_casts(struct walk *w, uint32_t from);
/* The same for any value that is assigned to what is not known here. */
void need_assignment_casts(struct walk *w, uint32_t from);
/* Into the common type of a CASE, a UNION and the like: returns it. */
struct ty need_common(struct walk *w, const struct ty *types, int n);

/* pg_from.c: FROM. */
void from_clause(struct walk *w, struct scope *s, const List *from);
/* Adds what the item stands for; returns the source that shows its columns. */
struct member *from_item(struct walk *w, struct scope *s, Node *n);
struct cte *find_cte(struct scope *s, const char *name);
/* A relation by name, with a need of verb on it: for reading (ctes count) or as a target. */
struct member *from_relation(struct walk *w, struct scope *s, const RangeVar *v);
/* columns: written ones as ResTargets, or NIL. */
struct member *target_relation(struct walk *w, struct scope *s, const RangeVar *v, enum verb verb,
			       const List *columns);
/* The target of MERGE as its conditions see it; is_select: they are all that becomes of it. */
void read_target(struct walk *w, struct scope *s, const RangeVar *v, bool is_select);
/* pg_names.c: need, completed with the names that v may mean. Returns the relation as far as it is
 * known; ret_temp: it may be a temporary one, which the catalogue does not hold. */
const struct cat_relation *need_relation(struct walk *w, const RangeVar *v, struct need need,
					 bool *ret_temp);

/* A relation that is to be made. */
void need_new_relation(struct walk *w, const RangeVar *v);

/* pg_sorted.c: is it one of the keys by which psql sorts definitions, whose order tells nothing of what stands in them?
 * by: one of n's; key: what it was read to be made of. */
bool sorts_definition(struct walk *w, struct scope *s, const SelectStmt *n, const SortBy *by, const struct origin *key);

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
/* SELECT ... FROM pg_settings WHERE name = 'this one': which. NULL: another query. Behind its from_clause. */
const char *setting_selected(struct walk *w, const struct scope *s, const SelectStmt *n);
/* pg_define.c: definitions with expressions or queries in them, which run later for whoever uses
 * them. */
void on_create(struct walk *w, Node *n);
void on_alter_table(struct walk *w, Node *n);
void on_index(struct walk *w, Node *n);
void on_create_as(struct walk *w, Node *n);
void on_view(struct walk *w, Node *n);
void on_sequence(struct walk *w, Node *n);
void on_composite(struct walk *w, Node *n);
void on_domain(struct walk *w, Node *n);
void on_trigger(struct walk *w, Node *n);
void on_rule(struct walk *w, Node *n);
void on_policy(struct walk *w, Node *n);
void need_table(struct walk *w, const RangeVar *v, enum verb verb, enum op_class class);
/* pg_copy.c: what COPY ... TO writes (r: its table, or NULL);
 * never NULL but for want of memory, which fails the analysis. */
const struct sql_copy *copy_form(struct walk *w, const CopyStmt *c, const struct cat_relation *r);
/* pg_ddl.c */
void on_ddl(struct walk *w, Node *n);
/* A need on an object that is no relation. name: list of strings, a String or NULL. */
void need_object(struct walk *w, enum verb v, enum op_class class, Node *name);
