#include "sql/reach.h"

#include <errno.h>

#include "sql/sql.h"

static void follow(struct needs *to, const struct cat_relation *r, enum verb v);

/* What was there already has been followed. */
static void add(struct needs *to, const struct cat_relation *r, enum verb v, const char *why)
{
	int before = to->n;
	needs_add(to, &(struct need){.kind = NEED_RELATION,
				     .verb = v,
				     .class = v == VERB_SELECT ? CLASS_READ : CLASS_WRITE,
				     .schema = r->schema->name,
				     .name = r->name,
				     .why = why});
	if (to->n > before)
		follow(to, r, v);
}

static void call(struct needs *to, const struct cat_function *f, const char *why)
{
	if (f->is_read || !f->schema)
		return;
	if (f->is_definer)
		why = arena_printf(to->a, "%s; SECURITY DEFINER", why);
	needs_execute(to, f->schema->name, f->name, why);
}

static void follow(struct needs *to, const struct cat_relation *r, enum verb v)
{
	const char *why = r->reached || r->children
			      ? arena_printf(to->a, "by way of %s.%s", r->schema->name, r->name)
			      : NULL;
	for (const struct cat_reach *b = r->reached; b && why; b = b->next) {
		uint32_t does = b->does | (b->is_same ? 1u << v : 0);
		if (!(b->on >> v & 1))
			continue;
		if (b->function)
			call(to, b->function, why);
		for (int i = 0; b->relation && b->relation->schema && does >> i; i++)
			if (does >> i & 1)
				add(to, b->relation, (enum verb)i, why);
	}
	for (const struct cat_kin *k = why ? r->children : NULL; k; k = k->next)
		add(to, k->relation, v, why);
}

void reach_add(struct needs *l, const struct cat_relation *r, enum verb v)
{
	if (!r->reached && !r->children)
		return;
	if (!l->reached && (l->reached = arena_new(l->a, struct needs)))
		*l->reached = (struct needs){.a = l->a};
	if (!l->reached)
		return; /* the arena is full: so is the whole */
	follow(l->reached, r, v == VERB_REFRESH ? VERB_SELECT : v);
	if (l->reached->is_full) /* what is not told may be what is denied */
		l->reached->at[NEEDS_MAX - 1] =
		    (struct need){.kind = NEED_OPAQUE,
				  .class = CLASS_OPAQUE,
				  .why = "more lies behind it than is looked at"};
}

int sql_reached(const struct sql_result *r, struct arena *a, struct op *op)
{
	size_t n = 0;
	for (int i = 0; i < r->n_stmts; i++)
		n += (size_t)r->stmts[i].n_reached;
	struct need *all = arena_array(a, n + 1, sizeof(*all));
	if (!all)
		return -ENOMEM;
	op->reached = all;
	op->n_reached = 0;
	for (int i = 0; i < r->n_stmts; i++)
		for (int k = 0; k < r->stmts[i].n_reached; k++)
			all[op->n_reached++] = r->stmts[i].reached[k];
	return 0;
}
