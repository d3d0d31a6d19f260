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

/* The queries, in the order to run them; each is one SELECT, results in text format. */
int catalog_n_queries(void);
const char *catalog_query(int i);

must_check int catalog_builder_new(struct catalog_builder **ret_b);
void catalog_builder_free(struct catalog_builder *b);
/* A row of query i. fields: NUL-terminated, NULL for SQL NULL. ERR_MALFORMED, ERR_LIMIT, -ENOMEM.
 */
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
