/* What a catalogue holds and how it is asked, for the files of this folder. All strings and arrays
 * live as long as the catalogue. Lookups by name return a run of a sorted array. */
#pragma once

#include "sql/catalog.h"

/* Objects made by initdb have smaller ids, whatever schema they sit in: access/transam.h. */
#define CAT_FIRST_USER_OID 16384

/* Types that PostgreSQL itself knows by number: catalog/pg_type.dat. */
enum {
	TYPE_BOOL = 16,
	TYPE_BYTEA = 17,
	TYPE_CHAR = 18,
	TYPE_NAME = 19,
	TYPE_INT8 = 20,
	TYPE_INT2 = 21,
	TYPE_INT2VECTOR = 22,
	TYPE_INT4 = 23,
	TYPE_TEXT = 25,
	TYPE_OID = 26,
	TYPE_TID = 27,
	TYPE_XID = 28,
	TYPE_CID = 29,
	TYPE_OIDVECTOR = 30,
	TYPE_JSON = 114,
	TYPE_XML = 142,
	TYPE_FLOAT4 = 700,
	TYPE_FLOAT8 = 701,
	TYPE_UNKNOWN = 705,
	TYPE_BPCHAR = 1042,
	TYPE_VARCHAR = 1043,
	TYPE_DATE = 1082,
	TYPE_TIME = 1083,
	TYPE_TIMESTAMP = 1114,
	TYPE_TIMESTAMPTZ = 1184,
	TYPE_INTERVAL = 1186,
	TYPE_TIMETZ = 1266,
	TYPE_BIT = 1560,
	TYPE_NUMERIC = 1700,
	TYPE_REFCURSOR = 1790,
	TYPE_RECORD = 2249,
	TYPE_CSTRING = 2275,
	TYPE_ANY = 2276,
	TYPE_ANYARRAY = 2277,
	TYPE_VOID = 2278,
	TYPE_ANYELEMENT = 2283,
	TYPE_RECORDARRAY = 2287,
	TYPE_ANYNONARRAY = 2776,
	TYPE_ANYENUM = 3500,
	TYPE_JSONB = 3802,
	TYPE_ANYRANGE = 3831,
	TYPE_ANYMULTIRANGE = 4537,
	TYPE_ANYCOMPATIBLEMULTIRANGE = 4538,
	TYPE_ANYCOMPATIBLE = 5077,
	TYPE_ANYCOMPATIBLEARRAY = 5078,
	TYPE_ANYCOMPATIBLENONARRAY = 5079,
	TYPE_ANYCOMPATIBLERANGE = 5080,
};

struct cat_schema {
	uint32_t oid;
	const char *name;
	bool is_usable; /* the login has USAGE: only then it is searched */
};

struct cat_made_of {
	int number;
	const struct cat_made_of *next;
};

struct cat_column {
	const char *name;
	uint32_t type;
	int number; /* as in pg_attribute: from 1, with gaps where columns were dropped */
	bool is_generated;
	const struct cat_made_of *made_of; /* the columns that a generated one is computed from */
};

/* A list of relations: last found first. */
struct cat_kin {
	const struct cat_relation *relation;
	const struct cat_kin *next;
};

struct cat_function;

/* What using a relation reaches besides its children: what its view, rules and triggers name, the rows that foreign
 * keys lead to. Sets of 1 << enum verb (policy/op.h). */
struct cat_reach {
	uint32_t on;   /* which uses reach it */
	uint32_t does; /* what is, or may be, done there */
	bool is_same;  /* and what was done here */
	const struct cat_relation *relation; /* NULL: the function is called */
	const struct cat_function *function;
	const struct cat_reach *next;
};

struct cat_relation {
	uint32_t oid;
	const struct cat_schema *schema;
	const char *name;
	char kind; /* pg_class.relkind */
	uint32_t row_type;
	const struct cat_column *columns;
	int n_columns;
	/* Of a view that is not the system's: its query, every name in full. NULL: not told. */
	const char *definition;
	const struct cat_kin *parents, *children; /* by inheritance or partitioning */
	const struct cat_reach *reached;	  /* in no order */
	bool is_system;				  /* made by initdb */
	bool is_implied; /* one of the reviewed catalogue relations that drivers read */
};

struct cat_type {
	uint32_t oid;
	const struct cat_schema *schema;
	const char *name;
	char kind;     /* pg_type.typtype */
	char category; /* pg_type.typcategory */
	bool is_preferred;
	uint32_t element; /* of a true array, or of int2vector and oidvector; else 0 */
	uint32_t array;	  /* the type of its arrays, or 0 */
	uint32_t base;	  /* of a domain */
	uint32_t subtype; /* of a range */
	const struct cat_relation *relation; /* of a composite type */
	bool is_system;
	bool has_check;	    /* a domain's own CHECK */
	bool has_own_order; /* a default btree or hash operator class that is no built-in */
	bool has_subscript; /* its own subscripting, not that of arrays and jsonb */
};

#define CAT_MAX_ARGS 100

struct cat_function {
	uint32_t oid;
	const struct cat_schema *schema;
	const char *name;
	char kind;	 /* pg_proc.prokind */
	char volatility; /* pg_proc.provolatile */
	bool returns_set;
	bool is_definer; /* SECURITY DEFINER */
	bool is_read; /* a reviewed built-in without effects: builtin.h */
	uint32_t result;
	uint32_t
	    variadic; /* element type of the last argument; TYPE_ANY for VARIADIC "any"; 0: none */
	int n_args, n_defaults;
	const uint32_t *args;
	/* Columns of the result where there are OUT arguments, else 0. */
	const struct cat_column *outs;
	int n_outs;
};

struct cat_operator {
	const struct cat_schema *schema;
	const char *name;
	uint32_t args[2]; /* left, right; left 0: a prefix operator */
	uint32_t result;
	const struct cat_function *function; /* NULL: not in the catalogue */
};

struct cat_cast {
	uint32_t source, target;
	char context; /* e, a, i */
	char method;  /* f, i, b */
	uint32_t function_oid;
	const struct cat_function *function; /* NULL where there is none */
};

const struct cat_schema *cat_schema(const struct catalog *c, const char *name);
const struct cat_relation *cat_relation(const struct catalog *c, const struct cat_schema *s,
					const char *name);
const struct cat_type *cat_type(const struct catalog *c, uint32_t oid);
const struct cat_type *cat_type_named(const struct catalog *c, const struct cat_schema *s,
				      const char *name);
const struct cat_function *cat_function(const struct catalog *c, uint32_t oid);
/* All of that name, whatever schema: ret_n of them. */
const struct cat_function *const *cat_functions(const struct catalog *c, const char *name,
						int *ret_n);
const struct cat_operator *const *cat_operators(const struct catalog *c, const char *name,
						int *ret_n);
const struct cat_cast *cat_cast(const struct catalog *c, uint32_t source, uint32_t target);
/* All casts: ret_n of them. */
const struct cat_cast *const *cat_casts(const struct catalog *c, int *ret_n);
/* -1: no such column. */
int cat_column_at(const struct cat_relation *r, const char *name);
/* Is there a type at all whose sorting or comparing by default is not built in? */
bool cat_has_own_order(const struct catalog *c);
/* Is the database encoded in UTF-8? Elsewhere the server folds the case of other letters than we
 * do. */
bool cat_is_utf8(const struct catalog *c);
