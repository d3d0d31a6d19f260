#include "../../tap.h"
#include "rig.h"

static void put_ops(struct rig *g, int ring, const struct who *who, uint64_t n, uint64_t *ret_ticket)
{
	struct buf b;
	int bad = 0;
	buf_init(&b, 2 * RING_EVENT_MAX);
	for (uint64_t i = 1; i <= n; i++) {
		rig_op(&b, who, i, "SELECT * FROM customers", i % 10 ? EFFECT_ALLOW : EFFECT_DENY);
		bad += rig_put(g, ring, &b, ret_ticket) != 0;
	}
	CHECK_INT(bad, 0);
	buf_done(&b);
}

static char *ask_events(struct rig *g, const char *key, const char *value)
{
	return rig_ask(g, json_pack("{s:s,s:s,s:s}", "t", "query", "kind", "events", key, value));
}

static void records_and_answers(void)
{
	struct rig g;
	struct buf b;
	uint64_t ticket = 0;
	int err;
	const char *const command[] = {"python", "crew.py"}, *const groups[] = {"crewai-viewer"};
	struct event_ctx c = rig_ctx(&rig_who);
	rig_init(&g, NULL, 0);
	buf_init(&b, 2 * RING_EVENT_MAX);
	CHECK(rig_says(&g, 0));

	c.flow = c.resource = NULL;
	event_session_start(&b, &c, "run", "/sluice/s-7f2", 4711, groups, 1, command, 2, "sha");
	CHECK_INT(rig_put(&g, 0, &b, NULL), 0);
	put_ops(&g, 1, &rig_who, 100, &ticket);
	CHECK(rig_wait(&g, 1, ticket));

	char *text = rig_ask(&g, json_pack("{s:s,s:s}", "t", "query", "kind", "sessions"));
	CHECK(text && strstr(text, "\"denied\":10,"));
	CHECK(text && strstr(text, "\"ops\":100,"));
	CHECK(text && strstr(text, "\"rules\":[{\"count\":10,\"rule\":\"default\"}]"));
	free(text);
	text = ask_events(&g, "session", "s-7f2");
	CHECK_INT(rig_lines(text), 101);
	free(text);
	text = ask_events(&g, "denied", "1");
	CHECK_INT(rig_lines(text), 10);
	free(text);
	text = ask_events(&g, "nonsense", "1");
	CHECK(text && strstr(text, "{\"error\":"));
	free(text);
	put_ops(&g, 2, &rig_who, 50, &ticket);
	text = ask_events(&g, "session", "s-7f2"); /* without waiting: what was accepted is in the answer */
	CHECK_INT(rig_lines(text), 151);
	free(text);
	text = rig_ask(&g, json_pack("{s:s,s:s}", "t", "query", "kind", "verify"));
	CHECK(text && strstr(text, "OK node-07 events 1..151 "));
	free(text);

	CHECK_INT(rig_stop(&g), 0); /* signs the end */
	struct verify_result v = rig_verify(g.store, &err);
	CHECK_INT(err, 0);
	CHECK(!v.is_bad);
	CHECK_INT(v.last, 151);
	CHECK_INT(v.signed_to, 151);
	rig_done(&g);
	buf_done(&b);
}

int main(void)
{
	records_and_answers();
	return tap_done();
}
