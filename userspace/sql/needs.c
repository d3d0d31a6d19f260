#include "sql/needs.h"

#include "base/macro.h"

static bool is_same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool is_same(const struct need *a, const struct need *b)
{
	if (a->kind != b->kind || a->verb != b->verb || a->class != b->class ||
	    a->n_columns != b->n_columns || !is_same_text(a->name, b->name) ||
	    !is_same_text(a->schema, b->schema))
		return false;
	for (int i = 0; i < a->n_columns; i++)
		if (strcmp(a->columns[i], b->columns[i]) != 0)
			return false;
	return a->kind != NEED_OPAQUE || is_same_text(a->why, b->why);
}

static struct need *grow(struct needs *l)
{
	if (l->n == NEEDS_MAX) {
		l->is_full = true;
		return NULL;
	}
	if (l->n == l->room) {
		int room = l->room ? l->room * 2 : 8;
		struct need *at = arena_array(l->a, (size_t)room, sizeof(*at));
		if (!at)
			return NULL;
		if (l->n)
			memcpy(at, l->at, (size_t)l->n * sizeof(*at));
		l->at = at;
		l->room = room;
	}
	return &l->at[l->n++];
}

static const char *copy(struct needs *l, const char *s)
{
	return s ? arena_str(l->a, s) : NULL;
}

void needs_add(struct needs *l, const struct need *n)
{
	for (int i = 0; i < l->n; i++) {
		if (is_same(&l->at[i], n)) {
			l->at[i].is_implied &= n->is_implied;
			return;
		}
	}
	struct need *to = grow(l);
	if (!to)
		return;
	*to = *n;
	to->schema = copy(l, n->schema);
	to->name = copy(l, n->name);
	const char **columns = arena_array(l->a, (size_t)n->n_columns, sizeof(*columns));
	for (int i = 0; columns && i < n->n_columns; i++)
		columns[i] = copy(l, n->columns[i]);
	to->columns = n->n_columns ? columns : NULL;
}

void needs_opaque(struct needs *l, const char *why)
{
	needs_add(l, &(struct need){.kind = NEED_OPAQUE, .class = CLASS_OPAQUE, .why = why});
	l->is_write = l->is_untransactional = true;
}

void needs_plain(struct needs *l, enum verb v, enum op_class class, bool is_implied)
{
	needs_add(l, &(struct need){
			 .kind = NEED_PLAIN, .verb = v, .class = class, .is_implied = is_implied});
}

void needs_execute(struct needs *l, const char *schema, const char *name, const char *why)
{
	needs_add(l, &(struct need){.kind = NEED_FUNCTION,
				    .verb = VERB_EXECUTE,
				    .class = CLASS_PROCEDURAL,
				    .schema = schema,
				    .name = name,
				    .why = why});
	l->is_write = l->is_untransactional = true;
}
