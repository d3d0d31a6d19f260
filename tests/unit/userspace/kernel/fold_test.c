#include "kernel/fold.h"

#include "base/clock.h"
#include "base/macro.h"
#include "tests/unit/tap.h"

static struct refusal said[512];
static int n_said;

static void on_refusal(void *ctx, const struct refusal *r)
{
	CHECK(ctx == said);
	if (n_said < (int)ARRAY_LEN(said))
		said[n_said++] = *r;
}

static const struct refusal base = {.cgroup_id = 7,
				    .pid = 40,
				    .dst.port = 443,
				    .family = AF_INET,
				    .type = SOCK_STREAM,
				    .protocol = 6,
				    .reason = "not declared",
				    .count = 1};

static struct fold *fresh(void)
{
	struct fold *f = fold_new();
	fold_to(f, on_refusal, said);
	n_said = 0;
	return f;
}

static void test_repeats(void)
{
	struct fold *f = fresh();
	for (int i = 0; i < 100; i++)
		fold_add(f, &base, 1000 + (uint64_t)i);
	CHECK_INT(n_said, 1);
	CHECK_INT(said[0].count, 1);
	CHECK_INT(fold_flush(f, NS_PER_SEC), 1000 + NS_PER_SEC);
	CHECK_INT(n_said, 1);
	CHECK_INT(fold_flush(f, 1000 + NS_PER_SEC), 0);
	CHECK_INT(n_said, 2);
	CHECK_INT(said[1].count, 99);
	fold_add(f, &base, 5 * NS_PER_SEC); /* a new window */
	CHECK_INT(n_said, 3);
	CHECK_INT(fold_flush(f, 7 * NS_PER_SEC), 0);
	CHECK_INT(n_said, 3); /* told once, no repeat: nothing to add */
	fold_free(f);
}

static void test_kinds(void)
{
	struct refusal kinds[9];
	struct fold *f = fresh();
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		kinds[i] = base;
	kinds[1].cgroup_id = 8;
	kinds[2].pid = 41;
	kinds[3].dst.port = 80;
	kinds[4].dst.ip[15] = 1;
	kinds[5].type = SOCK_DGRAM;
	kinds[6].reason = "protocol";
	kinds[7].family = AF_INET6;
	strcpy(kinds[8].exe, "/bin/other");
	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
			fold_add(f, &kinds[i], 1);
	CHECK_INT(n_said, ARRAY_LEN(kinds));
	CHECK_INT(fold_flush(f, 2 * NS_PER_SEC), 0);
	CHECK_INT(n_said, 2 * ARRAY_LEN(kinds));
	for (size_t i = ARRAY_LEN(kinds); i < 2 * ARRAY_LEN(kinds); i++)
		CHECK_INT(said[i].count, 2);
	fold_free(f);
}

/* More kinds than there is room for: none is lost. */
static void test_crowd(void)
{
	struct fold *f = fresh();
	uint64_t total = 0;
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 200; i++) {
			struct refusal r = base;
			r.dst.port = (uint16_t)i;
			fold_add(f, &r, 1);
		}
	CHECK_INT(fold_flush(f, 2 * NS_PER_SEC), 0);
	for (int i = 0; i < n_said; i++)
		total += said[i].count;
	CHECK_INT(total, 400);
	fold_free(f);
}

int main(void)
{
	test_repeats();
	test_kinds();
	test_crowd();
	return tap_done();
}
