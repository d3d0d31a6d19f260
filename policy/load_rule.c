/* Rules. */
#include <ctype.h>

#include "base/macro.h"
#include "policy/load.h"

static void check_id(struct loader *l, const struct json_at *at, const char *id)
{
	static const char *const ours[] = {"default", "identity", "expired", "declared-name", "record",
					   "syntax",  "pinned",   "approval"};
	const struct plan *p = l->plan;
	bool is_taken = false;
	for (int i = 0; i < p->n_rules; i++)
		is_taken |= p->rules[i].id && !strcmp(p->rules[i].id, id);
	for (int i = 0; i < p->n_grants; i++)
		is_taken |= p->grants[i].id && !strcmp(p->grants[i].id, id);
	if (is_taken)
		load_fail(l, at, "rule \"%s\" is declared twice; expected each id once", id);
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (!strcmp(id, ours[i]))
			load_fail(l, at, "\"%s\" is a rule of sluice's own; expected another id", id);
}

const char *load_id(struct loader *l, const struct json_at *at, json_t *v)
{
	const char *id = load_name(l, at, json_string_value(v));
	if (id)
		check_id(l, at, id);
	return id;
}

static void rule_id(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	((struct rule *)into)->id = load_id(l, at, v);
}

static void rule_description(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	((struct rule *)into)->description = load_text(l, at, v);
}

static void set_all(struct bits *b, int n)
{
	for (int i = 0; i < n; i++)
		bits_set(b, i);
}

static void one_resource(struct loader *l, const struct json_at *at, const char *s, void *into)
{
	struct rule *r = into;
	int i = plan_resource_index(l->plan, s);
	if (!strcmp(s, "*"))
		set_all(&r->resources, l->plan->n_resources);
	else if (i >= 0)
		bits_set(&r->resources, i);
	else
		load_fail(l, at,
			  "resource \"%.60s\" is unknown; expected a name from \"resources\" or "
			  "\"*\"",
			  s);
}

static void rule_resource(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	load_strings(l, at, v, MAX_LIST, one_resource, into);
}

static void one_role(struct loader *l, const struct json_at *at, const char *s, void *into)
{
	struct rule *r = into;
	int i = plan_role_index(l->plan, s);
	if (!strcmp(s, "*"))
		set_all(&r->roles, l->plan->n_roles);
	else if (i >= 0)
		bits_set(&r->roles, i);
	else
		load_fail(l, at,
			  "role \"%.60s\" is unknown; expected a name from \"roles\" or \"*\"", s);
}

static void rule_roles(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	load_strings(l, at, v, MAX_LIST, one_role, into);
}

static void one_verb(struct loader *l, const struct json_at *at, const char *s, void *into)
{
	static const char *const names[] = {
#define X(name, text) text,
	    VERB_LIST(X)
#undef X
	};
	int i = load_choice(l, at, s, names, VERB_COUNT);
	if (i >= 0)
		((struct rule *)into)->verbs |= 1u << i;
}

static void rule_verbs(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	struct rule *r = into;
	r->has_verbs = true;
	r->verbs = 0;
	load_strings(l, at, v, VERB_COUNT, one_verb, r);
}

static void one_class(struct loader *l, const struct json_at *at, const char *s, void *into)
{
	static const char *const names[] = {
#define X(name, text) text,
	    CLASS_LIST(X)
#undef X
	};
	int i = load_choice(l, at, s, names, CLASS_COUNT);
	if (i >= 0)
		((struct rule *)into)->classes |= (uint16_t)(1u << i);
}

static void rule_class(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	struct rule *r = into;
	r->has_classes = true;
	r->classes = 0;
	load_strings(l, at, v, CLASS_COUNT, one_class, r);
}

struct pattern_load {
	struct patterns *out;
	int n_parts; /* 0: settings */
};

static void one_pattern(struct loader *l, const struct json_at *at, const char *s, void *into)
{
	struct pattern_load *pl = into;
	struct arena *a = &l->plan->arena;
	const char *why = "out of memory";
	struct pattern p;
	int err = pl->n_parts ? pattern_parse(a, s, pl->n_parts, &p, &why)
			      : pattern_parse_setting(a, s, &p, &why);
	if (err)
		load_fail(l, at, "\"%.80s\": %s", s, why);
	else
		((struct pattern *)pl->out->at)[pl->out->n++] = p;
}

static void load_patterns(struct loader *l, const struct json_at *at, json_t *v,
			  struct patterns *out, int n_parts)
{
	struct pattern_load pl = {out, n_parts};
	out->at =
	    arena_array(&l->plan->arena, MAX(json_array_size(v), (size_t)1), sizeof(*out->at));
	if (out->at)
		load_strings(l, at, v, MAX_LIST, one_pattern, &pl);
}

static void rule_relations(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	load_patterns(l, at, v, &((struct rule *)into)->relations, 2);
}

static void rule_functions(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	load_patterns(l, at, v, &((struct rule *)into)->functions, 2);
}

static void rule_settings(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	load_patterns(l, at, v, &((struct rule *)into)->settings, 0);
}

static void rule_columns(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	load_patterns(l, at, v, &((struct rule *)into)->columns, 1);
}

static void rule_effect(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	static const char *const names[] = {"allow", "mask", "ask", "deny"}; /* as enum effect */
	int i = load_choice(l, at, json_string_value(v), names, ARRAY_LEN(names));
	((struct rule *)into)->effect = i >= 0 ? (enum effect)i : EFFECT_DENY;
}

static void one_mask(struct loader *l, const struct json_at *at, const char *s, void *into)
{
	struct rule *r = into;
	for (int i = 0; i < l->plan->n_masks; i++) {
		if (!strcmp(l->plan->masks[i].name, s)) {
			r->masks[r->n_masks++] = &l->plan->masks[i];
			return;
		}
	}
	load_fail(l, at, "mask \"%.60s\" is unknown; expected a name from \"masks\"", s);
}

static void rule_masks(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	struct rule *r = into;
	r->masks =
	    arena_array(&l->plan->arena, MAX(json_array_size(v), (size_t)1), sizeof(*r->masks));
	if (r->masks)
		load_strings(l, at, v, MAX_LIST, one_mask, r);
}

static void rule_mode(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	static const char *const names[] = {"enforce", "observe"};
	((struct rule *)into)->is_observing =
	    load_choice(l, at, json_string_value(v), names, ARRAY_LEN(names)) == 1;
}

static void rule_opaque(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	static const char *const names[] = {"deny", "allow"};
	((struct rule *)into)->is_opaque =
	    load_choice(l, at, json_string_value(v), names, ARRAY_LEN(names)) == 1;
}

static void rule_through(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	(void)l;
	(void)at;
	((struct rule *)into)->looks_through = json_is_true(v);
}

static const struct field rule_fields[] = {
    {"id", SHAPE_STRING, true, "the rule's name", rule_id},
    {"description", SHAPE_STRING, false, "a text, shown with a refusal", rule_description},
    {"resource", SHAPE_STRINGS, true, "a resource's name, a list of them or \"*\"", rule_resource},
    {"roles", SHAPE_STRINGS, true, "a role's name, a list of them or \"*\"", rule_roles},
    {"verbs", SHAPE_STRINGS, false, "a verb or a list of verbs", rule_verbs},
    {"class", SHAPE_STRINGS, false, "a class or a list of classes", rule_class},
    {"relations", SHAPE_STRINGS, false, "schema.table or a list of these", rule_relations},
    {"functions", SHAPE_STRINGS, false, "schema.function or a list of these", rule_functions},
    {"settings", SHAPE_STRINGS, false, "a setting's name or a list of these", rule_settings},
    {"columns", SHAPE_STRINGS, false, "a column's name or a list of these", rule_columns},
    {"effect", SHAPE_STRING, true, "\"allow\", \"deny\", \"ask\" or \"mask\"", rule_effect},
    {"masks", SHAPE_STRINGS, false, "a mask's name or a list of these", rule_masks},
    {"approvers", SHAPE_LIST, false, "a list of {\"group\": .., \"need\": ..}", load_approvers},
    {"expires", SHAPE_STRING, false, "a duration, e.g. \"15m\"", load_expires},
    {"login_within", SHAPE_STRING, false, "a duration, e.g. \"15m\"", load_login_within},
    {"escalate", SHAPE_LIST, false, "a list of {\"after\": .., \"approvers\": ..}", load_escalate},
    {"choices", SHAPE_STRINGS, false, "\"once\", \"text\", \"pattern\" or a list of these", load_choices},
    {"grant_for", SHAPE_STRING, false, "a duration, e.g. \"15m\"", load_grant_for},
    {"estimate", SHAPE_BOOLEAN, false, "true or false", load_estimate},
    {"break_glass", SHAPE_BOOLEAN, false, "true or false", load_break_glass},
    {"notify", SHAPE_STRINGS, false, "where approvers are told, or a list of these", load_notify},
    {"mode", SHAPE_STRING, false, "\"enforce\" or \"observe\"", rule_mode},
    {"opaque", SHAPE_STRING, false, "\"deny\" or \"allow\"", rule_opaque},
    {"through", SHAPE_BOOLEAN, false, "true or false", rule_through},
};

/* Which members make no sense beside which others: a member that would do nothing is an error. */
static void check_effect(struct loader *l, const struct json_at *at, json_t *v,
			 const struct rule *r)
{
	static const struct {
		const char *key;
		enum effect effect;
		bool is_required;
	} rows[] = {
	    {"masks", EFFECT_MASK, true},
	    {"approvers", EFFECT_ASK, true},
	    {"expires", EFFECT_ASK, false},
	    {"login_within", EFFECT_ASK, false},
	    {"escalate", EFFECT_ASK, false},
	    {"choices", EFFECT_ASK, false},
	    {"grant_for", EFFECT_ASK, false},
	    {"estimate", EFFECT_ASK, false},
	    {"break_glass", EFFECT_ASK, false},
	    {"notify", EFFECT_ASK, false},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool has = json_object_get(v, rows[i].key) != NULL;
		if (has && r->effect != rows[i].effect)
			load_fail_member(l, at, rows[i].key,
					 "\"%s\" beside effect %s; expected it "
					 "with effect %s only",
					 rows[i].key, effect_name(r->effect),
					 effect_name(rows[i].effect));
		else if (!has && rows[i].is_required && r->effect == rows[i].effect)
			load_fail(l, at, "\"%s\" is missing; expected it beside effect %s",
				  rows[i].key, effect_name(r->effect));
	}
	if (r->is_observing && r->effect == EFFECT_ALLOW)
		load_fail_member(l, at, "mode",
				 "observe beside effect allow; expected it with deny, "
				 "ask or mask: it lets pass what the rule would refuse");
	if (r->is_opaque && r->effect != EFFECT_ALLOW && r->effect != EFFECT_ASK)
		load_fail_member(l, at, "opaque",
				 "\"opaque\": \"allow\" beside effect %s; expected "
				 "effect allow or ask",
				 effect_name(r->effect));
}

static void check_targets(struct loader *l, const struct json_at *at, const struct rule *r)
{
	uint32_t writes = 1u << VERB_INSERT | 1u << VERB_UPDATE;
	if (r->is_opaque && (rule_has_targets(r) || r->columns.n || r->has_verbs || r->has_classes))
		load_fail_member(l, at, "opaque",
				 "\"opaque\": \"allow\" beside verbs, class or names; "
				 "expected none of them: what cannot be read may be anything");
	if (r->columns.n && (!r->has_verbs || r->verbs & ~writes))
		load_fail_member(l, at, "columns",
				 "\"columns\" says which columns may be written; "
				 "expected \"verbs\" beside it with insert and update only");
	if (r->looks_through && ((!r->relations.n && !r->functions.n) || r->columns.n || r->effect == EFFECT_MASK))
		load_fail_member(l, at, "through",
				 "\"through\" beside no names, columns or effect mask; expected relations or "
				 "functions, and effect deny, ask or allow: masks look through views by themselves");
	if (r->columns.n && (r->functions.n || r->settings.n))
		load_fail_member(l, at, "columns",
				 "\"columns\" beside functions or settings; expected "
				 "relations only");
}

void load_rules(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	struct plan *p = into;
	size_t i;
	json_t *e;
	if (json_array_size(v) > MAX_RULES) {
		load_fail(l, at, "%zu rules; expected at most %d", json_array_size(v), MAX_RULES);
		return;
	}
	p->rules = arena_array(&p->arena, json_array_size(v), sizeof(*p->rules));
	json_array_foreach(v, i, e)
	{
		struct json_at here = {at, NULL, i};
		struct rule r = {.effect = EFFECT_DENY,
				 /* Whole databases leave by it: only where it is named. */
				 .verbs = (uint32_t)((1ull << VERB_COUNT) - 1) & ~(1u << VERB_REPLICATE),
				 .classes = (uint16_t)((1u << CLASS_COUNT) - 1),
				 .terms = terms_default(CHOICE_ONCE)};
		int before = l->n_failed;
		load_object(l, &here, e, rule_fields, ARRAY_LEN(rule_fields), &r);
		if (l->n_failed == before) {
			check_effect(l, &here, e, &r);
			check_targets(l, &here, &r);
		}
		r.terms.rule = r.id;
		r.terms.description = r.description;
		if (p->rules)
			p->rules[p->n_rules++] = r;
	}
}
