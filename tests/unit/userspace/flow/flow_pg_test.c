/* PostgreSQL through a whole proxy: libpq on one side, a real server on the other. */
#include "rig.c" /* one program: what it needs of it is static */

static char policy[4096];

static void load_policy(const char *record)
{
	snprintf(
	    policy, sizeof(policy),
	    "{\"version\": 1, \"roles\": {\"viewer\": [\"v\"], \"operator\": [\"o\"], \"idle\": "
	    "[\"i\"]}, \"resources\": ["
	    "{\"name\": \"shop\", \"protocol\": \"postgres\", \"match\": [\"192.0.2.10:5432\"], "
	    "\"upstream\": \"127.0.0.1:%d\", \"record\": \"%s\","
	    " \"credentials\": {\"viewer\": \"file:/rig\", \"operator\": \"file:/rig\"}},"
	    "{\"name\": \"lost\", \"protocol\": \"postgres\", \"match\": [\"192.0.2.11:5432\"], "
	    "\"upstream\": \"127.0.0.1:1\","
	    " \"credentials\": {\"viewer\": \"file:/rig\", \"operator\": \"file:/missing\"}}],"
	    "\"rules\": [{\"id\": \"read\", \"resource\": \"shop\", \"roles\": [\"viewer\", "
	    "\"operator\"], \"verbs\": [\"select\"], \"relations\": [\"public.*\"], \"effect\": "
	    "\"allow\"},"
	    "{\"id\": \"lost\", \"resource\": \"lost\", \"roles\": [\"viewer\", \"operator\"], "
	    "\"verbs\": [\"select\"], \"effect\": \"allow\"},"
	    "{\"id\": \"write\", \"resource\": \"shop\", \"roles\": [\"operator\"], \"verbs\": "
	    "[\"insert\", \"create\", \"drop\", \"select\"], \"effect\": \"allow\"},"
	    "{\"id\": \"sleep\", \"resource\": \"shop\", \"roles\": [\"operator\"], \"verbs\": "
	    "[\"execute\"], \"functions\": [\"pg_catalog.pg_sleep\"], \"effect\": \"allow\"}]}",
	    rig.pg_port, record);
	set_policy(policy);
}

static const char *state_of(PGresult *r)
{
	const char *s = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	return s ? s : "";
}

/* Runs one query: its first value or its SQLSTATE must be want. */
static void expect(PGconn *c, const char *sql, const char *want)
{
	PGresult *r = PQexec(c, sql);
	bool is_ok = PQresultStatus(r) == PGRES_TUPLES_OK || PQresultStatus(r) == PGRES_COMMAND_OK;
	const char *got = !is_ok	 ? state_of(r)
			  : PQntuples(r) ? PQgetvalue(r, 0, 0)
					 : PQcmdStatus(r);
	if (strcmp(got, want))
		printf("%s: %s\n", sql, PQerrorMessage(c));
	CHECK_STR(got, want);
	PQclear(r);
}

static void as(uint64_t cgroup)
{
	from_cgroup(cgroup);
	to_dst("192.0.2.10", 5432);
}

static PGconn *login(uint64_t cgroup)
{
	as(cgroup);
	PGconn *c = connect_pg();
	if (PQstatus(c) != CONNECTION_OK)
		printf("%s", PQerrorMessage(c));
	CHECK_INT(PQstatus(c), CONNECTION_OK);
	return c;
}

static void test_session(void)
{
	PGconn *c = login(1);
	CHECK_STR(PQparameterStatus(c, "server_encoding"), "UTF8");
	CHECK(PQparameterStatus(c, "server_version") &&
	      !strncmp(PQparameterStatus(c, "server_version"), "15", 2));
	expect(c, "SELECT 40 + 2", "42");
	expect(c, "SELECT name FROM public.customers ORDER BY id", "Ada");
	expect(c, "DELETE FROM public.customers", "42501");
	expect(c, "SELECT count(*) FROM public.customers", "3");
	expect(c, "INSERT INTO public.customers VALUES (9, 'x')", "42501");
	PQfinish(c);
	CHECK(wait_event("\"flow.open\"", "\"shop\"", "192.0.2.10:5432"));
	CHECK(wait_event("\"type\":\"op\"", "SELECT name FROM public.customers", "\"ada\""));
	CHECK(wait_event("\"type\":\"op.end\"", "[[\"Ada\"],[\"Bob\"],[\"Cy\"]]", "[\"name\"]"));
	CHECK(wait_event("DELETE FROM public.customers", "deny", "\"default\""));
	CHECK(wait_event("\"flow.close\"", "\"bytes_down\":", "shop"));
	char *n = value_direct("SELECT count(*) FROM public.customers");
	CHECK_STR(n, "3");
	free(n);
}

static void test_application_name(void)
{
	char conninfo[256];
	as(1);
	snprintf(conninfo, sizeof(conninfo),
		 "host=127.0.0.1 port=%d user=agent dbname=postgres sslmode=disable "
		 "application_name='a b\\\\c' "
		 "options='-c DateStyle=German -c TimeZone=Asia/Tokyo'",
		 rig.gate_port);
	PGconn *c = PQconnectdb(conninfo);
	CHECK_INT(PQstatus(c), CONNECTION_OK);
	expect(c, "SHOW application_name", "a b\\c");
	expect(c, "SHOW timezone", "Asia/Tokyo");
	expect(c, "SHOW datestyle", "German, DMY");
	PQfinish(c);
}

/* An autocommit INSERT waits for the disk; a read does not. */
static void test_durable(void)
{
	PGconn *c = login(2);
	rig.keeps_back = true;
	expect(c, "SELECT count(*) FROM public.customers", "3");
	CHECK_INT(PQsendQuery(c, "INSERT INTO public.customers VALUES (4, 'Di')"), 1);
	struct pollfd p = {.fd = PQsocket(c), .events = POLLIN};
	CHECK_INT(poll(&p, 1, 400), 0);
	char *n = value_direct("SELECT count(*) FROM public.customers");
	CHECK_STR(n, "3");
	free(n);
	rig.keeps_back = false;
	CHECK_INT(poll(&p, 1, 2000), 1);
	PGresult *r = PQgetResult(c);
	CHECK_STR(PQcmdStatus(r), "INSERT 0 1");
	PQclear(r);
	PQclear(PQgetResult(c));
	PQfinish(c);
}

static void test_no_recorder(void)
{
	PGconn *c = login(2);
	rig.health_said = RING_CANNOT_RECORD;
	usleep(20000);
	PGresult *r = PQexec(c, "SELECT 1");
	CHECK_INT(PQresultStatus(r), PGRES_FATAL_ERROR);
	CHECK(strstr(PQresultErrorMessage(r), "recorder"));
	PQclear(r);
	rig.health_said = RING_RECORDS;
	usleep(20000);
	expect(c, "SELECT 1", "1");
	PQfinish(c);
}

/* A ring that fills: operations wait, and go on in order when there is room. */
static void test_full_ring(void)
{
	PGconn *c = login(2);
	char sql[32 * 1024 + 64];
	memset(sql, 'x', sizeof(sql));
	memcpy(sql, "SELECT 7 -- ", 12);
	sql[sizeof(sql) - 1] = 0;
	rig.is_deaf = true;
	int n = 0;
	for (bool is_held = false; !is_held && n < 200; n++) {
		CHECK_INT(PQsendQuery(c, sql), 1);
		struct pollfd p = {.fd = PQsocket(c), .events = POLLIN};
		is_held = poll(&p, 1, 300) == 0;
		if (is_held)
			break;
		for (PGresult *r; (r = PQgetResult(c));)
			PQclear(r);
	}
	CHECK(n > 5 && n < 200);
	rig.is_deaf = false;
	PGresult *r = PQgetResult(c);
	CHECK_INT(PQresultStatus(r), PGRES_TUPLES_OK);
	PQclear(r);
	PQclear(PQgetResult(c));
	expect(c, "SELECT 8", "8");
	PQfinish(c);
}

static void *cancel_soon(void *arg)
{
	char err[256];
	usleep(300000);
	return PQcancel(arg, err, sizeof(err)) ? arg : NULL;
}

static void test_cancel(void)
{
	PGconn *c = login(2);
	pthread_t t;
	void *done;
	PGcancel *k = PQgetCancel(c);
	uint64_t from = clock_mono_ns();
	pthread_create(&t, NULL, cancel_soon, k);
	expect(c, "SELECT pg_sleep(20)", "57014");
	CHECK(clock_mono_ns() - from < 5 * NS_PER_SEC);
	pthread_join(t, &done);
	CHECK(done == k);
	expect(c, "SELECT 1", "1");
	/* From another workload the same request does nothing. */
	as(1);
	from = clock_mono_ns();
	pthread_create(&t, NULL, cancel_soon, k);
	expect(c, "SELECT pg_sleep(1.5)", "");
	CHECK(clock_mono_ns() - from >= 1500 * NS_PER_MS);
	pthread_join(t, &done);
	CHECK(done == k);
	PQfreeCancel(k);
	PQfinish(c);
}

static void expect_end(PGconn *c, const char *sqlstate, const char *text)
{
	struct pollfd p = {.fd = PQsocket(c), .events = POLLIN};
	CHECK_INT(poll(&p, 1, 5000), 1);
	PGresult *r = PQexec(c, "SELECT 1");
	CHECK_INT(PQstatus(c), CONNECTION_BAD);
	if (!strstr(PQerrorMessage(c), text))
		printf("%s wanted: %s", text, PQerrorMessage(c));
	CHECK(strstr(PQerrorMessage(c), text));
	(void)sqlstate;
	PQclear(r);
	PQfinish(c);
}

static void test_expiry(void)
{
	put_session("s-short", 3, "viewer", now_s() + 2);
	PGconn *c = login(3);
	expect(c, "SELECT 1", "1");
	expect_end(c, "57P01", "has expired");
	CHECK(wait_event("\"flow.close\"", "has expired", "s-short"));
	c = connect_pg();
	CHECK_INT(PQstatus(c), CONNECTION_BAD);
	PQfinish(c);
	CHECK(wait_event("\"connect.refused\"", "s-short", "expired"));
	put_session("s-short", 3, "viewer", now_s() + 100); /* renewed */
	c = login(3);
	expect(c, "SELECT 1", "1");
	PQfinish(c);
}

/* Revocation ends flows with its reason, and stops what runs upstream. */
static void test_revocation(void)
{
	put_session("s-gone", 4, "operator", now_s() + 100);
	PGconn *c = login(4);
	CHECK_INT(PQsendQuery(c, "SELECT pg_sleep(30)"), 1);
	usleep(200000);
	CHECK_INT(proxy_session_end(&rig.proxy, "s-gone", "28000", "revoked by the test"), 0);
	expect_end(c, "28000", "revoked by the test");
	CHECK(wait_event("\"flow.close\"", "revoked by the test", NULL));
	usleep(300000);
	char *n = value_direct("SELECT count(*) FROM pg_stat_activity WHERE query LIKE "
			       "'%pg_sleep(30)%' AND state = 'active' AND pid <> pg_backend_pid()");
	CHECK_STR(n, "0");
	free(n);
	c = connect_pg();
	CHECK_INT(PQstatus(c), CONNECTION_BAD);
	PQfinish(c);
}

static void refused(const char *text)
{
	PGconn *c = connect_pg();
	CHECK_INT(PQstatus(c), CONNECTION_BAD);
	if (!strstr(PQerrorMessage(c), text))
		printf("%s wanted: %s", text, PQerrorMessage(c));
	CHECK(strstr(PQerrorMessage(c), text));
	CHECK(!strstr(PQerrorMessage(c), "wrong-secret"));
	PQfinish(c);
}

static void test_no_upstream(void)
{
	char good[256];
	strcpy(good, rig.credential);
	as(5);
	refused("may not use resource shop");
	CHECK(wait_event("\"connect.refused\"", "s-idle", "may not use"));
	as(1);
	to_dst("192.0.2.11", 5432);
	refused("cannot be reached");
	from_cgroup(2);
	refused("no such file");
	as(1);
	strcpy(rig.credential, "postgres://app:wrong-secret@x/\n");
	refused("SQLSTATE 28P01");
	strcpy(rig.credential, "postgres://app:wrong-secret@x/?sslmode=require");
	refused("has no TLS");
	strcpy(rig.credential, "not a credential, wrong-secret");
	refused("neither a postgres:// URL");
	strcpy(rig.credential, good);
	to_dst("192.0.2.99", 5432);
	PGconn *c = connect_pg();
	CHECK_INT(PQstatus(c), CONNECTION_BAD);
	PQfinish(c);
	CHECK(wait_event("\"connect.refused\"", "192.0.2.99", "not declared"));
}

/* Who says nothing, or a byte now and then, is not kept. */
static void test_slow_start(void)
{
	char c;
	as(1);
	int silent = connect_raw(), slow = connect_raw();
	uint64_t from = clock_mono_ns();
	for (int i = 0; i < 30; i++) {
		if (send(slow, "\0", 1, MSG_NOSIGNAL) < 0)
			break;
		usleep(100000);
		if (clock_mono_ns() - from > 2 * NS_PER_SEC)
			break;
	}
	for (int k = 0; k < 2; k++) {
		ssize_t n;
		char text[512];
		while ((n = read_within(k ? slow : silent, text, sizeof(text), 3000)) > 0)
			;
		CHECK(n == 0 || n == -ECONNRESET || n == -EPIPE);
	}
	(void)c;
	CHECK(clock_mono_ns() - from < 4 * NS_PER_SEC);
	close(silent);
	close(slow);
}

static void test_garbage(void)
{
	static const struct {
		const char *bytes;
		size_t len;
	} rows[] = {{"\0\0\0\0", 4},
		    {"\0\0\0\3xx", 6},
		    {"\xff\xff\xff\xff"
		     "abcd",
		     8},
		    {"\x80\0\0\0\0\3\0\0", 8},
		    {"GET / HTTP/1.1\r\n\r\n", 18}};
	as(1);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[512];
		ssize_t n;
		int fd = connect_raw();
		if (send(fd, rows[i].bytes, rows[i].len, MSG_NOSIGNAL) < 0)
			abort();
		while ((n = read_within(fd, text, sizeof(text), 3000)) > 0)
			;
		CHECK(n == 0 || n == -ECONNRESET);
		close(fd);
	}
}

/* DDL of ours changes how names are read at once. */
static void test_own_ddl(void)
{
	PGconn *c = login(2);
	expect(c, "CREATE TABLE public.fresh (a int)", "CREATE TABLE");
	expect(c, "INSERT INTO public.fresh VALUES (5)", "INSERT 0 1");
	expect(c, "SELECT a FROM fresh", "5");
	expect(c, "DROP TABLE public.fresh", "DROP TABLE");
	PQfinish(c);
	/* And what others do is learnt when it is asked for. */
	query_direct("CREATE TABLE public.late AS SELECT 6 AS b");
	c = login(1);
	usleep(150000);
	expect(c, "SELECT b FROM public.late", "6");
	PQfinish(c);
}

static size_t resident(void)
{
	unsigned long pages = 0, rss = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	if (!f || fscanf(f, "%lu %lu", &pages, &rss) != 2)
		abort();
	fclose(f);
	return rss * 4096;
}

/* A large result to a client that does not read: nothing piles up in the proxy. */
static void test_backpressure(void)
{
	PGconn *c = login(1);
	size_t before = resident();
	CHECK_INT(PQsendQuery(c, "SELECT repeat('x', 1000) FROM generate_series(1, 100000)"), 1);
	PQflush(c);
	usleep(1500000);
	size_t grown = resident() - before;
	printf("held back 100 MB: %zu KiB\n", grown / 1024);
	CHECK(grown < 24u << 20);
	int rows = 0;
	PQsetSingleRowMode(c);
	for (PGresult *r; (r = PQgetResult(c));) {
		rows += PQntuples(r);
		PQclear(r);
	}
	CHECK_INT(rows, 100000);
	expect(c, "SELECT 1", "1");
	PQfinish(c);
}

static void test_upstream_dies(void)
{
	PGconn *c = login(1);
	expect(c, "SELECT 1", "1");
	query_direct("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> "
		     "pg_backend_pid() AND backend_type = 'client backend'");
	expect_end(c, "57P01", "terminating connection");
}

static void test_many(void)
{
	enum { N = 100 };
	PGconn *all[N];
	size_t before = resident();
	uint64_t from = clock_mono_ns();
	for (int i = 0; i < N; i++)
		all[i] = login(1);
	printf("connect + login: %llu us each\n",
	       (unsigned long long)(clock_mono_ns() - from) / N / 1000);
	for (int i = 0; i < N; i++)
		expect(all[i], "SELECT 1", "1");
	usleep(300000);
	printf("idle flow: %zu bytes, libpq's own end (some 40 KiB) included\n",
	       (resident() - before) / N);
	for (int i = 0; i < N; i++)
		PQfinish(all[i]);
}

static void setup(void)
{
	query_direct("CREATE TABLE public.customers (id int, name text); INSERT INTO "
		     "public.customers VALUES (1, 'Ada'), (2, 'Bob'), (3, 'Cy')");
	strcpy(rig.credential, "postgres://app:secret@ignored.example/\n");
	load_policy("rows");
	put_session("s-viewer", 1, "viewer", now_s() + 1000);
	put_session("s-operator", 2, "operator", now_s() + 1000);
	put_session("s-idle", 5, "idle", now_s() + 1000);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	if (!pg_start()) {
		SKIP("no PostgreSQL here");
		return tap_done();
	}
	rig_start();
	setup();
	test_session();
	test_application_name();
	test_durable();
	test_no_recorder();
	test_full_ring();
	test_cancel();
	test_expiry();
	test_revocation();
	test_no_upstream();
	test_slow_start();
	test_garbage();
	test_own_ddl();
	test_many();
	test_backpressure();
	test_upstream_dies();
	rig_stop();
	pg_stop();
	return tap_done();
}
