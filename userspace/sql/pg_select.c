#include "sql/pg_walk.h"

static const struct row *query_inside(struct walk *w, struct scope *up, Node *n)
{
	const struct row *r = NULL;
	switch (nodeTag(n)) {
	case T_SelectStmt:
		r = select_query(w, up, (SelectStmt *)n);
		break;
	case T_InsertStmt:
		r = insert_query(w, up, (InsertStmt *)n);
		break;
	case T_UpdateStmt:
		r = update_query(w, up, (UpdateStmt *)n);
		break;
	case T_DeleteStmt:
		r = delete_query(w, up, (DeleteStmt *)n);
		break;
	case T_MergeStmt:
		r = merge_query(w, up, (MergeStmt *)n);
		break;
	default:
		walk_opaque(w, "a kind of query that is not known");
		return row_new(w, 0);
	}
	/* What is still untyped at the end is text. */
	for (int i = 0; i < r->n; i++)
		if (r->at[i].ty.oid == TYPE_UNKNOWN)
			r->at[i].ty.oid = TYPE_TEXT;
	return r;
}

const struct row *query(struct walk *w, struct scope *up, Node *n)
{
	struct origin **values = w->values;
	w->values = &w->predicates; /* what is in none of its targets */
	const struct row *r = query_inside(w, up, n);
	w->values = values;
	return r;
}

/* ---- WITH ---- */

static const struct row *cte_renamed(struct walk *w, const struct cte *t, const struct row *r)
{
	struct row *copy = row_new(w, 0);
	const List *names = t->node->aliascolnames;
	for (int i = 0; i < r->n && !w->is_too_big; i++) {
		row_push(w, copy, r->at[i]);
		if (i < list_length(names))
			copy->at[i].name = strVal(list_nth(names, i));
		if (copy->at[i].ty.oid == TYPE_UNKNOWN)
			copy->at[i].ty.oid = TYPE_TEXT;
	}
	copy->is_open = r->is_open;
	return copy;
}

/* What a recursive reference sees: the first rows, and, once that is known, all others. */
static struct row *cte_seed(struct walk *w, const struct cte *t, const struct row *first)
{
	struct row *r = (struct row *)(uintptr_t)cte_renamed(w, t, first);
	for (int i = 0; i < r->n; i++) {
		struct origin *o = arena_new(w->a, struct origin);
		w->is_too_big |= !o;
		if (o)
			*o = (struct origin){.kind = ORIGIN_MIX,
					     .holds = HOLDS_CYCLE,
					     .a = origin_mix(w, r->at[i].ty.from, &origin_none)};
		if (o)
			o->holds |= o->a->holds;
		r->at[i].ty.from = o;
		r->at[i].ty.row = r->at[i].ty.row ? row_derived(w, r->at[i].ty.row, NULL) : NULL;
	}
	return r;
}

static void add_search_columns(struct walk *w, struct cte *t, struct row *r)
{
	CTESearchClause *search = t->node->search_clause;
	CTECycleClause *cycle = t->node->cycle_clause;
	struct origin *all = search || cycle ? origin_of_row(w, r) : NULL;
	struct ty order = {TYPE_RECORDARRAY, .from = all}, path = order;
	if (search && search->search_breadth_first)
		order.oid = TYPE_RECORD;
	if (search)
		row_push(w, r, (struct field){search->search_seq_column, order});
	if (!cycle)
		return;
	touch_predicate(w, all); /* rows end where a value comes again */
	struct ty marks[2] = {expr(w, t->scope, cycle->cycle_mark_value),
			      expr(w, t->scope, cycle->cycle_mark_default)};
	struct ty mark = need_common(w, marks, 2);
	operate_named(w, "<>", mark, mark);
	mark.from = origin_mix(w, all, origin_mix(w, marks[0].from, marks[1].from));
	row_push(w, r, (struct field){cycle->cycle_mark_column, mark});
	row_push(w, r, (struct field){cycle->cycle_path_column, path});
}

const struct row *cte_row(struct walk *w, struct cte *t)
{
	if (t->row)
		return t->row;
	if (t->is_open || !enter(w, 4)) {
		struct row *unknown = row_new(w, 0);
		unknown->is_open = true;
		return unknown;
	}
	t->is_open = true;
	w->filling = t;
	const struct row *r = query(w, t->scope, t->node->ctequery);
	w->filling = NULL;
	struct row *named = (struct row *)(uintptr_t)cte_renamed(w, t, r);
	add_search_columns(w, t, named);
	t->row = named;
	t->is_open = false;
	leave(w, 4);
	return t->row;
}

static struct cte *cte_new(struct walk *w, struct scope *s, CommonTableExpr *node)
{
	struct cte *t = arena_new(w->a, struct cte);
	if (t)
		*t = (struct cte){.name = node->ctename, .node = node, .scope = s};
	else
		w->is_too_big = true;
	return t;
}

/* Without RECURSIVE a name stands for the query only behind it: inside it is a relation still. */
void with_clause(struct walk *w, struct scope *s, WithClause *c)
{
	ListCell *cell;
	if (!c)
		return;
	foreach (cell, c->ctes) {
		struct cte *t = cte_new(w, s, lfirst(cell));
		if (!t)
			return;
		if (!c->recursive)
			cte_row(w, t);
		t->next = s->ctes;
		s->ctes = t;
	}
	for (struct cte *t = c->recursive ? s->ctes : NULL; t; t = t->next)
		cte_row(w, t);
}

/* ---- target list ---- */

static const char *name_of_fields(const List *names)
{
	const char *name = NULL;
	ListCell *cell;
	foreach (cell, names)
		if (IsA(lfirst(cell), String))
			name = strVal(lfirst(cell));
	return name;
}

static const char *name_of_sublink(SubLink *l)
{
	if (l->subLinkType == EXISTS_SUBLINK)
		return "exists";
	if (l->subLinkType == ARRAY_SUBLINK)
		return "array";
	if (l->subLinkType != EXPR_SUBLINK || !IsA(l->subselect, SelectStmt))
		return NULL;
	SelectStmt *n = (SelectStmt *)l->subselect;
	while (n->op != SETOP_NONE)
		n = n->larg;
	ResTarget *t = n->targetList ? linitial(n->targetList) : NULL;
	return t ? (t->name ? t->name : column_name(t->val)) : NULL;
}

static const char *name_of_case(CaseExpr *e)
{
	const char *name = e->defresult ? column_name((Node *)e->defresult) : NULL;
	return name && strcmp(name, "?column?") ? name : "case";
}

static const char *name_of_cast(TypeCast *c)
{
	const char *name = column_name(c->arg);
	return strcmp(name, "?column?") ? name : name_of_fields(c->typeName->names);
}

static const char *name_of_value(SQLValueFunction *f)
{
	static const char *const names[] = {
	    [SVFOP_CURRENT_DATE] = "current_date",
	    [SVFOP_CURRENT_TIME] = "current_time",
	    [SVFOP_CURRENT_TIME_N] = "current_time",
	    [SVFOP_CURRENT_TIMESTAMP] = "current_timestamp",
	    [SVFOP_CURRENT_TIMESTAMP_N] = "current_timestamp",
	    [SVFOP_LOCALTIME] = "localtime",
	    [SVFOP_LOCALTIME_N] = "localtime",
	    [SVFOP_LOCALTIMESTAMP] = "localtimestamp",
	    [SVFOP_LOCALTIMESTAMP_N] = "localtimestamp",
	    [SVFOP_CURRENT_ROLE] = "current_role",
	    [SVFOP_CURRENT_USER] = "current_user",
	    [SVFOP_USER] = "user",
	    [SVFOP_SESSION_USER] = "session_user",
	    [SVFOP_CURRENT_CATALOG] = "current_catalog",
	    [SVFOP_CURRENT_SCHEMA] = "current_schema",
	};
	return (unsigned)f->op < ARRAY_LEN(names) ? names[f->op] : NULL;
}

static const char *own_name(Node *n)
{
	switch (nodeTag(n)) {
	case T_ColumnRef:
		return name_of_fields(((ColumnRef *)n)->fields);
	case T_A_Indirection: {
		const char *name = name_of_fields(((A_Indirection *)n)->indirection);
		return name ? name : column_name(((A_Indirection *)n)->arg);
	}
	case T_FuncCall:
		return name_of_fields(((FuncCall *)n)->funcname);
	case T_A_Expr:
		return ((A_Expr *)n)->kind == AEXPR_NULLIF ? "nullif" : NULL;
	case T_TypeCast:
		return name_of_cast((TypeCast *)n);
	case T_CollateClause:
		return column_name(((CollateClause *)n)->arg);
	case T_GroupingFunc:
		return "grouping";
	case T_SubLink:
		return name_of_sublink((SubLink *)n);
	case T_CaseExpr:
		return name_of_case((CaseExpr *)n);
	case T_A_ArrayExpr:
		return "array";
	case T_RowExpr:
		return "row";
	case T_CoalesceExpr:
		return "coalesce";
	case T_MinMaxExpr:
		return ((MinMaxExpr *)n)->op == IS_GREATEST ? "greatest" : "least";
	case T_SQLValueFunction:
		return name_of_value((SQLValueFunction *)n);
	default:
		return NULL;
	}
}

const char *column_name(Node *n)
{
	/* Only ever a few levels: casts, collations and subscripts of one another. */
	static __thread int depth;
	const char *name = NULL;
	if (n && depth < 32) {
		depth++;
		name = own_name(n);
		depth--;
	}
	return name ? name : "?column?";
}

static void expand_star(struct walk *w, struct scope *s, A_Indirection *i, struct row *out)
{
	A_Indirection without = *i;
	List steps = *i->indirection;
	steps.length--;
	without.indirection = steps.length ? &steps : NIL;
	struct ty t = expr(w, s, (Node *)&without);
	const struct row *r = row_of_type(w, t);
	note_shown(w, t.from);
	out->is_open |= !r || r->is_open;
	for (int k = 0; r && k < r->n && !w->is_too_big; k++) {
		struct field f = r->at[k];
		if (!f.ty.from) /* of what holds it */
			f.ty.from = origin_derived(w, t.from);
		row_push(w, out, f);
	}
}

static void add_target(struct walk *w, struct scope *s, ResTarget *t, struct row *out)
{
	struct field f = {t->name ? t->name : column_name(t->val), UNSURE};
	if (IsA(t->val, ColumnRef) && IsA(llast(((ColumnRef *)t->val)->fields), A_Star)) {
		star_fields(w, s, (ColumnRef *)t->val, out);
		return;
	}
	if (IsA(t->val, A_Indirection) &&
	    IsA(llast(((A_Indirection *)t->val)->indirection), A_Star)) {
		expand_star(w, s, (A_Indirection *)t->val, out);
		return;
	}
	f.ty = expr(w, s, t->val);
	note_shown(w, f.ty.from);
	row_push(w, out, f);
}

struct row *target_list(struct walk *w, struct scope *s, const List *targets)
{
	struct row *out = row_new(w, 0);
	struct origin *shown = NULL, **up = w->values;
	ListCell *cell;
	w->values = &shown; /* by the columns of the result, which say so themselves */
	foreach (cell, targets) {
		if (w->is_too_big)
			break;
		add_target(w, s, lfirst(cell), out);
	}
	w->values = up;
	return out;
}

static struct row *target_values(struct walk *w, struct scope *s, const List *values)
{
	struct row *out = row_new(w, 0);
	struct origin *shown = NULL, **up = w->values;
	ListCell *cell;
	w->values = &shown;
	foreach (cell, values) {
		struct field f = {NULL, expr(w, s, lfirst(cell))};
		if (w->is_too_big)
			break;
		note_shown(w, f.ty.from);
		f.name = arena_printf(w->a, "column%d", out->n + 1);
		row_push(w, out, f);
	}
	w->values = up;
	return out;
}

/* ---- SELECT ---- */

static const struct field *output_named(const struct row *out, Node *n)
{
	if (!n || !IsA(n, ColumnRef) || list_length(((ColumnRef *)n)->fields) != 1)
		return NULL;
	Node *name = linitial(((ColumnRef *)n)->fields);
	return IsA(name, String) ? row_find(out, strVal(name)) : NULL;
}

/* An expression of ORDER BY, GROUP BY, DISTINCT ON: a column of the result by number or name, or
 * any. */
static struct ty sort_key(struct walk *w, struct scope *s, Node *n, const struct row *out)
{
	const struct field *f = output_named(out, n);
	if (n && IsA(n, A_Const) && !((A_Const *)n)->isnull && IsA(&((A_Const *)n)->val, Integer)) {
		w->needs->reads_numbers = true;
		int i = intVal(&((A_Const *)n)->val);
		if (out->is_open || (i >= 1 && i <= out->n))
			touch(w, out->is_open ? NULL : out->at[i - 1].ty.from);
		return i >= 1 && i <= out->n ? out->at[i - 1].ty : T(TYPE_UNKNOWN);
	}
	if (!f)
		return expr(w, s, n);
	touch(w, f->ty.from);
	/* GROUP BY prefers a column of the input of that name, if there is one: ask for both. */
	struct origin *own = NULL, **up = w->values;
	bool lacked = w->lacks_facts;
	w->lacks_facts = false;
	w->values = &own;
	struct ty input = expr(w, s, n);
	w->values = up;
	if (!w->lacks_facts)
		touch(w, input.from);
	w->lacks_facts = lacked;
	if (input.oid)
		need_order(w, input);
	return f->ty;
}

/* A row in brackets is its members, and a grouping set is those of its sets, at any depth: each is
 * a key as if it stood alone (flatten_grouping_sets and transformGroupingSet of
 * parser/parse_clause.c). */
static void group_keys(struct walk *w, struct scope *s, Node *n, const struct row *out)
{
	const RowExpr *row = (const RowExpr *)n;
	const List *keys = NIL;
	if (n && IsA(n, GroupingSet))
		keys = ((const GroupingSet *)n)->content;
	else if (n && IsA(n, List))
		keys = (const List *)n;
	else if (n && IsA(n, RowExpr) && row->row_format == COERCE_IMPLICIT_CAST)
		keys = row->args;
	else
		need_order(w, sort_key(w, s, n, out));
	ListCell *cell;
	if (!keys || !enter(w, 1))
		return;
	foreach (cell, keys)
		group_keys(w, s, lfirst(cell), out);
	leave(w, 1);
}

static void sort_clause(struct walk *w, struct scope *s, const SelectStmt *n, const struct row *out)
{
	ListCell *cell;
	foreach (cell, n->sortClause) {
		SortBy *by = lfirst(cell);
		struct origin *key = NULL, **up = w->values;
		w->values = &key;
		struct ty t = sort_key(w, s, by->node, out);
		w->values = up;
		if (key && !sorts_definition(w, s, n, by, key))
			touch(w, key);
		need_sort(w, by, t);
	}
}

static void distinct_clause(struct walk *w, struct scope *s, const List *distinct,
			    const struct row *out)
{
	ListCell *cell;
	if (distinct == NIL)
		return;
	if (linitial(distinct) == NULL)
		touch_row(w, out);
	if (linitial(distinct) == NULL)
		for (int i = 0; i < out->n; i++)
			need_order(w, out->at[i].ty);
	foreach (cell, distinct)
		if (lfirst(cell))
			need_order(w, sort_key(w, s, lfirst(cell), out));
}

static void windows(struct walk *w, struct scope *s, const List *l)
{
	ListCell *cell;
	foreach (cell, l)
		window(w, s, lfirst(cell));
}

static const char *item_name(Node *n)
{
	const Alias *alias = IsA(n, RangeVar)	      ? ((RangeVar *)n)->alias
			     : IsA(n, RangeSubselect) ? ((RangeSubselect *)n)->alias
						      : NULL;
	if (alias)
		return alias->aliasname;
	return IsA(n, RangeVar) ? ((RangeVar *)n)->relname : "";
}

static void lock_relation(struct walk *w, struct scope *s, RangeVar *v)
{
	bool is_temp;
	if (v->schemaname || !find_cte(s, v->relname))
		need_relation(w, v, (struct need){.verb = VERB_LOCK, .class = CLASS_WRITE},
			      &is_temp);
}

/* FOR UPDATE locks the relations of FROM, those of its subqueries too; only: those of OF, or NIL.
 */
static void lock_item(struct walk *w, struct scope *s, Node *n, const List *only)
{
	bool is_meant = only == NIL;
	ListCell *cell;
	if (!n || !enter(w, 3))
		return;
	foreach (cell, only)
		is_meant |= !strcmp(((RangeVar *)lfirst(cell))->relname, item_name(n));
	if (IsA(n, JoinExpr)) {
		lock_item(w, s, ((JoinExpr *)n)->larg, only);
		lock_item(w, s, ((JoinExpr *)n)->rarg, only);
	} else if (IsA(n, RangeTableSample)) {
		lock_item(w, s, ((RangeTableSample *)n)->relation, only);
	} else if (is_meant && IsA(n, RangeVar)) {
		lock_relation(w, s, (RangeVar *)n);
	} else if (is_meant && IsA(n, RangeSubselect) &&
		   IsA(((RangeSubselect *)n)->subquery, SelectStmt)) {
		SelectStmt *inner = (SelectStmt *)((RangeSubselect *)n)->subquery;
		foreach (cell, inner->fromClause)
			lock_item(w, s, lfirst(cell), NIL);
	}
	leave(w, 3);
}

static void locking(struct walk *w, struct scope *s, const SelectStmt *n)
{
	ListCell *clause, *cell;
	foreach (clause, n->lockingClause) {
		w->needs->is_write = true;
		foreach (cell, n->fromClause)
			lock_item(w, s, lfirst(cell),
				  ((LockingClause *)lfirst(clause))->lockedRels);
	}
}

void need_into(struct walk *w, const IntoClause *into, bool is_matview)
{
	need_new_relation(w, into->rel);
	w->stmt->class = CLASS_DDL;
	w->stmt->tag = is_matview ? "CREATE MATERIALIZED VIEW" : "CREATE TABLE AS";
	w->needs->is_write = true;
}

static const struct row *values_query(struct walk *w, struct scope *s, const List *lists)
{
	struct row *first = NULL;
	struct ty **rows = arena_array(w->a, (size_t)list_length(lists), sizeof(*rows));
	int n = 0;
	ListCell *cell;
	foreach (cell, lists) {
		struct row *r = target_values(w, s, lfirst(cell));
		if (!first)
			first = r;
		if (w->is_too_big || !rows || r->n != first->n)
			return first;
		rows[n] = arena_array(w->a, (size_t)r->n, sizeof(**rows));
		for (int i = 0; rows[n] && i < r->n; i++)
			rows[n][i] = r->at[i].ty;
		for (int i = 0; n > 0 && i < r->n; i++)
			first->at[i].ty.from =
			    origin_mix(w, first->at[i].ty.from, r->at[i].ty.from);
		n += rows[n] != NULL;
	}
	struct ty *column = arena_array(w->a, (size_t)n, sizeof(*column));
	for (int i = 0; first && column && i < first->n; i++) {
		bool is_untyped = true;
		for (int k = 0; k < n; k++) {
			column[k] = rows[k][i];
			is_untyped &= column[k].oid == TYPE_UNKNOWN;
		}
		struct origin *from = first->at[i].ty.from;
		first->at[i].ty = is_untyped ? T(TYPE_UNKNOWN) : need_common(w, column, n);
		first->at[i].ty.from = from;
	}
	return first ? first : row_new(w, 0);
}

/* Nothing but one thing to compute: set_config there runs once, and only then. Beside a
 * function that returns no rows it may not run at all. */
static bool is_bare(const SelectStmt *n)
{
	return list_length(n->targetList) == 1 && !n->fromClause && !n->whereClause &&
	       !n->groupClause && !n->havingClause && !n->limitCount && !n->limitOffset &&
	       !n->withClause && !n->intoClause && !n->distinctClause;
}

static const struct row *plain_select(struct walk *w, struct scope *s, SelectStmt *n, bool allows)
{
	from_clause(w, s, n->fromClause);
	w->allows_set_config = allows && !s->up && is_bare(n);
	w->setting = setting_selected(w, s, n);
	struct row *out = target_list(w, s, n->targetList);
	w->allows_set_config = false;
	w->setting = NULL;
	expr_as(w, s, n->whereClause, TYPE_BOOL);
	ListCell *cell;
	foreach (cell, n->groupClause)
		group_keys(w, s, lfirst(cell), out);
	expr_as(w, s, n->havingClause, TYPE_BOOL);
	windows(w, s, n->windowClause);
	distinct_clause(w, s, n->distinctClause, out);
	sort_clause(w, s, n, out);
	locking(w, s, n);
	return out;
}

static struct row *combine(struct walk *w, SelectStmt *n, const struct row *l, const struct row *r)
{
	struct row *out = row_new(w, 0);
	bool is_untyped_end = l->is_open || r->is_open || l->n != r->n;
	bool compares =
	    !n->all ||
	    n->op != SETOP_UNION; /* INTERSECT ALL, EXCEPT ALL: how often each is there */
	for (int i = 0; i < l->n && !w->is_too_big; i++) {
		struct ty both[2] = {l->at[i].ty, i < r->n ? r->at[i].ty : UNSURE};
		struct field f = {l->at[i].name, is_untyped_end ? UNSURE : need_common(w, both, 2)};
		f.ty.from = is_untyped_end ? NULL : origin_same(w, both[0].from, both[1].from);
		row_push(w, out, f);
		if (compares)
			need_order(w, f.ty);
	}
	if (compares)
		touch_row(w, out);
	out->is_open = l->is_open || r->is_open;
	return out;
}

/* An arm with clauses of its own is a query of its own. */
static bool is_link(const SelectStmt *n)
{
	return n->op != SETOP_NONE && !n->sortClause && !n->limitCount && !n->limitOffset &&
	       !n->withClause && !n->lockingClause;
}

/* a UNION b UNION c ...: as deep on the left as the text is long, so it is gone through in a loop.
 */
static const struct row *set_operation(struct walk *w, struct scope *s, SelectStmt *top)
{
	struct cte *own = w->filling;
	struct row *seed = NULL;
	int n = 1, i = 0;
	w->filling = NULL;
	for (SelectStmt *l = top->larg; is_link(l); l = l->larg)
		n++;
	SelectStmt **chain = arena_array(w->a, (size_t)n, sizeof(*chain));
	if (!chain) {
		w->is_too_big = true;
		return row_new(w, 0);
	}
	for (SelectStmt *l = top; i < n; l = l->larg)
		chain[i++] = l;
	const struct row *row = select_query(w, s, chain[n - 1]->larg);
	for (i = n - 1; i >= 0 && !w->is_too_big; i--) {
		/* What stands before the last UNION is what a recursive reference sees. */
		if (own && i == 0)
			own->row = seed = cte_seed(w, own, row);
		row = combine(w, chain[i], row, select_query(w, s, chain[i]->rarg));
		w->nodes++;
	}
	/* What goes in again is whatever has come out. */
	for (i = 0; seed && i < seed->n && !w->is_too_big; i++)
		seed->at[i].ty.from->b = origin_derived(
		    w, i < row->n && !row->is_open ? row->at[i].ty.from
						   : origin_unknown(w, "a recursive query"));
	return row;
}

const struct row *select_query(struct walk *w, struct scope *up, SelectStmt *n)
{
	struct scope s = {.up = up};
	const struct row *out = NULL;
	struct cte *filling = n->op != SETOP_NONE ? w->filling : NULL;
	bool allows = w->allows_set_config;
	const char *setting = TAKE(w->setting);
	w->allows_set_config = false;
	w->filling = NULL;
	if (enter(w, 4)) {
		with_clause(w, &s, n->withClause);
		if (n->intoClause)
			need_into(w, n->intoClause, false);
		w->filling = filling;
		if (n->op != SETOP_NONE)
			out = set_operation(w, &s, n);
		else if (n->valuesLists)
			out = values_query(w, &s, n->valuesLists);
		else
			out = plain_select(w, &s, n, allows);
		w->filling = NULL;
		if (n->op != SETOP_NONE || n->valuesLists)
			sort_clause(w, &s, n, out);
		expr_as(w, &s, n->limitOffset, TYPE_INT8);
		expr_as(w, &s, n->limitCount, TYPE_INT8);
	}
	leave(w, 4);
	w->setting = setting;
	return out ? out : row_new(w, 0);
}
