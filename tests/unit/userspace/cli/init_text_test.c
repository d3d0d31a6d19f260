/* What init writes is a policy and a configuration, whatever the database's names are. */
#include "cli/init_text.c"
#include "cli/session.c"
#include "cli/summary.c"

#include <stdio.h>

#include "config.h"
#include "policy/policy.h"

#include "../../tap.h"
#include "said.h"

static struct init_facts facts(const char *host, char **schemas, int n)
{
	struct init_facts f = {.host = (char *)host, .port = (char *)"5432", .database = (char *)"shop",
			       .user = (char *)"app", .n_schemas = n};
	memcpy(f.schemas, schemas, (size_t)n * sizeof(*schemas));
	return f;
}

static struct plan *compile(const struct init_facts *f, const struct cli_list *allow)
{
	struct plan *plan = NULL;
	static struct policy_errors errors;
	struct buf b;
	struct init_place p = {"/etc/sluice", "sluice-local", "sluice", "/etc/sluice/credentials/shop", "shop", allow};
	buf_init(&b, 1 << 18);
	init_policy(f, &p, &b);
	CHECK_INT(buf_err(&b), 0);
	int r = plan_compile(span_of(buf_span(&b).p, buf_len(&b) - 1), &plan, &errors);
	if (r)
		printf("%d:%d %s\n%s\n", errors.at[0].line, errors.at[0].column, errors.at[0].text,
		       (const char *)buf_span(&b).p);
	CHECK_INT(r, 0);
	CHECK_INT(errors.n_warnings, 0);
	buf_done(&b);
	return plan;
}

/* May role do verb on schema.name? */
static bool allows(const struct plan *p, const char *role, enum verb verb, const char *schema)
{
	enum op_class class = verb == VERB_SELECT ? CLASS_READ : CLASS_WRITE;
	struct need need = {.kind = NEED_RELATION, .verb = verb, .class = class, .schema = schema, .name = "t"};
	struct op op = {.id = 1, .protocol = "postgres", .class = class, .tag = "x", .needs = &need, .n_needs = 1};
	struct who who = {"s-1", "sluice-local", "crew", "", role, 1ll << 40};
	struct decision d;
	plan_decide(p, plan_resource_by_name(p, "shop"), &who, &op, 1000, &d);
	return d.effect == EFFECT_ALLOW;
}

static void writes_a_policy(void)
{
	char *schemas[] = {(char *)"public", (char *)"Sales \"EU\"", (char *)"caf\xc3\xa9", (char *)"a.b*c"};
	struct init_facts f = facts("db.example", schemas, 4);
	struct cli_list allow = {{"api.openai.com:443"}, 1};
	struct plan *p = compile(&f, &allow);
	if (!p)
		return;
	for (int i = 0; i < 4; i++) {
		CHECK(allows(p, "viewer", VERB_SELECT, schemas[i]));
		CHECK(!allows(p, "viewer", VERB_INSERT, schemas[i]));
		CHECK(allows(p, "operator", VERB_UPDATE, schemas[i]));
		CHECK(!allows(p, "operator", VERB_DROP, schemas[i]));
	}
	CHECK(!allows(p, "viewer", VERB_SELECT, "sales"));
	CHECK(!allows(p, "viewer", VERB_SELECT, "a.bxc"));
	CHECK(plan_declares_name(p, "db.example") && plan_declares_name(p, "api.openai.com"));
	CHECK_STR(resource_credential(plan_resource_by_name(p, "shop"), "viewer"), "file:/etc/sluice/credentials/shop");
	plan_unref(p);
}

static void names_the_target(void)
{
	char *schemas[] = {(char *)"public"};
	struct cli_list none = {.n = 0};
	static const struct {
		const char *host, *dst;
	} rows[] = {{"127.0.0.1", "127.0.0.1"}, {"::1", "::1"}, {"localhost", "127.0.0.1"}, {"localhost", "::1"}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct init_facts f = facts(rows[i].host, schemas, 1);
		struct plan *p = compile(&f, &none);
		struct addr dst;
		CHECK_INT(addr_parse_ip(rows[i].dst, &dst), 0);
		dst.port = 5432;
		CHECK(p && plan_match(p, &dst, NULL, 0) != NULL);
		plan_unref(p);
	}
}

static void writes_a_configuration(void)
{
	struct init_place p = {"/etc/sluice", "sluice-local", "sluice", "x", "shop", NULL};
	static const char *const users[] = {NULL, "root"};
	for (size_t i = 0; i < ARRAY_LEN(users); i++) {
		struct config *c = NULL;
		struct buf b;
		char why[300] = "";
		buf_init(&b, 1 << 16);
		init_config(&p, users[i], &b);
		CHECK_INT(config_parse(span_of(buf_span(&b).p, buf_len(&b) - 1), "x", &c, why, sizeof(why)), 0);
		CHECK_STR(why, "");
		if (c) {
			CHECK(c->has_local_issuer);
			CHECK_STR(c->policy, "/etc/sluice/policy.json");
			CHECK_STR(c->credential_dirs[0], "/etc/sluice/credentials");
			CHECK_INT(c->n_enrol_uids, users[i] != NULL);
		}
		config_free(c);
		buf_done(&b);
	}
}

int main(void)
{
	writes_a_policy();
	names_the_target();
	writes_a_configuration();
	return tap_done();
}
