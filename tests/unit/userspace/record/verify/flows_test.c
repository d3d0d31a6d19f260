/* What a record tells of flows and operations: closed, open, lost; and what verify says of it. */
#include <inttypes.h>
#include <stdarg.h>

#include "../../../tap.h"
#include "base/macro.h"
#include "record/verify/verify.h"

static struct flows *flows;
static uint64_t seq;

/* {"decision"?,"flow"?,"session","type"}: as events have them. */
static void take(const char *type, const char *session, const char *flow, const char *decision)
{
	char text[600], d[64] = "", f[300] = "";
	struct scan s;
	if (decision)
		snprintf(d, sizeof(d), "\"decision\":\"%s\",", decision);
	if (flow)
		snprintf(f, sizeof(f), "\"flow\":\"%s\",", flow);
	snprintf(text, sizeof(text), "{%s%s\"session\":\"%s\",\"type\":\"%s\"}", d, f, session, type);
	CHECK_INT(scan_event(span_str(text), false, &s), 0);
	flows_take(flows, &s, ++seq);
}

static void begin(void)
{
	seq = 0;
	CHECK_INT(flows_new(&flows), 0);
}

static struct flow_counts end(void)
{
	struct flow_counts c;
	flows_end(flows, &c);
	flows_free(flows);
	CHECK_INT(c.opened, c.closed + c.open + c.lost);
	CHECK_INT(c.ops, c.ended + c.running + c.unended);
	return c;
}

static void counts_what_is_whole(void)
{
	begin();
	take("node.start", "", NULL, NULL);
	take("flow.open", "s-1", "f-1", NULL);
	take("op", "s-1", "f-1", "allow");
	take("op", "s-1", "f-1", "deny"); /* goes no further */
	take("op", "s-1", "f-1", "ask");
	take("op", "s-1", "f-1", "mask");
	take("op.end", "s-1", "f-1", NULL);
	take("op.end", "s-1", "f-1", NULL);
	take("session.end", "s-1", NULL, NULL);
	take("flow.close", "s-1", "f-1", NULL); /* may come behind it */
	take("flow.open", "s-2", "f-2", NULL);
	take("op", "s-2", "f-2", "allow");
	take("session.end", "s-3", NULL, NULL); /* another one */
	struct flow_counts c = end();
	CHECK_INT(c.opened, 2);
	CHECK_INT(c.closed, 1);
	CHECK_INT(c.open, 1);
	CHECK_INT(c.ops, 3);
	CHECK_INT(c.ended, 2);
	CHECK_INT(c.running, 1);
	CHECK_INT(c.unopened, 0);
}

static void names_what_is_lost(void)
{
	begin();
	take("flow.open", "s-1", "f-1", NULL);
	take("op", "s-1", "f-1", "allow");
	take("flow.open", "s-1", "f-2", NULL);
	take("flow.close", "s-1", "f-2", NULL);
	take("flow.open", "s-2", "f-3", NULL);
	take("session.end", "s-1", NULL, NULL); /* 6 */
	take("node.start", "", NULL, NULL);	/* 7 */
	take("flow.open", "s-3", "f-4", NULL);
	take("flow.open", "s-3", "f-4", NULL); /* 9 */
	struct flow_counts c = end();
	CHECK_INT(c.lost, 3);
	CHECK_INT(c.open, 1);
	CHECK_INT(c.unended, 1);
	CHECK_STR(c.named[0].flow, "f-4"); /* noticed at once */
	CHECK_STR(c.named[0].by, "flow.open");
	CHECK_INT(c.named[0].ended, 9);
	CHECK_STR(c.named[1].flow, "f-1");
	CHECK_STR(c.named[1].session, "s-1");
	CHECK_STR(c.named[1].by, "session.end");
	CHECK_INT(c.named[1].opened, 1);
	CHECK_INT(c.named[1].ended, 6);
	CHECK_STR(c.named[2].flow, "f-3");
	CHECK_STR(c.named[2].by, "node.start");
	CHECK_INT(c.named[2].ended, 7);
}

static void counts_what_was_never_opened(void)
{
	char long_id[FLOW_ID_MAX + 2];
	memset(long_id, 'f', sizeof(long_id) - 1);
	long_id[sizeof(long_id) - 1] = 0;
	begin();
	take("op", "s-1", "f-1", "allow");
	take("op.end", "s-1", "f-1", NULL);
	take("flow.close", "s-1", "f-1", NULL);
	take("op", "s-1", NULL, "allow");  /* of no flow */
	take("flow.open", "s-1", long_id, NULL); /* no id of ours */
	take("flow.open", "s-1", "f-2", NULL);
	take("op.end", "s-1", "f-2", NULL); /* of nothing that was let through */
	take("flow.close", "s-2", "f-2", NULL); /* of another session */
	struct flow_counts c = end();
	CHECK_INT(c.unopened, 4);
	CHECK_INT(c.opened, 1);
	CHECK_INT(c.open, 1);
	CHECK_INT(c.ended, 0);
}

static void holds_many(void)
{
	begin();
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 50000; i++) {
			char id[16];
			snprintf(id, sizeof(id), "f-%d", i);
			take(round ? "flow.close" : "flow.open", "s-1", id, NULL);
		}
	take("flow.open", "s-1", "f-last", NULL);
	struct flow_counts c = end();
	CHECK_INT(c.closed, 50000);
	CHECK_INT(c.open, 1);
}

static void says_it(void)
{
	struct verify_result v = {.node = "node-07", .first = 1, .last = 90, .signed_to = 90};
	struct buf b;
	begin();
	for (int i = 0; i < FLOWS_NAMED + 2; i++) {
		char id[16];
		snprintf(id, sizeof(id), "f-%d", i);
		take("flow.open", "s-1", id, NULL);
	}
	take("session.end", "s-1", NULL, NULL);
	take("flow.close", "s-1", "f-x", NULL);
	v.flows = end();
	buf_init(&b, 65536);
	for (int i = 0; i < 3; i++) {
		v.left_out = i == 1;
		v.first = i == 2 ? 7 : 1;
		buf_reset(&b);
		verify_json(&b, &v, 0);
		buf_add_u8(&b, 0);
		const char *text = (const char *)buf_span(&b).p;
		CHECK(strstr(text, "\"lost\":18,"));
		CHECK_INT(strstr(text, "flow f-0 of session s-1, opened by event 1, has no flow.close: "
				       "its session ended with event 19") != NULL, i != 1);
		CHECK_INT(strstr(text, "and 2 more flows without a close") != NULL, i != 1);
		CHECK_INT(strstr(text, "1 events are of flows that have no flow.open") != NULL, i == 0);
	}
	buf_done(&b);
}

int main(void)
{
	counts_what_is_whole();
	names_what_is_lost();
	counts_what_was_never_opened();
	holds_many();
	says_it();
	return tap_done();
}
