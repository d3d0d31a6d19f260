/* "bypass": what becomes of a workload by the way that it tried. */
#include "base/macro.h"
#include "policy/policy.h"
#include "../tap.h"

static const char head[] = "{\"version\": 1, \"roles\": {\"r\": [\"g\"]}, \"resources\": [{\"name\": \"db\", "
			   "\"protocol\": \"tcp\", \"match\": \"db:5432\"}], \"rules\": [{\"id\": \"all\", "
			   "\"resource\": \"db\", \"roles\": \"r\", \"effect\": \"allow\"}], ";

static struct plan *compile_key(const char *key, const char *value, struct policy_errors *e)
{
	char text[4096];
	struct plan *p = NULL;
	snprintf(text, sizeof(text), "%s\"%s\": %s}", head, key, value);
	return plan_compile(span_str(text), &p, e) ? NULL : p;
}

static struct plan *compile(const char *bypass, struct policy_errors *e)
{
	return compile_key("bypass", bypass, e);
}

static void requires(void)
{
	struct policy_errors e = {0};
	struct plan *p = compile_key("require", "[\"guard\", \"other_families\"]", &e);
	CHECK(p != NULL);
	CHECK(p && plan_requires(p, "guard") && plan_requires(p, "other_families"));
	CHECK(p && !plan_requires(p, "unix_sockets") && !plan_requires(p, "") && !plan_requires(p, "set_retval"));
	plan_unref(p);
	p = compile_key("require", "\"unix_sockets\"", &e);
	CHECK(p && plan_requires(p, "unix_sockets") && !plan_requires(p, "guard"));
	plan_unref(p);
	p = compile_key("require", "[\"luck\"]", &e);
	CHECK(!p && e.n && strstr(e.at[0].text, "luck"));
	plan_unref(p);
}

static void refused(void)
{
	static const struct {
		const char *bypass, *error;
	} rows[] = {
	    {"{\"kill\": [\"telepathy\"]}", "telepathy"},
	    {"{\"freeze\": [\"trace\"], \"kill\": [\"trace\"]}", "both lists"},
	    {"{\"kill\": [\"bpf\", \"bpf\"]}", "twice"},
	    {"{\"stop\": [\"bpf\"]}", "stop"},
	    {"{\"kill\": 1}", "vectors"},
	    {"[]", "bypass"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct policy_errors e = {0};
		struct plan *p = compile(rows[i].bypass, &e);
		CHECK(!p && e.n > 0);
		if (e.n && !strstr(e.at[0].text, rows[i].error))
			printf("row %zu: %s\n", i, e.at[0].text);
		CHECK(e.n && strstr(e.at[0].text, rows[i].error));
		plan_unref(p);
	}
}

static void decides(void)
{
	static const struct {
		const char *vector;
		enum bypass_action action;
	} rows[] = {
	    {"protocol", BYPASS_FREEZE}, {"device", BYPASS_FREEZE}, {"trace", BYPASS_KILL},
	    {"bpf", BYPASS_RECORD},	 {"unix-socket", BYPASS_RECORD}, {"no such vector", BYPASS_RECORD},
	    {"", BYPASS_RECORD},
	};
	struct policy_errors e = {0};
	struct plan *p = compile("{\"freeze\": [\"protocol\", \"device\"], \"kill\": \"trace\"}", &e);
	CHECK(p != NULL);
	for (size_t i = 0; p && i < ARRAY_LEN(rows); i++)
		CHECK_INT(plan_on_bypass(p, rows[i].vector), rows[i].action);
	plan_unref(p);
	p = compile("{}", &e);
	CHECK(p && plan_on_bypass(p, "trace") == BYPASS_RECORD);
	plan_unref(p);
}

int main(void)
{
	refused();
	requires();
	decides();
	return tap_done();
}
