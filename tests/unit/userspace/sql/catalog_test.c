#include "sql/catalog_internal.h"

#include "../../tap.h"
#include "db.h"

static void holds_the_database(void)
{
	struct catalog *c = db_catalog();
	const struct cat_schema *public = cat_schema(c, "public"),
				*system = cat_schema(c, "pg_catalog");
	CHECK_STR(catalog_search_path(c), "\"$user\", public");
	CHECK_STR(catalog_user(c), "app");
	CHECK(public && public->is_usable && system);
	CHECK(!cat_schema(c, "nosuch"));
	const struct cat_relation *r = cat_relation(c, public, "customers");
	CHECK(r && r->kind == 'r' && !r->is_implied && r->n_columns == 4);
	CHECK(r && cat_column_at(r, "ssn") == 3 && cat_column_at(r, "nosuch") == -1);
	CHECK(r && cat_type(c, r->row_type) && cat_type(c, r->row_type)->relation == r);
	r = cat_relation(c, public, "v_customers");
	CHECK(r && r->kind == 'v' && r->n_columns == 2);
	CHECK(!cat_relation(c, system, "customers"));
	r = cat_relation(c, system, "pg_class");
	CHECK(r && r->is_implied && r->is_system);
	r = cat_relation(c, system, "pg_authid");
	CHECK(r && !r->is_implied);
	const struct cat_type *t = cat_type_named(c, public, "positive_text");
	CHECK(t && t->kind == 'd' && t->has_check && t->base == TYPE_TEXT);
	t = cat_type_named(c, public, "plain_text");
	CHECK(t && t->kind == 'd' && !t->has_check);
	t = cat_type_named(c, public, "hstore");
	CHECK(t && t->has_own_order && t->has_subscript);
	t = cat_type_named(c, system, "_int4");
	CHECK(t && t->element == TYPE_INT4 && !t->has_subscript);
	int n = 0;
	const struct cat_function *const *f = cat_functions(c, "two_outs", &n);
	CHECK_INT(n, 1);
	CHECK(n == 1 && f[0]->n_outs == 2 && !strcmp(f[0]->outs[1].name, "b") &&
	      f[0]->outs[1].type == TYPE_TEXT);
	cat_functions(c, "length", &n);
	CHECK(n >= 8);
	cat_operators(c, "===", &n);
	CHECK_INT(n, 1);
	cat_functions(c, "no_such_function", &n);
	CHECK_INT(n, 0);
	CHECK(cat_cast(c, TYPE_TEXT, cat_type_named(c, public, "tag")->oid) != NULL);
	CHECK(!cat_cast(c, TYPE_TEXT, TYPE_INT4));
	CHECK(cat_is_utf8(c) && cat_has_own_order(c));
	catalog_unref(c);
}

static void schemas_that_may_not_be_used(void)
{
	db_do("CREATE ROLE guest LOGIN; REVOKE ALL ON SCHEMA evil FROM PUBLIC; SET ROLE guest");
	struct catalog *c = db_catalog();
	db_do("RESET ROLE");
	CHECK(cat_schema(c, "evil") && !cat_schema(c, "evil")->is_usable);
	CHECK(cat_schema(c, "public")->is_usable);
	catalog_unref(c);
}

static void counts_its_generations(void)
{
	struct catalog *a = db_catalog(), *b = db_catalog();
	CHECK(catalog_generation(a) != catalog_generation(b));
	CHECK(catalog_ref(a) == a);
	catalog_unref(a);
	CHECK_STR(catalog_user(a), "app");
	catalog_unref(a);
	catalog_unref(b);
	catalog_unref(NULL);
}

static void refuses_bad_rows(void)
{
	static const char *const
	    settings[] = {"public", "app", "UTF8"},
	    *const schema[] = {"11", "pg_catalog", "t"}, *const bad_number[] = {"1x", "a", "t"},
	    *const bad_truth[] = {"12", "a", "true"},
	    *const relation[] = {"20", "11", "r", "r", "0"},
	    *const lost[] = {"21", "99", "r", "r", "0"}, *const nothing[] = {NULL, NULL, NULL};
	static const struct {
		int query;
		const char *const *fields;
		int n, err;
	} rows[] = {
	    {2, bad_number, 3, ERR_MALFORMED}, {2, bad_truth, 3, ERR_MALFORMED},
	    {2, nothing, 3, ERR_MALFORMED},    {2, schema, 2, ERR_MALFORMED},
	    {99, schema, 3, ERR_MALFORMED},    {-1, schema, 3, ERR_MALFORMED},
	    {3, lost, 5, ERR_MALFORMED},       {0, settings, 3, ERR_MALFORMED}, /* out of order */
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct catalog_builder *b = NULL;
		struct catalog *c = NULL;
		CHECK_INT(catalog_builder_new(&b), 0);
		CHECK_INT(catalog_add_row(b, 0, settings, 3), 0);
		CHECK_INT(catalog_add_row(b, 2, schema, 3), 0);
		CHECK_INT(catalog_add_row(b, rows[i].query, rows[i].fields, rows[i].n),
			  rows[i].err);
		if (rows[i].query == 2 && rows[i].n == 3)
			CHECK_INT(catalog_build(b, &c), ERR_MALFORMED); /* an error sticks */
		catalog_builder_free(b);
	}
	struct catalog_builder *b = NULL;
	struct catalog *c = NULL;
	CHECK_INT(catalog_builder_new(&b), 0);
	CHECK_INT(catalog_build(b, &c), ERR_MALFORMED); /* no settings */
	CHECK_INT(catalog_add_row(b, 0, settings, 3), 0);
	CHECK_INT(catalog_add_row(b, 2, schema, 3), 0);
	CHECK_INT(catalog_add_row(b, 3, relation, 5), 0);
	CHECK_INT(catalog_add_row(b, 3, relation, 5), 0);
	CHECK_INT(catalog_build(b, &c), ERR_MALFORMED); /* the same number twice */
	catalog_builder_free(b);
	catalog_builder_free(NULL);
}

/* The same objects in the same order? what: 'o' by number, 'n' by name, 'c' casts. */
static bool is_same_list(const struct cat_list *a, const struct cat_list *b, char what)
{
	bool is = a->n == b->n && a->n;
	for (int i = 0; is && i < a->n; i++) {
		const struct cat_function *x = a->at[i], *y = b->at[i];
		const struct cat_cast *k = a->at[i], *l = b->at[i];
		is = what == 'c' ? k->source == l->source && k->target == l->target && k->method == l->method &&
				       !k->function == !l->function
				 : x->oid == y->oid && (what == 'o' || !strcmp(x->name, y->name));
	}
	return is;
}

static void is_the_same_in_two_parts(void)
{
	struct catalog *whole = db_catalog(), *base = db_part(CATALOG_BUILT_IN, NULL),
		       *rest = db_part(CATALOG_REST, base);
	CHECK(base->functions.n > 2000 && base->functions.n < whole->functions.n);
	catalog_unref(base); /* the other one keeps it */
	CHECK(is_same_list(&whole->schemas, &rest->schemas, 'o'));
	CHECK(is_same_list(&whole->relations, &rest->relations, 'o'));
	CHECK(is_same_list(&whole->types, &rest->types, 'o'));
	CHECK(is_same_list(&whole->functions, &rest->functions, 'o'));
	CHECK(is_same_list(&whole->casts, &rest->casts, 'c'));
	CHECK(is_same_list(&whole->relations_by_name, &rest->relations_by_name, 'n'));
	CHECK(is_same_list(&whole->types_by_name, &rest->types_by_name, 'n'));
	CHECK(is_same_list(&whole->functions_by_name, &rest->functions_by_name, 'n'));
	CHECK_INT(rest->operators.n, whole->operators.n);
	CHECK_INT(rest->has_own_order, whole->has_own_order);
	CHECK_STR(catalog_user(rest), "app");
	catalog_unref(whole);
	catalog_unref(rest);
}

/* A client in a transaction may have locked a view, or what it reads, and be waiting for the catalogue. */
static void waits_for_no_lock(void)
{
	static const char *const locks[] = {"LOCK TABLE v_customers IN ACCESS EXCLUSIVE MODE",
					    "LOCK TABLE customers IN ACCESS EXCLUSIVE MODE"};
	char path[128];
	snprintf(path, sizeof(path), "%s/password", db_folder);
	char *password = db_read(path);
	password[strcspn(password, "\n")] = 0;
	db_do("SET statement_timeout = '5s'");
	for (size_t i = 0; i < sizeof(locks) / sizeof(locks[0]); i++) {
		PGconn *other = db_connect(password);
		PQclear(PQexec(other, "BEGIN"));
		PQclear(PQexec(other, locks[i]));
		struct catalog *c = db_catalog();
		const struct cat_relation *v = cat_relation(c, cat_schema(c, "public"), "v_customers");
		CHECK(v && !v->definition && v->n_columns == 2);
		catalog_unref(c);
		PQfinish(other);
	}
	struct catalog *c = db_catalog();
	const struct cat_relation *v = cat_relation(c, cat_schema(c, "public"), "v_customers");
	CHECK(v && v->definition);
	catalog_unref(c);
	db_do("RESET statement_timeout");
	free(password);
}

static char *fingerprint(void)
{
	PGresult *r = PQexec(db_conn, catalog_fingerprint_query());
	char *got = strdup(PQntuples(r) == 1 ? PQgetvalue(r, 0, 0) : "");
	PQclear(r);
	return got;
}

static void tells_when_built_ins_change(void)
{
	static const struct {
		const char *sql, *back;
		bool changes;
	} rows[] = {
	    {"CREATE TABLE fp (a int); ANALYZE; ANALYZE pg_class", "DROP TABLE fp", false},
	    {"CREATE FUNCTION fp() RETURNS int LANGUAGE sql AS 'SELECT 1'", "DROP FUNCTION fp()", false},
	    {"ALTER FUNCTION pg_catalog.lower(text) STABLE", "ALTER FUNCTION lower(text) IMMUTABLE", true},
	    {"ALTER VIEW information_schema.tables RENAME COLUMN table_name TO x",
	     "ALTER VIEW information_schema.tables RENAME COLUMN x TO table_name", true},
	    {"CREATE OPERATOR CLASS fp DEFAULT FOR TYPE box USING btree AS FUNCTION 1 btint4cmp(int, int)",
	     "DROP OPERATOR CLASS fp USING btree", true},
	    {"ALTER ROLE app SET search_path = x", "ALTER ROLE app RESET search_path", true},
	    {"ALTER DOMAIN information_schema.cardinal_number ADD CONSTRAINT fp CHECK (VALUE > -2)",
	     "ALTER DOMAIN information_schema.cardinal_number DROP CONSTRAINT fp", true},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *before = fingerprint();
		PQclear(PQexec(db_conn, rows[i].sql));
		char *after = fingerprint();
		CHECK(strlen(before) > 50);
		CHECK_INT(strcmp(before, after) != 0, rows[i].changes);
		PQclear(PQexec(db_conn, rows[i].back));
		free(before);
		free(after);
	}
}

/* A table of the database's own below a built-in one: what is shared would have to know of it. */
static void shares_nothing_that_it_would_change(void)
{
	static const char *const settings[] = {"public", "app", "UTF8"}, *const schema[] = {"11", "pg_catalog", "t"},
			  *const old[] = {"20", "11", "old", "r", "0"}, *const own[] = {"16384", "11", "own", "r", "0"},
			  *const kin[] = {"16384", "20"};
	struct catalog_builder *b = NULL;
	struct catalog *base = NULL;
	CHECK_INT(catalog_builder_new(&b), 0);
	catalog_builder_part(b);
	CHECK_INT(catalog_add_row(b, 2, schema, 3), 0);
	CHECK_INT(catalog_add_row(b, 3, old, 5), 0);
	CHECK_INT(catalog_build(b, &base), 0);
	catalog_builder_free(b);
	CHECK_INT(catalog_builder_new(&b), 0);
	CHECK_INT(catalog_add_row(b, 0, settings, 3), 0);
	CHECK_INT(catalog_builder_share(b, base), 0);
	CHECK_INT(catalog_builder_share(b, base), ERR_STATE);
	CHECK_INT(catalog_add_row(b, 3, own, 5), 0);
	CHECK_INT(catalog_add_row(b, catalog_n_queries() - 2, kin, 2), ERR_STATE);
	catalog_builder_free(b);
	catalog_unref(base);
}

int main(void)
{
	db_up();
	holds_the_database();
	schemas_that_may_not_be_used();
	counts_its_generations();
	refuses_bad_rows();
	is_the_same_in_two_parts();
	waits_for_no_lock();
	tells_when_built_ins_change();
	shares_nothing_that_it_would_change();
	return tap_done();
}
