/* A plan's life, and what is worked out once so that decide need not: which needs each rule speaks
 * about (covers), which rules each role has on each resource (rulings), what it may do in words. */
#include <errno.h>

#include "base/macro.h"
#include "base/ossl.h"
#include "policy/load.h"
#include "policy/text.h"

#define PLAN_BYTES (64u * 1024 * 1024)

#define FUNCTION_VERBS (1u << VERB_EXECUTE | 1u << VERB_CALL)
#define ALL_CLASSES    ((uint16_t)((1u << CLASS_COUNT) - 1))

/* The rule of rules. Named targets (relations, functions, settings) narrow a rule to the kinds that
 * it names; a rule without targets speaks about everything its verbs and classes fit, but never
 * lets an unknown function or an unread text through unless it is "opaque": "allow". */
static void cover_named(struct rule *r)
{
	bool is_deny = r->effect == EFFECT_DENY;
	if (r->relations.n)
		r->covers[NEED_RELATION] =
		    (struct cover){true, r->verbs, r->classes, &r->relations};
	/* Naming a function is naming "execute"; a procedure wants its "call" where verbs are
	 * listed. */
	if (r->functions.n)
		r->covers[NEED_FUNCTION] = (struct cover){
		    true,
		    is_deny ? FUNCTION_VERBS : 1u << VERB_EXECUTE | (r->verbs & 1u << VERB_CALL),
		    ALL_CLASSES, &r->functions};
	if (r->settings.n)
		r->covers[NEED_SETTING] =
		    (struct cover){true, 1u << VERB_SET, ALL_CLASSES, &r->settings};
	/* "SELECT 1" touches none of the relations that a rule narrows select to: where the verb is
	 * listed it is met. */
	if (r->has_verbs)
		r->covers[NEED_PLAIN] = (struct cover){true, r->verbs, r->classes, NULL};
}

static void cover_all(struct rule *r)
{
	struct cover all = {true, r->verbs, r->classes, NULL};
	/* The text of a DO block is not read: it passes where it is meant, not where nothing is
	 * said. */
	if (r->effect != EFFECT_DENY && !r->has_verbs && !r->is_opaque)
		all.verbs &= ~(1u << VERB_DO);
	for (int k = 0; k < NEED_KINDS; k++)
		r->covers[k] = all;
	r->covers[NEED_FUNCTION].is_on = r->effect == EFFECT_DENY || r->is_opaque;
	/* Nobody knows the verb of what could not be read: a rule that lists verbs does not mean
	 * it. */
	r->covers[NEED_OPAQUE] =
	    (struct cover){r->is_opaque || (r->effect == EFFECT_DENY && !r->has_verbs), UINT32_MAX,
			   r->classes, NULL};
}

static void add_list(struct text *t, const char *what, const struct patterns *ps)
{
	for (int i = 0; i < ps->n; i++) {
		text_add(t, i ? ", " : what);
		text_foreign(t, ps->at[i].source, 80);
	}
}

static void add_verbs(struct text *t, const struct rule *r)
{
	bool first = true;
	for (int i = 0; i < VERB_COUNT && r->has_verbs; i++) {
		if (!(r->verbs >> i & 1))
			continue;
		text_add(t, first ? "" : ", ");
		text_add(t, verb_name((enum verb)i));
		first = false;
	}
	if (!r->has_verbs)
		text_add(t, r->has_classes ? "whatever is of class " : "anything");
	for (int i = 0; i < CLASS_COUNT && !r->has_verbs && r->has_classes; i++) {
		if (!(r->classes >> i & 1))
			continue;
		text_add(t, first ? "" : ", ");
		text_add(t, class_name((enum op_class)i));
		first = false;
	}
}

/* One allowing rule in words: "select on public.customers, public.orders". */
static void add_rule(struct text *t, const struct rule *r)
{
	if (r->relations.n || !rule_has_targets(r))
		add_verbs(t, r);
	add_list(t, " on ", &r->relations);
	if (r->relations.n && (r->functions.n || r->settings.n))
		text_add(t, ", ");
	add_list(t, "execute ", &r->functions);
	if (r->functions.n && r->settings.n)
		text_add(t, ", ");
	add_list(t, "set ", &r->settings);
	if (r->columns.n)
		add_list(t, " (columns ", &r->columns);
	if (r->columns.n)
		text_add(t, ")");
}

static const char *say_may(struct plan *p, const struct ruling *g)
{
	char words[280];
	struct text t;
	int n = 0;
	text_init(&t, words, sizeof(words));
	for (int i = 0; i < g->n; i++) {
		const struct rule *r = &p->rules[g->rules[i]];
		if (r->effect != EFFECT_ALLOW && r->effect != EFFECT_MASK)
			continue;
		text_add(&t, n++ ? "; " : "");
		add_rule(&t, r);
	}
	return arena_str(&p->arena, n ? words : "nothing");
}

static bool lets_through(const struct rule *r)
{
	return r->effect != EFFECT_DENY || r->is_observing;
}

/* The masks that rules of this resource ask for; role < 0: of any role. Those that only observe mask nothing. */
static const struct mask *const *gather_masks(struct plan *p, int resource, int role, int *ret_n)
{
	const struct mask *found[MAX_MASKS];
	int n = 0;
	for (int m = 0; m < p->n_masks; m++) {
		bool is_asked = false;
		for (int i = 0; i < p->n_rules && !is_asked; i++) {
			const struct rule *r = &p->rules[i];
			bool is_mine = r->effect == EFFECT_MASK && !r->is_observing &&
				       bits_has(&r->resources, resource) &&
				       (role < 0 || bits_has(&r->roles, role));
			for (int k = 0; is_mine && k < r->n_masks; k++)
				is_asked |= r->masks[k] == &p->masks[m];
		}
		if (is_asked)
			found[n++] = &p->masks[m];
	}
	*ret_n = 0;
	const struct mask **all = n ? arena_array(&p->arena, (size_t)n, sizeof(*all)) : NULL;
	if (!all)
		return NULL;
	memcpy(all, found, (size_t)n * sizeof(*all));
	*ret_n = n;
	return all;
}

static void build_ruling(struct plan *p, int resource, int role)
{
	struct ruling *g = &p->rulings[resource * p->n_roles + role];
	uint16_t mine[MAX_RULES];
	for (int i = 0; i < p->n_rules; i++) {
		const struct rule *r = &p->rules[i];
		if (!bits_has(&r->resources, resource) || !bits_has(&r->roles, role))
			continue;
		mine[g->n++] = (uint16_t)i;
		g->looks_through |= r->looks_through;
		if (!g->first_use && lets_through(r))
			g->first_use = r;
	}
	if (!g->n)
		return;
	uint16_t *rules = arena_array(&p->arena, (size_t)g->n, sizeof(*rules));
	if (!rules) {
		g->n = 0;
		return;
	}
	memcpy(rules, mine, (size_t)g->n * sizeof(*rules));
	g->rules = rules;
	g->may = say_may(p, g);
	if (!p->n_masks)
		return;
	g->masks = gather_masks(p, resource, role, &g->n_masks);
	g->record_masks = gather_masks(p, resource, -1, &g->n_record_masks);
}

int plan_index(struct plan *p)
{
	for (int i = 0; i < p->n_rules; i++) {
		if (rule_has_targets(&p->rules[i]))
			cover_named(&p->rules[i]);
		else
			cover_all(&p->rules[i]);
	}
	size_t n = (size_t)p->n_resources * (size_t)p->n_roles;
	p->rulings = arena_array(&p->arena, n, sizeof(*p->rulings));
	for (size_t i = 0; i < n && !arena_failed(&p->arena); i++)
		build_ruling(p, (int)i / p->n_roles, (int)i % p->n_roles);
	return arena_failed(&p->arena) ? ERR_LIMIT : 0;
}

static int hash_text(struct span text, char out[65])
{
	uint8_t sum[EVP_MAX_MD_SIZE];
	unsigned int n = 0;
	static const char digits[] = "0123456789abcdef";
	if (!EVP_Digest(text.p, text.len, sum, &n, EVP_sha256(), NULL) || n != 32)
		return -ENOMEM;
	for (int i = 0; i < 32; i++) {
		out[2 * i] = digits[sum[i] >> 4];
		out[2 * i + 1] = digits[sum[i] & 15];
	}
	out[64] = 0;
	return 0;
}

int plan_compile(struct span text, struct plan **ret_plan, struct policy_errors *ret_errors)
{
	memset(ret_errors, 0, sizeof(*ret_errors));
	struct plan *p = calloc(1, sizeof(*p));
	struct loader l = {.text = text, .plan = p, .errors = ret_errors};
	if (!p)
		return -ENOMEM;
	p->refs = 1;
	arena_init(&p->arena, PLAN_BYTES);
	int err = hash_text(text, p->hash);
	if (text.len > POLICY_MAX) {
		load_fail_place(&l, (struct place){1, 1}, "%zu bytes; expected at most %d",
				text.len, POLICY_MAX);
		err = ERR_LIMIT;
	}
	if (!err)
		load_policy(&l);
	if (!err && arena_failed(&p->arena)) {
		load_fail_place(
		    &l, (struct place){1, 1},
		    "resources, roles and rules multiply to more than %u MiB; expected fewer",
		    PLAN_BYTES >> 20);
		err = ERR_LIMIT;
	}
	if (!err && l.n_failed)
		err = ERR_CONFIG;
	if (err) {
		plan_unref(p);
		return err;
	}
	*ret_plan = p;
	return 0;
}

struct plan *plan_ref(struct plan *p)
{
	atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	return p;
}

void plan_unref(struct plan *p)
{
	if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
		return;
	detect_patterns_unref(p->patterns);
	for (int i = 0; p->masks && i < p->n_masks; i++)
		explicit_bzero(p->masks[i].how.key, sizeof(p->masks[i].how.key));
	arena_done(&p->arena);
	free(p);
}
