#include "policy/duties.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/macro.h"
#include "policy/needs.h"
#include "policy/plan.h"

#define PROBES_MAX (8u * 1024 * 1024)

/* One relation that stands for all that a pattern means. */
struct probe {
	const char *schema, *name;
	const char *said; /* for people: the patterns that it stands for, "public.*" */
};

struct survey {
	const struct plan *p;
	struct arena a;
	struct probe *probes;
	int n_probes;
	void (*on_duty)(void *ctx, const struct duty *d);
	void *ctx;
};

/* What some roles can do with a resource. */
struct power {
	char reads[280], writes[280]; /* what was found first; "": nothing */
};

/* --- probes -------------------------------------------------------------------------------------
 */

/* A name that the part matches; '*' becomes a letter. */
static const char *name_of(struct arena *a, const struct part *t)
{
	static const char any = 'x';
	if (t->kind == PART_ANY)
		return "x";
	char *s = arena_alloc(a, t->len + 2);
	if (!s)
		return "x";
	memcpy(s, t->text, t->len);
	s[t->len] = 0;
	for (char *c = s; t->kind == PART_GLOB && *c; c++)
		*c = *c == '*' ? any : *c;
	if (t->kind == PART_PREFIX) {
		s[t->len] = any;
		s[t->len + 1] = 0;
	}
	return s;
}

static const char *said_of(struct arena *a, const struct part *t)
{
	if (t->kind == PART_ANY)
		return "*";
	return arena_printf(a, "%.*s%s", (int)t->len, t->text, t->kind == PART_PREFIX ? "*" : "");
}

static struct probe probe_of(struct arena *a, const struct part *schema, const struct part *name)
{
	return (struct probe){name_of(a, schema), name_of(a, name),
			      arena_printf(a, "%s.%s", said_of(a, schema), said_of(a, name))};
}

static void add_probes(struct survey *s, const struct patterns *ps)
{
	for (int i = 0; i < ps->n; i++)
		s->probes[s->n_probes++] =
		    probe_of(&s->a, &ps->at[i].parts[0], &ps->at[i].parts[1]);
}

static int make_probes(struct survey *s)
{
	const struct plan *p = s->p;
	size_t n = 1;
	for (int i = 0; i < p->n_rules; i++)
		n += (size_t)p->rules[i].relations.n;
	for (int i = 0; i < p->n_masks; i++)
		n += (size_t)p->masks[i].columns.n;
	s->probes = arena_array(&s->a, n, sizeof(*s->probes));
	if (!s->probes)
		return -ENOMEM;
	s->probes[s->n_probes++] = (struct probe){"x", "x", "*.*"};
	for (int i = 0; i < p->n_masks; i++)
		add_probes(s, &p->masks[i].columns);
	for (int i = 0; i < p->n_rules; i++)
		add_probes(s, &p->rules[i].relations);
	return arena_failed(&s->a) ? -ENOMEM : 0;
}

/* --- reading ------------------------------------------------------------------------------------
 */

static bool has_mask(const struct rule *r, const struct mask *m)
{
	for (int i = 0; r->effect == EFFECT_MASK && i < r->n_masks; i++)
		if (r->masks[i] == m)
			return true;
	return false;
}

static void find_read(const struct survey *s, int resource, int role, struct power *w)
{
	const struct plan *p = s->p;
	const struct ruling *g = &p->rulings[resource * p->n_roles + role];
	for (int i = 0; i < s->n_probes && !*w->reads; i++) {
		const struct probe *b = &s->probes[i];
		const struct rule *r = plan_rule_for_read(p, g, b->schema, b->name);
		bool lets =
		    r && (r->effect == EFFECT_ALLOW || r->effect == EFFECT_MASK || r->is_observing);
		for (int k = 0; lets && k < g->n_record_masks; k++) {
			const struct mask *m = g->record_masks[k];
			if (!patterns_touch(&m->columns, b->schema, b->name) ||
			    (!r->is_observing && has_mask(r, m)))
				continue;
			snprintf(w->reads, sizeof(w->reads),
				 "reads %.120s without mask \"%.40s\" (rule %.40s)", b->said, m->name,
				 r->id);
			break;
		}
	}
}

/* --- writing ------------------------------------------------------------------------------------
 */

static bool passes(struct survey *s, int resource, int role, const struct need *n,
		   struct decision *d)
{
	const struct plan *p = s->p;
	struct who who = {.session = "",
			  .issuer = "",
			  .subject = "",
			  .owner = "",
			  .role = p->roles[role].name,
			  .expires = INT64_MAX};
	struct op op = {.id = 1,
			.protocol = p->resources[resource].protocol,
			.class = n->class,
			.needs = n,
			.n_needs = 1,
			.arena = &s->a,
			.is_write = true};
	plan_decide(p, &p->resources[resource], &who, &op, 1, d);
	return d->effect == EFFECT_ALLOW;
}

/* said: what the need's name stands for, or NULL. */
static void try_need(struct survey *s, int resource, int role, const struct need *n,
		     const char *said, struct power *w)
{
	struct decision d;
	if (!passes(s, resource, role, n, &d))
		return;
	snprintf(w->writes, sizeof(w->writes), "may %s%s%.120s (rule %.40s)",
		 n->kind == NEED_OPAQUE ? "do what cannot be read" : verb_name(n->verb),
		 said ? " " : "", said ? said : "", d.rule);
}

/* Whatever changes something: on each probe, and without a name. */
static void find_write(struct survey *s, int resource, int role, struct power *w)
{
	static const char *const plain[] = {"opaque",	  "do",	       "call:x.x", "execute:x.x",
					    "create@x.x", "alter@x.x", "drop@x.x", "grant@x.x",
					    "grant@",	  "copy_file", "admin",	   "maintain"};
	static const enum verb verbs[] = {VERB_INSERT,	 VERB_UPDATE, VERB_DELETE,
					  VERB_TRUNCATE, VERB_CREATE, VERB_ALTER,
					  VERB_DROP,	 VERB_GRANT,  VERB_REFRESH};
	static const enum op_class classes[] = {CLASS_WRITE, CLASS_WRITE, CLASS_WRITE,
						CLASS_WRITE, CLASS_DDL,	  CLASS_DDL,
						CLASS_DDL,   CLASS_DCL,	  CLASS_DDL};
	const struct need *n;
	const char *why;
	for (int i = 0; i < s->n_probes; i++)
		for (size_t v = 0; v < ARRAY_LEN(verbs) && !*w->writes; v++) {
			struct need one = {.kind = NEED_RELATION,
					   .verb = verbs[v],
					   .class = classes[v],
					   .schema = s->probes[i].schema,
					   .name = s->probes[i].name};
			try_need(s, resource, role, &one, s->probes[i].said, w);
		}
	for (size_t i = 0; i < ARRAY_LEN(plain) && !*w->writes; i++)
		if (needs_parse(&s->a, plain[i], &n, &why) == 1)
			try_need(s, resource, role, n, strstr(plain[i], "x.x") ? "*.*" : NULL, w);
}

/* Rules that let only some columns be written cover no need without columns. */
static void find_column_write(const struct survey *s, int resource, int role, struct power *w)
{
	const struct ruling *g = &s->p->rulings[resource * s->p->n_roles + role];
	for (int i = 0; i < g->n && !*w->writes; i++) {
		const struct rule *r = &s->p->rules[g->rules[i]];
		if (r->columns.n && r->effect == EFFECT_ALLOW &&
		    r->verbs & (1u << VERB_INSERT | 1u << VERB_UPDATE))
			snprintf(w->writes, sizeof(w->writes),
				 "may write some columns (rule %.40s)", r->id);
	}
}

static void add_power(struct survey *s, int resource, int role, struct power *w)
{
	find_read(s, resource, role, w);
	find_write(s, resource, role, w);
	find_column_write(s, resource, role, w);
}

/* --- identities ---------------------------------------------------------------------------------
 */

static bool gives(const struct plan *p, int role, const char *group)
{
	for (int i = 0; i < p->roles[role].n_groups; i++)
		if (!strcmp(p->roles[role].groups[i], group))
			return true;
	return false;
}

__attribute__((format(printf, 4, 5))) static void tell(struct survey *s, enum duty_kind kind,
						       const char *group, const char *fmt, ...)
{
	struct duty d = {.kind = kind};
	va_list ap;
	snprintf(d.group, sizeof(d.group), "%s", group);
	va_start(ap, fmt);
	vsnprintf(d.text, sizeof(d.text), fmt, ap);
	va_end(ap);
	s->on_duty(s->ctx, &d);
}

/* Can these terms be met by members of this one group? */
static bool is_by_peers(const struct terms *t, const char *group)
{
	for (int i = 0; i < t->n_stages; i++) {
		int others = 0;
		for (int g = 0; g < t->stages[i].n_groups; g++)
			others += strcmp(t->stages[i].groups[g].group, group) != 0;
		if (!others)
			return true;
	}
	return false;
}

static void find_peers(struct survey *s, const char *group)
{
	const struct plan *p = s->p;
	for (int i = 0; i < p->n_rules; i++) {
		const struct rule *r = &p->rules[i];
		for (int role = 0; r->effect == EFFECT_ASK && role < p->n_roles; role++)
			if (gives(p, role, group) && bits_has(&r->roles, role) &&
			    is_by_peers(&r->terms, group)) {
				tell(s, DUTY_PEERS, group,
				     "what rule %.60s asks of role %.60s, others of the same group "
				     "answer",
				     r->id, p->roles[role].name);
				break;
			}
	}
	for (int i = 0; i < p->n_grants; i++)
		for (int role = 0; role < p->n_roles; role++)
			if (gives(p, role, group) && bits_has(&p->grants[i].from, role) &&
			    is_by_peers(&p->grants[i].terms, group)) {
				tell(s, DUTY_PEERS, group,
				     "role %.60s, which grant %.60s lends, is lent by others of "
				     "the same group",
				     p->roles[p->grants[i].role].name, p->grants[i].id);
				break;
			}
}

/* What a grant adds to what the group has: one for each that makes the difference. */
static void find_lent(struct survey *s, const char *group, int resource, const struct power *own)
{
	const struct plan *p = s->p;
	for (int i = 0; i < p->n_grants; i++) {
		const struct grant_rule *g = &p->grants[i];
		bool may_ask = false;
		struct power w = *own;
		for (int role = 0; role < p->n_roles; role++)
			may_ask |= gives(p, role, group) && bits_has(&g->from, role);
		if (!may_ask)
			continue;
		add_power(s, resource, g->role, &w);
		if (*w.reads && *w.writes)
			tell(s, is_by_peers(&g->terms, group) ? DUTY_BOTH : DUTY_LENT, group,
			     "on %.60s, while grant %.60s lends it role %.60s: %.100s, and %.100s",
			     p->resources[resource].name, g->id, p->roles[g->role].name, w.reads,
			     w.writes);
	}
}

static void look_at(struct survey *s, const char *group, int resource)
{
	const struct plan *p = s->p;
	struct power w = {0};
	for (int role = 0; role < p->n_roles; role++)
		if (gives(p, role, group))
			add_power(s, resource, role, &w);
	if (*w.reads && *w.writes)
		tell(s, DUTY_BOTH, group, "on %.60s: %.150s, and %.150s",
		     p->resources[resource].name, w.reads, w.writes);
	else
		find_lent(s, group, resource, &w);
}

/* Was this group dealt with, at an earlier role? */
static bool is_first(const struct plan *p, int role, int group)
{
	const char *name = p->roles[role].groups[group];
	for (int i = 0; i < role; i++)
		if (gives(p, i, name))
			return false;
	for (int i = 0; i < group; i++)
		if (!strcmp(p->roles[role].groups[i], name))
			return false;
	return true;
}

static void tell_void(struct survey *s)
{
	const struct plan *p = s->p;
	for (int i = 0; i < p->n_resources; i++) {
		int n = 0;
		for (int role = 0; role < p->n_roles; role++)
			n += p->rulings[i * p->n_roles + role].n_record_masks;
		if (!n && !strcmp(p->resources[i].protocol, "postgres"))
			tell(s, DUTY_VOID, "",
			     "on %.60s no mask hides anything, so nothing there counts as unmasked",
			     p->resources[i].name);
	}
}

int plan_duties(const struct plan *p, void (*on_duty)(void *ctx, const struct duty *d), void *ctx)
{
	struct survey s = {.p = p, .on_duty = on_duty, .ctx = ctx};
	arena_init(&s.a, PROBES_MAX);
	int err = make_probes(&s);
	for (int role = 0; !err && role < p->n_roles; role++)
		for (int g = 0; g < p->roles[role].n_groups; g++) {
			const char *group = p->roles[role].groups[g];
			if (!is_first(p, role, g))
				continue;
			find_peers(&s, group);
			for (int i = 0; i < p->n_resources; i++)
				look_at(&s, group, i);
		}
	if (!err)
		tell_void(&s);
	err = err ? err : arena_failed(&s.a) ? -ENOMEM : 0;
	arena_done(&s.a);
	return err;
}
