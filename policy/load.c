#include "policy/load.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/macro.h"
#include "policy/text.h"

static const struct json_at root = {0};

/* Keeps the first POLICY_ERRORS in the text's order, whatever the order they are found in. */
static void insert(struct policy_error *at, int *n, const struct policy_error *e)
{
	int i = *n;
	while (i > 0 && (at[i - 1].line > e->line ||
			 (at[i - 1].line == e->line && at[i - 1].column > e->column)))
		i--;
	if (i >= POLICY_ERRORS)
		return;
	if (*n < POLICY_ERRORS)
		(*n)++;
	memmove(&at[i + 1], &at[i], (size_t)(*n - 1 - i) * sizeof(*at));
	at[i] = *e;
}

static void add(struct policy_error *list, int *n, struct place where, const char *fmt, va_list ap)
{
	struct policy_error e = {.line = where.line, .column = where.column};
	struct text t;
	text_init(&t, e.text, sizeof(e.text));
	text_vprintf(&t, fmt, ap);
	insert(list, n, &e);
}

void load_fail_place(struct loader *l, struct place where, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	l->n_failed++;
	add(l->errors->at, &l->errors->n, where, fmt, ap);
	va_end(ap);
}

void load_fail(struct loader *l, const struct json_at *at, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	if (l->n_failed++ < 10 * POLICY_ERRORS) /* a place costs a walk over the text */
		add(l->errors->at, &l->errors->n, place_at(l->text, at, false), fmt, ap);
	va_end(ap);
}

void load_fail_member(struct loader *l, const struct json_at *at, const char *key, const char *fmt,
		      ...)
{
	struct json_at member = {at, key, 0};
	va_list ap;
	va_start(ap, fmt);
	if (l->n_failed++ < 10 * POLICY_ERRORS)
		add(l->errors->at, &l->errors->n, place_at(l->text, &member, true), fmt, ap);
	va_end(ap);
}

void load_warn(struct loader *l, const struct json_at *at, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	if (l->errors->n_warnings < POLICY_ERRORS)
		add(l->errors->warnings, &l->errors->n_warnings, place_at(l->text, at, false), fmt,
		    ap);
	va_end(ap);
}

static const char *type_name(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "an integer";
	case JSON_REAL:
		return "a number with a fraction";
	case JSON_NULL:
		return "null";
	default:
		return "a boolean";
	}
}

static bool has_shape(const json_t *v, enum shape s)
{
	switch (s) {
	case SHAPE_STRING:
		return json_is_string(v);
	case SHAPE_INTEGER:
		return json_is_integer(v);
	case SHAPE_LIST:
		return json_is_array(v);
	case SHAPE_OBJECT:
		return json_is_object(v);
	case SHAPE_STRINGS:
		return json_is_string(v) || json_is_array(v);
	case SHAPE_BOOLEAN:
		return json_is_boolean(v);
	}
	return false;
}

static void fail_unknown(struct loader *l, const struct json_at *at, const char *key,
			 const struct field *fields, size_t n)
{
	char known[256];
	struct text t;
	text_init(&t, known, sizeof(known));
	for (size_t i = 0; i < n; i++) {
		text_add(&t, i ? ", " : "");
		text_add(&t, fields[i].name);
	}
	load_fail_member(l, at, key, "unknown key \"%.60s\"; expected one of %s", key, known);
}

void load_object(struct loader *l, const struct json_at *at, json_t *v, const struct field *fields,
		 size_t n_fields, void *into)
{
	const char *key;
	json_t *member;
	if (!json_is_object(v)) {
		load_fail(l, at, "this is %s; expected an object", type_name(v));
		return;
	}
	for (size_t i = 0; i < n_fields; i++) {
		const struct field *f = &fields[i];
		struct json_at here = {at, f->name, 0};
		member = json_object_get(v, f->name);
		if (!member && f->is_required)
			load_fail(l, at, "\"%s\" is missing; expected %s", f->name, f->expected);
		else if (member && !has_shape(member, f->shape))
			load_fail(l, &here, "\"%s\" is %s; expected %s", f->name, type_name(member),
				  f->expected);
		else if (member && f->load)
			f->load(l, &here, member, into);
	}
	json_object_foreach(v, key, member)
	{
		size_t i = 0;
		while (i < n_fields && strcmp(fields[i].name, key))
			i++;
		if (i == n_fields)
			fail_unknown(l, at, key, fields, n_fields);
	}
}

static bool is_repeated(const json_t *list, size_t i)
{
	const char *s = json_string_value(json_array_get(list, i));
	for (size_t k = 0; k < i; k++) {
		const char *other = json_string_value(json_array_get(list, k));
		if (other && !strcmp(s, other))
			return true;
	}
	return false;
}

void load_strings(struct loader *l, const struct json_at *at, json_t *v, int max,
		  void (*each)(struct loader *l, const struct json_at *at, const char *s,
			       void *into),
		  void *into)
{
	size_t i;
	json_t *e;
	if (json_is_string(v)) {
		each(l, at, json_string_value(v), into);
		return;
	}
	if (!json_array_size(v) || json_array_size(v) > (size_t)max) {
		load_fail(l, at, "the list has %zu elements; expected 1 to %d", json_array_size(v),
			  max);
		return;
	}
	json_array_foreach(v, i, e)
	{
		struct json_at here = {at, NULL, i};
		if (!json_is_string(e))
			load_fail(l, &here, "this is %s; expected a string", type_name(e));
		else if (is_repeated(v, i))
			load_fail(l, &here, "\"%.60s\" is listed twice; expected it once",
				  json_string_value(e));
		else
			each(l, &here, json_string_value(e), into);
	}
}

const char *load_text(struct loader *l, const struct json_at *at, json_t *v)
{
	const char *s = json_string_value(v);
	size_t n = strlen(s);
	for (size_t i = 0; i < n; i++) {
		if ((uint8_t)s[i] < 0x20 || s[i] == 0x7f) {
			load_fail(l, at,
				  "the text holds a control character; expected one line of text");
			return NULL;
		}
	}
	if (!n || n > 400) {
		load_fail(l, at, "the text has %zu bytes; expected 1 to 400", n);
		return NULL;
	}
	return arena_strn(&l->plan->arena, s, n);
}

const char *load_name(struct loader *l, const struct json_at *at, const char *s)
{
	size_t n = 0;
	while (isalnum((uint8_t)s[n]) || s[n] == '_' || s[n] == '-' || s[n] == '.')
		n++;
	if (n && n <= 63 && !s[n])
		return arena_strn(&l->plan->arena, s, n);
	load_fail(l, at, "\"%.80s\" is no name; expected 1 to 63 letters, digits, '_', '-' or '.'",
		  s);
	return NULL;
}

int load_choice(struct loader *l, const struct json_at *at, const char *s, const char *const *names,
		size_t n)
{
	char known[256];
	struct text t;
	text_init(&t, known, sizeof(known));
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(names[i], s))
			return (int)i;
		text_add(&t, i ? ", " : "");
		text_add(&t, names[i]);
	}
	load_fail(l, at, "\"%.60s\" is unknown here; expected one of %s", s, known);
	return -1;
}

void load_ignored_text(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	(void)into;
	(void)load_text(l, at, v);
}

static void load_version(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	(void)into;
	if (json_integer_value(v) != 1)
		load_fail(l, at, "version %lld is unknown; expected 1",
			  (long long)json_integer_value(v));
}

/* In the order in which the later refer to the earlier. */
static const struct field sections[] = {
    {"version", SHAPE_INTEGER, true, "1", load_version},
    {"$schema", SHAPE_STRING, false, "the address of a JSON Schema, for editors",
     load_ignored_text},
    {"description", SHAPE_STRING, false, "a text", load_ignored_text},
    {"issuers", SHAPE_LIST, false, "a list of issuers", load_issuers},
    {"roles", SHAPE_OBJECT, true, "an object of role names and their groups", load_roles},
    {"resources", SHAPE_LIST, true, "a list of resources", load_resources},
    {"detectors", SHAPE_OBJECT, false, "an object of detector names and detectors", load_detectors},
    {"masks", SHAPE_OBJECT, false, "an object of mask names and masks", load_masks},
    {"rules", SHAPE_LIST, true, "a list of rules", load_rules},
    {"grants", SHAPE_LIST, false, "a list of roles that may be asked for", load_grants},
    {"bypass", SHAPE_OBJECT, false, "an object with \"freeze\" and \"kill\"", load_bypass},
    {"require", SHAPE_STRINGS, false, "parts that must hold a workload", load_require},
};

/* jansson stops behind the offending token, which it quotes at the end of its text when it is
 * short: step back to the token's start. */
static struct place syntax_place(struct span text, const json_error_t *e)
{
	size_t at = e->position > 0 ? (size_t)e->position : 0;
	const char *near = strstr(e->text, " near '");
	size_t n = near ? strlen(near + 7) : 0;
	if (n > 1 && n - 1 <= at)
		at -= n - 1;
	else if (at > text.len)
		at = text.len;
	return place_of(text, at);
}

void load_policy(struct loader *l)
{
	struct place where;
	json_error_t e;
	if (!json_depth_ok(l->text, LOAD_DEPTH, &where)) {
		load_fail_place(l, where, "nested too deep; expected at most %d levels",
				LOAD_DEPTH);
		return;
	}
	json_t *doc = json_loadb((const char *)l->text.p, l->text.len, JSON_REJECT_DUPLICATES, &e);
	if (!doc) {
		bool says = strstr(e.text, "expected") != NULL;
		load_fail_place(l, syntax_place(l->text, &e), "not JSON: %s%s", e.text,
				says ? "" : "; expected JSON (RFC 8259), each key once");
		return;
	}
	load_object(l, &root, doc, sections, ARRAY_LEN(sections), l->plan);
	if (!l->n_failed && !arena_failed(&l->plan->arena) && !plan_index(l->plan))
		plan_review(l);
	json_decref(doc);
}
