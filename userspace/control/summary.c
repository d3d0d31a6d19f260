/* What one session did, summed up from its events: for the line after a run, and its page. */
#include <errno.h>

#include "base/macro.h"
#include "control/control_internal.h"

#define REFUSALS_SHOWN 64

/* What one session did, for the line after a run. */
struct summary {
	json_t *answer, *rules, *refused;
	json_int_t ops, denied, asked, masked, observed, flows, refusals;
};

static void summary_free(void *ctx)
{
	struct summary *s = ctx;
	json_decref(s->answer);
	json_decref(s->rules);
	json_decref(s->refused);
	free(s);
}

static const char *text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));
	return s ? s : "";
}

static void count_rule(json_t *rules, const char *rule)
{
	json_int_t n = json_integer_value(json_object_get(rules, rule));
	json_object_set_new(rules, rule, json_integer(n + 1));
}

static void add_op(struct summary *s, const json_t *e)
{
	static const char *const names[] = {"deny", "ask", "mask"};
	json_int_t *const counts[] = {&s->denied, &s->asked, &s->masked};
	const char *decision = text_of(e, "decision");
	s->ops++;
	s->observed += json_is_true(json_object_get(e, "observed"));
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		*counts[i] += !strcmp(decision, names[i]);
	if (!strcmp(decision, "deny") || !strcmp(decision, "ask"))
		count_rule(s->rules, text_of(e, "rule"));
}

/* "1.2.3.4:443", "[::1]:443" -> host and port. */
static json_t *refusal_json(const json_t *e, json_int_t count)
{
	const char *dst = text_of(e, "dst"), *colon = strrchr(dst, ':');
	size_t len = colon ? (size_t)(colon - dst) : strlen(dst);
	bool is_v6 = *dst == '[' && len > 2;
	const char *proto = text_of(e, "protocol"),
		   *name = json_string_value(json_object_get(e, "name"));
	return json_pack("{s:s#,s:i,s:s,s:s*,s:s,s:I}", "host", dst + is_v6, (int)len - 2 * is_v6,
			 "port", colon ? atoi(colon + 1) : 0, "proto", proto, "name", name,
			 "reason", text_of(e, "reason"), "count", count);
}

static bool is_same(const json_t *a, const json_t *b)
{
	static const char *const keys[] = {"host", "port", "proto", "name"};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const json_t *x = json_object_get(a, keys[i]), *y = json_object_get(b, keys[i]);
		if (x != y && !json_equal(x, y))
			return false;
	}
	return true;
}

static void add_refusal(struct summary *s, const json_t *e)
{
	json_int_t count = MAX(json_integer_value(json_object_get(e, "count")), 1);
	json_t *r = refusal_json(e, count), *old;
	size_t i;
	s->refusals += count;
	json_array_foreach(s->refused, i, old)
	{
		if (!is_same(old, r))
			continue;
		count += json_integer_value(json_object_get(old, "count"));
		json_object_set_new(old, "count", json_integer(count));
		json_decref(r);
		return;
	}
	if (!r || json_array_size(s->refused) >= REFUSALS_SHOWN)
		json_decref(r);
	else
		json_array_append_new(s->refused, r);
}

static void add_end(struct summary *s, const json_t *e)
{
	json_object_set(s->answer, "end_reason", json_object_get(e, "reason"));
	json_object_set(s->answer, "exit_code", json_object_get(e, "exit_code"));
}

static void add_start(struct summary *s, const json_t *e)
{
	static const char *const keys[] = {"subject", "owner",	"role",	  "issuer",
					   "how",     "cgroup", "command"};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (!json_object_get(s->answer, keys[i]) && json_object_get(e, keys[i]))
			json_object_set(s->answer, keys[i], json_object_get(e, keys[i]));
	json_object_set(s->answer, "is_recorded", json_true());
}

static void add_flow(struct summary *s, const json_t *e)
{
	(void)e;
	s->flows++;
}

static void summary_line(void *ctx, struct span line)
{
	struct summary *s = ctx;
	static const struct {
		const char *type;
		void (*add)(struct summary *s, const json_t *e);
	} types[] = {{"op", add_op},
		     {"flow.open", add_flow},
		     {"connect.refused", add_refusal},
		     {"bypass.attempt", add_refusal},
		     {"session.start", add_start},
		     {"session.end", add_end}};
	json_t *e = json_loadb((const char *)line.p, line.len, 0, NULL);
	const char *type = text_of(e, "type");
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (!strcmp(types[i].type, type))
			types[i].add(s, e);
	json_decref(e);
}

static void summary_answer(void *ctx, struct conn *conn)
{
	struct summary *s = ctx;
	json_t *a = s->answer;
	if (!json_object_get(a, "state") && !json_object_get(a, "is_recorded")) {
		conn_fail(conn, 404, "sluice sessions lists them", "there is no such session");
		return;
	}
	json_object_del(a, "is_recorded");
	json_t *counts = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:O,s:O}", "ops", s->ops, "denied",
				   s->denied, "asked", s->asked, "masked", s->masked, "observed",
				   s->observed, "flows", s->flows, "refusals", s->refusals,
				   "denied_rules", s->rules, "refused", s->refused);
	json_object_update(a, counts);
	json_decref(counts);
	conn_answer(conn, 200, json_incref(a));
}

void summary_start(struct conn *conn, struct session *s, const char *id)
{
	static const struct relay_sink sink = {summary_line, summary_answer, summary_free,
					       .is_permitted = true};
	struct summary *sum = calloc(1, sizeof(*sum));
	if (!sum) {
		conn_fail(conn, 503, NULL, "out of memory");
		return;
	}
	sum->answer = s ? session_json(s) : json_pack("{s:s}", "session", id);
	sum->rules = json_object();
	sum->refused = json_array();
	relay_collect(conn,
		      json_pack("{s:s,s:s,s:s}", "t", "query", "kind", "events", "session", id),
		      &sink, sum);
}
