/* Every builder's event is one that the recorder takes, whatever it is given. */
#include <stdlib.h>

#include "../../tap.h"
#include "base/macro.h"
#include "record/event_internal.h"
#include "record/ring.h"
#include "record/scan.h"

static const struct who who = {.session = "s-1",
			       .issuer = "https://i",
			       .subject = "crew-7",
			       .owner = "pat",
			       .role = "viewer",
			       .expires = 99};
static const struct event_ctx ctx = {
    .node = "n1", .who = &who, .flow = "f-1", .resource = "shop", .time_ns = 12};
static struct buf out;

static bool is_event(void)
{
	struct scan s;
	return buf_err(&out) == 0 && buf_len(&out) <= RING_EVENT_MAX &&
	       scan_event(buf_span(&out), false, &s) == 0 && scan_get(&s, "session").len &&
	       scan_get(&s, "time").len && scan_get(&s, "node").len && scan_get(&s, "owner").len &&
	       scan_plain(&s, "type").len;
}

static const char *text(void)
{
	buf_add_u8(&out, 0);
	return buf_err(&out) ? "" : (const char *)buf_span(&out).p;
}

static void builds_each_type(void)
{
	static const char *const list[] = {"a", "b\xff", "c\n"};
	struct addr dst = {.port = 443};
	struct process_label p = {1, 2, "py\xff", "/bin/py"};
	struct event_ctx own = {.node = "n1", .time_ns = 12};
	buf_reset(&out);
	event_node(&out, &own, "node.start", "0.1", span_str("[\"lsm\"]"));
	CHECK(is_event());
	CHECK_STR(text(), "{\"gaps\":[\"lsm\"],\"node\":\"n1\",\"owner\":\"\",\"session\":\"\","
			  "\"time\":12,\"type\":\"node.start\",\"version\":\"0.1\"}");
	buf_reset(&out);
	event_node(&out, &own, "node.stop", "0.1", (struct span){0});
	CHECK(is_event());
	buf_reset(&out);
	event_session_start(&out, &ctx, "run", "/c\xff", 7, list, 1, list, 3, "hash");
	CHECK(is_event());
	CHECK(strstr(text(),
		     "\"cgroup_b64\":\"L2P/"
		     "\",\"cgroup_id\":7,\"command\":[\"a\",{\"arg_b64\":\"Yv8=\"},\"c\\n\"]"));
	buf_reset(&out);
	event_session_renew(&out, &ctx);
	CHECK(is_event());
	buf_reset(&out);
	event_session_end(&out, &ctx, "session.end", "done", 3);
	CHECK(is_event());
	CHECK_STR(text(), "{\"exit_code\":3,\"flow\":\"f-1\",\"identity\":\"crew-7\",\"node\":"
			  "\"n1\",\"owner\":\"pat\",\"reason\":\"done\","
			  "\"resource\":\"shop\",\"role\":\"viewer\",\"session\":\"s-1\",\"time\":"
			  "12,\"type\":\"session.end\"}");
	buf_reset(&out);
	event_session_end(&out, &ctx, "session.revoke", "why", -1);
	CHECK(is_event());
	CHECK(!strstr(text(), "exit_code"));
	buf_reset(&out);
	event_policy(&out, &own, "h", "f:1:2: \xff");
	CHECK(is_event());
	buf_reset(&out);
	event_policy(&out, &own, "h", NULL);
	CHECK(is_event());
	buf_reset(&out);
	event_flow_open(&out, &ctx, "postgres", &dst, "db", &p);
	CHECK(is_event());
	CHECK(strstr(text(), "\"comm_b64\":\"cHn/\""));
	buf_reset(&out);
	event_flow_close(&out, &ctx, "closed",
			 &(struct flow_figures){.bytes_up = 1, .bytes_down = UINT64_MAX, .duration_ns = 3});
	CHECK(is_event());
	buf_reset(&out);
	event_refused(&out, &ctx, "tcp", &dst, NULL, &p, "not declared", 3);
	CHECK(is_event());
	buf_reset(&out);
	event_refused(&out, &own, "family 17", NULL, NULL, NULL, "family", 1);
	CHECK(is_event());
	buf_reset(&out);
	event_record(&out, &own, "record.garbage", "proxy", "bad", 1, 2);
	CHECK(is_event());
}

static void op_is_whole(void)
{
	struct need needs[] = {
	    {.kind = NEED_RELATION, .verb = VERB_SELECT, .schema = "public", .name = "t"},
	    {.kind = NEED_PLAIN, .verb = VERB_SHOW, .is_implied = true},
	};
	struct span params[] = {
	    span_str("x"), {NULL, 0}, span_of("\x00\x01", 2), span_of("\xff", 1), span_str("")};
	uint16_t formats[] = {0, 0, 1, 0, 1};
	struct op op = {.id = 4,
			.protocol = "postgres",
			.class = CLASS_READ,
			.tag = "SELECT",
			.text = span_str("SELECT 'a\n'"),
			.params = params,
			.param_formats = formats,
			.n_params = 5,
			.needs = needs,
			.n_needs = 2,
			.is_write = true};
	struct decision d = {
	    .effect = EFFECT_DENY, .rule = "default", .reason = "no", .is_observed = true};
	buf_reset(&out);
	event_op(&out, &ctx, &op, &d, 1000);
	CHECK(is_event());
	CHECK_STR(text(), "{\"class\":\"read\",\"decision\":\"deny\",\"flow\":\"f-1\",\"id\":4,"
			  "\"identity\":\"crew-7\","
			  "\"needs\":[{\"kind\":\"relation\",\"name\":\"t\",\"schema\":\"public\","
			  "\"verb\":\"select\"}],\"node\":\"n1\","
			  "\"observed\":true,\"owner\":\"pat\",\"params\":[\"x\",null,{\"b64\":"
			  "\"AAE=\"},{\"b64\":\"/w==\"},{\"b64\":\"\"}],"
			  "\"protocol\":\"postgres\",\"reason\":\"no\",\"resource\":\"shop\","
			  "\"role\":\"viewer\",\"rule\":\"default\","
			  "\"session\":\"s-1\",\"tag\":\"SELECT\",\"text\":\"SELECT "
			  "'a\\n'\",\"time\":12,\"type\":\"op\",\"write\":true}");
}

static void op_cuts_and_says_so(void)
{
	struct span params[] = {span_str("abcdefghij")};
	struct op op = {.id = 1,
			.protocol = "postgres",
			.text = span_str("SELECT \xe2\x82\xac\xe2\x82\xac"),
			.params = params,
			.n_params = 1};
	struct decision d = {.rule = "r"};
	buf_reset(&out);
	event_op(&out, &ctx, &op, &d, 8); /* inside the first euro sign */
	CHECK(is_event());
	CHECK(strstr(text(), "\"text\":\"SELECT \",\"text_len\":13,\"text_sha256\":\""));
	CHECK(strstr((char *)buf_span(&out).p, "\"params\":[{\"len\":10,\"sha256\":"
					       "\"72399361da6a7754fec986dca5b7cbaf1c810a28ded4abaf5"
					       "6b2106d06cb78b0\",\"text\":\"abcdefgh\"}]"));
	op.text = span_of("a\xff", 2);
	buf_reset(&out);
	event_op(&out, &ctx, &op, &d, 1000);
	CHECK(is_event());
	CHECK(strstr(text(), "\"text_b64\":\"Yf8=\""));
}

/* Of any size and content, the event fits into a ring. */
static void op_is_bounded(void)
{
	static char big[400000];
	static struct span params[70000];
	static struct need needs[5000];
	static const uint8_t fills[] = {'x', 1, 0xff, '"', 0xc3};
	struct op op = {.id = 1,
			.protocol = "postgres",
			.tag = "X",
			.params = params,
			.needs = needs,
			.n_needs = 5000};
	struct decision d = {.rule = "r"};
	for (size_t f = 0; f < sizeof(fills); f++) {
		memset(big, fills[f], sizeof(big));
		op.text = span_of(big, sizeof(big));
		op.n_params = f % 2 ? 3 : 70000;
		for (int i = 0; i < op.n_params; i++)
			params[i] = span_of(big, f % 2 ? 200000 : 3);
		for (int i = 0; i < 5000; i++)
			needs[i] = (struct need){
			    .kind = NEED_OPAQUE, .name = "n\xff", .schema = "s", .why = "because"};
		memset(d.reason, f == 2 ? 'x' : fills[f] == 1 ? 1 : 'y', sizeof(d.reason) - 1);
		buf_reset(&out);
		event_op(&out, &ctx, &op, &d, 1 << 20);
		CHECK(is_event());
		if (f % 2 == 0)
			CHECK(strstr(text(), "\"params_total\":70000"));
	}
}

static void op_end_is_bounded(void)
{
	static char rows[300000];
	struct op_result r = {.rows = 3,
			      .duration_ns = 5,
			      .tag = "SELECT 3",
			      .sqlstate = "22012",
			      .error = "div\xff"};
	uint8_t hash[32] = {0xab};
	memset(rows, 'x', sizeof(rows));
	memcpy(rows, "[[\"", 3);
	memcpy(rows + sizeof(rows) - 3, "\"]]", 3);
	buf_reset(&out);
	event_op_end(&out, &ctx, 9, &r, span_str("[\"a\"]"), span_str("[[\"1\"],[null]]"), hash,
		     false);
	CHECK(is_event());
	CHECK(strstr(text(), "\"columns\":[\"a\"],\"duration_ns\":5,\"error_b64\":\"ZGl2/w==\""));
	CHECK(strstr((char *)buf_span(&out).p,
		     "\"result\":[[\"1\"],[null]],\"result_json_sha256\":\"ab00"));
	buf_reset(&out);
	event_op_end(&out, &ctx, 9, &r, span_str("[\"a\"]"), (struct span){0}, hash, false);
	CHECK(is_event());
	CHECK(strstr(text(), "\"result_sha256\":\"ab00") && !strstr(text(), "\"cut\""));
	buf_reset(&out);
	event_op_end(&out, &ctx, 9, &r, span_of(rows, sizeof(rows)), span_of(rows, sizeof(rows)),
		     NULL, false);
	CHECK(is_event());
	CHECK(strstr(text(), "\"cut\":true"));
	CHECK(strstr((char *)buf_span(&out).p, "\"result_json_sha256\":\""));
}

static void cuts_text_between_characters(void)
{
	static const struct {
		const char *text;
		size_t limit, len;
	} rows[] = {
	    {"abc", 3, 3},
	    {"abc", 2, 2},
	    {"a\n\n", 3, 2},
	    {"\x01\x01", 7, 1},
	    {"\xe2\x82\xac", 2, 0},
	    {"a\xe2\x82\xac", 3, 1},
	    {"a\xe2\x82\xac"
	     "b",
	     4, 4},
	    {"\xff\xff\xff\xff", 4, 3},
	    {"", 0, 0},
	    {"a", 0, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_INT(text_cut(span_str(rows[i].text), rows[i].limit).len, rows[i].len);
}

int main(void)
{
	buf_init(&out, 2 * RING_EVENT_MAX);
	builds_each_type();
	op_is_whole();
	op_cuts_and_says_so();
	op_is_bounded();
	op_end_is_bounded();
	cuts_text_between_characters();
	buf_done(&out);
	return tap_done();
}
