/* Origins to lineage: what a statement's rows and predicates are made of, in lists that outlive the
 * walk. */
#include "sql/pg_walk.h"

/* Steps through origins for one statement: beyond, it is not traced. */
#define STEPS_MAX (50 * 1000)

struct gathered {
	struct arena *out;
	struct source *at;
	int n, room;
	const char *why; /* of the first that is unknown */
	bool may_fail, has_constant;
	bool is_full;
};

static int number_of(const struct origin *o)
{
	int at = cat_column_at(o->relation, o->column);
	return at < 0 ? -1 : o->relation->columns[at].number;
}

/* The result outlives the catalogue and the text: names are copied, once for each column. */
static const struct source *name_of(struct gathered *g, struct origin *o)
{
	struct source *s = o->told ? NULL : arena_new(g->out, struct source);
	if (s) {
		s->schema = arena_str(g->out, o->relation->schema->name);
		s->relation = arena_str(g->out, o->relation->name);
		s->column = arena_str(g->out, o->column);
		s->oid = o->relation->oid;
		s->number = number_of(o);
		o->told = s;
	}
	g->is_full |= !o->told;
	return o->told;
}

static void add(struct gathered *g, struct origin *o)
{
	const struct source *name = name_of(g, o);
	if (!name)
		return;
	if (g->n == g->room) {
		int room = g->room ? g->room * 2 : 4;
		struct source *at = arena_array(g->out, (size_t)room, sizeof(*at));
		if (!at) {
			g->is_full = true;
			return;
		}
		if (g->n)
			memcpy(at, g->at, (size_t)g->n * sizeof(*at));
		g->at = at;
		g->room = room;
	}
	g->at[g->n++] = *name;
}

/* Each origin once. The fixed ones are never written to: other threads have them too. */
static void push(struct walk *w, struct origin **todo, struct origin *o, struct gathered *g)
{
	if (o && o->kind == ORIGIN_UNKNOWN && !g->why)
		g->why = o->why;
	g->may_fail |= o && (o->kind == ORIGIN_FAILS || o->kind == ORIGIN_UNKNOWN);
	g->has_constant |= o && o->kind == ORIGIN_CONSTANT;
	if (!o || o->kind == ORIGIN_NONE || o->kind == ORIGIN_FAILS || o->kind == ORIGIN_CONSTANT ||
	    o->kind == ORIGIN_UNKNOWN || o->seen == w->stamp)
		return;
	o->seen = w->stamp;
	o->link = *todo;
	*todo = o;
}

static void gather(struct walk *w, struct origin *o, struct gathered *g)
{
	struct origin *todo = NULL;
	w->stamp++;
	push(w, &todo, o, g);
	while (todo && !g->is_full) {
		struct origin *at = todo;
		todo = at->link;
		if (at->kind == ORIGIN_COLUMN || at->kind == ORIGIN_VIEW)
			add(g, at);
		push(w, &todo, at->b, g);
		push(w, &todo, at->a, g);
		if (++w->steps > STEPS_MAX)
			g->is_full = true;
	}
	if (g->is_full)
		g->why = "too big to be traced";
}

/* A column unchanged, maybe by way of views: the innermost name first. */
static bool is_copy(const struct origin *o)
{
	while (o && (o->kind == ORIGIN_VIEW || o->kind == ORIGIN_ONE))
		o = o->a;
	return o && (o->kind == ORIGIN_COLUMN || o->kind == ORIGIN_NONE || o->kind == ORIGIN_CONSTANT);
}

static void copy_sources(struct origin *o, struct gathered *g)
{
	for (; o && o->kind != ORIGIN_NONE && o->kind != ORIGIN_CONSTANT; o = o->a)
		if (o->kind != ORIGIN_ONE)
			add(g, o);
	g->has_constant = o && o->kind == ORIGIN_CONSTANT;
	for (int i = 0; i < g->n / 2; i++) {
		struct source s = g->at[i];
		g->at[i] = g->at[g->n - 1 - i];
		g->at[g->n - 1 - i] = s;
	}
}

static struct lineage lineage_of(struct walk *w, struct origin *o, struct arena *out)
{
	struct gathered g = {.out = out};
	enum lineage_kind kind = LINEAGE_DERIVED;
	if (!o)
		return (struct lineage){.kind = LINEAGE_UNKNOWN,
					.why = "a value that is not traced"};
	if (o->kind != ORIGIN_NONE && is_copy(o)) {
		kind = LINEAGE_COPY;
		copy_sources(o, &g);
	} else {
		gather(w, o, &g);
	}
	if (g.is_full && !g.why)
		g.why = "too big to be traced";
	if (g.why)
		kind = LINEAGE_UNKNOWN;
	else if (g.n == 0)
		kind = LINEAGE_NONE;
	return (struct lineage){.kind = kind,
				.sources = g.at,
				.n_sources = g.n,
				.why = g.why ? arena_str(out, g.why) : NULL,
				.has_constant = g.has_constant};
}

/* As RowDescription tells it: a domain's values are of what it is made of. */
static uint32_t type_of(const struct walk *w, uint32_t oid)
{
	const struct cat_type *t = cat_type(w->c, oid);
	for (int i = 0; t && t->kind == 'd' && i < 32; i++)
		t = cat_type(w->c, t->base);
	return t ? t->oid : 0;
}

static void fill_outputs(struct walk *w, const struct row *r, struct arena *out,
			 struct result_lineage *l)
{
	struct lineage *at = arena_array(out, (size_t)r->n, sizeof(*at));
	for (int i = 0; at && i < r->n; i++) {
		at[i] = lineage_of(w, r->at[i].ty.from, out);
		at[i].type = type_of(w, r->at[i].ty.oid);
	}
	l->outputs = at;
	l->n_outputs = at ? r->n : 0;
	l->is_known = at && !r->is_open;
	if (!l->is_known)
		l->why = "the columns of a relation that is not known";
}

/* What was shown in a recursive query, and turned out to be able to fail. */
static void note_cyclic(struct walk *w, struct arena *out)
{
	for (struct shown *s = w->cyclic; s; s = s->next) {
		struct gathered g = {.out = out};
		gather(w, s->origin, &g);
		if (g.n && (g.may_fail || g.is_full))
			touch_predicate(w, s->origin);
	}
}

struct result_lineage *lineage_new(struct walk *w, struct arena *out)
{
	struct gathered g = {.out = out};
	note_cyclic(w, out);
	if (!w->predicates && !w->rows && !w->rows_unknown)
		return NULL;
	struct result_lineage *l = arena_new(out, struct result_lineage);
	if (!l)
		return NULL;
	l->is_known = true;
	l->unmaskable = w->stmt->copy ? w->stmt->copy->why : NULL;
	if (w->rows_unknown) {
		l->is_known = false;
		l->why = arena_str(out, w->rows_unknown);
	} else if (w->rows) {
		fill_outputs(w, w->rows, out, l);
	}
	gather(w, w->predicates, &g);
	l->predicates = g.at;
	l->n_predicates = g.n;
	l->unknown_predicate = g.why ? arena_str(out, g.why) : NULL;
	return l;
}

/* ---- one statement under several search paths ---- */

static bool is_same_source(const struct source *a, const struct source *b)
{
	return !strcmp(a->schema, b->schema) && !strcmp(a->relation, b->relation) &&
	       !strcmp(a->column, b->column);
}

static bool is_same(const struct lineage *a, const struct lineage *b)
{
	if (a->kind != b->kind || a->n_sources != b->n_sources || a->has_constant != b->has_constant)
		return false;
	for (int i = 0; i < a->n_sources; i++)
		if (!is_same_source(&a->sources[i], &b->sources[i]))
			return false;
	return true;
}

/* Both lists; what is in both is there twice, which says nothing else. */
static const struct source *join(struct arena *out, const struct source *a, int n_a,
				 const struct source *b, int n_b)
{
	struct source *all = arena_array(out, (size_t)n_a + (size_t)n_b, sizeof(*all));
	if (all && n_a)
		memcpy(all, a, (size_t)n_a * sizeof(*all));
	if (all && n_b)
		memcpy(all + n_a, b, (size_t)n_b * sizeof(*all));
	return all;
}

static struct lineage either(struct arena *out, const struct lineage *a, const struct lineage *b)
{
	if (is_same(a, b) || a->kind == LINEAGE_UNKNOWN)
		return *a;
	if (b->kind == LINEAGE_UNKNOWN)
		return *b;
	const struct source *all = join(out, a->sources, a->n_sources, b->sources, b->n_sources);
	if (!all)
		return (struct lineage){.kind = LINEAGE_UNKNOWN, .why = "too big to be traced"};
	return (struct lineage){.kind = LINEAGE_DERIVED,
				.sources = all,
				.n_sources = a->n_sources + b->n_sources,
				.has_constant = a->has_constant || b->has_constant};
}

static void merge_outputs(struct arena *out, struct result_lineage *l,
			  const struct result_lineage *b)
{
	struct lineage *at = arena_array(out, (size_t)l->n_outputs, sizeof(*at));
	if (!l->is_known)
		return;
	if (!b->is_known || b->n_outputs != l->n_outputs || !at) {
		l->is_known = false;
		l->why = b->is_known ? "the search_path decides which columns these are" : b->why;
		return;
	}
	for (int i = 0; i < l->n_outputs; i++) {
		at[i] = either(out, &l->outputs[i], &b->outputs[i]);
		at[i].type = l->outputs[i].type == b->outputs[i].type ? b->outputs[i].type : 0;
	}
	l->outputs = at;
}

struct result_lineage *lineage_merge(struct arena *out, struct result_lineage *a,
				     const struct result_lineage *b)
{
	static const struct result_lineage nothing = {.is_known = true};
	if (!a && !b)
		return NULL;
	struct result_lineage *l = arena_new(out, struct result_lineage);
	if (!l)
		return NULL; /* the arena's failure fails the analysis */
	*l = a ? *a : nothing;
	b = b ? b : &nothing;
	merge_outputs(out, l, b);
	const struct source *all =
	    join(out, l->predicates, l->n_predicates, b->predicates, b->n_predicates);
	l->n_predicates = all ? l->n_predicates + b->n_predicates : 0;
	l->predicates = all;
	l->unknown_predicate = l->unknown_predicate ? l->unknown_predicate : b->unknown_predicate;
	return l;
}
