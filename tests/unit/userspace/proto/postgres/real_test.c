/* The module between libpq and a real PostgreSQL. */
#include "tests/unit/tap.h"

#include "real.c"

static const char setup[] =
    "CREATE TABLE customers (id int PRIMARY KEY, name text);"
    "INSERT INTO customers SELECT g, 'name ' || g FROM generate_series(1, 20) g;"
    "CREATE TABLE secrets (v text); INSERT INTO secrets VALUES ('SECRET-1');"
    "CREATE TABLE orders (id int, total int);"
    "CREATE SCHEMA evil; CREATE VIEW evil.customers AS SELECT 1 AS id, v AS name FROM secrets;"
    "CREATE TABLE evil.secrets (v text);";

static PGconn *conn;

static const char *state_of(const PGresult *r)
{
	const char *s = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	return s ? s : "";
}

/* Runs a text by the simple protocol: "ok" or the SQLSTATE, "+" in front if it is the gateway's. */
static const char *simple(const char *sql)
{
	static char out[16];
	PGresult *r = PQexec(conn, sql);
	const char *routine = PQresultErrorField(r, PG_DIAG_SOURCE_FUNCTION);
	bool is_ok = PQresultStatus(r) == PGRES_COMMAND_OK ||
		     PQresultStatus(r) == PGRES_TUPLES_OK || PQresultStatus(r) == PGRES_EMPTY_QUERY;
	snprintf(out, sizeof(out), "%s%s", routine && !strcmp(routine, "sluice") ? "+" : "",
		 is_ok ? "ok" : state_of(r));
	PQclear(r);
	return out;
}

static const char *params(const char *sql, const char *value)
{
	static char out[64];
	const char *values[] = {value};
	PGresult *r = PQexecParams(conn, sql, value ? 1 : 0, NULL, values, NULL, NULL, 0);
	if (PQresultStatus(r) == PGRES_TUPLES_OK)
		snprintf(out, sizeof(out), "%s", PQntuples(r) ? PQgetvalue(r, 0, 0) : "none");
	else
		snprintf(out, sizeof(out), "%s",
			 PQresultStatus(r) == PGRES_COMMAND_OK ? "ok" : state_of(r));
	PQclear(r);
	return out;
}

static void try_simple(void)
{
	CHECK_STR(simple("SELECT * FROM customers"), "ok");
	CHECK_STR(simple(""), "ok");
	CHECK_STR(simple("SELECT * FROM secrets"), "+42501");
	CHECK_INT(PQtransactionStatus(conn), PQTRANS_IDLE);
	CHECK_STR(simple("SELECT 1; SELECT * FROM secrets"), "+42501");
	CHECK_STR(simple("SELECT FROM WHERE"), "42601");
	CHECK_STR(simple("SELECT 1/0"), "22012");
	CHECK_STR(simple("SELECT 1"), "ok");
}

static void try_transaction(void)
{
	CHECK_STR(simple("BEGIN"), "ok");
	CHECK_STR(simple("INSERT INTO orders VALUES (1, 1)"), "ok");
	CHECK_STR(simple("SELECT * FROM secrets"), "+42501");
	CHECK_INT(PQtransactionStatus(conn), PQTRANS_INERROR);
	CHECK_STR(simple("SELECT 1"), "25P02");
	CHECK_STR(simple("COMMIT"), "ok"); /* a rollback, in truth */
	CHECK_STR(params("SELECT count(*) FROM orders", NULL), "0");
	CHECK_STR(simple("BEGIN; INSERT INTO orders VALUES (1, 1); SAVEPOINT s"), "ok");
	CHECK_STR(simple("DROP TABLE orders"), "+42501");
	CHECK_STR(simple("ROLLBACK TO s"), "ok");
	CHECK_STR(simple("COMMIT"), "ok");
	CHECK_STR(params("SELECT count(*) FROM orders", NULL), "1");
	CHECK_STR(simple("DELETE FROM orders"), "ok");
}

static void try_extended(void)
{
	PGresult *r;
	CHECK_STR(params("SELECT name FROM customers WHERE id = $1", "3"), "name 3");
	CHECK_STR(params("SELECT v FROM secrets", NULL), "42501");
	CHECK_STR(params("SELECT 1/0", NULL), "22012");
	CHECK_STR(params("SELECT 1 2 3", NULL), "42601");
	CHECK_STR(params("SELECT 1; SELECT 2", NULL), "42601");
	r = PQprepare(conn, "s1", "SELECT name FROM customers WHERE id = $1", 0, NULL);
	CHECK_INT(PQresultStatus(r), PGRES_COMMAND_OK);
	PQclear(r);
	const char *values[] = {"4"};
	for (int i = 0; i < 3; i++) {
		r = PQexecPrepared(conn, "s1", 1, values, NULL, NULL, 0);
		CHECK_STR(PQgetvalue(r, 0, 0), "name 4");
		PQclear(r);
	}
	r = PQdescribePrepared(conn, "s1");
	CHECK_INT(PQnparams(r), 1);
	CHECK_STR(PQfname(r, 0), "name");
	PQclear(r);
	r = PQprepare(conn, "s2", "SELECT v FROM secrets", 0, NULL);
	CHECK_STR(state_of(r), "42501");
	PQclear(r);
	r = PQexecPrepared(conn, "s2", 0, NULL, NULL, NULL, 0);
	CHECK_STR(state_of(r), "26000");
	PQclear(r);
	CHECK_STR(simple("EXECUTE s1(5)"), "ok");
	CHECK_STR(simple("EXECUTE s2"), "+42501");
	CHECK_STR(simple("PREPARE q AS SELECT v FROM secrets"), "+42501");
	CHECK_STR(simple("PREPARE q(int) AS SELECT name FROM customers WHERE id = $1"), "ok");
	CHECK_STR(simple("EXECUTE q(2)"), "ok");
	r = PQexecPrepared(conn, "q", 1, values, NULL, NULL, 0);
	CHECK_STR(PQgetvalue(r, 0, 0), "name 4");
	PQclear(r);
	CHECK_STR(simple("DEALLOCATE q"), "ok");
	CHECK_STR(simple("EXECUTE q(2)"), "+42501");
	CHECK_STR(simple("DEALLOCATE ALL"), "ok");
}

/* The results of a pipeline up to its Sync, a letter each. */
static const char *pipeline_results(void)
{
	static char out[4096];
	size_t n = 0;
	for (;;) {
		PGresult *r = PQgetResult(conn);
		ExecStatusType s = r ? PQresultStatus(r) : PGRES_COMMAND_OK;
		if (r && n + 1 < sizeof(out))
			out[n++] = s == PGRES_TUPLES_OK || s == PGRES_COMMAND_OK ? '.'
				   : s == PGRES_PIPELINE_ABORTED		 ? 'a'
				   : s == PGRES_PIPELINE_SYNC			 ? 'S'
										 : 'E';
		PQclear(r);
		if (s == PGRES_PIPELINE_SYNC || PQstatus(conn) != CONNECTION_OK)
			break;
	}
	out[n] = 0;
	return out;
}

static void queue(const char *sql)
{
	CHECK(PQsendQueryParams(conn, sql, 0, NULL, NULL, NULL, NULL, 0) == 1);
}

static void try_pipeline(void)
{
	CHECK(PQenterPipelineMode(conn) == 1);
	queue("INSERT INTO orders VALUES (1, 1)");
	queue("SELECT v FROM secrets");
	queue("INSERT INTO orders VALUES (2, 2)");
	CHECK(PQpipelineSync(conn) == 1);
	queue("SELECT 1");
	CHECK(PQpipelineSync(conn) == 1);
	CHECK_STR(pipeline_results(), ".EaS");
	CHECK_STR(pipeline_results(), ".S");
	queue("SELECT 1/0");
	queue("SELECT v FROM secrets");
	CHECK(PQpipelineSync(conn) == 1);
	CHECK_STR(pipeline_results(), "EaS");
	for (int i = 0; i < 3000; i++)
		queue("SELECT id FROM customers WHERE id = 1");
	CHECK(PQpipelineSync(conn) == 1);
	CHECK_INT(strlen(pipeline_results()), 3001);
	queue("SET search_path = evil");
	queue("SELECT name FROM customers");
	CHECK(PQpipelineSync(conn) == 1);
	CHECK_STR(pipeline_results(), ".ES");
	CHECK(PQexitPipelineMode(conn) == 1);
	CHECK_STR(params("SELECT count(*) FROM orders", NULL), "0");
}

/* Whose customers? evil's is a view over secrets: the test denies whatever is in evil. */
static void try_search_path(void)
{
	CHECK_STR(simple("SET search_path = evil, public"), "ok");
	CHECK_STR(simple("SELECT * FROM customers"), "+42501");
	CHECK_STR(simple("RESET search_path"), "ok");
	CHECK_STR(simple("SELECT * FROM customers"), "ok");
	CHECK_STR(simple("SET search_path = evil; SELECT * FROM customers"), "+42501");
	CHECK_STR(simple("SELECT * FROM customers"), "ok");
	CHECK_STR(simple("BEGIN; SET LOCAL search_path = evil"), "ok");
	CHECK_STR(simple("SELECT * FROM customers"), "+42501");
	CHECK_STR(simple("ROLLBACK"), "ok");
	CHECK_STR(simple("SELECT * FROM customers"), "ok");
	CHECK_STR(simple("BEGIN; SAVEPOINT s; SET search_path = evil; ROLLBACK TO s"), "ok");
	CHECK_STR(simple("SELECT * FROM customers"),
		  "+42501"); /* either is possible: both must be in order */
	CHECK_STR(simple("ROLLBACK"), "ok");
	CHECK_STR(simple("SELECT * FROM customers"), "ok");
	CHECK_STR(simple("BEGIN; SET search_path = evil; ROLLBACK"), "ok");
	CHECK_STR(simple("SELECT * FROM customers"), "ok");
	CHECK_STR(simple("PREPARE c AS SELECT * FROM customers"), "ok");
	CHECK_STR(simple("SET search_path = evil"), "ok");
	CHECK_STR(simple("EXECUTE c"), "+42501");
	CHECK_STR(simple("DISCARD ALL"), "ok");
	CHECK_STR(simple("SELECT * FROM customers"), "ok");
}

static const char *copy_in(const char *sql, bool is_extended, const char *data)
{
	static char out[64];
	PGresult *r =
	    is_extended ? PQexecParams(conn, sql, 0, NULL, NULL, NULL, NULL, 0) : PQexec(conn, sql);
	if (PQresultStatus(r) == PGRES_COPY_IN) {
		PQclear(r);
		PQputCopyData(conn, data, (int)strlen(data));
		PQputCopyEnd(conn, NULL);
		r = PQgetResult(conn);
	}
	snprintf(out, sizeof(out), "%s",
		 PQresultStatus(r) == PGRES_COMMAND_OK ? PQcmdStatus(r) : state_of(r));
	while (r) {
		PQclear(r);
		r = PQgetResult(conn);
	}
	return out;
}

static void try_copy(void)
{
	for (int i = 0; i < 2; i++) {
		CHECK_STR(copy_in("COPY orders FROM STDIN", i, "1\t1\n2\t2\n"), "COPY 2");
		CHECK_STR(copy_in("COPY orders FROM STDIN", i, "1\tx\n"), "22P02");
		CHECK_STR(copy_in("COPY secrets FROM STDIN", i, "x\n"), "42501");
		CHECK_STR(copy_in("COPY nosuch FROM STDIN", i, "x\n"), "42P01");
		CHECK_STR(simple("SELECT 1"), "ok");
	}
	PGresult *r = PQexec(conn, "COPY orders TO STDOUT");
	CHECK_INT(PQresultStatus(r), PGRES_COPY_OUT);
	PQclear(r);
	char *line;
	int n = 0;
	while (PQgetCopyData(conn, &line, 0) > 0) {
		n++;
		PQfreemem(line);
	}
	CHECK_INT(n, 4);
	while ((r = PQgetResult(conn)))
		PQclear(r);
	CHECK_STR(simple("COPY secrets TO STDOUT"), "+42501");
	CHECK_STR(simple("DELETE FROM orders"), "ok");
}

static void try_cursors(void)
{
	CHECK_STR(simple("BEGIN; DECLARE c CURSOR FOR SELECT * FROM customers"), "ok");
	CHECK_STR(simple("FETCH 2 FROM c"), "ok");
	CHECK_STR(simple("MOVE 1 FROM c"), "ok");
	CHECK_STR(simple("CLOSE c"), "ok");
	CHECK_STR(simple("COMMIT"), "ok");
	CHECK_STR(simple("BEGIN; DECLARE c CURSOR FOR SELECT * FROM secrets"), "+42501");
	CHECK_STR(simple("FETCH c"), "+42501");
	CHECK_STR(simple("ROLLBACK"), "ok");
}

static void try_large(void)
{
	size_t len = 17 * 1024 * 1024;
	char *big = malloc(len + 1);
	memset(big, 'x', len);
	big[len] = 0;
	PGresult *r = PQexec(conn, "SELECT repeat('x', 20000000) FROM generate_series(1, 3)");
	CHECK_INT(PQntuples(r), 3);
	CHECK_INT(PQgetlength(r, 2, 0), 20000000);
	PQclear(r);
	CHECK_STR(params("SELECT length($1::text)", big), "54000");
	CHECK_STR(simple("SELECT 1"), "ok");
	big[1000000] = 0;
	CHECK_STR(params("SELECT length($1::text)", big), "1000000");
	free(big);
}

static void *cancel_soon(void *arg)
{
	char why[200];
	usleep(300000);
	if (!PQcancel(arg, why, sizeof(why)))
		printf("# cancel: %s\n", why);
	return NULL;
}

static void try_cancel(void)
{
	PGcancel *c = PQgetCancel(conn);
	pthread_t t;
	CHECK(pthread_create(&t, NULL, cancel_soon, c) == 0);
	CHECK_STR(simple("SELECT count(*) FROM generate_series(1, 2000000000)"), "57014");
	pthread_join(t, NULL);
	PQfreeCancel(c);
	CHECK_STR(simple("SELECT 1"), "ok");
}

static void try_asynchronous(void)
{
	CHECK_STR(simple("LISTEN x"), "ok");
	CHECK_STR(simple("NOTIFY x, 'hello'"), "ok");
	PGnotify *n = PQnotifies(conn);
	CHECK(n && !strcmp(n->extra, "hello"));
	PQfreemem(n);
	CHECK_STR(simple("SET application_name = 'me'"), "ok");
	CHECK_STR(PQparameterStatus(conn, "application_name"), "me");
	CHECK_STR(simple("SET standard_conforming_strings = off"), "+42501");
}

static void try_function_call(void)
{
	int value, len;
	PQArgBlock arg = {.isint = 1, .len = 4, .u.integer = 1};
	PGresult *r = PQfn(conn, 1598, &value, &len, 0, &arg, 0);
	CHECK_STR(state_of(r), "42501");
	PQclear(r);
	CHECK_STR(simple("SELECT 1"), "ok");
}

static void try_startup(void)
{
	PGconn *c =
	    real_connect(RELAY_PORT, "options='-c statement_timeout=5s -c search_path=evil'");
	CHECK_INT(PQstatus(c), CONNECTION_OK);
	PGresult *r = PQexec(c, "SELECT * FROM customers");
	CHECK_STR(state_of(r), "42501");
	PQclear(r);
	PQfinish(c);
	c = real_connect(RELAY_PORT, "options='-c standard_conforming_strings=off'");
	CHECK_INT(PQstatus(c), CONNECTION_BAD);
	CHECK(strstr(PQerrorMessage(c), "standard_conforming_strings") != NULL);
	PQfinish(c);
	c = real_connect(RELAY_PORT, "replication=database");
	CHECK_INT(PQstatus(c), CONNECTION_BAD);
	PQfinish(c);
	c = real_connect(RELAY_PORT, "client_encoding=SJIS");
	CHECK_INT(PQstatus(c), CONNECTION_BAD);
	PQfinish(c);
}

static bool denies(const struct op *op)
{
	for (int i = 0; i < op->n_needs; i++)
		if (op->needs[i].schema && !strcmp(op->needs[i].schema, "evil"))
			return true;
	return rig_denies(op);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0); /* what was seen before a hang is shown */
	if (!real_up(setup)) {
		if (real.bin[0])
			CHECK(!"the server did not start");
		else
			SKIP("PostgreSQL is not installed");
		real_down();
		return tap_done();
	}
	rig_catalog = real_catalog();
	rig_decider = denies;
	CHECK(rig_catalog != NULL);
	relay_up();
	conn = real_connect(RELAY_PORT, "");
	CHECK_INT(PQstatus(conn), CONNECTION_OK);
	if (rig_catalog && PQstatus(conn) == CONNECTION_OK) {
		try_simple();
		try_transaction();
		try_extended();
		try_pipeline();
		try_search_path();
		try_copy();
		try_cursors();
		try_large();
		try_cancel();
		try_asynchronous();
		try_function_call();
		try_startup();
	}
	CHECK_INT(PQstatus(conn), CONNECTION_OK);
	PQfinish(conn);
	relay_down();
	real_down();
	catalog_unref(rig_catalog);
	return tap_done();
}
