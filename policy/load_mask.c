/* Masks: which columns, and how their values are shown. */
#include "base/macro.h"
#include "policy/detect/detect.h"
#include "policy/load.h"

#define KEEP_MAX	1000
#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

static void one_column(struct loader *l, const struct json_at *at, const char *s, void *into)
{
	struct mask *m = into;
	const char *why = "out of memory";
	struct pattern p;
	if (pattern_parse(&l->plan->arena, s, 3, &p, &why))
		load_fail(l, at, "\"%.80s\": %s", s, why);
	else
		((struct pattern *)m->columns.at)[m->columns.n++] = p;
}

static void mask_columns(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	struct mask *m = into;
	m->columns.at = arena_array(&l->plan->arena, MAX(json_array_size(v), (size_t)1),
				    sizeof(*m->columns.at));
	if (m->columns.at)
		load_strings(l, at, v, MAX_LIST, one_column, m);
}

static void mask_as(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	static const struct {
		const char *name;
		enum mask_way way;
		int n;
	} ways[] = {
	    {"redact", MASK_REDACT, 0},
	    {"fixed", MASK_FIXED, 0},
	    {"last4", MASK_KEEP_LAST, 4},
	    {"keep_last", MASK_KEEP_LAST, 0},
	    {"keep_first", MASK_KEEP_FIRST, 0},
	    {"digits", MASK_DIGITS, 0},
	    {"null", MASK_NULL, 0},
	    {"truncate", MASK_TRUNCATE, 0},
	    {"year", MASK_YEAR, 0},
	    {"drop", MASK_DROP, 0},
	    {"hash", MASK_HASH, 0},
	};
	const char *names[ARRAY_LEN(ways)];
	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		names[i] = ways[i].name;
	int i = load_choice(l, at, json_string_value(v), names, ARRAY_LEN(names));
	if (i < 0)
		return;
	struct mask *m = into;
	m->how.way = ways[i].way;
	m->how.n = ways[i].n;
}

static void mask_keep(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	json_int_t n = json_integer_value(v);
	if (n < 1 || n > KEEP_MAX)
		load_fail(l, at, "%lld characters; expected 1 to %d", (long long)n, KEEP_MAX);
	else
		((struct mask *)into)->how.n = (int)n;
}

static void mask_fixed_text(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	((struct mask *)into)->how.text = load_text(l, at, v);
}

/* A built-in one, "all" of these, or one of the policy's own. */
static void one_detector(struct loader *l, const struct json_at *at, const char *name, void *into)
{
	const char *names[DETECT_COUNT + 1 + DETECT_PATTERNS];
	size_t n = 0;
	for (; n < DETECT_COUNT; n++)
		names[n] = detect_names[n];
	names[n++] = "all";
	for (int i = 0; i < l->plan->n_detectors; i++)
		names[n++] = l->plan->detectors[i];
	int i = load_choice(l, at, name, names, n);
	struct mask_how *how = &((struct mask *)into)->how;
	if (i > DETECT_COUNT)
		how->detect |= 1ull << (DETECT_PATTERN_0 + i - DETECT_COUNT - 1);
	else if (i >= 0)
		how->detect |= i == DETECT_COUNT ? DETECT_BUILT_INS : 1ull << i;
}

static void mask_detect(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	load_strings(l, at, v, DETECT_COUNT + 1 + DETECT_PATTERNS, one_detector, into);
	((struct mask *)into)->how.patterns = l->plan->patterns;
}

static void mask_key(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	const char *s = load_text(l, at, v);
	bool is_file = s && !strncmp(s, "file:/", 6) && s[6];
	bool is_fd = s && !strncmp(s, "fd:", 3) && s[3] && !s[3 + strspn(s + 3, NAME_CHARACTERS)];
	if (s && !is_file && !is_fd)
		load_fail(l, at,
			  "\"%.80s\" is no source of a key; expected \"file:/PATH\" or "
			  "\"fd:NAME\", never the key itself",
			  s);
	((struct mask *)into)->key_source = s;
}

static void mask_scope(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	static const char *const scopes[] = {
#define X(name, text) [MASK_SCOPE_##name] = text,
	    MASK_SCOPE_LIST(X)
#undef X
	};
	int i = load_choice(l, at, json_string_value(v), scopes, ARRAY_LEN(scopes));
	if (i >= 0)
		((struct mask *)into)->how.scope = (enum mask_scope)i;
}

static void mask_predicates(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	static const char *const ways[] = {"allow", "deny"};
	((struct mask *)into)->are_predicates_denied =
	    load_choice(l, at, json_string_value(v), ways, ARRAY_LEN(ways)) != 0;
}

static const struct field mask_fields[] = {
    {"columns", SHAPE_STRINGS, true, "schema.table.column or a list of these", mask_columns},
    {"as", SHAPE_STRING, true, "a way to mask, e.g. \"last4\"", mask_as},
    {"keep", SHAPE_INTEGER, false, "a number of characters", mask_keep},
    {"text", SHAPE_STRING, false, "the text to show instead", mask_fixed_text},
    {"detect", SHAPE_STRINGS, false, "names of detectors", mask_detect},
    {"key", SHAPE_STRING, false,
     "where the key of a hash is read from, e.g. \"file:/etc/sluice/credentials/mask.key\"",
     mask_key},
    {"scope", SHAPE_STRING, false, "\"policy\", \"resource\" or \"session\"", mask_scope},
    {"predicates", SHAPE_STRING, false, "\"deny\" or \"allow\"", mask_predicates},
    {"description", SHAPE_STRING, false, "a text", load_ignored_text},
};

/* A number or a text that the way lacks, or would not use. */
static void check_way(struct loader *l, const struct json_at *at, json_t *v, const struct mask *m)
{
	bool wants_keep = m->how.way == MASK_KEEP_LAST || m->how.way == MASK_KEEP_FIRST ||
			  m->how.way == MASK_TRUNCATE;
	bool has_keep = json_object_get(v, "keep"), has_text = json_object_get(v, "text");
	const char *as = json_string_value(json_object_get(v, "as"));
	if (!strcmp(as, "last4"))
		wants_keep = false;
	if (wants_keep && !has_keep)
		load_fail(l, at, "\"keep\" is missing; expected it beside \"as\": \"%s\"", as);
	if (has_keep && !wants_keep)
		load_fail_member(l, at, "keep",
				 "\"keep\" beside \"as\": \"%s\"; expected it with "
				 "keep_last, keep_first or truncate only",
				 as);
	if (m->how.way == MASK_FIXED && !has_text)
		load_fail(l, at, "\"text\" is missing; expected it beside \"as\": \"fixed\"");
	if (has_text && m->how.way != MASK_FIXED)
		load_fail_member(l, at, "text",
				 "\"text\" beside \"as\": \"%s\"; expected it with fixed "
				 "only",
				 as);
}

static void check_key(struct loader *l, const struct json_at *at, json_t *v, const struct mask *m)
{
	const char *as = json_string_value(json_object_get(v, "as"));
	bool has_key = json_object_get(v, "key");
	bool may_have_key = m->how.way == MASK_HASH || m->how.way == MASK_DIGITS;
	if (m->how.way == MASK_HASH && !has_key)
		load_fail(l, at, "\"key\" is missing; expected it beside \"as\": \"hash\"");
	if (has_key && !may_have_key)
		load_fail_member(
		    l, at, "key",
		    "\"key\" beside \"as\": \"%s\"; expected it with hash or digits only", as);
	if (json_object_get(v, "scope") && !has_key)
		load_fail_member(l, at, "scope",
				 "\"scope\" without \"key\"; expected it beside one only");
}

void load_masks(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	struct plan *p = into;
	const char *name;
	json_t *e;
	if (json_object_size(v) > MAX_MASKS) {
		load_fail(l, at, "%zu masks; expected at most %d", json_object_size(v), MAX_MASKS);
		return;
	}
	p->masks = arena_array(&p->arena, json_object_size(v), sizeof(*p->masks));
	json_object_foreach(v, name, e)
	{
		struct json_at here = {at, name, 0};
		struct mask m = {.are_predicates_denied = true};
		m.name = load_name(l, &here, name);
		int before = l->n_failed;
		load_object(l, &here, e, mask_fields, ARRAY_LEN(mask_fields), &m);
		if (l->n_failed == before)
			check_way(l, &here, e, &m);
		if (l->n_failed == before)
			check_key(l, &here, e, &m);
		if (m.name && p->masks)
			p->masks[p->n_masks++] = m;
	}
}
