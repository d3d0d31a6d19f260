/* sluice policy explain: what explain/explain.h says, in lines. */
#include "cli/policy_explain.h"

#include <stdio.h>
#include <string.h>

#include "cli/session.h"

static const char *text_of(const json_t *j, const char *key)
{
	return json_text(j, key, "");
}

static bool is(const json_t *j, const char *key, const char *value)
{
	return !strcmp(text_of(j, key), value);
}

static void print_list(const json_t *list, const char *before)
{
	size_t i;
	json_t *v;
	json_array_foreach((json_t *)list, i, v)
	    printf("%s%s", i ? ", " : before, json_string_value(v));
}

/* --- needs --------------------------------------------------------------------------------------
 */

static void print_name(const json_t *n)
{
	static const struct {
		const char *kind, *before;
	} kinds[] = {{"relation", " on "},
		     {"function", " of function "},
		     {"object", " of object "},
		     {"setting", " "},
		     {"plain", ""},
		     {"opaque", " (unreadable)"}};
	const json_t *columns = json_object_get(n, "columns");
	const char *schema = text_of(n, "schema"), *name = text_of(n, "name");
	printf("%s", text_of(n, "verb"));
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (is(n, "kind", kinds[i].kind))
			printf("%s", kinds[i].before);
	if (is(n, "kind", "opaque") || is(n, "kind", "plain"))
		return;
	printf("%s%s%s", schema, *schema && *name ? "." : "", name);
	print_list(columns, "(");
	printf("%s", json_array_size(columns) ? ")" : "");
}

static void print_needs(const json_t *needs)
{
	size_t i;
	json_t *n;
	json_array_foreach((json_t *)needs, i, n)
	{
		const char *why = text_of(n, "why");
		printf("  %-8s rule %-24s ", text_of(n, "decision"), text_of(n, "rule"));
		print_name(n);
		printf("  [%s%s]%s%s\n", text_of(n, "class"),
		       json_is_true(json_object_get(n, "implied")) ? ", implied" : "",
		       *why ? " " : "", why);
	}
}

/* --- rows ---------------------------------------------------------------------------------------
 */

static void print_column(size_t i, const json_t *c)
{
	const char *mask = text_of(c, "mask");
	printf("  column %-3zu %-10s ", i + 1, *mask ? mask : "as it is");
	if (is(c, "kind", "none"))
		printf("no relation");
	else if (is(c, "kind", "derived"))
		printf("computed from ");
	else if (is(c, "kind", "unknown"))
		printf("unknown: %s", text_of(c, "why"));
	print_list(json_object_get(c, "from"), "");
	print_list(json_object_get(c, "detect"), "  within texts: ");
	printf("\n");
}

/* Where each output column comes from and how it is shown, and what the rows do not show but tell
 * of. */
static void print_result(const json_t *r)
{
	const char *why = text_of(r, "why"), *condition = text_of(r, "unknown_condition"),
		   *unmaskable = text_of(r, "unmaskable");
	size_t i;
	json_t *v;
	if (!json_is_object(r))
		return;
	if (!json_is_true(json_object_get(r, "known")))
		printf("  rows: cannot be traced%s%s\n", *why ? ": " : "", why);
	json_array_foreach(json_object_get(r, "columns"), i, v) print_column(i, v);
	json_array_foreach(json_object_get(r, "conditions"), i, v)
	    printf("  condition  on         %s\n", json_string_value(v));
	if (*condition)
		printf("  condition  unknown: %s\n", condition);
	if (*unmaskable)
		printf("  rows       cannot be masked: %s\n", unmaskable);
}

static void print_reached(const json_t *list)
{
	size_t i;
	json_t *v;
	json_array_foreach((json_t *)list, i, v) printf("  reaches    %s\n", json_string_value(v));
}

int policy_explain_print(const json_t *e)
{
	const json_t *statements = json_object_get(e, "statements");
	size_t i;
	json_t *s;
	print_needs(json_object_get(e, "needs"));
	json_array_foreach((json_t *)statements, i, s)
	{
		printf("%s (class %s)\n", text_of(s, "tag"), text_of(s, "class"));
		print_needs(json_object_get(s, "needs"));
		print_reached(json_object_get(s, "reached"));
	}
	json_array_foreach((json_t *)statements, i, s) print_result(json_object_get(s, "result"));
	printf("%s by rule %s\n", text_of(e, "decision"), text_of(e, "rule"));
	if (*text_of(e, "reason"))
		printf("  %s\n", text_of(e, "reason"));
	if (*text_of(e, "hint"))
		printf("  %s\n", text_of(e, "hint"));
	return is(e, "decision", "ask") ? EXIT_ASKS : is(e, "decision", "deny");
}
