/* A catalogue small enough to be written down: for the fuzz target of userspace/sql, which has no
 * server. */
#pragma once

#include <stdlib.h>

#include "base/macro.h"
#include "sql/catalog.h"

struct sql_row {
	int query;
	const char *fields[14];
	int n;
};

#define R(q, ...)                                                                                  \
	{                                                                                          \
		q, {__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)           \
	}
#define TYPE(oid, schema, name, kind, category, preferred, element, array, base, rel, check)       \
	R(5, oid, schema, name, kind, category, preferred, element, array, base, rel, "0", check,  \
	  "f", "f")
#define FUNCTION(oid, schema, name, kind, set, result, args)                                       \
	R(6, oid, schema, name, kind, "i", set, result, "0", "0", args, NULL, NULL, NULL, "f")

static const struct sql_row sql_rows[] = {
    R(0, "\"$user\", public", "app", "UTF8"),
    R(2, "11", "pg_catalog", "t"),
    R(2, "2200", "public", "t"),
    R(2, "16400", "evil", "t"),
    R(3, "1259", "11", "pg_class", "r", "83"),
    R(3, "1260", "11", "pg_authid", "r", "0"),
    R(3, "16501", "2200", "customers", "r", "16503"),
    R(3, "16510", "2200", "orders", "r", "16512"),
    R(3, "16520", "16400", "customers", "v", "16522"),
    R(3, "16530", "2200", "tag", "c", "16532"),
    R(4, "1259", "oid", "26", "1"),
    R(4, "1259", "relname", "19", "2"),
    R(4, "16501", "id", "23", "1"),
    R(4, "16501", "name", "25", "2"),
    R(4, "16501", "ssn", "25", "4"),
    R(4, "16510", "id", "23", "1"),
    R(4, "16510", "total", "1700", "2"),
    R(4, "16520", "name", "25", "1"),
    R(4, "16530", "x", "16540", "1"),
    TYPE("16", "11", "bool", "b", "B", "t", "0", "1000", "0", "0", "f"),
    TYPE("19", "11", "name", "b", "S", "f", "18", "1003", "0", "0", "f"),
    TYPE("20", "11", "int8", "b", "N", "f", "0", "1016", "0", "0", "f"),
    TYPE("23", "11", "int4", "b", "N", "f", "0", "1007", "0", "0", "f"),
    TYPE("25", "11", "text", "b", "S", "t", "0", "1009", "0", "0", "f"),
    TYPE("26", "11", "oid", "b", "N", "t", "0", "1028", "0", "0", "f"),
    TYPE("114", "11", "json", "b", "U", "f", "0", "199", "0", "0", "f"),
    TYPE("705", "11", "unknown", "p", "X", "f", "0", "0", "0", "0", "f"),
    TYPE("1007", "11", "_int4", "b", "A", "f", "23", "0", "0", "0", "f"),
    TYPE("1009", "11", "_text", "b", "A", "f", "25", "0", "0", "0", "f"),
    TYPE("1700", "11", "numeric", "b", "N", "f", "0", "1231", "0", "0", "f"),
    TYPE("2249", "11", "record", "p", "P", "f", "0", "2287", "0", "0", "f"),
    TYPE("16503", "2200", "customers", "c", "C", "f", "0", "16504", "0", "16501", "f"),
    TYPE("16504", "2200", "_customers", "b", "A", "f", "16503", "0", "0", "0", "f"),
    TYPE("16532", "2200", "tag", "c", "C", "f", "0", "0", "0", "16530", "f"),
    TYPE("16540", "2200", "positive", "d", "S", "f", "0", "0", "25", "0", "t"),
    FUNCTION("65", "11", "int4eq", "f", "f", "16", "23 23"),
    FUNCTION("67", "11", "texteq", "f", "f", "16", "25 25"),
    FUNCTION("177", "11", "int4pl", "f", "f", "23", "23 23"),
    FUNCTION("1257", "11", "length", "f", "f", "23", "25"),
    FUNCTION("1258", "11", "textcat", "f", "f", "25", "25 25"),
    FUNCTION("1317", "11", "nextval", "f", "f", "20", "26"),
    FUNCTION("2077", "11", "set_config", "f", "f", "25", "25 25 16"),
    FUNCTION("2331", "11", "unnest", "f", "t", "2283", "2277"),
    FUNCTION("2335", "11", "array_agg", "a", "f", "2277", "2776"),
    FUNCTION("2803", "11", "count", "a", "f", "20", ""),
    FUNCTION("3176", "11", "to_json", "f", "f", "114", "2283"),
    FUNCTION("16601", "2200", "length", "f", "f", "23", "16503"),
    FUNCTION("16602", "2200", "op_eq", "f", "f", "16", "25 23"),
    FUNCTION("16603", "2200", "customers", "f", "t", "16503", ""),
    FUNCTION("16604", "16400", "length", "f", "f", "23", "25"),
    R(7, "11", "=", "23", "23", "16", "65"),
    R(7, "11", "=", "25", "25", "16", "67"),
    R(7, "11", "+", "23", "23", "23", "177"),
    R(7, "11", "||", "25", "25", "25", "1258"),
    R(7, "2200", "=", "25", "23", "16", "16602"),
    R(8, "19", "25", "0", "i", "b"),
    R(8, "23", "1700", "0", "i", "b"),
    R(8, "25", "16532", "16601", "e", "f"),
    R(9, "16510", "2", "1"),
    R(10, "16520", "SELECT c.ssn AS name FROM public.customers c WHERE c.id > 1;"),
    R(11, "16510", "16501"),
    R(12, "16520", "siud", "s=", "r", "16501"),
    R(12, "16510", "u", "", "f", "16604"),
    R(12, "16510", "d", "siud", "r", "16520"),
};

static inline struct catalog *sql_catalog_new(void)
{
	struct catalog_builder *b = NULL;
	struct catalog *c = NULL;
	if (catalog_builder_new(&b))
		abort();
	for (size_t i = 0; i < ARRAY_LEN(sql_rows); i++)
		if (catalog_add_row(b, sql_rows[i].query, sql_rows[i].fields, sql_rows[i].n))
			abort();
	if (catalog_build(b, &c))
		abort();
	catalog_builder_free(b);
	return c;
}
