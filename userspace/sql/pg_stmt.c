/* Statements by their node's kind: class, tag, needs. What the table does not name is opaque. */
#include "sql/pg_walk.h"

/* SELECT INTO keeps its rows. */
static bool is_kept(Node *n)
{
	if (!IsA(n, SelectStmt))
		return false;
	SelectStmt *s = (SelectStmt *)n;
	while (s->op != SETOP_NONE)
		s = s->larg;
	return s->intoClause != NULL;
}

static void on_query(struct walk *w, Node *n)
{
	w->allows_set_config = IsA(n, SelectStmt) && !w->is_inside;
	const struct row *r = query(w, NULL, n);
	if (is_kept(n))
		touch_row(w, r);
	else
		w->rows = r;
	w->allows_set_config = false;
	if (!w->stmt->tag)
		w->stmt->tag = IsA(n, SelectStmt)  ? "SELECT"
			       : IsA(n, MergeStmt) ? "MERGE"
						   : "INSERT";
	if (w->needs->n == 0)
		needs_plain(w->needs, VERB_SELECT, CLASS_READ, true);
}

static bool is_option_true(DefElem *d)
{
	if (!d->arg)
		return true;
	if (IsA(d->arg, Integer))
		return intVal(d->arg) != 0;
	if (IsA(d->arg, Boolean))
		return boolVal(d->arg);
	return !IsA(d->arg, String) ||
	       (strcasecmp(strVal(d->arg), "off") && strcasecmp(strVal(d->arg), "false"));
}

static void one_column(struct walk *w, struct origin *from)
{
	struct row *r = row_new(w, 0);
	row_push(w, r, (struct field){NULL, {TYPE_TEXT, .from = from}});
	w->rows = r;
	w->rows_unknown = NULL;
}

/* A plan shows constants, and statistics of all that it touches. */
static void explain_rows(struct walk *w)
{
	struct origin *all = origin_mix(w, w->predicates ? w->predicates : &origin_none, &origin_constant);
	if (w->rows)
		all = origin_mix(w, all, origin_of_row(w, w->rows));
	if (w->rows_unknown)
		all = origin_unknown(w, "%s", w->rows_unknown);
	one_column(w, origin_derived(w, all));
}

/* The statement inside is planned, and so its immutable functions run: its needs in any case. */
static void on_explain(struct walk *w, Node *n)
{
	ExplainStmt *e = (ExplainStmt *)n;
	bool is_run = false;
	ListCell *cell;
	foreach (cell, e->options) {
		DefElem *d = lfirst(cell);
		if (!strcmp(d->defname, "analyze"))
			is_run |= is_option_true(d);
	}
	w->is_inside = true;
	if (enter(w, 4))
		statement(w, e->query);
	leave(w, 4);
	explain_rows(w);
	/* A write that is only planned is none; a function of its own may run at planning all the
	 * same. */
	if (!is_run && !w->needs->is_untransactional)
		w->needs->is_write = false;
	if (w->stmt->kind != SQL_EXECUTE) {
		w->stmt->kind = SQL_OTHER;
		w->stmt->name = NULL;
	}
	w->stmt->tag = "EXPLAIN";
}

/* COPY of a table: its columns, or those that are listed. Generated ones are left out. */
static void copy_rows(struct walk *w, const CopyStmt *c, const struct cat_relation *r)
{
	const struct row *all = r ? row_of_relation(w, r) : row_new(w, 0);
	struct row *out = row_new(w, 0);
	ListCell *cell;
	for (int i = 0; r && c->attlist == NIL && i < all->n; i++)
		if (!r->columns[i].is_generated)
			row_push(w, out, all->at[i]);
	foreach (cell, c->attlist) {
		const struct field *f = row_find(all, strVal(lfirst(cell)));
		row_push(w, out, f ? *f : (struct field){.name = NULL});
	}
	out->is_open |= !r;
	w->rows = out;
}

static void on_copy(struct walk *w, Node *n)
{
	CopyStmt *c = (CopyStmt *)n;
	const struct cat_relation *r = NULL;
	bool is_temp;
	ListCell *cell;
	w->stmt->tag = "COPY";
	w->stmt->class = CLASS_COPY;
	if (c->query) {
		w->rows = query(w, NULL, c->query);
		if (w->needs->n == 0)
			needs_plain(w->needs, VERB_SELECT, CLASS_COPY, true);
	} else {
		const char **names =
		    arena_array(w->a, (size_t)list_length(c->attlist), sizeof(*names));
		struct need need = {.verb = c->is_from ? VERB_INSERT : VERB_SELECT,
				    .class = CLASS_COPY,
				    .columns = names};
		if (names && c->is_from)
			foreach (cell, c->attlist)
				names[need.n_columns++] = strVal(lfirst(cell));
		r = need_relation(w, c->relation, need, &is_temp);
		struct scope s = {.up = NULL};
		scope_add(w, &s, c->relation->relname, r ? row_of_relation(w, r) : row_new(w, 0));
		expr_as(w, &s, c->whereClause, TYPE_BOOL);
		if (!c->is_from)
			copy_rows(w, c, is_temp ? NULL : r);
	}
	if (c->is_from)
		w->needs->is_write = true;
	if (c->filename || c->is_program) {
		static const struct sql_copy to_file = {.why = "COPY into a file or program of the server"};
		w->stmt->copy = c->is_from ? NULL : &to_file;
		needs_add(w->needs,
			  &(struct need){.kind = NEED_PLAIN,
					 .verb = VERB_COPY_FILE,
					 .class = CLASS_ADMIN,
					 .why = c->is_program ? "runs a program on the server"
							      : "a file of the server"});
		w->needs->is_write = w->needs->is_untransactional = true;
	} else {
		w->stmt->kind = c->is_from ? SQL_COPY_IN : SQL_COPY_OUT;
		w->stmt->copy = c->is_from ? NULL : copy_form(w, c, r);
	}
	w->stmt->class = CLASS_COPY;
}

static void on_prepare(struct walk *w, Node *n)
{
	PrepareStmt *p = (PrepareStmt *)n;
	int count = list_length(p->argtypes), i = 0;
	uint32_t *types = arena_array(w->a, (size_t)count, sizeof(*types));
	ListCell *cell;
	if (!types)
		return;
	foreach (cell, p->argtypes) {
		types[i] = type_named(w, lfirst(cell)).oid;
		need_type_input(w, types[i++]);
	}
	w->params = types;
	w->n_params = count;
	w->is_inside = true;
	if (enter(w, 4))
		statement(w, p->query);
	leave(w, 4);
	w->params = w->session->param_types;
	w->n_params = w->session->n_param_types;
	w->stmt->kind = SQL_PREPARE;
	w->stmt->name = p->name;
	w->stmt->value = NULL;
	w->stmt->tag = "PREPARE";
	w->stmt->n_params = MAX(w->max_param, count);
}

static void on_execute(struct walk *w, Node *n)
{
	ExecuteStmt *e = (ExecuteStmt *)n;
	struct scope s = {.up = NULL};
	ListCell *cell;
	foreach (cell, e->params) /* they become what PREPARE has declared */
		need_assignment_casts(w, expr(w, &s, lfirst(cell)).oid);
	w->stmt->kind = SQL_EXECUTE;
	w->stmt->name = e->name;
	w->stmt->tag = "EXECUTE";
	w->rows_unknown = "the rows of a prepared statement";
	w->stmt->class = CLASS_SESSION;
	needs_plain(w->needs, VERB_PREPARE, CLASS_SESSION, true);
}

static void session(struct walk *w, enum sql_kind kind, const char *tag, const char *name)
{
	w->stmt->kind = kind;
	w->stmt->tag = tag;
	w->stmt->name = name;
	w->stmt->class = CLASS_SESSION;
	needs_plain(w->needs, VERB_PREPARE, CLASS_SESSION, true);
}

static void on_deallocate(struct walk *w, Node *n)
{
	session(w, SQL_DEALLOCATE, "DEALLOCATE", ((DeallocateStmt *)n)->name);
}

static void on_discard(struct walk *w, Node *n)
{
	session(w, SQL_DISCARD, "DISCARD", NULL);
	if (((DiscardStmt *)n)->target == DISCARD_ALL) /* SET SESSION AUTHORIZATION DEFAULT is in it */
		needs_add(w->needs, &(struct need){.kind = NEED_SETTING,
						   .verb = VERB_SET,
						   .class = CLASS_SESSION,
						   .name = "session_authorization",
						   .is_implied = true});
}

static void on_declare(struct walk *w, Node *n)
{
	DeclareCursorStmt *d = (DeclareCursorStmt *)n;
	w->rows = query(w, NULL, d->query);
	if (w->needs->n == 0)
		needs_plain(w->needs, VERB_SELECT, CLASS_READ, true);
	w->stmt->kind = SQL_DECLARE_CURSOR;
	w->stmt->name = d->portalname;
	w->stmt->tag = "DECLARE CURSOR";
}

static void on_fetch(struct walk *w, Node *n)
{
	FetchStmt *f = (FetchStmt *)n;
	session(w, SQL_FETCH, f->ismove ? "MOVE" : "FETCH", f->portalname);
	if (!f->ismove)
		w->rows_unknown = "the rows of a cursor";
}

static void on_close(struct walk *w, Node *n)
{
	session(w, SQL_FETCH, "CLOSE", ((ClosePortalStmt *)n)->portalname);
}

static void on_call(struct walk *w, Node *n)
{
	FuncCall *f = ((CallStmt *)n)->funccall;
	struct scope s = {.up = NULL};
	const char *schema, *name = name_parts(f->funcname, &schema);
	int found = 0;
	const struct cat_function *const *all = cat_functions(w->c, name, &found);
	expr_list(w, &s, f->args);
	struct need need = {
	    .kind = NEED_FUNCTION, .verb = VERB_CALL, .class = CLASS_PROCEDURAL, .name = name};
	for (int i = 0; i < found; i++) {
		bool is_reachable = schema && !strcmp(all[i]->schema->name, schema);
		for (int k = 0; !schema && k < w->path->n; k++)
			is_reachable |= w->path->at[k] == all[i]->schema;
		need.schema = all[i]->schema->name;
		if (is_reachable)
			needs_add(w->needs, &need);
	}
	need.schema = schema;
	need.why = "no such procedure is known";
	if (w->needs->n == 0)
		needs_add(w->needs, &need);
	w->stmt->tag = "CALL";
	w->rows_unknown = "the results of a procedure";
	w->stmt->class = CLASS_PROCEDURAL;
	w->needs->is_write = w->needs->is_untransactional = true;
}

static void on_do(struct walk *w, Node *n)
{
	needs_plain(w->needs, VERB_DO, CLASS_PROCEDURAL, false);
	w->stmt->tag = "DO";
	w->stmt->class = CLASS_PROCEDURAL;
	w->needs->is_write = w->needs->is_untransactional = true;
}

static void on_show(struct walk *w, Node *n)
{
	struct row *r = row_new(w, strcmp(((VariableShowStmt *)n)->name, "all") ? 1 : 3);
	for (int i = 0; i < r->n; i++)
		r->at[i].ty = (struct ty){TYPE_TEXT, .from = &origin_none};
	w->rows = r;
	w->stmt->tag = "SHOW";
	w->stmt->class = CLASS_SESSION;
	needs_add(w->needs, &(struct need){.kind = NEED_PLAIN,
					   .verb = VERB_SHOW,
					   .class = CLASS_SESSION,
					   .name = ((VariableShowStmt *)n)->name,
					   .is_implied = true});
}

static void on_listen(struct walk *w, Node *n)
{
	bool is_un = IsA(n, UnlistenStmt);
	w->stmt->tag = is_un ? "UNLISTEN" : "LISTEN";
	w->stmt->class = CLASS_SESSION;
	needs_add(w->needs, &(struct need){.kind = NEED_OBJECT,
					   .verb = VERB_LISTEN,
					   .class = CLASS_SESSION,
					   .name = is_un ? ((UnlistenStmt *)n)->conditionname
							 : ((ListenStmt *)n)->conditionname,
					   .is_implied = is_un});
}

static void on_notify(struct walk *w, Node *n)
{
	w->stmt->tag = "NOTIFY";
	w->stmt->class = CLASS_WRITE;
	w->needs->is_write = true;
	needs_add(w->needs, &(struct need){.kind = NEED_OBJECT,
					   .verb = VERB_NOTIFY,
					   .class = CLASS_WRITE,
					   .name = ((NotifyStmt *)n)->conditionname});
}

static void on_relations(struct walk *w, const List *relations, enum verb v, const char *tag)
{
	bool is_temp;
	ListCell *cell;
	foreach (cell, relations)
		need_relation(w, lfirst(cell), (struct need){.verb = v, .class = CLASS_WRITE},
			      &is_temp);
	w->stmt->tag = tag;
	w->stmt->class = CLASS_WRITE;
	w->needs->is_write = true;
}

static void on_truncate(struct walk *w, Node *n)
{
	on_relations(w, ((TruncateStmt *)n)->relations, VERB_TRUNCATE, "TRUNCATE TABLE");
}

static void on_lock(struct walk *w, Node *n)
{
	on_relations(w, ((LockStmt *)n)->relations, VERB_LOCK, "LOCK TABLE");
}

static void (*const handlers[])(struct walk *, Node *) = {
    [T_SelectStmt] = on_query,
    [T_InsertStmt] = on_query,
    [T_UpdateStmt] = on_query,
    [T_DeleteStmt] = on_query,
    [T_MergeStmt] = on_query,
    [T_ExplainStmt] = on_explain,
    [T_CopyStmt] = on_copy,
    [T_PrepareStmt] = on_prepare,
    [T_ExecuteStmt] = on_execute,
    [T_DeallocateStmt] = on_deallocate,
    [T_DiscardStmt] = on_discard,
    [T_DeclareCursorStmt] = on_declare,
    [T_FetchStmt] = on_fetch,
    [T_ClosePortalStmt] = on_close,
    [T_CallStmt] = on_call,
    [T_DoStmt] = on_do,
    [T_VariableSetStmt] = on_set,
    [T_VariableShowStmt] = on_show,
    [T_TransactionStmt] = on_transaction,
    [T_ListenStmt] = on_listen,
    [T_UnlistenStmt] = on_listen,
    [T_NotifyStmt] = on_notify,
    [T_TruncateStmt] = on_truncate,
    [T_LockStmt] = on_lock,
};

void statement(struct walk *w, Node *n)
{
	unsigned tag = (unsigned)nodeTag(n);
	if (tag < ARRAY_LEN(handlers) && handlers[tag])
		handlers[tag](w, n);
	else
		on_ddl(w, n);
}
