/* Where values come from. Every expression's origin is all that was touched while it was read,
 * unless its handler knows better: what a handler forgets is derived from too much, never from too
 * little. */
#include "sql/pg_walk.h"

#include <stdarg.h>
#include <stdio.h>

#define KIN_MAX 128

/* The fixed ones are never written to. */
struct origin origin_none = {.kind = ORIGIN_NONE};
struct origin origin_constant = {.kind = ORIGIN_CONSTANT};
struct origin origin_fails = {.kind = ORIGIN_FAILS, .holds = HOLDS_FAILURE};
static struct origin too_big = {
    .kind = ORIGIN_UNKNOWN, .holds = HOLDS_FAILURE, .why = "too big to be traced"};
static struct origin untraced = {
    .kind = ORIGIN_UNKNOWN, .holds = HOLDS_FAILURE, .why = "a value that is not traced"};

static uint8_t holds_of(const struct origin *o)
{
	static const uint8_t by_kind[] = {
	    [ORIGIN_COLUMN] = HOLDS_COLUMN,
	    [ORIGIN_VIEW] = HOLDS_COLUMN,
	    [ORIGIN_ONE] = HOLDS_ONE,
	    [ORIGIN_UNKNOWN] = HOLDS_FAILURE,
	};
	if (o->kind == ORIGIN_COLUMN && o->relation->is_system)
		return HOLDS_DEFINITION;
	uint8_t inside = (o->a ? o->a->holds : 0) | (o->b ? o->b->holds : 0);
	return inside | by_kind[o->kind];
}

static struct origin *origin_new(struct walk *w, struct origin o)
{
	o.holds = holds_of(&o);
	struct origin *copy = arena_new(w->a, struct origin);
	if (!copy) {
		w->is_too_big = true;
		return &too_big;
	}
	*copy = o;
	return copy;
}

struct origin *origin_unknown(struct walk *w, const char *fmt, ...)
{
	char text[256];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return origin_new(w, (struct origin){.kind = ORIGIN_UNKNOWN, .why = arena_str(w->a, text)});
}

struct origin *origin_mix(struct walk *w, struct origin *a, struct origin *b)
{
	a = a ? a : &untraced;
	b = b ? b : &untraced;
	if (a->kind == ORIGIN_NONE && b->kind == ORIGIN_NONE)
		return &origin_none;
	return origin_new(w, (struct origin){.kind = ORIGIN_MIX, .a = a, .b = b});
}

struct origin *origin_derived(struct walk *w, struct origin *o)
{
	return o && (o->kind == ORIGIN_COLUMN || o->kind == ORIGIN_VIEW || o->kind == ORIGIN_ONE)
		   ? origin_mix(w, o, &origin_none)
	       : o ? o
		   : &origin_none;
}

struct origin *origin_one(struct walk *w, struct origin *o)
{
	return o ? origin_new(w, (struct origin){.kind = ORIGIN_ONE, .a = o}) : NULL;
}

struct origin *origin_definition(struct walk *w, const struct cat_relation *rel, const char *column, bool is_raw)
{
	struct origin *o =
	    origin_new(w, (struct origin){.kind = ORIGIN_COLUMN, .relation = rel, .column = column});
	return is_raw ? origin_derived(w, o) : o;
}

struct origin *origin_same(struct walk *w, struct origin *a, struct origin *b)
{
	if (a == b && a)
		return a;
	return origin_mix(w, a, b);
}

static void add_to(struct walk *w, struct origin **to, struct origin *o)
{
	o = o ? o : &untraced;
	if (*to == NULL || (*to)->kind == ORIGIN_NONE)
		*to = o;
	else if (o->kind != ORIGIN_NONE && o != *to)
		*to = origin_mix(w, *to, o);
}

void touch(struct walk *w, struct origin *o)
{
	add_to(w, w->values, o);
}

void touch_predicate(struct walk *w, struct origin *o)
{
	add_to(w, &w->predicates, o);
}

void touch_failure(struct walk *w)
{
	touch(w, &origin_fails);
}

void note_shown(struct walk *w, struct origin *o)
{
	o = o ? o : &untraced;
	if (w->views) /* what stands in a view, its owner chose */
		return;
	if ((o->holds & HOLDS_FAILURE) && (o->holds & (HOLDS_COLUMN | HOLDS_DEFINITION))) {
		touch_predicate(w, o);
	} else if (o->holds & HOLDS_CYCLE) {
		struct shown *s = arena_new(w->a, struct shown);
		w->is_too_big |= !s;
		if (s)
			*s = (struct shown){w->cyclic, o};
		w->cyclic = s;
	}
}

void touch_row(struct walk *w, const struct row *r)
{
	for (int i = 0; i < r->n && !w->is_too_big; i++)
		touch(w, r->at[i].ty.from);
	if (r->is_open)
		touch(w, origin_unknown(w, "columns of a relation that is not known"));
}

struct origin *origin_of_row(struct walk *w, const struct row *r)
{
	struct origin *all = NULL, **up = w->values;
	w->values = &all;
	touch_row(w, r);
	w->values = up;
	return origin_derived(w, all);
}

struct ty predicate(struct walk *w, struct scope *s, Node *n)
{
	struct origin **up = w->values;
	w->values = &w->predicates;
	struct ty t = expr(w, s, n);
	w->values = up;
	return t;
}

void predicate_as(struct walk *w, struct scope *s, Node *n, uint32_t type)
{
	struct origin **up = w->values;
	w->values = &w->predicates;
	expr_as(w, s, n, type);
	w->values = up;
}

const struct row *row_derived(struct walk *w, const struct row *r, struct origin *from)
{
	struct row *copy = row_new(w, r->n);
	for (int i = 0; i < copy->n; i++) {
		copy->at[i] = r->at[i];
		copy->at[i].ty.from = from;
		copy->at[i].ty.row = NULL;
	}
	copy->is_open |= r->is_open;
	return copy;
}

void walk_execute(struct walk *w, const char *schema, const char *name, const char *why)
{
	needs_execute(w->needs, schema, name, why);
	touch(w, origin_unknown(w, "%s%s%s: %s", schema ? schema : "", schema ? "." : "",
				name ? name : "", why));
}

void walk_opaque(struct walk *w, const char *why)
{
	needs_opaque(w->needs, why);
	touch(w, origin_unknown(w, "%s", why));
}

/* ---- columns of relations ---- */

/* One leaf for each column of a relation in a statement, so that the same column is the same
 * origin. */
struct leaves {
	struct leaves *next;
	const struct cat_relation *relation;
	const struct row *row;
};

/* The relations whose rows may be among this one's, and those whose rows these are. Of one with
 * very many partitions only the latter: its columns are named by itself. */
struct kin {
	const struct cat_relation *at[KIN_MAX];
	int n;
	bool has_more;
};

static void add_kin(struct kin *k, const struct cat_kin *list)
{
	for (; list; list = list->next) {
		bool is_there = false;
		for (int i = 0; i < k->n; i++)
			is_there |= k->at[i] == list->relation;
		k->has_more |= k->n == KIN_MAX;
		if (!is_there && k->n < KIN_MAX)
			k->at[k->n++] = list->relation;
	}
}

static void kin_of(const struct cat_relation *rel, struct kin *k)
{
	*k = (struct kin){.n = 0};
	add_kin(k, rel->parents);
	for (int i = 0; i < k->n; i++)
		add_kin(k, k->at[i]->parents);
	int n = k->n;
	add_kin(k, rel->children);
	for (int i = n; i < k->n; i++)
		add_kin(k, k->at[i]->children);
	if (k->has_more && rel->kind == 'p')
		k->n = n;
}

/* A column under its relation's name and, around it, under those of the relation's kin. */
static struct origin *leaf(struct walk *w, const struct cat_relation *rel, const char *column,
			   const struct kin *k)
{
	struct origin o = {.kind = ORIGIN_COLUMN, .relation = rel, .column = column};
	struct origin *from = origin_new(w, o);
	for (int i = 0; i < k->n && !w->is_too_big; i++) {
		if (cat_column_at(k->at[i], column) < 0)
			continue;
		o = (struct origin){ORIGIN_VIEW, .relation = k->at[i], .column = column, .a = from};
		from = origin_new(w, o);
	}
	return from;
}

static const struct row *leaves_of(struct walk *w, const struct cat_relation *rel)
{
	struct row *r = row_new(w, rel->n_columns);
	struct kin k;
	if (r->n != rel->n_columns)
		return r;
	kin_of(rel, &k);
	for (int i = 0; i < r->n; i++) {
		struct origin *from = &origin_none;
		bool is_raw;
		if (rel->is_implied && builtin_is_definition(rel->name, rel->columns[i].name, &is_raw))
			from = origin_definition(w, rel, rel->columns[i].name, is_raw);
		else if (!rel->is_implied)
			from = leaf(w, rel, rel->columns[i].name, &k);
		r->at[i] =
		    (struct field){rel->columns[i].name, {rel->columns[i].type, .from = from}};
	}
	return r;
}

/* What a generated column shows is its expression's: of those columns too. */
static void fill_generated(struct walk *w, const struct cat_relation *rel, const struct row *r)
{
	for (int i = 0; i < r->n; i++) {
		struct origin *inside = &origin_none;
		if (!rel->columns[i].is_generated)
			continue;
		for (const struct cat_made_of *m = rel->columns[i].made_of; m; m = m->next)
			for (int k = 0; k < r->n; k++)
				if (k != i && rel->columns[k].number == m->number)
					inside = origin_mix(w, inside, r->at[k].ty.from);
		r->at[i].ty.from = origin_mix(w, r->at[i].ty.from, inside);
	}
}

static const struct row *all_unknown(struct walk *w, const struct cat_relation *rel,
				     const char *what)
{
	struct origin *from = origin_unknown(w, "%s %s.%s", what, rel->schema->name, rel->name);
	return row_derived(w, leaves_of(w, rel), from);
}

/* A view's columns: its own names of what its definition gives. */
static const struct row *view_columns(struct walk *w, const struct cat_relation *rel)
{
	const struct row *inside = view_row(w, rel);
	if (!inside || inside->is_open || inside->n != rel->n_columns)
		return all_unknown(w, rel, "view");
	const struct row *r = leaves_of(w, rel);
	for (int i = 0; i < r->n; i++) {
		struct origin *o = r->at[i].ty.from;
		if (o->kind != ORIGIN_COLUMN)
			continue;
		o->kind = ORIGIN_VIEW;
		o->a = inside->at[i].ty.from ? inside->at[i].ty.from : &untraced;
		o->holds = holds_of(o) & (uint8_t)~HOLDS_FAILURE; /* its owner's choice, not the asker's */
	}
	return r;
}

static const struct row *columns_of(struct walk *w, const struct cat_relation *rel)
{
	w->needs->reads_views |= !rel->is_system && (rel->kind == 'v' || rel->kind == 'p' || rel->children);
	if (rel->is_system && !rel->is_implied)
		return all_unknown(w, rel, "the system's");
	if (rel->is_implied)
		return leaves_of(w, rel);
	if (rel->kind == 'v')
		return view_columns(w, rel);
	if (rel->kind == 'm')
		return all_unknown(w, rel, "materialized view");
	const struct row *r = leaves_of(w, rel);
	if (r->n == rel->n_columns)
		fill_generated(w, rel, r);
	return r;
}

struct row *row_of_relation(struct walk *w, const struct cat_relation *rel)
{
	struct leaves *l = w->leaves;
	while (l && l->relation != rel)
		l = l->next;
	if (!l) {
		const struct row *r = columns_of(w, rel);
		l = arena_new(w->a, struct leaves);
		if (!l) {
			w->is_too_big = true;
			return row_new(w, 0);
		}
		*l = (struct leaves){w->leaves, rel, r};
		w->leaves = l;
	}
	struct row *copy = row_new(w, l->row->n);
	if (copy->n == l->row->n && copy->n)
		memcpy(copy->at, l->row->at, (size_t)copy->n * sizeof(*copy->at));
	return copy;
}

struct origin *origin_system_column(struct walk *w, const struct cat_relation *rel,
				    const char *name)
{
	if (rel->is_implied)
		return &origin_none;
	return origin_new(w,
			  (struct origin){.kind = ORIGIN_COLUMN, .relation = rel, .column = name});
}
