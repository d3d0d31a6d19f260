/* What an approval leaves behind: a role, a text or a pattern that passes until a moment. */
#include "approval/book_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/macro.h"

#define GRANT_ARENA (128 * 1024)

const char *grant_end_name(enum grant_end e)
{
	static const char *const names[] = {"live", "expired", "used up", "revoked"};
	return (unsigned)e < ARRAY_LEN(names) ? names[e] : "?";
}

struct grant *book_grants(struct book *b)
{
	return b->grants;
}

struct grant *book_grant_by_id(struct book *b, const char *id)
{
	struct grant *g = b->grants;
	while (g && strcmp(g->id, id))
		g = g->next;
	return g;
}

static bool is_counted(const struct vote *v)
{
	return v->state == VOTE_COUNTS && v->is_approval;
}

static const char *names_of_voters(struct grant *g, const struct request *r)
{
	const char *text = "";
	for (int i = 0; i < r->n_votes && text; i++)
		if (is_counted(r->votes[i]))
			text = arena_printf(&g->arena, "%s%s%s", text, *text ? ", " : "",
					    r->votes[i]->who.subject);
	return text;
}

static bool copy_narrows(struct grant *g, const struct request *r)
{
	g->narrows = arena_array(&g->arena, (size_t)MAX(r->n_votes, 1), sizeof(*g->narrows));
	for (int i = 0; i < r->n_votes && g->narrows; i++) {
		struct narrow *n = is_counted(r->votes[i]) ? arena_new(&g->arena, struct narrow) : NULL;
		if (!is_counted(r->votes[i]))
			continue;
		if (!n || !copy_narrow(&g->arena, &r->votes[i]->narrow, n))
			return false;
		g->narrows[g->n_narrows++] = n;
	}
	return g->narrows != NULL;
}

static void copy_texts(struct grant *g, const struct request *r)
{
	struct arena *a = &g->arena;
	g->choice = r->narrow.choice;
	g->request = copy_text(a, r->id);
	g->rule = copy_text(a, r->terms.rule);
	g->issuer = copy_text(a, r->ask.issuer);
	g->subject = copy_text(a, r->ask.subject);
	g->owner = copy_text(a, r->ask.owner);
	g->role = copy_text(a, r->ask.role);
	g->session = copy_text(a, r->ask.session);
	g->gives = copy_text(a, r->terms.role);
	g->resource = copy_text(a, r->ask.resource);
	g->hash = copy_text(a, g->choice == CHOICE_TEXT	     ? r->ask.text_hash
			       : g->choice == CHOICE_PATTERN ? r->ask.pattern_hash
							     : "");
	g->by = names_of_voters(g, r);
}

/* One that is over makes room: the oldest of these. */
static bool make_room(struct book *b)
{
	struct grant **over = NULL;
	if (b->n_grants < BOOK_GRANTS_MAX)
		return true;
	for (struct grant **at = &b->grants; *at; at = &(*at)->next)
		if ((*at)->end != GRANT_LIVE)
			over = at;
	if (!over)
		return false;
	struct grant *g = *over;
	*over = g->next;
	arena_done(&g->arena);
	free(g);
	b->n_grants--;
	return true;
}

int book_grant(struct book *b, struct request *r, struct moment now, struct grant **ret_g)
{
	if (r->state != REQUEST_APPROVED || !r->release_seq || r->narrow.choice == CHOICE_ONCE)
		return ERR_STATE;
	struct grant *g = make_room(b) ? calloc(1, sizeof(*g)) : NULL;
	if (!g)
		return ERR_LIMIT;
	arena_init(&g->arena, GRANT_ARENA);
	copy_texts(g, r);
	if (!copy_narrows(g, r) || !g->by || arena_failed(&g->arena)) {
		arena_done(&g->arena);
		free(g);
		return -ENOMEM;
	}
	int64_t for_s = r->narrow.for_s ? r->narrow.for_s
			: r->ask.for_s	? r->ask.for_s
					: r->terms.grant_max_s;
	for_s = MIN(for_s, r->terms.grant_max_s);
	if (r->ask.for_s)
		for_s = MIN(for_s, r->ask.for_s);
	g->made = now;
	g->until = (struct moment){now.real_s + for_s, now.mono_s + for_s};
	g->uses = r->narrow.uses;
	g->release_seq = r->release_seq;
	book_make_id('g', b->epoch, ++b->next_grant, g->id);
	snprintf(r->grant, sizeof(r->grant), "%s", g->id);
	g->next = b->grants;
	b->grants = g;
	b->n_grants++;
	*ret_g = g;
	return 0;
}

bool book_grant_is_open(const struct grant *g, struct moment now)
{
	return g->end == GRANT_LIVE || (g->end == GRANT_USED && !moment_is_past(g->until, now));
}

void book_grant_end(struct grant *g, enum grant_end why, const char *reason, struct moment now)
{
	/* One that is used up can be revoked: what began by it goes on until then. */
	if (g->end != GRANT_LIVE && !(g->end == GRANT_USED && why != GRANT_USED))
		return;
	g->end = why;
	g->ended_at = now.real_s;
	snprintf(g->end_reason, sizeof(g->end_reason), "%s", reason ? reason : "");
}

bool book_grant_used(struct grant *g, struct moment now)
{
	if (g->end != GRANT_LIVE)
		return false;
	g->used++;
	if (!g->uses || g->used < g->uses)
		return false;
	book_grant_end(g, GRANT_USED, "used as often as was granted", now);
	return true;
}
