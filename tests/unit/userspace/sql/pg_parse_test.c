/* Texts made to break a parser or a walk, on the small stack of a thread. */
#include "sql/sql.h"

#include <pthread.h>
#include <stdlib.h>

#include "../../../fuzz/sql_catalog.h"
#include "../../tap.h"

/* A loop's thread has 8 MiB. The sanitizer's frames are several times larger. */
#ifdef __SANITIZE_ADDRESS__
#define STACK (1024 * 1024)
#else
#define STACK (256 * 1024)
#endif

static struct catalog *catalog;

/* head, then a part many times, a middle, another part as many times, a tail. */
struct shape {
	const char *head, *part, *middle, *close, *tail;
	int n;
	unsigned statuses; /* those that are right, as bits */
};

#define IS(status) (1u << (status))
#define JUDGED	   (IS(SQL_OK) | IS(SQL_FACTS))
#define REFUSED	   (IS(SQL_SYNTAX) | IS(SQL_TOO_BIG))

static const struct shape shapes[] = {
    {"SELECT 1", "+1", "", "", "", 100000, JUDGED},
    {"SELECT 'a'", "||'a'", "", "", "", 50000, JUDGED},
    {"SELECT 1", " UNION SELECT 1", "", "", "", 15000, JUDGED},
    {"SELECT 1", " UNION ALL SELECT 1", "", "", "", 13000, JUDGED},
    {"SELECT 1", "+1", "", "", "", 200000, IS(SQL_TOO_BIG)},
    {"SELECT 1", " UNION SELECT 1", "", "", "", 200000, IS(SQL_TOO_BIG)},
    {"SELECT true", " AND true", "", "", "", 25000, JUDGED},
    {"SELECT 1 IN (1", ",1", ")", "", "", 100000, JUDGED},
    {"INSERT INTO orders VALUES (1,2)", ",(1,2)", "", "", "", 40000, JUDGED},
    {"SELECT $1", ",$1", "", "", "", 60000, JUDGED},
    {"SELECT a", ".b", "", "", "", 100000, JUDGED},
    {"SELECT a", "[1]", "", "", "", 80000, JUDGED},
    {"", "SELECT 1;", "", "", "", 28000, JUDGED},
    {"", ";", "", "", "", 250000, JUDGED},
    {"SELECT ", "(", "1", ")", "", 100000, REFUSED},
    {"SELECT ", "NOT ", "true", "", "", 60000, REFUSED},
    {"SELECT ", "- ", "1", "", "", 100000, REFUSED},
    {"SELECT ", "abs(", "1", ")", "", 40000, REFUSED},
    {"SELECT ", "abs(", "1", ")", "", 3000, REFUSED},
    {"SELECT ", "(SELECT ", "1", ")", "", 2000, REFUSED},
    {"SELECT ", "ARRAY[", "1", "]", "", 2500, REFUSED},
    {"SELECT ", "ROW(", "1", ")", "", 2500, REFUSED},
    {"SELECT ", "CASE WHEN true THEN ", "1", " END", "", 2000, REFUSED},
    {"SELECT 1", "::text::int", "", "", "", 20000, REFUSED},
    {"SELECT 1", " IS NULL", "", "", "", 20000, REFUSED},
    {"SELECT 1", " COLLATE \"C\"", "", "", "", 15000, REFUSED},
    {"SELECT 1 FROM orders", " JOIN orders ON true", "", "", "", 10000, REFUSED},
    {"SELECT * FROM ", "(SELECT * FROM ", "orders", ") s", "", 2000, REFUSED},
    {"", "WITH a AS (", "SELECT 1", ") SELECT 1", "", 2000, REFUSED},
    {"", "EXPLAIN ", "SELECT 1", "", "", 5000, REFUSED},
    {"SELECT * FROM customers a", ", customers", "", "", "", 20000, JUDGED},
    {"SELECT 1", ",f(1)", "", "", "", 40000, JUDGED},
};

static char *spell(const struct shape *s, size_t *ret_len)
{
	size_t n = (size_t)s->n;
	size_t size = strlen(s->head) + n * (strlen(s->part) + strlen(s->close)) +
		      strlen(s->middle) + strlen(s->tail) + 1;
	char *text = malloc(size), *at = text;
	if (!text)
		exit(3);
	at = stpcpy(at, s->head);
	for (size_t i = 0; i < n; i++)
		at = stpcpy(at, s->part);
	at = stpcpy(at, s->middle);
	for (size_t i = 0; i < n; i++)
		at = stpcpy(at, s->close);
	at = stpcpy(at, s->tail);
	*ret_len = (size_t)(at - text);
	return text;
}

static void *run(void *unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		const struct sql_session session = {.paths = {"public"}, .n_paths = 1};
		struct sql_result r = {0};
		struct arena a;
		size_t len;
		char *text = spell(&shapes[i], &len);
		arena_init(&a, 64 << 20);
		CHECK_INT(sql_analyze(span_of(text, len), catalog, &session, &a, &r), 0);
		if (!(shapes[i].statuses & IS(r.status)))
			printf("shape %zu: status %d: %s\n", i, r.status,
			       r.message ? r.message : "");
		CHECK((shapes[i].statuses & IS(r.status)) != 0);
		arena_done(&a);
		free(text);
	}
	return NULL;
}

static void survives_on_a_small_stack(void)
{
	pthread_attr_t attr;
	pthread_t t;
	pthread_attr_init(&attr);
	CHECK_INT(pthread_attr_setstacksize(&attr, STACK), 0);
	CHECK_INT(pthread_create(&t, &attr, run, NULL), 0);
	pthread_join(t, NULL);
	pthread_attr_destroy(&attr);
}

/* The deepest that is still judged must be deep enough for what people and generators write. */
static void judges_ordinary_depth(void)
{
	static const struct shape ordinary[] = {
	    {"SELECT ", "abs(", "1", ")", "", 100, JUDGED},
	    {"SELECT ", "(SELECT ", "1", ")", "", 30, JUDGED},
	    {"SELECT 1 FROM orders", " JOIN orders ON true", "", "", "", 40, JUDGED},
	    {"SELECT ", "CASE WHEN true THEN ", "1", " END", "", 50, JUDGED},
	    {"SELECT * FROM ", "(SELECT * FROM ", "orders", ") s", "", 20, JUDGED},
	};
	for (size_t i = 0; i < sizeof(ordinary) / sizeof(ordinary[0]); i++) {
		const struct sql_session session = {.paths = {"public"}, .n_paths = 1};
		struct sql_result r = {0};
		struct arena a;
		size_t len;
		char *text = spell(&ordinary[i], &len);
		arena_init(&a, 64 << 20);
		CHECK_INT(sql_analyze(span_of(text, len), catalog, &session, &a, &r), 0);
		CHECK((JUDGED & IS(r.status)) != 0);
		arena_done(&a);
		free(text);
	}
}

static void stays_within_the_arena(void)
{
	const struct sql_session session = {.paths = {"public"}, .n_paths = 1};
	struct sql_result r = {0};
	struct arena a;
	arena_init(&a, 100);
	CHECK_INT(sql_analyze(span_str("SELECT * FROM a, b, c, d, e"), catalog, &session, &a, &r),
		  ERR_LIMIT);
	arena_done(&a);
}

int main(void)
{
	catalog = sql_catalog_new();
	survives_on_a_small_stack();
	judges_ordinary_depth();
	stays_within_the_arena();
	catalog_unref(catalog);
	return tap_done();
}
