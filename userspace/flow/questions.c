#include "flow/questions.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"

struct question_name {
	char *text;
	uint64_t when;
};

struct questions {
	pthread_mutex_t mutex;
	struct question_name *names;
	int n, cap;
	uint64_t last;
	uint64_t full_ns; /* when the allowance for questions is whole again */
};

struct questions *questions_new(void)
{
	struct questions *a = calloc(1, sizeof(*a));
	if (a)
		pthread_mutex_init(&a->mutex, NULL);
	return a;
}

void questions_free(struct questions *a)
{
	if (!a)
		return;
	for (int i = 0; i < a->n; i++)
		free(a->names[i].text);
	free(a->names);
	pthread_mutex_destroy(&a->mutex);
	free(a);
}

static struct question_name *find(struct questions *a, const char *name)
{
	for (int i = 0; i < a->n; i++)
		if (!strcmp(a->names[i].text, name))
			return &a->names[i];
	return NULL;
}

static struct question_name *room(struct questions *a)
{
	if (a->n == QUESTIONS_NAMES) {
		struct question_name *oldest = &a->names[0];
		for (int i = 1; i < a->n; i++)
			oldest = a->names[i].when < oldest->when ? &a->names[i] : oldest;
		free(TAKE(oldest->text));
		return oldest;
	}
	if (a->n == a->cap) {
		int cap = MAX(4, a->cap * 2);
		struct question_name *names = realloc(a->names, (size_t)cap * sizeof(*names));
		if (!names)
			return NULL;
		a->names = names;
		a->cap = cap;
	}
	return &a->names[a->n++];
}

void questions_note(struct questions *a, const char *name)
{
	pthread_mutex_lock(&a->mutex);
	struct question_name *e = find(a, name);
	char *text = e ? NULL : strdup(name);
	if (!e && text) {
		e = room(a);
		if (e)
			e->text = text;
		else
			free(text);
	}
	if (e)
		e->when = ++a->last;
	pthread_mutex_unlock(&a->mutex);
}

uint64_t questions_when(struct questions *a, const char *name)
{
	pthread_mutex_lock(&a->mutex);
	const struct question_name *e = find(a, name);
	uint64_t when = e ? e->when : 0;
	pthread_mutex_unlock(&a->mutex);
	return when;
}

/* Each question moves the moment at which all may be asked again; it is never more than a second away. */
bool questions_may(struct questions *a, uint64_t now_ns)
{
	pthread_mutex_lock(&a->mutex);
	uint64_t full = MAX(a->full_ns, now_ns) + NS_PER_SEC / QUESTIONS_PER_S;
	bool may = full <= now_ns + NS_PER_SEC;
	if (may)
		a->full_ns = full;
	pthread_mutex_unlock(&a->mutex);
	return may;
}
