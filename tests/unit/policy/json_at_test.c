#include "policy/json_at.h"

#include "../tap.h"

static const char doc[] = "{\n"
			  "  \"a\": [10, {\"b\\u0063\": \"x]}\"}, [\"\\\"\", 2]],\n"
			  "  \"\xc3\xa9\": {\"k\": true, \"k2\" : null} }\n";

static const struct json_at root = {0};

static void check(const struct json_at *at, bool is_key, int line, int column)
{
	struct place p = place_at(span_str(doc), at, is_key);
	CHECK_INT(p.line, line);
	CHECK_INT(p.column, column);
}

static void finds_values_and_keys(void)
{
	struct json_at a = {&root, "a", 0}, a0 = {&a, NULL, 0}, a1 = {&a, NULL, 1},
		       bc = {&a1, "bc", 0}, a2 = {&a, NULL, 2}, a21 = {&a2, NULL, 1},
		       e = {&root, "\xc3\xa9", 0}, k2 = {&e, "k2", 0};
	check(&root, false, 1, 1);
	check(&a, false, 2, 8);
	check(&a, true, 2, 3);
	check(&a0, false, 2, 9);
	check(&a1, false, 2, 13);
	check(&bc, false, 2, 25); /* an escaped key is found by its meaning */
	check(&bc, true, 2, 14);
	check(&a2, false, 2, 33);
	check(&a21, false, 2, 40); /* a quote in a string ends nothing */
	check(&e, false, 3, 8);	   /* columns are characters */
	check(&k2, true, 3, 20);
	check(&k2, false, 3, 27);
}

/* A path that leads nowhere ends at the deepest value on the way. */
static void stops_where_the_path_ends(void)
{
	struct json_at none = {&root, "none", 0}, a = {&root, "a", 0}, a9 = {&a, NULL, 9},
		       deeper = {&a9, "x", 0};
	check(&none, true, 1, 1);
	check(&a9, false, 2, 8);
	check(&deeper, false, 2, 8);
	struct place p = place_at(span_of("", 0), &a9, true);
	CHECK_INT(p.line, 1);
	CHECK_INT(p.column, 1);
}

static void limits_depth(void)
{
	struct place p;
	CHECK(json_depth_ok(span_str("[[{}]]"), 3, &p));
	CHECK(!json_depth_ok(span_str("[\n [[{}]]]"), 3, &p));
	CHECK_INT(p.line, 2);
	CHECK_INT(p.column, 4);
	CHECK(json_depth_ok(span_str("[\"[[[[[[\\\"[[[\"]"), 2, &p));
	CHECK(json_depth_ok(span_str("]]]][[]"), 2, &p));
}

int main(void)
{
	finds_values_and_keys();
	stops_where_the_path_ends();
	limits_depth();
	return tap_done();
}
