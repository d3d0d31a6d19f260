#include "sql/pg_walk.h"

static const char *why_not(const struct cat_function *f)
{
	if (f->oid < CAT_FIRST_USER_OID) {
		const char *why = builtin_why_not(f->name);
		return why ? why : "not a built-in function that only reads";
	}
	if (f->is_definer)
		return "SECURITY DEFINER: it acts with its owner's rights";
	return f->volatility == 'v' ? "the database's own, and VOLATILE"
				    : "the database's own: nothing holds it to being STABLE or IMMUTABLE";
}

static void need_risky(struct walk *w, const struct target *t)
{
	const char *why;
	if (!t->function) {
		walk_opaque(w, "an operator whose function is not in the catalogue");
		return;
	}
	if (t->operator)
		why = arena_printf(w->needs->a, "the function of operator %s.%s",
				   t->operator->schema->name, t->operator->name);
	else
		why = why_not(t->function);
	walk_execute(w, t->function->schema->name, t->function->name, why);
}

static bool is_set_config(const struct resolved *r)
{
	const struct target *t = r->one ? r->one : r->n_matching == 1 ? r->first : NULL;
	return t && t->function->oid < CAT_FIRST_USER_OID &&
	       !strcmp(t->function->name, "set_config");
}

static const char *first_place(const struct walk *w, const struct call *call)
{
	if (call->schema)
		return call->schema;
	const struct path *p = w->path;
	return p->n > 1 && !strcmp(p->at[0]->name, "pg_catalog") ? p->at[1]->name : p->at[0]->name;
}

/* What an argument has to be, where that is certain, else 0: of a polymorphic parameter the type that
 * the others give it, as which an untyped literal is read. That may be a domain. */
static uint32_t declared_type(struct walk *w, const struct call *call, const struct resolved *r,
			      int i)
{
	if (!r->one || call->has_names)
		return 0;
	return type_result(w->c, r->one->args[i], call->types, r->one->args, call->n);
}

/* The arguments become what the function takes. */
static void need_argument_casts(struct walk *w, const struct call *call, const struct resolved *r)
{
	for (int i = 0; i < call->n; i++) {
		uint32_t from = call->types[i], to = declared_type(w, call, r, i);
		if (to == 0 || from == 0)
			need_implicit_casts(w, from);
		else if (to != TYPE_ANY && to != from)
			need_cast(w, T(from), to, 'i');
		for (int k = 0; to == 0 && from == TYPE_UNKNOWN && k < call->n; k++)
			need_type_input(w, call->types[k]);
	}
}

/* What a resolved name needs; is_column: it was written as a column. */
static void need_resolved(struct walk *w, const struct call *call, const struct resolved *r,
			  bool is_operator)
{
	for (int i = 0; i < r->n_risky; i++)
		need_risky(w, r->risky[i]);
	if (r->has_more_risky)
		walk_opaque(w, "too many functions of that name");
	if (r->n_matching == 0 && r->has_risky_named)
		walk_execute(w, first_place(w, call), call->name,
			     "none of that name takes these arguments");
	if (r->n_matching > 0 && r->n_risky == 0 && !is_operator && r->first)
		needs_add(w->needs, &(struct need){.kind = NEED_FUNCTION,
						   .verb = VERB_EXECUTE,
						   .class = CLASS_READ,
						   .schema = r->first->function->schema->name,
						   .name = call->name,
						   .is_implied = true});
	need_argument_casts(w, call, r);
}

static void need_unknown(struct walk *w, const struct call *call)
{
	w->lacks_facts = true;
	walk_execute(w, first_place(w, call), call->name, "no such function is known");
}

/* The result's fields, where the function declares them. */
static struct ty result_type(struct walk *w, const struct call *call, const struct resolved *r)
{
	const struct cat_function *f = r->one ? r->one->function : NULL;
	if (!f || r->result != TYPE_RECORD || f->n_outs == 0)
		return T(r->result);
	struct row *row = row_new(w, f->n_outs);
	for (int i = 0; i < row->n; i++) {
		uint32_t type = f->outs[i].type;
		if (type_is_polymorphic(type))
			type = call->has_names
				   ? 0
				   : type_result(w->c, type, call->types, r->one->args, call->n);
		row->at[i] = (struct field){f->outs[i].name, T(type)};
	}
	return (struct ty){TYPE_RECORD, row, NULL};
}

static bool resolve(struct walk *w, const struct call *call, bool is_operator, struct resolved *r)
{
	int err = is_operator ? resolve_operator(w->c, w->path, call, w->tmp, r)
			      : resolve_function(w->c, w->path, call, w->tmp, r);
	if (err)
		w->is_too_big = true;
	return err == 0;
}

struct ty call_by_types(struct walk *w, const char *schema, const char *name,
			const struct ty *types, int n)
{
	uint32_t oids[2] = {n > 0 ? types[0].oid : 0, n > 1 ? types[1].oid : 0};
	struct call call = {.schema = schema, .name = name, .types = oids, .n = n};
	struct resolved r;
	struct ty result = UNSURE;
	if (resolve(w, &call, false, &r)) {
		need_resolved(w, &call, &r, false);
		if (!total_call(w, NULL, &call, &r))
			touch_failure(w);
		result = result_type(w, &call, &r);
		w->lacks_facts |= r.n_named == 0;
	}
	arena_reset(w->tmp);
	return result;
}

void need_order(struct walk *w, struct ty t)
{
	if (t.oid == 0 && cat_has_own_order(w->c))
		walk_opaque(w, "cannot tell which type is sorted or compared");
	for (int i = 0; t.row && i < t.row->n && enter(w, 1); i++) {
		need_order(w, t.row->at[i].ty);
		leave(w, 1);
	}
	const struct cat_type *risky = type_risky_order(w->c, t.oid);
	if (risky)
		walk_execute(w, risky->schema->name, risky->name,
			     "a type whose comparison is not built in");
}

/* Arrays, rows and ranges are compared by their members' own functions. */
static void need_members_order(struct walk *w, struct ty t)
{
	const struct cat_type *base = cat_type(w->c, type_base(w->c, t.oid));
	bool is_range = base && (base->kind == 'r' || base->kind == 'm') && base->has_own_order;
	if (t.oid == TYPE_RECORD || type_element(w->c, t.oid) || type_relation(w->c, t.oid) ||
	    is_range)
		need_order(w, t);
}

struct ty operate(struct walk *w, const List *names, struct ty left, struct ty right,
		  bool is_prefix)
{
	uint32_t types[2] = {is_prefix ? right.oid : left.oid, right.oid};
	struct call call = {.types = types, .n = is_prefix ? 1 : 2, .is_prefix = is_prefix};
	struct resolved r;
	struct ty result = UNSURE;
	call.name = name_parts(names, &call.schema);
	if (resolve(w, &call, true, &r)) {
		need_resolved(w, &call, &r, true);
		if (!total_call(w, NULL, &call, &r))
			touch_failure(w);
		touch_choice(w, &r, (const struct ty[]){left, right}, 2);
		if (r.n_named == 0)
			need_unknown(w, &call);
		result = T(r.result);
	}
	need_members_order(w, left);
	need_members_order(w, right);
	arena_reset(w->tmp);
	return result;
}

void need_sort(struct walk *w, const SortBy *by, struct ty t)
{
	if (by->useOp)
		operate(w, by->useOp, t, t, false);
	need_order(w, t);
}

struct ty operate_named(struct walk *w, const char *name, struct ty left, struct ty right)
{
	String value = {.type = T_String};
	ListCell cell = {.ptr_value = &value};
	List list = {.type = T_List, .length = 1, .max_length = 1, .elements = &cell};
	value.sval = (char *)(uintptr_t)name;
	return operate(w, &list, left, right, false);
}

/* Making JSON of a value calls the type's own cast to json, if it has one: utils/adt/json.c. */
void need_json_of(struct walk *w, struct ty t)
{
	const struct row *r = row_of_type(w, t);
	uint32_t base = type_base(w->c, t.oid), element = type_element(w->c, t.oid);
	if (!enter(w, 2))
		return;
	if (t.oid == 0 || base >= CAT_FIRST_USER_OID) {
		need_cast_code(w, t.oid ? T(base) : UNSURE, TYPE_JSON, 'e');
		need_cast_code(w, t.oid ? T(base) : UNSURE, TYPE_JSONB, 'e');
	}
	if (element)
		need_json_of(w, T(element));
	for (int i = 0; r && i < r->n; i++)
		need_json_of(w, r->at[i].ty);
	leave(w, 2);
}

/* Built-ins that run a type's own code on their arguments. */
static void need_by_arguments(struct walk *w, const char *name, const struct ty *types, int n)
{
	bool is_json = !strncmp(name, "json", 4) || !strcmp(name, "to_json") ||
		       !strcmp(name, "to_jsonb") || !strcmp(name, "row_to_json") ||
		       !strcmp(name, "array_to_json");
	for (int i = 0; i < n; i++) {
		need_members_order(w, types[i]);
		if (is_json)
			need_json_of(w, types[i]);
	}
	for (int i = 0; is_json && strstr(name, "_populate_record") && i < n; i++)
		need_type_input(w, types[i].oid); /* by name the row may come second */
}

static struct ty *call_arguments(struct walk *w, struct scope *s, FuncCall *f, struct call *call)
{
	int n_order = f->agg_within_group ? list_length(f->agg_order) : 0, n = 0;
	struct ty *types =
	    arena_array(w->a, (size_t)(list_length(f->args) + n_order), sizeof(*types));
	uint32_t *oids = arena_array(w->a, (size_t)(list_length(f->args) + n_order), sizeof(*oids));
	ListCell *cell;
	if (!types || !oids)
		return NULL;
	foreach (cell, f->args) {
		Node *arg = lfirst(cell);
		call->has_names |= IsA(arg, NamedArgExpr);
		types[n++] = expr(w, s, arg);
	}
	foreach (cell, f->agg_order) {
		struct ty t = expr(w, s, ((SortBy *)lfirst(cell))->node);
		need_sort(w, lfirst(cell), t);
		if (n_order)
			types[n++] = t;
	}
	for (int i = 0; i < n; i++) {
		oids[i] = types[i].oid;
		if (f->agg_distinct)
			need_order(w, types[i]);
	}
	call->types = oids;
	call->n = n;
	return types;
}

/* f(x) may be a conversion where f is a type's name and no function fits exactly: func_get_detail
 * of parser/parse_func.c. */
static bool is_conversion(struct walk *w, const struct call *call, const struct resolved *r,
			  struct ty of, struct ty *ret)
{
	if (call->n != 1 || call->has_names || call->is_variadic || r->is_exact)
		return false;
	const struct cat_type *t = path_type(w->c, w->path, call->schema, call->name);
	if (!t || t->kind == 'c')
		return false;
	struct coercion k = {COERCION_NONE, NULL};
	if (of.oid != 0 && of.oid != TYPE_UNKNOWN)
		k = type_coercion(w->c, of.oid, t->oid, 'e');
	bool is_row = of.oid == TYPE_RECORD || type_relation(w->c, of.oid);
	if (of.oid != 0 && of.oid != TYPE_UNKNOWN && k.kind != COERCION_RELABEL &&
	    (k.kind != COERCION_IO || (is_row && t->category == 'S')))
		return false;
	need_cast(w, of, t->oid, 'e');
	*ret = T(t->oid);
	return of.oid != 0;
}

/* How many rows a set has says what its arguments were, whatever is masked in the rows themselves. A function
 * that is not certain may give a set. */
static void note_set(struct walk *w, const struct resolved *r)
{
	const struct cat_function *f = r->one ? r->one->function : NULL;
	if (*w->values && (!f || f->returns_set))
		touch_predicate(w, *w->values);
}

/* What a function of the catalogue shows of a definition; else NULL. Of pg_get_expr it is its argument's. */
static struct origin *defined(struct walk *w, const struct resolved *r)
{
	const struct cat_function *f = r->one ? r->one->function : r->first ? r->first->function : NULL;
	const struct cat_schema *s = cat_schema(w->c, "pg_catalog");
	const char *column, *relation = f && f->oid < CAT_FIRST_USER_OID ? builtin_defines(f->name, &column) : NULL;
	const struct cat_relation *rel = relation && s ? cat_relation(w->c, s, relation) : NULL;
	uint8_t holds = *w->values ? (*w->values)->holds : 0;
	if (!rel || (!(holds & HOLDS_DEFINITION) && !strcmp(f->name, "pg_get_expr")))
		return NULL;
	struct origin *o = origin_definition(w, rel, column, false);
	if (!(holds & ~HOLDS_DEFINITION))
		return o;
	touch(w, o); /* what is not its business is in it, too */
	return NULL;
}

static struct ty call_result(struct walk *w, FuncCall *f, const struct call *call,
			     const struct ty *types)
{
	struct resolved r;
	struct ty result = UNSURE;
	if (!resolve(w, call, false, &r))
		return UNSURE;
	if (call->n == 1 && is_conversion(w, call, &r, types[0], &result))
		return result;
	const struct row *row = call->n == 1 && !call->schema ? row_of_type(w, types[0]) : NULL;
	const struct field *field = row && r.n_matching == 0 ? row_find(row, call->name) : NULL;
	if (field) /* column(row) */
		return field->ty;
	if (is_set_config(&r)) {
		touch_predicate(w, *w->values); /* it is there for SHOW then */
		set_config_call(w, f);
		return T(TYPE_TEXT);
	}
	note_set(w, &r);
	if (r.n_named == 0)
		need_unknown(w, call);
	need_resolved(w, call, &r, false);
	struct origin *definition = defined(w, &r);
	if (!total_call(w, f, call, &r))
		touch_failure(w);
	touch_choice(w, &r, types, call->n);
	need_by_arguments(w, call->name, types, call->n);
	w->last_function = r.one ? r.one->function : NULL;
	result = result_type(w, call, &r);
	result.from = definition;
	return result;
}

static void window_parts(struct walk *w, struct scope *s, WindowDef *d)
{
	ListCell *cell;
	foreach (cell, d->partitionClause)
		need_order(w, expr(w, s, lfirst(cell)));
	foreach (cell, d->orderClause)
		need_sort(w, lfirst(cell), expr(w, s, ((SortBy *)lfirst(cell))->node));
	if (d->startOffset)
		need_implicit_casts(w, expr(w, s, d->startOffset).oid);
	if (d->endOffset)
		need_implicit_casts(w, expr(w, s, d->endOffset).oid);
}

/* What a window sorts by, the rows come sorted by: it is of the value, and a predicate besides. */
void window(struct walk *w, struct scope *s, WindowDef *d)
{
	struct origin *sorted = NULL, **up = w->values;
	if (!d)
		return;
	w->values = &sorted;
	window_parts(w, s, d);
	w->values = up;
	if (!sorted)
		return;
	touch(w, sorted);
	touch_predicate(w, sorted);
}

struct ty func_call(struct walk *w, struct scope *s, FuncCall *f)
{
	struct call call = {.is_variadic = f->func_variadic};
	call.name = name_parts(f->funcname, &call.schema);
	bool allows = w->allows_set_config;
	w->allows_set_config = false;
	const struct ty *types = call_arguments(w, s, f, &call);
	if (f->agg_filter) /* a condition, on which the arguments are not even computed */
		predicate_as(w, s, f->agg_filter, TYPE_BOOL);
	window(w, s, f->over);
	w->allows_set_config = allows;
	if (!types)
		return UNSURE;
	w->last_function = NULL;
	struct ty result = call_result(w, f, &call, types);
	arena_reset(w->tmp);
	return result;
}
