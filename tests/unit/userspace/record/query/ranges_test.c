/* Of a real store: what a question reads is little, and nothing that it asks for is left out. The
 * clock is set back within it. */
#include "../../../tap.h"
#include "record/block.h"
#include "record/query/internal.h"
#include "../rig_talk.h"

#define EVENTS 12000
#define HOUR   (3600ull * NS_PER_SEC)

static struct rig rig;
static const struct who rare = {.session = "s-rare",
				.issuer = "https://issuer",
				.subject = "crew-rare",
				.owner = "kim@example.com",
				.role = "viewer"};
static uint64_t begun_ns;

/* Event 7000 is of another session, resource, and refused; from 9000 on the clock is three hours
 * behind. */
static void put_one(struct buf *b, uint64_t i)
{
	bool is_rare = i == 7000;
	struct event_ctx c = rig_ctx(is_rare ? &rare : &rig_who);
	struct op op = {.id = i,
			.protocol = "postgres",
			.class = CLASS_READ,
			.tag = "SELECT",
			.text = span_str("SELECT 1")};
	struct decision d = {.effect = is_rare ? EFFECT_DENY : EFFECT_ALLOW};
	c.time_ns = begun_ns + i * 1000000 - (i >= 9000 ? 3 * HOUR : 0);
	c.resource = is_rare ? "vault" : "shop";
	snprintf(d.rule, sizeof(d.rule), "r");
	buf_reset(b);
	event_op(b, &c, &op, &d, 65536);
}

static void make_store(void)
{
	struct buf b;
	uint64_t ticket = 0;
	begun_ns = clock_real_ns() / NS_PER_SEC * NS_PER_SEC;
	rig_init(&rig, NULL, 0);
	CHECK(rig_says(&rig, 0));
	buf_init(&b, 2 * RING_EVENT_MAX);
	for (uint64_t i = 1; i <= EVENTS; i++) {
		put_one(&b, i);
		CHECK_INT(rig_put(&rig, 1, &b, &ticket), 0);
		if (i % 1000 == 0)
			CHECK(rig_wait(&rig, 1, ticket));
	}
	CHECK_INT(rig_stop(&rig), 0);
	buf_done(&b);
}

static int n_lines;

static int count_line(void *ctx, struct span line)
{
	(void)ctx;
	n_lines += line.len != 0;
	return 0;
}

/* How many events it reads at most, and how many it finds. */
static void ask(const char *key, const char *value, uint64_t at_most, int found)
{
	struct query *q;
	struct segment *g;
	struct ranges l = {0};
	uint64_t n = 0;
	json_t *j = json_pack("{s:s,s:s}", "kind", "events", key, value);
	CHECK_INT(query_read(j, &q), 0);
	CHECK_INT(segment_open(rig.store, 1, SEGMENT_READ, 0, &g), 0);
	CHECK_INT(query_ranges(q, g, &l), 0);
	segment_unref(g);
	for (size_t i = 0; i < l.n; i++)
		n += l.at[i].last - l.at[i].first + 1;
	if (n > at_most)
		printf("# %s=%s reads %" PRIu64 "\n", key, value, n);
	CHECK(n <= at_most);
	free(l.at);
	struct query_source source = {.path = rig.store};
	struct query_sink sink = {.line = count_line};
	n_lines = 0;
	CHECK_INT(query_answer(q, &source, &sink), 0);
	CHECK_INT(n_lines, found);
	query_free(q);
	json_decref(j);
}

static void reads_little(void)
{
	char seconds[32];
	ask("identity", "crew-rare", 2 * BLOCK_EVENTS, 1);
	ask("owner", "kim@example.com", 2 * BLOCK_EVENTS, 1);
	ask("resource", "vault", 2 * BLOCK_EVENTS, 1);
	ask("session", "s-rare", BLOCK_EVENTS, 1);
	ask("verdict", "deny", BLOCK_EVENTS, 1);
	ask("denied", "1", BLOCK_EVENTS, 1);
	ask("identity", "crew-7", UINT64_MAX, EVENTS - 1);
	snprintf(seconds, sizeof(seconds), "%llu", (unsigned long long)(begun_ns / NS_PER_SEC + 8));
	ask("since", seconds, 2 * BLOCK_EVENTS,
	    1000); /* 8000 to 8999: the rest is before, by its clock */
	snprintf(seconds, sizeof(seconds), "%llu", (unsigned long long)(begun_ns / NS_PER_SEC - 3600));
	ask("until", seconds, EVENTS / 2, EVENTS - 8999);
}

int main(void)
{
	make_store();
	reads_little();
	rig_done(&rig);
	return tap_done();
}
