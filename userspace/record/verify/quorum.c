#include "record/verify/quorum.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/macro.h"
#include "base/persons.h"

#define SLOTS_MAX 256 /* people of one quorum: TERMS_GROUPS_MAX * TERMS_NEED_MAX */
#define VOTES_MAX 64

/* requests: by id
 * {"hash","identity","owner","quorum","opened","votes":{"12":{..}},"releases":[..]}. */
struct quorum_check {
	json_t *requests;
	char why[300];
	uint64_t missing;
};

/* One event against what came before it. */
struct look {
	struct quorum_check *q;
	uint64_t seq;
	const json_t *event;
	json_t *request; /* that it names; NULL: not seen */
};

int quorum_check_new(struct quorum_check **ret_q)
{
	struct quorum_check *q = calloc(1, sizeof(*q));
	if (q)
		q->requests = json_object();
	if (!q || !q->requests) {
		free(q);
		return -ENOMEM;
	}
	*ret_q = q;
	return 0;
}

void quorum_check_free(struct quorum_check *q)
{
	if (!q)
		return;
	json_decref(q->requests);
	free(q);
}

const char *quorum_check_why(const struct quorum_check *q)
{
	return q->why;
}

static const char *text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));
	return s ? s : "";
}

__attribute__((format(printf, 3, 4))) static enum quorum_verdict
say(const struct look *l, enum quorum_verdict v, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(l->q->why, sizeof(l->q->why), fmt, ap);
	va_end(ap);
	return v;
}

static enum quorum_verdict unseen(const struct look *l, uint64_t missing, const char *what)
{
	l->q->missing = missing;
	return say(l, QUORUM_UNTOLD, "%s %.30s, and there is no such thing before it", what,
		   text_of(l->event, "request"));
}

/* --- asking and answering -----------------------------------------------------------------------
 */

static enum quorum_verdict on_request(struct look *l)
{
	static const char *const kept[] = {"hash", "identity", "owner", "quorum"};
	json_t *r = json_pack("{s:{},s:[],s:i}", "votes", "releases", "opened", 0);
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		json_object_set(r, kept[i], json_object_get(l->event, kept[i]));
	json_object_set_new(l->q->requests, text_of(l->event, "request"), r);
	return QUORUM_FINE;
}

static enum quorum_verdict on_vote(struct look *l)
{
	static const char *const kept[] = {"by",	"by_issuer", "by_owner",
					   "by_groups", "hash",	     "verdict"};
	json_t *v = json_object();
	char key[24];
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		json_object_set(v, kept[i], json_object_get(l->event, kept[i]));
	snprintf(key, sizeof(key), "%" PRIu64, l->seq);
	json_object_set_new(json_object_get(l->request, "votes"), key, v);
	return QUORUM_FINE;
}

static enum quorum_verdict on_escalate(struct look *l)
{
	json_object_set(l->request, "opened", json_object_get(l->event, "stage"));
	return QUORUM_FINE;
}

/* Answers of this person from before count no longer. */
static enum quorum_verdict on_revoke(struct look *l)
{
	const char *name, *seq,
	    *issuer = json_string_value(json_object_get(l->event, "approver_issuer"));
	json_t *r, *v;
	json_object_foreach(l->q->requests, name, r)
	{
		json_object_foreach(json_object_get(r, "votes"), seq, v)
		{
			if (!strcmp(text_of(v, "by"), text_of(l->event, "approver")) &&
			    (!issuer || !strcmp(text_of(v, "by_issuer"), issuer)))
				json_object_set_new(v, "verdict", json_string("revoked"));
		}
	}
	return QUORUM_FINE;
}

/* What was never released is not needed any more. */
static enum quorum_verdict on_end(struct look *l)
{
	if (json_array_size(json_object_get(l->request, "releases")) == 0)
		json_object_del(l->q->requests, text_of(l->event, "request"));
	return QUORUM_FINE;
}

/* --- is it enough? ------------------------------------------------------------------------------
 */

/* People against places, each person in one: Kuhn's matching, as approval/vote.c has it, over what
 * is on record. */
struct matching {
	const json_t *votes[VOTES_MAX];
	size_t n_votes;
	const char *slots[SLOTS_MAX];
	int taken_by[SLOTS_MAX];
	bool is_seen[SLOTS_MAX];
	int n_slots;
};

static bool is_of(const json_t *vote, const char *group)
{
	size_t i;
	json_t *g;
	json_array_foreach(json_object_get(vote, "by_groups"), i, g)
	{
		if (json_is_string(g) && !strcmp(json_string_value(g), group))
			return true;
	}
	return false;
}

static bool place(struct matching *m, int vote)
{
	for (int s = 0; s < m->n_slots; s++) {
		if (m->is_seen[s] || !is_of(m->votes[vote], m->slots[s]))
			continue;
		m->is_seen[s] = true;
		if (m->taken_by[s] < 0 || place(m, m->taken_by[s])) {
			m->taken_by[s] = vote;
			return true;
		}
	}
	return false;
}

/* The group of a place that nobody fills; NULL: the quorum is there. */
static const char *who_lacks(struct matching *m, const json_t *stage)
{
	size_t i;
	json_t *a;
	m->n_slots = 0;
	json_array_foreach(json_object_get(stage, "approvers"), i, a)
	{
		json_int_t need = json_integer_value(json_object_get(a, "need"));
		for (json_int_t k = 0; k < need && m->n_slots < SLOTS_MAX; k++) {
			m->taken_by[m->n_slots] = -1;
			m->slots[m->n_slots++] = text_of(a, "group");
		}
	}
	for (size_t v = 0; v < m->n_votes; v++) {
		memset(m->is_seen, 0, sizeof(m->is_seen));
		(void)place(m, (int)v);
	}
	for (int s = 0; s < m->n_slots; s++)
		if (m->taken_by[s] < 0)
			return m->slots[s];
	return m->n_slots ? NULL : "nobody";
}

static struct identity voter(const json_t *v)
{
	return (struct identity){text_of(v, "by_issuer"), text_of(v, "by"), text_of(v, "by_owner")};
}

/* Who asked, or for whom it was asked. */
static bool is_asker(const json_t *request, const char *name)
{
	return *name && (is_same_name(name, text_of(request, "identity")) ||
			 is_same_name(name, text_of(request, "owner")));
}

static enum quorum_verdict add_vote(struct look *l, struct matching *m, json_int_t seq)
{
	char key[24];
	snprintf(key, sizeof(key), "%lld", (long long)seq);
	const json_t *v = json_object_get(json_object_get(l->request, "votes"), key);
	const char *by = text_of(v, "by"), *verdict = text_of(v, "verdict"),
		   *id = text_of(l->event, "request");
	if (seq < 1 || (uint64_t)seq >= l->seq)
		return say(l, QUORUM_BAD,
			   "releases %.30s by event %lld, which does not stand before it", id,
			   (long long)seq);
	if (!v) {
		l->q->missing = (uint64_t)seq;
		return say(l, QUORUM_UNTOLD,
			   "releases %.30s by event %lld, which is no answer to it", id,
			   (long long)seq);
	}
	if (strcmp(verdict, "approve"))
		return say(l, QUORUM_BAD,
			   "releases %.30s by event %lld, which does not approve it (%.20s)", id,
			   (long long)seq, verdict);
	if (strcmp(text_of(v, "hash"), text_of(l->request, "hash")))
		return say(l, QUORUM_BAD,
			   "releases %.30s by event %lld, which approves another hash", id,
			   (long long)seq);
	if (is_asker(l->request, by) || is_asker(l->request, text_of(v, "by_owner")))
		return say(l, QUORUM_BAD,
			   "releases %.30s by the answer of %.80s, who asked or for whom was asked",
			   id, by);
	struct identity who = voter(v);
	for (size_t i = 0; i < m->n_votes; i++) {
		struct identity other = voter(m->votes[i]);
		if (is_same_person(&other, &who))
			return say(l, QUORUM_BAD, "releases %.30s by two answers of %.80s", id, by);
	}
	if (m->n_votes == VOTES_MAX)
		return say(l, QUORUM_BAD, "releases %.30s by more answers than there may be", id);
	m->votes[m->n_votes++] = v;
	return QUORUM_FINE;
}

static enum quorum_verdict on_release(struct look *l)
{
	struct matching m = {.n_votes = 0};
	const json_t *stages = json_object_get(l->request, "quorum");
	const char *lacks = "nobody";
	json_int_t opened = json_integer_value(json_object_get(l->request, "opened"));
	size_t i;
	json_t *v;
	/* What goes by it rests on it, whatever it rests on itself. */
	json_array_append_new(json_object_get(l->request, "releases"), json_integer((json_int_t)l->seq));
	if (strcmp(text_of(l->event, "hash"), text_of(l->request, "hash")))
		return say(l, QUORUM_BAD, "releases %.30s with another hash than was asked about",
			   text_of(l->event, "request"));
	json_array_foreach(json_object_get(l->event, "votes"), i, v)
	{
		enum quorum_verdict r = add_vote(l, &m, json_integer_value(v));
		if (r != QUORUM_FINE)
			return r;
	}
	for (i = 0; i < json_array_size(stages) && (json_int_t)i <= opened && lacks; i++)
		lacks = who_lacks(&m, json_array_get(stages, i));
	if (lacks)
		return say(l, QUORUM_BAD,
			   "releases %.30s without its quorum: of group %.80s somebody is missing",
			   text_of(l->event, "request"), lacks);
	return QUORUM_FINE;
}

/* --- what went by it ----------------------------------------------------------------------------
 */

static enum quorum_verdict on_use(struct look *l)
{
	json_int_t release = json_integer_value(json_object_get(l->event, "release"));
	size_t i;
	json_t *r;
	json_array_foreach(json_object_get(l->request, "releases"), i, r)
	{
		if (json_integer_value(r) == release)
			return QUORUM_FINE;
	}
	l->q->missing = release > 0 && (uint64_t)release < l->seq ? (uint64_t)release : 0;
	return say(l, l->q->missing ? QUORUM_UNTOLD : QUORUM_BAD,
		   "went by request %.30s, which was not released before it (event %lld)",
		   text_of(l->event, "request"), (long long)release);
}

/* Only those that name a request, and ran. */
static bool is_by_request(const struct scan *s)
{
	struct span decision = scan_plain(s, "decision");
	return scan_get(s, "request").len &&
	       (span_is(decision, "allow") || span_is(decision, "mask"));
}

static const struct kind {
	const char *type;
	bool has_request;
	enum quorum_verdict (*on)(struct look *l);
	const char *what; /* it says of the request that was not seen; NULL: then it says nothing */
} kinds[] = {
    {"op", true, on_use, "went by request"},
    {"approval.request", false, on_request, NULL},
    {"approval.vote", true, on_vote, NULL},
    {"approval.escalate", true, on_escalate, NULL},
    {"approval.release", true, on_release, "releases"},
    {"approval.end", true, on_end, NULL},
    {"approver.revoke", false, on_revoke, NULL},
    {"grant.start", true, on_use, "grants what was asked by"},
};

static const struct kind *kind_of(const struct scan *s)
{
	struct span type = scan_plain(s, "type");
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (span_is(type, kinds[i].type))
			return i || is_by_request(s) ? &kinds[i] : NULL;
	return NULL;
}

int quorum_check_event(struct quorum_check *q, uint64_t seq, struct span stored,
		       const struct scan *s, enum quorum_verdict *ret_verdict,
		       uint64_t *ret_missing)
{
	const struct kind *k = kind_of(s);
	*ret_verdict = QUORUM_FINE;
	if (!k)
		return 0;
	json_t *event = json_loadb((const char *)stored.p, stored.len, JSON_ALLOW_NUL, NULL);
	if (!event)
		return -ENOMEM; /* it is canonical: the scan says so */
	struct look l = {q, seq, event, json_object_get(q->requests, text_of(event, "request"))};
	q->missing = 0;
	if (l.request || !k->has_request)
		*ret_verdict = k->on(&l);
	else if (k->what)
		*ret_verdict = unseen(&l, 0, k->what);
	*ret_missing = q->missing;
	json_decref(event);
	return 0;
}
