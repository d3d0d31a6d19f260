/* What happens to a session after it began: expiry, revocation, its cgroup running empty, the end; and
 * taking it over after a restart. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>

#include "base/log.h"
#include "base/macro.h"
#include "control/control_internal.h"
#include "record/event.h"

#define EMPTY_MS 500

int record_session(struct control *c, const struct session *s, const char *type, const char *reason,
		   int exit_code)
{
	struct who who;
	struct buf event;
	session_who(s, &who);
	struct event_ctx ctx = {.node = c->cfg->node, .who = &who, .time_ns = clock_real_ns()};
	buf_init(&event, RING_EVENT_MAX);
	event_session_end(&event, &ctx, type, reason, exit_code);
	live_changed(c, "sessions");
	return control_record(c, &event);
}

void session_keep(struct control *c, const struct session *s)
{
	struct msg answer = {0};
	char why[200];
	json_t *q = json_pack("{s:s,s:I,s:o}", "t", "update", "cgroup_id", (json_int_t)s->cgroup_id, "state",
			      session_state(s));
	if (monitor_call(c, q, -1, &answer, why, sizeof(why)) < 0)
		log_warn("session %s: its state is not kept: %s", s->id, why);
	msg_done(&answer);
}

static void on_expiry(struct timer *t)
{
	struct session *s = (struct session *)((char *)t - offsetof(struct session, expiry));
	if (s->state != SESSION_LIVE)
		return;
	if ((int64_t)(clock_real_ns() / NS_PER_SEC) < s->expires) {
		session_arm(s->c, s); /* the clock was set, or the token lives longer than a timer counts */
		return;
	}
	s->state = SESSION_EXPIRED;
	log_info("session %s: its token expired", s->id);
	/* The proxy knows the moment too: it ends the flows, and refuses new ones with the reason. */
	session_keep(s->c, s);
	approvals_session_over(s->c, s, "the identity's token expired");
	if (record_session(s->c, s, "session.expire", "the identity's token expired", -1) < 0)
		log_error("session %s: its expiry is not recorded", s->id);
}

void session_arm(struct control *c, struct session *s)
{
	int64_t left = s->expires - (int64_t)(clock_real_ns() / NS_PER_SEC);
	s->expiry.on_timer = on_expiry;
	if (loop_timer_in_ms(c->loop, &s->expiry, left <= 0 ? 0 : (uint64_t)MIN(left, (int64_t)3600) * 1000) <
	    0) {
		log_error("session %s: no timer for its expiry: revoked", s->id);
		session_revoke(c, s, "no timer for its expiry");
	}
}

void session_revoke(struct control *c, struct session *s, const char *reason)
{
	char text[300];
	if (s->state == SESSION_REVOKED || s->state == SESSION_ENDED)
		return;
	s->state = SESSION_REVOKED;
	snprintf(text, sizeof(text), "revoked: %s", reason);
	proxy_end_session(c, s, text);
	proxy_send_session(c, s);
	approvals_session_over(c, s, text);
	loop_timer_del(c->loop, &s->expiry);
	session_keep(c, s);
	log_info("session %s is revoked", s->id);
	if (record_session(c, s, "session.revoke", reason, -1) < 0)
		log_error("session %s: its revocation is not recorded", s->id);
}

static void unwatch(struct control *c, struct session *s)
{
	if (s->watch >= 0)
		inotify_rm_watch(c->cgroup_watch.fd, s->watch);
	s->watch = -1;
}

void session_end(struct control *c, struct session *s, const char *reason, int exit_code)
{
	struct msg answer = {0};
	char why[200], text[300];
	if (s->state == SESSION_ENDED)
		return;
	if (s->state != SESSION_LIVE) {
		snprintf(text, sizeof(text), "%s; it was %s before", reason, session_state_name(s->state));
		reason = text;
	}
	loop_timer_del(c->loop, &s->expiry);
	unwatch(c, s);
	proxy_end_session(c, s, reason);
	approvals_session_over(c, s, reason);
	json_t *q = json_pack("{s:s,s:s,s:I,s:b}", "t", "unenrol", "cgroup", s->cgroup, "cgroup_id",
			      (json_int_t)s->cgroup_id, "is_attached", s->is_attached);
	int r = monitor_call(c, q, -1, &answer, why, sizeof(why));
	msg_done(&answer);
	if (r < 0 && r != ERR_NOT_FOUND)
		log_error("session %s: its cgroup stays, refused: %s", s->id, why);
	free(s->end_reason);
	s->end_reason = strdup(reason);
	s->exit_code = exit_code;
	if (record_session(c, s, "session.end", reason, exit_code) < 0)
		log_error("session %s: its end is not recorded", s->id);
	log_info("session %s ended: %s", s->id, reason);
	sessions_retire(&c->sessions, s);
}

/* --- when nobody is left ------------------------------------------------------------------------ */

/* 1, 0, or negative: cannot tell. */
static int is_populated(const struct session *s)
{
	char path[4200], text[256];
	snprintf(path, sizeof(path), "%s/cgroup.events", s->cgroup);
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return errno == ENODEV ? 0 : -errno;
	text[n] = 0;
	return strstr(text, "populated 0") ? 0 : 1;
}

/* Whoever waits for the last process says with which code it ended, if given a moment. */
static void end_if_empty(struct control *c, struct session *s)
{
	uint64_t now = clock_mono_ns();
	if (s->state == SESSION_ENDED || is_populated(s) != 0)
		s->emptied_ns = 0;
	else if (!s->emptied_ns)
		s->emptied_ns = now;
	else if (now - s->emptied_ns >= EMPTY_MS * NS_PER_MS)
		session_end(c, s, "the last process ended", -1);
}

static void watch_cgroup(struct control *c, struct session *s)
{
	char path[4200];
	snprintf(path, sizeof(path), "%s/cgroup.events", s->cgroup);
	s->watch = inotify_add_watch(c->cgroup_watch.fd, path, IN_MODIFY);
}

static void on_cgroup_watch(struct source *src, uint32_t events)
{
	struct control *c = (struct control *)((char *)src - offsetof(struct control, cgroup_watch));
	_Alignas(struct inotify_event) char text[4096];
	ssize_t n;
	(void)events;
	while ((n = read(src->fd, text, sizeof(text))) > 0) {
		for (char *p = text; p < text + n;
		     p += sizeof(struct inotify_event) + ((struct inotify_event *)p)->len) {
			struct session *s = session_by_watch(&c->sessions, ((struct inotify_event *)p)->wd);
			if (s)
				end_if_empty(c, s);
		}
	}
}

int cgroup_watch_init(struct control *c)
{
	c->cgroup_watch =
		(struct source){inotify_init1(IN_CLOEXEC | IN_NONBLOCK), EPOLLIN, on_cgroup_watch, false};
	return c->cgroup_watch.fd < 0 ? -errno : loop_add(c->loop, &c->cgroup_watch);
}

/* Where a notice was lost, and for sessions that could not be watched. */
void sessions_sweep(struct control *c)
{
	for (struct session *s = c->sessions.first, *next; s; s = next) {
		next = s->next;
		if (s->state == SESSION_ENDED)
			continue;
		if (s->watch < 0)
			watch_cgroup(c, s);
		end_if_empty(c, s);
		if (s->state == SESSION_LIVE && (int64_t)(clock_real_ns() / NS_PER_SEC) >= s->expires)
			on_expiry(&s->expiry);
	}
}

/* --- after a restart ---------------------------------------------------------------------------- */

static int restore_one(struct control *c, const json_t *j)
{
	const char *id, *cgroup;
	json_int_t cgroup_id, generation;
	int is_attached, is_gone, is_orphan;
	json_t *state;
	struct session *s = session_new(c);
	if (!s ||
	    json_unpack((json_t *)j, "{s:s,s:s,s:I,s:I,s:b,s:b,s:b,s:o}", "session", &id, "cgroup", &cgroup,
			"cgroup_id", &cgroup_id, "generation", &generation, "is_attached", &is_attached,
			"is_gone", &is_gone, "is_orphan", &is_orphan, "state", &state) < 0 ||
	    strlen(id) >= sizeof(s->id)) {
		session_free(s);
		return ERR_MALFORMED;
	}
	snprintf(s->id, sizeof(s->id), "%s", id);
	s->cgroup = strdup(cgroup);
	s->cgroup_id = (uint64_t)cgroup_id;
	s->generation = (uint32_t)generation;
	s->is_attached = is_attached;
	int r = is_orphan ? ERR_STATE : !s->cgroup ? -ENOMEM : session_from_state(s, state);
	if (r == 0)
		r = sessions_add(&c->sessions, s);
	if (r < 0) {
		session_free(s);
		return r == ERR_STATE ? 0 : r;
	}
	if (is_gone)
		session_end(c, s, "it ended while the daemon was down", -1);
	else if (s->state == SESSION_LIVE)
		session_arm(c, s);
	return 0;
}

void sessions_restore(struct control *c)
{
	_cleanup_(freep) char *text = NULL;
	_cleanup_(closep) int fd = -1;
	char why[200];
	size_t len = 0, i;
	json_t *item;
	int r = monitor_open(c, json_pack("{s:s}", "t", "workloads"), &fd, why, sizeof(why));
	if (r == 0)
		r = memfd_read(fd, 16 * 1024 * 1024, &text, &len);
	json_t *list = r == 0 ? json_loadb(text, len, 0, NULL) : NULL;
	json_array_foreach(list, i, item)
		if (restore_one(c, item) < 0)
			log_error("a session of before cannot be taken over: its workload stays refused");
	json_decref(list);
}
