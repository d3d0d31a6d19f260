#include "explain/explain.h"

#include <errno.h>

#include "base/macro.h"
#include "policy/mask.h"
#include "policy/policy.h"
#include "sql/sql.h"

static const char *outcome(const struct decision *d)
{
	if (d->effect == EFFECT_ALLOW && d->masks && d->masks->hides_client)
		return effect_name(EFFECT_MASK);
	return d->is_observed ? "observe" : effect_name(d->effect);
}

static void decide(const struct question *q, struct op *op, struct decision *ret)
{
	struct who who = {.session = "s-policy",
			  .issuer = "",
			  .subject = "",
			  .role = q->role,
			  .owner = q->owner,
			  .expires = INT64_MAX};
	op->id = 1;
	op->protocol = q->resource->protocol;
	op->arena = q->arena;
	plan_decide(q->plan, q->resource, &who, op, q->now, ret);
}

static json_t *decision_json(const struct decision *d)
{
	return json_pack("{s:s,s:s,s:s,s:s}", "decision", outcome(d), "rule", d->rule, "reason",
			 d->reason, "hint", d->hint);
}

/* --- needs --------------------------------------------------------------------------------------
 */

static const char *or_none(const char *s)
{
	return s ? s : "";
}

static json_t *need_json(const struct question *q, const struct need *n)
{
	static const char *const kinds[] = {
	    [NEED_RELATION] = "relation", [NEED_FUNCTION] = "function", [NEED_OBJECT] = "object",
	    [NEED_SETTING] = "setting",	  [NEED_PLAIN] = "plain",	[NEED_OPAQUE] = "opaque"};
	struct decision d;
	struct op op = {.needs = n, .n_needs = 1};
	json_t *columns = json_array();
	decide(q, &op, &d);
	for (int i = 0; i < n->n_columns && n->columns; i++)
		json_array_append_new(columns, json_string(n->columns[i]));
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:o,s:s,s:b,s:s}", "decision", outcome(&d),
			 "rule", d.rule, "verb", verb_name(n->verb), "kind", kinds[n->kind],
			 "schema", or_none(n->schema), "name", or_none(n->name), "columns", columns,
			 "class", class_name(n->class), "implied", n->is_implied, "why",
			 or_none(n->why));
}

static json_t *needs_json(const struct question *q, const struct need *needs, int n)
{
	json_t *list = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(list, need_json(q, &needs[i]));
	return list;
}

json_t *explain_needs(const struct question *q, const struct need *needs, int n)
{
	struct decision d;
	struct op op = {.needs = needs, .n_needs = n};
	decide(q, &op, &d);
	json_t *all = decision_json(&d);
	json_object_set_new(all, "needs", needs_json(q, needs, n));
	return all;
}

/* --- rows ---------------------------------------------------------------------------------------
 */

static void add_source(json_t *list, const struct source *s)
{
	json_array_append_new(list, json_sprintf("%s.%s.%s", s->schema, s->relation, s->column));
}

static json_t *sources_json(const struct source *at, int n)
{
	json_t *list = json_array();
	for (int i = 0; i < n; i++)
		add_source(list, &at[i]);
	return list;
}

/* What is masked within its texts, where that is not all of it. */
static json_t *detectors_json(const struct mask_how *how)
{
	json_t *list = json_array();
	for (int k = 0; how && k < DETECT_COUNT; k++)
		if (how->detect >> k & 1)
			json_array_append_new(list, json_string(detect_names[k]));
	if (how && how->detect >> DETECT_PATTERN_0)
		json_array_append_new(list, json_string("patterns of the policy"));
	return list;
}

static json_t *column_json(const struct lineage *l, const struct mask_how *how)
{
	static const char *const kinds[] = {[LINEAGE_NONE] = "none",
					    [LINEAGE_COPY] = "copy",
					    [LINEAGE_DERIVED] = "derived",
					    [LINEAGE_UNKNOWN] = "unknown"};
	return json_pack("{s:s,s:o,s:s,s:s,s:o}", "mask", how ? mask_way_name(how->way) : "",
			 "from", sources_json(l->sources, l->n_sources), "kind", kinds[l->kind],
			 "why", or_none(l->why), "detect", detectors_json(how));
}

static json_t *result_json(const struct result_lineage *l, const struct mask_result *m)
{
	json_t *columns = json_array();
	if (!l)
		return json_null();
	for (int i = 0; l->is_known && i < l->n_outputs; i++)
		json_array_append_new(columns,
				      column_json(&l->outputs[i], m && m->columns && i < m->n
								      ? m->columns[i].client
								      : NULL));
	return json_pack("{s:b,s:s,s:o,s:o,s:s,s:s}", "known", l->is_known, "why", or_none(l->why),
			 "columns", columns, "conditions",
			 sources_json(l->predicates, l->n_predicates), "unknown_condition",
			 or_none(l->unknown_predicate), "unmaskable", or_none(l->unmaskable));
}

/* --- statements ---------------------------------------------------------------------------------
 */

/* All of a text as the one operation that it is. -ENOMEM. */
static int operation_of(const struct question *q, const struct sql_result *sql, struct op *ret)
{
	int n = 0, at = 0;
	for (int i = 0; i < sql->n_stmts; i++)
		n += sql->stmts[i].n_needs;
	struct need *all = arena_array(q->arena, (size_t)MAX(n, 1), sizeof(*all));
	const struct result_lineage **results =
	    arena_array(q->arena, (size_t)MAX(sql->n_stmts, 1), sizeof(*results));
	if (!all || !results)
		return -ENOMEM;
	*ret =
	    (struct op){.needs = all, .n_needs = n, .results = results, .n_results = sql->n_stmts};
	for (int i = 0; i < sql->n_stmts; i++) {
		const struct sql_stmt *s = &sql->stmts[i];
		memcpy(all + at, s->needs, (size_t)s->n_needs * sizeof(*all));
		at += s->n_needs;
		results[i] = s->lineage;
		ret->class = MAX(ret->class, s->class);
	}
	return sql_reached(sql, q->arena, ret);
}

/* What it reaches besides, and by way of what. */
static json_t *reached_json(const struct sql_stmt *s)
{
	json_t *list = json_array();
	for (int i = 0; i < s->n_reached; i++)
		json_array_append_new(list, json_sprintf("%s on %s.%s, %s", verb_name(s->reached[i].verb),
							 or_none(s->reached[i].schema), or_none(s->reached[i].name),
							 or_none(s->reached[i].why)));
	return list;
}

json_t *explain_sql(const struct question *q, const struct sql_result *sql)
{
	struct decision d;
	struct op op;
	if (operation_of(q, sql, &op) < 0)
		return NULL;
	decide(q, &op, &d);
	json_t *all = decision_json(&d), *list = json_array();
	for (int i = 0; i < sql->n_stmts; i++) {
		const struct sql_stmt *s = &sql->stmts[i];
		bool is_masked = d.masks && i < d.masks->n_results;
		json_array_append_new(
		    list,
		    json_pack("{s:s,s:s,s:o,s:o,s:o}", "tag", s->tag, "class", class_name(s->class),
			      "needs", needs_json(q, s->needs, s->n_needs), "reached", reached_json(s), "result",
			      result_json(s->lineage, is_masked ? &d.masks->results[i] : NULL)));
	}
	json_object_set_new(all, "statements", list);
	return all;
}

json_t *explain_text(const struct question *q, struct span text, const struct catalog *c,
		     const char **ret_why)
{
	struct sql_session s = {.paths = {catalog_search_path(c)}, .n_paths = 1};
	struct sql_result sql;
	int err = sql_analyze(text, c, &s, q->arena, &sql);
	json_t *all = NULL;
	if (err)
		*ret_why = err_text(err);
	else if (sql.status == SQL_SYNTAX)
		*ret_why = sql.message ? sql.message : "a syntax error";
	else if (sql.status == SQL_TOO_BIG)
		*ret_why = "the text is too long or too complex to be read";
	else if (!(all = explain_sql(q, &sql)))
		*ret_why = err_text(-ENOMEM);
	return all;
}
