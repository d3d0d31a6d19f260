/* What the PostgreSQL module alone costs: ns for a statement and its answer, both directions, with
 * a sink that allows all. usage: postgres_bench [ROUNDS] */
#include <time.h>

#include "tests/unit/userspace/proto/postgres/rig.c"

static int allow(struct sink *s, const struct op *op, struct decision *d)
{
	(void)s, (void)op;
	*d = (struct decision){.effect = EFFECT_ALLOW};
	return 0;
}

static void ignore_result(struct sink *s, uint64_t op_id, const struct op_result *r)
{
	(void)s, (void)op_id, (void)r;
}

static void add(struct buf *b, enum dir d, const char *text)
{
	while (*text) {
		char line[256];
		int n = (int)strcspn(text, "\n");
		snprintf(line, sizeof(line), "%.*s", n, text);
		rig_encode(b, d, line);
		text += n + (text[n] == '\n');
	}
}

static void feed(struct rig *r, enum dir d, const struct buf *b)
{
	struct cur c = cur_of(buf_span(b));
	if (proto_postgres.feed(r->state, d, &c, &r->sink) || cur_left(&c))
		abort();
}

static void measure(const char *name, const char *before, const char *before_answer,
		    const char *ask, const char *answer, int rounds)
{
	static struct sink_ops ops;
	struct timespec from, to;
	struct rig r;
	struct buf b[4];
	const char *texts[] = {before, before_answer, ask, answer};
	for (int i = 0; i < 4; i++) {
		buf_init(&b[i], 1 << 20);
		add(&b[i], i % 2, texts[i]);
	}
	ops = rig_ops;
	ops.op = allow;
	ops.result = ignore_result;
	rig_init(&r, 0);
	rig_begin(&r);
	r.sink.ops = &ops;
	feed(&r, FROM_CLIENT, &b[0]);
	feed(&r, FROM_SERVER, &b[1]);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	for (int i = 0; i < rounds; i++) {
		feed(&r, FROM_CLIENT, &b[2]);
		feed(&r, FROM_SERVER, &b[3]);
		buf_reset(&r.to[0]);
		buf_reset(&r.to[1]);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	double ns = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
	printf("%s\t%.0f ns\n", name, ns / rounds);
	for (int i = 0; i < 4; i++)
		buf_done(&b[i]);
	rig_done(&r);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 1000000;
	rig_catalog = rig_small_catalog();
	measure("select-simple", "", "", "Q SELECT 1", "T abalance\nD 42\nC SELECT 1\nZ I", rounds);
	measure("select-extended", "", "", "P ~SELECT 1\nB ~\nD P~\nE \nS",
		"1\n2\nT abalance\nD 42\nC SELECT 1\nZ I", rounds);
	measure("select-prepared", "P s~SELECT 1\nS", "1\nZ I", "B ~s~4711\nD P~\nE \nS",
		"2\nT abalance\nD 42\nC SELECT 1\nZ I", rounds);
	return 0;
}
