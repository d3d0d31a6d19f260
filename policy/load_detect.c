/* The operator's own detectors: names and patterns. */
#include "base/macro.h"
#include "policy/detect/detect.h"
#include "policy/load.h"

static void detector_pattern(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	*(const char **)into = load_text(l, at, v);
}

static const struct field detector_fields[] = {
    {"pattern", SHAPE_STRING, true, "a regular expression (PCRE2)", detector_pattern},
    {"description", SHAPE_STRING, false, "a text", load_ignored_text},
};

static void check_name(struct loader *l, const struct json_at *at, const char *name)
{
	bool is_taken = !strcmp(name, "all");
	for (int i = 0; i < DETECT_COUNT; i++)
		is_taken |= !strcmp(name, detect_names[i]);
	if (is_taken)
		load_fail(l, at, "\"%s\" is a built-in detector; expected another name", name);
}

static void compile_patterns(struct loader *l, const struct json_at *at,
			     const char *const *patterns)
{
	char why[120];
	int bad = 0;
	int err =
	    detect_patterns_new(patterns, l->plan->n_detectors, &l->plan->patterns, &bad, why);
	if (err == ERR_MALFORMED) {
		struct json_at here = {at, l->plan->detectors[bad], 0};
		load_fail_member(l, &here, "pattern",
				 "no regular expression: %s; expected PCRE2's syntax", why);
	} else if (err) {
		load_fail(l, at, "out of memory");
	}
}

void load_detectors(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	struct plan *p = into;
	const char *patterns[DETECT_PATTERNS], *name;
	json_t *e;
	int before = l->n_failed;
	if (json_object_size(v) > DETECT_PATTERNS) {
		load_fail(l, at, "%zu detectors; expected at most %d", json_object_size(v),
			  DETECT_PATTERNS);
		return;
	}
	p->detectors = arena_array(&p->arena, DETECT_PATTERNS, sizeof(*p->detectors));
	json_object_foreach(v, name, e)
	{
		struct json_at here = {at, name, 0};
		const char *kept = load_name(l, &here, name), *pattern = NULL;
		load_object(l, &here, e, detector_fields, ARRAY_LEN(detector_fields), &pattern);
		if (!kept || !p->detectors)
			continue;
		check_name(l, &here, kept);
		patterns[p->n_detectors] = pattern;
		p->detectors[p->n_detectors++] = kept;
	}
	if (l->n_failed == before && p->n_detectors)
		compile_patterns(l, at, patterns);
}
