#include "sql/numbers.h"

#include <ctype.h>

#include "../../tap.h"
#include "db.h"

static struct catalog *catalog;
static const struct sql_session session = {.paths = {"public"}, .n_paths = 1};

static const char *mask(const char *sql)
{
	static char out[NUMBERS_TEXT_MAX + 1];
	if (!numbers_mask(span_str(sql), out))
		return "-";
	out[strlen(sql)] = 0;
	return out;
}

static void masks(void)
{
	static const struct {
		const char *sql, *masked;
	} rows[] = {
	    {"SELECT abalance FROM t WHERE aid = 12345;",
	     "SELECT abalance FROM t WHERE aid = 00000;"},
	    {" \n\tupdate t1 SET a = a + -5 WHERE b=7 ; ",
	     " \n\tupdate t1 SET a = a + -0 WHERE b=0 ; "},
	    {"INSERT INTO t VALUES (1,22,333)", "INSERT INTO t VALUES (0,00,000)"},
	    {"DELETE FROM t2 WHERE x$1 = $1 AND y < 999999999",
	     "DELETE FROM t2 WHERE x$1 = $1 AND y < 000000000"},
	    {"SELECT 9999999999, 1.5, .5, 5., 6", "SELECT 9999999999, 1.5, .5, 5., 0"},
	    {"SELECT a1, b_2, 3 FROM t", "SELECT a1, b_2, 0 FROM t"},
	    {"SELECT a FROM t", "-"},	 /* no number */
	    {"SELECT 1; SELECT 2", "-"}, /* several */
	    {"SELECT 1 -- 2", "-"},	 /* comments, strings, names in quotes */
	    {"SELECT 1 /* 2 */", "-"},
	    {"SELECT '1', 2", "-"},
	    {"SELECT \"1\", 2", "-"},
	    {"SELECT $$1$$, 2", "-"},
	    {"SELECT $a$1$a$, 2", "-"},
	    {"SELECT E\\1, 2", "-"},
	    {"SELECT \xc3\xa4, 2", "-"},
	    {"SELECT 1::float(24)", "-"}, /* the grammar reads it */
	    {"SELECT 1::FLOAT (53)", "-"},
	    {"SELECT 1e+5", "-"}, /* parts of numbers */
	    {"SELECT 0x10", "-"},
	    {"SELECT 1_000", "-"},
	    {"SET a = 5", "-"}, /* other statements */
	    {"WITH x AS (SELECT 1) SELECT 2", "-"},
	    {"selected 5", "-"},
	    {"EXECUTE p(5)", "-"},
	    {"", "-"},
	    {"SELECT", "-"},
	};
	char nul[] = "SELECT 1\0 2", out[NUMBERS_TEXT_MAX];
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CHECK_STR(mask(rows[i].sql), rows[i].masked);
	CHECK(!numbers_mask(span_of(nul, sizeof(nul) - 1), out));
}

static bool is_same_need(const struct need *a, const struct need *b)
{
#define SAME(x) ((!a->x && !b->x) || (a->x && b->x && !strcmp(a->x, b->x)))
	bool is_same = a->kind == b->kind && a->verb == b->verb && a->class == b->class &&
		       SAME(schema) && SAME(name) && SAME(why) && a->n_columns == b->n_columns &&
		       a->is_implied == b->is_implied;
	for (int i = 0; is_same && i < a->n_columns; i++)
		is_same = !strcmp(a->columns[i], b->columns[i]);
	return is_same;
}

static bool is_same_stmt(const struct sql_stmt *a, const struct sql_stmt *b)
{
	bool is_same = a->kind == b->kind && a->class == b->class && !strcmp(a->tag, b->tag) &&
		       SAME(name) && SAME(value) && a->location == b->location &&
		       a->len == b->len && a->n_needs == b->n_needs && a->is_write == b->is_write &&
		       a->is_untransactional == b->is_untransactional && a->n_params == b->n_params;
	for (int i = 0; is_same && i < a->n_needs; i++)
		is_same = is_same_need(&a->needs[i], &b->needs[i]);
	return is_same;
}

/* Does the digit at i belong to a number that was masked? All of those are zeros. */
static bool is_number_at(const char *sql, const char *masked, size_t i)
{
	size_t from = i, end = i;
	while (from && isdigit((unsigned char)sql[from - 1]))
		from--;
	while (isdigit((unsigned char)sql[end]))
		end++;
	bool is_apart =
	    !from || (!isalnum((unsigned char)sql[from - 1]) && !strchr("_$.", sql[from - 1]));
	for (; from < end; from++)
		is_apart &= masked[from] == '0';
	return is_apart && sql[end] != '.';
}

/* True if the text is one of those that share: then every other number gives the same result. */
static bool holds_for(const char *sql)
{
	char masked[NUMBERS_TEXT_MAX], other[NUMBERS_TEXT_MAX];
	struct sql_result r, r2;
	struct arena a, a2;
	struct span text = span_str(sql);
	if (!numbers_mask(text, masked))
		return false;
	arena_init(&a, 1 << 20);
	CHECK_INT(sql_analyze(text, catalog, &session, &a, &r), 0);
	bool is_free = numbers_are_free(&r);
	for (int d = 0; is_free && d < 10; d++) {
		for (size_t i = 0; i < text.len; i++) {
			bool is_masked = masked[i] == '0' && is_number_at(sql, masked, i);
			other[i] = is_masked ? (char)('0' + d) : sql[i];
		}
		arena_init(&a2, 1 << 20);
		CHECK_INT(sql_analyze(span_of(other, text.len), catalog, &session, &a2, &r2), 0);
		bool is_same = r2.status == r.status && r2.n_stmts == 1 &&
			       is_same_stmt(&r.stmts[0], &r2.stmts[0]);
		if (!is_same)
			printf("%s / %.*s\n", sql, (int)text.len, other);
		CHECK(is_same);
		arena_done(&a2);
	}
	arena_done(&a);
	return is_free;
}

static void other_numbers_same_needs(void)
{
	static const char *const shared[] = {
	    "SELECT name FROM customers WHERE id = 17",
	    "SELECT id + 3 FROM orders WHERE total > 5 LIMIT 10 OFFSET 20",
	    "INSERT INTO orders (id, customer_id) VALUES (7, 8) RETURNING 9",
	    "UPDATE customers SET id = id + 44 WHERE id IN (1, 23, 456)",
	    "DELETE FROM orders WHERE id BETWEEN 3 AND 44",
	    "SELECT CASE WHEN id > 5 THEN 1 ELSE 2 END FROM customers",
	    "SELECT count(3), f_rows() FROM orders",
	    "SELECT id::numeric(10, 2) FROM orders",
	    "SELECT name FROM customers FETCH FIRST 5 ROWS ONLY",
	    "SELECT f_audit(name) FROM customers WHERE id = 5",
	    "SELECT pg_advisory_lock(12)",
	};
	static const char *const alone[] = {
	    "SELECT name, id FROM customers ORDER BY 2",
	    "SELECT name, count(id) FROM customers GROUP BY 1",
	    "SELECT DISTINCT ON (1) name FROM customers",
	    "SELECT a FROM (SELECT 5 AS a ORDER BY 1) x",
	    "SELECT nowhere FROM nothing WHERE a = 5",
	    "SELECT 5 FROM WHERE",
	};
	char line[4096];
	FILE *f = fopen("tests/unit/userspace/sql/statements.tsv", "r");
	for (size_t i = 0; i < sizeof(shared) / sizeof(*shared); i++)
		CHECK(holds_for(shared[i]));
	for (size_t i = 0; i < sizeof(alone) / sizeof(*alone); i++)
		CHECK(!holds_for(alone[i]));
	int n = 0;
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		n += holds_for(strchr(line, '\t') + 1);
	}
	if (f)
		fclose(f);
	CHECK(n > 5);
}

static struct sql_entry *get(struct sql_cache *c, const char *sql)
{
	struct sql_entry *e = NULL;
	CHECK_INT(sql_cache_get(c, span_str(sql), catalog, &session, &e), 0);
	sql_entry_unref(e); /* the cache holds it */
	return e;
}

static void cache_shares_them(void)
{
	struct sql_cache *c = NULL;
	CHECK_INT(sql_cache_new(100, 4 << 20, &c), 0);
	struct sql_entry *a = get(c, "SELECT id FROM orders WHERE id = 17");
	CHECK(a == get(c, "SELECT id FROM orders WHERE id = 99"));
	CHECK(a == get(c, "SELECT id FROM orders WHERE id = 00"));
	CHECK(a != get(c, "SELECT id FROM orders WHERE id = 5"));
	CHECK(a != get(c, "SELECT id FROM orders WHERE id = 17 "));
	/* Zeros are a mask, and a text of their own too. */
	struct sql_entry *zero = get(c, "SELECT id FROM orders ORDER BY 0");
	struct sql_entry *one = get(c, "SELECT id FROM orders ORDER BY 1");
	CHECK(zero != one);
	CHECK(zero == get(c, "SELECT id FROM orders ORDER BY 0"));
	CHECK(one == get(c, "SELECT id FROM orders ORDER BY 1"));
	CHECK(one != get(c, "SELECT id FROM orders ORDER BY 2"));
	sql_cache_free(c);
}

int main(void)
{
	db_up();
	catalog = db_catalog();
	masks();
	other_numbers_same_needs();
	cache_shares_them();
	catalog_unref(catalog);
	return tap_done();
}
