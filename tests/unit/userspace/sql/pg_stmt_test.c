#include "sql/sql.h"

#include <sys/stat.h>

#include "../../tap.h"
#include "db.h"

static struct catalog *catalog;

/* What the policy of a reader lets through: select on two tables, and what is implied. */
static bool is_met(const struct need *n)
{
	if (n->is_implied)
		return true;
	return n->kind == NEED_RELATION && n->verb == VERB_SELECT && n->schema &&
	       !strcmp(n->schema, "public") &&
	       (!strcmp(n->name, "customers") || !strcmp(n->name, "orders") ||
		!strcmp(n->name, "chips"));
}

/* Names that the statements before it have made, as the wire module keeps them. */
static bool is_made_before(const struct sql_result *r, int i)
{
	enum sql_kind maker = r->stmts[i].kind == SQL_EXECUTE ? SQL_PREPARE : SQL_DECLARE_CURSOR;
	for (int k = 0; k < i; k++)
		if (r->stmts[k].kind == maker && !strcmp(r->stmts[k].name, r->stmts[i].name))
			return true;
	return false;
}

static bool is_allowed(const struct sql_result *r)
{
	for (int i = 0; i < r->n_stmts; i++) {
		const struct sql_stmt *s = &r->stmts[i];
		if ((s->kind == SQL_EXECUTE || (s->kind == SQL_FETCH && s->name)) &&
		    !is_made_before(r, i))
			return false;
		for (int k = 0; k < s->n_needs; k++)
			if (!is_met(&s->needs[k]))
				return false;
	}
	return r->status == SQL_OK;
}

static struct sql_result analyze(const char *sql, const struct sql_session *s, struct arena *a)
{
	struct sql_session plain = {.paths = {"\"$user\", public"}, .n_paths = 1};
	struct sql_result r = {.status = SQL_TOO_BIG};
	arena_init(a, 16 << 20);
	CHECK_INT(sql_analyze(span_str(sql), catalog, s ? s : &plain, a, &r), 0);
	return r;
}

static void judges_every_row(void)
{
	FILE *f = fopen("tests/unit/userspace/sql/statements.tsv", "r");
	char line[4096];
	int n = 0;
	while (f && fgets(line, sizeof(line), f)) {
		struct arena a;
		char *sql = strchr(line, '\t') + 1;
		sql[strcspn(sql, "\n")] = 0;
		struct sql_result r = analyze(sql, NULL, &a);
		bool is_expected = is_allowed(&r) == !strncmp(line, "allow", 5);
		if (!is_expected)
			printf("row: %s\n", line);
		CHECK(is_expected);
		arena_done(&a);
		n++;
	}
	if (f)
		fclose(f);
	CHECK(n > 400);
}

/* All needs of all statements as one line: verb schema.name(columns), "!" where not implied. */
static const char *needs_of(const struct sql_result *r, struct arena *a)
{
	const char *text = "";
	for (int i = 0; i < r->n_stmts; i++) {
		for (int k = 0; k < r->stmts[i].n_needs; k++) {
			const struct need *n = &r->stmts[i].needs[k];
			if (n->kind == NEED_FUNCTION && n->is_implied)
				continue;
			text = arena_printf(a, "%s%s%s%s%s%s%s", text, *text ? "; " : "",
					    n->kind == NEED_OPAQUE ? "opaque" : verb_name(n->verb),
					    n->schema || n->name ? " " : "",
					    n->schema ? n->schema : "", n->schema ? "." : "",
					    n->name ? n->name : "");
			for (int c = 0; c < n->n_columns; c++)
				text =
				    arena_printf(a, "%s%s%s", text, c ? "," : "(", n->columns[c]);
			text = arena_printf(a, "%s%s%s", text, n->n_columns ? ")" : "",
					    n->is_implied ? "" : "!");
		}
	}
	return text;
}

static const struct {
	const char *sql, *needs;
	enum op_class class;
	const char *tag;
	enum sql_kind kind;
	bool is_write, is_untransactional;
} needed[] = {
    {"SELECT 1", "select", CLASS_READ, "SELECT", SQL_OTHER, false, false},
    {"SELECT * FROM customers c, orders", "select public.customers!; select public.orders!",
     CLASS_READ, "SELECT", SQL_OTHER, false, false},
    {"SELECT * FROM v_customers", "select public.v_customers!", CLASS_READ, "SELECT", SQL_OTHER,
     false, true},
    {"SELECT * FROM customers FOR UPDATE", "select public.customers!; lock public.customers!",
     CLASS_READ, "SELECT", SQL_OTHER, true, false},
    {"SELECT * FROM customers c, orders o FOR UPDATE OF o",
     "select public.customers!; select public.orders!; lock public.orders!", CLASS_READ, "SELECT",
     SQL_OTHER, true, false},
    {"SELECT c.loyalty FROM customers c", "select public.customers!; execute public.loyalty!",
     CLASS_READ, "SELECT", SQL_OTHER, true, true},
    {"SELECT name + email FROM customers", "select public.customers!; execute public.op_plus!",
     CLASS_READ, "SELECT", SQL_OTHER, true, true},
    {"SELECT name::tag FROM customers", "select public.customers!; execute public.to_tag!",
     CLASS_READ, "SELECT", SQL_OTHER, true, true},
    {"SELECT relname FROM pg_class", "select pg_catalog.pg_class", CLASS_READ, "SELECT", SQL_OTHER,
     false, false},
    {"SELECT * INTO x FROM orders", "create public.x!; select public.orders!", CLASS_DDL,
     "CREATE TABLE AS", SQL_OTHER, true, false},
    {"CREATE TEMP TABLE x AS SELECT 1", "create pg_temp.x!", CLASS_DDL, "CREATE TABLE AS",
     SQL_OTHER, true, false},
    {"INSERT INTO customers (id, name) VALUES (1, 'a') RETURNING id",
     "insert public.customers(id,name)!; select public.customers!", CLASS_WRITE, "INSERT",
     SQL_OTHER, true, false},
    {"INSERT INTO customers VALUES (1) ON CONFLICT (id) DO UPDATE SET name = excluded.name",
     "insert public.customers!; update public.customers(name)!", CLASS_WRITE, "INSERT", SQL_OTHER,
     true, false},
    {"UPDATE customers SET name = 'x', email = o.id FROM orders o WHERE o.customer_id = "
     "customers.id",
     "update public.customers(name,email)!; select public.orders!", CLASS_WRITE, "UPDATE",
     SQL_OTHER, true, false},
    {"UPDATE customers SET (name, email) = (SELECT k, v FROM secrets) WHERE id = 1",
     "update public.customers(name,email)!; select public.secrets!", CLASS_WRITE, "UPDATE",
     SQL_OTHER, true, false},
    {"DELETE FROM customers WHERE id = 1", "delete public.customers!", CLASS_WRITE, "DELETE",
     SQL_OTHER, true, false},
    {"MERGE INTO orders o USING customers c ON o.id = c.id WHEN MATCHED AND c.name = 'x' "
     "THEN DELETE "
     "WHEN MATCHED THEN UPDATE SET total = 1 WHEN NOT MATCHED THEN INSERT (id) VALUES "
     "(c.id)",
     "select public.customers!; delete public.orders!; update public.orders(total)!; "
     "insert public.orders(id)!",
     CLASS_WRITE, "MERGE", SQL_OTHER, true, false},
    {"WITH d AS (DELETE FROM orders RETURNING id) SELECT * FROM d",
     "delete public.orders!; select public.orders!", CLASS_WRITE, "SELECT", SQL_OTHER, true, false},
    {"TRUNCATE orders", "truncate public.orders!", CLASS_WRITE, "TRUNCATE TABLE", SQL_OTHER, true,
     false},
    {"LOCK orders", "lock public.orders!", CLASS_WRITE, "LOCK TABLE", SQL_OTHER, true, false},
    {"COPY orders TO STDOUT", "select public.orders!", CLASS_COPY, "COPY", SQL_COPY_OUT, false,
     false},
    {"COPY orders (id) FROM STDIN", "insert public.orders(id)!", CLASS_COPY, "COPY", SQL_COPY_IN,
     true, false},
    {"COPY orders TO '/tmp/x'", "select public.orders!; copy_file!", CLASS_COPY, "COPY", SQL_OTHER,
     true, true},
    {"COPY (DELETE FROM orders RETURNING 1) TO PROGRAM 'x'",
     "delete public.orders!; select public.orders!; copy_file!", CLASS_COPY, "COPY", SQL_OTHER,
     true, true},
    {"EXPLAIN DELETE FROM orders", "delete public.orders!", CLASS_WRITE, "EXPLAIN", SQL_OTHER,
     false, false},
    {"EXPLAIN (ANALYZE) DELETE FROM orders", "delete public.orders!", CLASS_WRITE, "EXPLAIN",
     SQL_OTHER, true, false},
    {"EXPLAIN (ANALYZE off) DELETE FROM orders", "delete public.orders!", CLASS_WRITE, "EXPLAIN",
     SQL_OTHER, false, false},
    {"EXPLAIN SELECT f_audit('x')", "execute public.f_audit!", CLASS_READ, "EXPLAIN", SQL_OTHER,
     true, true},
    {"EXPLAIN EXECUTE p", "prepare", CLASS_SESSION, "EXPLAIN", SQL_EXECUTE, false, false},
    {"PREPARE p (int) AS SELECT name FROM customers WHERE id = $1", "select public.customers!",
     CLASS_READ, "PREPARE", SQL_PREPARE, false, false},
    {"EXECUTE p (1)", "prepare", CLASS_SESSION, "EXECUTE", SQL_EXECUTE, false, false},
    {"DEALLOCATE ALL", "prepare", CLASS_SESSION, "DEALLOCATE", SQL_DEALLOCATE, false, false},
    {"DECLARE c CURSOR FOR SELECT * FROM orders", "select public.orders!", CLASS_READ,
     "DECLARE CURSOR", SQL_DECLARE_CURSOR, false, false},
    {"FETCH 5 FROM c", "prepare", CLASS_SESSION, "FETCH", SQL_FETCH, false, false},
    {"CALL p_write()", "call public.p_write!", CLASS_PROCEDURAL, "CALL", SQL_OTHER, true, true},
    {"DO 'x'", "do!", CLASS_PROCEDURAL, "DO", SQL_OTHER, true, true},
    {"BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY", "transaction", CLASS_TRANSACTION, "BEGIN",
     SQL_BEGIN, false, false},
    {"BEGIN READ WRITE", "transaction!", CLASS_TRANSACTION, "BEGIN", SQL_BEGIN, false, false},
    {"COMMIT", "transaction", CLASS_TRANSACTION, "COMMIT", SQL_COMMIT, false, false},
    {"ROLLBACK TO a", "transaction", CLASS_TRANSACTION, "ROLLBACK", SQL_SAVEPOINT, false, false},
    {"PREPARE TRANSACTION 'x'", "transaction!", CLASS_TRANSACTION, "PREPARE TRANSACTION",
     SQL_PREPARE_XACT, true, true},
    {"SET ROLE postgres", "opaque!; set role!", CLASS_SESSION, "SET", SQL_SET, true, true},
    {"SET work_mem = '1GB'", "set work_mem!", CLASS_SESSION, "SET", SQL_SET, false, false},
    {"LISTEN x", "listen x!", CLASS_SESSION, "LISTEN", SQL_OTHER, false, false},
    {"CREATE TABLE evil.t (a int)", "create evil.t!", CLASS_DDL, "CREATE TABLE", SQL_OTHER, true,
     false},
    {"ALTER TABLE secrets RENAME TO customers", "alter public.secrets!; create public.customers!",
     CLASS_DDL, "ALTER", SQL_OTHER, true, false},
    {"DROP TABLE secrets, evil.x", "drop public.secrets!; drop evil.x!", CLASS_DDL, "DROP",
     SQL_OTHER, true, false},
    {"GRANT SELECT ON secrets TO PUBLIC", "grant public.secrets!", CLASS_DCL, "GRANT", SQL_OTHER,
     true, false},
    {"CREATE VIEW x AS SELECT * FROM secrets", "create public.x!; select public.secrets!",
     CLASS_DDL, "CREATE VIEW", SQL_OTHER, true, false},
    {"VACUUM orders", "maintain public.orders!", CLASS_ADMIN, "VACUUM", SQL_OTHER, true, true},
    {"ALTER SYSTEM SET a = 1", "admin!", CLASS_ADMIN, "ALTER SYSTEM", SQL_OTHER, true, true},
    {"SELECT * FROM nosuch", "select public.nosuch!", CLASS_READ, "SELECT", SQL_OTHER, false,
     false},
    {"CREATE TABLE t (a serial PRIMARY KEY, b int DEFAULT f_audit('x'), c positive_text)",
     "create public.t!; execute public.positive_text!; execute public.f_audit!", CLASS_DDL,
     "CREATE TABLE", SQL_OTHER, true, true},
    {"CREATE TABLE t (a int REFERENCES orders (id), CHECK (a > 0))",
     "create public.t!; select public.orders!", CLASS_DDL, "CREATE TABLE", SQL_OTHER, true, false},
    {"CREATE TEMP TABLE text (a int)", "opaque!; create pg_temp.text!", CLASS_DDL, "CREATE TABLE",
     SQL_OTHER, true, true},
    {"CREATE DOMAIN d AS int CHECK (f_audit(value::text) > 0)",
     "create d!; execute public.f_audit!", CLASS_DDL, "CREATE DOMAIN", SQL_OTHER, true, true},
    {"CREATE TRIGGER t AFTER INSERT ON orders EXECUTE FUNCTION f_trigger()",
     "create public.orders!; execute public.f_trigger!", CLASS_DDL, "CREATE TRIGGER", SQL_OTHER,
     true, true},
    {"CREATE RULE r AS ON SELECT TO orders DO ALSO DELETE FROM secrets",
     "create public.orders!; delete public.secrets!", CLASS_DDL, "CREATE RULE", SQL_OTHER, true,
     false},
    {"CREATE INDEX ON orders (f_audit('x'))", "create public.orders!; execute public.f_audit!",
     CLASS_DDL, "CREATE INDEX", SQL_OTHER, true, true},
    {"ALTER TABLE orders ALTER total TYPE text USING f_audit('x')::text",
     "alter public.orders!; execute public.f_audit!", CLASS_DDL, "ALTER TABLE", SQL_OTHER, true,
     true},
    {"ALTER TABLE orders ATTACH PARTITION secrets DEFAULT",
     "alter public.orders!; alter public.secrets!", CLASS_DDL, "ALTER TABLE", SQL_OTHER, true,
     false},
    {"ALTER TABLE secrets INHERIT customers", "alter public.secrets!; alter public.customers!",
     CLASS_DDL, "ALTER TABLE", SQL_OTHER, true, false},
    {"CREATE POLICY p ON orders USING (f_audit('x') > 0)",
     "create public.orders!; execute public.f_audit!", CLASS_DDL, "CREATE POLICY", SQL_OTHER, true,
     true},
};

static void tells_what_it_needs(void)
{
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		struct arena a;
		struct sql_result r = analyze(needed[i].sql, NULL, &a);
		CHECK_INT(r.n_stmts, 1);
		if (r.n_stmts == 1) {
			CHECK_STR(needs_of(&r, &a), needed[i].needs);
			CHECK_STR(class_name(r.stmts[0].class), class_name(needed[i].class));
			CHECK_STR(r.stmts[0].tag, needed[i].tag);
			CHECK_INT(r.stmts[0].kind, needed[i].kind);
			if (r.stmts[0].is_write != needed[i].is_write ||
			    r.stmts[0].is_untransactional != needed[i].is_untransactional)
				printf("row: %s\n", needed[i].sql);
			CHECK_INT(r.stmts[0].is_write, needed[i].is_write);
			CHECK_INT(r.stmts[0].is_untransactional, needed[i].is_untransactional);
		}
		arena_done(&a);
	}
}

static void keeps_the_settings(void)
{
	static const struct {
		const char *sql, *name, *value;
		bool is_local;
	} rows[] = {
	    {"SET search_path = evil, \"Pub lic\", 'a,b'", "search_path",
	     "evil, \"Pub lic\", \"a,b\"", false},
	    {"SET LOCAL Search_Path TO public", "search_path", "public", true},
	    {"SET search_path TO DEFAULT", "search_path", NULL, false},
	    {"SELECT set_config('Search_Path', 'evil, public', true)", "search_path",
	     "evil, public", true},
	    {"RESET search_path", "search_path", NULL, false},
	    {"SET NAMES 'UTF8'", "client_encoding", "UTF8", false},
	    {"SET TIME ZONE 'UTC'", "timezone", "UTC", false},
	    {"SET statement_timeout = 5", "statement_timeout", "5", false},
	    {"SELECT set_config(new_value => 'x', setting_name => 'application_name', is_local => "
	     "false)",
	     "application_name", "x", false},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena a;
		struct sql_result r = analyze(rows[i].sql, NULL, &a);
		CHECK_INT(r.n_stmts, 1);
		if (r.n_stmts == 1) {
			CHECK_INT(r.stmts[0].kind, SQL_SET);
			CHECK_STR(r.stmts[0].name, rows[i].name);
			CHECK_STR(r.stmts[0].value ? r.stmts[0].value : "(none)",
				  rows[i].value ? rows[i].value : "(none)");
			CHECK_INT(r.stmts[0].is_local, rows[i].is_local);
		}
		arena_done(&a);
	}
}

static const char *needs_in(const char *sql, const struct sql_session *s, struct arena *a)
{
	struct sql_result r = analyze(sql, s, a);
	return needs_of(&r, a);
}

static void follows_the_session(void)
{
	static const uint32_t text_and_int[] = {25, 23}, domain[] = {0},
				nowhere[] = {4000000000u};
	struct sql_session two = {.paths = {"public", "evil"}, .n_paths = 2},
			   temp = {.paths = {"public"}, .n_paths = 1, .has_temp = true},
			   typed = {.paths = {"public"},
				    .n_paths = 1,
				    .param_types = text_and_int,
				    .n_param_types = 2},
			   open = {.paths = {"public"},
				   .n_paths = 1,
				   .param_types = domain,
				   .n_param_types = 1},
			   newer = {.paths = {"public"},
				    .n_paths = 1,
				    .param_types = nowhere,
				    .n_param_types = 1},
			   broken = {.paths = {"\"public"}, .n_paths = 1};
	struct arena a;
	CHECK_STR(needs_in("SELECT name FROM customers", &two, &a),
		  "select public.customers!; select evil.customers!");
	arena_done(&a);
	CHECK_STR(needs_in("SELECT id FROM customers", &temp, &a),
		  "select pg_temp.customers!; select public.customers!");
	arena_done(&a);
	CHECK_STR(needs_in("SELECT id FROM public.customers", &temp, &a),
		  "select public.customers!");
	arena_done(&a);
	CHECK_STR(needs_in("SELECT $1 = $2", &typed, &a), "execute public.op_eq!");
	arena_done(&a);
	CHECK_STR(needs_in("SELECT $1 = 'x'", &open, &a), "select");
	arena_done(&a);
	CHECK_STR(needs_in("SELECT $1", &newer, &a), "opaque!");
	arena_done(&a);
	CHECK_STR(needs_in("SELECT 1 FROM customers", &broken, &a), "opaque!");
	arena_done(&a);
	/* A parameter that is used twice takes its type where the server sees it first. */
	CHECK_STR(needs_in("SELECT $1 = id, $1 = name FROM customers", NULL, &a),
		  "select public.customers!; execute public.op_eq!; "
		  "execute public.parcel_text!; execute public.chip_text!; "
		  "execute public.grade_int!");
	arena_done(&a);
}

static void follows_the_text(void)
{
	struct arena a;
	CHECK_STR(needs_in("SET search_path = evil; TABLE customers", NULL, &a),
		  "set search_path; select public.customers!; select evil.customers!");
	arena_done(&a);
	CHECK_STR(needs_in("CREATE TEMP TABLE t (a int); SELECT 1 FROM orders", NULL, &a),
		  "create pg_temp.t!; select pg_temp.orders!; select public.orders!");
	arena_done(&a);
}

static void refuses_what_it_cannot_read(void)
{
	struct arena a;
	struct sql_session s = {.paths = {"public"}, .n_paths = 1};
	struct sql_result r = analyze("SELECT 'é', FROM x", NULL, &a);
	CHECK_INT(r.status, SQL_SYNTAX);
	CHECK_INT(r.position, 13);
	CHECK_STR(r.message, "syntax error at or near \"FROM\"");
	arena_done(&a);
	arena_init(&a, 1 << 20);
	CHECK_INT(sql_analyze(span_of("SELECT 1\0", 9), catalog, &s, &a, &r), 0);
	CHECK_INT(r.status, SQL_SYNTAX);
	CHECK_INT(sql_analyze(span_of("SELECT '\xff'", 10), catalog, &s, &a, &r), 0);
	CHECK_INT(r.status, SQL_SYNTAX);
	arena_done(&a);
	r = analyze("SELECT * FROM nosuch", NULL, &a);
	CHECK_INT(r.status, SQL_FACTS);
	arena_done(&a);
	r = analyze("CREATE TABLE brand_new (a int)", NULL, &a);
	CHECK_INT(r.status, SQL_OK); /* a new name is no missing fact */
	arena_done(&a);
	r = analyze("", NULL, &a);
	CHECK(r.status == SQL_OK && r.n_stmts == 0);
	arena_done(&a);
}

/* Each refused function says why it is none that only reads. */
static void says_why_of_functions(void)
{
	static const struct {
		const char *sql, *why;
	} rows[] = {
	    {"SELECT f_definer()", "SECURITY DEFINER: it acts with its owner's rights"},
	    {"SELECT f_audit('x')", "the database's own, and VOLATILE"},
	    {"SELECT f_rows()", "the database's own: nothing holds it to being STABLE or IMMUTABLE"},
	    {"SELECT pg_read_file('x')", "server files"},
	    {"SELECT pg_ls_dir('.')", "server files"},
	    {"SELECT lo_import('x')", "large objects: outside every relation's rights"},
	    {"SELECT pg_terminate_backend(1)", "waits, locks, signals, notifies"},
	    {"SELECT pg_advisory_lock(1)", "waits, locks, signals, notifies"},
	    {"SELECT setval('orders_seq', 1)", "moves a sequence"},
	    {"SELECT query_to_xml('DELETE FROM customers', true, true, '')",
	     "runs SQL that is handed to it as text, a table name or a cursor"},
	    {"SELECT pg_reload_conf()", "administers the server"},
	    {"SELECT pg_logical_emit_message(true, 'a', 'b')", "replication and logical decoding"},
	    {"SELECT pg_stat_get_activity(1)", "other sessions' statements, statistics over values"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena a;
		struct sql_result r = analyze(rows[i].sql, NULL, &a);
		const char *why = "(none)";
		for (int k = 0; r.n_stmts == 1 && k < r.stmts[0].n_needs; k++)
			if (r.stmts[0].needs[k].kind == NEED_FUNCTION && !r.stmts[0].needs[k].is_implied)
				why = r.stmts[0].needs[k].why;
		CHECK_STR(why ? why : "(no reason)", rows[i].why);
		arena_done(&a);
	}
}

int main(void)
{
	db_up();
	catalog = db_catalog();
	judges_every_row();
	tells_what_it_needs();
	keeps_the_settings();
	follows_the_session();
	follows_the_text();
	refuses_what_it_cannot_read();
	says_why_of_functions();
	catalog_unref(catalog);
	return tap_done();
}
