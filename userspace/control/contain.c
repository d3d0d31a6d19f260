/* Freezing, killing and releasing live workloads. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/macro.h"
#include "control/control_internal.h"

/* The event first: what is not on record is not done. */
int session_contain(struct control *c, struct session *s, const char *action, const char *reason,
		    char *ret_why, size_t why_size)
{
	struct msg answer = {0};
	char type[32];
	snprintf(type, sizeof(type), "session.%s", action);
	int r = record_session(c, s, type, reason, -1);
	if (r < 0) {
		snprintf(ret_why, why_size, "it cannot be recorded: %s", err_text(r));
		return r;
	}
	json_t *q = json_pack("{s:s,s:I,s:s}", "t", "contain", "cgroup_id",
			      (json_int_t)s->cgroup_id, "action", action);
	r = monitor_call(c, q, -1, &answer, ret_why, why_size);
	msg_done(&answer);
	return r;
}

void contain_on_bypass(struct control *c, struct session *s, const char *vector)
{
	static const char *const actions[] = {[BYPASS_FREEZE] = "freeze", [BYPASS_KILL] = "kill"};
	char reason[100], why[200];
	if (!s || s->state == SESSION_ENDED || !c->policy.plan)
		return;
	enum bypass_action action = plan_on_bypass(c->policy.plan, vector);
	if (action == BYPASS_RECORD || s->bypass_done >= (int)action)
		return;
	s->bypass_done = action;
	snprintf(reason, sizeof(reason), "policy: it tried a way around the gateway: %s", vector);
	log_warn("session %s: %s: %s", s->id, actions[action], reason);
	if (session_contain(c, s, actions[action], reason, why, sizeof(why)) < 0)
		log_error("session %s: cannot %s it: %s", s->id, actions[action], why);
}
