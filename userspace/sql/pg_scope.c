#include "sql/pg_walk.h"

bool enter(struct walk *w, int cost)
{
	w->depth += cost;
	w->nodes++;
	if (w->depth > WALK_DEPTH_MAX || w->nodes > WALK_NODES_MAX || arena_failed(w->a))
		w->is_too_big = true;
	return !w->is_too_big;
}

void leave(struct walk *w, int cost)
{
	w->depth -= cost;
}

struct row *row_new(struct walk *w, int n)
{
	struct row *r = arena_new(w->a, struct row);
	struct field *at = arena_array(w->a, (size_t)n, sizeof(*at));
	static struct row none = {.is_open = true};
	if (!r || !at) {
		w->is_too_big = true;
		return &none;
	}
	*r = (struct row){at, n, false};
	return r;
}

void row_push(struct walk *w, struct row *r, struct field f)
{
	/* Room doubles: it is the next power of two above n. */
	if ((r->n & (r->n - 1)) == 0) {
		struct field *at = arena_array(w->a, (size_t)MAX(r->n * 2, 1), sizeof(*at));
		if (!at) {
			w->is_too_big = true;
			return;
		}
		if (r->n)
			memcpy(at, r->at, (size_t)r->n * sizeof(*at));
		r->at = at;
	}
	r->at[r->n++] = f;
}

/* Of a value of the relation's type, wherever it comes from. */
static struct row *row_of_columns(struct walk *w, const struct cat_relation *rel)
{
	struct row *r = row_new(w, rel->n_columns);
	for (int i = 0; i < r->n; i++)
		r->at[i] = (struct field){rel->columns[i].name, T(rel->columns[i].type)};
	return r;
}

const struct row *row_of_type(struct walk *w, struct ty t)
{
	const struct cat_relation *rel = type_relation(w->c, t.oid);
	if (t.row)
		return t.row;
	return rel ? row_of_columns(w, rel) : NULL;
}

const struct field *row_find(const struct row *r, const char *name)
{
	for (int i = 0; i < r->n; i++)
		if (r->at[i].name && !strcmp(r->at[i].name, name))
			return &r->at[i];
	return NULL;
}

struct member *scope_add(struct walk *w, struct scope *s, const char *name, const struct row *row)
{
	static struct member none;
	struct member *src = arena_new(w->a, struct member);
	if (!src) {
		w->is_too_big = true;
		return &none;
	}
	*src = (struct member){.next = s->sources,
			       .name = name,
			       .row = row,
			       .whole = {TYPE_RECORD, row, NULL},
			       .shows_name = name != NULL,
			       .shows_columns = true};
	s->sources = src;
	return src;
}

/* The sources of a level that names may mean now. */
static struct member *first_visible(const struct scope *s)
{
	return s->reads_from && !s->is_lateral ? NULL : s->sources;
}

#define EACH_VISIBLE(src, s)                                                                       \
	for (struct member *src = first_visible(s); src && src != (s)->end; src = src->next)

static const struct {
	const char *name;
	uint32_t type;
} system_columns[] = {{"ctid", TYPE_TID}, {"xmin", TYPE_XID}, {"cmin", TYPE_CID},
		      {"xmax", TYPE_XID}, {"cmax", TYPE_CID}, {"tableoid", TYPE_OID}};

static const struct field *system_column(struct walk *w, const struct member *src, const char *name)
{
	if (!src->relation)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(system_columns); i++) {
		if (strcmp(system_columns[i].name, name) != 0)
			continue;
		struct row *r = row_new(w, 1);
		struct ty t = T(system_columns[i].type);
		t.from = origin_system_column(w, src->relation, name);
		if (r->n)
			r->at[0] = (struct field){system_columns[i].name, t};
		return r->n ? &r->at[0] : NULL;
	}
	return NULL;
}

static const struct field *source_column(struct walk *w, const struct member *src, const char *name)
{
	const struct field *f = row_find(src->row, name);
	return f ? f : system_column(w, src, name);
}

/* A bare name, level by level. ret_open: some source there may have it and we cannot tell. */
static const struct field *find_column(struct walk *w, struct scope *s, const char *name,
				       bool *ret_open)
{
	*ret_open = false;
	for (; s; s = s->up) {
		EACH_VISIBLE(src, s)
		{
			const struct field *f =
			    src->shows_columns ? source_column(w, src, name) : NULL;
			if (f)
				return f;
			*ret_open |= src->shows_columns && src->row->is_open;
		}
		if (*ret_open)
			return NULL;
	}
	return NULL;
}

static bool is_named(const struct member *src, const char *schema, const char *name)
{
	if (!src->shows_name || strcmp(src->name, name) != 0)
		return false;
	return !schema ||
	       (!src->has_alias && src->relation && !strcmp(src->relation->schema->name, schema));
}

static struct member *find_source(struct scope *s, const char *schema, const char *name)
{
	for (; s; s = s->up)
		EACH_VISIBLE(src, s)
	if (is_named(src, schema, name))
		return src;
	return NULL;
}

/* The strings of a dotted name, the last four: database.schema.relation.column. The star is "*". */
static int parts_of(const List *fields, const char **parts)
{
	int n = 0;
	ListCell *cell;
	foreach (cell, fields) {
		Node *f = lfirst(cell);
		if (n == 4)
			return 0;
		parts[n++] = IsA(f, String) ? strVal(f) : "*";
	}
	return n;
}

static struct ty unknown_name(struct walk *w, const char *name)
{
	return (struct ty){.from = origin_unknown(
			       w, "name %s, which may be of a relation that is not known", name)};
}

static struct ty of_column(struct walk *w, const struct field *f)
{
	struct ty t = f->ty;
	if (!t.from)
		t.from = origin_unknown(w, "column %s", f->name);
	return t;
}

/* The whole row: of all of its columns. Under other names than its type's, (c).x is a column by
 * these and, once the row has gone through a subquery or a cast, one by the type's:
 * ParseComplexProjection of parser/parse_func.c. */
static struct ty of_row(struct walk *w, struct member *src)
{
	if (src->is_renamed)
		walk_opaque(w, "a whole row whose columns an alias calls otherwise");
	if (!src->whole.from)
		src->whole.from = origin_of_row(w, src->row);
	return src->whole;
}

static struct ty bare_name(struct walk *w, struct scope *s, const char *name)
{
	bool is_open = false;
	const struct field *f = find_column(w, s, name, &is_open);
	if (f)
		return of_column(w, f);
	struct member *src = find_source(s, NULL, name);
	if (src && !is_open)
		return of_row(w, src);
	if (!is_open) {
		w->lacks_facts = true;
		w->stmt->missing = arena_str(w->needs->a, name);
	}
	return unknown_name(w, name);
}

static struct ty of_source(struct walk *w, struct member *src, const char *name)
{
	const struct field *f = source_column(w, src, name);
	if (f)
		return of_column(w, f);
	touch(w, of_row(w, src).from);
	return field_or_call(w, src->row->is_open ? UNSURE : src->whole, name);
}

struct ty column_ref(struct walk *w, struct scope *s, ColumnRef *c)
{
	const char *parts[4];
	int n = parts_of(c->fields, parts);
	if (n == 0)
		return unknown_name(w, "of many parts");
	if (n == 1)
		return bare_name(w, s, parts[0]);
	struct member *src = find_source(s, n > 2 ? parts[n - 3] : NULL, parts[n - 2]);
	if (!src)
		return unknown_name(w, parts[n - 2]);
	/* c.* where a value is wanted is the row: count(c.*), c.*::text. */
	return strcmp(parts[n - 1], "*") ? of_source(w, src, parts[n - 1]) : of_row(w, src);
}

static void append(struct walk *w, struct row *out, const struct row *r)
{
	out->is_open |= r->is_open;
	for (int i = 0; i < r->n && !w->is_too_big; i++)
		row_push(w, out, r->at[i]);
}

/* Sources hang last first: the ones before come before. */
static void append_sources(struct walk *w, const struct scope *s, struct row *out)
{
	int n = 0;
	EACH_VISIBLE(src, s)
	n++;
	const struct row **rows = arena_array(w->a, (size_t)n, sizeof(*rows));
	int i = n;
	if (!rows)
		return;
	EACH_VISIBLE(src, s)
	rows[--i] = src->shows_columns ? src->row : NULL;
	for (i = 0; i < n; i++)
		if (rows[i])
			append(w, out, rows[i]);
}

void star_fields(struct walk *w, struct scope *s, ColumnRef *c, struct row *out)
{
	const char *parts[4];
	int n = parts_of(c->fields, parts);
	if (n == 1) {
		append_sources(w, s, out);
		return;
	}
	struct member *src =
	    n > 1 ? find_source(s, n > 2 ? parts[n - 3] : NULL, parts[n - 2]) : NULL;
	if (src)
		append(w, out, src->row);
	else
		out->is_open = true;
}

struct ty field_or_call(struct walk *w, struct ty of, const char *name)
{
	const struct row *r = row_of_type(w, of);
	const struct field *f = r ? row_find(r, name) : NULL;
	if (f)
		return f->ty;
	if (r && r->is_open)
		of = UNSURE;
	return call_by_types(w, NULL, name, &of, 1);
}
