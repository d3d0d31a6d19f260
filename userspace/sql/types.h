/* PostgreSQL's type rules over a catalogue: what coerces to what and by which function, common
 * types, polymorphic results, and whether using a type runs code that is no built-in. A type is its
 * number; 0 is a type that we cannot tell. PostgreSQL documentation, chapter "Type Conversion";
 * parser/parse_coerce.c. */
#pragma once

#include "sql/catalog_read.h"

enum fit { FIT_NO, FIT_MAYBE, FIT_YES };

enum coercion_kind {
	COERCION_NONE,
	COERCION_RELABEL,
	COERCION_FUNCTION,
	COERCION_IO,
	COERCION_ARRAY, /* element by element */
};

struct coercion {
	enum coercion_kind kind;
	const struct cat_cast *cast; /* COERCION_FUNCTION */
};

/* Domains reduced to what they are made of. */
uint32_t type_base(const struct catalog *c, uint32_t type);
char type_category(const struct catalog *c, uint32_t type);
bool type_is_preferred(const struct catalog *c, uint32_t type);
bool type_is_polymorphic(uint32_t type);
/* Element of an array (domains looked through), or 0. */
uint32_t type_element(const struct catalog *c, uint32_t type);
uint32_t type_array(const struct catalog *c, uint32_t type);
/* The relation whose row type it is, or NULL. */
const struct cat_relation *type_relation(const struct catalog *c, uint32_t type);

/* context: 'i' implicit, 'a' assignment, 'e' explicit, as in pg_cast. */
struct coercion type_coercion(const struct catalog *c, uint32_t from, uint32_t to, char context);
/* Implicitly; polymorphic parameters take anything: see types_fit. */
enum fit type_fits(const struct catalog *c, uint32_t from, uint32_t to);
/* n arguments against n parameters, polymorphic ones consistent with each other. */
enum fit types_fit(const struct catalog *c, const uint32_t *from, const uint32_t *to, int n);
/* The type of UNION, CASE, VALUES, ARRAY: 0 when it cannot be told. */
uint32_t type_common(const struct catalog *c, const uint32_t *types, int n);
/* The actual type of a declared result: a polymorphic one from the arguments. */
uint32_t type_result(const struct catalog *c, uint32_t declared, const uint32_t *from,
		     const uint32_t *params, int n);

/* The type that makes reading a value from text run code of the database (its own input function, a
 * domain's CHECK), here or further inside; NULL when there is none. */
const struct cat_type *type_risky_input(const struct catalog *c, uint32_t type);
/* The type whose sorting, grouping or comparing is not built in; NULL when there is none. */
const struct cat_type *type_risky_order(const struct catalog *c, uint32_t type);
/* The domain in a chain of domains that has a CHECK of its own, or NULL. */
const struct cat_type *type_checked_domain(const struct catalog *c, uint32_t type);
