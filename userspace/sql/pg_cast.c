#include "sql/pg_walk.h"

const char *name_parts(const List *names, const char **ret_schema)
{
	int n = list_length(names);
	*ret_schema = NULL;
	if (n == 0 || !IsA(llast((List *)names), String))
		return "";
	if (n >= 2 && IsA(list_nth(names, n - 2), String))
		*ret_schema = strVal(list_nth(names, n - 2));
	return strVal(llast((List *)names));
}

static void need_of_type(struct walk *w, const struct cat_type *t, const char *why)
{
	walk_execute(w, t->schema->name, t->name, why);
}

/* t.c%TYPE: the type of a column. */
static uint32_t type_of_column(struct walk *w, const List *names)
{
	const char *schema, *column = name_parts(names, &schema);
	int n = list_length(names);
	const struct cat_relation *r = NULL;
	if (n == 2)
		path_relations(w->c, w->path, schema, &r, 1);
	else if (n == 3 && cat_schema(w->c, strVal(linitial(names))))
		r = cat_relation(w->c, cat_schema(w->c, strVal(linitial(names))), schema);
	int i = r ? cat_column_at(r, column) : -1;
	return i < 0 ? 0 : r->columns[i].type;
}

struct ty type_named(struct walk *w, const TypeName *t)
{
	const char *schema, *name = name_parts(t->names, &schema);
	uint32_t oid = 0;
	if (t->names == NIL)
		oid = t->typeOid;
	else if (t->pct_type)
		oid = type_of_column(w, t->names);
	const struct cat_type *found =
	    oid || t->pct_type ? cat_type(w->c, oid) : path_type(w->c, w->path, schema, name);
	if (!found) {
		w->lacks_facts = true;
		walk_execute(w, schema, name, "no such type is known");
		return UNSURE;
	}
	oid = found->oid;
	if (t->arrayBounds != NIL)
		oid = type_array(w->c, oid);
	return T(oid);
}

void need_type_input(struct walk *w, uint32_t type)
{
	const struct cat_type *t = type_risky_input(w->c, type);
	if (t)
		need_of_type(w, t,
			     t->kind == 'd' ? "a domain whose CHECK is not reviewed"
					    : "a type with functions of its own");
}

static void need_function(struct walk *w, const struct cat_cast *k)
{
	if (!k->function)
		walk_opaque(w, "a cast by a function that is not in the catalogue");
	else if (!k->function->is_read)
		walk_execute(w, k->function->schema->name, k->function->name,
			     "the function of a cast");
}

static void need_casts_into(struct walk *w, uint32_t to);

/* The source is not known: whatever cast there is into that type. */
static void need_any_cast_into(struct walk *w, uint32_t to)
{
	to = type_base(w->c, to);
	need_casts_into(w, to);
	if (type_element(w->c, to))
		need_casts_into(w, type_element(w->c, to));
	need_type_input(w, to);
}

static void need_record_cast(struct walk *w, struct ty from, const struct cat_relation *to)
{
	bool is_known = from.row && !from.row->is_open && from.row->n == to->n_columns;
	if (!enter(w, 2))
		return;
	for (int i = 0; i < to->n_columns; i++)
		need_cast(w, is_known ? from.row->at[i].ty : UNSURE, to->columns[i].type, 'e');
	leave(w, 2);
}

void need_cast(struct walk *w, struct ty from, uint32_t to, char context)
{
	if (from.oid != TYPE_UNKNOWN && !total_cast(w, from.oid, to))
		touch_failure(w);
	need_cast_code(w, from, to, context);
}

void need_cast_code(struct walk *w, struct ty from, uint32_t to, char context)
{
	const struct cat_type *domain = type_checked_domain(w->c, to);
	const struct cat_relation *composite = type_relation(w->c, to);
	if (domain && from.oid != to)
		need_of_type(w, domain, "a domain whose CHECK is not reviewed");
	if (from.oid == 0) {
		need_any_cast_into(w, to);
		return;
	}
	if (from.oid == TYPE_UNKNOWN) {
		need_type_input(w, to);
		return;
	}
	if (from.oid == TYPE_RECORD && composite) {
		need_record_cast(w, from, composite);
		return;
	}
	struct coercion k = type_coercion(w->c, from.oid, to, context);
	if (k.cast)
		need_function(w, k.cast);
	if (k.kind == COERCION_IO || (k.kind == COERCION_NONE && context == 'e'))
		need_type_input(w, to);
	if (k.kind == COERCION_ARRAY && type_checked_domain(w->c, type_element(w->c, to)))
		need_type_input(w, to);
}

static void need_casts_into(struct walk *w, uint32_t to)
{
	int n = 0;
	const struct cat_cast *const *all = cat_casts(w->c, &n);
	for (int i = 0; i < n; i++)
		if (all[i]->target == to && all[i]->function && !all[i]->function->is_read)
			need_function(w, all[i]);
}

void need_length_cast(struct walk *w, uint32_t type)
{
	uint32_t base = type_base(w->c, type);
	const struct cat_cast *k = cat_cast(w->c, base, base);
	if (k)
		need_function(w, k);
}

/* to_own: also into types that are not PostgreSQL's own, from one that is. */
static void need_casts_from(struct walk *w, uint32_t from, char context, bool to_own)
{
	int n = 0;
	const struct cat_cast *const *all = cat_casts(w->c, &n);
	if (from == TYPE_UNKNOWN)
		return;
	from = type_base(w->c, from);
	for (int i = 0; i < n; i++) {
		bool applies = all[i]->context == 'i' || all[i]->context == context;
		bool is_meant = to_own || all[i]->source >= CAT_FIRST_USER_OID ||
				all[i]->target < CAT_FIRST_USER_OID;
		bool is_read = !all[i]->function_oid ||
			       (all[i]->function && all[i]->function->is_read);
		if ((all[i]->source == from || from == 0) && applies && is_meant && !is_read)
			need_function(w, all[i]);
	}
}

void need_implicit_casts(struct walk *w, uint32_t from)
{
	need_casts_from(w, from, 'i', false);
}

void need_assignment_casts(struct walk *w, uint32_t from)
{
	need_casts_from(w, from, 'a', true);
}

struct ty need_common(struct walk *w, const struct ty *types, int n)
{
	uint32_t *oids = arena_array(w->a, (size_t)n, sizeof(*oids));
	if (!oids || !types || n == 0)
		return UNSURE;
	for (int i = 0; i < n; i++)
		oids[i] = types[i].oid;
	uint32_t common = type_common(w->c, oids, n);
	for (int i = 0; i < n && common; i++)
		if (types[i].oid != common)
			need_cast(w, types[i], common, 'i');
	if (n == 1)
		return (struct ty){common, types[0].row, types[0].from};
	if (common == TYPE_RECORD && types[0].row)
		return (struct ty){common, row_derived(w, types[0].row, NULL), NULL};
	return T(common);
}
