/* A policy from anywhere: compiled, and where it is good, asked. Needs in words behind a line of its own
 * ("#needs ...") as the first line. */
#include <stdlib.h>

#include "policy/needs.h"
#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct plan *p, const struct need *needs, int n)
{
	static const char *const names[] = {"db.shop.internal", "llm"};
	static const char *const roles[] = {"viewer", "operator", "owner"};
	struct op op = {.id = 1, .needs = needs, .n_needs = n};
	struct addr dst;
	struct decision d;
	if (addr_parse_ip("10.20.0.5", &dst))
		abort();
	dst.port = 5432;
	const struct resource *r = plan_match(p, &dst, names, 2);
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		struct who who = {.role = roles[i], .owner = "pat", .expires = 9};
		plan_decide(p, r, &who, &op, 1, &d);
		if (d.effect != EFFECT_ALLOW && d.effect != EFFECT_DENY)
			abort();
		if (strlen(d.rule) >= sizeof(d.rule) || strlen(d.reason) >= sizeof(d.reason) ||
		    strlen(d.hint) >= sizeof(d.hint))
			abort();
		if (d.effect == EFFECT_ALLOW && (!r || !plan_role_uses(p, r, roles[i])))
			abort(); /* nothing passes that no rule lets pass */
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct policy_errors errors;
	const char *why = "";
	const struct need *needs = NULL;
	struct plan *p = NULL;
	struct arena a;
	const uint8_t *eol = memchr(data, '\n', size);
	size_t first = size && data[0] == '#' ? (eol ? (size_t)(eol - data) : size) : 0;

	arena_init(&a, 1 << 20);
	char *line = arena_strn(&a, data + (first > 0), first ? first - 1 : 0);
	int n = line ? needs_parse(&a, line, &needs, &why) : -1;
	int err = plan_compile(span_of(data + first, size - first), &p, &errors);
	if (!err != (p != NULL) || (err == ERR_CONFIG && !errors.n) || errors.n > POLICY_ERRORS)
		abort();
	for (int i = 0; i < errors.n; i++)
		if (errors.at[i].line < 1 || errors.at[i].column < 1 || !*errors.at[i].text)
			abort();
	if (p)
		ask(p, needs, n > 0 ? n : 0);
	plan_unref(p);
	arena_done(&a);
	return 0;
}
