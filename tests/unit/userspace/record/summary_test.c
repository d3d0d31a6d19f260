/* What a list of sessions says of each, after all that can happen in one; also over two groups. */
#include "../../tap.h"
#include "rig_talk.h"

static struct rig rig;
static struct buf event;

static void put(int ring)
{
	uint64_t ticket;
	CHECK_INT(rig_put(&rig, ring, &event, &ticket), 0);
	CHECK(rig_wait(&rig, ring, ticket)); /* a group of its own */
	buf_reset(&event);
}

static void refused(const struct event_ctx *c, const char *name, uint64_t count)
{
	struct process_label p = {.pid = 7, .uid = 1000, .comm = "curl"};
	event_refused(&event, c, "tcp", NULL, name, &p, "not declared", count);
	put(1);
}

static void happens(void)
{
	static const char *const command[] = {"python", "crew.py"}, *const groups[] = {"g"};
	struct event_ctx c = rig_ctx(&rig_who);
	event_session_start(&event, &c, "run", "/sluice/s-7f2", 4711, groups, 1, command, 2, "sha");
	put(0);
	event_flow_open(&event, &c, "postgres", NULL, NULL, NULL);
	put(1);
	for (uint64_t i = 1; i <= 6; i++) {
		rig_op(&event, &rig_who, i, "SELECT 1", i <= 2 ? EFFECT_DENY : i == 3 ? EFFECT_ASK : EFFECT_ALLOW);
		put(1);
	}
	refused(&c, "telemetry.example.com", 2);
	refused(&c, "telemetry.example.com", 1);
	refused(&c, "other.example.com", 1);
	event_masked(&event, &c, "viewer-read", 2, 40);
	put(1);
	event_masked(&event, &c, "other", 1, 0);
	put(1);
	event_masked(&event, &c, "viewer-read", 1, 5);
	put(1);
	event_masked(&event, &c, NULL, 7, 9);
	put(1);
	event_session_end(&event, &c, "session.end", "the command ended", 3);
	put(0);
}

static char *sessions(void)
{
	return rig_ask(&rig, json_pack("{s:s,s:s}", "t", "query", "kind", "sessions"));
}

static long long number(const json_t *s, const char *key)
{
	return (long long)json_integer_value(json_object_get(s, key));
}

int main(void)
{
	buf_init(&event, 2 * RING_EVENT_MAX);
	rig_init(&rig, NULL, 0);
	CHECK(rig_says(&rig, 0));
	happens();
	char *text = sessions();
	CHECK_INT(rig_lines(text), 1);
	json_t *s = json_loads(text ? text : "{}", JSON_DISABLE_EOF_CHECK, NULL);
	CHECK_STR(json_string_value(json_object_get(s, "session")), rig_who.session);
	CHECK_STR(json_string_value(json_object_get(s, "identity")), rig_who.subject);
	CHECK_STR(json_string_value(json_object_get(s, "owner")), rig_who.owner);
	CHECK_STR(json_string_value(json_object_get(s, "how")), "run");
	CHECK_STR(json_string_value(json_object_get(s, "reason")), "the command ended");
	CHECK_INT(number(s, "exit_code"), 3);
	CHECK_INT(number(s, "flows"), 1);
	CHECK_INT(number(s, "ops"), 6);
	CHECK_INT(number(s, "denied"), 2);
	CHECK_INT(number(s, "asked"), 1);
	CHECK_INT(number(s, "refused_total"), 4);
	CHECK_INT(number(s, "first"), 1);
	CHECK_INT(number(s, "last"), 16);
	CHECK(number(s, "end") >= number(s, "start") && number(s, "start") > 0);
	const json_t *names = json_object_get(s, "refused");
	CHECK_INT(json_array_size(names), 2);
	CHECK_INT(number(json_array_get(names, 0), "count"), 3);
	CHECK_STR(json_string_value(json_object_get(json_array_get(names, 0), "name")), "telemetry.example.com");
	json_decref(s);
	free(text);

	CHECK_INT(rig_stop(&rig), 0);
	rig_start(&rig); /* what was kept in memory is read from the store */
	CHECK(rig_says(&rig, 0));
	struct event_ctx c = rig_ctx(&rig_who);
	refused(&c, "other.example.com", 5);
	text = sessions();
	CHECK(text && strstr(text, "\"refused_total\":9,"));
	CHECK(text && strstr(text, "\"ops\":6,"));
	CHECK(text && strstr(text, "\"masks\":[{\"count\":3,\"rule\":\"viewer-read\",\"values\":45},"
				   "{\"count\":1,\"rule\":\"other\",\"values\":0},{\"count\":7,\"values\":9}]"));
	free(text);
	CHECK_INT(rig_stop(&rig), 0);
	rig_done(&rig);
	buf_done(&event);
	return tap_done();
}
