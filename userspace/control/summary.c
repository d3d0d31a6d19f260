/* What one session did, from the recorder's summary of it: for the line after a run, and its page.
 */
#include <errno.h>

#include "base/macro.h"
#include "control/control_internal.h"

struct summary {
	json_t *answer;
	bool is_recorded;
};

static void summary_free(void *ctx)
{
	struct summary *s = ctx;
	json_decref(s->answer);
	free(s);
}

static const char *text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));
	return s ? s : "";
}

/* "1.2.3.4:443", "[::1]:443" -> host and port. */
static json_t *refusal_json(const json_t *e)
{
	const char *dst = text_of(e, "dst"), *colon = strrchr(dst, ':');
	size_t len = colon ? (size_t)(colon - dst) : strlen(dst);
	bool is_v6 = *dst == '[' && len > 2;
	const char *proto = text_of(e, "protocol"),
		   *name = json_string_value(json_object_get(e, "name"));
	return json_pack("{s:s#,s:i,s:s,s:s*,s:s,s:I}", "host", dst + is_v6, (int)len - 2 * is_v6,
			 "port", colon ? atoi(colon + 1) : 0, "proto", proto, "name", name,
			 "reason", text_of(e, "reason"), "count",
			 json_integer_value(json_object_get(e, "count")));
}

static json_t *refusals_json(const json_t *list)
{
	json_t *out = json_array(), *e;
	size_t i;
	json_array_foreach(list, i, e) json_array_append_new(out, refusal_json(e));
	return out;
}

static json_t *rules_json(const json_t *list)
{
	json_t *out = json_object(), *e;
	size_t i;
	json_array_foreach(list, i, e)
	    json_object_set(out, text_of(e, "rule"), json_object_get(e, "count"));
	return out;
}

/* The recorder's word -> ours; what control knows better stays. */
static void take_known(json_t *answer, const json_t *row)
{
	static const struct {
		const char *from, *to;
		bool is_final;
	} keys[] = {
	    {"identity", "subject", false},
	    {"owner", "owner", false},
	    {"role", "role", false},
	    {"issuer", "issuer", false},
	    {"how", "how", false},
	    {"command", "command", false},
	    {"reason", "end_reason", true},
	    {"exit_code", "exit_code", true},
	    {"ops", "ops", true},
	    {"denied", "denied", true},
	    {"asked", "asked", true},
	    {"masked", "masked", true},
	    {"observed", "observed", true},
	    {"flows", "flows", true},
	    {"refused_total", "refusals", true},
	};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		json_t *v = json_object_get(row, keys[i].from);
		if (v && (keys[i].is_final || !json_object_get(answer, keys[i].to)))
			json_object_set(answer, keys[i].to, v);
	}
}

static void summary_line(void *ctx, struct span line)
{
	struct summary *s = ctx;
	json_t *row = json_loadb((const char *)line.p, line.len, 0, NULL);
	if (row && !json_object_get(row, "error")) {
		s->is_recorded = true;
		take_known(s->answer, row);
		json_object_set_new(s->answer, "refused",
				    refusals_json(json_object_get(row, "refused")));
		json_object_set_new(s->answer, "denied_rules",
				    rules_json(json_object_get(row, "rules")));
	}
	json_decref(row);
}

static void summary_answer(void *ctx, struct conn *conn)
{
	struct summary *s = ctx;
	if (!json_object_get(s->answer, "state") && !s->is_recorded) {
		conn_fail(conn, 404, "sluice sessions lists them", "there is no such session");
		return;
	}
	conn_answer(conn, 200, json_incref(s->answer));
}

/* A session of which nothing is on record yet has done nothing. */
static void put_nothing(json_t *answer)
{
	static const char *const counts[] = {"ops",	 "denied", "asked",   "masked",
					     "observed", "flows",  "refusals"};
	for (size_t i = 0; i < ARRAY_LEN(counts); i++)
		json_object_set_new(answer, counts[i], json_integer(0));
	json_object_set_new(answer, "refused", json_array());
	json_object_set_new(answer, "denied_rules", json_object());
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
	put_nothing(sum->answer);
	relay_collect(conn,
		      json_pack("{s:s,s:s,s:s}", "t", "query", "kind", "sessions", "session", id),
		      &sink, sum);
}
