#include <stdio.h>

#include "base/log.h"
#include "base/macro.h"
#include "control/api_internal.h"

void api_enrol(struct call *k)
{
	enrol_start(k->conn, k->body ? TAKE(k->body) : json_object());
}

/* Live, or of those that ended lately. */
static struct session *known(struct call *k)
{
	struct session *s = session_by_id(&k->c->sessions, k->id);
	if (!s)
		conn_fail(k->conn, 404, "sluice status lists them", "there is no live session %s", k->id);
	return s;
}

void api_session(struct call *k)
{
	summary_start(k->conn, session_by_id(&k->c->sessions, k->id), k->id);
}

void api_renew(struct call *k)
{
	struct session *s = known(k);
	if (s)
		renew_start(k->conn, s, k->body ? TAKE(k->body) : json_object());
}

void api_revoke(struct call *k)
{
	struct session *s = known(k);
	const char *reason = json_string_value(json_object_get(k->body, "reason"));
	char text[1024], actor[ACTOR_MAX];
	if (!s)
		return;
	if (s->state == SESSION_ENDED) {
		conn_fail(k->conn, 409, NULL, "the session ended");
		return;
	}
	snprintf(text, sizeof(text), "%.200s (%s)", reason && *reason ? reason : "no reason given",
		 call_actor(k, actor));
	session_revoke(k->c, s, text);
	conn_answer(k->conn, 200, session_json(s));
}

void api_end(struct call *k)
{
	struct session *s = known(k);
	const json_t *code = json_object_get(k->body, "exit_code");
	if (!s)
		return;
	if (s->state != SESSION_ENDED)
		session_end(k->c, s, "the command ended",
			    json_is_integer(code) ? (int)(json_integer_value(code) & 255) : -1);
	conn_answer(k->conn, 200, session_json(s));
}

/* A live one, and why: both must be there. */
static struct session *live_with_reason(struct call *k, char *text, size_t size)
{
	struct session *s = known(k);
	const char *reason = json_string_value(json_object_get(k->body, "reason"));
	char actor[ACTOR_MAX];
	if (s && s->state == SESSION_ENDED) {
		conn_fail(k->conn, 409, NULL, "the session ended");
		return NULL;
	}
	if (s && (!reason || !*reason)) {
		conn_fail(k->conn, 400, "--reason TEXT", "there is no reason given for the record");
		return NULL;
	}
	if (s)
		snprintf(text, size, "%.200s (%s)", reason, call_actor(k, actor));
	return s;
}

void api_thaw(struct call *k)
{
	char text[1024], why[200] = "";
	struct session *s = live_with_reason(k, text, sizeof(text));
	if (!s)
		return;
	if (session_contain(k->c, s, "thaw", text, why, sizeof(why)) < 0) {
		conn_fail(k->conn, 503, NULL, "%s", why);
		return;
	}
	s->bypass_done = 0;
	conn_answer(k->conn, 200, session_json(s));
}

/* The one deliberate way out. */
void api_release(struct call *k)
{
	char text[1024], why[200] = "";
	struct session *s = live_with_reason(k, text, sizeof(text));
	if (!s)
		return;
	log_warn("session %s is RELEASED, its processes are not contained any more: %s", s->id, text);
	if (session_contain(k->c, s, "release", text, why, sizeof(why)) < 0) {
		conn_fail(k->conn, 503, "it stays contained", "%s", why);
		return;
	}
	session_end(k->c, s, "released", -1);
	conn_answer(k->conn, 200, session_json(s));
}
