/* POST /hooks/NAME: a person's answer, told by a system that holds a webhook's secret. Its word for who it was is
 * all there is: so it counts for the groups that the configuration gives this webhook, and for no others; the
 * person is one of the console's provider, so that nobody counts twice. Without a verdict it asks for the request,
 * whole, to show it to that person; an answer is bound to the hash of what was so shown. Good once, and now. */
#include <stdio.h>

#include "base/log.h"
#include "base/macro.h"
#include "control/control_internal.h"
#include "control/vote_read.h"

#define READER_MAX (WEB_TEXT_MAX + 100)
#define GOOD_FOR_S 86400 /* there is no token that ends: an approver who leaves is distrusted by name */

struct answer {
	struct vote_wait wait; /* first */
	struct conn_hold hold;
};

static const char *text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));
	return s ? s : "";
}

static void on_done(struct vote_wait *w, int status, const char *why, struct request *r, uint64_t seq)
{
	struct answer *a = (struct answer *)w;
	struct conn *conn = a->hold.conn;
	conn_release(&a->hold);
	if (conn && status == 200)
		conn_answer(conn, 200,
			    json_pack("{s:I,s:s}", "seq", (json_int_t)seq, "state", request_state_name(r->state)));
	else if (conn)
		conn_fail(conn, status, NULL, "%s", why);
	free(a);
}

static const struct hook_state *hook_of(const struct control *c, struct span path)
{
	struct span name = span_of(path.p + 7, path.len - 7);
	for (int i = 0; i < c->hooks.n; i++)
		if (span_is(name, c->hooks.at[i].hook->name))
			return &c->hooks.at[i];
	return NULL;
}

/* NULL: it is theirs. */
static const char *check(struct control *c, const struct hook_state *h, const struct http_request *r)
{
	struct span time, signature;
	if (!h || !h->secret || !h->hook->n_groups)
		return "no such webhook takes answers";
	if (http_field(r, "x-sluice-timestamp", &time) < 0 || http_field(r, "x-sluice-signature", &signature) < 0)
		return "it is not signed";
	int err = notice_check(c->hooks.seen, span_str(h->secret), time, signature, r->body,
			       (int64_t)(clock_real_ns() / NS_PER_SEC));
	return err == 0		   ? NULL
	       : err == ERR_EXISTS  ? "it was sent before"
	       : err == ERR_EXPIRED ? "its time is more than 300 s off"
	       : err == ERR_LIMIT   ? "too many answers at a time"
				    : "its signature is not that of the secret's holder";
}

/* One person, as this webhook names them. */
static const char *reader_of(const struct hook_state *h, const char *subject, char out[READER_MAX])
{
	snprintf(out, READER_MAX, "webhook %s %s", h->hook->name, subject);
	return out;
}

static void show(struct conn *conn, const struct hook_state *h, const json_t *body)
{
	char reader[READER_MAX];
	const char *subject = text_of(body, "subject");
	struct request *r = book_request(conn->c->approvals.book, text_of(body, "request"));
	if (!*subject || strlen(subject) >= WEB_TEXT_MAX) {
		conn_fail(conn, 400, NULL, "expected request, and the subject who is to be shown it");
	} else if (!r || !request_asks(r, h->hook->groups, h->hook->n_groups)) {
		conn_fail(conn, 404, NULL, "no such request asks a group of this webhook");
	} else {
		request_show(r, reader_of(h, subject, reader));
		conn_answer(conn, 200, request_json(conn->c, r, true));
	}
}

static void vote(struct conn *conn, const struct hook_state *h, const json_t *body)
{
	struct control *c = conn->c;
	char from[150], reader[READER_MAX];
	int64_t now = (int64_t)(clock_real_ns() / NS_PER_SEC);
	const char *subject = text_of(body, "subject");
	const struct request *r = book_request(c->approvals.book, text_of(body, "request"));
	snprintf(from, sizeof(from), "webhook %s %s", h->hook->name, conn->from);
	struct vote v = {.who = {.issuer = c->cfg->console_issuer ? c->cfg->console_issuer : "webhook",
				 .subject = subject,
				 .groups = h->hook->groups,
				 .n_groups = h->hook->n_groups,
				 .issued = now,
				 .expires = now + GOOD_FOR_S,
				 .token_sha256 = "",
				 .from = from},
			 .reader = reader_of(h, subject, reader)};
	struct vote_lists lists;
	const char *why = !*subject || strlen(subject) >= WEB_TEXT_MAX
				  ? "expected request, hash, verdict, and the subject whose answer it is"
				  : vote_read(body, &lists, &v);
	struct answer *a = why ? NULL : calloc(1, sizeof(*a));
	if (!a) {
		conn_fail(conn, why ? 400 : 503, NULL, "%s", why ? why : "out of memory");
		return;
	}
	if (!v.narrow.choice)
		v.narrow.choice = r && r->terms.role ? CHOICE_ROLE : CHOICE_ONCE;
	a->wait.on_done = on_done;
	conn_hold(conn, &a->hold);
	approvals_vote(c, text_of(body, "request"), &v, text_of(body, "hash"), &a->wait);
}

void hooks_answer(struct conn *conn, const struct http_request *r)
{
	const struct hook_state *h = hook_of(conn->c, r->path);
	const char *why = check(conn->c, h, r);
	char actor[80];
	snprintf(actor, sizeof(actor), "webhook %s", h ? h->hook->name : "unknown");
	int err = web_record_answer(conn, r, actor, why);
	if (why || err < 0) {
		log_warn("an answer by webhook from %s is refused: %s", conn->from, why ? why : "not recorded");
		conn_fail(conn, why ? 403 : 503, NULL, "refused: %s", why ? why : "it cannot be recorded");
		return;
	}
	json_t *body = json_loadb((const char *)r->body.p, r->body.len, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(body))
		(json_object_get(body, "verdict") ? vote : show)(conn, h, body);
	else
		conn_fail(conn, 400, NULL, "the body is no JSON object");
	json_decref(body);
}
