/* What a rule that asks demands, and "grants": the roles that may be asked for. */
#include "base/macro.h"
#include "policy/load.h"

#define EXPIRES_MAX_S	  (30 * 86400)
#define EXPIRES_DEFAULT_S (15 * 60)
#define FRESH_MAX_S	  86400
#define FRESH_DEFAULT_S	  (15 * 60)
#define GRANT_MAX_S	  (7 * 86400)
#define GRANT_DEFAULT_S	  (30 * 60)

struct terms terms_default(unsigned choices)
{
	return (struct terms){.choices = choices,
			      .n_stages = 1,
			      .expires_s = EXPIRES_DEFAULT_S,
			      .fresh_s = FRESH_DEFAULT_S,
			      .grant_max_s = GRANT_DEFAULT_S};
}

/* --- quorum ----------------------------------------------------------------------------------- */

static void approver_group(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	((struct approver *)into)->group = load_text(l, at, v);
}

static void approver_need(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	json_int_t n = json_integer_value(v);
	if (n < 1 || n > TERMS_NEED_MAX)
		load_fail(l, at, "%lld people; expected 1 to %d", (long long)n, TERMS_NEED_MAX);
	else
		((struct approver *)into)->need = (int)n;
}

static const struct field approver_fields[] = {
	{"group", SHAPE_STRING, true, "a group", approver_group},
	{"need", SHAPE_INTEGER, false, "a number of people", approver_need},
};

static void load_quorum(struct loader *l, const struct json_at *at, json_t *v, struct stage *ret)
{
	struct approver *groups;
	size_t i;
	json_t *e;
	if (!json_array_size(v) || json_array_size(v) > TERMS_GROUPS_MAX) {
		load_fail(l, at, "%zu approvers; expected 1 to %d", json_array_size(v), TERMS_GROUPS_MAX);
		return;
	}
	groups = arena_array(&l->plan->arena, json_array_size(v), sizeof(*groups));
	json_array_foreach(v, i, e)
	{
		struct json_at here = {at, NULL, i};
		struct approver a = {.need = 1};
		load_object(l, &here, e, approver_fields, ARRAY_LEN(approver_fields), &a);
		for (int k = 0; a.group && groups && k < ret->n_groups; k++)
			if (groups[k].group && !strcmp(groups[k].group, a.group))
				load_fail(l, &here,
					  "group \"%.60s\" is listed twice; expected it once, with \"need\"",
					  a.group);
		if (groups)
			groups[ret->n_groups++] = a;
	}
	ret->groups = groups;
}

void load_approvers(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	load_quorum(l, at, v, &((struct terms *)into)->stages[0]);
}

/* --- times ------------------------------------------------------------------------------------ */

/* "15m", "2h", "90s", "1d". */
static int64_t parse_duration(const char *s)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	size_t n = strspn(s, "0123456789");
	if (!n || n > 6 || !s[n] || s[n + 1])
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (units[i].unit == s[n])
			return strtol(s, NULL, 10) * units[i].seconds;
	return -1;
}

static int64_t load_duration(struct loader *l, const struct json_at *at, json_t *v, int64_t max_s)
{
	int64_t s = parse_duration(json_string_value(v));
	if (s >= 1 && s <= max_s)
		return s;
	load_fail(l, at,
		  "\"%.40s\" is no duration; expected a number and s, m, h or d, up to %lldh, e.g. 15m",
		  json_string_value(v), (long long)max_s / 3600);
	return 1;
}

void load_expires(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	((struct terms *)into)->expires_s = load_duration(l, at, v, EXPIRES_MAX_S);
}

void load_login_within(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	((struct terms *)into)->fresh_s = load_duration(l, at, v, FRESH_MAX_S);
}

void load_grant_for(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	((struct terms *)into)->grant_max_s = load_duration(l, at, v, GRANT_MAX_S);
}

/* --- escalation ------------------------------------------------------------------------------- */

static void stage_after(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	((struct stage *)into)->after_s = load_duration(l, at, v, EXPIRES_MAX_S);
}

static void stage_approvers(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	load_quorum(l, at, v, into);
}

static const struct field stage_fields[] = {
	{"after", SHAPE_STRING, true, "a duration, e.g. \"5m\"", stage_after},
	{"approvers", SHAPE_LIST, true, "a list of {\"group\": .., \"need\": ..}", stage_approvers},
};

void load_escalate(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	struct terms *t = into;
	size_t i;
	json_t *e;
	if (!json_array_size(v) || json_array_size(v) > TERMS_STAGES_MAX - 1) {
		load_fail(l, at, "%zu steps; expected 1 to %d", json_array_size(v), TERMS_STAGES_MAX - 1);
		return;
	}
	json_array_foreach(v, i, e)
	{
		struct json_at here = {at, NULL, i};
		struct stage s = {0};
		load_object(l, &here, e, stage_fields, ARRAY_LEN(stage_fields), &s);
		if (s.after_s <= t->stages[t->n_stages - 1].after_s)
			load_fail(l, &here,
				  "this step is not later than the one before; expected them in order");
		t->stages[t->n_stages++] = s;
	}
}

/* --- the rest --------------------------------------------------------------------------------- */

static void one_choice(struct loader *l, const struct json_at *at, const char *s, void *into)
{
	static const char *const names[] = {"once", "text", "pattern"};
	int i = load_choice(l, at, s, names, ARRAY_LEN(names));
	if (i >= 0)
		((struct terms *)into)->choices |= 1u << i;
}

void load_choices(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	((struct terms *)into)->choices = 0;
	load_strings(l, at, v, 3, one_choice, into);
}

void load_estimate(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	(void)l;
	(void)at;
	((struct terms *)into)->has_estimate = json_is_true(v);
}

void load_break_glass(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	(void)l;
	(void)at;
	((struct terms *)into)->is_break_glass = json_is_true(v);
}

static void one_notify(struct loader *l, const struct json_at *at, const char *s, void *into)
{
	struct terms *t = into;
	size_t n = strlen(s);
	const char *copy = n && n <= 400 ? arena_strn(&l->plan->arena, s, n) : NULL;
	if (!copy)
		load_fail(l, at, "the text has %zu bytes; expected 1 to 400", n);
	if (copy && t->notify)
		((const char **)t->notify)[t->n_notify++] = copy;
}

void load_notify(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	struct terms *t = into;
	t->notify = arena_array(&l->plan->arena, TERMS_NOTIFY_MAX, sizeof(*t->notify));
	load_strings(l, at, v, TERMS_NOTIFY_MAX, one_notify, into);
}

/* --- grants ----------------------------------------------------------------------------------- */

static void grant_id(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	((struct grant_rule *)into)->id = load_id(l, at, v);
}

static void grant_description(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	((struct grant_rule *)into)->terms.description = load_text(l, at, v);
}

static void grant_role(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	struct grant_rule *g = into;
	g->role = plan_role_index(l->plan, json_string_value(v));
	if (g->role < 0)
		load_fail(l, at, "role \"%.60s\" is unknown; expected a name from \"roles\"",
			  json_string_value(v));
}

static void one_from(struct loader *l, const struct json_at *at, const char *s, void *into)
{
	int i = plan_role_index(l->plan, s);
	if (i >= 0)
		bits_set(&((struct grant_rule *)into)->from, i);
	else
		load_fail(l, at, "role \"%.60s\" is unknown; expected a name from \"roles\"", s);
}

static void grant_from(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	load_strings(l, at, v, MAX_LIST, one_from, into);
}

static const struct field grant_fields[] = {
	{"id", SHAPE_STRING, true, "the grant rule's name", grant_id},
	{"description", SHAPE_STRING, false, "a text, shown to approvers", grant_description},
	{"role", SHAPE_STRING, true, "the role that is given", grant_role},
	{"from", SHAPE_STRINGS, true, "the roles that may ask for it", grant_from},
	{"for", SHAPE_STRING, true, "the longest that it may last, e.g. \"1h\"", load_grant_for},
	{"approvers", SHAPE_LIST, true, "a list of {\"group\": .., \"need\": ..}", load_approvers},
	{"expires", SHAPE_STRING, false, "a duration, e.g. \"15m\"", load_expires},
	{"login_within", SHAPE_STRING, false, "a duration, e.g. \"15m\"", load_login_within},
	{"escalate", SHAPE_LIST, false, "a list of {\"after\": .., \"approvers\": ..}", load_escalate},
	{"break_glass", SHAPE_BOOLEAN, false, "true or false", load_break_glass},
	{"notify", SHAPE_STRINGS, false, "where approvers are told, or a list of these", load_notify},
};

void load_grants(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	struct plan *p = into;
	size_t i;
	json_t *e;
	if (json_array_size(v) > MAX_GRANTS) {
		load_fail(l, at, "%zu grants; expected at most %d", json_array_size(v), MAX_GRANTS);
		return;
	}
	p->grants = arena_array(&p->arena, MAX(json_array_size(v), (size_t)1), sizeof(*p->grants));
	json_array_foreach(v, i, e)
	{
		struct json_at here = {at, NULL, i};
		struct grant_rule g = {.terms = terms_default(CHOICE_ROLE), .role = -1};
		load_object(l, &here, e, grant_fields, ARRAY_LEN(grant_fields), &g);
		if (g.role >= 0 && bits_has(&g.from, g.role))
			load_fail_member(l, &here, "from",
					 "a role that asks for itself; expected other roles than \"%s\"",
					 p->roles[g.role].name);
		g.terms.rule = g.id;
		g.terms.role = g.role >= 0 ? p->roles[g.role].name : NULL;
		if (p->grants)
			p->grants[p->n_grants++] = g;
	}
}

bool plan_terms(const struct plan *p, const char *id, struct terms *ret)
{
	for (int i = 0; i < p->n_rules; i++) {
		if (strcmp(p->rules[i].id, id) || p->rules[i].effect != EFFECT_ASK)
			continue;
		*ret = p->rules[i].terms;
		return true;
	}
	for (int i = 0; i < p->n_grants; i++) {
		if (strcmp(p->grants[i].id, id))
			continue;
		*ret = p->grants[i].terms;
		return true;
	}
	return false;
}

bool plan_grant_terms(const struct plan *p, const char *from, const char *role, struct terms *ret)
{
	int f = plan_role_index(p, from), to = plan_role_index(p, role);
	for (int i = 0; i < p->n_grants && f >= 0 && to >= 0; i++) {
		if (p->grants[i].role != to || !bits_has(&p->grants[i].from, f))
			continue;
		*ret = p->grants[i].terms;
		return true;
	}
	return false;
}

static const char *notify_at(const struct terms *t, int *i)
{
	if (*i < t->n_notify)
		return t->notify[*i];
	*i -= t->n_notify;
	return NULL;
}

bool plan_notify(const struct plan *p, int i, const char **ret_rule, const char **ret_name)
{
	for (int k = 0; k < p->n_rules + p->n_grants; k++) {
		bool is_rule = k < p->n_rules;
		const struct terms *t = is_rule ? &p->rules[k].terms : &p->grants[k - p->n_rules].terms;
		const char *name = is_rule && p->rules[k].effect != EFFECT_ASK ? NULL : notify_at(t, &i);
		if (!name)
			continue;
		*ret_rule = is_rule ? p->rules[k].id : p->grants[k - p->n_rules].id;
		*ret_name = name;
		return true;
	}
	return false;
}
