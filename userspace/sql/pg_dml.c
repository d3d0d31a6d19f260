#include "sql/pg_walk.h"

/* RETURNING reads the target. */
static const struct row *returning(struct walk *w, struct scope *s, const RangeVar *target,
				   const List *l)
{
	bool is_temp;
	if (l == NIL)
		return row_new(w, 0);
	need_relation(w, target, (struct need){.verb = VERB_SELECT, .class = CLASS_READ}, &is_temp);
	return target_list(w, s, l);
}

/* Which of its branches wrote what MERGE returns cannot be told: any value may be in any column. */
static const struct row *merge_returning(struct walk *w, struct scope *s, const MergeStmt *n)
{
	const struct row *r = returning(w, s, n->relation, MERGE_RETURNING(n));
	for (int i = 0; i < r->n; i++)
		r->at[i].ty.from =
		    origin_mix(w, r->at[i].ty.from, w->predicates ? w->predicates : &origin_none);
	return r;
}

/* Values into columns: an assignment may call a cast's function. What the column shows from now on
 * is as much the value's as its own. */
static void assign(struct walk *w, const struct member *target, const char *column, struct ty value)
{
	struct field *f = (struct field *)(uintptr_t)row_find(target->row, column);
	bool is_own = value.from && value.from->kind != ORIGIN_UNKNOWN && /* the statement's: of no relation */
		      !(value.from->holds & (HOLDS_COLUMN | HOLDS_DEFINITION | HOLDS_CYCLE));
	if (f && !is_own) {
		f->ty.from = origin_same(w, f->ty.from, value.from);
		((struct member *)(uintptr_t)target)->whole.from = NULL;
	}
	if (f && value.oid != f->ty.oid && value.oid != TYPE_UNKNOWN)
		need_cast(w, value, f->ty.oid, 'a');
}

static void set_clause(struct walk *w, struct scope *s, const struct member *target, const List *l)
{
	struct origin *several = &origin_none;
	ListCell *cell, *step;
	foreach (cell, l) {
		ResTarget *t = lfirst(cell);
		struct ty value = expr(w, s, t->val);
		foreach (step, t->indirection)
			if (IsA(lfirst(step), A_Indices)) {
				expr(w, s, ((A_Indices *)lfirst(step))->lidx);
				expr(w, s, ((A_Indices *)lfirst(step))->uidx);
			}
		/* (a, b) = (SELECT ...): any of them may be of all of it. */
		if (IsA(t->val, MultiAssignRef) && ((MultiAssignRef *)t->val)->colno > 1)
			value.from = several;
		several = value.from;
		if (t->indirection != NIL)
			value.oid = TYPE_UNKNOWN;
		if (!IsA(t->val, SetToDefault))
			assign(w, target, t->name, value);
	}
}

static void insert_values(struct walk *w, const struct member *target, const List *columns,
			  const struct row *r)
{
	touch_row(w, r);
	for (int i = 0; i < r->n; i++) {
		const char *name = NULL;
		if (columns != NIL && i < list_length(columns))
			name = ((ResTarget *)list_nth(columns, i))->name;
		else if (columns == NIL && i < target->row->n)
			name = target->row->at[i].name;
		if (name)
			assign(w, target, name, r->at[i].ty);
	}
}

static void on_conflict(struct walk *w, struct scope *s, struct member *target, InsertStmt *n)
{
	OnConflictClause *c = n->onConflictClause;
	ListCell *cell;
	if (!c)
		return;
	if (c->infer) {
		foreach (cell, c->infer->indexElems)
			expr(w, s, ((IndexElem *)lfirst(cell))->expr);
		expr_as(w, s, c->infer->whereClause, TYPE_BOOL);
	}
	if (c->action != ONCONFLICT_UPDATE)
		return;
	struct scope inner = {.up = s->up, .ctes = s->ctes};
	target_relation(w, &inner, n->relation, VERB_UPDATE, c->targetList);
	struct member *excluded = scope_add(w, &inner, "excluded", target->row);
	excluded->whole = target->whole;
	excluded->shows_columns = false;
	set_clause(w, &inner, target, c->targetList);
	expr_as(w, &inner, c->whereClause, TYPE_BOOL);
}

static void dml_tag(struct walk *w, const struct scope *up, const char *tag)
{
	w->stmt->class = MAX(w->stmt->class, CLASS_WRITE);
	if (!up && !w->stmt->tag)
		w->stmt->tag = tag;
}

const struct row *insert_query(struct walk *w, struct scope *up, InsertStmt *n)
{
	struct scope with = {.up = up}, s = {.up = &with};
	const struct row *out = NULL;
	dml_tag(w, up, "INSERT");
	if (enter(w, 4)) {
		with_clause(w, &with, n->withClause);
		struct member *target = target_relation(w, &s, n->relation, VERB_INSERT, n->cols);
		if (n->selectStmt)
			insert_values(w, target, n->cols,
				      select_query(w, &with, (SelectStmt *)n->selectStmt));
		on_conflict(w, &s, target, n);
		out = returning(w, &s, n->relation, RETURNING_OF(n));
	}
	leave(w, 4);
	return out ? out : row_new(w, 0);
}

const struct row *update_query(struct walk *w, struct scope *up, UpdateStmt *n)
{
	struct scope with = {.up = up}, s = {.up = &with};
	const struct row *out = NULL;
	dml_tag(w, up, "UPDATE");
	if (enter(w, 4)) {
		with_clause(w, &with, n->withClause);
		struct member *target =
		    target_relation(w, &s, n->relation, VERB_UPDATE, n->targetList);
		from_clause(w, &s, n->fromClause);
		set_clause(w, &s, target, n->targetList);
		expr_as(w, &s, n->whereClause, TYPE_BOOL);
		out = returning(w, &s, n->relation, RETURNING_OF(n));
	}
	leave(w, 4);
	return out ? out : row_new(w, 0);
}

const struct row *delete_query(struct walk *w, struct scope *up, DeleteStmt *n)
{
	struct scope with = {.up = up}, s = {.up = &with};
	const struct row *out = NULL;
	dml_tag(w, up, "DELETE");
	if (enter(w, 4)) {
		with_clause(w, &with, n->withClause);
		target_relation(w, &s, n->relation, VERB_DELETE, NIL);
		from_clause(w, &s, n->usingClause);
		expr_as(w, &s, n->whereClause, TYPE_BOOL);
		out = returning(w, &s, n->relation, RETURNING_OF(n));
	}
	leave(w, 4);
	return out ? out : row_new(w, 0);
}

static void merge_when(struct walk *w, struct scope *s, MergeStmt *n, MergeWhenClause *c)
{
	bool is_temp;
	ListCell *cell;
	const struct member *target = s->sources;
	expr_as(w, s, c->condition, TYPE_BOOL);
	if (c->commandType == CMD_DELETE) {
		need_relation(w, n->relation,
			      (struct need){.verb = VERB_DELETE, .class = CLASS_WRITE}, &is_temp);
	} else if (c->commandType == CMD_UPDATE || c->commandType == CMD_INSERT) {
		struct scope into = {.up = NULL};
		enum verb v = c->commandType == CMD_UPDATE ? VERB_UPDATE : VERB_INSERT;
		target = target_relation(w, &into, n->relation, v, c->targetList);
		if (v == VERB_UPDATE)
			set_clause(w, s, target, c->targetList);
		int i = 0;
		foreach (cell, c->values) {
			struct ty value = expr(w, s, lfirst(cell));
			if (c->targetList == NIL && i < target->row->n)
				assign(w, target, target->row->at[i].name, value);
			else if (i < list_length(c->targetList))
				assign(w, target, ((ResTarget *)list_nth(c->targetList, i))->name,
				       value);
			i++;
		}
	}
}

static bool merge_has(const MergeStmt *n, CmdType a, CmdType b)
{
	ListCell *cell;
	foreach (cell, n->mergeWhenClauses) {
		CmdType t = ((MergeWhenClause *)lfirst(cell))->commandType;
		if (t == a || t == b)
			return true;
	}
	return false;
}

/* DO NOTHING alone: it still takes the lock of one who writes. */
static void merge_nothing(struct walk *w, MergeStmt *n)
{
	bool is_temp;
	need_relation(w, n->relation, (struct need){.verb = VERB_UPDATE, .class = CLASS_WRITE},
		      &is_temp);
}

const struct row *merge_query(struct walk *w, struct scope *up, MergeStmt *n)
{
	struct scope with = {.up = up}, s = {.up = &with};
	const struct row *out = NULL;
	ListCell *cell;
	dml_tag(w, up, "MERGE");
	if (enter(w, 4)) {
		with_clause(w, &with, n->withClause);
		w->needs->is_write = true;
		from_item(w, &s, n->sourceRelation);
		/* The condition belongs to its UPDATE or DELETE; without one the target is read. */
		read_target(w, &s, n->relation, !merge_has(n, CMD_UPDATE, CMD_DELETE));
		if (!merge_has(n, CMD_UPDATE, CMD_DELETE) && !merge_has(n, CMD_INSERT, CMD_INSERT))
			merge_nothing(w, n);
		expr_as(w, &s, n->joinCondition, TYPE_BOOL);
		foreach (cell, n->mergeWhenClauses)
			merge_when(w, &s, n, lfirst(cell));
		out = merge_returning(w, &s, n);
	}
	leave(w, 4);
	return out ? out : row_new(w, 0);
}
