#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "base/macro.h"
#include "control/control_internal.h"

int monitor_call(struct control *c, json_t *request, int fd, struct msg *ret_answer, char *ret_why,
		 size_t why_size)
{
	int r = request ? msg_call(c->env->call_fd, request, &fd, fd >= 0, ret_answer) : -ENOMEM;
	json_decref(request);
	if (r == ERR_LIMIT || r == -ENOMEM) {
		snprintf(ret_why, why_size, "the request is too large");
		return r;
	}
	if (r < 0) {
		/* Without the monitor there is nothing that this process may still do. */
		log_error("the monitor does not answer: %s", err_text(r));
		loop_stop(c->loop);
		snprintf(ret_why, why_size, "the monitor does not answer");
		return r;
	}
	if (json_is_true(json_object_get(ret_answer->json, "ok")))
		return 0;
	const char *why = json_string_value(json_object_get(ret_answer->json, "why"));
	const char *err = json_string_value(json_object_get(ret_answer->json, "err"));
	snprintf(ret_why, why_size, "%s", why ? why : "refused");
	/* The caller may want what came with the refusal: the answer stays. */
	return err && !strcmp(err, err_name(ERR_STATE))	      ? ERR_STATE
	       : err && !strcmp(err, err_name(ERR_NOT_FOUND)) ? ERR_NOT_FOUND
							      : ERR_DENIED;
}

int monitor_open(struct control *c, json_t *request, int *ret_fd, char *ret_why, size_t why_size)
{
	struct msg answer = {0};
	int r = monitor_call(c, request, -1, &answer, ret_why, why_size);
	if (r == 0) {
		int fd = msg_take_fd(&answer, 0);
		r = fd < 0 ? ERR_MALFORMED : 0;
		if (r == 0)
			*ret_fd = fd;
	}
	msg_done(&answer);
	return r;
}

int monitor_is_managed(struct control *c, int pid)
{
	struct msg answer = {0};
	char why[200];
	int r = monitor_call(c, json_pack("{s:s,s:i}", "t", "managed", "pid", pid), -1, &answer, why,
			     sizeof(why));
	const json_t *v = r == 0 ? json_object_get(answer.json, "managed") : NULL;
	if (r == 0)
		r = json_is_boolean(v) ? json_is_true(v) : ERR_MALFORMED;
	msg_done(&answer);
	return r;
}

int monitor_workload_of(struct control *c, int pid, uint64_t *ret_cgroup_id)
{
	struct msg answer = {0};
	char why[200];
	int r = monitor_call(c, json_pack("{s:s,s:i}", "t", "managed", "pid", pid), -1, &answer, why,
			     sizeof(why));
	const json_t *id = r == 0 ? json_object_get(answer.json, "cgroup_id") : NULL;
	if (r == 0)
		r = json_is_integer(id) ? 0 : ERR_NOT_FOUND;
	if (r == 0)
		*ret_cgroup_id = (uint64_t)json_integer_value(id);
	msg_done(&answer);
	return r;
}
