#include "flow/questions.h"

#include <stdio.h>

#include "base/clock.h"
#include "tests/unit/tap.h"

static void test_names(void)
{
	struct questions *q = questions_new();
	char name[32];
	CHECK_INT(questions_when(q, "db"), 0);
	questions_note(q, "db");
	questions_note(q, "other");
	CHECK(questions_when(q, "db") < questions_when(q, "other"));
	questions_note(q, "db");
	CHECK(questions_when(q, "db") > questions_when(q, "other"));
	for (int i = 0; i < QUESTIONS_NAMES - 1; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		questions_note(q, name);
	}
	CHECK(questions_when(q, "db") > 0);
	CHECK_INT(questions_when(q, "other"), 0); /* the oldest made room */
	questions_note(q, "one more");
	CHECK_INT(questions_when(q, "db"), 0);
	CHECK(questions_when(q, "n0") > 0);
	questions_free(q);
	questions_free(NULL);
}

static int burst(struct questions *q, uint64_t now_ns)
{
	int n = 0;
	while (n < 10 * QUESTIONS_PER_S && questions_may(q, now_ns))
		n++;
	return n;
}

static void test_rate(void)
{
	struct questions *q = questions_new();
	uint64_t now = 5 * NS_PER_SEC;
	CHECK_INT(burst(q, now), QUESTIONS_PER_S);
	CHECK_INT(burst(q, now), 0);
	CHECK_INT(burst(q, now + NS_PER_SEC / 2), QUESTIONS_PER_S / 2);
	CHECK_INT(burst(q, now + 100 * NS_PER_SEC), QUESTIONS_PER_S); /* no more is saved up */
	CHECK_INT(burst(q, now), 0);				      /* a clock that goes back gives none */
	questions_free(q);
}

int main(void)
{
	test_names();
	test_rate();
	return tap_done();
}
