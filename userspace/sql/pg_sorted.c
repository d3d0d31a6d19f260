/* By what a role with masks may sort although it is a definition of the catalogue
 * (builtin_is_definition), so that psql's \da, \df and \d of a partitioned table work. Anything
 * else would be an oracle: whoever sorts a definition among values of their own, or by a piece of
 * it, finds by and by what stands in it. These keys leave no such choice: the arguments of whole
 * functions, among those of the functions that there are; and whether a bound is the default one.
 */
#include "sql/pg_walk.h"

static bool is_called(const Node *n, const char *name, int n_args)
{
	const FuncCall *f = (const FuncCall *)n;
	return n && IsA(n, FuncCall) && !strcmp(strVal(llast(f->funcname)), name) &&
	       list_length(f->args) == n_args;
}

/* Is an argument a column, and nothing in it but what is allowed? A number that is computed of one
 * definition would pick which other one is sorted by. */
static bool is_column(struct walk *w, struct scope *s, const Node *call, int i, uint8_t allowed)
{
	Node *arg = list_nth(((const FuncCall *)call)->args, i);
	struct origin *own = NULL, **up = w->values;
	if (!IsA(arg, ColumnRef))
		return false;
	w->values = &own;
	struct ty t = expr(w, s, arg);
	w->values = up;
	return !(t.from->holds & ~allowed);
}

/* Cast or not. */
static bool is_text(const Node *n, const char *text)
{
	while (n && IsA(n, TypeCast))
		n = ((const TypeCast *)n)->arg;
	const A_Const *c = (const A_Const *)n;
	return n && IsA(n, A_Const) && !c->isnull && IsA(&c->val, String) &&
	       !strcmp(strVal(&c->val), text);
}

static bool is_arguments(struct walk *w, struct scope *s, const Node *n)
{
	return is_called(n, "pg_get_function_arguments", 1) && is_column(w, s, n, 0, 0);
}

/* \da says '*' of an aggregate without arguments. */
static bool is_case_of_arguments(struct walk *w, struct scope *s, const CaseExpr *e)
{
	const ListCell *cell;
	foreach (cell, e->args)
		if (!is_text((const Node *)((const CaseWhen *)lfirst(cell))->result, "*"))
			return false;
	return is_arguments(w, s, (const Node *)e->defresult);
}

static bool is_default_bound(struct walk *w, struct scope *s, const A_Expr *e)
{
	return e->kind == AEXPR_OP && !strcmp(strVal(llast(e->name)), "=") &&
	       is_text(e->rexpr, "DEFAULT") && is_called(e->lexpr, "pg_get_expr", 2) &&
	       is_column(w, s, e->lexpr, 0, HOLDS_DEFINITION) && is_column(w, s, e->lexpr, 1, 0);
}

static bool is_star(const Node *n)
{
	return n && IsA(n, ColumnRef) && IsA(llast(((const ColumnRef *)n)->fields), A_Star);
}

/* What a number in ORDER BY stands for; NULL where a star moves the numbers. */
static const Node *target_at(const List *targets, int number)
{
	const ListCell *cell;
	foreach (cell, targets)
		if (is_star(((const ResTarget *)lfirst(cell))->val))
			return NULL;
	return number >= 1 && number <= list_length(targets)
		   ? ((const ResTarget *)list_nth(targets, number - 1))->val
		   : NULL;
}

bool sorts_definition(struct walk *w, struct scope *s, const SelectStmt *n, const SortBy *by,
		      const struct origin *key)
{
	const Node *k = by->node;
	if (!key || n->op != SETOP_NONE || !(key->holds & HOLDS_DEFINITION))
		return false;
	const A_Const *c = (const A_Const *)k;
	if (IsA(k, A_Const) && !c->isnull && IsA(&c->val, Integer))
		k = target_at(n->targetList, intVal(&c->val));
	if (k && IsA(k, A_Expr))
		return !(key->holds & ~(HOLDS_DEFINITION | HOLDS_FAILURE)) &&
		       is_default_bound(w, s, (const A_Expr *)k);
	if (key->holds & ~HOLDS_DEFINITION)
		return false;
	return k && IsA(k, CaseExpr) ? is_case_of_arguments(w, s, (const CaseExpr *)k)
				     : is_arguments(w, s, k);
}
