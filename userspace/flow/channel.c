#include "flow/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/macro.h"
#include "base/msg.h"
#include "flow/asks.h"
#include "flow/explain.h"
#include "flow/grants.h"
#include "flow/listener.h"
#include "flow/mask_keys.h"
#include "flow/proxy.h"
#include "flow/registry.h"
#include "flow/status.h"
#include "policy/policy.h"

#define GROUPS_MAX 256
#define GRANTS_MAX (16 * 1024 * 1024)

struct message {
	const char *type;
	int (*on)(struct proxy *p, struct msg *m);
};

static const char *text_of(const struct msg *m, const char *key)
{
	const char *s = json_string_value(json_object_get(m->json, key));
	return s ? s : "";
}

static int answer(struct proxy *p, json_t *j, const int *fds, int n_fds)
{
	int err = j ? msg_send(p->control.fd, j, fds, n_fds) : -ENOMEM;
	json_decref(j);
	return err;
}

static json_t *errors_json(const struct policy_errors *e)
{
	json_t *all = json_array();
	for (int i = 0; i < e->n; i++)
		json_array_append_new(all,
				      json_pack("{s:i, s:i, s:s}", "line", e->at[i].line, "column",
						e->at[i].column, "text", e->at[i].text));
	return all;
}

static int on_policy(struct proxy *p, struct msg *m)
{
	_cleanup_(freep) char *text = NULL;
	size_t len = 0;
	struct plan *plan = NULL;
	struct policy_errors *errors = calloc(1, sizeof(*errors));
	if (!errors)
		return -ENOMEM;
	int err = m->n_fds == 1 ? memfd_read(m->fds[0], POLICY_MAX, &text, &len) : ERR_MALFORMED;
	if (!err)
		err = plan_compile(span_of(text, len), &plan, errors);
	if (!err) {
		mask_keys_load(p, plan);
		proxy_set_plan(p, plan);
		log_info("policy %.12s is in force", plan_hash(plan));
	}
	json_t *j = json_pack("{s:s, s:b, s:o, s:s}", "t", "policy", "ok", err == 0, "errors",
			      errors_json(errors), "hash", err ? "" : plan_hash(plan));
	plan_unref(plan);
	free(errors);
	return answer(p, j, NULL, 0);
}

static int on_session(struct proxy *p, struct msg *m)
{
	const char *groups[GROUPS_MAX];
	const json_t *list = json_object_get(m->json, "groups");
	struct session s = {
	    .who = {.session = text_of(m, "id"),
		    .issuer = text_of(m, "issuer"),
		    .subject = text_of(m, "subject"),
		    .owner = text_of(m, "owner"),
		    .role = text_of(m, "role"),
		    .expires = json_integer_value(json_object_get(m->json, "exp"))},
	    .cgroup_id = (uint64_t)json_integer_value(json_object_get(m->json, "cgroup_id")),
	    .generation = (uint32_t)json_integer_value(json_object_get(m->json, "generation")),
	    .groups = groups,
	};
	for (size_t i = 0; i < json_array_size(list) && i < GROUPS_MAX; i++) {
		const char *name = json_string_value(json_array_get(list, i));
		groups[s.n_groups++] = name ? name : "";
	}
	return proxy_session_put(p, &s);
}

static int on_end(struct proxy *p, struct msg *m)
{
	const char *sqlstate = text_of(m, "sqlstate"), *reason = text_of(m, "reason");
	int err = proxy_session_end(p, text_of(m, "id"), strlen(sqlstate) == 5 ? sqlstate : "57P01",
				    *reason ? reason : "the session has ended");
	return err == ERR_NOT_FOUND ? 0 : err;
}

static int on_status(struct proxy *p, struct msg *m)
{
	_cleanup_(closep) int fd = -1;
	(void)m;
	int err = status_memfd(p, &fd);
	return err ? err : answer(p, json_pack("{s:s}", "t", "status"), &fd, 1);
}

static int on_answer(struct proxy *p, struct msg *m)
{
	asks_on_control(p, TAKE(m->json));
	return 0;
}

static int on_grants(struct proxy *p, struct msg *m)
{
	_cleanup_(freep) char *text = NULL;
	size_t len = 0;
	struct grant_list *list = NULL, *old = grants_get(p);
	int err = m->n_fds == 1 ? memfd_read(m->fds[0], GRANTS_MAX, &text, &len) : ERR_MALFORMED;
	json_t *j = err ? NULL : json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	if (!err)
		err = json_is_array(j) ? grants_read(j, old, &list) : ERR_MALFORMED;
	json_decref(j);
	grants_unref(old);
	grants_replace(p, list); /* what cannot be read grants nothing */
	return err;
}

static const struct message from_control[] = {
    {"asked", on_answer},
    {"answer", on_answer},
    {"grants", on_grants},
    {"policy", on_policy},
    {"session", on_session},
    {"end", on_end},
    {"explain", explain_asked},
    {"status", on_status},
};

static int dispatch(struct proxy *p, const struct message *table, size_t n, struct msg *m)
{
	const char *type = text_of(m, "t");
	for (size_t i = 0; i < n; i++)
		if (!strcmp(table[i].type, type))
			return table[i].on(p, m);
	return ERR_UNSUPPORTED;
}

static void drop_control(struct proxy *p)
{
	if (p->control.fd < 0)
		return;
	loop_del(p->loop, &p->control);
	close(p->control.fd);
	p->control.fd = -1;
	/* Nobody is asked now, and what was approved is known to nobody: it ends. */
	p->is_control_there = false;
	grants_replace(p, NULL);
	asks_control_gone(p);
}

/* Sessions and policy stay in force without control: it may be restarting. */
static void on_control(struct source *s, uint32_t events)
{
	struct proxy *p = container_of(s, struct proxy, control);
	struct msg m;
	(void)events;
	int err = msg_recv(s->fd, &m);
	if (err == -EAGAIN)
		return;
	if (err) {
		log_warn("control is gone: %s", err_text(err));
		drop_control(p);
		return;
	}
	err = dispatch(p, from_control, ARRAY_LEN(from_control), &m);
	if (err)
		log_warn("control: %s: %s", text_of(&m, "t"), err_text(err));
	msg_done(&m);
}

static int on_peer(struct proxy *p, struct msg *m)
{
	if (strcmp(text_of(m, "name"), "control") || m->n_fds != 1)
		return ERR_MALFORMED;
	drop_control(p);
	int fd = msg_take_fd(m, 0);
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0) {
		int err = -errno;
		close(fd);
		return err;
	}
	p->is_control_there = true;
	p->control = (struct source){.fd = fd, .events = EPOLLIN, .on_event = on_control};
	return loop_add(p->loop, &p->control);
}

static int on_unlisten(struct proxy *p, struct msg *m)
{
	listener_del(p, (uint64_t)json_integer_value(json_object_get(m->json, "netns")));
	return 0;
}

static int on_stop(struct proxy *p, struct msg *m)
{
	(void)m;
	loop_stop(p->loop);
	return 0;
}

static const struct message from_monitor[] = {
    {"peer", on_peer},
    {"listen", listener_add},
    {"unlisten", on_unlisten},
    {"stop", on_stop},
};

static void on_notify(struct source *s, uint32_t events)
{
	struct proxy *p = container_of(s, struct proxy, notify);
	struct msg m;
	(void)events;
	int err = msg_recv(s->fd, &m);
	if (err == -EAGAIN)
		return;
	if (err) { /* without the monitor there is no heart to beat for */
		loop_stop(p->loop);
		return;
	}
	err = dispatch(p, from_monitor, ARRAY_LEN(from_monitor), &m);
	if (err)
		log_error("monitor: %s: %s", text_of(&m, "t"), err_text(err));
	msg_done(&m);
}

int channel_start(struct proxy *p)
{
	p->notify =
	    (struct source){.fd = p->env->notify_fd, .events = EPOLLIN, .on_event = on_notify};
	return loop_add(p->loop, &p->notify);
}

void channel_stop(struct proxy *p)
{
	if (p->loop)
		drop_control(p);
}
