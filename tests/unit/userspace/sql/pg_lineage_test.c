/* Statements and where their values come from; and the same asked of a real server, which names the
 * column of every output that it copies. */
#include "../../tap.h"

#include "base/macro.h"
#include "db.h"

static struct catalog *catalog;

static struct sql_result analyze(const char *sql, const struct sql_session *s, struct arena *a)
{
	struct sql_session plain = {.paths = {"public"}, .n_paths = 1};
	struct sql_result r = {.status = SQL_SYNTAX};
	arena_init(a, 16 << 20);
	CHECK_INT(sql_analyze(span_str(sql), catalog, s ? s : &plain, a, &r), 0);
	return r;
}

/* c.ssn for public.customers.ssn, o.total for public.orders.total, else the name in full. */
static const char *sources_text(const struct source *s, int n, struct arena *a)
{
	static const char *const shorts[][2] = {
	    {"customers", "c"}, {"orders", "o"}, {"secrets", "s"}, {"ancestors", "anc"}};
	const char *text = "";
	for (int i = 0; i < n; i++) {
		const char *name = arena_printf(a, "%s.%s", s[i].schema, s[i].relation);
		for (size_t k = 0; k < ARRAY_LEN(shorts); k++)
			if (!strcmp(s[i].schema, "public") && !strcmp(s[i].relation, shorts[k][0]))
				name = shorts[k][1];
		text = arena_printf(a, "%s%s%s.%s", text, i ? "," : "", name, s[i].column);
	}
	return text;
}

static const char *output_text(const struct lineage *o, struct arena *a)
{
	const char *sources = sources_text(o->sources, o->n_sources, a);
	switch (o->kind) {
	case LINEAGE_NONE:
		return "none";
	case LINEAGE_COPY:
		return arena_printf(a, "copy %s", sources);
	case LINEAGE_DERIVED:
		return arena_printf(a, "derived(%s)", sources);
	default:
		return o->why && *o->why ? "unknown" : "unknown without a why";
	}
}

/* "copy c.ssn | none ? c.id": outputs, then predicates. */
static const char *lineage_text(const struct result_lineage *l, struct arena *a)
{
	const char *text = l->is_known ? "" : "not known";
	for (int i = 0; i < l->n_outputs; i++)
		text =
		    arena_printf(a, "%s%s%s", text, i ? " | " : "", output_text(&l->outputs[i], a));
	if (l->n_predicates)
		text = arena_printf(a, "%s ? %s", text,
				    sources_text(l->predicates, l->n_predicates, a));
	return l->unknown_predicate ? arena_printf(a, "%s ?? unknown", text) : text;
}

static const char *text_of(const char *sql, const struct sql_session *s, struct arena *a)
{
	struct sql_result r = analyze(sql, s, a);
	if (r.n_stmts != 1)
		return r.message ? r.message : "no statement";
	return r.stmts[0].lineage ? lineage_text(r.stmts[0].lineage, a) : "nothing";
}

struct row {
	const char *sql, *lineage;
};

static const struct row rows[] = {
    /* names */
    {"SELECT 1, $1::text, now(), 'x' || 'y'", "none | none | none | none"},
    {"SELECT ssn AS total, c.ssn, customers.ssn x FROM customers c, customers",
     "copy c.ssn | copy c.ssn | copy c.ssn"},
    {"SELECT * FROM orders", "copy o.id | copy o.customer_id | copy o.total | copy o.made"},
    {"SELECT c.*, 1 FROM customers c",
     "copy c.id | copy c.name | copy c.email | copy c.ssn | none"},
    {"TABLE secrets", "copy s.k | copy s.v"},
    {"SELECT b FROM secrets x (a, b)", "copy s.v"},
    {"SELECT j.q FROM (customers a JOIN orders o ON true) j (p, n, e, q)", "copy c.ssn"},
    {"SELECT ctid, tableoid FROM customers", "copy c.ctid | copy c.tableoid"},
    {"SELECT nosuch FROM customers", "unknown"},
    {"SELECT * FROM nosuch", "not known"},
    {"SELECT a, (SELECT b) FROM nosuch, customers", "unknown | unknown"},
    {"SELECT count(*) FROM nosuch", "none"},
    {"SELECT to_json(n) FROM nosuch n", "unknown ?? unknown"},
    /* rows as values */
    {"SELECT c FROM customers c", "derived(c.id,c.name,c.email,c.ssn)"},
    {"SELECT to_jsonb(s), s::text, s.*::text FROM secrets s",
     "derived(s.k,s.v) | derived(s.k,s.v) | derived(s.k,s.v)"},
    {"SELECT ROW(s.*, 1), (s, 2) FROM secrets s", "derived(s.k,s.v) | derived(s.k,s.v)"},
    {"SELECT v(s), (s).v, s.v, ((s)).k FROM secrets s",
     "copy s.v | copy s.v | copy s.v | copy s.k"},
    {"SELECT (x.r).v, (x.r).* FROM (SELECT s AS r FROM secrets s) x",
     "copy s.v | copy s.k | copy s.v"},
    {"SELECT (array_agg(s))[1].v FROM secrets s", "derived(s.k,s.v)"},
    {"SELECT (COALESCE(a, b)).v FROM secrets a, secrets b", "derived(s.k,s.v)"},
    {"SELECT (f_rows()).*", "unknown | unknown | unknown | unknown"},
    {"SELECT (f_rows()).ssn, loyalty(c), c.loyalty FROM customers c",
     "unknown | unknown | unknown ? c.id,c.name,c.email,c.ssn ?? unknown"},
    /* expressions */
    {"SELECT substr(ssn, 1), ssn || '', ssn = 'x', ssn IS NULL, NOT ssn > '5' FROM customers",
     "derived(c.ssn) | derived(c.ssn) | derived(c.ssn) | derived(c.ssn) | derived(c.ssn) ? c.ssn"},
    {"SELECT substring(ssn from 1 for 3), substr(ssn, 2), substr(ssn, id, 0) FROM customers",
     "derived(c.ssn) | derived(c.ssn) | derived(c.ssn,c.id)"},
    {"SELECT substr(ssn, 1, -1) FROM customers", "derived(c.ssn) ? c.ssn"},
    {"SELECT substr(name, 1, length(ssn)) FROM customers", "derived(c.name,c.ssn) ? c.name,c.ssn"},
    {"SELECT substring(ssn from 'x') FROM customers", "derived(c.ssn) ? c.ssn"},
    {"SELECT ssn::varchar, ssn::varchar(3), ssn::uuid, ssn COLLATE \"C\", CAST(ssn AS text) FROM "
     "customers",
     "copy c.ssn | derived(c.ssn) | derived(c.ssn) | copy c.ssn | copy c.ssn ? c.ssn"},
    {"SELECT CASE ssn WHEN 'x' THEN name ELSE email END FROM customers",
     "derived(c.name,c.email) ? c.ssn"},
    {"SELECT CASE WHEN ssn > '5' THEN 1 END FROM customers", "none ? c.ssn"},
    {"SELECT COALESCE(ssn, name), NULLIF(ssn, name), GREATEST(ssn, email), NULLIF('a', ssn) FROM "
     "customers",
     "derived(c.ssn,c.name) | derived(c.ssn,c.name) | derived(c.ssn,c.email) | derived(c.ssn) ? "
     "c.ssn,c.name,c.email"},
    {"SELECT ARRAY[ssn, name], (ARRAY[ssn])[1], ARRAY[[ssn]]::text[] FROM customers",
     "derived(c.ssn,c.name) | derived(c.ssn) | derived(c.ssn)"},
    {"SELECT xmlelement(name a, xmlattributes(ssn AS b), name), xmlforest(ssn) FROM customers",
     "derived(c.ssn,c.name) | derived(c.ssn) ? c.ssn,c.name"},
    {"SELECT ssn IN ('a', name), ssn = ANY (ARRAY[email]), ssn BETWEEN 'a' AND name FROM customers",
     "derived(c.ssn,c.name) | derived(c.ssn,c.email) | derived(c.ssn,c.name) ? "
     "c.ssn,c.name,c.email"},
    {"SELECT concat_ws(VARIADIC ARRAY['-', ssn]), make_interval(days => id) FROM customers",
     "derived(c.ssn) | derived(c.id) ? c.ssn,c.id"},
    {"SELECT name + email, ssn::positive_text FROM customers",
     "unknown | unknown ? c.name,c.email,c.ssn ?? unknown"},
    /* what may be done without a predicate: it cannot fail */
    {"SELECT ssn || name || '!', ssn || id, upper(ssn), length(ssn), left(ssn, 2), concat(ssn, made) "
     "FROM customers c, orders o",
     "derived(c.ssn,c.name) | derived(c.ssn,o.id) | derived(c.ssn) | derived(c.ssn) | derived(c.ssn) | "
     "derived(c.ssn,o.made)"},
    {"SELECT coalesce(ssn, name, 'x'), id::int8::numeric, id::text, ssn::varchar(2), count(ssn) "
     "FROM customers GROUP BY 1, 2",
     "derived(c.ssn,c.name) | derived(c.id) | derived(c.id) | derived(c.ssn) | derived(c.ssn) ? c.ssn,c.name,c.id"},
    {"SELECT to_json(c), jsonb_build_object('a', ssn), json_agg(ssn), string_agg(ssn, ','), sum(id), max(ssn) "
     "FROM customers c",
     "derived(c.id,c.name,c.email,c.ssn) | derived(c.ssn) | derived(c.ssn) | derived(c.ssn) | "
     "derived(c.id) | derived(c.ssn)"},
    {"SELECT (SELECT ssn FROM customers LIMIT 1), (SELECT upper(ssn) FROM customers LIMIT 1)",
     "copy c.ssn | derived(c.ssn)"},
    {"SELECT row_number() OVER (ORDER BY id), lag(ssn) OVER (ORDER BY id) FROM customers",
     "derived(c.id) | derived(c.ssn,c.id) ? c.id"},
    /* and what can */
    {"SELECT id, 1 / (ascii(ssn) - 53) FROM customers", "copy c.id | derived(c.ssn) ? c.ssn"},
    {"SELECT id FROM (SELECT id, 1 / (id - 53) AS x FROM customers OFFSET 0) t", "copy c.id ? c.id"},
    {"WITH t AS MATERIALIZED (SELECT id, ssn::int AS x FROM customers) SELECT id FROM t",
     "copy c.id ? c.ssn"},
    {"SELECT coalesce(a, b) FROM (SELECT ssn AS a, (1 / (id - id))::text AS b FROM customers) t",
     "derived(c.ssn,c.id) ? c.id,c.ssn"},
    {"SELECT coalesce(ssn, (SELECT name FROM customers)) FROM customers", "derived(c.ssn,c.name) ? c.ssn,c.name"},
    {"SELECT CASE WHEN id = 1 THEN ssn ELSE (1 / id)::text END FROM customers",
     "derived(c.ssn,c.id) ? c.id,c.ssn"},
    {"SELECT id::int2, id::numeric(2), ssn::char, id::bool FROM customers",
     "derived(c.id) | derived(c.id) | derived(c.ssn) | derived(c.id) ? c.id"},
    {"VALUES ((SELECT ssn::int FROM customers LIMIT 1))", "derived(c.ssn) ? c.ssn"},
    {"SELECT sum(id / 1.5), count(ssn) FILTER (WHERE id > 1) FROM customers",
     "derived(c.id) | derived(c.ssn) ? c.id"},
    {"WITH RECURSIVE t AS (SELECT 1 AS i, ssn AS s FROM customers UNION ALL SELECT i + 1, s FROM t WHERE i < 3) "
     "SELECT i FROM t",
     "none"},
    {"WITH RECURSIVE t AS (SELECT 1 AS i, 'x' AS s UNION ALL SELECT 1 / (ascii(s) - 53), c.ssn FROM t, customers c) "
     "SELECT i FROM t",
     "derived(c.ssn) ? c.ssn"},
    /* aggregates, windows */
    {"SELECT count(*), max(ssn), string_agg(name, ',' ORDER BY ssn), count(id) FILTER (WHERE ssn > "
     "'5') "
     "FROM customers",
     "none | derived(c.ssn) | derived(c.name,c.ssn) | derived(c.id) ? c.ssn"},
    {"SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY ssn), lag(name) OVER (PARTITION BY email "
     "ORDER BY ssn) "
     "FROM customers",
     "derived(c.ssn) | derived(c.name,c.email,c.ssn) ? c.ssn,c.email"},
    {"SELECT row_number() OVER w FROM customers WINDOW w AS (ORDER BY ssn)", "none ? c.ssn"},
    {"SELECT id, generate_series(1, length(ssn)) FROM customers", "copy c.id | derived(c.ssn) ? c.ssn"},
    {"SELECT generate_series(1, 2), ssn FROM customers", "none | copy c.ssn"},
    {"SELECT tally(name) FROM customers", "unknown ? c.name ?? unknown"},
    /* predicates */
    {"SELECT id FROM customers WHERE ssn = 'x' AND EXISTS (SELECT 1 FROM secrets WHERE v = name)",
     "copy c.id ? s.v,c.name,c.ssn"},
    {"SELECT id FROM customers GROUP BY id, ssn HAVING max(name) > 'x' ORDER BY max(email)",
     "copy c.id ? c.id,c.ssn,c.name,c.email"},
    {"SELECT ssn FROM customers ORDER BY 1", "copy c.ssn ? c.ssn"},
    {"SELECT substr(ssn, 1) x FROM customers ORDER BY x DESC", "derived(c.ssn) ? c.ssn"},
    {"SELECT DISTINCT name FROM customers", "copy c.name ? c.name"},
    {"SELECT DISTINCT ON (ssn) name FROM customers", "copy c.name ? c.ssn"},
    {"SELECT name FROM customers LIMIT (SELECT length(v) FROM secrets)", "copy c.name ? s.v"},
    {"SELECT name FROM customers c JOIN orders o ON o.id = c.id AND c.ssn <> 'x'",
     "copy c.name ? o.id,c.id,c.ssn"},
    {"SELECT id, c.name FROM customers c JOIN orders o USING (id)",
     "derived(c.id,o.id) | copy c.name ? c.id,o.id"},
    {"SELECT id FROM customers NATURAL JOIN orders", "derived(c.id,o.id) ? c.id,o.id"},
    {"SELECT 'x' IN (SELECT ssn FROM customers), EXISTS (SELECT ssn FROM customers WHERE name > "
     "'a')",
     "derived(c.ssn) | none ? c.ssn,c.name"},
    {"SELECT 1 FROM customers WHERE customers IS NOT NULL", "none ? c.id,c.name,c.email,c.ssn"},
    {"SELECT 1 FROM customers WHERE loyalty(customers) > 1",
     "none ? c.id,c.name,c.email,c.ssn ?? unknown"},
    /* subqueries */
    {"SELECT (SELECT ssn FROM customers LIMIT 1), ARRAY(SELECT ssn FROM customers)",
     "copy c.ssn | derived(c.ssn)"},
    {"SELECT t.b FROM (SELECT id, ssn FROM customers) t (a, b)", "copy c.ssn"},
    {"SELECT y.z FROM orders o, LATERAL (SELECT c.ssn AS z FROM customers c WHERE c.id = "
     "o.customer_id) y",
     "copy c.ssn ? c.id,o.customer_id"},
    {"SELECT (SELECT o.total FROM customers c WHERE c.id = o.id) FROM orders o",
     "copy o.total ? c.id,o.id"},
    {"SELECT x.* FROM (VALUES (1, 'a'), (2, (SELECT max(v) FROM secrets))) x",
     "none | derived(s.v)"},
    {"VALUES ((SELECT v FROM secrets))", "copy s.v"},
    /* set operations */
    {"SELECT ssn FROM customers UNION ALL SELECT ssn FROM customers WHERE id = 1",
     "copy c.ssn ? c.id"},
    {"SELECT name, id FROM customers UNION ALL SELECT ssn, 1 FROM customers",
     "derived(c.name,c.ssn) | derived(c.id)"},
    {"SELECT name FROM customers EXCEPT SELECT v FROM secrets", "derived(c.name,s.v) ? c.name,s.v"},
    {"SELECT 'a' UNION ALL SELECT 'b' UNION ALL SELECT v FROM secrets ORDER BY 1",
     "derived(s.v) ? s.v"},
    /* WITH */
    {"WITH orders AS (SELECT id, ssn AS total FROM customers) SELECT total FROM orders",
     "copy c.ssn"},
    {"WITH a (x) AS (SELECT ssn FROM customers), b AS (SELECT x AS y FROM a) SELECT b.y, a.x FROM "
     "a, b",
     "copy c.ssn | copy c.ssn"},
    {"WITH RECURSIVE t (a, b, c) AS (SELECT name, email, ssn FROM customers UNION ALL SELECT b, c, "
     "'x' FROM t) "
     "SELECT a, b, c FROM t",
     "derived(c.name,c.email,c.ssn) | derived(c.email,c.ssn) | derived(c.ssn)"},
    {"WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 9) SELECT n FROM "
     "t",
     "none"},
    {"WITH RECURSIVE t AS (SELECT id, name FROM customers UNION ALL SELECT o.id, t.name FROM "
     "orders o, t) "
     "SEARCH DEPTH FIRST BY id SET q SELECT q FROM t",
     "derived(c.id,o.id,c.name)"},
    {"WITH d AS (DELETE FROM customers RETURNING ssn) SELECT * FROM d", "copy c.ssn"},
    /* functions in FROM */
    {"SELECT g FROM generate_series(1, 5) g", "none"},
    {"SELECT u, n FROM customers, unnest(string_to_array(ssn, '-')) WITH ORDINALITY AS x (u, n)",
     "derived(c.ssn) | none ? c.ssn"},
    {"SELECT x.a, x.b FROM json_to_record((SELECT to_json(s) FROM secrets s)) AS x (a text, b "
     "text)",
     "derived(s.k,s.v) | derived(s.k,s.v) ? s.k,s.v"},
    {"SELECT x.p FROM secrets, XMLTABLE('/r' PASSING (v::xml) COLUMNS p text) x",
     "derived(s.v) ? s.v"},
    {"SELECT * FROM f_rows()", "unknown | unknown | unknown | unknown ?? unknown"},
    {"SELECT (customers()).v", "unknown"},
    /* views */
    {"SELECT * FROM v_customers",
     "copy c.id,public.v_customers.id | copy c.name,public.v_customers.name"},
    {"SELECT total FROM evil.orders", "copy c.ssn,evil.orders.total"},
    {"SELECT * FROM v_over",
     "derived(public.v_over.label,c.name,evil.orders.total,c.ssn) | copy public.v_over.one ? "
     "c.id,evil.orders.id"},
    {"SELECT one FROM v_calls", "unknown"},
    {"SELECT * FROM m_customers", "unknown"},
    {"SELECT relname, oid FROM pg_class WHERE relkind = 'r'", "none | none"},
    {"SELECT column_name FROM information_schema.columns", "none"},
    {"SELECT most_common_vals FROM pg_stats", "unknown"},
    {"SELECT stavalues1 FROM pg_statistic", "unknown"},
    {"SELECT * FROM gen",
     "copy public.gen.a | derived(public.gen.b,public.gen.a) | copy public.gen.c"},
    /* parents and partitions */
    {"SELECT a FROM parted", "copy public.parted.a,public.part_1.a"},
    {"SELECT a FROM part_1", "copy public.part_1.a,public.parted.a"},
    {"SELECT ssn, more FROM heirs", "copy public.heirs.ssn,anc.ssn | copy public.heirs.more"},
    {"SELECT max(ssn) FROM ancestors", "derived(public.heirs.ssn,anc.ssn)"},
    /* what returns rows in other ways */
    {"INSERT INTO orders (id, total) SELECT id, 1 FROM customers", " ? c.id"},
    {"INSERT INTO secrets VALUES ('a', 'b') RETURNING *", "copy s.k | copy s.v"},
    {"INSERT INTO secrets SELECT name, ssn FROM customers RETURNING v",
     "derived(s.v,c.ssn) ? c.name,c.ssn"},
    {"UPDATE customers SET name = ssn RETURNING name, id",
     "derived(c.name,c.ssn) | copy c.id ? c.ssn"},
    {"UPDATE customers SET (name, email) = (SELECT k, v FROM secrets) RETURNING email",
     "derived(c.email,s.k,s.v) ? s.k,s.v"},
    {"UPDATE customers SET name = 'x' WHERE ssn = 'y'", " ? c.ssn"},
    {"DELETE FROM customers USING orders WHERE orders.id = customers.id RETURNING ssn, total",
     "copy c.ssn | copy o.total ? o.id,c.id"},
    {"MERGE INTO secrets USING customers c ON k = c.name WHEN MATCHED THEN UPDATE SET v = c.ssn",
     " ? s.k,c.name,c.ssn"},
    {"SELECT v INTO t FROM secrets", " ? s.v"},
    {"CREATE TABLE t AS SELECT ssn FROM customers", " ? c.ssn"},
    {"COPY secrets TO STDOUT", "copy s.k | copy s.v"},
    {"COPY customers (ssn, id) TO STDOUT", "copy c.ssn | copy c.id"},
    {"COPY (SELECT v || k FROM secrets) TO STDOUT", "derived(s.v,s.k)"},
    {"COPY gen TO STDOUT", "copy public.gen.a | copy public.gen.c"},
    {"COPY secrets FROM STDIN", "nothing"},
    {"PREPARE p AS SELECT ssn FROM customers WHERE id = $1", "copy c.ssn ? c.id"},
    {"DECLARE x CURSOR FOR SELECT ssn FROM customers", "copy c.ssn"},
    {"EXPLAIN SELECT name FROM customers WHERE ssn < '5'", "derived(c.ssn,c.name) ? c.ssn"},
    {"EXPLAIN SELECT f_audit('x')", "unknown"},
    {"EXPLAIN EXECUTE p", "unknown"},
    {"EXECUTE p (1)", "not known"},
    {"FETCH ALL x", "not known"},
    {"MOVE 1 x", "nothing"},
    {"CALL p_write()", "not known"},
    {"SHOW work_mem", "none"},
    {"SELECT set_config('a.b', ssn, true) FROM customers", "derived(c.ssn) ? c.ssn"},
    {"BEGIN", "nothing"},
    {"SET work_mem = 1", "nothing"},
    {"DO 'x'", "nothing"},
};

static void tells_where_values_come_from(void)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct arena a;
		const char *text = text_of(rows[i].sql, NULL, &a);
		if (strcmp(text, rows[i].lineage) != 0)
			printf("row: %s\n", rows[i].sql);
		CHECK_STR(text, rows[i].lineage);
		arena_done(&a);
	}
}

static void follows_the_session(void)
{
	struct sql_session two = {.paths = {"public", "evil"}, .n_paths = 2},
			   temp = {.paths = {"public"}, .n_paths = 1, .has_temp = true},
			   broken = {.paths = {"\"public"}, .n_paths = 1};
	struct arena a;
	CHECK_STR(text_of("SELECT total FROM orders", &two, &a),
		  "derived(o.total,c.ssn,evil.orders.total)");
	arena_done(&a);
	CHECK_STR(text_of("SELECT * FROM orders", &two, &a),
		  "not knowncopy o.id | copy o.customer_id | copy o.total | "
		  "copy o.made");
	arena_done(&a);
	CHECK_STR(text_of("SELECT id FROM orders", &temp, &a), "unknown");
	arena_done(&a);
	CHECK_STR(text_of("SELECT id FROM public.orders", &temp, &a), "copy o.id");
	arena_done(&a);
	CHECK_STR(text_of("SELECT total FROM evil.orders", &temp, &a),
		  "copy c.ssn,evil.orders.total");
	arena_done(&a);
	CHECK_STR(text_of("SELECT id FROM orders", &broken, &a), "nothing");
	arena_done(&a);
}

/* Does one of the sources bear the name of that column? Of a whole row, whose number is 0: of the
 * first. */
static bool names(const struct lineage *o, Oid table, int number)
{
	char sql[256];
	bool is_found = false;
	snprintf(sql, sizeof(sql),
		 "SELECT relnamespace::regnamespace::text, relname, attname FROM pg_attribute JOIN "
		 "pg_class c "
		 "ON c.oid = attrelid WHERE attrelid = %u AND attnum = %d",
		 table, number ? number : 1);
	PGresult *r = PQexec(db_conn, sql);
	for (int i = 0; i < o->n_sources; i++)
		is_found |= PQntuples(r) == 1 &&
			    !strcmp(o->sources[i].schema, PQgetvalue(r, 0, 0)) &&
			    !strcmp(o->sources[i].relation, PQgetvalue(r, 0, 1)) &&
			    !strcmp(o->sources[i].column, PQgetvalue(r, 0, 2));
	PQclear(r);
	return is_found;
}

static bool agrees(const struct lineage *o, Oid table, int number)
{
	if (table < 16384 || o->kind == LINEAGE_UNKNOWN)
		return true;
	return names(o, table, number);
}

/* The server is asked to describe the statement, and does not run it. Returns whether it could be
 * asked. */
static bool compare_with_server(const char *sql)
{
	struct arena a;
	PGresult *p = PQprepare(db_conn, "", sql, 0, NULL);
	PGresult *d = PQdescribePrepared(db_conn, "");
	bool is_asked = PQresultStatus(p) == PGRES_COMMAND_OK && PQnfields(d) > 0;
	struct sql_result r = analyze(sql, NULL, &a);
	const struct result_lineage *l = r.n_stmts == 1 ? r.stmts[0].lineage : NULL;
	if (is_asked && (!l || l->is_known)) {
		bool is_good = l && l->n_outputs == PQnfields(d);
		for (int i = 0; is_good && i < l->n_outputs; i++)
			is_good = agrees(&l->outputs[i], PQftable(d, i), PQftablecol(d, i));
		if (!is_good)
			printf("row: %s: %s\n", sql, l ? lineage_text(l, &a) : "nothing");
		CHECK(is_good);
	}
	PQclear(p);
	PQclear(d);
	arena_done(&a);
	return is_asked;
}

static void agrees_with_the_server(void)
{
	int n = 0;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		n += compare_with_server(rows[i].sql);
	CHECK(n > 60);
	FILE *f = fopen("tests/unit/userspace/sql/statements.tsv", "r");
	char line[4096];
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		n += compare_with_server(strchr(line, '\t') + 1);
	}
	if (f)
		fclose(f);
	CHECK(n > 300);
}

static void follows_the_text(void)
{
	struct arena a;
	struct sql_result r =
	    analyze("SELECT v FROM secrets; CREATE OR REPLACE VIEW v_customers AS SELECT 1; "
		    "SELECT name FROM v_customers",
		    NULL, &a);
	CHECK_INT(r.n_stmts, 3);
	CHECK_STR(lineage_text(r.stmts[0].lineage, &a), "copy s.v");
	CHECK(!r.stmts[2].lineage->is_known);
	arena_done(&a);
	r = analyze("SELECT v FROM secrets; BEGIN; SELECT v FROM secrets", NULL, &a);
	CHECK(r.stmts[2].lineage->is_known);
	arena_done(&a);
	r = analyze("SELECT f_audit('x'); SELECT v FROM secrets", NULL, &a);
	CHECK(!r.stmts[1].lineage->is_known);
	arena_done(&a);
}

/* Long chains and wide joins: quick, or told to be too big. */
static void stays_within_limits(void)
{
	static char sql[200 * 1024];
	struct arena a;
	size_t len = (size_t)sprintf(sql, "SELECT ssn");
	while (len < 100 * 1024)
		len += (size_t)sprintf(sql + len, "||ssn");
	sprintf(sql + len, " FROM customers");
	CHECK_STR(text_of(sql, NULL, &a), "derived(c.ssn)");
	arena_done(&a);
	len = (size_t)sprintf(sql, "SELECT 1");
	while (len < 100 * 1024)
		len += (size_t)sprintf(sql + len, ",ROW(x)");
	sprintf(sql + len, " FROM (SELECT c.id || c.name || c.email || c.ssn || o.total || o.id x "
			   "FROM customers c, orders o) y");
	struct sql_result r = analyze(sql, NULL, &a);
	CHECK(r.status == SQL_TOO_BIG || r.stmts[0].lineage->outputs[1].kind == LINEAGE_DERIVED);
	arena_done(&a);
}

int main(void)
{
	db_up();
	db_do("CREATE VIEW v_over AS SELECT c.name || o.total AS label, 1 AS one FROM customers c "
	      "JOIN evil.orders o "
	      "ON c.id = o.id;"
	      "CREATE VIEW v_calls AS SELECT f_audit('x') AS one;"
	      "CREATE TABLE parted (a int) PARTITION BY RANGE (a);"
	      "CREATE TABLE part_1 PARTITION OF parted FOR VALUES FROM (1) TO (2);"
	      "CREATE TABLE ancestors (ssn text); CREATE TABLE heirs (more text) INHERITS "
	      "(ancestors);"
	      "CREATE MATERIALIZED VIEW m_customers AS SELECT ssn FROM customers;"
	      "CREATE TABLE gen (a int, b int GENERATED ALWAYS AS (a + 1) STORED, c text);"
	      "CREATE TABLE gen_of (a int, b oid GENERATED ALWAYS AS (tableoid) STORED)");
	catalog = db_catalog();
	tells_where_values_come_from();
	follows_the_session();
	follows_the_text();
	agrees_with_the_server();
	stays_within_limits();
	catalog_unref(catalog);
	return tap_done();
}
