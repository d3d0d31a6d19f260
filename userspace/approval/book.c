/* Requests: asked, joined, ended. vote.c has who answers, grant.c what lasts. */
#include "approval/book_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/macro.h"

#define ARENA_EXTRA (64 * 1024) /* what the votes of a request may take */

const char *request_state_name(enum request_state s)
{
	static const char *const names[] = {"pending", "approved", "running", "ended"};
	return (unsigned)s < ARRAY_LEN(names) ? names[s] : "?";
}

const char *request_end_name(enum request_end e)
{
	static const char *const names[] = {"", "done", "denied", "expired", "withdrawn"};
	return (unsigned)e < ARRAY_LEN(names) ? names[e] : "?";
}

/* --- small things ------------------------------------------------------------------------------- */

bool moment_is_past(struct moment deadline, struct moment now)
{
	return now.real_s >= deadline.real_s || now.mono_s >= deadline.mono_s;
}

void book_make_id(char kind, uint64_t epoch, uint64_t n, char out[BOOK_ID_MAX])
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	char text[16];
	int at = (int)sizeof(text) - 1;
	text[at] = 0;
	do
		text[--at] = digits[epoch % 36];
	while ((epoch /= 36) && at > 8);
	snprintf(out, BOOK_ID_MAX, "%c-%s-%llu", kind, text + at, (unsigned long long)(n % 100000000ull));
}

const char *copy_text(struct arena *a, const char *s)
{
	return arena_str(a, s ? s : "");
}

bool copy_list(struct arena *a, const char *const *from, int n, const char *const **ret)
{
	const char **list = arena_array(a, (size_t)MAX(n, 1), sizeof(*list));
	for (int i = 0; list && i < n; i++)
		list[i] = copy_text(a, from[i]);
	*ret = list;
	return list && !arena_failed(a);
}

bool copy_narrow(struct arena *a, const struct narrow *from, struct narrow *to)
{
	*to = *from;
	to->resource = from->resource ? copy_text(a, from->resource) : NULL;
	return copy_list(a, from->relations, from->n_relations, &to->relations) &&
	       copy_list(a, from->classes, from->n_classes, &to->classes);
}

static unsigned bucket_of(const char *hash)
{
	unsigned v = 0;
	for (int i = 0; i < 6 && hash[i]; i++)
		v = v * 16 + (unsigned)(hash[i] >= 'a' ? hash[i] - 'a' + 10 : hash[i] - '0') % 16;
	return v % BUCKETS;
}

/* The open request of a hash that the next one of its kind joins. */
struct request *bucket_find(struct book *b, const char *hash)
{
	for (struct request *r = b->buckets[bucket_of(hash)]; r; r = r->same)
		if (r->state < REQUEST_RUNNING && !strcmp(r->ask.hash, hash))
			return r;
	return NULL;
}

/* --- the book ----------------------------------------------------------------------------------- */

int book_new(struct book **ret_b)
{
	struct book *b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	*ret_b = b;
	return 0;
}

static void request_free(struct request *r)
{
	arena_done(&r->arena);
	free(r);
}

void book_free(struct book *b)
{
	if (!b)
		return;
	while (b->first) {
		struct request *r = b->first;
		b->first = r->next;
		request_free(r);
	}
	while (b->grants) {
		struct grant *g = b->grants;
		b->grants = g->next;
		arena_done(&g->arena);
		free(g);
	}
	for (int i = 0; i < b->n_distrust; i++) {
		free(b->distrust[i].issuer);
		free(b->distrust[i].subject);
	}
	free(b);
}

int book_n_open(const struct book *b)
{
	return b->n_open;
}

struct request *book_request(struct book *b, const char *id)
{
	struct request *r = b->first;
	while (r && strcmp(r->id, id))
		r = r->next;
	return r;
}

struct request *book_requests(struct book *b)
{
	return b->first;
}

/* --- asking ------------------------------------------------------------------------------------- */

static bool copy_terms(struct arena *a, const struct terms *from, struct terms *to)
{
	*to = *from;
	to->rule = copy_text(a, from->rule);
	to->description = from->description ? copy_text(a, from->description) : NULL;
	to->role = from->role ? copy_text(a, from->role) : NULL;
	for (int i = 0; i < from->n_stages; i++) {
		const struct stage *s = &from->stages[i];
		struct approver *groups = arena_array(a, (size_t)MAX(s->n_groups, 1), sizeof(*groups));
		for (int g = 0; groups && g < s->n_groups; g++)
			groups[g] = (struct approver){copy_text(a, s->groups[g].group), s->groups[g].need};
		to->stages[i].groups = groups;
	}
	return copy_list(a, from->notify, from->n_notify, &to->notify);
}

static bool copy_ask(struct arena *a, const struct ask *from, struct ask *to)
{
	static const size_t texts[] = {offsetof(struct ask, hash),	   offsetof(struct ask, text_hash),
				       offsetof(struct ask, pattern_hash), offsetof(struct ask, issuer),
				       offsetof(struct ask, subject),	   offsetof(struct ask, owner),
				       offsetof(struct ask, role),	   offsetof(struct ask, session),
				       offsetof(struct ask, resource),	   offsetof(struct ask, tag),
				       offsetof(struct ask, class),	   offsetof(struct ask, reason)};
	*to = *from;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const char *const *s = (const void *)((const char *)from + texts[i]);
		*(const char **)(void *)((char *)to + texts[i]) = copy_text(a, *s);
	}
	char *body = arena_strn(a, from->body.p ? (const char *)from->body.p : "", from->body.len);
	to->body = body ? span_of(body, from->body.len) : (struct span){0};
	return !arena_failed(a);
}

static unsigned spread(const char *a, const char *b)
{
	return span_hash(span_hash(SPAN_HASH_START, span_str(a)), span_str(b)) % BUCKETS;
}

static void tally(struct book *b, const struct request *r, int by)
{
	uint16_t *asker = &b->by_asker[spread(r->ask.issuer, r->ask.subject)];
	uint16_t *rule = &b->by_rule[spread(r->terms.rule, "")];
	*asker = (uint16_t)(*asker + by);
	*rule = (uint16_t)(*rule + by);
}

static bool is_of_asker(const struct request *r, const struct ask *a)
{
	return !strcmp(r->ask.subject, a->subject) && !strcmp(r->ask.issuer, a->issuer);
}

const char *book_why_full(const struct book *b, const struct ask *a, const char *rule)
{
	int own = 0, of_rule = 0;
	if (a->body.len > REQUEST_BODY_MAX)
		return "it is too large to be shown to its approvers whole";
	if (b->n_open >= BOOK_REQUESTS_MAX || b->bytes + a->body.len > BOOK_BYTES_MAX)
		return "too many requests wait for an approval on this node";
	if (b->by_asker[spread(a->issuer, a->subject)] < BOOK_OWN_MAX && b->by_rule[spread(rule, "")] < BOOK_RULE_MAX)
		return NULL;
	for (const struct request *r = b->first; r; r = r->next) {
		own += r->state != REQUEST_ENDED && is_of_asker(r, a);
		of_rule += r->state != REQUEST_ENDED && !strcmp(r->terms.rule, rule);
	}
	return own >= BOOK_OWN_MAX	  ? "too many requests of this identity wait for an approval"
	       : of_rule >= BOOK_RULE_MAX ? "too many requests of this rule wait for an approval"
					  : NULL;
}

/* The oldest ended ones beyond the limit are forgotten: the record has them. Only where nobody walks the
 * list. */
static void forget(struct book *b)
{
	int n = 0;
	if (b->n_ended <= 2 * BOOK_ENDED_MAX)
		return;
	for (struct request **at = &b->first; *at;) {
		struct request *r = *at;
		if (r->state != REQUEST_ENDED || ++n <= BOOK_ENDED_MAX) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		b->n_ended--;
		request_free(r);
	}
}

static bool is_sane(const struct ask *a, const struct terms *t)
{
	if (!a->hash || strlen(a->hash) != HASH_TEXT - 1 || !a->issuer || !a->subject || !*a->subject)
		return false;
	if (t->n_stages < 1 || t->n_stages > TERMS_STAGES_MAX || t->expires_s < 1 || !t->rule)
		return false;
	for (int i = 0; i < t->n_stages; i++)
		if (t->stages[i].n_groups < 1 || t->stages[i].n_groups > TERMS_GROUPS_MAX)
			return false;
	return true; /* a request that nobody needs to approve is none */
}

static int request_new(struct book *b, const struct ask *a, const struct terms *t, struct request **ret_r)
{
	struct request *r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	arena_init(&r->arena, a->body.len + ARENA_EXTRA + ESTIMATE_MAX + 4096);
	if (!copy_terms(&r->arena, t, &r->terms) || !copy_ask(&r->arena, a, &r->ask)) {
		request_free(r);
		return ERR_LIMIT;
	}
	book_make_id('r', b->epoch, ++b->next_request, r->id);
	r->outcome_rows = r->outcome_ns = -1;
	r->narrow.choice = CHOICE_ONCE;
	*ret_r = r;
	return 0;
}

int book_ask(struct book *b, const struct ask *a, const struct terms *t, struct moment now,
	     struct request **ret_r, bool *ret_joined)
{
	struct request *r;
	if (!is_sane(a, t))
		return ERR_MALFORMED;
	r = bucket_find(b, a->hash);
	if (r && !moment_is_past(r->deadline, now) && !strcmp(r->terms.rule, t->rule)) {
		r->n_joined++;
		*ret_r = r;
		*ret_joined = true;
		return 0;
	}
	forget(b);
	if (book_why_full(b, a, t->rule))
		return ERR_LIMIT;
	if (!b->epoch)
		b->epoch = (uint64_t)MAX(now.real_s, (int64_t)1);
	int err = request_new(b, a, t, &r);
	if (err)
		return err;
	r->asked = now;
	r->deadline = (struct moment){now.real_s + t->expires_s, now.mono_s + t->expires_s};
	r->n_joined = 1;
	r->next = b->first;
	b->first = r;
	r->same = b->buckets[bucket_of(a->hash)];
	b->buckets[bucket_of(a->hash)] = r;
	b->n_open++;
	tally(b, r, 1);
	b->bytes += r->arena.used;
	*ret_r = r;
	*ret_joined = false;
	return 0;
}

/* --- ending ------------------------------------------------------------------------------------- */

static void leave_bucket(struct book *b, struct request *r)
{
	struct request **at = &b->buckets[bucket_of(r->ask.hash)];
	while (*at && *at != r)
		at = &(*at)->same;
	if (*at)
		*at = r->same;
}

void book_end(struct book *b, struct request *r, enum request_end why, const char *reason, struct moment now)
{
	if (r->state == REQUEST_ENDED)
		return;
	leave_bucket(b, r);
	r->state = REQUEST_ENDED;
	r->end = why;
	r->ended = now;
	snprintf(r->end_reason, sizeof(r->end_reason), "%s", reason ? reason : "");
	b->n_open--;
	tally(b, r, -1);
	b->bytes -= MIN(b->bytes, r->arena.used);
	b->n_ended++;
}

int book_approve(struct book *b, struct request *r, struct moment now)
{
	(void)b;
	if (r->state != REQUEST_PENDING)
		return ERR_STATE;
	if (moment_is_past(r->deadline, now) || !book_has_quorum(r, now))
		return ERR_DENIED;
	r->state = REQUEST_APPROVED;
	return 0;
}

int book_take(struct book *b, struct request *r)
{
	(void)b;
	if (r->state != REQUEST_APPROVED || !r->release_seq)
		return ERR_STATE;
	r->state = REQUEST_RUNNING;
	return 0;
}

void book_untake(struct request *r)
{
	if (r->state == REQUEST_RUNNING)
		r->state = REQUEST_APPROVED;
}

void book_outcome(struct book *b, struct request *r, const struct outcome *o, struct moment now)
{
	if (r->state != REQUEST_RUNNING)
		return;
	snprintf(r->outcome_tag, sizeof(r->outcome_tag), "%s", o->tag ? o->tag : "");
	snprintf(r->outcome_sqlstate, sizeof(r->outcome_sqlstate), "%s", o->sqlstate ? o->sqlstate : "");
	snprintf(r->outcome_error, sizeof(r->outcome_error), "%s", o->error ? o->error : "");
	r->outcome_rows = o->rows;
	r->outcome_ns = o->duration_ns;
	r->has_outcome = true;
	book_end(b, r, END_DONE, "", now);
}

/* --- time --------------------------------------------------------------------------------------- */

static int64_t waited_s(const struct request *r, struct moment now)
{
	return MIN(now.real_s - r->asked.real_s, now.mono_s - r->asked.mono_s);
}

static void tick_request(struct book *b, struct request *r, struct moment now, const struct book_news *news)
{
	if (r->state < REQUEST_RUNNING && moment_is_past(r->deadline, now)) {
		book_end(b, r, END_EXPIRED,
			 r->state == REQUEST_PENDING ? "nobody answered in time"
						     : "approved, but nobody sent it again in time",
			 now);
		news->on_expired(news->ctx, r);
		return;
	}
	while (r->state == REQUEST_PENDING && r->stage + 1 < r->terms.n_stages &&
	       waited_s(r, now) >= r->terms.stages[r->stage + 1].after_s) {
		r->stage++;
		news->on_escalated(news->ctx, r);
	}
}

void book_tick(struct book *b, struct moment now, const struct book_news *news)
{
	for (struct request *r = b->first, *next; r; r = next) {
		next = r->next;
		if (r->state != REQUEST_ENDED)
			tick_request(b, r, now, news);
	}
	for (struct grant *g = b->grants; g; g = g->next) {
		if (g->end != GRANT_LIVE || !moment_is_past(g->until, now))
			continue;
		book_grant_end(g, GRANT_EXPIRED, "its time is over", now);
		news->on_grant_over(news->ctx, g);
	}
}
