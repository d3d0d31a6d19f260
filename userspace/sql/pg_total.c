/* What may be done to a masked value although failing or not would tell of it: nothing that can
 * fail by it. A short list of functions, operators' functions and casts of PostgreSQL's own that
 * give a value for every argument there is, whatever else stands beside it. Left out on purpose,
 * because they fail for some values: arithmetic (overflow, division), every cast that reads text,
 * LIKE and regular expressions (a pattern's end is looked at only if the rest fits), replace and
 * the like, to_char, dates, json (not jsonb) read inside, XML, array concatenation (sizes), sums of
 * numeric and float. Comparisons are conditions, and not in it. What is left to fail is a value's
 * size of 1 GB and the server's memory: neither looks at more than lengths. */
#include "sql/pg_walk.h"

#define ANY_NUMBER CAT_MAX_ARGS

/* What an argument must be besides. */
enum demand {
	DEMAND_NONE,
	DEMAND_OUTPUT,	/* shown as text or JSON: by a function of PostgreSQL's own */
	DEMAND_SINGLE,	/* the same, and no array */
	DEMAND_INTEGER, /* its sum is of a type that holds it */
	DEMAND_KEYS,	/* the same as OUTPUT, and each other one, from the first, a constant */
	DEMAND_FORMAT, /* the same as OUTPUT, and the first a constant with no other specifiers than
			  %s */
	DEMAND_SLICE,  /* the second an integer (not a pattern), the third a length, and a constant */
};

/* Sorted by name. The most arguments that are total. */
static const struct total {
	const char *name;
	int n;
	enum demand demand;
} totals[] = {
    {"anytextcat", 2, DEMAND_OUTPUT},
    {"array_agg", 1, DEMAND_SINGLE},
    {"array_length", 2, DEMAND_NONE},
    {"array_to_string", 3, DEMAND_OUTPUT},
    {"avg", 1, DEMAND_INTEGER},
    {"bit_length", 1, DEMAND_NONE},
    {"btrim", 2, DEMAND_NONE},
    {"byteacat", 2, DEMAND_NONE},
    {"cardinality", 1, DEMAND_NONE},
    {"char_length", 1, DEMAND_NONE},
    {"character_length", 1, DEMAND_NONE},
    {"concat", ANY_NUMBER, DEMAND_OUTPUT},
    {"concat_ws", ANY_NUMBER, DEMAND_OUTPUT},
    {"count", 1, DEMAND_NONE},
    {"cume_dist", 0, DEMAND_NONE},
    {"dense_rank", 0, DEMAND_NONE},
    {"first_value", 1, DEMAND_NONE},
    {"format", ANY_NUMBER, DEMAND_FORMAT},
    {"gen_random_uuid", 0, DEMAND_NONE},
    {"initcap", 1, DEMAND_NONE},
    {"json_agg", 1, DEMAND_OUTPUT},
    {"json_build_array", ANY_NUMBER, DEMAND_OUTPUT},
    {"json_build_object", ANY_NUMBER, DEMAND_KEYS},
    {"jsonb_agg", 1, DEMAND_OUTPUT},
    {"jsonb_array_element", 2, DEMAND_NONE},
    {"jsonb_array_element_text", 2, DEMAND_NONE},
    {"jsonb_build_array", ANY_NUMBER, DEMAND_OUTPUT},
    {"jsonb_build_object", ANY_NUMBER, DEMAND_KEYS},
    {"jsonb_extract_path", 2, DEMAND_NONE},
    {"jsonb_extract_path_text", 2, DEMAND_NONE},
    {"jsonb_object_field", 2, DEMAND_NONE},
    {"jsonb_object_field_text", 2, DEMAND_NONE},
    {"lag", 1, DEMAND_NONE},
    {"last_value", 1, DEMAND_NONE},
    {"lead", 1, DEMAND_NONE},
    {"left", 2, DEMAND_NONE},
    {"length", 1, DEMAND_NONE},
    {"lower", 1, DEMAND_NONE},
    {"ltrim", 2, DEMAND_NONE},
    {"max", 1, DEMAND_OUTPUT},
    {"md5", 1, DEMAND_NONE},
    {"min", 1, DEMAND_OUTPUT},
    {"now", 0, DEMAND_NONE},
    {"octet_length", 1, DEMAND_NONE},
    {"percent_rank", 0, DEMAND_NONE},
    {"pg_typeof", 1, DEMAND_NONE},
    {"quote_literal", 1, DEMAND_OUTPUT},
    {"quote_nullable", 1, DEMAND_OUTPUT},
    {"rank", 0, DEMAND_NONE},
    {"reverse", 1, DEMAND_NONE},
    {"right", 2, DEMAND_NONE},
    {"row_number", 0, DEMAND_NONE},
    {"row_to_json", 2, DEMAND_OUTPUT},
    {"rtrim", 2, DEMAND_NONE},
    {"sha224", 1, DEMAND_NONE},
    {"sha256", 1, DEMAND_NONE},
    {"sha384", 1, DEMAND_NONE},
    {"sha512", 1, DEMAND_NONE},
    {"string_agg", 2, DEMAND_NONE},
    {"substr", 3, DEMAND_SLICE},
    {"substring", 3, DEMAND_SLICE},
    {"sum", 1, DEMAND_INTEGER},
    {"textanycat", 2, DEMAND_OUTPUT},
    {"textcat", 2, DEMAND_NONE},
    {"to_json", 1, DEMAND_OUTPUT},
    {"to_jsonb", 1, DEMAND_OUTPUT},
    {"upper", 1, DEMAND_NONE},
};

/* Is a value of the type written by a function of PostgreSQL's own, which never fails? Types' own
 * modules may. */
static bool is_written(const struct walk *w, uint32_t type, int depth)
{
	const struct cat_type *t = cat_type(w->c, type_base(w->c, type));
	if (!t || depth > 8)
		return false;
	if (t->relation && !t->is_system)
		for (int i = 0; i < t->relation->n_columns; i++)
			if (!is_written(w, t->relation->columns[i].type, depth + 1))
				return false;
	if (t->element)
		return is_written(w, t->element, depth + 1);
	if (t->subtype)
		return is_written(w, t->subtype, depth + 1);
	return t->is_system || t->kind == 'e' || t->relation;
}

static bool is_integer(uint32_t type)
{
	return type == TYPE_INT2 || type == TYPE_INT4 || type == TYPE_INT8;
}

static bool is_meant(const struct walk *w, enum demand demand, uint32_t type)
{
	switch (demand) {
	case DEMAND_NONE:
	case DEMAND_SLICE:
		return true;
	case DEMAND_INTEGER:
		return is_integer(type_base(w->c, type));
	case DEMAND_SINGLE:
		return type && !type_element(w->c, type) &&
		       (type == TYPE_UNKNOWN || is_written(w, type, 0));
	default:
		return type == TYPE_UNKNOWN || is_written(w, type, 0);
	}
}

static bool has_constant_keys(const FuncCall *f)
{
	for (int i = 0; f && i < list_length(f->args); i += 2) {
		const Node *key = list_nth(f->args, i);
		if (!IsA(key, A_Const) || ((const A_Const *)key)->isnull)
			return false;
	}
	return f;
}

/* %I fails for NULL, and a width may be an argument. */
static bool has_plain_format(const FuncCall *f)
{
	const A_Const *c = f && f->args != NIL ? linitial(f->args) : NULL;
	if (!c || !IsA(c, A_Const) || c->isnull || !IsA(&c->val, String))
		return false;
	for (const char *p = strchr(strVal(&c->val), '%'); p; p = strchr(p + 2, '%'))
		if (p[1] != 's' && p[1] != '%')
			return false;
	return true;
}

/* A negative length fails. */
static bool has_plain_length(const struct walk *w, const FuncCall *f, const struct call *call)
{
	if (!f || call->n < 2 || !is_integer(call->types[1]))
		return false;
	if (call->n == 2)
		return true;
	const A_Const *c = list_nth(f->args, 2);
	w->needs->reads_numbers = true;
	return IsA(c, A_Const) && !c->isnull && IsA(&c->val, Integer) && intVal(&c->val) >= 0;
}

static int compare(const void *name, const void *member)
{
	return strcmp(name, ((const struct total *)member)->name);
}

bool total_call(const struct walk *w, const FuncCall *f, const struct call *call,
		const struct resolved *r)
{
	const struct cat_function *is = r->one ? r->one->function : NULL;
	if (!is || is->oid >= CAT_FIRST_USER_OID || !is->is_read || call->has_names ||
	    call->is_variadic)
		return false;
	const struct total *t =
	    bsearch(is->name, totals, ARRAY_LEN(totals), sizeof(*totals), compare);
	if (!t || call->n > t->n || (f && f->agg_within_group))
		return false;
	for (int i = 0; i < call->n; i++)
		if (!is_meant(w, t->demand, call->types[i]))
			return false;
	if (t->demand == DEMAND_FORMAT)
		return has_plain_format(f);
	if (t->demand == DEMAND_SLICE)
		return has_plain_length(w, f, call);
	return t->demand != DEMAND_KEYS || has_constant_keys(f);
}

/* Numbers into such as hold them all. */
static bool is_wider(uint32_t from, uint32_t to)
{
	switch (to) {
	case TYPE_INT4:
		return from == TYPE_INT2;
	case TYPE_INT8:
		return from == TYPE_INT2 || from == TYPE_INT4;
	case TYPE_NUMERIC:
		return is_integer(from);
	case TYPE_FLOAT8:
		return is_integer(from) || from == TYPE_FLOAT4;
	default:
		return false;
	}
}

bool total_cast(const struct walk *w, uint32_t from, uint32_t to)
{
	const struct cat_type *t = cat_type(w->c, to);
	if (from == 0 || !t)
		return false;
	if (from == to || type_is_polymorphic(to) || to == TYPE_ANY)
		return true;
	if (t->kind == 'd') /* its NOT NULL and CHECK */
		return false;
	if (to == TYPE_TEXT || to == TYPE_VARCHAR || to == TYPE_BPCHAR)
		return is_written(w, from, 0);
	from = type_base(w->c, from);
	if (from == to || is_wider(from, to))
		return true;
	uint32_t element = type_element(w->c, to), of = type_element(w->c, from);
	if (element && of)
		return total_cast(w, of, element);
	return t->kind == 'b' && !t->element && t->is_system &&
	       type_coercion(w->c, from, to, 'e').kind == COERCION_RELABEL;
}

/* Of PostgreSQL's own, such as pick a part of their first argument by the others. */
static const char *const choosers[] = {
    "array_length",
    "jsonb_array_element",
    "jsonb_array_element_text",
    "jsonb_extract_path",
    "jsonb_extract_path_text",
    "jsonb_object_field",
    "jsonb_object_field_text",
};

/* Where there is no such part, they give NULL, which no mask covers: what they pick by is a
 * condition. */
void touch_choice(struct walk *w, const struct resolved *r, const struct ty *types, int n)
{
	const struct cat_function *is = r->one ? r->one->function : NULL;
	bool chooses = false;
	for (size_t i = 0; is && i < ARRAY_LEN(choosers); i++)
		chooses |= !strcmp(is->name, choosers[i]);
	for (int i = 1; chooses && i < n; i++)
		touch_predicate(w, types[i].from);
}
