#include "policy/pattern.h"

#include "../tap.h"

static struct arena arena;

static int parse(const char *s, int n, struct pattern *p)
{
	const char *why = "";
	int err =
	    n ? pattern_parse(&arena, s, n, p, &why) : pattern_parse_setting(&arena, s, p, &why);
	CHECK(!err == !*why);
	return err;
}

static void matches_by_part(void)
{
	static const struct {
		const char *pattern, *schema, *name;
		bool ok;
	} rows[] = {
	    {"public.*", "public", "orders", true},
	    {"public.*", "public", "Odd Name.x", true},
	    {"public.*", "publi", "orders", false},
	    {"public.*", "public2", "orders", false},
	    {"public.*", "public", "", true},
	    {"*.*", "pg_catalog", "pg_class", true},
	    {"*.orders", "evil", "orders", true},
	    {"public.orders", "public", "orders", true},
	    {"public.orders", "public", "Orders", false},
	    {"public.orders", "public", "orders ", false},
	    {"public.order_*", "public", "order_items", true},
	    {"public.order_*", "public", "order_", true},
	    {"public.order_*", "public", "orders", false},
	    {"public.*_log", "public", "audit_log", true},
	    {"public.*_log", "public", "audit_logs", false},
	    {"public.a*b*c", "public", "abc", true},
	    {"public.a*b*c", "public", "aXbYbZc", true},
	    {"public.a*b*c", "public", "aXbYbZcd", false},
	    {"public.a**c", "public", "ac", true},
	    {"public.\"Odd.Name\"", "public", "Odd.Name", true},
	    {"public.\"*\"", "public", "*", true},
	    {"public.\"*\"", "public", "orders", false},
	    {"\"a\"\"b\".x", "a\"b", "x", true},
	    {"public.\xc3\xa9t\xc3\xa9", "public", "\xc3\xa9t\xc3\xa9", true},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pattern p;
		CHECK_INT(parse(rows[i].pattern, 2, &p), 0);
		struct patterns one = {&p, 1};
		if (patterns_match(&one, rows[i].schema, rows[i].name) != rows[i].ok)
			printf("row %zu: %s\n", i, rows[i].pattern);
		CHECK_INT(patterns_match(&one, rows[i].schema, rows[i].name), rows[i].ok);
		CHECK(!patterns_match(&one, NULL, rows[i].name));
		CHECK(!patterns_match(&one, rows[i].schema, NULL));
	}
}

static void refuses_what_is_no_pattern(void)
{
	static const struct {
		const char *s;
		int n;
	} rows[] = {
	    {"", 2},	       {"public", 2},	  {"a.b.c", 2},		{"public.", 2},
	    {".x", 2},	       {"*", 2},	  {"public.Orders", 2}, {"Public.x", 2},
	    {"public.a b", 2}, {"public.\"a", 2}, {"public.\"\"", 2},	{"public.\"a\"b", 2},
	    {"public.a-b", 2}, {"a.b", 1},	  {"a.b", 3},		{"public.a*b*c*d*e*", 2},
	    {"public.x;", 2},  {" public.x", 2},  {"public.x ", 2},	{"work mem", 0},
	    {"", 0},	       {"a=b", 0},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pattern p;
		if (parse(rows[i].s, rows[i].n, &p) != ERR_MALFORMED)
			printf("row %zu: %s\n", i, rows[i].s);
		CHECK_INT(parse(rows[i].s, rows[i].n, &p), ERR_MALFORMED);
	}
}

static void takes_settings_without_case(void)
{
	static const struct {
		const char *pattern, *name;
		bool ok;
	} rows[] = {
	    {"DateStyle", "datestyle", true},
	    {"datestyle", "DateStyle", true},
	    {"myapp.*", "myapp.user", true},
	    {"myapp.*", "myap", false},
	    {"*", "role", true},
	    {"work_mem", "work_mem2", false},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pattern p;
		CHECK_INT(parse(rows[i].pattern, 0, &p), 0);
		struct patterns one = {&p, 1};
		CHECK_INT(patterns_match_one(&one, rows[i].name), rows[i].ok);
	}
}

static void knows_what_covers_what(void)
{
	static const struct {
		const char *a, *b;
		bool ok;
	} rows[] = {
	    {"*.*", "public.*", true},
	    {"public.*", "public.orders", true},
	    {"public.*", "*.orders", false},
	    {"public.orders", "public.*", false},
	    {"public.ord*", "public.orders", true},
	    {"public.ord*", "public.order_*", true},
	    {"public.order_*", "public.ord*", false},
	    {"public.*s", "public.orders", true},
	    {"public.ord*", "public.ord*s", true},
	    {"public.*s", "public.*rs", false},
	    {"public.*x*", "public.*x*", true},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pattern a, b;
		CHECK_INT(parse(rows[i].a, 2, &a), 0);
		CHECK_INT(parse(rows[i].b, 2, &b), 0);
		struct patterns as = {&a, 1}, bs = {&b, 1};
		if (patterns_cover(&as, &bs) != rows[i].ok)
			printf("row %zu: %s covers %s\n", i, rows[i].a, rows[i].b);
		CHECK_INT(patterns_cover(&as, &bs), rows[i].ok);
	}
}

static void says_when_memory_ends(void)
{
	struct arena small;
	struct pattern p;
	const char *why = "";
	arena_init(&small, 24);
	CHECK_INT(pattern_parse(&small, "public.a_rather_long_name_of_a_table", 2, &p, &why),
		  ERR_LIMIT);
	arena_done(&small);
}

int main(void)
{
	arena_init(&arena, 1 << 20);
	matches_by_part();
	refuses_what_is_no_pattern();
	takes_settings_without_case();
	knows_what_covers_what();
	says_when_memory_ends();
	arena_done(&arena);
	return tap_done();
}
