#include "sql/types.h"

#include "base/macro.h"

/* Domains over domains, arrays of composites of ranges ...: deeper is taken as risky. */
#define MAX_NESTING 16

uint32_t type_base(const struct catalog *c, uint32_t type)
{
	for (int i = 0; i < MAX_NESTING; i++) {
		const struct cat_type *t = cat_type(c, type);
		if (!t || t->kind != 'd')
			break;
		type = t->base;
	}
	return type;
}

char type_category(const struct catalog *c, uint32_t type)
{
	const struct cat_type *t = cat_type(c, type);
	return t ? t->category : 0;
}

bool type_is_preferred(const struct catalog *c, uint32_t type)
{
	const struct cat_type *t = cat_type(c, type);
	return t && t->is_preferred;
}

uint32_t type_element(const struct catalog *c, uint32_t type)
{
	const struct cat_type *t = cat_type(c, type_base(c, type));
	return t ? t->element : 0;
}

uint32_t type_array(const struct catalog *c, uint32_t type)
{
	const struct cat_type *t = cat_type(c, type);
	return t ? t->array : 0;
}

const struct cat_relation *type_relation(const struct catalog *c, uint32_t type)
{
	const struct cat_type *t = cat_type(c, type_base(c, type));
	return t && t->kind == 'c' ? t->relation : NULL;
}

static bool allows(char cast, char asked)
{
	return cast == 'i' || asked == 'e' || (cast == 'a' && asked == 'a');
}

/* No pg_cast row: arrays by their elements, then by way of text. */
static struct coercion without_cast(const struct catalog *c, uint32_t from, uint32_t to,
				    char context)
{
	uint32_t from_element = type_element(c, from), to_element = type_element(c, to);
	bool is_vector =
	    to == TYPE_INT2VECTOR || to == TYPE_OIDVECTOR; /* nothing is made one of these */
	if (from_element && to_element && !is_vector) {
		struct coercion e = type_coercion(c, from_element, to_element, context);
		if (e.kind != COERCION_NONE)
			e.kind = COERCION_ARRAY;
		return e;
	}
	bool to_string = type_category(c, to) == 'S', from_string = type_category(c, from) == 'S';
	if ((context != 'i' && to_string) || (context == 'e' && from_string))
		return (struct coercion){COERCION_IO, NULL};
	return (struct coercion){COERCION_NONE, NULL};
}

struct coercion type_coercion(const struct catalog *c, uint32_t from, uint32_t to, char context)
{
	from = type_base(c, from);
	to = type_base(c, to);
	if (from == to)
		return (struct coercion){COERCION_RELABEL, NULL};
	const struct cat_cast *k = cat_cast(c, from, to);
	if (!k)
		return without_cast(c, from, to, context);
	if (!allows(k->context, context))
		return (struct coercion){COERCION_NONE, NULL};
	switch (k->method) {
	case 'b':
		return (struct coercion){COERCION_RELABEL, NULL};
	case 'i':
		return (struct coercion){COERCION_IO, NULL};
	default:
		return (struct coercion){COERCION_FUNCTION, k};
	}
}

bool type_is_polymorphic(uint32_t t)
{
	return t == TYPE_ANYELEMENT || t == TYPE_ANYARRAY || t == TYPE_ANYNONARRAY ||
	       t == TYPE_ANYENUM || t == TYPE_ANYRANGE || t == TYPE_ANYMULTIRANGE ||
	       (t >= TYPE_ANYCOMPATIBLE && t <= TYPE_ANYCOMPATIBLERANGE) ||
	       t == TYPE_ANYCOMPATIBLEMULTIRANGE;
}

static bool is_complex(const struct catalog *c, uint32_t type)
{
	return type == TYPE_RECORD || type_relation(c, type);
}

enum fit type_fits(const struct catalog *c, uint32_t from, uint32_t to)
{
	if (to == TYPE_ANY || type_is_polymorphic(to))
		return FIT_YES;
	if (from == 0)
		return FIT_MAYBE;
	if (from == to || from == TYPE_UNKNOWN)
		return FIT_YES;
	if (type_coercion(c, from, to, 'i').kind != COERCION_NONE)
		return FIT_YES;
	if ((from == TYPE_RECORD && type_relation(c, to)) ||
	    (to == TYPE_RECORD && is_complex(c, from)))
		return FIT_YES;
	if (to == TYPE_RECORDARRAY && is_complex(c, type_element(c, from)))
		return FIT_YES;
	/* A child's row is also its parent's: we do not know who inherits from whom. */
	return type_relation(c, from) && type_relation(c, to) ? FIT_MAYBE : FIT_NO;
}

/* What the arguments say about the two families of polymorphic parameters. */
struct generic {
	uint32_t element, array, range; /* ANYELEMENT and kin; UNKNOWN until an argument says */
	uint32_t compatible[CAT_MAX_ARGS];
	int n_compatible;
	uint32_t compatible_range;
	enum fit fit;
};

static void agree(struct generic *g, uint32_t *slot, uint32_t type)
{
	if (type == 0)
		g->fit = MIN(g->fit, FIT_MAYBE);
	else if (*slot == 0)
		*slot = type;
	else if (*slot != type)
		g->fit = FIT_NO;
}

static void take_compatible(struct generic *g, uint32_t type)
{
	if (type == 0)
		g->fit = MIN(g->fit, FIT_MAYBE);
	else if (g->n_compatible < CAT_MAX_ARGS)
		g->compatible[g->n_compatible++] = type;
}

static void require(struct generic *g, bool holds)
{
	if (!holds)
		g->fit = FIT_NO;
}

static uint32_t subtype(const struct catalog *c, uint32_t type)
{
	const struct cat_type *t = cat_type(c, type_base(c, type));
	return t && t->kind == 'r' ? t->subtype : 0;
}

static void learn(const struct catalog *c, struct generic *g, uint32_t from, uint32_t param)
{
	if (!type_is_polymorphic(param) || from == TYPE_UNKNOWN)
		return;
	const struct cat_type *base = cat_type(c, type_base(c, from));
	if (from == 0 || !base) {
		g->fit = MIN(g->fit, FIT_MAYBE);
		return;
	}
	uint32_t element = type_element(c, from);
	switch (param) {
	case TYPE_ANYENUM:
		require(g, base->kind == 'e');
		break;
	case TYPE_ANYNONARRAY:
	case TYPE_ANYCOMPATIBLENONARRAY:
		require(g, element == 0);
		break;
	case TYPE_ANYARRAY:
	case TYPE_ANYCOMPATIBLEARRAY:
		require(g, element != 0 || from == TYPE_ANYARRAY);
		break;
	case TYPE_ANYRANGE:
	case TYPE_ANYCOMPATIBLERANGE:
		require(g, base->kind == 'r');
		break;
	case TYPE_ANYMULTIRANGE:
	case TYPE_ANYCOMPATIBLEMULTIRANGE:
		require(g, base->kind == 'm');
		break;
	default:
		break;
	}
	switch (param) {
	case TYPE_ANYELEMENT:
	case TYPE_ANYNONARRAY:
	case TYPE_ANYENUM:
		agree(g, &g->element, from);
		break;
	case TYPE_ANYARRAY:
		agree(g, &g->array, base->oid);
		break;
	case TYPE_ANYRANGE:
		agree(g, &g->range, base->oid);
		break;
	case TYPE_ANYCOMPATIBLE:
	case TYPE_ANYCOMPATIBLENONARRAY:
		take_compatible(g, from);
		break;
	case TYPE_ANYCOMPATIBLEARRAY:
		take_compatible(g, element);
		break;
	case TYPE_ANYCOMPATIBLERANGE:
		agree(g, &g->compatible_range, base->oid);
		take_compatible(g, subtype(c, from));
		break;
	default: /* multiranges: we do not follow them to their ranges */
		g->fit = MIN(g->fit, FIT_MAYBE);
		break;
	}
}

static void conclude(const struct catalog *c, struct generic *g)
{
	if (g->array && type_element(c, g->array))
		agree(g, &g->element, type_element(c, g->array));
	if (g->range)
		agree(g, &g->element, subtype(c, g->range));
	uint32_t common = g->n_compatible ? type_common(c, g->compatible, g->n_compatible) : 0;
	for (int i = 0; i < g->n_compatible; i++)
		require(g, common && type_fits(c, g->compatible[i], common) != FIT_NO);
}

static struct generic generics(const struct catalog *c, const uint32_t *from,
			       const uint32_t *params, int n)
{
	struct generic g = {.fit = FIT_YES};
	for (int i = 0; i < n; i++)
		learn(c, &g, from[i], params[i]);
	conclude(c, &g);
	return g;
}

enum fit types_fit(const struct catalog *c, const uint32_t *from, const uint32_t *to, int n)
{
	enum fit all = FIT_YES;
	bool is_generic = false;
	for (int i = 0; i < n && all != FIT_NO; i++) {
		all = MIN(all, type_fits(c, from[i], to[i]));
		is_generic |= type_is_polymorphic(to[i]);
	}
	if (all == FIT_NO || !is_generic)
		return all;
	return MIN(all, generics(c, from, to, n).fit);
}

uint32_t type_result(const struct catalog *c, uint32_t declared, const uint32_t *from,
		     const uint32_t *params, int n)
{
	if (!type_is_polymorphic(declared))
		return declared;
	struct generic g = generics(c, from, params, n);
	if (g.fit != FIT_YES)
		return 0;
	uint32_t common = g.n_compatible ? type_common(c, g.compatible, g.n_compatible) : TYPE_TEXT;
	switch (declared) {
	case TYPE_ANYELEMENT:
	case TYPE_ANYNONARRAY:
	case TYPE_ANYENUM:
		return g.element;
	case TYPE_ANYARRAY:
		return g.array ? g.array : type_array(c, g.element);
	case TYPE_ANYRANGE:
		return g.range;
	case TYPE_ANYCOMPATIBLE:
	case TYPE_ANYCOMPATIBLENONARRAY:
		return common;
	case TYPE_ANYCOMPATIBLEARRAY:
		return type_array(c, common);
	case TYPE_ANYCOMPATIBLERANGE:
		return g.compatible_range;
	default:
		return 0;
	}
}

uint32_t type_common(const struct catalog *c, const uint32_t *types, int n)
{
	bool is_same = n > 0 && types[0] != TYPE_UNKNOWN;
	for (int i = 0; i < n; i++) {
		if (types[i] == 0)
			return 0;
		is_same &= types[i] == types[0];
	}
	if (is_same)
		return types[0];
	uint32_t best = TYPE_UNKNOWN;
	for (int i = 0; i < n; i++) {
		uint32_t next = type_base(c, types[i]);
		if (next == TYPE_UNKNOWN || next == best)
			continue;
		if (best == TYPE_UNKNOWN) {
			best = next;
		} else if (type_category(c, next) != type_category(c, best)) {
			return 0; /* the server refuses this */
		} else if (!type_is_preferred(c, best) && type_fits(c, best, next) == FIT_YES &&
			   type_fits(c, next, best) != FIT_YES) {
			best = next;
		}
	}
	return best == TYPE_UNKNOWN ? TYPE_TEXT : best;
}

const struct cat_type *type_checked_domain(const struct catalog *c, uint32_t type)
{
	for (int i = 0; i < MAX_NESTING; i++) {
		const struct cat_type *t = cat_type(c, type);
		if (!t || t->kind != 'd')
			return NULL;
		if (!t->is_system && t->has_check)
			return t;
		type = t->base;
	}
	return cat_type(c, type);
}

/* Walks a type's parts: is_input asks about reading from text, else about comparing. */
static const struct cat_type *risky(const struct catalog *c, uint32_t type, bool is_input,
				    int depth)
{
	const struct cat_type *t = cat_type(c, type);
	if (!t || t->is_system || depth == MAX_NESTING)
		return t && !t->is_system ? t : (t && !is_input && t->has_own_order ? t : NULL);
	if (!is_input && t->has_own_order)
		return t;
	switch (t->kind) {
	case 'e':
	case 'p':
		return NULL;
	case 'd':
		return is_input && t->has_check ? t : risky(c, t->base, is_input, depth + 1);
	case 'c':
		for (int i = 0; t->relation && i < t->relation->n_columns; i++) {
			const struct cat_type *r =
			    risky(c, t->relation->columns[i].type, is_input, depth + 1);
			if (r)
				return r;
		}
		return t->relation ? NULL : t;
	case 'b':
		if (t->element)
			return risky(c, t->element, is_input, depth + 1);
		return is_input ? t : NULL;
	default: /* ranges may have functions of their own, for input and for order */
		return t;
	}
}

const struct cat_type *type_risky_input(const struct catalog *c, uint32_t type)
{
	return risky(c, type, true, 0);
}

const struct cat_type *type_risky_order(const struct catalog *c, uint32_t type)
{
	return risky(c, type, false, 0);
}
