#include "policy/login.h"

#include "base/macro.h"
#include "policy/policy.h"
#include "../tap.h"

#define HEAD                                                                                                           \
	"{\"version\": 1, \"roles\": {\"r\": [\"g\"]}, \"resources\": [{\"name\": \"db\", \"protocol\": \"%s\", "      \
	"\"match\": \"db:5432\", \"login\": %s}], \"rules\": [{\"id\": \"all\", \"resource\": \"db\", \"roles\": "     \
	"\"r\", \"effect\": \"allow\", \"opaque\": \"allow\"}]}"

static struct plan *compile(const char *protocol, const char *login, struct policy_errors *e)
{
	char text[4096];
	struct plan *p = NULL;
	snprintf(text, sizeof(text), HEAD, protocol, login);
	return plan_compile(span_str(text), &p, e) ? NULL : p;
}

static void loads(void)
{
	static const struct {
		const char *login, *error; /* NULL: it is fine */
	} rows[] = {
	    {"{}", NULL},
	    {"{\"users\": \"app_*\"}", NULL},
	    {"{\"users\": [\"a\", \"\\\"B c\\\"\"], \"role\": \"x\", \"settings\": {\"work_mem\": \"1MB\"}}", NULL},
	    {"{\"settings\": {\"a.b\": \"{identity}{owner}{role}{session}{application_name}\"}}", NULL},
	    {"{\"users\": []}", "0 elements"},
	    {"{\"users\": \"App\"}", "capital"},
	    {"{\"users\": \"a.b\"}", "one name"},
	    {"{\"role\": 1}", "role"},
	    {"{\"role\": \"\"}", "expected"},
	    {"{\"settings\": {}}", "expected 1 to"},
	    {"{\"settings\": {\"x\": 1}}", "as a text"},
	    {"{\"settings\": {\"a b\": \"1\"}}", "letters"},
	    {"{\"settings\": {\"1a\": \"1\"}}", "letters"},
	    {"{\"settings\": {\"Role\": \"x\"}}", "\"role\" of \"login\""},
	    {"{\"settings\": {\"client_encoding\": \"LATIN1\"}}", "UTF8"},
	    {"{\"settings\": {\"standard_conforming_strings\": \"off\"}}", "on"},
	    {"{\"settings\": {\"a\": \"1\", \"A\": \"2\"}}", "twice"},
	    {"{\"settings\": {\"a\": \"{nobody}\"}}", "no place"},
	    {"{\"settings\": {\"a\": \"{identity\"}}", "no place"},
	    {"{\"user\": \"a\"}", "user"},
	    {"{\"users\": \"a\", \"authentication\": \"client\"}", NULL},
	    {"{\"authentication\": \"gateway\"}", NULL},
	    {"{\"authentication\": \"client\"}", "as whom they may"},
	    {"{\"users\": \"a\", \"authentication\": \"me\"}", "expected one of"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct policy_errors e = {.n = 0};
		struct plan *p = compile("postgres", rows[i].login, &e);
		CHECK_INT(p != NULL, rows[i].error == NULL);
		bool is_told = !rows[i].error || (e.n > 0 && strstr(e.at[0].text, rows[i].error));
		CHECK(is_told);
		if (!is_told)
			printf("# %s: %s\n", rows[i].login, e.n ? e.at[0].text : "no error");
		plan_unref(p);
	}
	struct policy_errors e = {.n = 0};
	CHECK(!compile("tcp", "{}", &e));
}

static void takes_users(void)
{
	struct policy_errors e = {.n = 0};
	struct plan *p = compile("postgres", "{\"users\": [\"app_*\", \"\\\"Odd One\\\"\"]}", &e);
	const struct login_terms *t = plan_resource(p, 0)->login;
	CHECK(login_takes_user(t, "app_1") && login_takes_user(t, "Odd One"));
	CHECK(!login_takes_user(t, "postgres") && !login_takes_user(t, "APP_1") && !login_takes_user(t, ""));
	CHECK(!login_takes_user(NULL, "app_1"));
	plan_unref(p);
}

static const char *value_of(struct arena *a, const char *value, const struct who *who, const char *application)
{
	return login_pin_value(a, &(struct pin){"x", value}, &(struct pin_values){who, application});
}

static void fills_in(void)
{
	static const struct {
		const char *value, *want;
	} rows[] = {
	    {"plain", "plain"},		      {"{identity}", "a-7"},
	    {"{owner}/{role}", "pat/reader"}, {"{session}: {application_name}!", "s-1: psql!"},
	    {"", ""},			      {"{identity}{identity}", "a-7a-7"},
	};
	struct who who = {.session = "s-1", .subject = "a-7", .owner = "pat", .role = "reader"};
	struct arena a;
	arena_init(&a, 64 * 1024);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_STR(value_of(&a, rows[i].value, &who, "psql"), rows[i].want);
	struct who sly = {.subject = "a\n-c role=x\x7f", .owner = "{role}", .role = "r"};
	CHECK_STR(value_of(&a, "{identity} {owner} {session}", &sly, NULL), "a?-c role=x? {role} ");
	char *large = arena_alloc(&a, 5001);
	memset(large, 'x', 5000);
	large[5000] = 0;
	struct who long_one = {.subject = large};
	CHECK(!value_of(&a, "{identity}", &long_one, NULL));
	arena_done(&a);
}

static void keeps(void)
{
	static const struct {
		struct need need;
		bool by_role, by_settings;
	} rows[] = {
	    {{.kind = NEED_SETTING, .verb = VERB_SET, .name = "role"}, true, false},
	    {{.kind = NEED_SETTING, .verb = VERB_SET, .name = "session_authorization"}, true, false},
	    {{.kind = NEED_SETTING, .verb = VERB_SET, .name = "statement_timeout", .is_implied = true}, false, true},
	    {{.kind = NEED_SETTING, .verb = VERB_SET, .name = "STATEMENT_TIMEOUT"}, false, true},
	    {{.kind = NEED_SETTING, .verb = VERB_SET, .name = "transaction_read_only"}, false, true},
	    {{.kind = NEED_SETTING, .verb = VERB_SET, .name = "work_mem"}, false, false},
	    {{.kind = NEED_SETTING, .verb = VERB_SET}, false, false},
	    {{.kind = NEED_OPAQUE}, true, true},
	    {{.kind = NEED_PLAIN, .verb = VERB_DO, .class = CLASS_PROCEDURAL}, true, true},
	    {{.kind = NEED_PLAIN, .verb = VERB_TRANSACTION, .class = CLASS_WRITE}, false, true},
	    {{.kind = NEED_PLAIN, .verb = VERB_TRANSACTION, .class = CLASS_TRANSACTION}, false, false},
	    {{.kind = NEED_RELATION, .verb = VERB_DELETE, .class = CLASS_WRITE}, false, false},
	};
	static const struct pin pins[] = {{"statement_timeout", "1s"}, {"default_transaction_read_only", "on"}};
	struct login_terms role = {.role = "x"}, settings = {.pins = pins, .n_pins = 2}, users = {.users.n = 0};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct op op = {.needs = &rows[i].need, .n_needs = 1};
		CHECK_INT(login_undoes(&role, &op) != NULL, rows[i].by_role);
		CHECK_INT(login_undoes(&settings, &op) != NULL, rows[i].by_settings);
		CHECK(!login_undoes(&users, &op) && !login_undoes(NULL, &op));
	}
	struct login_terms clients = {.is_clients = true};
	CHECK(login_is_clients(&clients) && !login_is_clients(&users) && !login_is_clients(NULL));
	CHECK(!login_is_same(&users, &clients) && login_is_same(&clients, &clients));
	CHECK(login_is_same(NULL, &users) && login_is_same(&role, &role) && !login_is_same(&role, &settings));
	CHECK(!login_is_same(&settings, NULL));
}

static void is_decided(void)
{
	struct policy_errors e = {.n = 0};
	struct plan *p = compile("postgres", "{\"role\": \"x\"}", &e);
	struct who who = {.session = "s", .issuer = "i", .subject = "a", .owner = "", .role = "r", .expires = 10};
	struct need n = {.kind = NEED_SETTING, .verb = VERB_SET, .class = CLASS_SESSION, .name = "role"};
	struct op op = {.needs = &n, .n_needs = 1, .protocol = "postgres"};
	struct decision d;
	plan_decide(p, plan_resource(p, 0), &who, &op, 1, &d);
	CHECK_INT(d.effect, EFFECT_DENY);
	CHECK_STR(d.rule, "pinned");
	CHECK(strstr(d.reason, "pins"));
	n.name = "work_mem";
	plan_decide(p, plan_resource(p, 0), &who, &op, 1, &d);
	CHECK_INT(d.effect, EFFECT_ALLOW);
	plan_unref(p);
}

int main(void)
{
	loads();
	takes_users();
	fills_in();
	keeps();
	is_decided();
	return tap_done();
}
