/* What one statement costs in the proxy beyond the wire module, in ns (the least of many tries, so
 * that a busy machine does not count): the analysis, its cache, the policy, the events, the ring.
 * usage: decide_bench. Starts a PostgreSQL of its own for the catalogue. */
#include <stdint.h>

#include "base/clock.h"
#include "base/macro.h"
#include "policy/policy.h"
#include "record/event.h"
#include "record/ring.h"
#include "record/ring_consumer.h"
#include "tests/unit/userspace/sql/db.h"

#define TRIES 40
#define LOOPS 2000

struct bench {
	struct catalog *catalog;
	struct sql_session session;
	struct sql_cache *cache;
	struct sql_entry *entry;
	struct plan *plan;
	const struct resource *resource;
	struct who who;
	struct op op;
	struct decision decision;
	struct buf event;
	struct event_known known;
	struct ring *ring;
	struct ring_consumer *consumer;
	uint8_t out[RING_EVENT_MAX];
	int n;
};

static struct span text_of(struct bench *b, const char *format)
{
	static char text[200];
	return span_of(text,
		       (size_t)snprintf(text, sizeof(text), format, 100000 + b->n++ % 899999));
}

static void analysed(struct bench *b)
{
	struct arena a;
	struct sql_result r;
	arena_init(&a, 1 << 20);
	if (sql_analyze(text_of(b, "SELECT email FROM customers WHERE id = %d;"), b->catalog,
			&b->session, &a, &r) < 0)
		abort();
	arena_done(&a);
}

static void cached(struct bench *b, struct span text)
{
	struct sql_entry *e;
	if (sql_cache_get(b->cache, text, b->catalog, &b->session, &e) < 0)
		abort();
	sql_entry_unref(e);
}

static void cached_numbers(struct bench *b)
{
	cached(b, text_of(b, "SELECT email FROM customers WHERE id = %d;"));
}

static void cached_text(struct bench *b)
{
	cached(b, span_str("SELECT email FROM customers WHERE name = 'alice';"));
}

static void decided(struct bench *b)
{
	plan_decide(b->plan, b->resource, &b->who, &b->op, 1000, &b->decision);
	if (b->decision.effect != EFFECT_ALLOW)
		abort();
}

static struct event_ctx ctx(const struct bench *b)
{
	return (struct event_ctx){.node = "node-1",
				  .who = &b->who,
				  .flow = "f-000000001",
				  .resource = "shop",
				  .time_ns = 1764000000000000000ull,
				  .known = buf_len(&b->known.json) ? &b->known : NULL};
}

static void event(struct bench *b)
{
	struct event_ctx c = ctx(b);
	buf_reset(&b->event);
	event_op(&b->event, &c, &b->op, &b->decision, 65536);
}

static void event_end(struct bench *b)
{
	struct event_ctx c = ctx(b);
	struct op_result r = {.rows = 1, .duration_ns = 123456, .tag = "SELECT 1"};
	buf_reset(&b->event);
	event_op_end(&b->event, &c, b->op.id, &r, (struct span){0}, (struct span){0}, NULL, false);
}

/* With the consumer's side, which is the recorder's. */
static void ring(struct bench *b)
{
	uint64_t ticket;
	size_t len;
	ring_consumer_beat(b->consumer, clock_mono_ns());
	if (ring_put(b->ring, buf_span(&b->event), &ticket) < 0 ||
	    ring_consumer_next(b->consumer, b->out, &len) != 1)
		abort();
	ring_consumer_commit(b->consumer, ring_consumer_pos(b->consumer));
}

static void measure(struct bench *b, const char *what, void (*step)(struct bench *b))
{
	uint64_t least = UINT64_MAX;
	for (int i = 0; i < TRIES; i++) {
		uint64_t from = clock_mono_ns();
		for (int k = 0; k < LOOPS; k++)
			step(b);
		least = MIN(least, clock_mono_ns() - from);
	}
	printf("%s\t%.0f\n", what, (double)least / LOOPS);
}

static void set_up(struct bench *b)
{
	static const char policy[] = "{\"version\": 1, \"issuers\": [{\"issuer\": \"https://i\", "
				     "\"audience\": \"sluice\"}], \"roles\": {\"viewer\": "
				     "[\"v\"]}, \"resources\": [{\"name\": \"shop\", \"protocol\": "
				     "\"postgres\", \"match\": [\"127.0.0.1:5432\"], "
				     "\"credentials\": {\"viewer\": \"file:/etc/x\"}, \"record\": "
				     "\"none\"}], \"rules\": [{\"id\": \"read\", "
				     "\"resource\": \"shop\", \"roles\": [\"viewer\"], "
				     "\"relations\": [\"public.*\"], \"verbs\": [\"select\"], "
				     "\"effect\": \"allow\"}]}";
	static struct policy_errors errors;
	struct ring_desc desc;
	struct span text = span_str("SELECT email FROM customers WHERE id = 123456;");
	db_up();
	b->catalog = db_catalog();
	b->session = (struct sql_session){.paths = {"public"}, .n_paths = 1};
	b->who = (struct who){.session = "s-1a2b3c4d",
			      .issuer = "https://i",
			      .subject = "agent-7",
			      .owner = "pat@example.com",
			      .role = "viewer",
			      .expires = INT64_MAX};
	buf_init(&b->event, 2 * RING_EVENT_MAX);
	if (sql_cache_new(4096, 32 << 20, &b->cache) < 0 ||
	    plan_compile(span_str(policy), &b->plan, &errors) < 0 ||
	    sql_cache_get(b->cache, text, b->catalog, &b->session, &b->entry) < 0 ||
	    ring_create(RING_SIZE, &desc) < 0 || ring_open(&desc, &b->ring) < 0 ||
	    ring_consumer_open(&desc, &b->consumer) < 0)
		abort();
	ring_consumer_say(b->consumer, RING_RECORDS);
	const struct sql_stmt *st = &sql_entry_result(b->entry)->stmts[0];
	struct event_ctx c = ctx(b);
	if (event_know(&b->known, &c) < 0)
		abort();
	b->resource = plan_resource_by_name(b->plan, "shop");
	b->op = (struct op){.id = 7,
			    .protocol = "postgres",
			    .class = st->class,
			    .tag = st->tag,
			    .text = text,
			    .needs = st->needs,
			    .n_needs = st->n_needs};
}

int main(void)
{
	static struct bench b;
	set_up(&b);
	measure(&b, "analysis", analysed);
	measure(&b, "cached, other numbers", cached_numbers);
	measure(&b, "cached, same text", cached_text);
	measure(&b, "policy", decided);
	measure(&b, "event op.end", event_end);
	measure(&b, "event op", event);
	measure(&b, "ring", ring);
	return 0;
}
