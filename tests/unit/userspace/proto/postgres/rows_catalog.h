/* A catalogue with some types of its own. */
#pragma once

#include <stdlib.h>

#include "base/macro.h"
#include "sql/catalog.h"

enum {
	TYPE_PAIR = 20001,   /* (a int, b text) */
	TYPE_NEST = 20003,   /* (p pair, q text[]) */
	TYPE_PAIRS = 20004,  /* pair[] */
	TYPE_CODE = 20005,   /* a domain over text */
	TYPE_CODES = 20006,  /* code[] */
	TYPE_RANGE = 20007,
	TYPE_RANGES = 20008, /* a multirange */
	TYPE_ENUM = 20009,
	TYPE_ENUMS = 20010,
};

static void rows_catalog_add(struct catalog_builder *b, int query, const char *const *fields, int n)
{
	if (catalog_add_row(b, query, fields, n))
		abort();
}

static struct catalog *rows_catalog(void)
{
	static const char *const settings[] = {"\"$user\", public", "agent", "UTF8"};
	static const char *const schemas[][3] = {{"11", "pg_catalog", "t"}, {"2200", "public", "t"}};
	static const char *const relations[][5] = {{"20000", "2200", "pair", "c", "20001"},
						   {"20002", "2200", "nest", "c", "20003"}};
	static const char *const columns[][4] = {{"20000", "a", "23", "1"},
						 {"20000", "b", "25", "2"},
						 {"20002", "p", "20001", "1"},
						 {"20002", "q", "1009", "3"}};
	/* oid, schema, name, kind, category, preferred, element, array, base, relation, subtype, has: check, order,
	 * subscript */
	static const char *const types[][14] = {
	    {"20001", "2200", "pair", "c", "C", "f", "0", "20004", "0", "20000", "0", "f", "f", "f"},
	    {"20003", "2200", "nest", "c", "C", "f", "0", "0", "0", "20002", "0", "f", "f", "f"},
	    {"20004", "2200", "_pair", "b", "A", "f", "20001", "0", "0", "0", "0", "f", "f", "f"},
	    {"20005", "2200", "code", "d", "S", "f", "0", "20006", "25", "0", "0", "f", "f", "f"},
	    {"20006", "2200", "_code", "b", "A", "f", "20005", "0", "0", "0", "0", "f", "f", "f"},
	    {"20007", "2200", "span", "r", "R", "f", "0", "0", "0", "0", "25", "f", "f", "f"},
	    {"20008", "2200", "spans", "m", "R", "f", "0", "0", "0", "0", "0", "f", "f", "f"},
	    {"20009", "2200", "mood", "e", "E", "f", "0", "20010", "0", "0", "0", "f", "f", "f"},
	    {"20010", "2200", "_mood", "b", "A", "f", "20009", "0", "0", "0", "0", "f", "f", "f"},
	};
	struct catalog_builder *b;
	struct catalog *c;
	if (catalog_builder_new(&b))
		abort();
	rows_catalog_add(b, 0, settings, 3);
	for (size_t i = 0; i < ARRAY_LEN(schemas); i++)
		rows_catalog_add(b, 2, schemas[i], 3);
	for (size_t i = 0; i < ARRAY_LEN(relations); i++)
		rows_catalog_add(b, 3, relations[i], 5);
	for (size_t i = 0; i < ARRAY_LEN(columns); i++)
		rows_catalog_add(b, 4, columns[i], 4);
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		rows_catalog_add(b, 5, types[i], 14);
	if (catalog_build(b, &c))
		abort();
	catalog_builder_free(b);
	return c;
}
