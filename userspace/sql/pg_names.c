#include "sql/reach.h"
#include "sql/pg_walk.h"

static void add_need(struct walk *w, struct need need, const struct cat_relation *r)
{
	need.schema = r->schema->name;
	need.name = r->name;
	need.is_implied = r->is_implied && need.verb == VERB_SELECT;
	needs_add(w->needs, &need);
	reach_add(w->needs, r, need.verb);
	/* What a view calls and what a foreign server does is not in the text. */
	if (!r->is_system && (r->kind == 'v' || r->kind == 'f'))
		w->needs->is_untransactional = true;
}

static void add_temp(struct walk *w, struct need need, const char *name)
{
	need.schema = "pg_temp";
	need.name = name;
	need.why = "a temporary table may bear this name";
	needs_add(w->needs, &need);
}

/* Whatever schema it may turn up in: an unqualified name that nothing bears yet. */
static void add_unknown(struct walk *w, struct need need, const char *schema, const char *name)
{
	int n = 0;
	need.name = name;
	need.why = "no such relation is known";
	w->lacks_facts = true;
	for (int i = 0; !schema && i < w->path->n; i++) {
		need.schema = w->path->at[i]->name;
		if (strcmp(need.schema, "pg_catalog") == 0)
			continue;
		needs_add(w->needs, &need);
		n++;
	}
	need.schema = schema;
	if (n == 0)
		needs_add(w->needs, &need);
}

static const struct cat_relation *need_qualified(struct walk *w, const RangeVar *v,
						 struct need need)
{
	const struct cat_schema *s = cat_schema(w->c, v->schemaname);
	const struct cat_relation *r = s ? cat_relation(w->c, s, v->relname) : NULL;
	if (r)
		add_need(w, need, r);
	else
		add_unknown(w, need, v->schemaname, v->relname);
	return r;
}

const struct cat_relation *need_relation(struct walk *w, const RangeVar *v, struct need need,
					 bool *ret_temp)
{
	const struct cat_relation *found[8];
	need.kind = NEED_RELATION;
	*ret_temp = v->schemaname ? !strcmp(v->schemaname, "pg_temp") : w->session->has_temp;
	if (*ret_temp)
		add_temp(w, need, v->relname);
	if (v->schemaname)
		return *ret_temp ? NULL : need_qualified(w, v, need);
	int n = path_relations(w->c, w->path, v->relname, found, ARRAY_LEN(found));
	for (int i = 0; i < n; i++)
		add_need(w, need, found[i]);
	if (n == 0 && !*ret_temp)
		add_unknown(w, need, NULL, v->relname);
	return n == 1 ? found[0] : NULL;
}

/* Where something new goes: the first schema of the path that the login may use. */
void need_new_relation(struct walk *w, const RangeVar *v)
{
	struct need need = {.kind = NEED_RELATION,
			    .verb = VERB_CREATE,
			    .class = CLASS_DDL,
			    .schema = v->schemaname,
			    .name = v->relname};
	int i = w->path->is_catalog_implicit ? 1 : 0;
	bool is_temp = v->relpersistence == PERSISTENCE_TEMP;
	if (is_temp || (v->schemaname && !strcmp(v->schemaname, "pg_temp"))) {
		need.schema = "pg_temp";
		/* It would come before the built-in type of that name: its row is a type too. */
		if (path_type(w->c, w->path, "pg_catalog", v->relname))
			needs_opaque(w->needs,
				     "a temporary object with the name of a built-in type");
	}
	if (need.schema || i >= w->path->n) {
		needs_add(w->needs, &need);
		return;
	}
	for (; i < w->path->n; i++) {
		need.schema = w->path->at[i]->name;
		needs_add(w->needs, &need);
		if (w->path->at[i]->is_usable)
			break;
	}
}
