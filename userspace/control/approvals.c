#include "control/approvals.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "base/macro.h"
#include "control/approvals_internal.h"
#include "record/event.h"

#define TICK_MS 1000

struct moment approvals_now(void)
{
	return (struct moment){(int64_t)(clock_real_ns() / NS_PER_SEC),
			       (int64_t)(clock_mono_ns() / NS_PER_SEC)};
}

/* --- the record and those who listen ------------------------------------------------------------ */

static int record(struct control *c, const struct who *who, const char *resource, const char *type,
		  json_t *fields, uint64_t *ret_ticket)
{
	struct event_ctx ctx = {
		.node = c->cfg->node, .who = who, .resource = resource, .time_ns = clock_real_ns()};
	struct buf b;
	uint64_t ticket = 0;
	if (!fields)
		return -ENOMEM;
	buf_init(&b, RING_EVENT_MAX);
	event_fields(&b, &ctx, type, fields);
	json_decref(fields);
	int err = buf_err(&b);
	if (!err)
		err = ring_put(c->ring, buf_span(&b), &ticket);
	buf_done(&b);
	if (!err && ret_ticket) {
		*ret_ticket = ticket;
		ring_want(c->ring, ticket);
	}
	if (err)
		log_error("%s cannot be recorded: %s", type, err_text(err));
	return err;
}

int approvals_record(struct control *c, const struct request *r, const char *type, json_t *fields,
		     uint64_t *ret_ticket)
{
	const struct ask *a = &r->ask;
	struct who who = {a->session, a->issuer, a->subject, a->owner, a->role, 0};
	if (fields) {
		json_object_set_new(fields, "request", json_string(r->id));
		json_object_set_new(fields, "hash", json_string(a->hash));
		json_object_set_new(fields, "rule", json_string(r->terms.rule));
		json_object_set_new(fields, "break_glass", json_boolean(r->terms.is_break_glass));
	}
	return record(c, &who, *a->resource ? a->resource : NULL, type, fields, ret_ticket);
}

static int record_grant(struct control *c, const struct grant *g, const char *type, json_t *fields)
{
	struct who who = {g->session, g->issuer, g->subject, g->owner, g->role, 0};
	if (fields) {
		json_object_set_new(fields, "grant", json_string(g->id));
		json_object_set_new(fields, "request", json_string(g->request));
		json_object_set_new(fields, "rule", json_string(g->rule));
		json_object_set_new(fields, "release", json_integer((json_int_t)g->release_seq));
	}
	return record(c, &who, *g->resource ? g->resource : NULL, type, fields, NULL);
}

void approvals_tell(struct control *c, const char *type, struct request *r, const struct grant *g)
{
	json_t *news = json_pack("{s:s,s:o*,s:o*}", "type", type, "request",
				 r ? request_json(c, r, false) : NULL, "grant", g ? grant_json(g) : NULL);
	for (struct feed *f = c->approvals.feeds, *next; f && news; f = next) {
		next = f->next;
		f->on_news(f, type, news);
	}
	json_decref(news);
}

void approvals_subscribe(struct control *c, struct feed *f)
{
	f->next = c->approvals.feeds;
	c->approvals.feeds = f;
}

void approvals_unsubscribe(struct control *c, struct feed *f)
{
	for (struct feed **at = &c->approvals.feeds; *at; at = &(*at)->next) {
		if (*at != f)
			continue;
		*at = f->next;
		return;
	}
}

/* --- ending ------------------------------------------------------------------------------------- */

static json_t *end_fields(const struct request *r, enum request_end why, const char *reason,
			  const struct vote *by)
{
	json_t *j = json_pack("{s:s,s:s}", "end", request_end_name(why), "reason", reason);
	if (by) {
		json_object_set_new(j, "by", json_string(by->who.subject));
		json_object_set_new(j, "by_issuer", json_string(by->who.issuer));
		json_object_set_new(j, "vote", json_integer((json_int_t)by->seq));
	}
	if (r->release_seq)
		json_object_set_new(j, "release", json_integer((json_int_t)r->release_seq));
	if (!r->has_outcome)
		return j;
	json_object_set_new(j, "rows", json_integer(r->outcome_rows));
	json_object_set_new(j, "duration_ns", json_integer(r->outcome_ns));
	if (*r->outcome_sqlstate) {
		json_object_set_new(j, "sqlstate", json_string(r->outcome_sqlstate));
		json_object_set_new(j, "error", json_string(r->outcome_error));
	}
	return j;
}

void approvals_end(struct control *c, struct request *r, enum request_end why, const char *reason,
		   const struct vote *by)
{
	static const char *const verdicts[] = {[END_DONE] = "end",
					       [END_DENIED] = "deny",
					       [END_EXPIRED] = "expired",
					       [END_WITHDRAWN] = "end"};
	book_end(c->approvals.book, r, why, reason, approvals_now());
	if (approvals_record(c, r, "approval.end", end_fields(r, why, reason, by), NULL) < 0)
		log_error("request %s: its end is not recorded", r->id);
	waiters_answer(c, r, verdicts[why], reason);
	approvals_tell(c, "end", r, NULL);
	log_info("request %s: %s%s%s", r->id, request_end_name(why), *reason ? ": " : "", reason);
}

/* --- votes -------------------------------------------------------------------------------------- */

static json_t *vote_fields(const struct vote *v)
{
	json_t *groups = json_array();
	for (int i = 0; i < v->who.n_groups; i++)
		json_array_append_new(groups, json_string(v->who.groups[i]));
	const struct person *who = &v->who;
	return json_pack("{s:s,s:s,s:s*,s:o,s:s,s:s,s:s,s:s,s:I,s:I}", "by", who->subject, "by_issuer",
			 who->issuer, "by_owner", *who->owner ? who->owner : NULL, "by_groups", groups,
			 "from", who->from, "verdict", v->is_approval ? "approve" : "deny", "words",
			 v->words, "choice",
			 choice_name(v->narrow.choice) ? choice_name(v->narrow.choice) : "once", "for",
			 (json_int_t)v->narrow.for_s, "uses", (json_int_t)v->narrow.uses);
}

static int status_of(int err)
{
	return err == ERR_DENIED		      ? 403
	       : err == ERR_NOT_FOUND		      ? 404
	       : err == ERR_EXPIRED		      ? 410
	       : err == ERR_RECORD || err == ERR_FULL ? 503
						      : 409;
}

static bool wait_for(struct control *c, struct request *r, struct vote *v, uint64_t ticket,
		     struct vote_wait *w)
{
	struct writing *x = calloc(1, sizeof(*x));
	if (!x)
		return false;
	*x = (struct writing){.next = c->approvals.writing, .ticket = ticket, .vote = v, .wait = w};
	snprintf(x->request, sizeof(x->request), "%s", r->id);
	c->approvals.writing = x;
	return true;
}

void approvals_vote(struct control *c, const char *id, const struct vote *like, const char *hash,
		    struct vote_wait *w)
{
	struct request *r = book_request(c->approvals.book, id);
	struct vote *v;
	uint64_t ticket;
	char why[300];
	if (!r) {
		w->on_done(w, 404, "there is no such request, or it ended long ago", NULL, 0);
		return;
	}
	int err = book_vote(c->approvals.book, r, like, hash, approvals_now(), &v, why, sizeof(why));
	if (err) {
		log_warn("request %s: an answer of %s is refused: %s", r->id, like->who.subject, why);
		w->on_done(w, status_of(err), why, r, 0);
		return;
	}
	json_t *fields = vote_fields(v);
	json_object_set_new(fields, "token_sha256", json_string(v->who.token_sha256));
	err = approvals_record(c, r, "approval.vote", fields, &ticket);
	if (!err && !wait_for(c, r, v, ticket, w))
		err = -ENOMEM;
	if (!err) {
		v->ticket = ticket;
		return;
	}
	book_void(v);
	w->on_done(w, 503, "the answer cannot be recorded, so it does not count", r, 0);
}

static json_t *release_fields(const struct request *r)
{
	json_t *votes = json_array();
	for (int i = 0; i < r->n_votes; i++)
		if (r->votes[i]->group)
			json_array_append_new(votes, json_integer((json_int_t)r->votes[i]->seq));
	return json_pack("{s:o,s:i,s:s}", "votes", votes, "stage", r->stage, "choice",
			 choice_name(r->narrow.choice));
}

/* A quorum is there: the release goes on record, and is told once it is on disk. */
static void approve(struct control *c, struct request *r)
{
	uint64_t ticket;
	if (book_approve(c->approvals.book, r, approvals_now()) < 0)
		return;
	if (approvals_record(c, r, "approval.release", release_fields(r), &ticket) < 0 ||
	    !wait_for(c, r, NULL, ticket, NULL)) {
		approvals_end(c, r, END_WITHDRAWN, "the release cannot be recorded", NULL);
		return;
	}
	r->release_ticket = ticket;
	if (r->terms.is_break_glass)
		log_warn("BREAK GLASS: request %s of %s is approved by rule %s", r->id, r->ask.subject,
			 r->terms.rule);
}

static void make_grant(struct control *c, struct request *r)
{
	struct grant *g;
	int err = book_grant(c->approvals.book, r, approvals_now(), &g);
	if (err) {
		approvals_end(c, r, END_WITHDRAWN, "the grant cannot be made: too many", NULL);
		return;
	}
	json_t *f = grant_json(g);
	for (const char *const *k = (const char *const[]){"issuer", "subject", "owner", "role", "session",
							  "resource", "state", "end_reason", "used", NULL};
	     *k; k++)
		json_object_del(f, *k); /* in the event's own fields, or nothing to tell yet */
	if (record_grant(c, g, "grant.start", f) < 0) {
		book_grant_end(g, GRANT_REVOKED, "it cannot be recorded", approvals_now());
		approvals_end(c, r, END_WITHDRAWN, "the grant cannot be recorded", NULL);
		return;
	}
	proxy_send_grants(c);
	approvals_tell(c, "grant", NULL, g);
	log_info("grant %s: %s%s%s for %s until %lld, by %s", g->id, choice_name(g->choice),
		 *g->gives ? " " : "", g->gives, g->subject, (long long)g->until.real_s, g->by);
	if (r->terms.role || !r->n_waiting)
		approvals_end(c, r, END_DONE, "granted", NULL);
}

static void released(struct control *c, struct request *r, uint64_t ticket, uint64_t seq)
{
	if (r->state != REQUEST_APPROVED || r->release_ticket != ticket)
		return;
	r->release_seq = seq;
	approvals_tell(c, "release", r, NULL);
	if (r->narrow.choice != CHOICE_ONCE)
		make_grant(c, r);
	if (r->state == REQUEST_APPROVED)
		waiters_release(c, r);
}

static void voted(struct control *c, struct request *r, struct writing *x, uint64_t seq)
{
	enum after_vote then = book_recorded(c->approvals.book, r, x->vote, seq, approvals_now());
	approvals_tell(c, "vote", r, NULL);
	if (then == VOTE_QUORUM)
		approve(c, r);
	else if (then == VOTE_DENIED)
		approvals_end(c, r, END_DENIED, x->vote->words, x->vote);
	x->wait->on_done(x->wait, 200, NULL, r, seq);
}

void approvals_written(struct control *c, uint64_t ticket, uint64_t seq)
{
	struct writing **at = &c->approvals.writing;
	while (*at && (*at)->ticket != ticket)
		at = &(*at)->next;
	struct writing *x = *at;
	if (!x)
		return;
	*at = x->next;
	struct request *r = book_request(c->approvals.book, x->request);
	if (r && x->vote)
		voted(c, r, x, seq);
	else if (r)
		released(c, r, ticket, seq);
	else if (x->wait)
		x->wait->on_done(x->wait, 404, "the request is gone", NULL, seq);
	free(x);
}

/* What was on its way may be on record or not: votes do not count, a release does not happen. */
void approvals_recorder_gone(struct control *c)
{
	while (c->approvals.writing) {
		struct writing *x = c->approvals.writing;
		c->approvals.writing = x->next;
		struct request *r = book_request(c->approvals.book, x->request);
		if (r && x->vote)
			book_void(x->vote);
		if (x->wait)
			x->wait->on_done(x->wait, 503, "the recorder restarted: answer again", r, 0);
		else if (r)
			approvals_end(c, r, END_WITHDRAWN,
				      "the recorder restarted before the release was on record", NULL);
		free(x);
	}
}

/* --- roles -------------------------------------------------------------------------------------- */

__attribute__((format(printf, 4, 5))) static int refuse(char *why, size_t size, int status, const char *fmt,
							...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(why, size, fmt, ap);
	va_end(ap);
	return status;
}

static json_t *quorum_json(const struct request *r)
{
	json_t *stages = json_array();
	for (int s = 0; s < r->terms.n_stages; s++) {
		const struct stage *st = &r->terms.stages[s];
		json_t *groups = json_array();
		for (int g = 0; g < st->n_groups; g++)
			json_array_append_new(groups, json_pack("{s:s,s:i}", "group", st->groups[g].group,
								"need", st->groups[g].need));
		json_array_append_new(stages, json_pack("{s:I,s:o}", "after", (json_int_t)st->after_s,
							"approvers", groups));
	}
	return stages;
}

json_t *approvals_request_fields(const struct request *r)
{
	json_t *j = json_pack("{s:o,s:I,s:s,s:s}", "quorum", quorum_json(r), "deadline",
			      (json_int_t)r->deadline.real_s, "class", r->ask.class, "tag", r->ask.tag);
	if (*r->ask.reason)
		json_object_set_new(j, "words", json_string(r->ask.reason));
	if (r->terms.role)
		json_object_set_new(j, "gives", json_string(r->terms.role));
	if (r->ask.for_s)
		json_object_set_new(j, "for", json_integer(r->ask.for_s));
	return j;
}

/* A role is bound as an operation is: to who asks for what, for how long, and why. */
static int elevate_ask(struct control *c, struct session *s, const struct elevate *e, const struct terms *t,
		       struct request **ret_r, bool *ret_joined)
{
	struct who who;
	char hash[HASH_TEXT], text[900];
	session_who(s, &who);
	snprintf(text, sizeof(text), "elevate %s for %lld s: %s", e->role, (long long)e->for_s, e->reason);
	struct op op = {.text = span_str(text)};
	struct bound b = {
		.who = &who, .resource = e->resource, .op = &op, .text = op.text, .has_params = true};
	bound_hash(&b, hash);
	json_t *body = json_pack("{s:s,s:s,s:I,s:s}", "text", text, "gives", e->role, "for",
				 (json_int_t)e->for_s, "session", s->id);
	_cleanup_(freep) char *body_text = body ? json_dumps(body, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	json_decref(body);
	if (!body_text)
		return -ENOMEM;
	struct ask ask = {.hash = hash,
			  .issuer = s->issuer,
			  .subject = s->subject,
			  .owner = s->owner,
			  .role = s->role,
			  .session = s->id,
			  .resource = e->resource ? e->resource : "",
			  .tag = "elevate",
			  .class = "",
			  .reason = e->reason,
			  .body = span_str(body_text),
			  .for_s = e->for_s};
	return book_ask(c->approvals.book, &ask, t, approvals_now(), ret_r, ret_joined);
}

int approvals_elevate(struct control *c, struct session *s, const struct elevate *e, struct request **ret_r,
		      char *why, size_t size)
{
	struct terms t;
	struct request *r;
	bool is_joined;
	const struct plan *p = c->policy.plan;
	if (s->state != SESSION_LIVE)
		return refuse(why, size, 409, "the session is %s", session_state_name(s->state));
	if (!p || !plan_grant_terms(p, s->role, e->role, &t))
		return refuse(why, size, 403, "no rule of \"grants\" lets role %s ask for role %.60s",
			      s->role, e->role);
	if (e->for_s < 1 || e->for_s > t.grant_max_s)
		return refuse(why, size, 400, "rule %s gives role %s for at most %lld s", t.rule, e->role,
			      (long long)t.grant_max_s);
	if (e->resource && *e->resource && !plan_resource_by_name(p, e->resource))
		return refuse(why, size, 400, "there is no resource %.60s", e->resource);
	int err = elevate_ask(c, s, e, &t, &r, &is_joined);
	if (!err && !is_joined)
		err = approvals_record(c, r, "approval.request", approvals_request_fields(r), NULL);
	if (err)
		return refuse(why, size, 503, "it cannot be asked: %s", err_text(err));
	approvals_tell(c, is_joined ? "join" : "request", r, NULL);
	log_info("request %s: %s asks for role %s", r->id, s->subject, e->role);
	*ret_r = r;
	return 0;
}

/* --- grants and people -------------------------------------------------------------------------- */

static void grant_over(struct control *c, const struct grant *g)
{
	json_t *f = json_pack("{s:s,s:s,s:i}", "end", grant_end_name(g->end), "reason", g->end_reason, "used",
			      (int)g->used);
	if (record_grant(c, g, "grant.end", f) < 0)
		log_error("grant %s: its end is not recorded", g->id);
	approvals_tell(c, "grant_end", NULL, g);
	log_info("grant %s ended: %s", g->id, g->end_reason);
}

void approvals_grant_used(struct control *c, const char *id)
{
	struct grant *g = book_grant_by_id(c->approvals.book, id);
	if (!g || !book_grant_used(g, approvals_now()))
		return;
	grant_over(c, g);
	proxy_send_grants(c);
}

int approvals_revoke_grant(struct control *c, const char *id, const char *by, const char *reason)
{
	struct grant *g = book_grant_by_id(c->approvals.book, id);
	char text[BOOK_TEXT_MAX];
	if (!g)
		return ERR_NOT_FOUND;
	if (!book_grant_is_open(g, approvals_now()))
		return ERR_STATE;
	snprintf(text, sizeof(text), "revoked by %.100s: %.200s", by, reason);
	book_grant_end(g, GRANT_REVOKED, text, approvals_now());
	proxy_send_grants(c); /* first of all */
	grant_over(c, g);
	return 0;
}

int approvals_distrust(struct control *c, const char *issuer, const char *subject, const char *by)
{
	int n = book_distrust(c->approvals.book, issuer, subject, approvals_now());
	if (n < 0)
		return n;
	json_t *f = json_pack("{s:s,s:s*,s:s,s:i}", "approver", subject, "approver_issuer", issuer, "by", by,
			      "votes", n);
	if (record(c, NULL, NULL, "approver.revoke", f, NULL) < 0)
		log_error("the revocation of %s is not recorded", subject);
	for (struct request *r = book_requests(c->approvals.book); r; r = r->next)
		if (n && r->state == REQUEST_PENDING)
			approvals_tell(c, "vote", r, NULL);
	log_warn("tokens of %s from before are revoked by %s: %d answers no longer count", subject, by, n);
	return n;
}

/* One that merely ended leaves its requests: the same identity may come again, and join them. */
void approvals_session_over(struct control *c, const struct session *s, const char *reason)
{
	bool has_ended = false, is_distrusted = s->state != SESSION_LIVE;
	for (struct request *r = book_requests(c->approvals.book), *next; r; r = next) {
		next = r->next;
		if ((is_distrusted || r->terms.role) && r->state < REQUEST_RUNNING &&
		    !strcmp(r->ask.session, s->id))
			approvals_end(c, r, END_WITHDRAWN, reason, NULL);
	}
	for (struct grant *g = book_grants(c->approvals.book); g; g = g->next) {
		if (!book_grant_is_open(g, approvals_now()) || strcmp(g->session, s->id) ||
		    !(is_distrusted || *g->gives))
			continue;
		book_grant_end(g, GRANT_REVOKED, reason, approvals_now());
		grant_over(c, g);
		has_ended = true;
	}
	if (has_ended)
		proxy_send_grants(c);
}

void approvals_policy(struct control *c)
{
	const struct plan *p = c->policy.plan;
	struct terms t;
	if (!p || !strcmp(c->approvals.policy, plan_hash(p)))
		return;
	snprintf(c->approvals.policy, sizeof(c->approvals.policy), "%s", plan_hash(p));
	for (struct request *r = book_requests(c->approvals.book), *next; r; r = next) {
		next = r->next;
		if (r->state < REQUEST_RUNNING)
			approvals_end(c, r, END_WITHDRAWN, "the policy has changed: send it again", NULL);
	}
	for (struct grant *g = book_grants(c->approvals.book); g; g = g->next) {
		bool is_kept =
			plan_terms(p, g->rule, &t) && (!*g->gives || (t.role && !strcmp(t.role, g->gives)));
		if (!book_grant_is_open(g, approvals_now()) || is_kept)
			continue;
		book_grant_end(g, GRANT_REVOKED, "the policy no longer has its rule", approvals_now());
		grant_over(c, g);
	}
	proxy_send_grants(c);
}

/* --- time --------------------------------------------------------------------------------------- */

/* The book has ended it already. */
static void on_expired(void *ctx, struct request *r)
{
	struct control *c = ctx;
	if (approvals_record(c, r, "approval.end", end_fields(r, r->end, r->end_reason, NULL), NULL) < 0)
		log_error("request %s: its end is not recorded", r->id);
	waiters_answer(c, r, "expired", r->end_reason);
	approvals_tell(c, "end", r, NULL);
	log_info("request %s expired", r->id);
}

static void on_escalated(void *ctx, struct request *r)
{
	struct control *c = ctx;
	json_t *f = json_pack("{s:i,s:o}", "stage", r->stage, "quorum", quorum_json(r));
	if (approvals_record(c, r, "approval.escalate", f, NULL) < 0)
		log_error("request %s: its escalation is not recorded", r->id);
	approvals_tell(c, "escalate", r, NULL);
}

static void on_grant_over(void *ctx, struct grant *g)
{
	struct control *c = ctx;
	c->approvals.has_grant_news = true;
	grant_over(c, g);
}

static void on_tick(struct timer *t)
{
	struct approvals *a = (struct approvals *)((char *)t - offsetof(struct approvals, tick));
	struct control *c = a->c;
	struct book_news news = {c, on_expired, on_escalated, on_grant_over};
	a->has_grant_news = false;
	book_tick(a->book, approvals_now(), &news);
	if (a->has_grant_news)
		proxy_send_grants(c);
	if (loop_timer_in_ms(c->loop, t, TICK_MS) < 0)
		loop_stop(c->loop);
}

int approvals_init(struct control *c)
{
	struct approvals *a = &c->approvals;
	a->c = c;
	int err = book_new(&a->book);
	timer_init(&a->tick, on_tick);
	return err ? err : loop_timer_in_ms(c->loop, &a->tick, TICK_MS);
}

void approvals_stop(struct control *c, const char *reason)
{
	struct approvals *a = &c->approvals;
	if (!a->book)
		return;
	for (struct request *r = book_requests(a->book), *next; r; r = next) {
		next = r->next;
		if (r->state != REQUEST_ENDED)
			approvals_end(c, r, END_WITHDRAWN, reason, NULL);
	}
	while (a->writing) {
		struct writing *x = a->writing;
		a->writing = x->next;
		free(x);
	}
	while (a->waiters) {
		struct waiter *w = a->waiters;
		a->waiters = w->next;
		free(w);
	}
	book_free(TAKE(a->book));
}
