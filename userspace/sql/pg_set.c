/* SET, RESET, SHOW's siblings, set_config and transaction control: what they change of the session,
 * and which of it is harmless. */
#include "sql/pg_walk.h"

#include <strings.h>

static const char *lower(struct arena *a, const char *s)
{
	char *copy = arena_str(a, s);
	for (char *p = copy; p && *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	return copy ? copy : "";
}

static bool is_true(const char *v)
{
	static const char *const words[] = {"on", "true", "t", "yes", "y", "1", "tru", "tr", "ye"};
	for (size_t i = 0; v && i < ARRAY_LEN(words); i++)
		if (!strcasecmp(v, words[i]))
			return true;
	return false;
}

static bool is_followed_encoding(const char *v)
{
	static const char *const names[] = {"utf8", "utf-8", "unicode", "sql_ascii", "sqlascii"};
	for (size_t i = 0; v && i < ARRAY_LEN(names); i++)
		if (!strcasecmp(v, names[i]))
			return true;
	return false;
}

/* is_known: value is what the setting will be; else it is computed. NULL: its default. */
static void need_setting(struct walk *w, const char *name, const char *value, bool is_known)
{
	bool is_implied = false;
	switch (builtin_setting(name)) {
	case SETTING_HARMLESS:
		is_implied = is_known;
		break;
	case SETTING_NARROW:
		is_implied = is_known && value && is_true(value);
		break;
	case SETTING_ENCODING:
		is_implied = is_known && (!value || is_followed_encoding(value));
		if (!is_implied)
			needs_opaque(w->needs,
				     "a client encoding that the gateway's parser does not follow");
		break;
	case SETTING_STRINGS:
		is_implied = is_known && (!value || is_true(value));
		if (!is_implied)
			needs_opaque(
			    w->needs,
			    "string literals that the gateway's parser would read otherwise");
		break;
	case SETTING_IDENTITY:
		needs_opaque(
		    w->needs,
		    "another user: rights and names would no longer be those that were looked up");
		break;
	default:
		break;
	}
	needs_add(w->needs, &(struct need){.kind = NEED_SETTING,
					   .verb = VERB_SET,
					   .class = CLASS_SESSION,
					   .name = name,
					   .is_implied = is_implied});
}

static const char *literal(struct walk *w, const A_Const *c)
{
	w->needs->reads_numbers = true;
	if (c->isnull)
		return NULL;
	switch (nodeTag(&c->val)) {
	case T_Integer:
		return arena_printf(w->needs->a, "%d", intVal(&c->val));
	case T_Float:
		return arena_str(w->needs->a, c->val.fval.fval);
	case T_Boolean:
		return boolVal(&c->val) ? "on" : "off";
	default:
		return arena_str(w->needs->a, strVal(&c->val));
	}
}

static const A_Const *constant(Node *n)
{
	if (n && IsA(n, TypeCast))
		n = ((TypeCast *)n)->arg;
	return n && IsA(n, A_Const) ? (A_Const *)n : NULL;
}

/* As the server stores a list of names: each quoted that needs it. */
static const char *quoted(struct walk *w, const char *name)
{
	bool is_plain = *name == '_' || (*name >= 'a' && *name <= 'z');
	size_t n = 0, len = strlen(name);
	for (const char *p = name; *p; p++)
		is_plain &= *p == '_' || (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9');
	if (is_plain)
		return name;
	char *q = arena_alloc(w->needs->a, 2 * len + 3);
	if (!q)
		return name;
	q[n++] = '"';
	for (const char *p = name; *p; p++) {
		if (*p == '"')
			q[n++] = '"';
		q[n++] = *p;
	}
	q[n] = '"';
	return q;
}

/* The value of SET name = a, b as text; NULL where it is no literal. */
static const char *set_value(struct walk *w, const VariableSetStmt *v, bool *ret_known)
{
	bool is_list = !strcasecmp(v->name, "search_path");
	const char *text = NULL;
	ListCell *cell;
	*ret_known = true;
	foreach (cell, v->args) {
		const A_Const *c = constant(lfirst(cell));
		const char *one = c ? literal(w, c) : NULL;
		if (!one) {
			*ret_known = false;
			return NULL;
		}
		if (is_list)
			one = quoted(w, one);
		text = text ? arena_printf(w->needs->a, "%s, %s", text, one) : one;
	}
	return text;
}

static void remember(struct walk *w, const char *name, const char *value, bool is_local)
{
	w->stmt->kind = SQL_SET;
	w->stmt->name = name;
	w->stmt->value = value;
	w->stmt->is_local = is_local;
}

static void transaction_options(struct walk *w, const List *options)
{
	bool is_wide = false;
	ListCell *cell;
	foreach (cell, options) {
		DefElem *d = lfirst(cell);
		const A_Const *c = constant(d->arg);
		const char *v = c ? literal(w, c) : NULL;
		if (!strcmp(d->defname, "transaction_read_only"))
			is_wide |= !v || !(is_true(v) || (!strcmp(v, "1")));
		else
			is_wide |= strcmp(d->defname, "transaction_isolation") != 0 &&
				   strcmp(d->defname, "transaction_deferrable") != 0;
	}
	needs_plain(w->needs, VERB_TRANSACTION, is_wide ? CLASS_WRITE : CLASS_TRANSACTION,
		    !is_wide);
}

/* SET TRANSACTION, SET SESSION CHARACTERISTICS, SET TRANSACTION SNAPSHOT. */
static void set_several(struct walk *w, const VariableSetStmt *v)
{
	w->stmt->class = CLASS_TRANSACTION;
	if (!strcmp(v->name, "TRANSACTION") || !strcmp(v->name, "SESSION CHARACTERISTICS"))
		transaction_options(w, v->args);
	else
		needs_plain(w->needs, VERB_TRANSACTION, CLASS_WRITE, false);
	remember(w, lower(w->needs->a, v->name), NULL, false);
}

void on_set(struct walk *w, Node *n)
{
	VariableSetStmt *v = (VariableSetStmt *)n;
	bool is_known = true;
	w->stmt->class = CLASS_SESSION;
	w->stmt->tag = v->kind == VAR_RESET || v->kind == VAR_RESET_ALL ? "RESET" : "SET";
	if (v->kind == VAR_SET_MULTI) {
		set_several(w, v);
		return;
	}
	if (v->kind == VAR_RESET_ALL) {
		remember(w, NULL, NULL, false);
		needs_add(w->needs, &(struct need){.kind = NEED_SETTING,
						   .verb = VERB_SET,
						   .class = CLASS_SESSION,
						   .is_implied = true});
		return;
	}
	const char *name = lower(w->needs->a, v->name), *value = NULL;
	if (v->kind == VAR_SET_VALUE)
		value = set_value(w, v, &is_known);
	else if (v->kind == VAR_SET_CURRENT)
		is_known = false;
	bool is_default = v->kind == VAR_SET_DEFAULT || v->kind == VAR_RESET;
	bool is_harmless_default = is_default && builtin_setting(name) == SETTING_NARROW;
	need_setting(w, name, value, is_known && !is_harmless_default);
	if (!is_known && !strcmp(name, "search_path"))
		needs_opaque(w->needs, "sets search_path to what is not in the text");
	remember(w, name, value, v->is_local);
}

static bool is_false(const char *v)
{
	static const char *const words[] = {"off", "false", "f", "no", "n", "0"};
	for (size_t i = 0; v && i < ARRAY_LEN(words); i++)
		if (!strcasecmp(v, words[i]))
			return true;
	return false;
}

/* Is the i-th argument of set_config just what its text says? A cast may make another value of it:
 * 'a, b'::varchar(1), 2::bool. */
static bool is_exact(struct walk *w, Node *n, int i)
{
	const TypeCast *cast = n && IsA(n, TypeCast) ? (TypeCast *)n : NULL;
	const A_Const *c = constant(n);
	if (!c || c->isnull)
		return false;
	if (cast && (cast->typeName->typmods != NIL ||
		     type_named(w, cast->typeName).oid != (i < 2 ? TYPE_TEXT : TYPE_BOOL)))
		return false;
	if (i < 2 || IsA(&c->val, String))
		return IsA(&c->val, String) &&
		       (i < 2 || is_true(strVal(&c->val)) || is_false(strVal(&c->val)));
	return IsA(&c->val, Boolean);
}

/* The arguments of a call of set_config. */
struct config {
	const char *args[3]; /* name, value, is_local: literals */
	bool is_exact[3];
	bool is_bound; /* the value is a bound parameter */
};

static bool is_column(const Node *n, const char *name)
{
	const ColumnRef *c = (const ColumnRef *)n;
	if (!n || !IsA(n, ColumnRef) || list_length(c->fields) != 1)
		return false;
	const Node *field = linitial(c->fields);
	return IsA(field, String) && !strcmp(strVal(field), name);
}

/* Is = between two texts PostgreSQL's own here? */
static bool is_text_equality(struct walk *w, const A_Expr *e)
{
	const uint32_t types[] = {TYPE_TEXT, TYPE_TEXT};
	struct call call = {.types = types, .n = 2};
	struct resolved r;
	if (e->kind != AEXPR_OP)
		return false;
	call.name = name_parts(e->name, &call.schema);
	bool is = !strcmp(call.name, "=") && !resolve_operator(w->c, w->path, &call, w->tmp, &r) && r.one &&
		  r.one->function && r.one->function->oid < CAT_FIRST_USER_OID &&
		  !strcmp(r.one->function->name, "texteq");
	arena_reset(w->tmp);
	return is;
}

/* The view under its own name: there is no other column of that name. */
static bool is_pg_settings(const struct scope *s, const SelectStmt *n)
{
	const struct member *m = s->sources;
	if (s->up || list_length(n->fromClause) != 1 || !IsA(linitial(n->fromClause), RangeVar) || !m || m->next ||
	    m->has_alias || m->is_temp)
		return false;
	return m->relation && m->relation->is_system && !strcmp(m->relation->name, "pg_settings") &&
	       !strcmp(m->relation->schema->name, "pg_catalog");
}

const char *setting_selected(struct walk *w, const struct scope *s, const SelectStmt *n)
{
	const A_Expr *e = (const A_Expr *)n->whereClause;
	if (!e || !IsA(e, A_Expr) || !is_pg_settings(s, n) || !is_column(e->lexpr, "name") || !e->rexpr ||
	    !IsA(e->rexpr, A_Const) || !is_text_equality(w, e))
		return NULL;
	const A_Const *c = (const A_Const *)e->rexpr;
	return !c->isnull && IsA(&c->val, String) ? strVal(&c->val) : NULL;
}

/* In their places or by their names. False: something is computed. */
static bool config_arguments(struct walk *w, FuncCall *f, struct config *ret)
{
	static const char *const names[] = {"setting_name", "new_value", "is_local"};
	int at = 0;
	ListCell *cell;
	foreach (cell, f->args) {
		Node *arg = lfirst(cell);
		int i = at++;
		if (IsA(arg, NamedArgExpr)) {
			for (i = 0; i < 3 && strcmp(names[i], ((NamedArgExpr *)arg)->name); i++)
				;
			arg = (Node *)((NamedArgExpr *)arg)->arg;
		}
		if (i == 0 && w->setting && is_column(arg, "name")) {
			ret->args[i] = w->setting;
			ret->is_exact[i] = true;
			continue;
		}
		const A_Const *c = constant(arg);
		bool is_bound = i == 1 && IsA(arg, ParamRef);
		ret->is_bound |= is_bound;
		if (i >= 3 || (!is_bound && (!c || c->isnull)))
			return false;
		ret->args[i] = c ? literal(w, c) : NULL;
		ret->is_exact[i] = is_exact(w, arg, i);
	}
	return ret->args[0] && (ret->args[1] || ret->is_bound) && ret->args[2];
}

void set_config_call(struct walk *w, FuncCall *f)
{
	struct config c = {.is_bound = false};
	bool is_known = config_arguments(w, f, &c);
	if (!c.args[0] || !c.is_exact[0]) {
		needs_opaque(w->needs, "sets a parameter whose name is computed");
		return;
	}
	const char *name = lower(w->needs->a, c.args[0]);
	if (!c.is_exact[1] && builtin_setting(name) != SETTING_HARMLESS)
		is_known = false;
	if (!strcmp(name, "search_path")) {
		/* Names hang on it: that it runs must be certain, and once only, and to what. */
		if (!is_known || !c.is_exact[1] || !c.is_exact[2] || !w->allows_set_config) {
			needs_opaque(w->needs, "sets search_path where it cannot be followed");
			return;
		}
	}
	need_setting(w, name, c.args[1], is_known);
	if (w->stmt->kind != SQL_SET)
		remember(w, name, is_known ? c.args[1] : NULL, c.args[2] && is_true(c.args[2]));
}

static const struct {
	enum sql_kind kind;
	const char *tag;
	bool is_implied;
} transactions[] = {
    [TRANS_STMT_BEGIN] = {SQL_BEGIN, "BEGIN", true},
    [TRANS_STMT_START] = {SQL_BEGIN, "START TRANSACTION", true},
    [TRANS_STMT_COMMIT] = {SQL_COMMIT, "COMMIT", true},
    [TRANS_STMT_ROLLBACK] = {SQL_ROLLBACK, "ROLLBACK", true},
    [TRANS_STMT_SAVEPOINT] = {SQL_SAVEPOINT, "SAVEPOINT", true},
    [TRANS_STMT_RELEASE] = {SQL_SAVEPOINT, "RELEASE", true},
    [TRANS_STMT_ROLLBACK_TO] = {SQL_SAVEPOINT, "ROLLBACK", true},
    [TRANS_STMT_PREPARE] = {SQL_PREPARE_XACT, "PREPARE TRANSACTION", false},
    [TRANS_STMT_COMMIT_PREPARED] = {SQL_PREPARE_XACT, "COMMIT PREPARED", false},
    [TRANS_STMT_ROLLBACK_PREPARED] = {SQL_PREPARE_XACT, "ROLLBACK PREPARED", false},
};

void on_transaction(struct walk *w, Node *n)
{
	TransactionStmt *t = (TransactionStmt *)n;
	if ((unsigned)t->kind >= ARRAY_LEN(transactions) || !transactions[t->kind].tag) {
		needs_opaque(w->needs, "a kind of transaction statement that is not known");
		return;
	}
	w->stmt->kind = transactions[t->kind].kind;
	w->stmt->tag = transactions[t->kind].tag;
	w->stmt->class = CLASS_TRANSACTION;
	w->stmt->is_chain = t->chain;
	w->stmt->name = t->savepoint_name ? t->savepoint_name : t->gid;
	if (transactions[t->kind].is_implied) {
		transaction_options(w, t->options);
		return;
	}
	needs_plain(w->needs, VERB_TRANSACTION, CLASS_WRITE, false);
	w->needs->is_write = w->needs->is_untransactional = true;
}
