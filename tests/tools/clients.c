/* What a client sees, by libpq, from wherever it is run (directly or by sluice run). Prints numbers only, separated by
 * tabs:
 *   clients DSN login N        N logins one after the other: median and p99 in ms
 *   clients DSN commit C N     C sessions, each N transactions with an INSERT into t(v): p50 and p99 of COMMIT in ms
 *   clients DSN hold N         N idle sessions; says "held" and waits for the end of its input
 *   clients DSN soak N S R     N sessions for S seconds, R statements a second over all of them, one in 20 a new login;
 *                              says "held", then "statements, logins, failures" every ten seconds
 */
#include <libpq-fe.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define MAX_SESSIONS 64

static const char *dsn;

static double now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static PGconn *login(void)
{
	PGconn *c = PQconnectdb(dsn);
	if (PQstatus(c) != CONNECTION_OK) {
		fprintf(stderr, "clients: %s", PQerrorMessage(c));
		exit(1);
	}
	return c;
}

static void run(PGconn *c, const char *sql)
{
	PGresult *r = PQexec(c, sql);
	if (PQresultStatus(r) != PGRES_COMMAND_OK) {
		fprintf(stderr, "clients: %s: %s", sql, PQresultErrorMessage(r));
		exit(1);
	}
	PQclear(r);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static void print_quantiles(double *ms, int n)
{
	qsort(ms, (size_t)n, sizeof(*ms), compare);
	printf("%.3f\t%.3f\n", ms[n / 2], ms[n - 1 - n / 100]);
}

static int logins(int n)
{
	double *ms = calloc((size_t)n, sizeof(*ms));
	for (int i = 0; ms && i < n; i++) {
		double from = now_ms();
		PQfinish(login());
		ms[i] = now_ms() - from;
	}
	if (!ms)
		return 1;
	print_quantiles(ms, n);
	free(ms);
	return 0;
}

struct session {
	pthread_t thread;
	double *ms;
	int n;
};

static void *commits_main(void *arg)
{
	struct session *s = arg;
	PGconn *c = login();
	for (int i = 0; i < s->n; i++) {
		run(c, "BEGIN");
		run(c, "INSERT INTO t (v) VALUES (1)");
		double from = now_ms();
		run(c, "COMMIT");
		s->ms[i] = now_ms() - from;
	}
	PQfinish(c);
	return NULL;
}

static int commits(int sessions, int n)
{
	struct session s[MAX_SESSIONS];
	double *ms = calloc((size_t)(sessions * n), sizeof(*ms));
	if (!ms || sessions > MAX_SESSIONS)
		return 1;
	for (int i = 0; i < sessions; i++) {
		s[i] = (struct session){.ms = ms + i * n, .n = n};
		if (pthread_create(&s[i].thread, NULL, commits_main, &s[i]))
			return 1;
	}
	for (int i = 0; i < sessions; i++)
		pthread_join(s[i].thread, NULL);
	print_quantiles(ms, sessions * n);
	free(ms);
	return 0;
}

static int hold(int n)
{
	for (int i = 0; i < n; i++)
		login();
	printf("held\n");
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}

static void more_descriptors(void)
{
	struct rlimit l;
	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return;
	l.rlim_cur = l.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &l) < 0)
		perror("clients: descriptors");
}

/* What agents do: reads by both protocols, a mistake now and then. */
static bool work(PGconn *c, int n)
{
	const char *value = "7";
	PGresult *r = n % 50 == 0  ? PQexec(c, "SELECT nothing FROM t")
		      : n % 3 == 0 ? PQexecParams(c, "SELECT v FROM t WHERE v = $1", 1, NULL, &value, NULL, NULL, 0)
				   : PQexec(c, "SELECT count(*), 'some text' FROM t WHERE v < 100");
	ExecStatusType want = n % 50 == 0 ? PGRES_FATAL_ERROR : PGRES_TUPLES_OK;
	bool ok = PQresultStatus(r) == want && PQstatus(c) == CONNECTION_OK;
	if (!ok)
		fprintf(stderr, "clients: %s", PQerrorMessage(c));
	PQclear(r);
	return ok;
}

static int soak(int n, int seconds, int rate)
{
	PGconn **all = calloc((size_t)n, sizeof(PGconn *));
	int statements = 0, logins = 0, failures = 0;
	more_descriptors();
	for (int i = 0; all && i < n; i++)
		all[i] = login();
	printf("held\n");
	fflush(stdout);
	double from = now_ms(), told = from;
	while (all && now_ms() - from < seconds * 1e3) {
		PGconn **at = &all[random() % n];
		if (statements % 20 == 0) {
			PQfinish(*at);
			*at = login();
			logins++;
		}
		failures += !work(*at, statements++);
		double ahead = from + statements * 1e3 / rate - now_ms();
		if (ahead > 0)
			usleep((useconds_t)(ahead * 1e3));
		if (now_ms() - told < 10e3)
			continue;
		told += 10e3;
		printf("%d\t%d\t%d\n", statements, logins, failures);
		fflush(stdout);
	}
	return failures != 0;
}

int main(int argc, char **argv)
{
	dsn = argc > 1 ? argv[1] : "";
	if (argc == 4 && !strcmp(argv[2], "login"))
		return logins(atoi(argv[3]));
	if (argc == 5 && !strcmp(argv[2], "commit"))
		return commits(atoi(argv[3]), atoi(argv[4]));
	if (argc == 4 && !strcmp(argv[2], "hold"))
		return hold(atoi(argv[3]));
	if (argc == 6 && !strcmp(argv[2], "soak"))
		return soak(atoi(argv[3]), atoi(argv[4]), atoi(argv[5]));
	fprintf(stderr, "usage: clients DSN login N | commit SESSIONS N | hold N | soak N SECONDS RATE\n");
	return 2;
}
