#include "flow/asks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "approval/hash.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/msg.h"
#include "flow/ask_body.h"
#include "flow/cancels.h"
#include "flow/estimate.h"
#include "flow/flow.h"
#include "flow/grants.h"
#include "flow/lane.h"
#include "flow/proxy.h"
#include "policy/login.h"
#include "record/literals.h"

#define SHOWN_MAX  (256 * 1024) /* of text and parameters: what can be shown to a person whole */
#define NOTICE_NS  (15 * NS_PER_SEC)
#define OUTBOX_MAX 65536
#define QUERY_CANCELED "57014" /* = PostgreSQL appendix A */

/* One operation that waits. In its lane's list, and in its flow. */
struct asked {
	struct list link;
	struct flow *flow;
	enum dir dir;
	const struct op *op;
	struct decision decision;
	uint64_t id, asked_ns, notice_ns;
	int64_t deadline;
	char request[24], where[300], made_grant[24];
	uint64_t release,
	    release_ns;	 /* it was approved: by that event, then (CLOCK_MONOTONIC); 0: not yet */
	bool has_reread; /* for its release the catalogue was read anew */
};

/* --- to control ---------------------------------------------------------------------------------
 */

struct outgoing {
	struct outgoing *next;
	json_t *json;
	int fd;
};

void asks_send(struct proxy *p, json_t *j, int fd)
{
	struct outgoing *o = j ? calloc(1, sizeof(*o)) : NULL;
	if (!o) {
		json_decref(j);
		closep(&fd);
		return;
	}
	*o = (struct outgoing){NULL, j, fd};
	pthread_mutex_lock(&p->grants_mutex);
	*p->outbox_tail = o;
	p->outbox_tail = &o->next;
	pthread_mutex_unlock(&p->grants_mutex);
	loop_wake(p->loop);
}

static struct outgoing *outbox_take(struct proxy *p)
{
	pthread_mutex_lock(&p->grants_mutex);
	struct outgoing *o = p->outbox;
	if (o)
		p->outbox = o->next;
	if (!p->outbox)
		p->outbox_tail = &p->outbox;
	pthread_mutex_unlock(&p->grants_mutex);
	return o;
}

static void outbox_back(struct proxy *p, struct outgoing *o)
{
	pthread_mutex_lock(&p->grants_mutex);
	o->next = p->outbox;
	if (!p->outbox)
		p->outbox_tail = &o->next;
	p->outbox = o;
	pthread_mutex_unlock(&p->grants_mutex);
}

void asks_flush(struct proxy *p)
{
	struct outgoing *o;
	while ((o = outbox_take(p))) {
		int err = p->control.fd < 0 ? ERR_CLOSED
					    : msg_send(p->control.fd, o->json, &o->fd, o->fd >= 0);
		if (err == -EAGAIN) { /* control is busy: the timer tries again */
			outbox_back(p, o);
			return;
		}
		json_decref(o->json);
		closep(&o->fd);
		free(o);
	}
}

/* --- what is asked ------------------------------------------------------------------------------
 */

static int64_t now_s(void)
{
	return (int64_t)(clock_real_ns() / NS_PER_SEC);
}

static void refuse(struct decision *d, const char *fmt, const char *what)
{
	d->effect = EFFECT_DENY;
	snprintf(d->reason, sizeof(d->reason), fmt, what);
	d->hint[0] = 0;
}

static void hash_all(const struct flow *f, const struct op *op, struct bound_hashes *h)
{
	struct bound b = {.flow = op->is_unsure ? f->origin.id : NULL,
			  .who = &f->session->who,
			  .resource = f->resource->name,
			  .database = op->database,
			  .op = op,
			  .text = op->text,
			  .has_params = true};
	struct buf pattern;
	buf_init(&pattern, op->text.len + 64);
	bound_hash(&b, h->exact);
	b.has_params = false;
	bound_hash(&b, h->text);
	h->pattern[0] = 0;
	if (ask_has_pattern(op))
		literals_hide(op->text, &pattern);
	b.text = buf_span(&pattern);
	if (!buf_err(&pattern) && buf_len(&pattern))
		bound_hash(&b, h->pattern);
	buf_done(&pattern);
}

/* Why it cannot be asked about; NULL: it can. */
static const char *why_not(const struct flow *f, const struct op *op)
{
	if (op->is_by_name)
		return "what it runs stands behind a name, and could not be shown to its "
		       "approvers: send the "
		       "statement itself";
	if (ask_shown_size(op) > SHOWN_MAX)
		return "it is too large to be shown to its approvers whole";
	if (f->asked)
		return "an operation of this connection is waiting already";
	return f->lane->proxy->is_control_there
		   ? NULL
		   : "the part of the gateway that asks is restarting: try again";
}

static int hold(struct flow *f, const struct op *op, const struct bound_hashes *h,
		struct decision *d)
{
	struct asked *a = calloc(1, sizeof(*a));
	int fd = a ? ask_body(op, d, f->lane->proxy->cfg->text_limit) : -1;
	if (!a || fd < 0) {
		free(a);
		return -ENOMEM;
	}
	a->flow = f;
	a->dir = f->pipe.dir;
	a->op = op;
	a->decision = *d;
	a->id = (uint64_t)(unsigned)f->lane->index << 40 | (++f->lane->next_ask & 0xffffffffff);
	a->asked_ns = loop_now(f->lane->loop);
	list_add(&f->lane->asks, &a->link);
	f->asked = a;
	asks_send(f->lane->proxy,
		  json_pack("{s:s,s:I,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "t", "ask", "ask",
			    (json_int_t)a->id, "session", f->session->who.session, "flow",
			    f->origin.id, "resource", f->resource->name, "rule", d->rule, "tag",
			    op->tag ? op->tag : "", "class", class_name(op->class), "hash",
			    h->exact, "text_hash", h->text, "pattern_hash", h->pattern),
		  fd);
	return ERR_HELD;
}

int ask_about(struct flow *f, const struct op *op, struct decision *ret)
{
	struct bound_hashes h;
	char rule[sizeof(ret->rule)];
	if (op->is_prepare_only) { /* its Bind is asked about, with its values */
		ret->effect = EFFECT_ALLOW;
		return 0;
	}
	const char *why = f->resource ? why_not(f, op) : "it is of no resource";
	snprintf(rule, sizeof(rule), "%s", ret->rule);
	if (why) {
		refuse(ret, "rule \"%.63s\" asks for an approval, but ", rule);
		strncat(ret->reason, why, sizeof(ret->reason) - strlen(ret->reason) - 1);
		return 0;
	}
	hash_all(f, op, &h);
	if (!*h.exact)
		return -ENOMEM;
	struct grant_list *l = grants_get(f->lane->proxy);
	bool is_granted = grants_let_text(l, &f->session->who, f->resource->name, &h, now_s(), ret);
	grants_unref(l);
	if (!is_granted)
		return hold(f, op, &h, ret);
	ret->effect = EFFECT_ALLOW;
	asks_send(f->lane->proxy, json_pack("{s:s,s:s}", "t", "used", "grant", ret->grant), -1);
	return 0;
}

/* --- roles for a time ---------------------------------------------------------------------------
 */

static bool is_same_login(const struct flow *f, const char *role)
{
	if (login_is_clients(f->resource->login))
		return true;
	const char *a = resource_credential(f->resource, role);
	const char *b = resource_credential(f->resource, f->login_role[0] ? f->login_role
									  : f->session->who.role);
	return a && b ? !strcmp(a, b) : a == b;
}

void ask_granted(struct flow *f, const struct op *op, struct decision *ret)
{
	struct grant_list *l = f->resource ? grants_get(f->lane->proxy) : NULL;
	struct who who = f->session->who;
	int i = 0;
	while ((who.role = grants_role(l, &f->session->who, f->resource->name, op, now_s(), &i))) {
		struct decision d;
		plan_decide(f->lane->plan, f->resource, &who, op, now_s(), &d);
		if (d.effect != EFFECT_ALLOW)
			continue;
		if (!is_same_login(f, who.role)) {
			snprintf(ret->hint, sizeof(ret->hint),
				 "Role %.60s is granted for a time, but this connection began "
				 "before: open a "
				 "new one.",
				 who.role);
			continue;
		}
		if (!grants_take(l, i, &d))
			continue;
		*ret = d;
		asks_send(f->lane->proxy, json_pack("{s:s,s:s}", "t", "used", "grant", ret->grant),
			  -1);
		break;
	}
	grants_unref(l);
}

bool ask_stands(struct flow *f, const struct mandate *m)
{
	struct grant_list *l = *m->grant ? grants_get(f->lane->proxy) : NULL;
	bool is_there = !*m->grant || grants_in_force(l, m->grant, &f->session->who, now_s());
	grants_unref(l);
	return is_there;
}

static void pass_by(const struct mandate *m, struct decision *ret)
{
	ret->effect = EFFECT_ALLOW;
	ret->reason[0] = ret->hint[0] = 0;
	ret->release = m->release;
	memcpy(ret->request, m->request, sizeof(ret->request));
	memcpy(ret->grant, m->grant, sizeof(ret->grant));
}

/* By a role that is lent: the same role again, for what the loan covers. */
static bool role_goes_on(struct flow *f, const struct op *op, const struct granted *g, struct decision *ret)
{
	struct who who = f->session->who;
	struct decision d;
	who.role = granted_role(g);
	if (!granted_covers(g, f->resource->name, op) || !is_same_login(f, who.role))
		return false;
	plan_decide(f->lane->plan, f->resource, &who, op, now_s(), &d);
	if (d.effect != EFFECT_ALLOW)
		return false;
	*ret = d;
	return true;
}

bool ask_goes_on(struct flow *f, const struct op *op, struct decision *ret)
{
	const struct mandate *m = op->prior;
	bool is_same_rule = ret->effect == EFFECT_ASK && !strcmp(ret->rule, m->rule);
	struct grant_list *l = *m->grant ? grants_get(f->lane->proxy) : NULL;
	const struct granted *g = *m->grant ? grants_in_force(l, m->grant, &f->session->who, now_s()) : NULL;
	bool passes = !*m->grant ? is_same_rule : g != NULL;
	if (g)
		passes = *granted_role(g) ? role_goes_on(f, op, g, ret) : is_same_rule;
	if (passes)
		pass_by(m, ret);
	grants_unref(l);
	return passes;
}

const char *ask_login_role(struct flow *f, const char *own, char out[64])
{
	struct grant_list *l = f->resource ? grants_get(f->lane->proxy) : NULL;
	int i = 0;
	const char *role =
	    l ? grants_role(l, &f->session->who, f->resource->name, NULL, now_s(), &i) : NULL;
	bool has_login = role && plan_role_uses(f->lane->plan, f->resource, role) &&
			 resource_credential(f->resource, role);
	snprintf(out, 64, "%s", has_login ? role : own);
	grants_unref(l);
	return out;
}

/* Is the role that this flow is logged in as still granted? */
static bool login_is_granted(struct flow *f)
{
	struct grant_list *l = grants_get(f->lane->proxy);
	const char *role;
	int i = 0;
	while ((role = grants_role(l, &f->session->who, f->resource->name, NULL, now_s(), &i)) &&
	       strcmp(role, f->login_role))
		;
	bool is_granted = role != NULL;
	grants_unref(l);
	return is_granted;
}

/* --- the hold ends ------------------------------------------------------------------------------
 */

static void asked_free(struct asked *a)
{
	list_del(&a->link);
	a->flow->asked = NULL;
	free(a);
}

/* The decision is there: to the record and the module, as if it had come at once. */
static void decided(struct asked *a)
{
	struct flow *f = a->flow;
	enum dir dir = a->dir;
	const struct op *op = a->op;
	struct decision d = a->decision;
	asked_free(a);
	pipeline_decided(f, dir, op, &d);
}

static void end(struct asked *a, const char *sqlstate, const char *reason)
{
	struct decision *d = &a->decision;
	d->effect = EFFECT_DENY;
	d->masks = NULL;
	snprintf(d->sqlstate, sizeof(d->sqlstate), "%s", sqlstate);
	snprintf(d->request, sizeof(d->request), "%s", a->request);
	snprintf(d->reason, sizeof(d->reason), "%s", reason);
	decided(a);
}

/* From our side: control is told that nobody waits any more. */
static void give_up(struct asked *a, const char *sqlstate, const char *reason)
{
	struct proxy *p = a->flow->lane->proxy;
	bool is_cancelled = !strcmp(sqlstate, QUERY_CANCELED);
	asks_send(p,
		  json_pack("{s:s,s:I,s:s,s:b}", "t", "unask", "ask", (json_int_t)a->id, "reason", reason,
			    "cancelled", is_cancelled),
		  -1);
	a->decision.hint[0] = 0;
	end(a, sqlstate, reason);
}

void asks_drop_flow(struct flow *f)
{
	struct asked *a = f->asked;
	if (!a)
		return;
	asks_send(f->lane->proxy,
		  json_pack("{s:s,s:I,s:s}", "t", "unask", "ask", (json_int_t)a->id, "reason",
			    "the client is gone"),
		  -1);
	struct decision d = a->decision;
	const struct op *op = a->op;
	memcpy(d.request, a->request, sizeof(d.request));
	asked_free(a);
	pipeline_given_up(f, op, &d, QUERY_CANCELED,
			  "its client went away while it waited for its approval");
}

void asks_replan(struct flow *f)
{
	if (f->asked)
		give_up(f->asked, "42501",
			"the policy changed while this waited for its approval: send it again");
}

static void cancel_in(struct lane *l, uint32_t pid)
{
	list_each(at, &l->asks)
	{
		struct asked *a = container_of(at, struct asked, link);
		if (!a->flow->upstream.cancel || cancel_pid(a->flow->upstream.cancel) != pid)
			continue;
		give_up(
		    a, QUERY_CANCELED,
		    "canceling statement due to user request, while it waited for its approval");
		return;
	}
}

struct cancel_mail {
	struct mail mail;
	uint32_t pid;
};

static void on_cancel_mail(struct mail *m, struct lane *l)
{
	uint32_t pid = container_of(m, struct cancel_mail, mail)->pid;
	free(container_of(m, struct cancel_mail, mail));
	cancel_in(l, pid);
}

/* Whichever lane has that flow. */
void asks_cancel_all(struct proxy *p, uint32_t pid)
{
	for (int i = 0; i < p->n_lanes; i++) {
		struct cancel_mail *m = calloc(1, sizeof(*m));
		if (!m)
			continue;
		m->mail.run = on_cancel_mail;
		m->pid = pid;
		lane_post(&p->lanes[i], &m->mail);
	}
}

/* --- what control says --------------------------------------------------------------------------
 */

static void say(struct asked *a, const char *text, const char *hint)
{
	struct flow *f = a->flow;
	if (f->proto->notice)
		flow_notice(f, text, hint);
}

/* Of what is asked for anew: whoever joins has sent the same. */
static bool wants_estimate(const struct asked *a, const json_t *j)
{
	struct terms t;
	return !json_is_true(json_object_get(j, "joined")) && plan_terms(a->flow->lane->plan, a->decision.rule, &t) &&
	       t.has_estimate;
}

static void on_asked(struct asked *a, const json_t *j)
{
	char text[500], when[16];
	time_t t = (time_t)json_integer_value(json_object_get(j, "deadline"));
	struct tm tm;
	snprintf(a->request, sizeof(a->request), "%s",
		 json_string_value(json_object_get(j, "request")));
	snprintf(a->where, sizeof(a->where), "%s", json_string_value(json_object_get(j, "where")));
	a->deadline = t;
	a->notice_ns = loop_now(a->flow->lane->loop) + NOTICE_NS;
	strftime(when, sizeof(when), "%H:%M:%S", gmtime_r(&t, &tm));
	snprintf(text, sizeof(text),
		 "this %.60s waits for an approval: request %s, rule %s, until %s UTC%s",
		 a->op->tag ? a->op->tag : "operation", a->request, a->decision.rule, when,
		 json_is_true(json_object_get(j, "joined"))
		     ? " (joined: the same was asked for before)"
		     : "");
	if (wants_estimate(a, j))
		estimate_ask(a->flow, a->op, a->request);
	say(a, text, a->where);
}

/* What people approved must still be what the rules ask about, and the names in it what they were.
 */
static void run(struct asked *a)
{
	struct flow *f = a->flow;
	struct decision d, *old = &a->decision;
	plan_decide(f->lane->plan, f->resource, &f->session->who, a->op, now_s(), &d);
	if (d.effect != EFFECT_ASK || strcmp(d.rule, old->rule) != 0 || f->state >= FLOW_CLOSING) {
		give_up(a, "42501",
			"it was approved, but the rules no longer ask for it: send it again");
		return;
	}
	if (f->proto->is_same && !f->proto->is_same(f->module, a->op)) {
		give_up(a, "42501",
			"it was approved, but the database has changed meanwhile: names in it mean "
			"something else by now. Send it again");
		return;
	}
	asks_send(f->lane->proxy,
		  json_pack("{s:s,s:I,s:b}", "t", "taken", "ask", (json_int_t)a->id, "ok", 1), -1);
	d.effect = EFFECT_ALLOW;
	d.reason[0] = d.hint[0] = 0;
	d.release = a->release;
	snprintf(d.request, sizeof(d.request), "%s", a->request);
	memcpy(d.made_grant, a->made_grant, sizeof(d.made_grant));
	*old = d;
	decided(a);
}

static void try_run(struct flow *f);

static void on_reread(struct flow *f)
{
	if (f->asked)
		f->asked->has_reread = true;
	try_run(f);
}

static void try_run(struct flow *f)
{
	struct asked *a = f->asked;
	if (!a || !a->release_ns)
		return;
	int err = upstream_reread(f, a->release_ns, on_reread);
	if (!err)
		run(a);
	else if (a->has_reread || (err != ERR_HELD && err != -EAGAIN))
		give_up(a, "42501",
			"it was approved, but the catalogue cannot be read again, so nobody knows "
			"what its names "
			"mean by now: send it again");
}

static void on_release(struct asked *a, const json_t *j)
{
	const char *grant = json_string_value(json_object_get(j, "grant"));
	snprintf(a->made_grant, sizeof(a->made_grant), "%s", grant ? grant : "");
	a->release = (uint64_t)json_integer_value(json_object_get(j, "release"));
	a->release_ns = clock_mono_ns();
	try_run(a->flow);
}

static void on_refusal(struct asked *a, const char *verdict, const char *words)
{
	char reason[DECISION_TEXT];
	if (!strcmp(verdict, "deny"))
		snprintf(reason, sizeof(reason), "request %s was denied: %.300s", a->request,
			 words);
	else if (!strcmp(verdict, "expired"))
		snprintf(reason, sizeof(reason), "request %s expired: %.300s", a->request, words);
	else if (!*a->request)
		snprintf(reason, sizeof(reason), "it could not be asked about: %.300s", words);
	else
		snprintf(reason, sizeof(reason), "request %s ended: %.300s", a->request, words);
	snprintf(a->decision.hint, sizeof(a->decision.hint), "%s",
		 !strcmp(verdict, "deny")
		     ? "A person has read this statement and said no: do not send it again."
		     : "");
	end(a, "42501", reason);
}

struct answer_mail {
	struct mail mail;
	json_t *json;
};

static void on_answer_mail(struct mail *m, struct lane *l)
{
	struct answer_mail *am = container_of(m, struct answer_mail, mail);
	uint64_t id = (uint64_t)json_integer_value(json_object_get(am->json, "ask"));
	const char *t = json_string_value(json_object_get(am->json, "t"));
	const char *verdict = json_string_value(json_object_get(am->json, "verdict"));
	const char *reason = json_string_value(json_object_get(am->json, "reason"));
	struct asked *a = NULL;
	list_each(at, &l->asks) if (!a && container_of(at, struct asked, link)->id == id) a =
	    container_of(at, struct asked, link);
	if (!a && verdict && !strcmp(verdict, "release"))
		asks_send(l->proxy,
			  json_pack("{s:s,s:I,s:s}", "t", "unask", "ask", (json_int_t)id, "reason",
				    "gone"),
			  -1);
	else if (a && t && !strcmp(t, "asked"))
		on_asked(a, am->json);
	else if (a && verdict && !strcmp(verdict, "release"))
		on_release(a, am->json);
	else if (a && verdict)
		on_refusal(a, verdict, reason ? reason : "");
	json_decref(am->json);
	free(am);
}

void asks_on_control(struct proxy *p, json_t *j)
{
	uint64_t lane = (uint64_t)json_integer_value(json_object_get(j, "ask")) >> 40;
	struct answer_mail *m = lane < (uint64_t)p->n_lanes ? calloc(1, sizeof(*m)) : NULL;
	if (!m) {
		json_decref(j);
		return;
	}
	m->mail.run = on_answer_mail;
	m->json = j;
	lane_post(&p->lanes[lane], &m->mail);
}

static void on_gone_mail(struct mail *m, struct lane *l)
{
	free(container_of(m, struct answer_mail, mail));
	while (!list_empty(&l->asks))
		end(container_of(l->asks.next, struct asked, link), "42501",
		    "the part of the gateway that asks people has restarted: send it again");
}

void asks_control_gone(struct proxy *p)
{
	for (int i = 0; i < p->n_lanes; i++) {
		struct answer_mail *m = calloc(1, sizeof(*m));
		if (!m)
			abort(); /* a hold that nobody ends is worse than a restart */
		m->mail.run = on_gone_mail;
		lane_post(&p->lanes[i], &m->mail);
	}
}

/* --- time ---------------------------------------------------------------------------------------
 */

/* What runs, writes or sends rows on as long as it likes: not behind the end of the grant that let it begin. */
static bool runs_without_grant(struct flow *f)
{
	struct mandate m = {.release = 0};
	for (uint32_t i = 0; i < f->pipe.n_running; i++) {
		const char *grant = pipeline_running(&f->pipe, i)->grant;
		if (!*grant || !strcmp(grant, m.grant)) /* one lets many of a pipeline pass */
			continue;
		memcpy(m.grant, grant, sizeof(m.grant));
		if (!ask_stands(f, &m))
			return true;
	}
	return false;
}

void asks_check(struct flow *f, uint64_t now_ns)
{
	struct asked *a = f->asked;
	char text[300];
	if (f->login_role[0] && !login_is_granted(f)) {
		flow_fail(f, "57P01",
			  "the role that was granted for a time has ended: connect again");
		return;
	}
	if (runs_without_grant(f)) {
		flow_fail(f, "57P01", "the grant by which this statement runs has ended");
		return;
	}
	if (a && a->release_ns && !a->flow->upstream.waiting) {
		try_run(f);
		return;
	}
	if (!a || !a->notice_ns || now_ns < a->notice_ns)
		return;
	a->notice_ns = now_ns + NOTICE_NS;
	/* Control says when it is over; this is for the case that it does not. */
	if (now_s() > a->deadline + 30) {
		give_up(a, "42501", "nobody answered in time");
		return;
	}
	snprintf(text, sizeof(text), "request %s still waits for its approval, %llu s now",
		 a->request, (unsigned long long)((now_ns - a->asked_ns) / NS_PER_SEC));
	say(a, text, a->where);
}
