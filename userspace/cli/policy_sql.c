#include "cli/policy_sql.h"

#include <errno.h>
#include <libpq-fe.h>
#include <stdio.h>

#include "base/macro.h"

#define FIELDS_MAX 64

/* libpq's message without its line ends. It names host, user and database, never the password. */
static int say(char *why, size_t size, const char *what, const char *message)
{
	snprintf(why, size, "%s: %s", what, message);
	for (char *c = why; *c; c++)
		if (*c == '\n' || *c == '\r' || *c == '\t')
			*c = ' ';
	return ERR_UPSTREAM;
}

static int add_rows(struct catalog_builder *b, int query, const PGresult *r)
{
	const char *fields[FIELDS_MAX];
	int n = PQnfields(r), err = n > FIELDS_MAX ? ERR_LIMIT : 0;
	for (int row = 0; row < PQntuples(r) && !err; row++) {
		for (int i = 0; i < n; i++)
			fields[i] = PQgetisnull(r, row, i) ? NULL : PQgetvalue(r, row, i);
		err = catalog_add_row(b, query, fields, n);
	}
	return err;
}

static int run_queries(PGconn *conn, struct catalog_builder *b, char *why, size_t size)
{
	for (int i = 0; i < catalog_n_queries(); i++) {
		PGresult *r = PQexec(conn, catalog_query(i, CATALOG_WHOLE));
		int err =
		    PQresultStatus(r) == PGRES_TUPLES_OK
			? add_rows(b, i, r)
			: say(why, size, "the catalogue cannot be read", PQerrorMessage(conn));
		PQclear(r);
		if (err) {
			if (err != ERR_UPSTREAM)
				snprintf(why, size, "the catalogue cannot be read: %s",
					 err_text(err));
			return err;
		}
	}
	return 0;
}

/* libpq's words about a malformed string quote it, password and all: only that it is malformed is
 * said. */
static bool is_conninfo(const char *dsn)
{
	PQconninfoOption *o = PQconninfoParse(dsn, NULL);
	PQconninfoFree(o);
	return o != NULL;
}

int policy_catalog_load(const char *dsn, struct catalog **ret_c, char *ret_why, size_t why_size)
{
	struct catalog_builder *b = NULL;
	if (!is_conninfo(dsn)) {
		snprintf(ret_why, why_size,
			 "--dsn: expected postgres://USER@HOST/DATABASE or key=value pairs");
		return ERR_CONFIG;
	}
	int err = catalog_builder_new(&b);
	if (err) {
		snprintf(ret_why, why_size, "%s", err_text(err));
		return err;
	}
	PGconn *conn = PQconnectdb(dsn);
	if (PQstatus(conn) != CONNECTION_OK)
		err = say(ret_why, why_size, "no connection", PQerrorMessage(conn));
	if (!err)
		err = run_queries(conn, b, ret_why, why_size);
	PQfinish(conn);
	if (!err) {
		err = catalog_build(b, ret_c);
		if (err)
			snprintf(ret_why, why_size, "the catalogue is not understood: %s",
				 err_text(err));
	}
	catalog_builder_free(b);
	return err;
}

int policy_sql_analyze(const char *text, const struct catalog *c, const char *path, struct arena *a,
		       struct sql_result *ret)
{
	struct sql_session s = {.paths = {path ? path : catalog_search_path(c)}, .n_paths = 1};
	return sql_analyze(span_str(text), c, &s, a, ret);
}
