#include "sql/resolve.h"

#include "base/macro.h"

/* The candidates of one call, best schema first. */
struct pool {
	const struct catalog *c;
	const struct call *call;
	struct arena *a;
	struct target *at;
	int n;
};

static bool is_risky(const struct target *t)
{
	return !t->function || !t->function->is_read;
}

static const struct cat_schema *schema_of(const struct target *t)
{
	return t->operator? t->operator->schema : t->function->schema;
}

static bool is_same_args(const struct target *a, const struct target *b, int n)
{
	return n == 0 || memcmp(a->args, b->args, (size_t)n * sizeof(*a->args)) == 0;
}

/* The declared arguments as seen by a call of n, or NULL when it cannot take n. */
static const uint32_t *args_for(struct pool *p, const struct cat_function *f)
{
	int n = p->call->n;
	if (p->call->has_names) /* any order, any left out: as if of unknown types */
		return n <= f->n_args || f->variadic
			   ? arena_array(p->a, (size_t)n, sizeof(uint32_t))
			   : NULL;
	if (n <= f->n_args && n >= f->n_args - f->n_defaults &&
	    (!f->variadic || p->call->is_variadic))
		return f->args;
	if (!f->variadic || p->call->is_variadic || n < f->n_args - 1 - f->n_defaults)
		return NULL;
	uint32_t *args = arena_array(p->a, (size_t)n, sizeof(*args));
	for (int i = 0; args && i < n; i++)
		args[i] = i < f->n_args - 1 ? f->args[i] : f->variadic;
	return args;
}

/* The schemas to look in, in order. */
static int places(const struct pool *p, const struct path *path,
		  const struct cat_schema *const **ret, const struct cat_schema **one)
{
	*one = p->call->schema ? cat_schema(p->c, p->call->schema) : NULL;
	*ret = p->call->schema ? one : path->at;
	return p->call->schema ? *one != NULL : path->n;
}

/* A plain candidate of an earlier schema hides one with the same arguments. */
static bool is_hidden(const struct pool *p, int i)
{
	const struct target *t = &p->at[i];
	if (p->call->has_names || (!t->operator&& t->function->variadic))
		return false;
	for (int k = 0; k < i && schema_of(&p->at[k]) != schema_of(t); k++) {
		const struct target *o = &p->at[k];
		bool is_plain =
		    o->operator||(!o->function->variadic && o->function->n_args == p->call->n);
		if (is_plain && schema_of(o)->is_usable && is_same_args(o, t, p->call->n))
			return true;
	}
	return false;
}

static void drop_hidden(struct pool *p)
{
	int n = 0;
	for (int i = 0; i < p->n; i++)
		if (!is_hidden(p, i))
			p->at[n++] = p->at[i];
	p->n = n;
}

static bool knows_types(const struct call *call)
{
	for (int i = 0; i < call->n; i++)
		if (call->types[i] == 0)
			return false;
	return !call->has_names;
}

static const struct target *exact(const struct pool *p, const uint32_t *types)
{
	const struct target *found = NULL;
	for (int i = 0; i < p->n; i++) {
		const struct target *t = &p->at[i];
		if (memcmp(t->args, types, (size_t)p->call->n * sizeof(*types)) != 0)
			continue;
		if (!schema_of(t)->is_usable)
			return NULL;
		/* A variadic form gives way to a plain one. */
		if (t->operator|| !t->function->variadic)
			return t;
		if (!found)
			found = t;
	}
	return found;
}

static void keep_matching(struct pool *p)
{
	int n = 0;
	for (int i = 0; i < p->n; i++) {
		struct target t = p->at[i];
		t.fit = p->call->has_names ? FIT_MAYBE
					   : types_fit(p->c, p->call->types, t.args, p->call->n);
		if (!schema_of(&t)->is_usable)
			t.fit = MIN(t.fit, FIT_MAYBE);
		if (t.fit != FIT_NO)
			p->at[n++] = t;
	}
	p->n = n;
}

/* Keeps the members with the highest score. */
static void keep_best(struct pool *p, const int *score)
{
	int best = 0, n = 0;
	for (int i = 0; i < p->n; i++)
		best = MAX(best, score[i]);
	for (int i = 0; i < p->n; i++)
		if (score[i] == best)
			p->at[n++] = p->at[i];
	p->n = n;
}

static void keep_exact_or_preferred(struct pool *p, const uint32_t *base, int *score,
				    bool takes_preferred)
{
	for (int i = 0; i < p->n; i++) {
		score[i] = 0;
		for (int k = 0; k < p->call->n; k++) {
			uint32_t arg = p->at[i].args[k];
			if (base[k] == TYPE_UNKNOWN)
				continue;
			if (arg == base[k] ||
			    (takes_preferred && type_is_preferred(p->c, arg) &&
			     type_category(p->c, arg) == type_category(p->c, base[k])))
				score[i]++;
		}
	}
	keep_best(p, score);
}

/* The category that the candidates give to the untyped literal at k: 0 when they differ. */
static char category_at(const struct pool *p, int k, bool *ret_preferred)
{
	char category = 0;
	bool is_conflict = false, is_preferred = false;
	for (int i = 0; i < p->n; i++) {
		uint32_t arg = p->at[i].args[k];
		char own = type_category(p->c, arg);
		if (category == 0) {
			category = own;
			is_preferred = type_is_preferred(p->c, arg);
		} else if (own == category) {
			is_preferred |= type_is_preferred(p->c, arg);
		} else if (own == 'S') {
			category = own;
			is_preferred = type_is_preferred(p->c, arg);
		} else {
			is_conflict = true;
		}
	}
	*ret_preferred = is_preferred;
	return is_conflict && category != 'S' ? 0 : category;
}

static void keep_by_category(struct pool *p, const uint32_t *base, int *score)
{
	for (int i = 0; i < p->n; i++)
		score[i] = 1;
	for (int k = 0; k < p->call->n; k++) {
		bool is_preferred = false;
		if (base[k] != TYPE_UNKNOWN)
			continue;
		char category = category_at(p, k, &is_preferred);
		if (!category)
			return;
		for (int i = 0; i < p->n; i++) {
			uint32_t arg = p->at[i].args[k];
			if (type_category(p->c, arg) != category ||
			    (is_preferred && !type_is_preferred(p->c, arg)))
				score[i] = 0;
		}
	}
	keep_best(p, score);
}

/* Untyped literals beside known types that are all the same are taken as that type. */
static void keep_by_known(struct pool *p, uint32_t *base, int *score)
{
	uint32_t known = TYPE_UNKNOWN;
	int n = 0;
	for (int k = 0; k < p->call->n; k++) {
		if (base[k] == TYPE_UNKNOWN)
			continue;
		if (known != TYPE_UNKNOWN && base[k] != known)
			return;
		known = base[k];
	}
	if (known == TYPE_UNKNOWN)
		return;
	for (int k = 0; k < p->call->n; k++)
		base[k] = known;
	for (int i = 0; i < p->n; i++) {
		score[i] = types_fit(p->c, base, p->at[i].args, p->call->n) == FIT_YES;
		n += score[i];
	}
	if (n == 1)
		keep_best(p, score);
}

/* func_select_candidate of parser/parse_func.c, step by step. */
static const struct target *select_one(struct pool *p)
{
	int n = p->call->n, unknowns = 0;
	uint32_t *base = arena_array(p->a, (size_t)n + 1, sizeof(*base));
	int *score = arena_array(p->a, (size_t)p->n + 1, sizeof(*score));
	if (!base || !score)
		return NULL;
	for (int k = 0; k < n; k++) {
		base[k] = type_base(p->c, p->call->types[k]);
		unknowns += base[k] == TYPE_UNKNOWN;
	}
	for (int step = 0; step < 4 && p->n > 1; step++) {
		if (step >= 2 && unknowns == 0)
			return NULL;
		if (step < 2)
			keep_exact_or_preferred(p, base, score, step == 1);
		else if (step == 2)
			keep_by_category(p, base, score);
		else if (unknowns < n)
			keep_by_known(p, base, score);
	}
	return p->n == 1 ? &p->at[0] : NULL;
}

/* An operator with an untyped literal beside a known type: taken as that type, or its base, if
 * there is one such. binary_oper_exact of parser/parse_oper.c. */
static const struct target *exact_operator(const struct pool *p)
{
	uint32_t t[2] = {p->call->types[0], p->call->n > 1 ? p->call->types[1] : 0};
	bool was_unknown = false;
	if (p->call->n == 1)
		return exact(p, t);
	if (t[0] == TYPE_UNKNOWN && t[1] != TYPE_UNKNOWN) {
		t[0] = t[1];
		was_unknown = true;
	} else if (t[1] == TYPE_UNKNOWN && t[0] != TYPE_UNKNOWN) {
		t[1] = t[0];
		was_unknown = true;
	}
	const struct target *found = exact(p, t);
	uint32_t base = type_base(p->c, t[0]);
	if (!found && was_unknown && base != t[0])
		found = exact(p, (uint32_t[]){base, base});
	return found;
}

static void report_risky(struct resolved *ret, const struct target *t)
{
	if (!is_risky(t))
		return;
	if (ret->n_risky == RISKY_MAX)
		ret->has_more_risky = true;
	else
		ret->risky[ret->n_risky++] = t;
}

static uint32_t result_of(const struct pool *p, const struct target *t)
{
	uint32_t declared = t->operator? t->operator->result : t->function->result;
	if (p->call->has_names)
		return type_is_polymorphic(declared) ? 0 : declared;
	return type_result(p->c, declared, p->call->types, t->args, p->call->n);
}

static void report_one(const struct pool *p, const struct target *t, struct resolved *ret)
{
	ret->one = t;
	ret->n_matching = MAX(ret->n_matching, 1);
	ret->result = result_of(p, t);
	report_risky(ret, t);
}

static void report_all(const struct pool *p, struct resolved *ret)
{
	for (int i = 0; i < p->n; i++) {
		uint32_t result = result_of(p, &p->at[i]);
		ret->result = i == 0 || ret->result == result ? result : 0;
		report_risky(ret, &p->at[i]);
	}
}

static int choose(struct pool *p, struct resolved *ret)
{
	drop_hidden(p);
	bool is_known = knows_types(p->call);
	const struct target *one = NULL;
	if (is_known && p->n)
		one = p->at[0].operator? exact_operator(p) : exact(p, p->call->types);
	ret->is_exact = one != NULL;
	if (!one) {
		keep_matching(p);
		ret->n_matching = p->n;
		bool is_sure = is_known;
		for (int i = 0; i < p->n; i++)
			is_sure &= p->at[i].fit == FIT_YES;
		struct pool rest = *p;
		rest.at = arena_array(p->a, (size_t)p->n + 1, sizeof(*rest.at));
		if (rest.at && p->n) {
			memcpy(rest.at, p->at, (size_t)p->n * sizeof(*rest.at));
			one = is_sure ? select_one(&rest) : NULL;
		}
	}
	if (arena_failed(p->a))
		return ERR_LIMIT;
	ret->first = p->n ? &p->at[0] : NULL;
	if (one)
		report_one(p, one, ret);
	else
		report_all(p, ret);
	return 0;
}

int resolve_function(const struct catalog *c, const struct path *path, const struct call *call,
		     struct arena *a, struct resolved *ret)
{
	int n = 0;
	const struct cat_function *const *all = cat_functions(c, call->name, &n);
	struct pool p = {c, call, a, arena_array(a, (size_t)n + 1, sizeof(struct target)), 0};
	const struct cat_schema *const *where, *one;
	int n_places = places(&p, path, &where, &one);
	*ret = (struct resolved){0};
	for (int s = 0; p.at && s < n_places; s++) {
		for (int i = 0; i < n; i++) {
			if (all[i]->schema != where[s])
				continue;
			ret->n_named++;
			ret->has_risky_named |= !all[i]->is_read;
			const uint32_t *args = args_for(&p, all[i]);
			if (args)
				p.at[p.n++] = (struct target){all[i], NULL, args, FIT_YES};
		}
	}
	return arena_failed(a) ? ERR_LIMIT : choose(&p, ret);
}

int resolve_operator(const struct catalog *c, const struct path *path, const struct call *call,
		     struct arena *a, struct resolved *ret)
{
	int n = 0;
	const struct cat_operator *const *all = cat_operators(c, call->name, &n);
	struct pool p = {c, call, a, arena_array(a, (size_t)n + 1, sizeof(struct target)), 0};
	const struct cat_schema *const *where, *one;
	int n_places = places(&p, path, &where, &one);
	*ret = (struct resolved){0};
	for (int s = 0; p.at && s < n_places; s++) {
		for (int i = 0; i < n; i++) {
			const struct cat_operator *o = all[i];
			if (o->schema != where[s] || (o->args[0] == 0) != call->is_prefix ||
			    o->args[1] == 0)
				continue;
			ret->n_named++;
			ret->has_risky_named |= !o->function || !o->function->is_read;
			p.at[p.n++] =
			    (struct target){o->function, o, o->args + call->is_prefix, FIT_YES};
		}
	}
	return arena_failed(a) ? ERR_LIMIT : choose(&p, ret);
}
