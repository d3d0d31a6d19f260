/* What is inside views: their definitions, which the server writes with every name in full, are
 * read as queries of their own. They add nothing to the statement's needs, only to its lineage. */
#include "sql/pg_walk.h"

#define VIEW_COST 24 /* a parser's stack and a walk's on top of the one that is going on */

static const struct path *catalog_only(struct walk *w)
{
	struct path p, *copy = NULL;
	if (path_read(w->c, "", &p) == 0 && (copy = arena_new(w->a, struct path)))
		*copy = p;
	return copy;
}

/* Names in full: temporary tables cannot stand in, and there are no parameters. */
static struct walk inside(const struct walk *w, const struct path *p, struct needs *needs,
			  struct sql_stmt *stmt, struct sql_session *session)
{
	struct walk in = *w;
	*session = (struct sql_session){.paths = {""}, .n_paths = 1};
	in.path = p;
	in.needs = needs;
	in.stmt = stmt;
	in.session = session;
	in.params = NULL;
	in.n_params = 0;
	in.filling = NULL;
	in.is_inside = true;
	in.allows_set_config = false;
	in.lacks_facts = false;
	return in;
}

/* CREATE OR REPLACE VIEW lets views be made of each other; the server refuses only to run them. */
static bool is_being_read(const struct walk *w, const struct cat_relation *rel)
{
	const struct view_chain *v = w->views;
	while (v && v->view != rel)
		v = v->outer;
	return v;
}

const struct row *view_row(struct walk *w, const struct cat_relation *rel)
{
	const struct view_chain chain = {rel, w->views};
	const struct path *p = rel->definition && !is_being_read(w, rel) ? catalog_only(w) : NULL;
	const struct row *r = NULL;
	if (!p || !enter(w, VIEW_COST)) {
		w->depth -= p ? VIEW_COST : 0;
		return NULL;
	}
	Node *tree = parse_query(rel->definition);
	struct needs needs = {.a = w->a};
	struct sql_stmt stmt = {.class = CLASS_READ};
	struct sql_session session;
	struct walk in = inside(w, p, &needs, &stmt, &session);
	in.values = &in.predicates;
	in.views = &chain;
	if (tree)
		r = query(&in, NULL, tree);
	if (in.lacks_facts)
		r = NULL;
	w->nodes = in.nodes;
	w->is_too_big |= in.is_too_big || needs.is_full;
	w->predicates = in.predicates;
	w->cyclic = in.cyclic;
	w->leaves = in.leaves;
	leave(w, VIEW_COST);
	return r;
}
