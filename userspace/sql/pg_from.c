#include "sql/pg_walk.h"

/* A copy of the row with the names of an alias list. */
static const struct row *renamed(struct walk *w, const struct row *r, const Alias *alias)
{
	if (!alias || alias->colnames == NIL)
		return r;
	struct row *copy = row_new(w, 0);
	for (int i = 0; i < r->n; i++) {
		row_push(w, copy, r->at[i]);
		if (i < list_length(alias->colnames) && copy->n == i + 1)
			copy->at[i].name = strVal(list_nth(alias->colnames, i));
	}
	copy->is_open = r->is_open;
	return copy;
}

static struct member *add(struct walk *w, struct scope *s, const Alias *alias, const char *name,
			  const struct row *row)
{
	struct member *src =
	    scope_add(w, s, alias ? alias->aliasname : name, renamed(w, row, alias));
	src->has_alias = alias != NULL;
	return src;
}

struct cte *find_cte(struct scope *s, const char *name)
{
	for (; s; s = s->up)
		for (struct cte *t = s->ctes; t; t = t->next)
			if (!strcmp(t->name, name))
				return t;
	return NULL;
}

static struct member *add_relation(struct walk *w, struct scope *s, const RangeVar *v,
				   struct need need)
{
	bool is_temp = false;
	const struct cat_relation *r = need_relation(w, v, need, &is_temp);
	struct row *row = r && !is_temp ? row_of_relation(w, r) : row_new(w, 0);
	row->is_open |= !r || is_temp;
	struct member *src = add(w, s, v->alias, v->relname, row);
	src->relation = is_temp ? NULL : r;
	src->is_renamed = v->alias && v->alias->colnames;
	src->whole = row->is_open ? UNSURE : (struct ty){r->row_type, src->row, NULL};
	return src;
}

struct member *from_relation(struct walk *w, struct scope *s, const RangeVar *v)
{
	struct cte *t = v->schemaname ? NULL : find_cte(s, v->relname);
	if (t)
		return add(w, s, v->alias, v->relname, cte_row(w, t));
	return add_relation(w, s, v, (struct need){.verb = VERB_SELECT, .class = CLASS_READ});
}

struct member *target_relation(struct walk *w, struct scope *s, const RangeVar *v, enum verb verb,
			       const List *columns)
{
	const char **names = arena_array(w->a, (size_t)list_length(columns), sizeof(*names));
	struct need need = {.verb = verb, .class = CLASS_WRITE, .columns = names};
	ListCell *cell;
	if (names)
		foreach (cell, columns)
			if (IsA(lfirst(cell), ResTarget) && ((ResTarget *)lfirst(cell))->name)
				names[need.n_columns++] = ((ResTarget *)lfirst(cell))->name;
	w->needs->is_write = true;
	return add_relation(w, s, v, need);
}

void read_target(struct walk *w, struct scope *s, const RangeVar *v, bool is_select)
{
	struct needs *all = w->needs, none = {.a = w->a};
	if (!is_select)
		w->needs = &none;
	add_relation(w, s, v, (struct need){.verb = VERB_SELECT, .class = CLASS_READ});
	w->needs = all;
	all->reads_numbers |= none.reads_numbers;
	all->reads_views |= none.reads_views;
}

/* The columns of what an expression in FROM gives. */
static void push_derived(struct walk *w, struct row *out, struct field f, struct origin *from)
{
	f.ty.from = from;
	f.ty.row = NULL;
	row_push(w, out, f);
}

static struct member *on_subselect(struct walk *w, struct scope *s, RangeSubselect *r)
{
	bool was = s->is_lateral;
	s->is_lateral = r->lateral;
	const struct row *row = query(w, s, r->subquery);
	s->is_lateral = was;
	return add(w, s, r->alias, NULL, row);
}

static struct row *column_definitions(struct walk *w, const List *definitions)
{
	struct row *r = row_new(w, 0);
	ListCell *cell;
	foreach (cell, definitions) {
		ColumnDef *d = lfirst(cell);
		struct ty t = type_named(w, d->typeName);
		need_type_input(w, t.oid);
		row_push(w, r, (struct field){d->colname, t});
	}
	return r;
}

/* The columns that one function gives, and whether it is a single value. */
static void function_columns(struct walk *w, struct scope *s, const List *item, const Alias *alias,
			     struct row *out, struct ty *ret_whole)
{
	Node *call = linitial(item);
	const List *definitions = lsecond(item);
	w->last_function = NULL;
	struct ty t = expr(w, s, call);
	struct origin *from = origin_derived(w, t.from);
	const struct cat_function *f = w->last_function;
	const struct row *row =
	    definitions ? column_definitions(w, definitions) : row_of_type(w, t);
	const char *schema, *name = alias ? alias->aliasname : "?column?";
	*ret_whole = definitions ? (struct ty){TYPE_RECORD, row, from} : t;
	if (row || t.oid == TYPE_RECORD || t.oid == 0) {
		out->is_open |= !row || row->is_open;
		for (int i = 0; row && i < row->n; i++)
			push_derived(w, out, row->at[i], from);
		return;
	}
	if (!alias && IsA(call, FuncCall))
		name = name_parts(((FuncCall *)call)->funcname, &schema);
	if (f && f->n_outs == 1 && strncmp(f->outs[0].name, "column", 6) != 0)
		name = f->outs[0].name;
	push_derived(w, out, (struct field){name, t}, from);
}

/* unnest(a, b) in FROM is ROWS FROM (unnest(a), unnest(b)): parser/parse_clause.c. */
static bool unnest_each(struct walk *w, struct scope *s, Node *call, struct row *out)
{
	FuncCall *f = (FuncCall *)call;
	ListCell *cell;
	if (!IsA(call, FuncCall) || list_length(f->funcname) != 1 || list_length(f->args) < 2 ||
	    strcmp(strVal(linitial(f->funcname)), "unnest") != 0 || f->agg_order || f->agg_filter ||
	    f->over)
		return false;
	foreach (cell, f->args) {
		struct ty t = expr(w, s, lfirst(cell));
		struct field field = {"unnest", call_by_types(w, "pg_catalog", "unnest", &t, 1)};
		push_derived(w, out, field, origin_derived(w, t.from));
	}
	return true;
}

/* The columns of all functions of the item; returns what its name is as a value. */
static struct ty functions_row(struct walk *w, struct scope *s, RangeFunction *r, struct row *row)
{
	struct ty whole = UNSURE;
	ListCell *cell;
	foreach (cell, r->functions) {
		List *item = lfirst(cell);
		List own = *item;
		ListCell cells[2] = {item->elements[0], item->elements[1]};
		own.elements = cells;
		if (r->coldeflist)
			cells[1].ptr_value = r->coldeflist;
		if (!unnest_each(w, s, linitial(item), row))
			function_columns(w, s, &own, r->is_rowsfrom ? NULL : r->alias, row, &whole);
	}
	return whole;
}

static struct member *on_function(struct walk *w, struct scope *s, RangeFunction *r)
{
	struct row *row = row_new(w, 0);
	bool was = s->is_lateral;
	s->is_lateral = true;
	struct ty whole = functions_row(w, s, r, row);
	s->is_lateral = was;
	if (r->ordinality)
		row_push(w, row, (struct field){"ordinality", {TYPE_INT8, .from = &origin_none}});
	const char *schema, *name = NULL;
	Node *first = r->functions ? linitial((List *)linitial(r->functions)) : NULL;
	if (first && IsA(first, FuncCall))
		name = name_parts(((FuncCall *)first)->funcname, &schema);
	struct member *src = add(w, s, r->alias, name, row);
	if (list_length(r->functions) == 1 && !r->ordinality)
		src->whole = whole.row ? (struct ty){whole.oid, src->row, NULL} : whole;
	src->is_renamed = r->alias && r->alias->colnames && type_relation(w->c, whole.oid);
	return src;
}

static struct member *on_sample(struct walk *w, struct scope *s, RangeTableSample *t)
{
	struct member *src = from_item(w, s, t->relation);
	const char *schema, *name = name_parts(t->method, &schema);
	int n = 0;
	ListCell *cell;
	const struct cat_function *const *all = cat_functions(w->c, name, &n);
	bool is_builtin = n > 0 && (!strcmp(name, "bernoulli") || !strcmp(name, "system"));
	for (int i = 0; i < n; i++)
		is_builtin &= all[i]->oid < CAT_FIRST_USER_OID;
	if (!is_builtin)
		walk_execute(w, schema ? schema : "public", name,
			     "a sampling method that is not built in");
	foreach (cell, t->args)
		expr_as(w, s, lfirst(cell), TYPE_FLOAT8);
	expr_as(w, s, t->repeatable, TYPE_FLOAT8);
	return src;
}

static struct member *on_xml_table(struct walk *w, struct scope *s, RangeTableFunc *t)
{
	struct row *row = row_new(w, 0);
	struct origin *all = &origin_none, **up = w->values;
	bool was = s->is_lateral;
	ListCell *cell;
	s->is_lateral = true;
	w->values = &all;
	expr(w, s, t->docexpr);
	expr(w, s, t->rowexpr);
	foreach (cell, t->namespaces)
		expr(w, s, ((ResTarget *)lfirst(cell))->val);
	foreach (cell, t->columns) {
		RangeTableFuncCol *c = lfirst(cell);
		struct ty type = c->for_ordinality ? T(TYPE_INT4) : type_named(w, c->typeName);
		need_type_input(w, type.oid);
		if (c->colexpr)
			expr(w, s, c->colexpr);
		if (c->coldefexpr)
			need_cast(w, expr(w, s, c->coldefexpr), type.oid, 'e');
		row_push(w, row, (struct field){c->colname, type});
	}
	s->is_lateral = was;
	w->values = up;
	touch(w, all);
	return add(w, s, t->alias, "xmltable", row_derived(w, row, origin_derived(w, all)));
}

static bool is_listed(const List *names, const char *name)
{
	ListCell *cell;
	foreach (cell, names)
		if (!strcmp(strVal(lfirst(cell)), name))
			return true;
	return false;
}

/* The merged columns of USING and NATURAL; of one that is not known on a side the type is not
 * either. */
static void merge_column(struct walk *w, const struct row *l, const struct row *r, const char *name,
			 struct row *out)
{
	const struct field *a = row_find(l, name), *b = row_find(r, name);
	struct ty both[2] = {a ? a->ty : UNSURE, b ? b->ty : UNSURE};
	struct origin *from = origin_same(w, a ? a->ty.from : NULL, b ? b->ty.from : NULL);
	operate_named(w, "=", both[0], both[1]);
	touch_predicate(w, from);
	struct field f = {name, need_common(w, both, 2)};
	f.ty.from = from;
	row_push(w, out, f);
}

static struct row *joined_row(struct walk *w, JoinExpr *j, const struct row *l, const struct row *r)
{
	struct row *out = row_new(w, 0);
	ListCell *cell;
	for (int i = 0; j->isNatural && i < l->n; i++)
		if (l->at[i].name && row_find(r, l->at[i].name))
			merge_column(w, l, r, l->at[i].name, out);
	foreach (cell, j->usingClause)
		merge_column(w, l, r, strVal(lfirst(cell)), out);
	int n = out->n;
	const struct row *sides[2] = {l, r};
	for (int side = 0; side < 2; side++) {
		for (int i = 0; i < sides[side]->n && !w->is_too_big; i++) {
			const struct field *f = &sides[side]->at[i];
			const struct row merged = {out->at, n, false};
			if (f->name && (is_listed(j->usingClause, f->name) ||
					(j->isNatural && row_find(&merged, f->name))))
				continue;
			row_push(w, out, *f);
		}
	}
	out->is_open = l->is_open || r->is_open;
	return out;
}

static void read_condition(struct walk *w, struct scope *s, Node *quals, const struct member *end)
{
	struct scope was = *s;
	s->reads_from = false;
	s->end = end;
	expr_as(w, s, quals, TYPE_BOOL);
	s->reads_from = was.reads_from;
	s->end = was.end;
}

static struct member *on_join(struct walk *w, struct scope *s, JoinExpr *j)
{
	struct member *before = s->sources;
	struct member *l = from_item(w, s, j->larg), *r = from_item(w, s, j->rarg);
	if (w->is_too_big)
		return l;
	struct row *row = joined_row(w, j, l->row, r->row);
	read_condition(w, s, j->quals, before);
	l->shows_columns = r->shows_columns = false;
	if (j->alias)
		for (struct member *child = s->sources; child != before; child = child->next)
			child->shows_name = false;
	if (j->join_using_alias) {
		struct row *merged = row_new(w, 0);
		for (int i = 0; i < list_length(j->usingClause) && i < row->n; i++)
			row_push(w, merged, row->at[i]);
		add(w, s, j->join_using_alias, NULL, merged)->shows_columns = false;
	}
	return add(w, s, j->alias, NULL, row);
}

static struct member *on_other(struct walk *w, struct scope *s, Node *n)
{
	const Alias *alias = NULL;
	struct origin *all = &origin_none, **up = w->values;
	w->values = &all;
	const struct row *row = json_table(w, s, n, &alias);
	w->values = up;
	touch(w, all);
	if (row)
		return add(w, s, alias, "json_table", row_derived(w, row, origin_derived(w, all)));
	walk_opaque(w, "a kind of FROM member that is not known");
	return NULL;
}

struct member *from_item(struct walk *w, struct scope *s, Node *n)
{
	struct member *src = NULL;
	if (enter(w, 3)) {
		switch (nodeTag(n)) {
		case T_RangeVar:
			src = from_relation(w, s, (RangeVar *)n);
			break;
		case T_RangeSubselect:
			src = on_subselect(w, s, (RangeSubselect *)n);
			break;
		case T_RangeFunction:
			src = on_function(w, s, (RangeFunction *)n);
			break;
		case T_RangeTableSample:
			src = on_sample(w, s, (RangeTableSample *)n);
			break;
		case T_RangeTableFunc:
			src = on_xml_table(w, s, (RangeTableFunc *)n);
			break;
		case T_JoinExpr:
			src = on_join(w, s, (JoinExpr *)n);
			break;
		default:
			src = on_other(w, s, n);
		}
	}
	leave(w, 3);
	if (src)
		return src;
	struct row *unknown = row_new(w, 0);
	unknown->is_open = true;
	return scope_add(w, s, NULL, unknown);
}

void from_clause(struct walk *w, struct scope *s, const List *from)
{
	ListCell *cell;
	s->reads_from = true;
	foreach (cell, from)
		from_item(w, s, lfirst(cell));
	s->reads_from = false;
}
