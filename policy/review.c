/* What is legal but surely not meant: said by "sluice policy check" and when a policy is loaded. */
#include "base/macro.h"
#include "policy/load.h"

static const struct json_at root = {0};

/* Does a speak about everything of one kind that b speaks about? */
static bool cover_subsumes(const struct rule *ra, const struct rule *rb, int kind)
{
	const struct cover *a = &ra->covers[kind], *b = &rb->covers[kind];
	if (!b->is_on)
		return true;
	if (!a->is_on || b->verbs & ~a->verbs || b->classes & ~a->classes)
		return false;
	if (kind == NEED_RELATION && ra->columns.n)
		return false;
	static const struct part any[PATTERN_PARTS] = {
	    {PART_ANY, "*", 1}, {PART_ANY, "*", 1}, {PART_ANY, "*", 1}};
	struct pattern everything = {.n = kind == NEED_SETTING ? 1 : 2};
	memcpy(everything.parts, any, sizeof(any));
	struct patterns all = {&everything, 1};
	return !a->names || patterns_cover(a->names, b->names ? b->names : &all);
}

static bool shadows(const struct rule *a, const struct rule *b)
{
	if (b->looks_through && !a->looks_through)
		return false;
	if (!bits_cover(&a->resources, &b->resources) || !bits_cover(&a->roles, &b->roles))
		return false;
	for (int k = 0; k < NEED_KINDS; k++)
		if (!cover_subsumes(a, b, k))
			return false;
	return true;
}

static void warn_shadowed(struct loader *l, const struct json_at *rules)
{
	const struct plan *p = l->plan;
	for (int i = 1; i < p->n_rules; i++) {
		int k = 0;
		while (k < i && !shadows(&p->rules[k], &p->rules[i]))
			k++;
		struct json_at here = {rules, NULL, (size_t)i};
		if (k < i)
			load_warn(l, &here,
				  "rule \"%s\" is never reached: rule \"%s\" comes first and "
				  "covers all of it",
				  p->rules[i].id, p->rules[k].id);
	}
}

static bool is_tcp(const struct resource *r)
{
	return !strcmp(r->protocol, "tcp");
}

/* "*.*" is more than most who write it mean. */
static void warn_everything(struct loader *l, const struct json_at *here, const struct rule *r)
{
	for (int i = 0; i < r->relations.n; i++) {
		const struct pattern *p = &r->relations.at[i];
		if (r->effect == EFFECT_DENY || !(r->verbs >> VERB_SELECT & 1) ||
		    p->parts[0].kind != PART_ANY || p->parts[1].kind != PART_ANY)
			continue;
		load_warn(
		    l, here,
		    "rule \"%s\" lets read *.*, the catalogue's password hashes and statistics "
		    "included; name the schemas that are meant",
		    r->id);
		return;
	}
}

static void warn_rule(struct loader *l, const struct json_at *here, const struct rule *r)
{
	const struct plan *p = l->plan;
	bool connects = !rule_has_targets(r) && r->verbs >> VERB_CONNECT & 1;
	uint32_t sql = ~(1u << VERB_CONNECT | 1u << VERB_RESOLVE);
	bool met = false;
	for (int i = 0; i < p->n_resources; i++)
		met |= bits_has(&r->resources, i) &&
		       (is_tcp(&p->resources[i]) ? connects : (r->verbs & sql) != 0);
	if (!met)
		load_warn(l, here,
			  "rule \"%s\" never applies: its verbs are none of its resources' "
			  "protocols (tcp: connect)",
			  r->id);
}

/* A deny rule that names things is no wall for a role whose unread text passes. */
static void warn_opaque(struct loader *l, const struct json_at *here, const struct rule *deny)
{
	const struct plan *p = l->plan;
	for (int i = 0; i < p->n_rules; i++) {
		const struct rule *r = &p->rules[i];
		bool meets = false;
		for (int k = 0; k < p->n_resources && !meets; k++)
			meets = bits_has(&r->resources, k) && bits_has(&deny->resources, k);
		if (!r->is_opaque || r->effect != EFFECT_ALLOW || !meets)
			continue;
		for (int k = 0; k < p->n_roles; k++) {
			if (!bits_has(&r->roles, k) || !bits_has(&deny->roles, k))
				continue;
			load_warn(l, here,
				  "rule \"%s\" can be gone around by role \"%s\": rule \"%s\" "
				  "lets unread text pass",
				  deny->id, p->roles[k].name, r->id);
			return;
		}
	}
}

static void warn_roles(struct loader *l, const struct json_at *roles)
{
	const struct plan *p = l->plan;
	for (int i = 0; i < p->n_roles; i++) {
		bool used = false;
		for (int k = 0; k < p->n_rules && !used; k++)
			used = bits_has(&p->rules[k].roles, i);
		struct json_at here = {roles, p->roles[i].name, 0};
		if (!used)
			load_warn(l, &here, "role \"%s\" has no rule: it may do nothing",
				  p->roles[i].name);
	}
}

/* A mask that no rule asks for hides nothing, whatever its columns say. */
static void warn_masks(struct loader *l, const struct json_at *masks)
{
	const struct plan *p = l->plan;
	for (int i = 0; i < p->n_masks; i++) {
		bool used = false;
		for (int k = 0; k < p->n_rules && !used; k++)
			for (int j = 0; j < p->rules[k].n_masks && !used; j++)
				used = p->rules[k].masks[j] == &p->masks[i];
		struct json_at here = {masks, p->masks[i].name, 0};
		if (!used)
			load_warn(l, &here, "mask \"%s\" is asked for by no rule: it hides nothing",
				  p->masks[i].name);
	}
}

static void warn_resource(struct loader *l, const struct json_at *here, int i)
{
	const struct plan *p = l->plan;
	const struct resource *r = &p->resources[i];
	bool used = false;
	for (int k = 0; k < p->n_roles; k++) {
		const struct ruling *g = &p->rulings[i * p->n_roles + k];
		used |= g->first_use != NULL;
		if (g->first_use && !is_tcp(r) && !resource_credential(r, p->roles[k].name))
			load_warn(l, here,
				  "role \"%s\" may use resource \"%s\" but has no credential "
				  "there: its logins will fail",
				  p->roles[k].name, r->name);
	}
	if (!used)
		load_warn(l, here, "resource \"%s\" has no rule that lets anything through",
			  r->name);
}

void plan_review(struct loader *l)
{
	struct json_at rules = {&root, "rules", 0}, roles = {&root, "roles", 0},
		       resources = {&root, "resources", 0}, masks = {&root, "masks", 0};
	const struct plan *p = l->plan;
	for (int i = 0; i < p->n_rules; i++) {
		struct json_at here = {&rules, NULL, (size_t)i};
		const struct rule *r = &p->rules[i];
		warn_rule(l, &here, r);
		warn_everything(l, &here, r);
		if (r->effect == EFFECT_DENY && rule_has_targets(r))
			warn_opaque(l, &here, r);
	}
	warn_shadowed(l, &rules);
	warn_roles(l, &roles);
	warn_masks(l, &masks);
	for (int i = 0; i < p->n_resources; i++) {
		struct json_at here = {&resources, NULL, (size_t)i};
		warn_resource(l, &here, i);
	}
	if (!p->n_rules)
		load_warn(l, &rules, "there are no rules: everything is denied");
	if (!p->n_issuers)
		load_warn(l, &root, "there are no issuers: nobody can enrol a workload");
}
