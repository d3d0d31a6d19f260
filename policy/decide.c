/* The decision: every need is weighed by the first rule that covers it, the heaviest effect wins.
 * The hot path is the allowed statement: no allocation, no formatting. */
#include <stdio.h>

#include "policy/login.h"
#include "policy/plan.h"
#include "policy/text.h"

/* What came of one need. */
struct verdict {
	enum effect effect;
	const struct rule *rule; /* NULL: no rule covers it */
	bool is_observed;	 /* the rule would refuse, but only observes */
};

/* --- covering --------------------------------------------------------------------------------- */

/* Written columns against a rule's: an allowing rule wants all of them, a refusing one any. Where
 * they are not known (NULL) the answer is the one that refuses. */
static bool covers_columns(const struct rule *r, const struct need *n)
{
	bool is_deny = r->effect == EFFECT_DENY;
	if (!n->columns || n->n_columns <= 0)
		return is_deny;
	for (int i = 0; i < n->n_columns; i++) {
		bool is_unknown = !n->columns[i];
		bool is_named = !is_unknown && patterns_match_one(&r->columns, n->columns[i]);
		if (is_deny && (is_named || is_unknown))
			return true;
		if (!is_deny && !is_named)
			return false;
	}
	return !is_deny;
}

static bool covers_name(const struct rule *r, const struct cover *c, const struct need *n)
{
	if (!c->names)
		return true;
	if (!n->name || (n->kind != NEED_SETTING && !n->schema))
		return r->effect ==
		       EFFECT_DENY; /* what has no name may be the one that is denied */
	return n->kind == NEED_SETTING ? patterns_match_one(c->names, n->name)
				       : patterns_match(c->names, n->schema, n->name);
}

static bool covers(const struct rule *r, const struct need *n)
{
	const struct cover *c = &r->covers[n->kind];
	return c->is_on && c->verbs >> n->verb & 1 && c->classes >> n->class & 1 &&
	       covers_name(r, c, n) &&
	       (!r->columns.n || n->kind != NEED_RELATION || covers_columns(r, n));
}

/* Does a refusing rule mean this implied need by name, or does it merely sweep over it? What
 * drivers need of themselves is not taken away by a rule that says "nothing else". */
static bool means(const struct rule *r, const struct need *n)
{
	if (n->kind == NEED_PLAIN || n->kind == NEED_OBJECT)
		return r->has_verbs && !rule_has_targets(r);
	return r->covers[n->kind].names != NULL;
}

static struct verdict verdict_of(const struct rule *r)
{
	/* One that masks lets through; what it hides is worked out once all needs are met. */
	bool lets = r->effect == EFFECT_ALLOW || (r->effect == EFFECT_MASK && !r->is_observing);
	if (lets || r->is_observing)
		return (struct verdict){EFFECT_ALLOW, r, !lets};
	return (struct verdict){r->effect, r, false};
}

static struct verdict weigh(const struct plan *p, const struct ruling *g, const struct need *n)
{
	/* A declared name is resolved for whoever may use what stands behind it. */
	bool is_implied = (n->is_implied || n->verb == VERB_RESOLVE) && n->kind != NEED_OPAQUE;
	for (int i = 0; i < g->n; i++) {
		const struct rule *r = &p->rules[g->rules[i]];
		bool lets = r->effect == EFFECT_ALLOW || (r->effect == EFFECT_MASK && !r->is_observing);
		if (covers(r, n) && (!is_implied || lets || means(r, n)))
			return verdict_of(r);
	}
	if (is_implied)
		return (struct verdict){EFFECT_ALLOW, g->first_use, false};
	return (struct verdict){EFFECT_DENY, NULL, false};
}

const struct rule *plan_rule_for_read(const struct plan *p, const struct ruling *g, const char *schema,
				      const char *name)
{
	struct need n = {.kind = NEED_RELATION,
			 .verb = VERB_SELECT,
			 .class = CLASS_READ,
			 .schema = schema,
			 .name = name};
	for (int i = 0; i < g->n; i++)
		if (covers(&p->rules[g->rules[i]], &n))
			return &p->rules[g->rules[i]];
	return NULL;
}

/* --- words ------------------------------------------------------------------------------------ */

static void add_columns(struct text *t, const struct need *n)
{
	for (int i = 0; i < n->n_columns && n->columns && i < 6; i++) {
		text_add(t, i ? ", " : " (");
		if (i == 5)
			text_add(t, "...");
		else
			text_name(t, n->columns[i] ? n->columns[i] : "?");
	}
	if (n->n_columns > 0 && n->columns)
		text_add(t, ")");
}

/* "delete on public.customers (class write)" */
static void add_need(struct text *t, const struct need *n)
{
	if (n->kind == NEED_OPAQUE) {
		text_add(t, "what could not be read (");
		text_foreign(t, n->why ? n->why : "unknown", 200);
		text_add(t, ")");
		return;
	}
	static const char *const before[] = {
	    [NEED_RELATION] = " on ", [NEED_FUNCTION] = " of function ",
	    [NEED_OBJECT] = " of ",   [NEED_SETTING] = " ",
	    [NEED_PLAIN] = " of ",
	};
	text_add(t, verb_name(n->verb));
	if (n->schema || n->name) {
		text_add(t, before[n->kind]);
		text_qualified(t, n->schema, n->name);
	}
	if (n->kind == NEED_RELATION)
		add_columns(t, n);
	text_add(t, " (class ");
	text_add(t, class_name(n->class));
	if (n->why && *n->why) {
		text_add(t, "; ");
		text_foreign(t, n->why, 160);
	}
	text_add(t, ")");
}

static void add_rule(struct text *t, const struct rule *r)
{
	text_add(t, "rule \"");
	text_add(t, r->id);
	text_add(t, "\"");
}

static void say_reason(struct text *t, const struct resource *r, const struct who *who,
		       const struct verdict *v, const struct need *n)
{
	add_need(t, n);
	text_add(t, ": ");
	if (!v->rule) {
		text_add(t, "no rule lets role ");
		text_quoted(t, who->role);
		text_add(t, " do this on ");
		text_quoted(t, r->name);
		return;
	}
	add_rule(t, v->rule);
	text_add(t, v->effect == EFFECT_ASK ? " asks for an approval"
		    : v->rule->effect == EFFECT_MASK ? " would mask this, but only observes"
		    : v->is_observed ? " would refuse this, but only observes"
				     : " refuses this");
	if (v->rule->description) {
		text_add(t, " (");
		text_foreign(t, v->rule->description, 160);
		text_add(t, ")");
	}
}

static void say_hint(struct text *t, const struct resource *r, const struct who *who,
		     const struct ruling *g)
{
	text_add(t, "On ");
	text_quoted(t, r->name);
	text_add(t, " role ");
	text_quoted(t, who->role);
	text_add(t, " may: ");
	text_add(t, g && g->may ? g->may : "nothing");
	text_add(t, ". Trying again will not help; to get more, ask ");
	if (who->owner && *who->owner) {
		text_foreign(t, who->owner, 60);
		text_add(t, " or ");
	}
	text_add(t, "whoever keeps the policy.");
}

static void set_rule(struct decision *ret, const char *id)
{
	size_t n = strlen(id); /* at most 63: load_name */
	memcpy(ret->rule, id, n + 1);
}

static void refuse(struct decision *ret, const char *rule, const char *reason, const char *hint)
{
	struct text t;
	ret->effect = EFFECT_DENY;
	ret->is_observed = false;
	set_rule(ret, rule);
	text_init(&t, ret->reason, sizeof(ret->reason));
	text_add(&t, reason);
	text_init(&t, ret->hint, sizeof(ret->hint));
	text_add(&t, hint);
}

static void refuse_undoing(struct decision *ret, const struct need *n)
{
	struct text t;
	refuse(ret, "pinned", "",
	       "The role and settings of this login are the resource's: leave them as they are.");
	text_init(&t, ret->reason, sizeof(ret->reason));
	add_need(&t, n);
	text_add(&t, n->kind == NEED_OPAQUE || n->verb == VERB_DO ? ": it might undo" : ": it would undo");
	text_add(&t, " what this resource pins of the login");
}

/* --- deciding --------------------------------------------------------------------------------- */

static bool need_is_sane(const struct need *n)
{
	return (unsigned int)n->kind < NEED_KINDS && (unsigned int)n->verb < VERB_COUNT &&
	       (unsigned int)n->class < CLASS_COUNT;
}

static bool are_sane(const struct need *needs, int n)
{
	for (int i = 0; i < n; i++)
		if (!need_is_sane(&needs[i]))
			return false;
	return true;
}

/* r may come from an older plan than p: then by its name. */
static const struct ruling *find_ruling(const struct plan *p, const struct resource *r,
					const char *role)
{
	uintptr_t off = (uintptr_t)r - (uintptr_t)p->resources;
	bool is_own = off < (uintptr_t)p->n_resources * sizeof(*r);
	int resource = is_own ? (int)(r - p->resources) : plan_resource_index(p, r->name);
	int i = plan_role_index(p, role);
	return resource < 0 || i < 0 ? NULL : &p->rulings[resource * p->n_roles + i];
}

bool plan_hides(const struct plan *p, const struct resource *r)
{
	const struct ruling *g = p && r && r->name && p->n_roles ? find_ruling(p, r, p->roles[0].name) : NULL;
	return g && g->n_record_masks;
}

bool plan_role_uses(const struct plan *p, const struct resource *r, const char *role)
{
	const struct ruling *g = r && role ? find_ruling(p, r, role) : NULL;
	return g && g->first_use;
}

/* The weight of what is refused: the heaviest need, the first of equals. */
struct outcome {
	struct verdict worst, observed;
	const struct need *worst_need, *observed_need;
	const struct rule *met_by; /* the first that met a need which is not implied */
	const struct rule *asked, *asked_too; /* two different rules that ask */
	int n_refused;
};

static void count(struct outcome *o, const struct need *n, struct verdict v)
{
	if (v.effect != EFFECT_ALLOW)
		o->n_refused++;
	if (v.effect == EFFECT_ASK && !o->asked)
		o->asked = v.rule;
	else if (v.effect == EFFECT_ASK && v.rule != o->asked)
		o->asked_too = v.rule;
	if (v.effect > o->worst.effect) {
		o->worst = v;
		o->worst_need = n;
	}
	if (v.is_observed && !o->observed_need) {
		o->observed = v;
		o->observed_need = n;
	}
}

/* By way of another name a relation is reached unless a rule says that it looks through these. */
static struct verdict weigh_reached(const struct plan *p, const struct ruling *g, const struct need *n)
{
	for (int i = 0; i < g->n; i++) {
		const struct rule *r = &p->rules[g->rules[i]];
		bool is_meant = n->kind == NEED_OPAQUE ? r->effect == EFFECT_DENY : covers(r, n);
		if (r->looks_through && is_meant)
			return verdict_of(r);
	}
	return (struct verdict){EFFECT_ALLOW, NULL, false};
}

static void weigh_all(const struct plan *p, const struct ruling *g, const struct op *op,
		      struct outcome *o)
{
	for (int i = 0; i < op->n_needs; i++) {
		const struct need *n = &op->needs[i];
		struct verdict v = weigh(p, g, n);
		count(o, n, v);
		if (!o->met_by && !n->is_implied)
			o->met_by = v.rule;
	}
	for (int i = 0; g->looks_through && i < op->n_reached; i++)
		count(o, &op->reached[i], weigh_reached(p, g, &op->reached[i]));
}

static void say_outcome(const struct outcome *o, const struct resource *r, const struct who *who,
			const struct ruling *g, struct decision *ret)
{
	struct text t;
	bool is_refused = o->worst_need != NULL;
	const struct verdict *v = is_refused ? &o->worst : &o->observed;
	bool is_split = v->effect == EFFECT_ASK && o->asked_too;
	ret->effect = is_split ? EFFECT_DENY : is_refused ? v->effect : EFFECT_ALLOW;
	ret->is_observed = !is_refused;
	ret->is_unread = is_refused && o->worst_need->kind == NEED_OPAQUE;
	set_rule(ret, v->rule ? v->rule->id : "default");
	text_init(&t, ret->reason, sizeof(ret->reason));
	say_reason(&t, r, who, v, is_refused ? o->worst_need : o->observed_need);
	if (is_split) {
		text_add(&t, ", and ");
		add_rule(&t, o->asked_too);
		text_add(&t, " for another: send the parts apart, so that each is asked about by its own rule");
	}
	if (o->n_refused > 1) {
		text_add(&t, "; and ");
		text_int(&t, o->n_refused - 1);
		text_add(&t, " more");
	}
	text_init(&t, ret->hint, sizeof(ret->hint));
	if (is_refused && v->effect == EFFECT_ASK)
		text_add(&t, is_split ? ""
				      : "It is held until those who are asked have answered: send it once, and wait.");
	else if (is_refused)
		say_hint(&t, r, who, g);
}

static bool is_refused_outright(const struct plan *p, const struct resource *r,
				const struct who *who, const struct op *op, int64_t now,
				struct decision *ret)
{
	static const char *const ask = "Ask whoever keeps the policy.";
	if (!who || !who->role)
		refuse(ret, "identity", "no verified identity is bound to this workload",
		       "Start the workload with sluice run and a valid token.");
	else if (who->expires <= now)
		refuse(ret, "identity", "the identity of this workload has expired",
		       "Renew it with a fresh token: sluice renew.");
	else if (!p || !r || !r->name || !op || (op->n_needs && !op->needs) || op->n_needs < 0)
		refuse(ret, "default", "no resource is declared for this", ask);
	else
		return false;
	return true;
}

void plan_decide(const struct plan *p, const struct resource *r, const struct who *who,
		 const struct op *op, int64_t now, struct decision *ret)
{
	struct outcome o = {.worst.effect = EFFECT_ALLOW};
	ret->has_masks = ret->is_masked = ret->is_unread = false;
	ret->hides_text = ret->detects_text = plan_hides(p, r); /* of what is refused unread, too */
	ret->sqlstate[0] = ret->request[0] = ret->grant[0] = ret->made_grant[0] = 0;
	ret->release = 0;
	ret->masks = NULL;
	if (is_refused_outright(p, r, who, op, now, ret))
		return;
	if (!are_sane(op->needs, op->n_needs) || !are_sane(op->reached, op->n_reached)) {
		refuse(ret, "default", "a need of this operation is not understood", "");
		return;
	}
	const struct need *undoing = login_undoes(r->login, op);
	if (undoing) {
		refuse_undoing(ret, undoing);
		return;
	}
	const struct ruling *g = find_ruling(p, r, who->role);
	if (!g || !g->first_use) {
		struct text t;
		refuse(ret, "default", "no rule lets this role use this resource", "");
		text_init(&t, ret->hint, sizeof(ret->hint));
		say_hint(&t, r, who, g);
		return;
	}
	weigh_all(p, g, op, &o);
	if (o.worst_need || o.observed_need) {
		say_outcome(&o, r, who, g, ret);
	} else {
		ret->effect = EFFECT_ALLOW;
		ret->is_observed = false;
		ret->reason[0] = ret->hint[0] = 0;
		set_rule(ret, o.met_by ? o.met_by->id : g->first_use->id);
	}
	if (!g->n_record_masks)
		return;
	ret->hides_text = mask_hides_text(g, op);
	ret->has_masks = g->n_masks > 0;
	if (ret->effect == EFFECT_DENY)
		return;
	if (!mask_decide(p, g, op, ret)) {
		struct text t;
		text_init(&t, ret->hint, sizeof(ret->hint));
		say_hint(&t, r, who, g);
		return;
	}
	mask_bind(p, op, r->name, who->session, ret);
}
