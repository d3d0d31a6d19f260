/* Which columns of what passes are masked, from where their values come. What cannot be told is
 * refused for a role that has masks; for the others it only keeps the rows out of the record. */
#include <stdio.h>

#include "policy/plan.h"
#include "policy/text.h"

struct masking {
	const struct plan *p;
	const struct ruling *g;
	const struct op *op;
	struct decision *ret;
	struct masks *out;
};

static const struct mask_how whole = {.way = MASK_WHOLE};
/* For roles with masks: a definition shows no constants, which may be copies of what is masked. */
static const struct mask definition = {.how = {.way = MASK_LITERALS}, .are_predicates_denied = true};
static const struct mask open_definition = {.how = {.way = MASK_LITERALS}};

/* --- which mask a column has ------------------------------------------------------------------ */

static const struct mask *find_mask(const struct mask *const *masks, int n, const struct source *s)
{
	const char *const names[] = {s->schema, s->relation, s->column};
	for (int i = 0; i < n; i++)
		for (int k = 0; k < masks[i]->columns.n; k++)
			if (pattern_matches(&masks[i]->columns.at[k], names))
				return masks[i];
	return NULL;
}

/* A definition of the catalogue, or what is computed from it: nothing else of these schemas has a source. */
static bool is_definition(const struct source *s)
{
	return !strcmp(s->schema, "pg_catalog") || !strcmp(s->schema, "information_schema");
}

static bool denies_predicates(const struct masking *m)
{
	for (int i = 0; i < m->g->n_masks; i++)
		if (m->g->masks[i]->are_predicates_denied)
			return true;
	return false;
}

/* By the rule that lets this relation be read. Behind a view there may be none: then any mask of
 * the role counts. */
static const struct mask *client_mask(const struct masking *m, const struct source *s)
{
	if (!m->g->n_masks)
		return NULL;
	if (is_definition(s))
		return denies_predicates(m) ? &definition : &open_definition;
	const struct rule *r = plan_rule_for_read(m->p, m->g, s->schema, s->relation);
	bool lets = r && (r->effect == EFFECT_ALLOW || r->is_observing);
	if (lets)
		return NULL;
	if (r && r->effect == EFFECT_MASK)
		return find_mask((const struct mask *const *)r->masks, r->n_masks, s);
	return find_mask(m->g->masks, m->g->n_masks, s);
}

static const struct mask *record_mask(const struct masking *m, const struct source *s)
{
	if (is_definition(s))
		return m->g->n_record_masks ? &open_definition : NULL;
	return find_mask(m->g->record_masks, m->g->n_record_masks, s);
}

/* --- refusing --------------------------------------------------------------------------------- */

static void begin_refusal(struct masking *m, struct text *t)
{
	m->ret->effect = EFFECT_DENY;
	m->ret->is_observed = false;
	m->ret->masks = NULL;
	m->ret->hides_text = true;
	text_init(t, m->ret->reason, sizeof(m->ret->reason));
}

static bool refuse_untraced(struct masking *m, const char *what, const char *why)
{
	struct text t;
	begin_refusal(m, &t);
	m->ret->is_unread = true;
	text_add(&t, "masks hide columns from this role, and ");
	text_add(&t, what);
	if (why && *why) {
		text_add(&t, ": ");
		text_foreign(&t, why, 200);
	}
	return false;
}

static bool refuse_column(struct masking *m, const struct source *s, const char *what)
{
	struct text t;
	begin_refusal(m, &t);
	text_qualified(&t, s->schema, s->relation);
	text_add(&t, ".");
	text_name(&t, s->column);
	text_add(&t, what);
	return false;
}

/* --- one result ------------------------------------------------------------------------------- */

/* How an output is shown by the masks of its sources; NULL: as it is. ret_source: one that is
 * masked. */
static const struct mask_how *how_of(const struct masking *m, const struct lineage *l,
				     bool is_record, const struct source **ret_source)
{
	for (int i = 0; i < l->n_sources; i++) {
		const struct mask *mask =
		    is_record ? record_mask(m, &l->sources[i]) : client_mask(m, &l->sources[i]);
		if (!mask)
			continue;
		*ret_source = &l->sources[i];
		bool is_copy = l->kind == LINEAGE_COPY;
		bool is_kept = is_copy || mask->how.way == MASK_DROP || mask->how.way == MASK_NULL;
		return is_kept ? &mask->how : &whole;
	}
	return NULL;
}

static bool check_predicates(struct masking *m, const struct result_lineage *r)
{
	if (r->unknown_predicate && denies_predicates(m))
		return refuse_untraced(m, "what a condition is about cannot be told",
				       r->unknown_predicate);
	m->out->hides_client |= r->unknown_predicate && m->g->n_masks;
	m->out->hides_record |= r->unknown_predicate != NULL;
	for (int i = 0; i < r->n_predicates; i++) {
		const struct mask *mask = client_mask(m, &r->predicates[i]);
		if (mask)
			m->out->hides_client = true;
		if (record_mask(m, &r->predicates[i]))
			m->out->hides_record = true;
		if (mask && mask->are_predicates_denied)
			return refuse_column(m, &r->predicates[i],
					     " is masked for this role: it may be read, but not "
					     "stand in a condition, a join, an order or a "
					     "grouping, nor in an expression that compares it or "
					     "fails by it (predicates: deny)");
	}
	return true;
}

static bool refuse_unmaskable(struct masking *m, const struct source *s, const char *why)
{
	char what[120];
	snprintf(what, sizeof(what), " is masked for this role, and %s cannot be masked", why);
	return refuse_column(m, s, what);
}

/* Which columns RowDescription may say that this one is. */
static bool keep_origins(struct masking *m, const struct lineage *l, struct mask_column *c)
{
	int n = l->n_sources < MASK_ORIGINS_MAX ? l->n_sources : MASK_ORIGINS_MAX;
	if (!m->g->n_masks || !n)
		return true;
	struct mask_origin *at = arena_array(m->op->arena, (size_t)n, sizeof(*at));
	for (int i = 0; at && i < n; i++)
		at[i] = (struct mask_origin){l->sources[i].oid, l->sources[i].number};
	c->origins = at;
	c->n_origins = at ? n : 0;
	return at != NULL;
}

static bool decide_output(struct masking *m, const struct lineage *l, const char *unmaskable,
			  struct mask_column *c)
{
	const struct source *s = NULL;
	c->type = l->type;
	/* Rows that repeat what is hidden in the text. */
	const struct mask_how *constant = m->ret->hides_text && l->has_constant ? &whole : NULL;
	c->record = constant;
	m->out->hides_record |= constant != NULL;
	if (l->kind == LINEAGE_NONE)
		return true;
	if (l->kind == LINEAGE_UNKNOWN && m->g->n_masks)
		return refuse_untraced(m, "where an output column comes from cannot be told",
				       l->why);
	if (l->kind == LINEAGE_UNKNOWN) {
		c->record = &whole;
		m->out->hides_record = true;
		return true;
	}
	if (!keep_origins(m, l, c))
		return refuse_untraced(m, "there is no memory for them", NULL);
	c->client = how_of(m, l, false, &s);
	if (c->client && c->client->way == MASK_DROP)
		return refuse_column(m, s, " may not be read by this role (its mask is \"drop\")");
	if (c->client && unmaskable)
		return refuse_unmaskable(m, s, unmaskable);
	c->record = c->client ? c->client : constant ? constant : how_of(m, l, true, &s);
	m->out->n_client += c->client != NULL;
	m->out->hides_client |= c->client != NULL;
	m->out->hides_record |= c->record != NULL;
	return true;
}

/* The plan may be gone before the rows have come. */
static const struct mask_how *keep_how(struct arena *a, const struct mask_how *how)
{
	if (!how || how == &whole)
		return how;
	struct mask_how *copy = arena_new(a, struct mask_how);
	if (!copy)
		return NULL;
	*copy = *how;
	copy->text = how->text ? arena_str(a, how->text) : NULL;
	return copy;
}

static bool decide_outputs(struct masking *m, const struct result_lineage *r,
			   struct mask_result *out)
{
	struct arena *a = m->op->arena;
	struct mask_column *columns = arena_array(a, (size_t)r->n_outputs, sizeof(*columns));
	bool is_any = false;
	if (!columns)
		return refuse_untraced(m, "there is no memory for them", NULL);
	for (int i = 0; i < r->n_outputs; i++) {
		if (!decide_output(m, &r->outputs[i], r->unmaskable, &columns[i]))
			return false;
		columns[i].client = keep_how(a, columns[i].client);
		columns[i].record = keep_how(a, columns[i].record);
		is_any |= columns[i].client || columns[i].record;
	}
	out->n = r->n_outputs;
	out->columns = is_any || out->is_strict ? columns : NULL;
	return check_predicates(m, r);
}

static bool reads(const struct op *op)
{
	return op->class == CLASS_READ || op->class == CLASS_COPY;
}

static bool decide_result(struct masking *m, const struct result_lineage *r,
			  struct mask_result *out)
{
	bool is_masked_role = m->g->n_masks > 0;
	out->is_strict = is_masked_role;
	if (r && r->is_known && r->n_outputs < 0) {
		out->is_free = true;
		return true;
	}
	if (r && r->is_known)
		return decide_outputs(m, r, out);
	m->out->hides_record = true;
	m->out->hides_client = is_masked_role;
	out->is_closed = is_masked_role;
	out->is_unrecorded = true;
	if (is_masked_role && (r || reads(m->op)))
		return refuse_untraced(m, "where this statement's rows come from cannot be told",
				       r ? r->why : NULL);
	return true;
}

/* --- the whole -------------------------------------------------------------------------------- */

static bool is_touched(const struct mask *const *masks, int n, const struct need *need)
{
	for (int i = 0; i < n; i++)
		if (!need->schema || !need->name ||
		    patterns_touch(&masks[i]->columns, need->schema, need->name))
			return true;
	return false;
}

/* What reads masked columns and writes may put them where no mask is. */
static bool check_write(struct masking *m, const struct need *n)
{
	const struct rule *r = plan_rule_for_read(m->p, m->g, n->schema, n->name);
	bool is_masked = r && r->effect == EFFECT_MASK && !r->is_observing;
	if (!m->op->is_write || n->verb != VERB_SELECT || !is_masked)
		return true;
	return refuse_untraced(m, "this statement writes while it reads a relation that has some",
			       n->name);
}

bool mask_hides_text(const struct ruling *g, const struct op *op)
{
	for (int i = 0; i < op->n_needs; i++) {
		const struct need *n = &op->needs[i];
		bool is_relation = n->kind == NEED_RELATION && !n->is_implied;
		bool is_code = n->class == CLASS_PROCEDURAL && !n->is_implied; /* nobody reads what it does */
		if (n->kind == NEED_OPAQUE || is_code ||
		    (is_relation && is_touched(g->record_masks, g->n_record_masks, n)))
			return true;
	}
	return false;
}

/* Reading the catalogue alone asks for nothing; what of it is a definition has a source. */
static bool shows_definitions(const struct op *op)
{
	for (int i = 0; i < op->n_results; i++) {
		const struct result_lineage *r = op->results[i];
		if (r && r->n_predicates)
			return true;
		for (int k = 0; r && k < r->n_outputs; k++)
			if (r->outputs[k].n_sources)
				return true;
	}
	return false;
}

/* Relations whose columns are masked, whether these columns are read or not. */
static bool weigh_needs(struct masking *m, bool *ret_matters)
{
	const struct ruling *g = m->g;
	for (int i = 0; i < m->op->n_needs; i++) {
		const struct need *n = &m->op->needs[i];
		if (n->kind == NEED_OPAQUE && g->n_masks)
			return refuse_untraced(m, "what cannot be read cannot be masked", n->why);
		*ret_matters |= !n->is_implied && n->kind != NEED_PLAIN;
		if (n->kind != NEED_RELATION || n->is_implied)
			continue;
		if (!is_touched(g->masks, g->n_masks, n))
			continue;
		m->out->hides_client = true;
		if (!check_write(m, n))
			return false;
	}
	return true;
}

static bool decide_results(struct masking *m)
{
	const struct op *op = m->op;
	struct mask_result *results =
	    arena_array(op->arena, (size_t)op->n_results, sizeof(*results));
	if (!results)
		return refuse_untraced(m, "there is no memory for them", NULL);
	for (int i = 0; i < op->n_results; i++)
		if (!decide_result(m, op->results[i], &results[i]))
			return false;
	m->out->results = results;
	m->out->n_results = op->n_results;
	return true;
}

bool mask_decide(const struct plan *p, const struct ruling *g, const struct op *op,
		 struct decision *ret)
{
	struct masks here = {.hides_record = ret->hides_text};
	struct masking m = {.p = p, .g = g, .op = op, .ret = ret, .out = &here};
	bool matters = false;
	if (!weigh_needs(&m, &matters))
		return false;
	if (!matters && !shows_definitions(op))
		return true;
	if (!op->arena)
		return !g->n_masks || !here.hides_client ||
		       refuse_untraced(&m, "this kind of operation cannot be masked", NULL);
	if (!decide_results(&m))
		return false;
	struct masks *kept = arena_new(op->arena, struct masks);
	if (!kept || arena_failed(op->arena)) /* a copy of a mask that failed would be no mask */
		return refuse_untraced(&m, "there is no memory for them", NULL);
	*kept = here;
	ret->masks = kept;
	ret->is_masked = here.n_client > 0;
	ret->hides_text |= here.hides_record;
	return true;
}
