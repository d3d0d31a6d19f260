#include "flow/registry.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/macro.h"
#include "flow/questions.h"

#define SESSION_BYTES (64 * 1024)
#define SESSIONS_MAX  65536

struct registry {
	pthread_mutex_t mutex;
	struct session **all; /* a few hundred at most: a scan per accept is cheaper than a table */
	int n, cap;
};

int registry_new(struct registry **ret_r)
{
	struct registry *r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	pthread_mutex_init(&r->mutex, NULL);
	*ret_r = r;
	return 0;
}

void registry_free(struct registry *r)
{
	if (!r)
		return;
	for (int i = 0; i < r->n; i++)
		session_unref(r->all[i]);
	free(r->all);
	pthread_mutex_destroy(&r->mutex);
	free(r);
}

struct session *session_ref(struct session *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void session_unref(struct session *s)
{
	if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	if (s->counts && atomic_fetch_sub(&s->counts->refs, 1) == 1) {
		questions_free(s->counts->questions);
		free(s->counts);
	}
	arena_done(&s->arena);
	free(s);
}

static const char *copy(struct session *s, const char *text)
{
	return arena_str(&s->arena, text ? text : "");
}

static int copy_session(const struct session *like, struct session **ret_s)
{
	struct session *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	atomic_init(&s->refs, 1);
	arena_init(&s->arena, SESSION_BYTES);
	s->who = (struct who){.session = copy(s, like->who.session),
			      .issuer = copy(s, like->who.issuer),
			      .subject = copy(s, like->who.subject),
			      .owner = copy(s, like->who.owner),
			      .role = copy(s, like->who.role),
			      .expires = like->who.expires};
	const char **groups =
	    arena_array(&s->arena, (size_t)MAX(like->n_groups, 1), sizeof(*groups));
	for (int i = 0; groups && i < like->n_groups; i++)
		groups[i] = copy(s, like->groups[i]);
	s->groups = groups;
	s->n_groups = like->n_groups;
	s->cgroup_id = like->cgroup_id;
	s->generation = like->generation;
	if (arena_failed(&s->arena)) {
		session_unref(s);
		return ERR_LIMIT;
	}
	*ret_s = s;
	return 0;
}

static bool is_same(const struct session *a, const struct session *b)
{
	return !strcmp(a->who.session, b->who.session) ||
	       (a->cgroup_id == b->cgroup_id && a->generation == b->generation);
}

static int give_counts(struct session *s, const struct session *old)
{
	if (old && !strcmp(old->who.session, s->who.session)) {
		s->counts = old->counts;
		atomic_fetch_add(&s->counts->refs, 1);
		return 0;
	}
	s->counts = calloc(1, sizeof(*s->counts));
	if (!s->counts)
		return -ENOMEM;
	atomic_init(&s->counts->refs, 1);
	s->counts->questions = questions_new();
	if (!s->counts->questions)
		return -ENOMEM;
	return 0;
}

static int put_locked(struct registry *r, struct session *s)
{
	int at = 0;
	while (at < r->n && !is_same(r->all[at], s))
		at++;
	int err = give_counts(s, at < r->n ? r->all[at] : NULL);
	if (err)
		return err;
	if (at < r->n) {
		session_unref(r->all[at]);
		r->all[at] = session_ref(s);
		return 0;
	}
	if (r->n == SESSIONS_MAX)
		return ERR_LIMIT;
	if (r->n == r->cap) {
		int cap = MAX(16, r->cap * 2);
		struct session **all = realloc(r->all, (size_t)cap * sizeof(*all));
		if (!all)
			return -ENOMEM;
		r->all = all;
		r->cap = cap;
	}
	r->all[r->n++] = session_ref(s);
	return 0;
}

int registry_put(struct registry *r, const struct session *like, struct session **ret_s)
{
	struct session *s = NULL;
	bool is_named = like->who.session && like->who.session[0] && like->who.role &&
			like->who.role[0] && like->cgroup_id;
	if (!is_named)
		return ERR_MALFORMED;
	int err = copy_session(like, &s);
	if (err)
		return err;
	pthread_mutex_lock(&r->mutex);
	err = put_locked(r, s);
	pthread_mutex_unlock(&r->mutex);
	if (err) {
		session_unref(s);
		return err;
	}
	*ret_s = s;
	return 0;
}

int registry_remove(struct registry *r, const char *id, struct session **ret_s)
{
	int err = ERR_NOT_FOUND;
	pthread_mutex_lock(&r->mutex);
	for (int i = 0; i < r->n; i++) {
		if (strcmp(r->all[i]->who.session, id))
			continue;
		*ret_s = r->all[i];
		r->all[i] = r->all[--r->n];
		err = 0;
		break;
	}
	pthread_mutex_unlock(&r->mutex);
	return err;
}

int registry_find(struct registry *r, uint64_t cgroup_id, uint32_t generation,
		  struct session **ret_s)
{
	int err = ERR_NOT_FOUND;
	pthread_mutex_lock(&r->mutex);
	for (int i = 0; i < r->n && err; i++) {
		if (r->all[i]->cgroup_id != cgroup_id || r->all[i]->generation != generation)
			continue;
		*ret_s = session_ref(r->all[i]);
		err = 0;
	}
	pthread_mutex_unlock(&r->mutex);
	return err;
}

void registry_each(struct registry *r, void (*fn)(void *ctx, const struct session *s), void *ctx)
{
	pthread_mutex_lock(&r->mutex);
	for (int i = 0; i < r->n; i++)
		fn(ctx, r->all[i]);
	pthread_mutex_unlock(&r->mutex);
}
