/* The shapes of approvals: for people, for the proxy. */
#include <stdio.h>

#include "base/macro.h"
#include "control/approvals_internal.h"
#include "control/control_internal.h"

static struct moment now(void)
{
	return (struct moment){(int64_t)(clock_real_ns() / NS_PER_SEC),
			       (int64_t)(clock_mono_ns() / NS_PER_SEC)};
}

static json_t *texts_json(const char *const *list, int n)
{
	json_t *a = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(a, json_string(list[i]));
	return a;
}

static json_t *stage_json(const struct request *r, int stage)
{
	const struct stage *s = &r->terms.stages[stage];
	json_t *a = json_array();
	for (int g = 0; g < s->n_groups; g++)
		json_array_append_new(a, json_pack("{s:s,s:i,s:i}", "group", s->groups[g].group, "need",
						   s->groups[g].need, "missing",
						   book_missing(r, stage, g, now())));
	return a;
}

static json_t *need_json(const struct request *r)
{
	json_t *a = json_array();
	for (int i = 0; i <= r->stage; i++)
		json_array_append_new(a, stage_json(r, i));
	return a;
}

static json_t *vote_json(const struct vote *v)
{
	static const char *const states[] = {"writing", "counts", "void"};
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:s*,s:s}", "issuer", v->who.issuer, "subject",
			 v->who.subject, "verdict", v->is_approval ? "approve" : "deny", "words", v->words,
			 "choice", choice_name(v->narrow.choice) ? choice_name(v->narrow.choice) : "once",
			 "state", states[v->state], "at", (json_int_t)v->at, "seq", (json_int_t)v->seq,
			 "group", v->group, "from", v->who.from);
}

static json_t *votes_json(const struct request *r)
{
	json_t *a = json_array();
	for (int i = 0; i < r->n_votes; i++)
		json_array_append_new(a, vote_json(r->votes[i]));
	return a;
}

static json_t *choices_json(const struct request *r)
{
	json_t *a = json_array();
	for (unsigned c = CHOICE_ONCE; c <= CHOICE_ROLE; c <<= 1)
		if (r->terms.choices & c)
			json_array_append_new(a, json_string(choice_name((enum choice)c)));
	return a;
}

static json_t *outcome_json(const struct request *r)
{
	char text[600];
	if (!r->has_outcome)
		return json_null();
	outcome_text(r, text, sizeof(text));
	return json_pack("{s:s,s:s,s:s,s:I,s:I,s:s}", "tag", r->outcome_tag, "sqlstate", r->outcome_sqlstate,
			 "error", r->outcome_error, "rows", (json_int_t)r->outcome_rows, "duration_ns",
			 (json_int_t)r->outcome_ns, "text", text);
}

void outcome_text(const struct request *r, char *out, size_t size)
{
	if (*r->outcome_sqlstate)
		snprintf(out, size, "failed, %s: %s", r->outcome_sqlstate, r->outcome_error);
	else if (r->outcome_ns < 0)
		snprintf(out, size, "released; what came of it is not known");
	else
		snprintf(out, size, "ran, %lld ms, %lld rows", (long long)r->outcome_ns / 1000000,
			 (long long)r->outcome_rows);
}

static json_t *where_json(const struct control *c, const struct request *r)
{
	char text[400];
	if (c->cfg->public_url)
		snprintf(text, sizeof(text), "%s/requests/%s", c->cfg->public_url, r->id);
	else
		snprintf(text, sizeof(text),
			 "on %s: sluice approve %s --token-file TOKEN, of an approver (without a terminal "
			 "also --hash HASH, which sluice requests %s shows)",
			 c->cfg->node, r->id, r->id);
	return json_string(text);
}

static void add_state(json_t *j, struct control *c, struct request *r)
{
	json_object_set_new(j, "state", json_string(request_state_name(r->state)));
	json_object_set_new(j, "end", json_string(request_end_name(r->end)));
	json_object_set_new(j, "end_reason", json_string(r->end_reason));
	json_object_set_new(j, "asked", json_integer(r->asked.real_s));
	json_object_set_new(j, "deadline", json_integer(r->deadline.real_s));
	json_object_set_new(j, "ended", json_integer(r->ended.real_s));
	json_object_set_new(j, "waiting", json_integer(r->n_waiting));
	json_object_set_new(j, "joined", json_integer(r->n_joined));
	json_object_set_new(j, "stage", json_integer(r->stage));
	json_object_set_new(j, "need", need_json(r));
	json_object_set_new(j, "votes", votes_json(r));
	json_object_set_new(j, "release", json_integer((json_int_t)r->release_seq));
	json_object_set_new(j, "grant", json_string(r->grant));
	json_object_set_new(j, "outcome", outcome_json(r));
	json_object_set_new(j, "estimated", r->estimate ? json_loads(r->estimate, 0, NULL) : json_null());
	json_object_set_new(j, "where", where_json(c, r));
}

static void add_terms(json_t *j, const struct request *r)
{
	const struct terms *t = &r->terms;
	json_object_set_new(j, "rule", json_string(t->rule));
	json_object_set_new(j, "description", json_string(t->description ? t->description : ""));
	json_object_set_new(j, "kind", json_string(t->role ? "role" : "operation"));
	json_object_set_new(j, "gives", json_string(t->role ? t->role : ""));
	json_object_set_new(j, "break_glass", json_boolean(t->is_break_glass));
	json_object_set_new(j, "estimate", json_boolean(t->has_estimate));
	json_object_set_new(j, "choices", choices_json(r));
	json_object_set_new(j, "grant_for", json_integer(t->grant_max_s));
	json_object_set_new(j, "login_within", json_integer(t->fresh_s));
	json_object_set_new(j, "notify", texts_json(t->notify, t->n_notify));
}

/* What was approved last of the same identity by the same rule. */
static json_t *before_json(struct control *c, const struct request *r)
{
	for (struct request *o = book_requests(c->approvals.book); o; o = o->next) {
		if (o == r || !o->release_seq || strcmp(o->terms.rule, r->terms.rule) ||
		    strcmp(o->ask.subject, r->ask.subject) || strcmp(o->ask.resource, r->ask.resource))
			continue;
		json_t *body = json_loadb((const char *)o->ask.body.p, o->ask.body.len, 0, NULL);
		json_t *j = json_pack("{s:s,s:O*}", "request", o->id, "text", json_object_get(body, "text"));
		json_decref(body);
		return j;
	}
	return json_null();
}

json_t *request_json(struct control *c, struct request *r, bool is_whole)
{
	const struct ask *a = &r->ask;
	json_t *j =
		json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:I}", "request", r->id, "hash",
			  a->hash, "issuer", a->issuer, "subject", a->subject, "owner", a->owner, "role",
			  a->role, "session", a->session, "node", c->cfg->node, "resource", a->resource,
			  "tag", a->tag, "class", a->class, "reason", a->reason, "for", (json_int_t)a->for_s);
	if (!j)
		return NULL;
	add_terms(j, r);
	add_state(j, c, r);
	if (is_whole)
		json_object_set_new(j, "before", before_json(c, r));
	if (is_whole)
		json_object_set_new(j, "body", json_loadb((const char *)a->body.p, a->body.len, 0, NULL));
	return j;
}

static json_t *narrows_json(const struct grant *g)
{
	json_t *a = json_array();
	for (int i = 0; i < g->n_narrows; i++) {
		const struct narrow *n = g->narrows[i];
		json_array_append_new(a, json_pack("{s:s*,s:o,s:o}", "resource", n->resource, "relations",
						   texts_json(n->relations, n->n_relations), "classes",
						   texts_json(n->classes, n->n_classes)));
	}
	return a;
}

json_t *grant_json(const struct grant *g)
{
	json_t *j = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "grant", g->id,
			      "request", g->request, "rule", g->rule, "kind", choice_name(g->choice),
			      "issuer", g->issuer, "subject", g->subject, "owner", g->owner, "role", g->role,
			      "session", g->session, "gives", g->gives, "resource", g->resource, "by", g->by,
			      "state", grant_end_name(g->end));
	if (!j)
		return NULL;
	json_object_set_new(j, "end_reason", json_string(g->end_reason));
	json_object_set_new(j, "made", json_integer(g->made.real_s));
	json_object_set_new(j, "until", json_integer(g->until.real_s));
	json_object_set_new(j, "uses", json_integer(g->uses));
	json_object_set_new(j, "used", json_integer(g->used));
	json_object_set_new(j, "narrows", narrows_json(g));
	json_object_set_new(j, "release", json_integer((json_int_t)g->release_seq));
	return j;
}

json_t *grants_for_proxy(struct control *c)
{
	json_t *a = json_array();
	for (const struct grant *g = book_grants(c->approvals.book); g; g = g->next) {
		/* What began by one that is used up by now may go on. */
		json_t *j = book_grant_is_open(g, approvals_now()) ? grant_json(g) : NULL;
		if (!j)
			continue;
		json_object_set_new(j, "hash", json_string(g->hash));
		/* What is left of it: the proxy counts for itself until it is told anew. */
		json_object_set_new(j, "left", json_integer(g->uses ? g->uses - g->used : 0));
		json_array_append_new(a, j);
	}
	return a;
}
