#include "flow/grants.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/macro.h"
#include "flow/proxy.h"
#include "policy/pattern.h"

#define NARROWS_MAX 64

struct narrowing {
	const char *resource; /* or NULL */
	struct patterns relations;
	uint32_t classes; /* 1 << enum op_class; 0: any */
};

struct granted {
	const char *id, *request, *kind, *session, *issuer, *subject, *role, *gives, *hash, *resource;
	int64_t until;	       /* Unix seconds */
	uint64_t until_mono_s; /* whatever the clock is set to */
	uint64_t release;
	bool is_limited;
	_Atomic int64_t left;
	struct narrowing narrows[NARROWS_MAX];
	int n_narrows;
};

struct grant_list {
	_Atomic int refs;
	struct arena arena;
	int n;
	struct granted *at;
};

void grants_unref(struct grant_list *l)
{
	if (!l || atomic_fetch_sub(&l->refs, 1) != 1)
		return;
	arena_done(&l->arena);
	free(l);
}

struct grant_list *grants_get(struct proxy *p)
{
	pthread_mutex_lock(&p->grants_mutex);
	struct grant_list *l = p->grants;
	if (l)
		atomic_fetch_add(&l->refs, 1);
	pthread_mutex_unlock(&p->grants_mutex);
	return l;
}

void grants_replace(struct proxy *p, struct grant_list *list)
{
	pthread_mutex_lock(&p->grants_mutex);
	struct grant_list *old = p->grants;
	p->grants = list;
	pthread_mutex_unlock(&p->grants_mutex);
	grants_unref(old);
}

/* --- reading ------------------------------------------------------------------------------------ */

static const char *copy(struct arena *a, const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));
	return arena_str(a, s ? s : "");
}

static int read_narrow(struct arena *a, const json_t *j, struct narrowing *n)
{
	const json_t *relations = json_object_get(j, "relations"), *classes = json_object_get(j, "classes");
	struct pattern *at = arena_array(a, MAX(json_array_size(relations), (size_t)1), sizeof(*at));
	const char *why;
	size_t i;
	json_t *e;
	n->resource = json_object_get(j, "resource") ? copy(a, j, "resource") : NULL;
	json_array_foreach(
		(json_t *)relations, i,
		e) if (!at ||
		       pattern_parse(a, json_string_value(e) ? json_string_value(e) : "", 2, &at[i], &why) <
			       0) return ERR_MALFORMED; /* what cannot be read must not widen it */
	n->relations = (struct patterns){at, (int)json_array_size(relations)};
	json_array_foreach((json_t *)classes, i, e)
	{
		int c = json_is_string(e) ? class_by_name(json_string_value(e)) : -1;
		if (c < 0)
			return ERR_MALFORMED;
		n->classes |= 1u << c;
	}
	return 0;
}

static int read_one(struct arena *a, const json_t *j, struct granted *g)
{
	const json_t *narrows = json_object_get(j, "narrows");
	int64_t now_s = (int64_t)(clock_real_ns() / NS_PER_SEC);
	size_t i;
	json_t *e;
	g->id = copy(a, j, "grant");
	g->request = copy(a, j, "request");
	g->kind = copy(a, j, "kind");
	g->session = copy(a, j, "session");
	g->issuer = copy(a, j, "issuer");
	g->subject = copy(a, j, "subject");
	g->role = copy(a, j, "role");
	g->gives = copy(a, j, "gives");
	g->hash = copy(a, j, "hash");
	g->resource = copy(a, j, "resource");
	g->until = json_integer_value(json_object_get(j, "until"));
	g->until_mono_s = clock_mono_ns() / NS_PER_SEC + (uint64_t)MAX(g->until - now_s, (int64_t)0);
	g->release = (uint64_t)json_integer_value(json_object_get(j, "release"));
	g->is_limited = json_integer_value(json_object_get(j, "uses")) > 0;
	atomic_init(&g->left, json_integer_value(json_object_get(j, "left")));
	json_array_foreach((json_t *)narrows, i, e)
	{
		if (g->n_narrows == NARROWS_MAX)
			return ERR_LIMIT;
		int err = read_narrow(a, e, &g->narrows[g->n_narrows++]);
		if (err)
			return err;
	}
	return arena_failed(a) ? -ENOMEM : 0;
}

/* What was used since control counted. */
static void take_over(struct granted *g, struct grant_list *previous)
{
	for (int i = 0; previous && i < previous->n; i++) {
		struct granted *old = &previous->at[i];
		if (strcmp(old->id, g->id))
			continue;
		if (g->is_limited)
			atomic_store(&g->left, MIN(atomic_load(&g->left), atomic_load(&old->left)));
		g->until_mono_s = MIN(g->until_mono_s, old->until_mono_s);
	}
}

int grants_read(const json_t *j, struct grant_list *previous, struct grant_list **ret_l)
{
	struct grant_list *l = calloc(1, sizeof(*l));
	size_t i;
	json_t *e;
	if (!l)
		return -ENOMEM;
	atomic_init(&l->refs, 1);
	arena_init(&l->arena, 64u * 1024 * 1024);
	l->at = arena_array(&l->arena, MAX(json_array_size(j), (size_t)1), sizeof(*l->at));
	json_array_foreach((json_t *)j, i, e)
	{
		int err = l->at ? read_one(&l->arena, e, &l->at[l->n]) : -ENOMEM;
		if (err) {
			grants_unref(l);
			return err;
		}
		take_over(&l->at[l->n++], previous);
	}
	*ret_l = l;
	return 0;
}

/* --- asking ------------------------------------------------------------------------------------- */

static bool is_live(const struct granted *g, const struct who *who, int64_t now_s)
{
	return g->until > now_s && clock_mono_ns() / NS_PER_SEC < g->until_mono_s &&
	       !strcmp(g->issuer, who->issuer) && !strcmp(g->subject, who->subject) &&
	       !strcmp(g->role, who->role) && (!*g->gives || !strcmp(g->session, who->session));
}

static bool is_for(const struct granted *g, const struct who *who, int64_t now_s)
{
	return is_live(g, who, now_s) && (!g->is_limited || atomic_load(&g->left) > 0);
}

static bool take(struct granted *g, struct decision *ret)
{
	if (g->is_limited && atomic_fetch_sub(&g->left, 1) <= 0)
		return false;
	snprintf(ret->grant, sizeof(ret->grant), "%s", g->id);
	snprintf(ret->request, sizeof(ret->request), "%s", g->request);
	ret->release = g->release;
	return true;
}

bool grants_let_text(struct grant_list *l, const struct who *who, const char *resource,
		     const struct bound_hashes *h, int64_t now_s, struct decision *ret)
{
	for (int i = 0; l && i < l->n; i++) {
		struct granted *g = &l->at[i];
		const char *hash = !strcmp(g->kind, "text")	 ? h->text
				   : !strcmp(g->kind, "pattern") ? h->pattern
								 : "";
		if (*hash && !strcmp(hash, g->hash) && !strcmp(g->resource, resource) &&
		    is_for(g, who, now_s) && take(g, ret))
			return true;
	}
	return false;
}

static bool fits_need(const struct narrowing *n, const struct need *need)
{
	if (need->is_implied)
		return true;
	if (n->classes && !(n->classes >> need->class & 1))
		return false;
	return !n->relations.n || (need->kind == NEED_RELATION && need->schema && need->name &&
				   patterns_match(&n->relations, need->schema, need->name));
}

static bool fits(const struct granted *g, const char *resource, const struct op *op)
{
	if (*g->resource && strcmp(g->resource, resource))
		return false;
	for (int i = 0; i < g->n_narrows; i++) {
		const struct narrowing *n = &g->narrows[i];
		if (n->resource && strcmp(n->resource, resource))
			return false;
		for (int k = 0; op && k < op->n_needs; k++)
			if (!fits_need(n, &op->needs[k]))
				return false;
	}
	return true;
}

const char *grants_role(struct grant_list *l, const struct who *who, const char *resource,
			const struct op *op, int64_t now_s, int *i)
{
	while (l && *i < l->n) {
		struct granted *g = &l->at[(*i)++];
		if (!strcmp(g->kind, "role") && is_for(g, who, now_s) && fits(g, resource, op))
			return g->gives;
	}
	return NULL;
}

bool grants_take(struct grant_list *l, int i, struct decision *ret)
{
	return take(&l->at[i - 1], ret);
}

/* --- going on ------------------------------------------------------------------------------------ */

const struct granted *grants_in_force(const struct grant_list *l, const char *id, const struct who *who, int64_t now_s)
{
	for (int i = 0; l && i < l->n; i++)
		if (!strcmp(l->at[i].id, id))
			return is_live(&l->at[i], who, now_s) ? &l->at[i] : NULL;
	return NULL;
}

const char *granted_role(const struct granted *g)
{
	return g->gives;
}

bool granted_covers(const struct granted *g, const char *resource, const struct op *op)
{
	return fits(g, resource, op);
}
