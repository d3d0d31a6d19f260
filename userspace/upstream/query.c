#include "upstream/query.h"

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "upstream/tls.h"

/* PQgetResult blocks on a socket that only we can fill: so it is asked only when it will not. */
static int next_result(struct pump *p, PGresult **ret_res)
{
	while (PQisBusy(p->conn)) {
		bool is_ready = false;
		int err = pump_step(p, POLLIN, &is_ready);
		if (err)
			return err;
		if (is_ready && !PQconsumeInput(p->conn))
			return pump_lost(p);
	}
	*ret_res = PQgetResult(p->conn);
	return 0;
}

static int refused_by(struct pump *p, const PGresult *res)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	snprintf(p->sqlstate, sizeof(p->sqlstate), "%s", state ? state : "");
	return ERR_UPSTREAM;
}

static int send_query(struct pump *p, const char *sql, const struct query_params *q)
{
	return q ? PQsendQueryParams(p->conn, sql, q->n, q->types, q->values, q->lens, q->formats,
				     0)
		 : PQsendQuery(p->conn, sql);
}

static int take_rows(PGresult *res, const struct row_taker *to)
{
	int err = 0;
	for (int row = 0; !err && row < PQntuples(res); row++)
		err = to->on_row(to->ctx, res, row);
	return err;
}

int query_run(struct pump *p, const char *sql, const struct query_params *params,
	      const struct row_taker *to)
{
	if (!send_query(p, sql, params) || !PQsetSingleRowMode(p->conn))
		return pump_lost(p);
	int err = 0;
	for (;;) {
		PGresult *res = NULL;
		int r = next_result(p, &res);
		if (r || !res)
			return r ? r : err;
		ExecStatusType st = PQresultStatus(res);
		if (st == PGRES_SINGLE_TUPLE && to)
			err = err ? err : take_rows(res, to);
		else if (st != PGRES_TUPLES_OK && st != PGRES_COMMAND_OK)
			err = refused_by(p, res);
		PQclear(res);
	}
}

void query_goodbye(struct login *l)
{
	static const uint8_t terminate[] = {'X', 0, 0, 0, 4};
	ssize_t n = l->tls ? tls_write(l->tls, terminate, sizeof(terminate))
			   : send(l->fd, terminate, sizeof(terminate), MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)n; /* it sees the close as well */
}
