/* A database's catalogue as names are resolved by it: relations, columns, types, functions,
 * operators, casts. Immutable once built, shared by reference count. Loaded over the gateway's own
 * login by whoever owns the connection: this file only says which queries to run and takes their
 * rows. Load it with the credential and the database whose statements are to be judged (schemas
 * that a login may not use are not searched), on a connection of its own: the second query empties
 * its search_path, so that no object of the database can stand in for what the others call.
 * PostgreSQL documentation, chapter "System Catalogs". */
#pragma once

#include "base/span.h"

struct catalog;
struct catalog_builder;

/* All objects; or those that initdb made, which hardly ever change, and the others, apart. */
enum catalog_part { CATALOG_WHOLE, CATALOG_BUILT_IN, CATALOG_REST };

/* The queries, in the order to run them; each is one SELECT, results in text format. NULL: not for this part. */
int catalog_n_queries(void);
const char *catalog_query(int i, enum catalog_part part);
/* One text that differs if anything that a built-in part was made of has changed, or the settings that a login
 * begins with. Behind query 1. */
const char *catalog_fingerprint_query(void);
/* One text that differs if a view was replaced, or a table attached to another, by somebody's committed word. */
const char *catalog_views_query(void);

must_check int catalog_builder_new(struct catalog_builder **ret_b);
void catalog_builder_free(struct catalog_builder *b);
/* The rows to come are those of CATALOG_BUILT_IN: what is built is a base, nothing else. */
void catalog_builder_part(struct catalog_builder *b);
/* What is built holds base's objects, too, and keeps a reference; the rows to come are those of CATALOG_REST. Before
 * query 2. ERR_STATE, -ENOMEM. */
must_check int catalog_builder_share(struct catalog_builder *b, struct catalog *base);
/* A row of query i. fields: NUL-terminated, NULL for SQL NULL. ERR_MALFORMED, ERR_LIMIT, -ENOMEM; ERR_STATE: the base
 * cannot be shared here, the catalogue must be read whole. */
must_check int catalog_add_row(struct catalog_builder *b, int i, const char *const *fields, int n);
/* Sorts, indexes, checks. The builder is empty afterwards and is still to be freed. */
must_check int catalog_build(struct catalog_builder *b, struct catalog **ret_c);

struct catalog *catalog_ref(struct catalog *c);
void catalog_unref(struct catalog *c);
/* Unique per build in this process: part of the key of whatever is cached by name. */
uint64_t catalog_generation(const struct catalog *c);
/* The login's default search_path as SHOW gives it, and its user name. */
const char *catalog_search_path(const struct catalog *c);
const char *catalog_user(const struct catalog *c);
