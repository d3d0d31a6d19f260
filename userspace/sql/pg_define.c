#include "sql/pg_walk.h"

void need_table(struct walk *w, const RangeVar *v, enum verb verb, enum op_class class)
{
	bool is_temp;
	need_relation(w, v, (struct need){.verb = verb, .class = class}, &is_temp);
}

/* A row of which nothing is known: NEW, OLD, VALUE. */
static void add_unknown_source(struct walk *w, struct scope *s, const char *name)
{
	struct row *row = row_new(w, 0);
	row->is_open = true;
	scope_add(w, s, name, row)->whole = UNSURE;
}

static bool is_serial(const TypeName *t)
{
	static const char *const names[] = {"serial",  "bigserial", "smallserial",
					    "serial2", "serial4",   "serial8"};
	if (list_length(t->names) != 1)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!strcmp(strVal(linitial(t->names)), names[i]))
			return true;
	return false;
}

static struct ty column_type(struct walk *w, const TypeName *t)
{
	if (is_serial(t))
		return T(TYPE_INT8);
	struct ty type = type_named(w, t);
	need_type_input(w, type.oid);
	return type;
}

static void constraint(struct walk *w, struct scope *s, Constraint *c)
{
	ListCell *cell;
	expr(w, s, c->raw_expr);
	expr(w, s, c->where_clause);
	foreach (cell, c->exclusions) {
		List *pair = lfirst(cell);
		expr(w, s, ((IndexElem *)linitial(pair))->expr);
	}
	/* A foreign key tells which keys there are. */
	if (c->pktable)
		need_table(w, c->pktable, VERB_SELECT, CLASS_READ);
}

static void column(struct walk *w, struct scope *s, ColumnDef *d)
{
	ListCell *cell;
	if (d->typeName)
		column_type(w, d->typeName);
	expr(w, s, d->raw_default);
	foreach (cell, d->constraints)
		constraint(w, s, lfirst(cell));
}

/* The members of CREATE TABLE and what ALTER TABLE adds or changes. */
static void element(struct walk *w, struct scope *s, Node *e)
{
	if (!e)
		return;
	if (IsA(e, ColumnDef))
		column(w, s, (ColumnDef *)e);
	else if (IsA(e, Constraint))
		constraint(w, s, (Constraint *)e);
	else if (IsA(e, TableLikeClause))
		need_table(w, ((TableLikeClause *)e)->relation, VERB_SELECT, CLASS_READ);
	else if (IsA(e, PartitionCmd)) /* its rows become the table's */
		need_table(w, ((PartitionCmd *)e)->name, VERB_ALTER, CLASS_DDL);
	else if (IsA(e, RangeVar)) /* a parent, which gets the rows */
		need_table(w, (RangeVar *)e, VERB_ALTER, CLASS_DDL);
}

void on_alter_table(struct walk *w, Node *n)
{
	AlterTableStmt *a = (AlterTableStmt *)n;
	struct scope s = {.up = NULL};
	ListCell *cell;
	need_table(w, a->relation, VERB_ALTER, CLASS_DDL);
	read_target(w, &s, a->relation, false);
	foreach (cell, a->cmds)
		if (IsA(lfirst(cell), AlterTableCmd))
			element(w, &s, ((AlterTableCmd *)lfirst(cell))->def);
}

/* The table as its own expressions see it. */
static void add_new_table(struct walk *w, struct scope *s, CreateStmt *c)
{
	struct row *row = row_new(w, 0);
	ListCell *cell;
	row->is_open = c->inhRelations != NIL || c->ofTypename;
	foreach (cell, c->tableElts) {
		ColumnDef *d = lfirst(cell);
		row->is_open |= IsA(d, TableLikeClause);
		if (IsA(d, ColumnDef) && d->typeName)
			row_push(w, row,
				 (struct field){d->colname, column_type(w, d->typeName)});
	}
	scope_add(w, s, c->relation->relname, row);
}

void on_create(struct walk *w, Node *n)
{
	CreateStmt *c = (CreateStmt *)n;
	struct scope s = {.up = NULL};
	ListCell *cell;
	need_new_relation(w, c->relation);
	add_new_table(w, &s, c);
	foreach (cell, c->inhRelations)
		need_table(w, lfirst(cell), VERB_ALTER, CLASS_DDL);
	foreach (cell, c->tableElts)
		element(w, &s, lfirst(cell));
	if (c->ofTypename)
		column_type(w, c->ofTypename);
	if (c->partspec)
		foreach (cell, c->partspec->partParams)
			expr(w, &s, ((PartitionElem *)lfirst(cell))->expr);
}

void on_index(struct walk *w, Node *n)
{
	IndexStmt *i = (IndexStmt *)n;
	struct scope s = {.up = NULL};
	ListCell *cell;
	need_table(w, i->relation, VERB_CREATE, CLASS_DDL);
	read_target(w, &s, i->relation, false);
	foreach (cell, i->indexParams)
		expr(w, &s, ((IndexElem *)lfirst(cell))->expr);
	expr(w, &s, i->whereClause);
	w->needs->is_untransactional |= i->concurrent;
}

/* CREATE TABLE AS and CREATE MATERIALIZED VIEW run their query. */
void on_create_as(struct walk *w, Node *n)
{
	CreateTableAsStmt *c = (CreateTableAsStmt *)n;
	if (IsA(c->query, ExecuteStmt))
		needs_opaque(w->needs,
			     "CREATE TABLE AS EXECUTE: a prepared statement's rows into a table");
	else
		touch_row(w, query(w, NULL, c->query));
	need_into(w, c->into, c->objtype == OBJECT_MATVIEW);
}

void on_view(struct walk *w, Node *n)
{
	ViewStmt *v = (ViewStmt *)n;
	need_new_relation(w, v->view);
	query(w, NULL, v->query);
}

void on_sequence(struct walk *w, Node *n)
{
	need_new_relation(w, ((CreateSeqStmt *)n)->sequence);
}

void on_composite(struct walk *w, Node *n)
{
	CompositeTypeStmt *c = (CompositeTypeStmt *)n;
	ListCell *cell;
	need_new_relation(w, c->typevar);
	foreach (cell, c->coldeflist)
		column_type(w, ((ColumnDef *)lfirst(cell))->typeName);
}

void on_domain(struct walk *w, Node *n)
{
	CreateDomainStmt *d = (CreateDomainStmt *)n;
	struct scope s = {.up = NULL};
	ListCell *cell;
	const char *schema, *name = name_parts(d->domainname, &schema);
	need_object(w, VERB_CREATE, CLASS_DDL, (Node *)d->domainname);
	if (schema && !strcmp(schema, "pg_temp") && path_type(w->c, w->path, "pg_catalog", name))
		needs_opaque(w->needs, "a temporary object with the name of a built-in type");
	struct row *value = row_new(w, 0);
	row_push(w, value, (struct field){"value", column_type(w, d->typeName)});
	scope_add(w, &s, NULL, value);
	foreach (cell, d->constraints)
		constraint(w, &s, lfirst(cell));
}

/* Whoever writes to the table calls the function. */
void on_trigger(struct walk *w, Node *n)
{
	CreateTrigStmt *t = (CreateTrigStmt *)n;
	struct scope s = {.up = NULL};
	const char *schema, *name = name_parts(t->funcname, &schema);
	need_table(w, t->relation, VERB_CREATE, CLASS_DDL);
	call_by_types(w, schema, name, NULL, 0);
	add_unknown_source(w, &s, "old");
	add_unknown_source(w, &s, "new");
	expr(w, &s, t->whenClause);
}

void on_rule(struct walk *w, Node *n)
{
	RuleStmt *r = (RuleStmt *)n;
	struct scope s = {.up = NULL};
	ListCell *cell;
	need_table(w, r->relation, VERB_CREATE, CLASS_DDL);
	add_unknown_source(w, &s, "old");
	add_unknown_source(w, &s, "new");
	expr(w, &s, r->whereClause);
	foreach (cell, r->actions)
		if (enter(w, 4)) {
			statement(w, lfirst(cell));
			leave(w, 4);
		}
	w->stmt->kind = SQL_OTHER;
	w->stmt->name = NULL;
	w->stmt->tag = "CREATE RULE";
}

void on_policy(struct walk *w, Node *n)
{
	struct scope s = {.up = NULL};
	bool is_new = IsA(n, CreatePolicyStmt);
	RangeVar *table = is_new ? ((CreatePolicyStmt *)n)->table : ((AlterPolicyStmt *)n)->table;
	need_table(w, table, is_new ? VERB_CREATE : VERB_ALTER, CLASS_DDL);
	read_target(w, &s, table, false);
	expr(w, &s, is_new ? ((CreatePolicyStmt *)n)->qual : ((AlterPolicyStmt *)n)->qual);
	expr(w, &s,
	     is_new ? ((CreatePolicyStmt *)n)->with_check : ((AlterPolicyStmt *)n)->with_check);
}
