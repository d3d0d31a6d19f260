/* Every policy in policy/examples is good, and decides as its golden file says: role, resource,
 * needs, effect, rule. */
#include <glob.h>
#include <stdlib.h>

#include "policy/mask.h"
#include "policy/needs.h"
#include "policy/policy.h"

#include "../tap.h"

#define FIELDS 5

static struct policy_errors errors;

static char *slurp(const char *path, size_t *ret_len)
{
	FILE *f = fopen(path, "rb");
	char *text = calloc(1, POLICY_MAX);
	CHECK(f != NULL);
	*ret_len = f ? fread(text, 1, POLICY_MAX - 1, f) : 0;
	if (f)
		fclose(f);
	return text;
}

static void run_case(const struct plan *p, const char *file, int line, char *const f[FIELDS])
{
	struct arena a;
	struct decision d = {.effect = EFFECT_DENY};
	const struct need *needs = NULL;
	const char *why = "";
	struct who who = {.role = f[0], .expires = 100};
	arena_init(&a, 1 << 20);
	int n = needs_parse(&a, f[2], &needs, &why);
	struct op op = {.needs = needs, .n_needs = n, .arena = &a};
	if (n > 0)
		plan_decide(p, plan_resource_by_name(p, f[1]), &who, &op, 1, &d);
	bool masks = d.effect == EFFECT_ALLOW && d.masks && d.masks->hides_client;
	const char *effect = masks ? "mask" : d.is_observed ? "observe" : effect_name(d.effect);
	bool ok = n > 0 && !strcmp(effect, f[3]) && !strcmp(d.rule, f[4]);
	if (!ok)
		printf("%s:%d: %s by %s, expected %s by %s %s\n", file, line, effect, d.rule, f[3],
		       f[4], why);
	CHECK(ok);
	arena_done(&a);
}

static void run_golden(const struct plan *p, const char *file)
{
	size_t len;
	char *text = slurp(file, &len), *rest = text;
	int number = 0, cases = 0;
	for (char *line; (line = strsep(&rest, "\n"));) {
		char *f[FIELDS];
		int n = 0;
		number++;
		if (!*line || *line == '#')
			continue;
		for (char *field; n < FIELDS && (field = strsep(&line, "\t"));)
			f[n++] = field;
		CHECK(n == FIELDS && !line);
		if (n == FIELDS)
			run_case(p, file, number, f);
		cases++;
	}
	CHECK(cases > 0);
	free(text);
}

int main(void)
{
	glob_t g;
	CHECK_INT(glob("policy/examples/*.json", 0, NULL, &g), 0);
	CHECK(g.gl_pathc >= 7);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		struct plan *p = NULL;
		char golden[200];
		size_t len;
		char *text = slurp(g.gl_pathv[i], &len);
		CHECK_INT(plan_compile(span_of(text, len), &p, &errors), 0);
		snprintf(golden, sizeof(golden), "%.*s.golden.tsv", (int)strlen(g.gl_pathv[i]) - 5,
			 g.gl_pathv[i]);
		if (p)
			run_golden(p, golden);
		plan_unref(p);
		free(text);
	}
	globfree(&g);
	return tap_done();
}
