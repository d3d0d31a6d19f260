#include "policy/pattern.h"

#include <ctype.h>

#define SOURCE_MAX 400
#define STARS_MAX  4 /* a glob's cost is bounded by them */

static bool is_bare_char(uint8_t c)
{
	return islower(c) || isdigit(c) || c == '_' || c == '$' || c == '*' || c >= 0x80;
}

/* "literal""quote" from *s on. */
static const char *parse_quoted(struct arena *a, const char **s, struct part *ret)
{
	char *out = arena_alloc(a, strlen(*s) + 1);
	size_t n = 0;
	const char *p = *s + 1;
	for (; *p && !(p[0] == '"' && p[1] != '"'); p++) {
		p += *p == '"';
		if (out)
			out[n] = *p;
		n++;
	}
	if (!*p)
		return "a quoted name has no closing quote";
	if (!n)
		return "an empty quoted name; expected a name between the quotes";
	*s = p + 1;
	*ret = (struct part){PART_LITERAL, out, n};
	return NULL;
}

static const char *parse_bare(struct arena *a, const char **s, bool takes_dots, struct part *ret)
{
	size_t n = 0, stars = 0;
	const char *p = *s;
	for (; is_bare_char((uint8_t)p[n]) || (takes_dots && p[n] == '.'); n++)
		stars += p[n] == '*';
	if (isupper((uint8_t)p[n]))
		return "a capital letter outside quotes; PostgreSQL folds bare names to lower "
		       "case: "
		       "write it in lower case, or in double quotes";
	if (!n)
		return "a part is empty or holds a character that needs double quotes";
	if (stars > STARS_MAX)
		return "more than four '*' in one part";
	const char *star = memchr(p, '*', n);
	struct part part = {PART_LITERAL, arena_strn(a, p, n), n};
	if (n == 1 && star) {
		part.kind = PART_ANY;
	} else if (stars == 1 && star == p + n - 1) {
		part = (struct part){PART_PREFIX, arena_strn(a, p, n - 1), n - 1};
	} else if (stars) {
		part.kind = PART_GLOB;
	}
	*s = p + n;
	*ret = part;
	return NULL;
}

static const char *wrong_count(int n_parts)
{
	static const char *const why[] = {
	    NULL,
	    "expected one name, e.g. email (a dot needs double quotes)",
	    "expected two parts, schema.name, e.g. public.* or public.orders",
	    "expected three parts, schema.table.column, e.g. public.*.ssn",
	};
	return why[n_parts];
}

int pattern_parse(struct arena *a, const char *source, int n_parts, struct pattern *ret,
		  const char **ret_why)
{
	struct pattern p = {.n = n_parts};
	const char *s = source, *why = NULL;
	if (strlen(source) > SOURCE_MAX)
		why = "a pattern of more than 400 bytes";
	for (int i = 0; i < n_parts && !why; i++) {
		if (i > 0 && *s++ != '.') {
			why = wrong_count(n_parts);
			break;
		}
		why = *s == '"' ? parse_quoted(a, &s, &p.parts[i])
				: parse_bare(a, &s, false, &p.parts[i]);
	}
	if (!why && *s == '.')
		why = wrong_count(n_parts);
	if (!why && isupper((uint8_t)*s))
		why = "a capital letter outside quotes; PostgreSQL folds bare names to lower case: "
		      "write it in lower case, or in double quotes";
	if (!why && *s)
		why = "a character that needs double quotes";
	if (why) {
		*ret_why = why;
		return ERR_MALFORMED;
	}
	p.source = arena_str(a, source);
	if (arena_failed(a))
		return ERR_LIMIT;
	*ret = p;
	return 0;
}

int pattern_parse_setting(struct arena *a, const char *source, struct pattern *ret,
			  const char **ret_why)
{
	struct pattern p = {.n = 1, .is_nocase = true};
	char *lower = arena_str(a, source);
	p.source = arena_str(a, source);
	if (!lower || !p.source)
		return ERR_LIMIT;
	for (char *c = lower; *c; c++)
		*c = (char)tolower((uint8_t)*c);
	const char *s = lower, *why = strlen(lower) > SOURCE_MAX
					  ? "a pattern of more than 400 bytes"
					  : parse_bare(a, &s, true, &p.parts[0]);
	if (why || *s) {
		*ret_why =
		    why ? why : "expected a setting's name, e.g. statement_timeout or myapp.*";
		return ERR_MALFORMED;
	}
	if (arena_failed(a))
		return ERR_LIMIT;
	*ret = p;
	return 0;
}

static bool same_char(char a, char b, bool nocase)
{
	return a == b || (nocase && tolower((uint8_t)a) == tolower((uint8_t)b));
}

static bool same_run(const char *a, const char *b, size_t n, bool nocase)
{
	for (size_t i = 0; i < n; i++)
		if (!same_char(a[i], b[i], nocase))
			return false;
	return true;
}

/* Goes back to the last '*' only: linear for each star. */
static bool glob(const char *p, const char *s, bool nocase)
{
	const char *star = NULL, *retry = NULL;
	while (*s) {
		if (*p == '*') {
			star = p++;
			retry = s;
		} else if (*p && same_char(*p, *s, nocase)) {
			p++;
			s++;
		} else if (star) {
			p = star + 1;
			s = ++retry;
		} else {
			return false;
		}
	}
	while (*p == '*')
		p++;
	return !*p;
}

static bool part_matches(const struct part *p, const char *s, bool nocase)
{
	switch (p->kind) {
	case PART_ANY:
		return true;
	case PART_LITERAL:
		return strlen(s) == p->len && same_run(p->text, s, p->len, nocase);
	case PART_PREFIX:
		return strlen(s) >= p->len && same_run(p->text, s, p->len, nocase);
	case PART_GLOB:
		return glob(p->text, s, nocase);
	}
	return false;
}

bool pattern_matches(const struct pattern *p, const char *const *names)
{
	for (int i = p->n - 1; i >= 0; i--) /* the last part tells most */
		if (!names[i] || !part_matches(&p->parts[i], names[i], p->is_nocase))
			return false;
	return true;
}

bool patterns_match(const struct patterns *ps, const char *schema, const char *name)
{
	const char *const names[] = {schema, name};
	for (int i = 0; i < ps->n; i++)
		if (pattern_matches(&ps->at[i], names))
			return true;
	return false;
}

bool patterns_match_one(const struct patterns *ps, const char *name)
{
	for (int i = 0; i < ps->n; i++)
		if (pattern_matches(&ps->at[i], &name))
			return true;
	return false;
}

bool patterns_touch(const struct patterns *ps, const char *schema, const char *table)
{
	for (int i = 0; i < ps->n; i++)
		if (part_matches(&ps->at[i].parts[1], table, false) &&
		    part_matches(&ps->at[i].parts[0], schema, false))
			return true;
	return false;
}

static bool part_covers(const struct part *a, const struct part *b, bool nocase)
{
	if (a->kind == PART_ANY)
		return true;
	if (b->kind == PART_LITERAL)
		return part_matches(a, b->text, nocase);
	if (a->kind == PART_PREFIX && b->kind != PART_ANY) {
		size_t fixed = b->kind == PART_PREFIX ? b->len : strcspn(b->text, "*");
		return fixed >= a->len && same_run(a->text, b->text, a->len, nocase);
	}
	return a->kind == b->kind && b->kind == PART_GLOB && !strcmp(a->text, b->text);
}

static bool covers(const struct pattern *a, const struct pattern *b)
{
	for (int i = 0; i < b->n; i++)
		if (!part_covers(&a->parts[i], &b->parts[i], a->is_nocase))
			return false;
	return true;
}

bool patterns_cover(const struct patterns *a, const struct patterns *b)
{
	for (int i = 0; i < b->n; i++) {
		bool met = false;
		for (int k = 0; k < a->n && !met; k++)
			met = covers(&a->at[k], &b->at[i]);
		if (!met)
			return false;
	}
	return true;
}
