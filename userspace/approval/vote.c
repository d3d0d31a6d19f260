/* Who may answer, who did, and whether that is enough. */
#include "approval/book_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/macro.h"
#include "base/persons.h"

#define SLOTS_MAX (TERMS_GROUPS_MAX * TERMS_NEED_MAX)
#define LEEWAY_S  30

__attribute__((format(printf, 4, 5))) static int say(char *why, size_t size, int err, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(why, size, fmt, ap);
	va_end(ap);
	return err;
}

static bool is_member(const struct person *p, const char *group)
{
	for (int i = 0; i < p->n_groups; i++)
		if (!strcmp(p->groups[i], group))
			return true;
	return false;
}

static bool is_asked(const struct request *r, const struct person *p)
{
	for (int s = 0; s <= r->stage; s++)
		for (int g = 0; g < r->terms.stages[s].n_groups; g++)
			if (is_member(p, r->terms.stages[s].groups[g].group))
				return true;
	return false;
}

bool request_asks(const struct request *r, const char *const *groups, int n_groups)
{
	struct person p = {.groups = groups, .n_groups = n_groups};
	return is_asked(r, &p);
}

static struct identity identity_of(const struct person *p)
{
	return (struct identity){p->issuer, p->subject, p->owner ? p->owner : ""};
}

/* --- may they? ---------------------------------------------------------------------------------- */

bool is_distrusted(const struct book *b, const struct person *p)
{
	for (int i = 0; i < b->n_distrust; i++) {
		const struct distrust *d = &b->distrust[i];
		if (!strcmp(d->subject, p->subject) && (!d->issuer || !strcmp(d->issuer, p->issuer)) &&
		    p->issued <= d->until)
			return true;
	}
	return false;
}

/* The requester and the one for whom it acts are never their own approvers, whatever their groups, and
 * whichever issuer says their name. */
static int check_person(const struct book *b, const struct request *r, const struct person *p,
			struct moment now, char *why, size_t size)
{
	if (is_same_name(p->subject, r->ask.subject))
		return say(why, size, ERR_DENIED, "%s asks for this, and cannot answer it", p->subject);
	if (*r->ask.owner && is_same_name(p->subject, r->ask.owner))
		return say(why, size, ERR_DENIED, "%s is whom the agent acts for, and cannot answer it",
			   p->subject);
	bool acts = p->owner && *p->owner;
	if (acts && (is_same_name(p->owner, r->ask.subject) || is_same_name(p->owner, r->ask.owner)))
		return say(why, size, ERR_DENIED, "%s acts for %s, who cannot answer it", p->subject, p->owner);
	if (p->expires <= now.real_s)
		return say(why, size, ERR_EXPIRED, "the token of %s has expired", p->subject);
	if (is_distrusted(b, p))
		return say(why, size, ERR_DENIED, "tokens of %s from before were revoked: log in anew",
			   p->subject);
	if (!p->issued)
		return say(why, size, ERR_DENIED, "the token does not say when it was issued (iat)");
	if (now.real_s - p->issued > r->terms.fresh_s || p->issued > now.real_s + LEEWAY_S)
		return say(why, size, ERR_DENIED,
			   "the login of %s is %lld s old, at most %lld are accepted: log in anew",
			   p->subject, (long long)(now.real_s - p->issued), (long long)r->terms.fresh_s);
	if (!is_asked(r, p))
		return say(why, size, ERR_DENIED, "none of the groups of %s is asked by rule %s", p->subject,
			   r->terms.rule);
	return 0;
}

static int check_request(const struct request *r, const char *hash, struct moment now, char *why, size_t size)
{
	if (r->state == REQUEST_ENDED && r->end == END_EXPIRED)
		return say(why, size, ERR_EXPIRED, "the request expired before this answer");
	if (r->state != REQUEST_PENDING)
		return say(why, size, ERR_STATE, "the request is no longer open: %s%s%s",
			   request_state_name(r->state), r->end ? ", " : "", request_end_name(r->end));
	if (moment_is_past(r->deadline, now))
		return say(why, size, ERR_EXPIRED, "the request expired before this answer");
	if (!hash || strcmp(hash, r->ask.hash))
		return say(why, size, ERR_VERIFY, "the hash is not that of the request: read it again");
	return 0;
}

static int check_choice(const struct request *r, const struct vote *v, char *why, size_t size)
{
	enum choice c = v->narrow.choice;
	if (!v->is_approval)
		return 0;
	if (!c || c & (c - 1) || !(r->terms.choices & c) || (c == CHOICE_TEXT && !*r->ask.text_hash) ||
	    (c == CHOICE_PATTERN && !*r->ask.pattern_hash))
		return say(why, size, ERR_DENIED, "rule %s does not permit the choice \"%s\"", r->terms.rule,
			   choice_name(c) ? choice_name(c) : "?");
	if (v->narrow.for_s < 0 || v->narrow.for_s > r->terms.grant_max_s)
		return say(why, size, ERR_DENIED, "rule %s grants at most %lld s", r->terms.rule,
			   (long long)r->terms.grant_max_s);
	return 0;
}

static struct vote *vote_of(const struct request *r, const struct person *p)
{
	struct identity new = identity_of(p);
	for (int i = 0; i < r->n_votes; i++) {
		struct identity old = identity_of(&r->votes[i]->who);
		if (r->votes[i]->state != VOTE_VOID && is_same_person(&old, &new))
			return r->votes[i];
	}
	return NULL;
}

static struct vote *vote_copy(struct arena *a, const struct vote *from, struct moment now)
{
	struct vote *v = arena_new(a, struct vote);
	if (!v)
		return NULL;
	*v = *from;
	v->reader = NULL;
	v->who.issuer = copy_text(a, from->who.issuer);
	v->who.subject = copy_text(a, from->who.subject);
	v->who.owner = copy_text(a, from->who.owner);
	v->who.token_sha256 = copy_text(a, from->who.token_sha256);
	v->who.from = copy_text(a, from->who.from);
	v->words = copy_text(a, from->words);
	v->state = VOTE_WRITING;
	v->at = now.real_s;
	v->ticket = v->seq = 0;
	v->group = NULL;
	return copy_list(a, from->who.groups, from->who.n_groups, &v->who.groups) &&
			       copy_narrow(a, &from->narrow, &v->narrow)
		       ? v
		       : NULL;
}

int book_vote(struct book *b, struct request *r, const struct vote *like, const char *hash, struct moment now,
	      struct vote **ret_vote, char *why, size_t size)
{
	int err = check_request(r, hash, now, why, size);
	if (!err)
		err = check_person(b, r, &like->who, now, why, size);
	if (!err)
		err = check_choice(r, like, why, size);
	if (!err && !request_is_shown(r, like->reader))
		err = say(why, size, ERR_VERIFY,
			  "this login was not shown the request: read it whole, then answer");
	if (err)
		return err;
	const struct vote *other = vote_of(r, &like->who);
	if (other && strcmp(other->who.subject, like->who.subject) != 0)
		return say(why, size, ERR_EXISTS,
			   "%s and %s count as one person (one name, or one acts for the other or both for the same), "
			   "who has answered this request already", like->who.subject, other->who.subject);
	if (other)
		return say(why, size, ERR_EXISTS, "%s has answered this request already", like->who.subject);
	if (r->n_votes == REQUEST_VOTES_MAX)
		return say(why, size, ERR_LIMIT, "too many answers");
	size_t before = r->arena.used;
	struct vote *v = vote_copy(&r->arena, like, now);
	if (!v)
		return say(why, size, ERR_LIMIT, "too much text in the answers");
	b->bytes += r->arena.used - before;
	r->votes[r->n_votes++] = v;
	*ret_vote = v;
	return 0;
}

/* --- is it enough? ------------------------------------------------------------------------------ */

static bool counts(const struct vote *v, struct moment now)
{
	return v->state == VOTE_COUNTS && v->is_approval && v->who.expires > now.real_s;
}

/* Places in a quorum against people, each person in one place: a bipartite matching (Kuhn). */
struct matching {
	const struct request *r;
	const char *slots[SLOTS_MAX];
	int taken_by[SLOTS_MAX]; /* the vote in this place, -1 */
	int n_slots;
	bool is_seen[SLOTS_MAX];
	struct moment now;
};

static bool place(struct matching *m, int vote)
{
	for (int s = 0; s < m->n_slots; s++) {
		if (m->is_seen[s] || !is_member(&m->r->votes[vote]->who, m->slots[s]))
			continue;
		m->is_seen[s] = true;
		if (m->taken_by[s] < 0 || place(m, m->taken_by[s])) {
			m->taken_by[s] = vote;
			return true;
		}
	}
	return false;
}

/* How many places are filled. */
static int match(struct matching *m, const struct request *r, int stage, struct moment now)
{
	const struct stage *st = &r->terms.stages[stage];
	int n = 0;
	m->r = r;
	m->now = now;
	m->n_slots = 0;
	for (int g = 0; g < st->n_groups; g++)
		for (int i = 0; i < st->groups[g].need && m->n_slots < SLOTS_MAX; i++) {
			m->slots[m->n_slots] = st->groups[g].group;
			m->taken_by[m->n_slots++] = -1;
		}
	for (int v = 0; v < r->n_votes; v++) {
		if (!counts(r->votes[v], now))
			continue;
		memset(m->is_seen, 0, sizeof(m->is_seen));
		n += place(m, v);
	}
	return n;
}

bool book_has_quorum(struct request *r, struct moment now)
{
	struct matching m;
	for (int i = 0; i < r->n_votes; i++)
		r->votes[i]->group = NULL;
	for (int stage = 0; stage <= r->stage; stage++) {
		if (match(&m, r, stage, now) < m.n_slots || !m.n_slots)
			continue;
		for (int s = 0; s < m.n_slots; s++)
			r->votes[m.taken_by[s]]->group = m.slots[s];
		return true;
	}
	return false;
}

int book_missing(const struct request *r, int stage, int group, struct moment now)
{
	struct matching m;
	const struct approver *a = &r->terms.stages[stage].groups[group];
	int missing = 0;
	(void)match(&m, r, stage, now);
	for (int s = 0; s < m.n_slots; s++)
		missing += m.slots[s] == a->group && m.taken_by[s] < 0;
	return missing;
}

/* All that was said together: the least of everything. */
static void add_narrow(struct narrow *all, const struct narrow *one, bool is_first)
{
	if (is_first || one->choice < all->choice)
		all->choice = one->choice;
	if (one->for_s && (is_first || !all->for_s || one->for_s < all->for_s))
		all->for_s = one->for_s;
	if (one->uses && (is_first || !all->uses || one->uses < all->uses))
		all->uses = one->uses;
}

enum after_vote book_recorded(struct book *b, struct request *r, struct vote *v, uint64_t seq,
			      struct moment now)
{
	(void)b;
	if (v->state != VOTE_WRITING)
		return VOTE_NOTHING;
	v->state = VOTE_COUNTS;
	v->seq = seq;
	if (r->state != REQUEST_PENDING || moment_is_past(r->deadline, now))
		return VOTE_NOTHING; /* it came too late: on record, without effect */
	if (!v->is_approval)
		return VOTE_DENIED;
	if (!book_has_quorum(r, now))
		return VOTE_NOTHING;
	bool is_first = true;
	r->narrow = (struct narrow){.choice = CHOICE_ONCE};
	for (int i = 0; i < r->n_votes; i++) {
		if (!counts(r->votes[i], now))
			continue;
		add_narrow(&r->narrow, &r->votes[i]->narrow, is_first);
		is_first = false;
	}
	return VOTE_QUORUM;
}

void book_void(struct vote *v)
{
	v->state = VOTE_VOID;
	v->group = NULL;
}

int book_distrust(struct book *b, const char *issuer, const char *subject, struct moment now)
{
	int n = 0;
	if (b->n_distrust == DISTRUST_MAX)
		return ERR_LIMIT;
	struct distrust d = {issuer ? strdup(issuer) : NULL, strdup(subject), now.real_s};
	if (!d.subject || (issuer && !d.issuer)) {
		free(d.issuer);
		free(d.subject);
		return -ENOMEM;
	}
	b->distrust[b->n_distrust++] = d;
	for (struct request *r = b->first; r; r = r->next) {
		for (int i = 0; i < r->n_votes && r->state < REQUEST_RUNNING; i++) {
			if (r->votes[i]->state == VOTE_VOID || !is_distrusted(b, &r->votes[i]->who))
				continue;
			book_void(r->votes[i]);
			n++;
		}
		/* Approved, but not handed out: back to where it was. */
		if (r->state == REQUEST_APPROVED && !book_has_quorum(r, now)) {
			r->state = REQUEST_PENDING;
			r->release_seq = r->release_ticket = 0;
		}
	}
	return n;
}
