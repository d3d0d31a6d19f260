#include "sql/pg_walk.h"

#include <errno.h>

static struct ty on_const(struct walk *w, struct scope *s, Node *n)
{
	A_Const *c = (A_Const *)n;
	(void)s;
	if (c->isnull)
		return T(TYPE_UNKNOWN);
	touch(w, &origin_constant);
	switch (nodeTag(&c->val)) {
	case T_Integer:
		return T(TYPE_INT4);
	case T_Boolean:
		return T(TYPE_BOOL);
	case T_BitString:
		return T(TYPE_BIT);
	case T_Float: {
		char *end = NULL;
		errno = 0;
		strtoll(c->val.fval.fval, &end, 0);
		return T(errno == 0 && *end == 0 ? TYPE_INT8 : TYPE_NUMERIC);
	}
	default:
		return T(TYPE_UNKNOWN);
	}
}

static struct ty on_column(struct walk *w, struct scope *s, Node *n)
{
	return column_ref(w, s, (ColumnRef *)n);
}

static struct ty on_param(struct walk *w, struct scope *s, Node *n)
{
	int i = ((ParamRef *)n)->number;
	(void)s;
	touch(w, &origin_constant);
	w->max_param = MAX(w->max_param, i);
	if (i >= 1 && i <= w->n_params && w->params[i - 1])
		return T(w->params[i - 1]);
	if (i < 1 || i > PARAM_TRACKED)
		return UNSURE;
	if (w->uses->n[i] < 2 && !w->uses->was_asked && ++w->uses->n[i] == 2)
		w->uses->has_several = true;
	return w->uses->was_asked && w->uses->n[i] > 1 ? UNSURE : T(TYPE_UNKNOWN);
}

static struct ty on_func(struct walk *w, struct scope *s, Node *n)
{
	return func_call(w, s, (FuncCall *)n);
}

static struct ty on_named_arg(struct walk *w, struct scope *s, Node *n)
{
	return expr(w, s, (Node *)((NamedArgExpr *)n)->arg);
}

/* Whether the second is computed hangs on the first. */
static struct ty on_bool(struct walk *w, struct scope *s, Node *n)
{
	ListCell *cell;
	touch_failure(w);
	foreach (cell, ((BoolExpr *)n)->args)
		expr_as(w, s, lfirst(cell), TYPE_BOOL);
	return T(TYPE_BOOL);
}

static struct ty on_null_test(struct walk *w, struct scope *s, Node *n)
{
	struct origin *own = NULL, **up = w->values;
	w->values = &own;
	expr(w, s, (Node *)((NullTest *)n)->arg);
	w->values = up;
	/* That there is a definition, everybody may know. */
	if (!own || (own->holds & ~HOLDS_DEFINITION) || !own->holds)
		touch(w, own);
	return T(TYPE_BOOL);
}

static struct ty on_boolean_test(struct walk *w, struct scope *s, Node *n)
{
	expr_as(w, s, (Node *)((BooleanTest *)n)->arg, TYPE_BOOL);
	return T(TYPE_BOOL);
}

static struct ty on_collate(struct walk *w, struct scope *s, Node *n)
{
	return expr(w, s, ((CollateClause *)n)->arg);
}

static struct ty on_row(struct walk *w, struct scope *s, Node *n)
{
	RowExpr *e = (RowExpr *)n;
	struct row *r = row_new(w, 0);
	ListCell *cell;
	foreach (cell, e->args) {
		Node *member = lfirst(cell);
		bool is_star =
		    IsA(member, ColumnRef) && IsA(llast(((ColumnRef *)member)->fields), A_Star);
		if (is_star)
			star_fields(w, s, (ColumnRef *)member, r);
		else
			row_push(w, r, (struct field){NULL, expr(w, s, member)});
	}
	touch_row(w, r);
	for (int i = 0; i < r->n; i++)
		r->at[i].name = arena_printf(w->a, "f%d", i + 1);
	return (struct ty){TYPE_RECORD, r, NULL};
}

static void predicate_equal(struct walk *w, struct scope *s, struct ty left, Node *right)
{
	struct origin **up = w->values;
	w->values = &w->predicates;
	operate_named(w, "=", left, expr(w, s, right));
	w->values = up;
}

static struct ty on_case(struct walk *w, struct scope *s, Node *n)
{
	CaseExpr *e = (CaseExpr *)n;
	struct ty *types = arena_array(w->a, (size_t)list_length(e->args) + 1, sizeof(*types));
	struct ty test = e->arg ? predicate(w, s, (Node *)e->arg) : UNSURE;
	int i = 0;
	ListCell *cell;
	if (!types)
		return UNSURE;
	/* An untyped literal as the test is text: parser/parse_expr.c. */
	if (test.oid == TYPE_UNKNOWN)
		test = T(TYPE_TEXT);
	foreach (cell, e->args) {
		CaseWhen *when = lfirst(cell);
		if (e->arg)
			predicate_equal(w, s, test, (Node *)when->expr);
		else
			predicate_as(w, s, (Node *)when->expr, TYPE_BOOL);
		types[i++] = expr(w, s, (Node *)when->result);
	}
	types[i++] = e->defresult ? expr(w, s, (Node *)e->defresult) : T(TYPE_UNKNOWN);
	return need_common(w, types, i);
}

static struct ty on_coalesce(struct walk *w, struct scope *s, Node *n)
{
	List *args = ((CoalesceExpr *)n)->args;
	struct ty *types = expr_types(w, s, args);
	/* What stands behind is computed only where what stands before is NULL. */
	for (int i = 1; types && i < list_length(args); i++)
		if (types[i].from->holds & HOLDS_ONE)
			touch_failure(w);
	return need_common(w, types, list_length(args));
}

static struct ty on_min_max(struct walk *w, struct scope *s, Node *n)
{
	touch_failure(w); /* compares */
	List *args = ((MinMaxExpr *)n)->args;
	struct ty t = need_common(w, expr_types(w, s, args), list_length(args));
	need_order(w, t);
	return t;
}

static struct ty on_array(struct walk *w, struct scope *s, Node *n)
{
	List *elements = ((A_ArrayExpr *)n)->elements;
	struct ty t = need_common(w, expr_types(w, s, elements), list_length(elements));
	/* Nested arrays are one array of more dimensions. */
	bool is_nested = elements != NIL && IsA(linitial(elements), A_ArrayExpr);
	if (is_nested || !t.oid || type_element(w->c, t.oid)) /* of one size, or it fails */
		touch_failure(w);
	return is_nested ? t : T(t.oid ? type_array(w->c, t.oid) : 0);
}

static struct ty on_grouping(struct walk *w, struct scope *s, Node *n)
{
	expr_list(w, s, ((GroupingFunc *)n)->args);
	return T(TYPE_INT4);
}

static struct ty on_list(struct walk *w, struct scope *s, Node *n)
{
	expr_list(w, s, (List *)n);
	return UNSURE;
}

static struct ty on_default(struct walk *w, struct scope *s, Node *n)
{
	return T(TYPE_UNKNOWN);
}

static struct ty on_current_of(struct walk *w, struct scope *s, Node *n)
{
	return T(TYPE_BOOL);
}

static struct ty on_multi_assign(struct walk *w, struct scope *s, Node *n)
{
	MultiAssignRef *m = (MultiAssignRef *)n;
	/* One node for each target, all with the same source: it is read once. */
	if (m->colno == 1)
		w->assigned = expr(w, s, m->source).row;
	const struct row *r = w->assigned;
	struct ty t = r && r->n >= m->colno ? r->at[m->colno - 1].ty : UNSURE;
	t.from = NULL; /* of all that the source is made of */
	return t;
}

static struct ty on_value_function(struct walk *w, struct scope *s, Node *n)
{
	static const uint32_t types[] = {
	    [SVFOP_CURRENT_DATE] = TYPE_DATE,
	    [SVFOP_CURRENT_TIME] = TYPE_TIMETZ,
	    [SVFOP_CURRENT_TIME_N] = TYPE_TIMETZ,
	    [SVFOP_CURRENT_TIMESTAMP] = TYPE_TIMESTAMPTZ,
	    [SVFOP_CURRENT_TIMESTAMP_N] = TYPE_TIMESTAMPTZ,
	    [SVFOP_LOCALTIME] = TYPE_TIME,
	    [SVFOP_LOCALTIME_N] = TYPE_TIME,
	    [SVFOP_LOCALTIMESTAMP] = TYPE_TIMESTAMP,
	    [SVFOP_LOCALTIMESTAMP_N] = TYPE_TIMESTAMP,
	    [SVFOP_CURRENT_ROLE] = TYPE_NAME,
	    [SVFOP_CURRENT_USER] = TYPE_NAME,
	    [SVFOP_USER] = TYPE_NAME,
	    [SVFOP_SESSION_USER] = TYPE_NAME,
	    [SVFOP_CURRENT_CATALOG] = TYPE_NAME,
	    [SVFOP_CURRENT_SCHEMA] = TYPE_NAME,
	};
	unsigned op = (unsigned)((SQLValueFunction *)n)->op;
	return T(op < ARRAY_LEN(types) ? types[op] : 0);
}

/* Arguments become XML or text as the kind of expression asks. */
static void xml_argument(struct walk *w, struct scope *s, Node *n)
{
	struct ty t = expr(w, s, n);
	need_implicit_casts(w, t.oid);
	if (t.oid >= CAT_FIRST_USER_OID) {
		need_cast(w, t, TYPE_XML, 'a');
		need_cast(w, t, TYPE_TEXT, 'a');
	}
}

static struct ty on_xml(struct walk *w, struct scope *s, Node *n)
{
	XmlExpr *x = (XmlExpr *)n;
	ListCell *cell;
	touch_failure(w);
	foreach (cell, x->named_args)
		xml_argument(w, s, ((ResTarget *)lfirst(cell))->val);
	foreach (cell, x->args)
		xml_argument(w, s, lfirst(cell));
	return T(x->op == IS_DOCUMENT ? TYPE_BOOL : TYPE_XML);
}

static struct ty on_xml_serialize(struct walk *w, struct scope *s, Node *n)
{
	XmlSerialize *x = (XmlSerialize *)n;
	touch_failure(w);
	expr(w, s, x->expr);
	struct ty t = type_named(w, x->typeName);
	need_cast(w, T(TYPE_TEXT), t.oid, 'e');
	return t;
}

/* Elements of ARRAY[...]::type[] are converted one by one. */
static bool cast_elements(struct walk *w, struct scope *s, Node *n, uint32_t element)
{
	ListCell *cell;
	if (!IsA(n, A_ArrayExpr) || !element || !enter(w, 2))
		return false;
	foreach (cell, ((A_ArrayExpr *)n)->elements)
		if (!cast_elements(w, s, lfirst(cell), element))
			need_cast(w, expr(w, s, lfirst(cell)), element, 'e');
	leave(w, 2);
	return true;
}

static struct ty on_cast(struct walk *w, struct scope *s, Node *n)
{
	TypeCast *c = (TypeCast *)n;
	struct ty to = type_named(w, c->typeName);
	uint32_t element = type_element(w->c, to.oid);
	if (cast_elements(w, s, c->arg, element)) {
		need_type_input(w, to.oid);
		return to;
	}
	struct ty from = expr(w, s, c->arg);
	need_cast(w, from, to.oid, 'e');
	if (c->typeName->typmods != NIL) { /* a length is a cast of the type to itself */
		need_length_cast(w, to.oid);
		if (type_category(w->c, to.oid) != 'S') /* strings are cut, numbers do not fit */
			touch_failure(w);
	}
	/* Between strings nothing changes, but where the name of the type cuts them, or checks. */
	if (type_base(w->c, to.oid) == to.oid && type_category(w->c, from.oid) == 'S' &&
	    c->typeName->typmods == NIL &&
	    type_coercion(w->c, from.oid, to.oid, 'e').kind == COERCION_RELABEL)
		to.from = from.from;
	return to;
}

static struct ty subscripted(struct walk *w, struct scope *s, struct ty of, A_Indices *i)
{
	const struct cat_type *t = cat_type(w->c, type_base(w->c, of.oid));
	uint32_t index = t && t->oid == TYPE_JSONB ? TYPE_TEXT : TYPE_INT4;
	struct origin *by = NULL, **up = w->values;
	w->values = &by;
	expr_as(w, s, i->lidx, index);
	expr_as(w, s, i->uidx, index);
	w->values = up;
	if (by) { /* beyond its bounds is NULL, which no mask covers */
		touch(w, by);
		touch_predicate(w, by);
	}
	if (t && t->has_subscript)
		walk_execute(w, t->schema->name, t->name, "a type with subscripting of its own");
	if (!t || i->is_slice || t->oid == TYPE_JSONB)
		return T(t ? t->oid : 0);
	return T(t->element);
}

static struct ty on_indirection(struct walk *w, struct scope *s, Node *n)
{
	A_Indirection *i = (A_Indirection *)n;
	struct ty t = expr(w, s, i->arg);
	uint32_t array = 0; /* further subscripts of one array are further dimensions */
	ListCell *cell;
	foreach (cell, i->indirection) {
		Node *step = lfirst(cell);
		if (IsA(step, A_Indices)) {
			struct ty of = array && t.oid == type_element(w->c, array) ? T(array) : t;
			array = of.oid;
			t = subscripted(w, s, of, (A_Indices *)step);
		} else if (IsA(step, String)) {
			t = field_or_call(w, t, strVal(step));
		}
	}
	return t;
}

static void compare_rows(struct walk *w, const List *op, const struct row *left,
			 const struct row *right)
{
	for (int i = 0; i < left->n && i < right->n; i++)
		operate(w, op, left->at[i].ty, right->at[i].ty, false);
}

static const struct row *row_of_test(struct walk *w, struct scope *s, Node *test)
{
	if (IsA(test, RowExpr))
		return expr(w, s, test).row;
	struct row *r = row_new(w, 1);
	struct ty t = expr(w, s, test);
	if (r->n)
		r->at[0].ty = t;
	return r;
}

static struct ty on_sublink(struct walk *w, struct scope *s, Node *n)
{
	SubLink *l = (SubLink *)n;
	const struct row *r = query(w, s, l->subselect);
	struct ty first = r->n > 0 ? r->at[0].ty : UNSURE;
	struct origin *all = origin_of_row(w, r);
	String equal = {.type = T_String, .sval = (char[]){"="}};
	ListCell cell = {.ptr_value = &equal};
	List equals = {.type = T_List, .length = 1, .max_length = 1, .elements = &cell};
	if (first.oid == TYPE_UNKNOWN)
		first = T(TYPE_TEXT);
	switch (l->subLinkType) {
	case EXPR_SUBLINK:
		first.from = origin_one(w, first.from);
		return r->n == 1 && !r->is_open ? first : (struct ty){TYPE_RECORD, r, all};
	case ARRAY_SUBLINK:
		touch(w, all);
		return T(type_element(w->c, first.oid) ? first.oid : type_array(w->c, first.oid));
	case EXISTS_SUBLINK:
		return T(TYPE_BOOL);
	case ANY_SUBLINK:
	case ALL_SUBLINK:
		touch(w, all);
		touch_predicate(w, all);
		compare_rows(w, l->operName ? l->operName : &equals, row_of_test(w, s, l->testexpr),
			     r);
		return T(TYPE_BOOL);
	default:
		walk_opaque(w, "a kind of subquery that is not known");
		return UNSURE;
	}
}

/* a + b + c ...: the left side is as deep as the text is long, so it is gone through in a loop. */
static struct ty operator_chain(struct walk *w, struct scope *s, A_Expr *top)
{
	int n = 1, i = 0;
	for (Node *l = top->lexpr;
	     l && IsA(l, A_Expr) && ((A_Expr *)l)->kind == AEXPR_OP && ((A_Expr *)l)->lexpr;
	     l = ((A_Expr *)l)->lexpr)
		n++;
	A_Expr **chain = arena_array(w->a, (size_t)n, sizeof(*chain));
	if (!chain) {
		w->is_too_big = true;
		return UNSURE;
	}
	for (A_Expr *e = top; i < n; e = (A_Expr *)e->lexpr)
		chain[i++] = e;
	struct ty left = expr(w, s, chain[n - 1]->lexpr);
	for (i = n - 1; i >= 0 && !w->is_too_big; i--) {
		struct ty right = expr(w, s, chain[i]->rexpr);
		w->nodes++;
		if (left.row && right.row && chain[i]->rexpr && IsA(chain[i]->lexpr, RowExpr)) {
			compare_rows(w, chain[i]->name, left.row, right.row);
			left = T(TYPE_BOOL);
		} else {
			left = operate(w, chain[i]->name, left, right, false);
		}
	}
	return left;
}

static struct ty on_operator(struct walk *w, struct scope *s, A_Expr *e)
{
	if (e->lexpr)
		return operator_chain(w, s, e);
	return operate(w, e->name, UNSURE, expr(w, s, e->rexpr), true);
}

static struct ty on_any_all(struct walk *w, struct scope *s, A_Expr *e)
{
	struct ty left = expr(w, s, e->lexpr), right = expr(w, s, e->rexpr);
	uint32_t element = type_element(w->c, right.oid);
	/* An untyped literal is taken as an array of the left side's type. */
	operate(w, e->name, left, T(right.oid == TYPE_UNKNOWN ? TYPE_UNKNOWN : element), false);
	need_order(w, T(right.oid == TYPE_UNKNOWN ? TYPE_UNKNOWN : element));
	return T(TYPE_BOOL);
}

static struct ty on_distinct(struct walk *w, struct scope *s, A_Expr *e)
{
	struct ty left = expr(w, s, e->lexpr), right = expr(w, s, e->rexpr);
	if (left.row && right.row && IsA(e->lexpr, RowExpr) && IsA(e->rexpr, RowExpr))
		compare_rows(w, e->name, left.row, right.row);
	else
		operate(w, e->name, left, right, false);
	return T(TYPE_BOOL);
}

static struct ty on_nullif(struct walk *w, struct scope *s, A_Expr *e)
{
	struct ty left = expr(w, s, e->lexpr), right = expr(w, s, e->rexpr);
	operate(w, e->name, left, right, false);
	left.from = NULL;
	return left;
}

/* Either one comparison by element, or an array of the elements' common type: both are asked for.
 */
static struct ty on_in(struct walk *w, struct scope *s, A_Expr *e)
{
	struct ty left = expr(w, s, e->lexpr);
	const List *members = (List *)e->rexpr;
	struct ty *types = expr_types(w, s, members);
	bool is_row = IsA(e->lexpr, RowExpr);
	for (int i = 0; types && i < list_length(members); i++) {
		bool is_same = i > 0 && !is_row && types[i].oid == types[i - 1].oid;
		if (is_row && left.row && types[i].row)
			compare_rows(w, e->name, left.row, types[i].row);
		else if (!is_same)
			operate(w, e->name, left, types[i], false);
	}
	if (types && !is_row && list_length(members) > 1) {
		struct ty *all = arena_array(w->a, (size_t)list_length(members) + 1, sizeof(*all));
		if (all) {
			memcpy(all, types, (size_t)list_length(members) * sizeof(*all));
			all[list_length(members)] = left;
			struct ty common = need_common(w, all, list_length(members) + 1);
			if (common.oid)
				operate(w, e->name, left, common, false);
		}
	}
	return T(TYPE_BOOL);
}

static struct ty on_like(struct walk *w, struct scope *s, A_Expr *e)
{
	struct ty left = expr(w, s, e->lexpr);
	operate(w, e->name, left, expr(w, s, e->rexpr), false);
	return T(TYPE_BOOL);
}

/* SYMMETRIC compares both ways: all of it is asked for in every case. */
static struct ty on_between(struct walk *w, struct scope *s, A_Expr *e)
{
	bool is_not = e->kind == AEXPR_NOT_BETWEEN || e->kind == AEXPR_NOT_BETWEEN_SYM;
	const List *ends = (List *)e->rexpr;
	struct ty of = expr(w, s, e->lexpr);
	struct ty *types = expr_types(w, s, ends);
	for (int i = 0; types && i < list_length(ends); i++) {
		operate_named(w, is_not ? "<" : ">=", of, types[i]);
		operate_named(w, is_not ? ">" : "<=", of, types[i]);
	}
	return T(TYPE_BOOL);
}

static struct ty on_a_expr(struct walk *w, struct scope *s, Node *n)
{
	static struct ty (*const kinds[])(struct walk *, struct scope *, A_Expr *) = {
	    [AEXPR_OP] = on_operator,
	    [AEXPR_OP_ANY] = on_any_all,
	    [AEXPR_OP_ALL] = on_any_all,
	    [AEXPR_DISTINCT] = on_distinct,
	    [AEXPR_NOT_DISTINCT] = on_distinct,
	    [AEXPR_NULLIF] = on_nullif,
	    [AEXPR_IN] = on_in,
	    [AEXPR_LIKE] = on_like,
	    [AEXPR_ILIKE] = on_like,
	    [AEXPR_SIMILAR] = on_like,
	    [AEXPR_BETWEEN] = on_between,
	    [AEXPR_NOT_BETWEEN] = on_between,
	    [AEXPR_BETWEEN_SYM] = on_between,
	    [AEXPR_NOT_BETWEEN_SYM] = on_between,
	};
	A_Expr *e = (A_Expr *)n;
	if ((unsigned)e->kind < ARRAY_LEN(kinds) && kinds[e->kind])
		return kinds[e->kind](w, s, e);
	walk_opaque(w, "a kind of expression that is not known");
	return UNSURE;
}

static struct ty (*const handlers[])(struct walk *, struct scope *, Node *) = {
    [T_A_Const] = on_const,
    [T_ColumnRef] = on_column,
    [T_ParamRef] = on_param,
    [T_A_Expr] = on_a_expr,
    [T_FuncCall] = on_func,
    [T_NamedArgExpr] = on_named_arg,
    [T_BoolExpr] = on_bool,
    [T_NullTest] = on_null_test,
    [T_BooleanTest] = on_boolean_test,
    [T_CollateClause] = on_collate,
    [T_RowExpr] = on_row,
    [T_CaseExpr] = on_case,
    [T_CoalesceExpr] = on_coalesce,
    [T_MinMaxExpr] = on_min_max,
    [T_A_ArrayExpr] = on_array,
    [T_GroupingFunc] = on_grouping,
    [T_List] = on_list,
    [T_SetToDefault] = on_default,
    [T_CurrentOfExpr] = on_current_of,
    [T_MultiAssignRef] = on_multi_assign,
    [T_SQLValueFunction] = on_value_function,
    [T_XmlExpr] = on_xml,
    [T_XmlSerialize] = on_xml_serialize,
    [T_TypeCast] = on_cast,
    [T_A_Indirection] = on_indirection,
    [T_SubLink] = on_sublink,
};

struct ty expr(struct walk *w, struct scope *s, Node *n)
{
	struct ty t = UNSURE;
	struct origin *own = NULL, **up = w->values;
	if (!n)
		return (struct ty){.from = &origin_none};
	w->values = &own;
	unsigned tag = (unsigned)nodeTag(n);
	if (enter(w, 1)) {
		bool allows = w->allows_set_config;
		w->allows_set_config = allows && (tag == T_FuncCall || tag == T_TypeCast);
		if (tag < ARRAY_LEN(handlers) && handlers[tag])
			t = handlers[tag](w, s, n);
		else if (json_handler((NodeTag)tag)) {
			touch_failure(w);
			t = json_handler((NodeTag)tag)(w, s, n);
		} else
			walk_opaque(w, "a kind of expression that is not known");
		w->allows_set_config = allows;
	}
	leave(w, 1);
	w->values = up;
	if (!t.from)
		t.from = origin_derived(w, own);
	touch(w, t.from);
	return t;
}

void expr_as(struct walk *w, struct scope *s, Node *n, uint32_t type)
{
	if (!n)
		return;
	struct ty t = expr(w, s, n);
	if (t.oid == 0)
		need_implicit_casts(w, 0);
	else if (t.oid != TYPE_UNKNOWN && t.oid != type)
		need_cast(w, t, type, 'a');
}

void expr_list(struct walk *w, struct scope *s, const List *l)
{
	ListCell *cell;
	foreach (cell, l)
		expr(w, s, lfirst(cell));
}

struct ty *expr_types(struct walk *w, struct scope *s, const List *l)
{
	struct ty *types = arena_array(w->a, (size_t)list_length(l), sizeof(*types));
	int i = 0;
	ListCell *cell;
	if (!types) {
		w->is_too_big = true;
		return NULL;
	}
	foreach (cell, l)
		types[i++] = expr(w, s, lfirst(cell));
	return types;
}
