/* What of a decided mask depends on who reads what: the scope of its key, and columns whose names
 * say what is in them. */
#include "policy/plan.h"

static void bind_how(const struct mask_how *how, const struct lineage *l, const char *resource,
		     const char *session)
{
	struct mask_how *mine = (struct mask_how *)how; /* the operation's own copy */
	if (!how || how->way == MASK_WHOLE)
		return;
	for (int i = 0; l && how->detect && i < l->n_sources; i++)
		mine->bare |= detect_context(l->sources[i].column) & how->detect;
	if (how->has_key)
		mask_key_of_scope(mine, how->scope == MASK_SCOPE_SESSION ? session : resource);
}

void mask_bind(const struct plan *p, const struct op *op, const char *resource, const char *session,
	       struct decision *ret)
{
	struct masks *m = (struct masks *)ret->masks; /* the operation's own */
	if (!m)
		return;
	m->patterns = p->patterns;
	for (int r = 0; r < m->n_results && r < op->n_results; r++) {
		const struct mask_result *result = &m->results[r];
		const struct result_lineage *from = op->results[r];
		for (int i = 0; result->columns && i < result->n; i++) {
			const struct lineage *l =
			    from && i < from->n_outputs ? &from->outputs[i] : NULL;
			bind_how(result->columns[i].client, l, resource, session);
			bind_how(result->columns[i].record, l, resource, session);
		}
	}
}
