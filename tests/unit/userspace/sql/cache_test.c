#include "sql/sql.h"

#include <pthread.h>
#include <time.h>

#include "../../tap.h"
#include "db.h"

static struct catalog *catalog;
static const struct sql_session session = {.paths = {"public"}, .n_paths = 1};

static struct sql_entry *get(struct sql_cache *c, const char *sql, const struct sql_session *s)
{
	struct sql_entry *e = NULL;
	CHECK_INT(sql_cache_get(c, span_str(sql), catalog, s, &e), 0);
	return e;
}

static void same_key_same_entry(void)
{
	static const uint32_t types[] = {25};
	struct sql_session other = {.paths = {"evil"}, .n_paths = 1}, temp = session,
			   typed = session;
	struct sql_cache *c = NULL;
	temp.has_temp = true;
	typed.param_types = types;
	typed.n_param_types = 1;
	CHECK_INT(sql_cache_new(100, 1 << 20, &c), 0);
	const char *sql = "SELECT $1 FROM customers";
	struct sql_entry *a = get(c, sql, &session), *b = get(c, sql, &session);
	CHECK(a == b);
	CHECK_INT(sql_entry_result(a)->n_stmts, 1);
	sql_entry_unref(b);
	const struct sql_session *differ[] = {&other, &temp, &typed};
	for (size_t i = 0; i < 3; i++) {
		b = get(c, sql, differ[i]);
		CHECK(a != b);
		sql_entry_unref(b);
	}
	struct catalog *first = catalog;
	catalog = db_catalog(); /* a reload is another generation */
	b = get(c, sql, &session);
	CHECK(a != b);
	catalog_unref(catalog);
	catalog = first;
	sql_cache_free(c);
	/* References outlive the cache. */
	CHECK_STR(sql_entry_result(a)->stmts[0].tag, "SELECT");
	CHECK_STR(sql_entry_result(b)->stmts[0].tag, "SELECT");
	sql_entry_unref(a);
	sql_entry_unref(b);
	sql_entry_unref(NULL);
}

static void oldest_use_goes_first(void)
{
	struct sql_cache *c = NULL;
	CHECK_INT(sql_cache_new(3, 1 << 20, &c), 0);
	struct sql_entry *one = get(c, "SELECT '1'", &session), *two = get(c, "SELECT '2'", &session);
	sql_entry_unref(get(c, "SELECT '3'", &session));
	sql_entry_unref(get(c, "SELECT '1'", &session)); /* two is the oldest now */
	sql_entry_unref(get(c, "SELECT '4'", &session));
	struct sql_entry *again = get(c, "SELECT '1'", &session),
			 *other = get(c, "SELECT '2'", &session);
	CHECK(again == one);
	CHECK(other != two);
	sql_entry_unref(again);
	sql_entry_unref(other);
	sql_entry_unref(one);
	sql_entry_unref(two);
	sql_cache_free(c);
}

/* A catalogue that is read again and again fills the cache with nothing: four stay of one text. */
static void outdated_ones_go(void)
{
	enum { N = 6 };
	struct sql_cache *c = NULL;
	struct catalog *first = catalog, *all[N];
	struct sql_entry *e[N], *again;
	CHECK_INT(sql_cache_new(100, 1 << 20, &c), 0);
	for (int i = 0; i < N; i++) {
		all[i] = catalog = db_catalog();
		e[i] = get(c, "SELECT name FROM customers", &session);
	}
	for (int i = N - 1; i >= 0; i--) {
		catalog = all[i];
		again = get(c, "SELECT name FROM customers", &session);
		CHECK((again == e[i]) == (i >= N - 4));
		sql_entry_unref(again);
		sql_entry_unref(e[i]);
		catalog_unref(all[i]);
	}
	catalog = first;
	sql_cache_free(c);
}

static void bytes_are_bounded(void)
{
	struct sql_cache *c = NULL;
	static char big[100000];
	memset(big, ' ', sizeof(big) - 1);
	memcpy(big, "SELECT 1", 8);
	CHECK_INT(sql_cache_new(1000, 200000, &c), 0);
	struct sql_entry *small = get(c, "SELECT '1'", &session);
	struct sql_entry *e = get(c, big, &session), *f = get(c, big, &session);
	CHECK(e != f); /* too big to be kept: it would push out all others */
	struct sql_entry *again = get(c, "SELECT '1'", &session);
	CHECK(again == small);
	for (int i = 0; i < 100; i++) {
		char sql[40];
		snprintf(sql, sizeof(sql), "SELECT '%d'", i + 10);
		sql_entry_unref(get(c, sql, &session));
	}
	struct sql_entry *gone = get(c, "SELECT '1'", &session);
	CHECK(gone != small);
	struct sql_entry *all[] = {small, e, f, again, gone};
	for (size_t i = 0; i < 5; i++)
		sql_entry_unref(all[i]);
	sql_cache_free(c);
}

static void *in_thread(void *unused)
{
	(void)unused;
	struct sql_cache *c = sql_cache_here();
	struct sql_entry *e = NULL;
	int err = sql_cache_get(c, span_str("SELECT 1"), catalog, &session, &e);
	sql_entry_unref(e);
	return err ? NULL : (void *)c;
}

static void one_for_each_thread(void)
{
	pthread_t t;
	void *other = NULL;
	struct sql_cache *mine = sql_cache_here();
	CHECK(mine && mine == sql_cache_here());
	CHECK_INT(pthread_create(&t, NULL, in_thread, NULL), 0);
	CHECK_INT(pthread_join(t, &other), 0);
	CHECK(other && other != mine);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* SHOW_SPEED=1 prints what a hit and a miss cost. */
static void shows_speed(void)
{
	static const char *const texts[] = {
	    "SELECT 1", "SELECT abalance FROM customers WHERE id = 123456",
	    "SELECT c.name, sum(o.total) FROM customers c JOIN orders o ON o.customer_id = c.id "
	    "WHERE c.name LIKE 'A%' "
	    "AND o.made > '2020-01-01' GROUP BY c.name HAVING sum(o.total) > 100 ORDER BY 2 DESC "
	    "LIMIT 10"};
	if (!getenv("SHOW_SPEED"))
		return;
	for (size_t i = 0; i < 3; i++) {
		struct sql_cache *c = NULL;
		struct sql_result r;
		CHECK_INT(sql_cache_new(100, 1 << 20, &c), 0);
		double start = now();
		for (int k = 0; k < 200000; k++)
			sql_entry_unref(get(c, texts[i], &session));
		double hit = now() - start;
		start = now();
		for (int k = 0; k < 20000; k++) {
			struct arena a;
			arena_init(&a, 1 << 20);
			CHECK_INT(sql_analyze(span_str(texts[i]), catalog, &session, &a, &r), 0);
			arena_done(&a);
		}
		printf("hit %.0f ns, miss %.2f us: %.40s\n", hit * 1e9 / 200000,
		       (now() - start) * 1e6 / 20000, texts[i]);
		sql_cache_free(c);
	}
}

int main(void)
{
	db_up();
	catalog = db_catalog();
	same_key_same_entry();
	oldest_use_goes_first();
	outdated_ones_go();
	bytes_are_bounded();
	one_for_each_thread();
	shows_speed();
	catalog_unref(catalog);
	return tap_done();
}
