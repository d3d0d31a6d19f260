#include "sql/catalog_internal.h"

#include <errno.h>
#include <stdio.h>

#include "base/macro.h"
#include "policy/op.h"
#include "sql/builtin.h"

#define CATALOG_BYTES ((size_t)256 * 1024 * 1024)
#define MAX_FIELDS    16
#define MAX_COLUMNS   1664 /* of one relation or result: access/htup_details.h */

struct catalog_builder {
	struct catalog *c;
	/* Columns of the relation that is being read. */
	struct cat_relation *open_relation;
	struct cat_column columns[MAX_COLUMNS];
	int n_columns;
	int at_query; /* rows must come in the order of the queries */
	bool is_part;	  /* of the built-in objects alone: has no settings */
	bool has_settings;
	int err;
};

/* One row's fields on their way in. Sticky: a bad field makes the row malformed. */
struct row {
	struct catalog_builder *b;
	const char *const *fields;
	bool is_bad;
};

static uint32_t number(struct row *r, int i)
{
	const char *s = r->fields[i];
	uint64_t v = 0;
	if (!s || !*s) {
		r->is_bad = true;
		return 0;
	}
	for (; *s; s++) {
		if (*s < '0' || *s > '9' || (v = v * 10 + (uint64_t)(*s - '0')) > UINT32_MAX) {
			r->is_bad = true;
			return 0;
		}
	}
	return (uint32_t)v;
}

static bool truth(struct row *r, int i)
{
	const char *s = r->fields[i];
	if (!s || (strcmp(s, "t") != 0 && strcmp(s, "f") != 0))
		r->is_bad = true;
	return s && *s == 't';
}

static char letter(struct row *r, int i)
{
	const char *s = r->fields[i];
	if (!s || !*s || s[1])
		r->is_bad = true;
	return s ? *s : 0;
}

static const char *text(struct row *r, int i)
{
	const char *s = r->fields[i];
	if (!s) {
		r->is_bad = true;
		return "";
	}
	const char *copy = arena_str(&r->b->c->arena, s);
	return copy ? copy : "";
}

static void *add(struct row *r, struct cat_list *l, size_t size)
{
	if (l->n == l->limit) {
		r->b->err = ERR_LIMIT;
		return NULL;
	}
	if (l->n == l->room) {
		int room = l->room ? l->room * 2 : 256;
		void **at = realloc(l->at, (size_t)room * sizeof(*at));
		if (!at) {
			r->b->err = -ENOMEM;
			return NULL;
		}
		l->at = at;
		l->room = room;
	}
	void *o = arena_alloc(&r->b->c->arena, size);
	if (o)
		l->at[l->n++] = o;
	return o;
}

static void *find(const struct cat_list *l, uint32_t oid)
{
	int lo = 0, hi = l->n;
	while (lo < hi) {
		int mid = lo + (hi - lo) / 2;
		if (*(const uint32_t *)l->at[mid] < oid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < l->n && *(const uint32_t *)l->at[lo] == oid ? l->at[lo] : NULL;
}

/* What is shared is not changed: a catalogue in which it would have to be is read whole. */
static bool is_shared(struct row *r, uint32_t oid)
{
	bool is = r->b->c->base && oid < CAT_FIRST_USER_OID;
	if (is)
		r->b->err = ERR_STATE;
	return is;
}

static const struct cat_schema *schema(struct row *r, int i)
{
	const struct cat_schema *s = find(&r->b->c->schemas, number(r, i));
	if (!s)
		r->is_bad = true;
	return s;
}

static void add_settings(struct row *r)
{
	struct catalog *c = r->b->c;
	c->search_path = text(r, 0);
	c->user = text(r, 1);
	c->is_utf8 = !strcmp(text(r, 2), "UTF8");
	r->b->has_settings = true;
}

static void add_nothing(struct row *r)
{
	(void)r;
}

static void add_schema(struct row *r)
{
	struct cat_schema *s = add(r, &r->b->c->schemas, sizeof(*s));
	if (s)
		*s = (struct cat_schema){number(r, 0), text(r, 1), truth(r, 2)};
}

static void add_relation(struct row *r)
{
	struct cat_relation *o = add(r, &r->b->c->relations, sizeof(*o));
	if (!o)
		return;
	*o = (struct cat_relation){.oid = number(r, 0),
				   .schema = schema(r, 1),
				   .name = text(r, 2),
				   .kind = letter(r, 3),
				   .row_type = number(r, 4)};
	o->is_system = o->oid < CAT_FIRST_USER_OID;
	o->is_implied =
	    o->is_system && o->schema && builtin_is_read_relation(o->schema->name, o->name);
}

static void close_relation(struct catalog_builder *b)
{
	struct cat_relation *o = b->open_relation;
	if (!o)
		return;
	struct cat_column *copy = arena_array(&b->c->arena, (size_t)b->n_columns, sizeof(*copy));
	if (copy) {
		memcpy(copy, b->columns, (size_t)b->n_columns * sizeof(*copy));
		o->columns = copy;
		o->n_columns = b->n_columns;
	}
	b->open_relation = NULL;
}

static void add_column(struct row *r)
{
	struct catalog_builder *b = r->b;
	struct cat_relation *o = find(&b->c->relations, number(r, 0));
	if (o != b->open_relation) {
		close_relation(b);
		b->n_columns = 0;
		if (o && o->columns) /* columns of one relation must come together */
			r->is_bad = true;
	}
	b->open_relation = o;
	if (!o)
		return; /* made after the relations were read */
	if (b->n_columns == MAX_COLUMNS)
		r->is_bad = true;
	else
		b->columns[b->n_columns++] = (struct cat_column){
		    .name = text(r, 1), .type = number(r, 2), .number = (int)number(r, 3)};
}

static void add_type(struct row *r)
{
	struct cat_type *t = add(r, &r->b->c->types, sizeof(*t));
	if (!t)
		return;
	*t = (struct cat_type){.oid = number(r, 0),
			       .schema = schema(r, 1),
			       .name = text(r, 2),
			       .kind = letter(r, 3),
			       .category = letter(r, 4),
			       .is_preferred = truth(r, 5),
			       .element = number(r, 6),
			       .array = number(r, 7),
			       .base = number(r, 8),
			       .relation = find(&r->b->c->relations, number(r, 9)),
			       .subtype = number(r, 10),
			       .has_check = truth(r, 11),
			       .has_own_order = truth(r, 12),
			       .has_subscript = truth(r, 13)};
	t->is_system = t->oid < CAT_FIRST_USER_OID;
	r->b->c->has_own_order |= t->has_own_order;
}

/* Numbers set apart by blanks. */
static const uint32_t *numbers(struct row *r, const char *s, int *ret_n)
{
	uint32_t v[MAX_COLUMNS];
	int n = 0;
	char *end = NULL;
	for (; s && *s && n < MAX_COLUMNS; s = end + strspn(end, " ")) {
		v[n++] = (uint32_t)strtoul(s, &end, 10);
		if (end == s) {
			r->is_bad = true;
			return NULL;
		}
	}
	if (s && *s)
		r->is_bad = true;
	uint32_t *copy = arena_array(&r->b->c->arena, (size_t)n, sizeof(*copy));
	if (copy)
		memcpy(copy, v, (size_t)n * sizeof(*copy));
	*ret_n = copy ? n : 0;
	return copy;
}

/* The OUT, INOUT and TABLE columns, from all argument types, their modes and their names. */
static void add_outs(struct row *r, struct cat_function *f)
{
	const char *modes = r->fields[11], *name = r->fields[12];
	int n = 0;
	const uint32_t *types = numbers(r, r->fields[10], &n);
	if (!modes || !types || (int)strlen(modes) != n)
		return;
	struct cat_column *outs = arena_array(&r->b->c->arena, (size_t)n, sizeof(*outs));
	for (int i = 0; outs && i < n; i++) {
		size_t len = name ? strcspn(name, "\001") : 0;
		if (strchr("obt", modes[i])) {
			const char *own =
			    len ? arena_strn(&r->b->c->arena, name, len)
				: arena_printf(&r->b->c->arena, "column%d", f->n_outs + 1);
			outs[f->n_outs] = (struct cat_column){
			    .name = own ? own : "", .type = types[i], .number = f->n_outs + 1};
			f->n_outs++;
		}
		name = name && name[len] ? name + len + 1 : NULL;
	}
	f->outs = outs;
}

static void add_function(struct row *r)
{
	struct cat_function *f = add(r, &r->b->c->functions, sizeof(*f));
	if (!f)
		return;
	*f = (struct cat_function){.oid = number(r, 0),
				   .schema = schema(r, 1),
				   .name = text(r, 2),
				   .kind = letter(r, 3),
				   .volatility = letter(r, 4),
				   .returns_set = truth(r, 5),
				   .result = number(r, 6),
				   .variadic = number(r, 7),
				   .n_defaults = (int)number(r, 8)};
	f->args = numbers(r, r->fields[9], &f->n_args);
	if (f->n_args > CAT_MAX_ARGS || f->n_defaults > f->n_args)
		r->is_bad = true;
	f->is_read = f->oid < CAT_FIRST_USER_OID && f->schema &&
		     builtin_is_read_function(f->schema->name, f->name);
	if (r->fields[10])
		add_outs(r, f);
	f->is_definer = truth(r, 13);
}

static void add_operator(struct row *r)
{
	struct cat_operator *o = add(r, &r->b->c->operators, sizeof(*o));
	if (o)
		*o = (struct cat_operator){.schema = schema(r, 0),
					   .name = text(r, 1),
					   .args = {number(r, 2), number(r, 3)},
					   .result = number(r, 4),
					   .function = find(&r->b->c->functions, number(r, 5))};
}

static void add_cast(struct row *r)
{
	struct cat_cast *k = add(r, &r->b->c->casts, sizeof(*k));
	if (!k)
		return;
	*k = (struct cat_cast){.source = number(r, 0),
			       .target = number(r, 1),
			       .function_oid = number(r, 2),
			       .context = letter(r, 3),
			       .method = letter(r, 4)};
	k->function = find(&r->b->c->functions, k->function_oid);
}

/* Columns are ours to change until the catalogue is built. One row for each column that the
 * generated one is computed from. */
static void mark_generated(struct row *r)
{
	close_relation(r->b);
	const struct cat_relation *o = find(&r->b->c->relations, number(r, 0));
	int at = (int)number(r, 1);
	for (int i = 0; o && !is_shared(r, o->oid) && i < o->n_columns; i++) {
		struct cat_column *c = (struct cat_column *)(uintptr_t)&o->columns[i];
		struct cat_made_of *m = arena_new(&r->b->c->arena, struct cat_made_of);
		if (c->number != at || !m)
			continue;
		*m = (struct cat_made_of){(int)number(r, 2), c->made_of};
		c->is_generated = true;
		c->made_of = m;
	}
}

static void add_definition(struct row *r)
{
	struct cat_relation *o = find(&r->b->c->relations, number(r, 0));
	if (o && r->fields[1] && !is_shared(r, o->oid))
		o->definition = text(r, 1);
}

static void add_kin(struct row *r, const struct cat_kin **to, const struct cat_relation *relation)
{
	struct cat_kin *k = arena_new(&r->b->c->arena, struct cat_kin);
	if (!k)
		return;
	*k = (struct cat_kin){relation, *to};
	*to = k;
}

/* s, i, u, d, t: a verb each; =: the same as was done. */
static uint32_t verbs(struct row *r, int i, bool *ret_same)
{
	static const char letters[] = "siudt";
	static const uint8_t verb[] = {VERB_SELECT, VERB_INSERT, VERB_UPDATE, VERB_DELETE, VERB_TRUNCATE};
	uint32_t set = 0;
	for (const char *s = r->fields[i] ? r->fields[i] : "?"; *s; s++) {
		const char *at = strchr(letters, *s);
		*ret_same |= *s == '=';
		r->is_bad |= !at && *s != '=';
		set |= at ? 1u << verb[at - letters] : 0;
	}
	return set;
}

static void add_reach(struct row *r)
{
	struct cat_relation *o = find(&r->b->c->relations, number(r, 0));
	struct cat_reach b = {.next = o ? o->reached : NULL};
	bool is_on_same = false;
	b.on = verbs(r, 1, &is_on_same);
	b.does = verbs(r, 2, &b.is_same);
	if (letter(r, 3) == 'f')
		b.function = find(&r->b->c->functions, number(r, 4));
	else
		b.relation = find(&r->b->c->relations, number(r, 4));
	if (!o || (!b.function && !b.relation) || is_shared(r, o->oid))
		return; /* made after the others were read */
	struct cat_reach *copy = arena_new(&r->b->c->arena, struct cat_reach);
	if (!copy)
		return;
	*copy = b;
	o->reached = copy;
}

/* Indexes inherit too; they are not among the relations. */
static void add_inheritance(struct row *r)
{
	struct cat_relation *child = find(&r->b->c->relations, number(r, 0)),
			    *parent = find(&r->b->c->relations, number(r, 1));
	if (!child || !parent || is_shared(r, child->oid) || is_shared(r, parent->oid))
		return;
	add_kin(r, &child->parents, parent);
	add_kin(r, &parent->children, child);
}

/* A range, and its multirange, is compared by the operator class that it names. */
#define ORDER_CHECK                                                                                \
	"EXISTS (SELECT FROM pg_catalog.pg_opclass o WHERE o.opcintype = t.oid AND o.opcdefault "  \
	"AND o.oid >= 16384 AND o.opcmethod IN (403, 405)) OR t.oid >= 16384 AND EXISTS (SELECT "  \
	"FROM pg_catalog.pg_range g WHERE g.rngsubopc >= 16384 AND (g.rngtypid = t.oid OR "        \
	"pg_catalog.to_jsonb(g) ->> 'rngmultitypid' = t.oid::pg_catalog.text))"

/* Reading a view's definition locks it and what it reads. What somebody has locked, or is about to, is
 * left out (nothing is traced through it meanwhile): he may be a client of ours who waits, between two
 * statements of his transaction, for this very catalogue. What slips through ends by lock_timeout. */
#define VIEWS                                                                                      \
	"WITH held AS MATERIALIZED (SELECT relation FROM pg_catalog.pg_locks WHERE locktype = "    \
	"'relation' AND mode = 'AccessExclusiveLock' AND relation >= 16384), "                     \
	"shut AS MATERIALIZED (SELECT relation FROM held UNION SELECT w.ev_class FROM held JOIN "  \
	"pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND " \
	"d.refobjid = relation AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass "      \
	"JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid) "                                        \
	"SELECT oid, pg_catalog.pg_get_viewdef(oid) FROM pg_catalog.pg_class WHERE relkind = 'v' " \
	"AND oid >= 16384 AND oid NOT IN (SELECT relation FROM shut)"

/* relation, uses, verbs, r or f, what. Of a rule for writing nobody says here what it does to which of the relations
 * that it names; what a view reads may be written by way of it. What initdb made is nowhere among dependencies. */
#define REACHED                                                                                     \
	"SELECT DISTINCT w.ev_class, CASE w.ev_type WHEN '1' THEN 'siud' WHEN '2' THEN 'u' WHEN "  \
	"'3' THEN 'i' ELSE 'd' END, CASE w.ev_type WHEN '1' THEN 's=' ELSE 'siud' END, CASE "      \
	"d.refclassid WHEN 'pg_catalog.pg_proc'::pg_catalog.regclass THEN 'f' ELSE 'r' END, "      \
	"d.refobjid FROM pg_catalog.pg_rewrite w JOIN pg_catalog.pg_depend d ON d.classid = "      \
	"'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = w.oid AND d.refclassid IN "    \
	"('pg_catalog.pg_class'::pg_catalog.regclass, 'pg_catalog.pg_proc'::pg_catalog.regclass) " \
	"AND d.refobjid <> w.ev_class WHERE w.ev_class >= 16384 AND w.ev_enabled <> 'D' "          \
	"UNION ALL SELECT tgrelid, pg_catalog.concat(CASE WHEN tgtype & 4 <> 0 THEN 'i' END, CASE " \
	"WHEN tgtype & 8 <> 0 THEN 'd' END, CASE WHEN tgtype & 16 <> 0 THEN 'u' END, CASE WHEN "   \
	"tgtype & 32 <> 0 THEN 't' END), '', 'f', tgfoid FROM pg_catalog.pg_trigger WHERE NOT "    \
	"tgisinternal AND tgenabled <> 'D' "                                                       \
	"UNION ALL SELECT confrelid, 'd', CASE confdeltype WHEN 'c' THEN 'd' ELSE 'u' END, 'r', "  \
	"conrelid FROM pg_catalog.pg_constraint WHERE contype = 'f' AND confdeltype IN ('c', 'n', " \
	"'d') UNION ALL SELECT confrelid, 'u', 'u', 'r', conrelid FROM pg_catalog.pg_constraint "  \
	"WHERE contype = 'f' AND confupdtype IN ('c', 'n', 'd')"

/* The three texts of a query: of all objects, of those that initdb made, of the others. */
#define BY(oid, before, after)                                                                     \
	{                                                                                          \
		before after, before " AND " oid " < 16384" after,                                 \
		    before " AND " oid " >= 16384" after                                           \
	}
/* What no built-in object has. */
#define OTHERS(sql) {sql, NULL, sql}

/* Rows come sorted where the loader looks things up by number. */
static const struct {
	const char *sql[3]; /* by enum catalog_part; NULL: nothing to ask */
	int n_fields;
	void (*add)(struct row *r);
} queries[] = {
    {OTHERS("SELECT pg_catalog.current_setting('search_path'), current_user, "
	    "pg_catalog.current_setting('server_encoding')"),
     3, add_settings},
    {OTHERS("SELECT pg_catalog.set_config('search_path', '', false)"), 1, add_nothing},
    {BY("oid",
	"SELECT oid, nspname, pg_catalog.has_schema_privilege(oid, 'USAGE') FROM "
	"pg_catalog.pg_namespace WHERE true",
	" ORDER BY oid"),
     3, add_schema},
    {BY("oid",
	"SELECT oid, relnamespace, relname, relkind, reltype FROM pg_catalog.pg_class "
	"WHERE relkind NOT IN ('i', 'I', 't')",
	" ORDER BY oid"),
     5, add_relation},
    {BY("attrelid",
	"SELECT attrelid, attname, atttypid, attnum FROM pg_catalog.pg_attribute a JOIN "
	"pg_catalog.pg_class c "
	"ON c.oid = attrelid WHERE relkind NOT IN ('i', 'I', 't') AND attnum > 0 AND NOT "
	"attisdropped",
	" ORDER BY attrelid, attnum"),
     4, add_column},
    {BY("t.oid",
	"SELECT t.oid, t.typnamespace, t.typname, t.typtype, t.typcategory, t.typispreferred, "
	"CASE WHEN e.typarray = t.oid OR t.oid IN (22, 30) THEN t.typelem ELSE 0 END, "
	"t.typarray, t.typbasetype, t.typrelid, COALESCE(r.rngsubtype, 0), "
	"EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.contypid = t.oid AND c.contype = "
	"'c'), " ORDER_CHECK ", "
	"t.oid >= 16384 AND t.typelem <> 0 AND e.typarray IS DISTINCT FROM t.oid OR "
	"t.typtype = 'b' AND e.typarray IS DISTINCT FROM t.oid AND "
	"COALESCE((pg_catalog.to_jsonb(t) ->> 'typsubscript') NOT IN ('-', 'array_subscript_handler', "
	"'raw_array_subscript_handler', 'jsonb_subscript_handler'), false) "
	"FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem "
	"LEFT JOIN pg_catalog.pg_range r ON r.rngtypid = t.oid WHERE true",
	" ORDER BY t.oid"),
     14, add_type},
    {BY("oid",
	"SELECT oid, pronamespace, proname, prokind, provolatile, proretset, prorettype, "
	"provariadic, pronargdefaults, proargtypes, pg_catalog.array_to_string(proallargtypes, "
	"' '), pg_catalog.array_to_string(proargmodes, ''), "
	"pg_catalog.array_to_string(proargnames, pg_catalog.chr(1), ''), prosecdef "
	"FROM pg_catalog.pg_proc WHERE true",
	" ORDER BY oid"),
     14, add_function},
    {BY("oid",
	"SELECT oprnamespace, oprname, oprleft, oprright, oprresult, oprcode::pg_catalog.oid "
	"FROM pg_catalog.pg_operator WHERE true",
	" ORDER BY oid"),
     6, add_operator},
    {BY("oid",
	"SELECT castsource, casttarget, castfunc, castcontext, castmethod FROM "
	"pg_catalog.pg_cast WHERE true",
	" ORDER BY 1, 2"),
     5, add_cast},
    /* Of the system's columns, which have negative numbers, tableoid may be used: nothing to trace. */
    {OTHERS("SELECT attrelid, attnum, GREATEST(refobjsubid, 0) FROM pg_catalog.pg_attribute a "
	    "LEFT JOIN pg_catalog.pg_attrdef d ON adrelid = attrelid AND adnum = attnum "
	    "LEFT JOIN pg_catalog.pg_depend ON classid IN "
	    "('pg_catalog.pg_attrdef'::pg_catalog.regclass, "
	    "'pg_catalog.pg_class'::pg_catalog.regclass) AND (objid = d.oid OR objid = attrelid "
	    "AND objsubid = attnum) AND refobjid = attrelid "
	    "AND refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass "
	    "WHERE attrelid >= 16384 AND attnum > 0 AND NOT attisdropped AND atthasdef AND "
	    "pg_catalog.to_jsonb(a) ->> 'attgenerated' <> ''"),
     3, mark_generated},
    {OTHERS(VIEWS), 2, add_definition},
    {OTHERS("SELECT inhrelid, inhparent FROM pg_catalog.pg_inherits"), 2, add_inheritance},
    {OTHERS(REACHED), 5, add_reach},
};

/* Any change of a row has a new xmin, greater than the old one. */
#define ROWS(table, which)                                                                         \
	"(SELECT pg_catalog.concat(pg_catalog.count(*), '/', "                                     \
	"pg_catalog.sum(xmin::pg_catalog.text::pg_catalog.int8)) FROM pg_catalog." table           \
	" WHERE " which "), "

const char *catalog_fingerprint_query(void)
{
	return "SELECT pg_catalog.concat_ws(' ', "
	       "pg_catalog.current_setting('server_version_num'), "
	       "(SELECT oid FROM pg_catalog.pg_database WHERE datname = "
	       "pg_catalog.current_database()), " ROWS("pg_class", "oid < 16384")
		   ROWS("pg_attribute", "attrelid < 16384") ROWS("pg_type", "oid < 16384")
		       ROWS("pg_proc", "oid < 16384") ROWS("pg_operator", "oid < 16384")
			   ROWS("pg_cast", "oid < 16384") ROWS("pg_range", "rngtypid < 16384")
			       ROWS("pg_constraint", "contypid BETWEEN 1 AND 16383")
				   ROWS("pg_db_role_setting", "true") ROWS(
				       "pg_opclass",
				       "opcdefault AND oid >= 16384 AND opcintype < 16384")
	       "(SELECT pg_catalog.string_agg(pg_catalog.concat(nspname, "
	       "pg_catalog.has_schema_privilege(oid, 'USAGE')), ',' ORDER BY oid) "
	       "FROM pg_catalog.pg_namespace WHERE oid < 16384))";
}

const char *catalog_views_query(void)
{
	return "SELECT pg_catalog.concat_ws(' ', "
	       "(SELECT pg_catalog.md5(pg_catalog.string_agg(pg_catalog.concat(oid, ':', xmin), ',' "
	       "ORDER BY oid)) FROM pg_catalog.pg_rewrite WHERE ev_class >= 16384), "
	       "(SELECT pg_catalog.md5(pg_catalog.string_agg(pg_catalog.concat(inhrelid, ':', "
	       "inhparent, ':', xmin), ',' ORDER BY inhrelid, inhparent)) FROM pg_catalog.pg_inherits))";
}

int catalog_n_queries(void)
{
	return ARRAY_LEN(queries);
}

const char *catalog_query(int i, enum catalog_part part)
{
	return queries[i].sql[part];
}

int catalog_builder_new(struct catalog_builder **ret_b)
{
	struct catalog_builder *b = calloc(1, sizeof(*b));
	struct catalog *c = calloc(1, sizeof(*c));
	if (!b || !c) {
		free(b);
		free(c);
		return -ENOMEM;
	}
	arena_init(&c->arena, CATALOG_BYTES);
	c->schemas.limit = 100 * 1000;
	c->relations.limit = c->types.limit = c->functions.limit = 1000 * 1000;
	c->operators.limit = c->casts.limit = 100 * 1000;
	c->refs = 1;
	b->c = c;
	*ret_b = b;
	return 0;
}

static int copy_list(struct cat_list *to, const struct cat_list *from)
{
	void **at = malloc(((size_t)from->n + 1) * sizeof(*at));
	if (!at)
		return -ENOMEM;
	if (from->n)
		memcpy(at, from->at, (size_t)from->n * sizeof(*at));
	free(to->at);
	to->at = at;
	to->n = from->n;
	to->room = from->n + 1;
	return 0;
}

void catalog_builder_part(struct catalog_builder *b)
{
	b->is_part = true;
}

int catalog_builder_share(struct catalog_builder *b, struct catalog *base)
{
	struct catalog *c = b->c;
	if (c->base || c->schemas.n)
		return ERR_STATE;
	if (copy_list(&c->schemas, &base->schemas) || copy_list(&c->relations, &base->relations) ||
	    copy_list(&c->types, &base->types) || copy_list(&c->functions, &base->functions) ||
	    copy_list(&c->operators, &base->operators) || copy_list(&c->casts, &base->casts))
		return -ENOMEM;
	c->base = catalog_ref(base);
	c->has_own_order = base->has_own_order;
	return 0;
}

void catalog_builder_free(struct catalog_builder *b)
{
	if (!b)
		return;
	if (b->c)
		catalog_destroy(b->c);
	free(b);
}

int catalog_add_row(struct catalog_builder *b, int i, const char *const *fields, int n)
{
	if (!b->c || i < b->at_query || i >= catalog_n_queries() || n != queries[i].n_fields)
		return ERR_MALFORMED;
	b->at_query = i;
	struct row r = {b, fields, false};
	queries[i].add(&r);
	if (!b->err && r.is_bad)
		b->err = ERR_MALFORMED;
	if (!b->err && arena_failed(&b->c->arena))
		b->err = ERR_LIMIT;
	return b->err;
}

static int compare_oid(const void *a, const void *b)
{
	uint32_t x = **(uint32_t *const *)a, y = **(uint32_t *const *)b;
	return (x > y) - (x < y);
}

struct named {
	uint32_t oid;
	const struct cat_schema *schema;
	const char *name;
};

static int compare_name(const void *a, const void *b)
{
	const struct named *x = *(struct named *const *)a, *y = *(struct named *const *)b;
	int c = strcmp(x->name, y->name);
	if (c)
		return c;
	c = (x->schema->oid > y->schema->oid) - (x->schema->oid < y->schema->oid);
	return c ? c : (x->oid > y->oid) - (x->oid < y->oid);
}

static int compare_operator(const void *a, const void *b)
{
	return strcmp((*(struct cat_operator *const *)a)->name,
		      (*(struct cat_operator *const *)b)->name);
}

static int compare_cast(const void *a, const void *b)
{
	const struct cat_cast *x = *(struct cat_cast *const *)a, *y = *(struct cat_cast *const *)b;
	if (x->source != y->source)
		return x->source < y->source ? -1 : 1;
	return (x->target > y->target) - (x->target < y->target);
}

static void sort(struct cat_list *l, int from, int (*compare)(const void *, const void *))
{
	if (l->n > from)
		qsort(l->at + from, (size_t)(l->n - from), sizeof(*l->at), compare);
}

/* The objects of the base have been sorted before: what was added goes between them. */
static int index_by_name(const struct cat_list *from, const struct cat_list *base,
			 struct cat_list *to)
{
	int n_base = base ? base->n : 0, at = 0, i = n_base;
	struct cat_list added = {0};
	int err = copy_list(&added, from);
	to->at = err ? NULL : malloc(((size_t)from->n + 1) * sizeof(*to->at));
	if (!to->at) {
		free(added.at);
		return -ENOMEM;
	}
	sort(&added, n_base, compare_name);
	while (to->n < from->n) {
		bool is_base = at < n_base && (i == from->n || compare_name(&base->at[at], &added.at[i]) < 0);
		to->at[to->n++] = is_base ? base->at[at++] : added.at[i++];
	}
	free(added.at);
	return 0;
}

static int index_names(struct catalog *c)
{
	const struct catalog *base = c->base;
	if (index_by_name(&c->relations, base ? &base->relations_by_name : NULL, &c->relations_by_name) ||
	    index_by_name(&c->types, base ? &base->types_by_name : NULL, &c->types_by_name) ||
	    index_by_name(&c->functions, base ? &base->functions_by_name : NULL, &c->functions_by_name))
		return -ENOMEM;
	return 0;
}

static bool is_sorted(const struct cat_list *l, int (*compare)(const void *, const void *))
{
	for (int i = 1; i < l->n; i++)
		if (compare(&l->at[i - 1], &l->at[i]) >= 0)
			return false;
	return true;
}

int catalog_build(struct catalog_builder *b, struct catalog **ret_c)
{
	static uint64_t generations;
	struct catalog *c = b->c;
	if (!c || b->err)
		return c ? b->err : ERR_STATE;
	close_relation(b);
	sort(&c->operators, 0, compare_operator);
	sort(&c->casts, 0, compare_cast);
	if ((!b->has_settings && !b->is_part) || !is_sorted(&c->schemas, compare_oid) ||
	    !is_sorted(&c->types, compare_oid) || !is_sorted(&c->relations, compare_oid) ||
	    !is_sorted(&c->functions, compare_oid) || !is_sorted(&c->casts, compare_cast))
		return ERR_MALFORMED;
	if (index_names(c))
		return -ENOMEM;
	if (arena_failed(&c->arena))
		return ERR_LIMIT;
	c->generation = __atomic_add_fetch(&generations, 1, __ATOMIC_RELAXED);
	*ret_c = TAKE(b->c);
	return 0;
}
