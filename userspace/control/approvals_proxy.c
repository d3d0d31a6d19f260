/* Approvals and the proxy: what it holds, what it is told. */
#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "base/macro.h"
#include "control/approvals_internal.h"

static const char *text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));
	return s ? s : "";
}

static void answer(struct control *c, uint64_t ask, const char *verdict, const char *reason,
		   const struct request *r)
{
	json_t *j = json_pack("{s:s,s:I,s:s,s:s,s:s,s:I,s:s}", "t", "answer", "ask", (json_int_t)ask,
			      "verdict", verdict, "reason", reason, "request", r ? r->id : "", "release",
			      (json_int_t)(r ? r->release_seq : 0), "grant", r ? r->grant : "");
	if (peer_send(&c->proxy, j, -1) < 0)
		log_warn("an answer did not reach the proxy: the operation stays held until its deadline");
}

/* --- who waits ---------------------------------------------------------------------------------- */

static void waiter_del(struct control *c, struct waiter *w)
{
	for (struct waiter **at = &c->approvals.waiters; *at; at = &(*at)->next) {
		if (*at != w)
			continue;
		*at = w->next;
		break;
	}
	if (w->request->n_waiting)
		w->request->n_waiting--;
	free(w);
}

static struct waiter *waiter_find(struct control *c, uint64_t ask)
{
	struct waiter *w = c->approvals.waiters;
	while (w && w->ask != ask)
		w = w->next;
	return w;
}

void waiters_answer(struct control *c, struct request *r, const char *verdict, const char *reason)
{
	for (struct waiter *w = c->approvals.waiters, *next; w; w = next) {
		next = w->next;
		if (w->request != r)
			continue;
		answer(c, w->ask, verdict, reason, r);
		waiter_del(c, w);
	}
}

void waiters_release(struct control *c, struct request *r)
{
	struct waiter *w = c->approvals.waiters;
	while (w && w->request != r)
		w = w->next;
	if (!w || book_take(c->approvals.book, r) < 0)
		return; /* approved, and nobody waits: the next one that sends it runs it */
	w->is_released = true;
	answer(c, w->ask, "release", "", r);
}

/* --- an operation is held ----------------------------------------------------------------------- */

static void tell_asked(struct control *c, const struct waiter *w, bool is_joined)
{
	json_t *shape = request_json(c, w->request, false);
	json_t *j = json_pack("{s:s,s:I,s:s,s:I,s:b,s:s}", "t", "asked", "ask", (json_int_t)w->ask, "request",
			      w->request->id, "deadline", (json_int_t)w->request->deadline.real_s, "joined",
			      is_joined, "where", text_of(shape, "where"));
	json_decref(shape);
	if (peer_send(&c->proxy, j, -1) < 0)
		log_warn("request %s: its client is not told", w->request->id);
}

/* The text as the record may have it: what masks hide stays out. */
static json_t *request_fields(const struct request *r, const json_t *body)
{
	json_t *f = approvals_request_fields(r);
	static const char *const keys[] = {"database", "needs", "in_transaction", "text_hidden"};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (json_object_get(body, keys[i]))
			json_object_set(f, keys[i], json_object_get(body, keys[i]));
	if (json_object_get(body, "record_text"))
		json_object_set(f, "text", json_object_get(body, "record_text"));
	return f;
}

static int add_waiter(struct control *c, struct request *r, const json_t *j, struct waiter **ret_w)
{
	struct waiter *w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->ask = (uint64_t)json_integer_value(json_object_get(j, "ask"));
	w->request = r;
	snprintf(w->session, sizeof(w->session), "%s", text_of(j, "session"));
	snprintf(w->flow, sizeof(w->flow), "%s", text_of(j, "flow"));
	w->next = c->approvals.waiters;
	c->approvals.waiters = w;
	r->n_waiting++;
	*ret_w = w;
	return 0;
}

static int ask_book(struct control *c, const struct session *s, const json_t *j, struct span body,
		    struct request **ret_r, bool *ret_joined, const char **ret_full)
{
	struct terms t;
	if (!c->policy.plan || !plan_terms(c->policy.plan, text_of(j, "rule"), &t) || t.role)
		return ERR_NOT_FOUND;
	struct ask a = {.hash = text_of(j, "hash"),
			.text_hash = text_of(j, "text_hash"),
			.pattern_hash = text_of(j, "pattern_hash"),
			.issuer = s->issuer,
			.subject = s->subject,
			.owner = s->owner,
			.role = s->role,
			.session = s->id,
			.resource = text_of(j, "resource"),
			.tag = text_of(j, "tag"),
			.class = text_of(j, "class"),
			.reason = text_of(j, "reason"),
			.body = body};
	int err = book_ask(c->approvals.book, &a, &t, approvals_now(), ret_r, ret_joined);
	if (err == ERR_LIMIT)
		*ret_full = book_why_full(c->approvals.book, &a, t.rule);
	return err;
}

static const char *why_not(int err, const char *full)
{
	return err == ERR_NOT_FOUND ? "the policy has changed: send it again"
	       : err == ERR_LIMIT && full ? full
					  : "it cannot be asked about";
}

static void on_ask(struct control *c, struct msg *m)
{
	uint64_t ask = (uint64_t)json_integer_value(json_object_get(m->json, "ask"));
	struct session *s = session_by_id(&c->sessions, text_of(m->json, "session"));
	_cleanup_(closep) int fd = msg_take_fd(m, 0);
	_cleanup_(freep) char *text = NULL;
	size_t len = 0;
	struct request *r = NULL;
	struct waiter *w;
	bool is_joined = false;
	const char *full = NULL;
	if (!s || s->state != SESSION_LIVE) {
		answer(c, ask, "end", "the identity of this workload is over", NULL);
		return;
	}
	int err = fd < 0 ? ERR_MALFORMED : memfd_read(fd, REQUEST_BODY_MAX, &text, &len);
	json_t *body = err ? NULL : json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	if (!err && !json_is_object(body))
		err = ERR_MALFORMED;
	if (!err)
		err = ask_book(c, s, m->json, span_of(text, len), &r, &is_joined, &full);
	if (!err)
		err = add_waiter(c, r, m->json, &w);
	if (!err)
		err = approvals_record(
			c, r, is_joined ? "approval.join" : "approval.request",
			is_joined ? json_pack("{s:s}", "by_flow", w->flow) : request_fields(r, body), NULL);
	json_decref(body);
	if (err) {
		answer(c, ask, "end", why_not(err, full), NULL);
		if (r && !is_joined)
			approvals_end(c, r, END_WITHDRAWN, why_not(err, full), NULL);
		return;
	}
	tell_asked(c, w, is_joined);
	approvals_tell(c, is_joined ? "join" : "request", r, NULL);
	log_info("request %s: %s %s by %s on %s, rule %s", r->id, r->ask.tag, is_joined ? "joined" : "asked",
		 s->subject, r->ask.resource, r->terms.rule);
	if (r->state == REQUEST_APPROVED && r->release_seq)
		waiters_release(c, r);
}

/* The client is gone: the request stays, and the same, sent again, joins it. It has cancelled: it does not want it any
 * more, and unless somebody else waits for the same, nobody needs to answer. */
static void on_unask(struct control *c, struct msg *m)
{
	bool was_cancelled = json_is_true(json_object_get(m->json, "cancelled"));
	struct waiter *w = waiter_find(c, (uint64_t)json_integer_value(json_object_get(m->json, "ask")));
	if (!w)
		return;
	struct request *r = w->request;
	bool was_released = w->is_released;
	waiter_del(c, w);
	if (was_released)
		book_untake(r); /* the release crossed the end of its hold: nothing ran */
	if (was_cancelled && !r->n_waiting && r->state < REQUEST_RUNNING) {
		approvals_end(c, r, END_WITHDRAWN, "cancelled by the client that asked", NULL);
		return;
	}
	approvals_tell(c, "join", r, NULL);
	if (r->state == REQUEST_APPROVED && r->release_seq)
		waiters_release(c, r);
}

static void on_taken(struct control *c, struct msg *m)
{
	struct waiter *w = waiter_find(c, (uint64_t)json_integer_value(json_object_get(m->json, "ask")));
	if (!w || !w->is_released)
		return;
	struct request *r = w->request;
	waiter_del(c, w);
	/* The others sent the same and gave up, or hope to run it as well: it runs once. */
	waiters_answer(c, r, "end", "it was approved, and runs in another connection that sent the same");
}

static void on_outcome(struct control *c, struct msg *m)
{
	const json_t *j = m->json;
	struct request *r = book_request(c->approvals.book, text_of(j, "request"));
	const char *sqlstate = text_of(j, "sqlstate");
	struct outcome o = {.tag = text_of(j, "tag"),
			    .sqlstate = sqlstate,
			    .error = text_of(j, "error"),
			    .rows = json_integer_value(json_object_get(j, "rows")),
			    .duration_ns = json_integer_value(json_object_get(j, "duration_ns"))};
	if (!r || r->state != REQUEST_RUNNING)
		return;
	book_outcome(c->approvals.book, r, &o, approvals_now());
	json_t *f =
		json_pack("{s:s,s:s,s:I,s:I,s:I}", "end", "done", "reason", "", "rows", (json_int_t)o.rows,
			  "duration_ns", (json_int_t)o.duration_ns, "release", (json_int_t)r->release_seq);
	if (*sqlstate) {
		json_object_set_new(f, "sqlstate", json_string(sqlstate));
		json_object_set_new(f, "error", json_string(o.error));
	}
	if (approvals_record(c, r, "approval.end", f, NULL) < 0)
		log_error("request %s: its outcome is not recorded", r->id);
	approvals_tell(c, "end", r, NULL);
}

static void on_used(struct control *c, struct msg *m)
{
	approvals_grant_used(c, text_of(m->json, "grant"));
}

void approvals_from_proxy(struct control *c, struct msg *m, const char *type)
{
	static const struct {
		const char *type;
		void (*on)(struct control *c, struct msg *m);
	} types[] = {{"ask", on_ask},
		     {"unask", on_unask},
		     {"taken", on_taken},
		     {"outcome", on_outcome},
		     {"used", on_used},
		     {"estimate", estimates_on_proxy}};
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (!strcmp(types[i].type, type))
			types[i].on(c, m);
}

/* --- the proxy comes and goes ------------------------------------------------------------------- */

void proxy_send_grants(struct control *c)
{
	json_t *list = grants_for_proxy(c);
	_cleanup_(freep) char *text = list ? json_dumps(list, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	_cleanup_(closep) int fd = -1;
	json_decref(list);
	if (c->proxy.fd < 0)
		return;
	if (!text || memfd_of(text, strlen(text), &fd) < 0 ||
	    peer_send(&c->proxy, json_pack("{s:s}", "t", "grants"), fd) < 0)
		log_error("the grants did not reach the proxy: it goes by those that it knows, until their "
			  "time is over");
}

void approvals_proxy_is_new(struct control *c)
{
	proxy_send_grants(c);
}

/* Its flows are gone, and all that was held in them. What was released may have run. */
void approvals_proxy_gone(struct control *c)
{
	while (c->approvals.waiters) {
		struct waiter *w = c->approvals.waiters;
		struct request *r = w->request;
		waiter_del(c, w);
		approvals_tell(c, "join", r, NULL);
	}
	for (struct request *r = book_requests(c->approvals.book), *next; r; r = next) {
		next = r->next;
		if (r->state == REQUEST_RUNNING)
			approvals_end(c, r, END_DONE, "released; the gateway lost sight of what came of it",
				      NULL);
	}
}
