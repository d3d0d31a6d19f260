/* SQL text to needs with the help of a real database's catalogue, for "sluice policy explain" and
 * "test". The text is analysed here; nothing but the catalogue's own queries is sent. */
#pragma once

#include "base/arena.h"
#include "policy/op.h"
#include "sql/sql.h"

/* Connects with libpq and reads the catalogue. ret_why: a sentence, never the password. */
must_check int policy_catalog_load(const char *dsn, struct catalog **ret_c, char *ret_why,
				   size_t why_size);
/* The statements under the login's own search_path, or under that of path where it is not NULL. */
must_check int policy_sql_analyze(const char *text, const struct catalog *c, const char *path,
				  struct arena *a, struct sql_result *ret);
