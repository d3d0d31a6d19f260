/* The channels to the proxy and the recorder, and what arrives on them. */
#include <errno.h>
#include <fcntl.h>

#include "base/log.h"
#include "base/macro.h"
#include "control/control_internal.h"

static void peer_drop(struct peer *p)
{
	loop_del(p->c->loop, &p->source);
	closep(&p->fd);
	p->fd = -1;
}

/* The next message of a peer. False: there is none now, or the peer is gone: then its fd is -1. */
static bool peer_take(struct peer *p, struct msg *ret_m)
{
	int r = msg_recv(p->fd, ret_m);
	if (r < 0 && r != -EAGAIN)
		peer_drop(p); /* a new channel comes with a new process */
	return r >= 0;
}

static void on_policy_answer(struct control *c, const json_t *j)
{
	(void)c;
	if (json_is_true(json_object_get(j, "ok")))
		return;
	_cleanup_(freep) char *errors =
		json_dumps(json_object_get(j, "errors"), JSON_COMPACT | JSON_ENCODE_ANY);
	log_error("the proxy does not take the policy: %s", errors ? errors : "?");
}

static void on_status_answer(struct control *c, struct msg *m)
{
	_cleanup_(freep) char *text = NULL;
	_cleanup_(closep) int fd = msg_take_fd(m, 0);
	size_t len = 0;
	json_t *status = fd >= 0 && memfd_read(fd, 16 * 1024 * 1024, &text, &len) == 0
				 ? json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL)
				 : NULL;
	c->is_asked = false;
	if (!json_is_object(status)) {
		json_decref(status);
		return;
	}
	json_decref(c->status_before);
	c->status_before = c->status;
	c->status_before_ns = c->status_ns;
	c->status = status;
	c->status_ns = clock_mono_ns();
	status_arrived(c);
}

static void on_proxy_gone(struct control *c)
{
	approvals_proxy_gone(c);
	explain_proxy_gone(c);
}

static void on_proxy(struct source *s, uint32_t events)
{
	struct peer *p = (struct peer *)((char *)s - offsetof(struct peer, source));
	struct msg m;
	(void)events;
	if (!peer_take(p, &m)) {
		if (p->fd < 0)
			on_proxy_gone(p->c);
		return;
	}
	const char *t = json_string_value(json_object_get(m.json, "t"));
	if (t && !strcmp(t, "policy"))
		on_policy_answer(p->c, m.json);
	else if (t && !strcmp(t, "status"))
		on_status_answer(p->c, &m);
	else if (t && !strcmp(t, "explained"))
		explain_from_proxy(p->c, &m);
	else if (t)
		approvals_from_proxy(p->c, &m, t);
	msg_done(&m);
}

static void on_reconciled(struct control *c, const char *result)
{
	c->n_reconciled++;
	c->n_mismatches += result && !strcmp(result, "mismatch");
}

/* The recorder answers questions into pipes; here it says where events went, and that it went away. */
static void on_recorder(struct source *s, uint32_t events)
{
	struct peer *p = (struct peer *)((char *)s - offsetof(struct peer, source));
	struct msg m;
	(void)events;
	if (!peer_take(p, &m)) {
		if (p->fd < 0)
			approvals_recorder_gone(p->c);
		return;
	}
	const char *t = json_string_value(json_object_get(m.json, "t"));
	if (t && !strcmp(t, "written"))
		approvals_written(p->c, (uint64_t)json_integer_value(json_object_get(m.json, "ticket")),
				  (uint64_t)json_integer_value(json_object_get(m.json, "seq")));
	if (t && !strcmp(t, "reconciled"))
		on_reconciled(p->c, json_string_value(json_object_get(m.json, "result")));
	msg_done(&m);
}

/* A request that somebody made over the network; its bytes come on the descriptor. */
static void on_console(struct source *s, uint32_t events)
{
	struct peer *p = (struct peer *)((char *)s - offsetof(struct peer, source));
	struct msg m;
	(void)events;
	if (!peer_take(p, &m))
		return;
	const char *from = json_string_value(json_object_get(m.json, "from")),
		   *t = json_string_value(json_object_get(m.json, "t"));
	int fd = msg_take_fd(&m, 0);
	if (t && !strcmp(t, "certificate")) {
		json_decref(p->c->certificate);
		p->c->certificate = json_incref(m.json);
	}
	if (fd >= 0 && from && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0)
		server_adopt(&p->c->web, fd, from);
	else
		closep(&fd);
	msg_done(&m);
}

void peers_init(struct control *c)
{
	c->proxy = (struct peer){.c = c, .fd = -1};
	c->recorder = (struct peer){.c = c, .fd = -1};
	c->console = (struct peer){.c = c, .fd = -1};
}

void peer_set(struct peer *p, int fd)
{
	struct control *c = p->c;
	bool was_there = p->fd >= 0;
	peer_drop(p);
	if (was_there && p == &c->proxy)
		on_proxy_gone(c);
	else if (was_there && p == &c->recorder)
		approvals_recorder_gone(c);
	if (fd < 0 || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0) {
		closep(&fd);
		return;
	}
	p->fd = fd;
	p->source = (struct source){fd, EPOLLIN,
				    p == &c->proxy     ? on_proxy
				    : p == &c->console ? on_console
						       : on_recorder,
				    false};
	if (loop_add(c->loop, &p->source) < 0) {
		peer_drop(p);
		return;
	}
	if (p != &c->proxy)
		return;
	/* A new proxy knows nothing. */
	c->is_asked = false;
	proxy_send_policy(c);
	for (struct session *s = c->sessions.first; s; s = s->next)
		if (s->state != SESSION_ENDED)
			proxy_send_session(c, s);
	approvals_proxy_is_new(c);
}

int peer_send(struct peer *p, json_t *msg, int fd)
{
	int r = !msg ? -ENOMEM : p->fd < 0 ? ERR_CLOSED : msg_send(p->fd, msg, &fd, fd >= 0);
	json_decref(msg);
	if (r < 0 && p->fd >= 0) {
		/* It does not keep up, or is about to go: what it missed it would never learn. */
		log_error("%s cannot be told: %s",
			  p == &p->c->proxy     ? "the proxy"
			  : p == &p->c->console ? "the console"
						: "the recorder",
			  err_text(r));
	}
	return r;
}

void proxy_send_policy(struct control *c)
{
	int fd = c->policy.text_fd;
	if (fd >= 0 && c->proxy.fd >= 0 && peer_send(&c->proxy, json_pack("{s:s}", "t", "policy"), fd) < 0)
		log_warn("the policy did not reach the proxy");
}

/* exp 0: revoked. The proxy knows it still, so that what it refuses is on record under this session. */
void proxy_send_session(struct control *c, const struct session *s)
{
	json_t *j = json_pack("{s:s,s:s,s:I,s:I,s:s,s:s,s:s,s:O,s:s,s:I}", "t", "session", "id", s->id,
			      "cgroup_id", (json_int_t)s->cgroup_id, "generation", (json_int_t)s->generation,
			      "issuer", s->issuer, "subject", s->subject, "owner", s->owner, "groups",
			      s->groups, "role", s->role, "exp",
			      s->state == SESSION_REVOKED ? (json_int_t)0 : (json_int_t)s->expires);
	if (peer_send(&c->proxy, j, -1) < 0)
		log_warn("session %s did not reach the proxy: its connects are refused", s->id);
}

/* = PostgreSQL appendix A: 28000 invalid_authorization_specification */
void proxy_end_session(struct control *c, const struct session *s, const char *reason)
{
	json_t *j = json_pack("{s:s,s:s,s:s,s:s}", "t", "end", "id", s->id, "reason", reason, "sqlstate",
			      "28000");
	if (peer_send(&c->proxy, j, -1) < 0)
		log_warn("the end of session %s did not reach the proxy", s->id);
}

void proxy_ask_status(struct control *c)
{
	if (!c->is_asked && c->proxy.fd >= 0)
		c->is_asked = peer_send(&c->proxy, json_pack("{s:s}", "t", "status"), -1) == 0;
}
