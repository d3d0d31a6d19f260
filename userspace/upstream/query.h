/* Queries over a login of the gateway's own, by libpq over the pump. In a worker; blocks until the
 * pump's deadline. */
#pragma once

#include "upstream/login_pump.h"

/* As PQsendQueryParams has them; n 0: none, and then sql may be several statements. */
struct query_params {
	int n;
	const Oid *types;
	const char *const *values;
	const int *lens, *formats;
};

/* Who takes the rows, one at a time. An error of on_row is returned once the query is over; no row
 * comes behind it. */
struct row_taker {
	int (*on_row)(void *ctx, PGresult *res, int row);
	void *ctx;
};

/* params NULL: none; to NULL: a command, which has no rows. ERR_UPSTREAM: the server refused it
 * (p->sqlstate), and the connection goes on; else the login is of no use any more. */
must_check int query_run(struct pump *p, const char *sql, const struct query_params *params,
			 const struct row_taker *to);
/* Ends the session in the protocol's own way: the server need not find out by itself. */
void query_goodbye(struct login *l);
