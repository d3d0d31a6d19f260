/* Is the record of a session complete? Tables of what the kernel counted against what is on record; then the recorder
 * and the verifier with it: bytes that only the kernel saw are named, whatever the recorder says. */
#include "../../tap.h"
#include "record/ledger.h"
#include "rig_talk.h"

#define SESSION "\"session\":\"s-a\",\"time\":1,\"type\":"

static void take(struct ledger *l, const char *text, uint64_t now_ns)
{
	struct scan s;
	CHECK_INT(scan_event(span_str(text), false, &s), 0);
	ledger_take(l, &s, now_ns);
}

static const struct {
	struct ledger_kernel kernel;
	int opens, closes;
	const char *more; /* an event, or NULL */
	enum ledger_result result;
	const char *why;
} rows[] = {
	{{0}, 0, 0, NULL, LEDGER_MATCH, ""},
	/* each flow.close of the table: 100 up, 50 down */
	{{2, 2, 2, 199, 201, 100}, 2, 2, NULL, LEDGER_MATCH, ""},
	{{2, 2, 2, 200, 200, 40}, 2, 2, NULL, LEDGER_MATCH, ""},
	{{3, 3, 2, 200, 200, 100}, 2, 2, NULL, LEDGER_MATCH, ""}, /* one came and went without a byte */
	{{3, 3, 3, 200, 200, 100}, 2, 2, NULL, LEDGER_MISMATCH, "connections"},
	{{1, 1, 1, 200, 200, 100}, 2, 2, NULL, LEDGER_MISMATCH, "connections"},
	{{2, 2, 2, 201, 201, 100}, 2, 2, NULL, LEDGER_MISMATCH, "bytes from the workload"},
	{{2, 2, 2, 100, 199, 100}, 2, 2, NULL, LEDGER_MISMATCH, "bytes from the workload at most"},
	{{2, 2, 2, 200, 200, 101}, 2, 2, NULL, LEDGER_MISMATCH, "bytes to the workload"},
	{{2, 2, 2, 100, 200, 50}, 2, 1, NULL, LEDGER_MISMATCH, "without an end"},
	{{2, 1, 2, 100, 200, 50}, 2, 2, NULL, LEDGER_PARTIAL, "outlived"},
	{{3, 3, 3, 207, 207, 100}, 2, 2,
	 "{\"accepted\":1,\"count\":1," SESSION "\"connect.refused\",\"wire_down\":0,\"wire_up\":7}", LEDGER_MATCH, ""},
	{{3, 3, 3, 207, 207, 100}, 2, 2,
	 "{\"accepted\":1,\"cgroup_id\":77,\"count\":1,\"session\":\"\",\"time\":1,\"type\":\"connect.refused\","
	 "\"wire_down\":0,\"wire_up\":7}",
	 LEDGER_MATCH, ""},
	{{3, 3, 3, 207, 207, 100}, 2, 2,
	 "{\"accepted\":1,\"count\":1,\"session\":\"\",\"time\":1,\"type\":\"connect.refused\",\"wire_down\":0,"
	 "\"wire_up\":7}",
	 LEDGER_PARTIAL, "reset before"},
	{{3, 3, 3, 207, 207, 100}, 2, 2, "{\"count\":1," SESSION "\"connect.refused\"}", LEDGER_MISMATCH,
	 "connections"},
	{{3, 3, 3, 900, 900, 100}, 2, 2, "{\"process\":\"proxy\",\"session\":\"\",\"time\":1,\"type\":\"node.fault\"}",
	 LEDGER_PARTIAL, "started again"},
	{{3, 3, 3, 900, 900, 100}, 2, 2, "{\"session\":\"s-b\",\"time\":1,\"type\":\"flow.open\"}", LEDGER_MISMATCH,
	 "connections"},
};

static void take_kernel(struct ledger *l, const struct ledger_kernel *k, uint64_t now_ns)
{
	char text[400];
	snprintf(text, sizeof(text),
		 "{\"closed\":%d,\"down\":%d,\"identity\":\"bot\",\"opened\":%d,\"owner\":\"pat\","
		 "\"role\":\"r\"," SESSION
		 "\"session.kernel\",\"up_max\":%d,\"up_min\":%d,\"used\":%d}",
		 (int)k->closed, (int)k->down, (int)k->opened, (int)k->up_max, (int)k->up_min, (int)k->used);
	take(l, text, now_ns);
}

static void test_rows(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ledger *l;
		char why[200];
		CHECK_INT(ledger_new(&l), 0);
		take(l, "{\"cgroup_id\":77," SESSION "\"session.start\"}", 1);
		for (int n = 0; n < rows[i].opens; n++)
			take(l, "{\"flow\":\"f-1\"," SESSION "\"flow.open\"}", 1);
		for (int n = 0; n < rows[i].closes; n++)
			take(l, "{\"flow\":\"f-1\"," SESSION "\"flow.close\",\"wire_down\":50,\"wire_up\":100}", 1);
		if (rows[i].more)
			take(l, rows[i].more, 1);
		take_kernel(l, &rows[i].kernel, 5);
		struct ledger_entry *e = ledger_find(l, span_str("s-a"));
		CHECK(e != NULL);
		if (e) {
			enum ledger_result r = ledger_compare(e, why);
			if (r != rows[i].result || !strstr(why, rows[i].why))
				printf("row %zu: %s\n", i, why);
			CHECK_INT(r, rows[i].result);
			CHECK(strstr(why, rows[i].why) != NULL);
		}
		bool is_due = rows[i].result == LEDGER_MATCH || (e && e->excuse);
		CHECK_INT(ledger_due(l, 6) != NULL, is_due);
		CHECK(ledger_due(l, 5 + LEDGER_WAIT_NS) == e);
		ledger_free(l);
	}
}

/* Told once: after the journal has it; again where it failed. */
static void test_told(void)
{
	struct ledger *l;
	CHECK_INT(ledger_new(&l), 0);
	take(l, "{\"cgroup_id\":77," SESSION "\"session.start\"}", 1);
	CHECK(!ledger_due(l, 100));
	take_kernel(l, &(struct ledger_kernel){0}, 5);
	struct ledger_entry *e = ledger_due(l, 6);
	CHECK(e != NULL);
	if (e)
		e->is_told = true;
	CHECK(!ledger_due(l, 6));
	ledger_settle(l, false);
	CHECK(ledger_due(l, 6) == e);
	if (e)
		e->is_told = true;
	ledger_settle(l, true);
	CHECK(!ledger_due(l, 6) && !ledger_find(l, span_str("s-a")));
	/* of another run: nothing is said against it */
	take_kernel(l, &(struct ledger_kernel){.opened = 9, .closed = 9, .used = 9}, 5);
	e = ledger_due(l, 6);
	CHECK(e && e->excuse);
	ledger_free(l);
}

static struct rig rig;
static struct buf event;

static void put(int ring)
{
	uint64_t ticket;
	CHECK_INT(rig_put(&rig, ring, &event, &ticket), 0);
	CHECK(rig_wait(&rig, ring, ticket));
	buf_reset(&event);
}

static void session(const char *id, uint64_t up, uint64_t kernel_up)
{
	struct who who = rig_who;
	who.session = id;
	struct event_ctx c = rig_ctx(&who);
	event_session_start(&event, &c, "run", "/sluice/x", 4711, NULL, 0, NULL, 0, "sha");
	put(0);
	event_flow_open(&event, &c, "postgres", NULL, NULL, NULL);
	put(1);
	event_flow_close(&event, &c, "closed", &(struct flow_figures){.wire_up = up});
	put(1);
	event_session_kernel(&event, &c,
			     &(struct kernel_figures){.opened = 1, .closed = 1, .used = 1, .up_min = kernel_up,
						      .up_max = kernel_up + 1});
	put(RIG_RINGS - 1);
}

static char *reconciled(const char *id)
{
	for (int i = 0; i < 400; i++) {
		char *text = rig_ask(&rig, json_pack("{s:s,s:s,s:s}", "t", "query", "kind", "events", "session", id));
		char *at = text ? strstr(text, "session.reconciled") : NULL;
		if (at)
			return text;
		free(text);
		usleep(50000);
	}
	return NULL;
}

static void test_recorder(void)
{
	char store[512];
	int err;
	rig_init(&rig, NULL, 0);
	CHECK(rig_says(&rig, 0));
	session("s-good", 500, 500);
	char *text = reconciled("s-good");
	CHECK(text && strstr(text, "\"outcome\":\"match\""));
	free(text);
	snprintf(store, sizeof(store), "%s/store", rig.cfg.state_dir);
	session("s-less", 500, 501);
	text = reconciled("s-less");
	CHECK(text && strstr(text, "\"outcome\":\"mismatch\""));
	CHECK(text && strstr(text, "bytes from the workload: the kernel counted 501, the record has 500"));
	free(text);
	CHECK_INT(rig_stop(&rig), 0);
	struct verify_result v = rig_verify(store, &err);
	CHECK_INT(err, 0);
	CHECK(v.is_bad);
	CHECK(strstr(v.why, "session s-less is not complete: bytes from the workload") != NULL);
	CHECK_INT(v.last, 10); /* the chain was checked to its end */
	rig_done(&rig);
}

int main(void)
{
	buf_init(&event, 2 * RING_EVENT_MAX);
	test_rows();
	test_told();
	test_recorder();
	buf_done(&event);
	return tap_done();
}
