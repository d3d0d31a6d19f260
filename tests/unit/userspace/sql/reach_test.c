/* What lies behind names: views, rules, triggers, children, in a catalogue that is written down. */
#include "sql/reach.h"

#include "sql/sql.h"

#include "../../../fuzz/sql_catalog.h"
#include "../../tap.h"

static char *told(const struct sql_result *r, struct arena *a)
{
	struct op op = {.n_reached = 0};
	char *text = arena_str(a, "");
	CHECK_INT(sql_reached(r, a, &op), 0);
	for (int i = 0; i < op.n_reached; i++) {
		const struct need *n = &op.reached[i];
		text = n->kind == NEED_OPAQUE
			   ? arena_printf(a, "%s%s(%s)", text, *text ? "; " : "", n->why)
			   : arena_printf(a, "%s%s%s %s.%s (%s)", text, *text ? "; " : "",
					  verb_name(n->verb), n->schema, n->name, n->why);
	}
	return text;
}

static const struct {
	const char *sql, *reached;
} rows[] = {
    {"SELECT 1", ""},
    {"SELECT * FROM orders", ""},
    {"SELECT * FROM evil.customers", "select public.customers (by way of evil.customers); "
				     "select public.orders (by way of public.customers)"},
    {"UPDATE evil.customers SET name = 'x'", "select public.customers (by way of evil.customers); "
					     "select public.orders (by way of public.customers); "
					     "update public.customers (by way of evil.customers); "
					     "update public.orders (by way of public.customers); "
					     "execute evil.length (by way of public.orders)"},
    {"SELECT * FROM customers", "select public.orders (by way of public.customers)"},
    {"SELECT * FROM ONLY customers", "select public.orders (by way of public.customers)"},
    {"INSERT INTO orders VALUES (1, 2)", ""},
    {"UPDATE orders SET id = 1", "execute evil.length (by way of public.orders)"},
    {"EXPLAIN UPDATE orders SET id = 1", "execute evil.length (by way of public.orders)"},
    {"PREPARE p AS UPDATE orders SET id = 1", "execute evil.length (by way of public.orders)"},
    {"SELECT 1; SELECT * FROM customers", "select public.orders (by way of public.customers)"},
    {"WITH x AS (DELETE FROM customers RETURNING 1) SELECT * FROM x WHERE EXISTS (SELECT FROM "
     "evil.customers)",
     NULL},
};

static void follows(struct catalog *c, const char *sql, const char *want)
{
	struct sql_session s = {.paths = {"public"}, .n_paths = 1};
	struct sql_result r;
	struct arena a;
	arena_init(&a, 1 << 22);
	CHECK_INT(sql_analyze(span_str(sql), c, &s, &a, &r), 0);
	const char *got = told(&r, &a);
	if (want)
		CHECK_STR(got, want);
	else /* a rule that deletes, by way of which the view is written: it ends, though it leads
		in a circle */
		CHECK(strstr(got, "delete evil.customers (by way of public.orders)") != NULL);
	arena_done(&a);
}

/* A table with more children than are looked at. */
static void says_where_it_stops(int n, bool is_told_all)
{
	static const char *const settings[] = {"public", "app", "UTF8"},
				 *const schemas[][3] = {{"11", "pg_catalog", "t"},
							{"2200", "public", "t"}};
	struct catalog_builder *b = NULL;
	struct catalog *c = NULL;
	char oid[16], name[16];
	CHECK_INT(catalog_builder_new(&b), 0);
	CHECK_INT(catalog_add_row(b, 0, settings, 3), 0);
	for (int i = 0; i < 2; i++)
		CHECK_INT(catalog_add_row(b, 2, schemas[i], 3), 0);
	for (int query = 3; query <= 11; query += 8) {
		for (int i = query == 3 ? 0 : 1; i <= n; i++) {
			snprintf(oid, sizeof(oid), "%d", 20000 + i);
			snprintf(name, sizeof(name), "t%d", i);
			const char *relation[] = {oid, "2200", name, "r", "0"},
				   *kin[] = {oid, "20000"};
			CHECK_INT(catalog_add_row(b, query, query == 3 ? relation : kin,
						  query == 3 ? 5 : 2),
				  0);
		}
	}
	CHECK_INT(catalog_build(b, &c), 0);
	struct sql_session s = {.paths = {"public"}, .n_paths = 1};
	struct sql_result r;
	struct arena a;
	arena_init(&a, 1 << 24);
	CHECK_INT(sql_analyze(span_str("SELECT FROM t0"), c, &s, &a, &r), 0);
	CHECK_INT(r.status, SQL_OK);
	const struct need *last = &r.stmts[0].reached[r.stmts[0].n_reached - 1];
	CHECK_INT(last->kind, is_told_all ? NEED_RELATION : NEED_OPAQUE);
	arena_done(&a);
	catalog_unref(c);
	catalog_builder_free(b);
}

int main(void)
{
	struct catalog *c = sql_catalog_new();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		follows(c, rows[i].sql, rows[i].reached);
	catalog_unref(c);
	says_where_it_stops(1000, true);
	says_where_it_stops(1001, false);
	return tap_done();
}
