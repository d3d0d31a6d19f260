/* GET /v1/policy/explain: what the policy in force says to needs (policy/needs.h). Statements are
 * not read here: the process that verifies tokens meets no parser of SQL; `sluice policy explain
 * --sql` reads them. */
#include <stdio.h>

#include "base/macro.h"
#include "control/api_internal.h"
#include "policy/needs.h"

#define NAME_TEXT  80
#define NEEDS_TEXT 2000

static const char *outcome(const struct decision *d)
{
	return d->is_observed ? "observe" : effect_name(d->effect);
}

struct question {
	const struct plan *plan;
	const struct resource *resource;
	char role[NAME_TEXT], name[NAME_TEXT], needs[NEEDS_TEXT];
};

static json_t *explain(const struct question *q, struct arena *a, const struct need *needs, int n,
		       bool is_all)
{
	struct decision d;
	struct who who = {.session = "",
			  .issuer = "",
			  .subject = "",
			  .owner = "",
			  .role = q->role,
			  .expires = INT64_MAX};
	struct op op = {
	    .id = 1, .protocol = q->resource->protocol, .needs = needs, .n_needs = n, .arena = a};
	plan_decide(q->plan, q->resource, &who, &op, (int64_t)(clock_real_ns() / NS_PER_SEC), &d);
	if (is_all)
		return json_pack("{s:s,s:s,s:s,s:s}", "decision", outcome(&d), "rule", d.rule,
				 "reason", d.reason, "hint", d.hint);
	return json_pack("{s:s,s:s,s:s,s:s,s:s}", "verb", verb_name(needs->verb), "schema",
			 needs->schema ? needs->schema : "", "name", needs->name ? needs->name : "",
			 "decision", outcome(&d), "rule", d.rule);
}

static const char *read_question(struct call *k, struct question *q)
{
	q->plan = k->c->policy.plan;
	if (!q->plan)
		return "there is no policy in force";
	if (http_query(k->query, "role", q->role, sizeof(q->role)) < 0 ||
	    !plan_has_role(q->plan, q->role))
		return "\"role\" must be one of the policy";
	if (http_query(k->query, "resource", q->name, sizeof(q->name)) < 0 ||
	    !(q->resource = plan_resource_by_name(q->plan, q->name)))
		return "\"resource\" must be one of the policy";
	if (http_query(k->query, "needs", q->needs, sizeof(q->needs)) < 0)
		return "\"needs\" is missing: such as select:public.orders delete:public.orders";
	return NULL;
}

void api_policy_explain(struct call *k)
{
	struct question q = {0};
	const struct need *needs = NULL;
	struct arena a;
	const char *why = read_question(k, &q);
	arena_init(&a, 4 * 1024 * 1024);
	int n = why ? ERR_MALFORMED : needs_parse(&a, q.needs, &needs, &why);
	if (n < 0) {
		conn_fail(k->conn, 400, NULL, "%s", why ? why : err_text(n));
	} else {
		json_t *list = json_array(), *all = explain(&q, &a, needs, n, true);
		for (int i = 0; i < n; i++)
			json_array_append_new(list, explain(&q, &a, &needs[i], 1, false));
		json_object_set_new(all, "needs", list);
		conn_answer(k->conn, 200, all);
	}
	arena_done(&a);
}
