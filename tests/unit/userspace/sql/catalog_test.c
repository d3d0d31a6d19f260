#include "sql/catalog_read.h"

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

int main(void)
{
	db_up();
	holds_the_database();
	schemas_that_may_not_be_used();
	counts_its_generations();
	refuses_bad_rows();
	return tap_done();
}
