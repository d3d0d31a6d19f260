#include "policy/load.h"

#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>

#include "../tap.h"

/* The good policy that every bad one differs from in one place; a line each. Single quotes stand
 * for double ones. */
#define SHOP   " 'resources': [{'name': 'shop', 'protocol': 'postgres', 'match': "
#define ISSUER " 'issuers': [{'issuer': 'i', 'audience': 'a', "
#define R      "{'id': 'r', 'resource': 'shop', 'roles': 'op', "
#define X      "{'id': 'x', 'resource': 'shop', 'roles': 'op', "
#define Y      "{'id': 'y', 'resource': 'shop', 'roles': 'op', "

static const char *const good[] = {
    "{'version': 1,",
    " 'issuers': [{'issuer': 'i', 'audience': 'a'}],",
    " 'roles': {'viewer': ['g'], 'op': ['h']},",
    SHOP "['db:5432'], 'credentials': {'viewer': 'file:/v', 'op': 'fd:o'}},",
    "   {'name': 'llm', 'protocol': 'tcp', 'match': 'llm:443'}],",
    " 'masks': {'pii': {'columns': ['public.*.ssn'], 'as': 'last4'}},",
    " 'rules': [{'id': 'llm', 'resource': 'llm', 'roles': '*', 'effect': 'allow'},",
    "   {'id': 'r', 'resource': 'shop', 'roles': ['viewer', 'op'], 'verbs': 'select', 'relations': "
    "'public.*', 'effect': 'mask', 'masks': 'pii'}",
    " ]}",
};
#define LINES (sizeof(good) / sizeof(good[0]))

static void build(char *out, size_t size, int line, const char *replacement)
{
	size_t n = 0;
	for (size_t i = 0; i < LINES; i++)
		n += (size_t)snprintf(out + n, size - n, "%s\n",
				      (int)i + 1 == line ? replacement : good[i]);
	for (char *c = out; *c; c++)
		*c = *c == '\'' ? '"' : *c;
}

static int compile(const char *text, struct policy_errors *e)
{
	struct plan *p = NULL;
	int err = plan_compile(span_str(text), &p, e);
	CHECK((p != NULL) == (err == 0));
	CHECK((e->n > 0) == (err == ERR_CONFIG));
	plan_unref(p);
	return err;
}

static struct policy_errors errors;

static void takes_the_good_one(void)
{
	char text[4096];
	build(text, sizeof(text), 0, NULL);
	CHECK_INT(compile(text, &errors), 0);
	CHECK_INT(errors.n_warnings, 0);
	for (int i = 0; i < errors.n; i++)
		printf("%d:%d: %s\n", errors.at[i].line, errors.at[i].column, errors.at[i].text);
}

/* One line of the good policy replaced; where the error stands and what it says. */
static const struct {
	int line;
	const char *with;
	int column; /* of the first error, which is on that line */
	const char *says;
} bad[] = {
	/* syntax */
	{1, "{'version': 1", 0, NULL}, /* the next line is blamed */
	{1, "{'version': 1, 'version': 1,", 16, "duplicate object key"},
	{1, "{'version': 01,", 13, "expected"},
	{1, "{'version': 1, // no", 16, "expected"},
	{1, "{'version': 1, 'x': '\xff',", 21, "unable to decode byte"},
	{3, " 'roles': {'viewer': ['g'], 'viewer': ['h']},", 29, "duplicate object key"},
	{9, " ]}}", 4, "expected"},
	{9, " ]", 0, NULL},
	/* the top */
	{1, "{'version': 2,", 13, "version 2 is unknown; expected 1"},
	{1, "{'version': '1',", 13, "is a string; expected 1"},
	{1, "{'version': 1, 'rulez': [],", 16, "unknown key \"rulez\"; expected one of version"},
	{1, "{'version': 1, 'description': 'a\\nb',", 31, "control character"},
	{6, " 'masks': [],", 11, "is a list; expected an object"},
	/* issuers */
	{2, " 'issuers': [{'issuer': 'i'}],", 14, "\"audience\" is missing"},
	{2, " 'issuers': [7],", 14, "an integer; expected an object"},
	{2, ISSUER "'jwks': 'http://keys.example/'}],", 55, "expected file:/PATH or https://HOST"},
	{2, ISSUER "'jwks': 'http://127.0.0.1.evil.com/'}],", 55, "expected file:/PATH"},
	{2, ISSUER "'jwks': 'http://localhost/'}],", 55, "expected file:/PATH"},
	{2, ISSUER "'jwks': 'https://u:p@h/'}],", 55, "without a user"},
	{2, ISSUER "'algorithms': ['HS256']}],", 62, "\"HS256\" is unknown here; expected one of RS256"},
	{2, ISSUER "'algorithms': ['none']}],", 62, "expected one of"},
	{2, ISSUER "'owner_claim': 'act..sub'}],", 62, "no claim path"},
	{2, ISSUER "'jwks': 'file:/k'}, {'issuer': 'i', 'audience': 'a'}],", 68, "declared twice"},
	{2, " 'issuers': [{'issuer': 'i', 'audience': 'a'}, {'issuer': 'j', 'audience': 'a'}],", 48,
		"a second issuer without"},
	/* roles */
	{3, " 'roles': {},", 11, "0 roles; expected 1 to"},
	{3, " 'roles': {'viewer': ['g'], 'op': {}},", 35, "expected a group or a list of groups"},
	{3, " 'roles': {'viewer': ['g'], 'op': []},", 35, "0 elements"},
	{3, " 'roles': {'viewer': ['g', 'g'], 'op': 'h'},", 28, "listed twice"},
	{3, " 'roles': {'viewer': ['g'], 'op': 'h', 'a b': 'h'},", 47, "is no name; expected 1 to 63 letters"},
	/* resources */
	{4, " 'resources': [{'protocol': 'postgres', 'match': ['db:5432']},", 16, "\"name\" is missing"},
	{4, " 'resources': [{'name': 'shop', 'protocol': 'mysql', 'match': 'db:5432'},", 45,
		"expected one of postgres, tcp"},
	{4, SHOP "[]},", 66, "0 elements"},
	{4, SHOP "'10.0.0.1/8'},", 66, "behind the prefix"},
	{4, SHOP "'llm:443'},", 0, NULL}, /* line 5 is blamed */
	{4, SHOP "['db:1', 'DB:1']},", 75, "expected each destination once"},
	{4, " 'resources': [{'name': 'llm', 'protocol': 'postgres', 'match': 'db:5432'},", 0, NULL},
	{4, SHOP "'db:5432', 'credentials': {'nobody': 'file:/x'}},", 93, "role \"nobody\" is unknown"},
	{4, SHOP "'db:5432', 'credentials': {'op': 'secret'}},", 99, "never the credential itself"},
	{4, SHOP "'db:5432', 'credentials': {'op': 'file:/'}},", 99, "expected a credential's source"},
	{4, SHOP "'db:5432', 'upstream': 'db'},", 89, "expected host:port"},
	{4, SHOP "'db:5432', 'record': 'all'},", 87, "expected one of none, hash, rows"},
	{4, SHOP "'db:5432', 'record_limit': 9},", 77, "expected \"record\": \"rows\""},
	{4, SHOP "'db:5432', 'record': 'rows', 'record_limit': 0},", 111, "0 bytes; expected 1 to"},
	{4, SHOP "'db:5432', 'record': 'rows', 'record_limit': 1.5},", 111, "a number with a fraction"},
	{5, "   {'name': 'llm', 'protocol': 'tcp', 'match': 'llm:443', 'record': 'rows'}],", 59, "relayed unread"},
	/* masks */
	{6, " 'masks': {'pii': {'columns': ['public.ssn'], 'as': 'last4'}},", 32, "three parts"},
	{6, " 'masks': {'pii': {'columns': ['public.*.ssn'], 'as': 'hash'}},", 19, "\"key\" is missing"},
	{6, " 'masks': {'pii': {'columns': ['public.*.ssn'], 'as': 'hash', 'key': '0123456789abcdef'}},", 70,
	 "never the key itself"},
	{6, " 'masks': {'pii': {'columns': ['public.*.ssn'], 'as': 'redact', 'key': 'file:/k'}},", 65,
	 "with hash or digits only"},
	{6, " 'masks': {'pii': {'columns': ['public.*.ssn'], 'as': 'redact', 'scope': 'session'}},", 65,
	 "without \"key\""},
	{6, " 'masks': {'pii': {'columns': ['public.*.ssn'], 'as': 'hash', 'key': 'fd:k', 'scope': 'flow'}},", 87,
	 "expected one of policy, resource, session"},
	{6, " 'detectors': {'ssn': {'pattern': 'a'}},", 23, "built-in detector"},
	{6, " 'detectors': {'emp': {'pattern': 'EMP-('}},", 24, "no regular expression: missing closing parenthesis"},
	{6, " 'detectors': {'emp': {}},", 23, "\"pattern\" is missing"},
	{6, " 'masks': {'pii': {'columns': ['public.*.ssn'], 'as': 'keep_last'}},", 19, "\"keep\" is missing"},
	{6, " 'masks': {'pii': {'columns': ['public.*.ssn'], 'as': 'keep_last', 'keep': 0}},", 76, "expected 1 to"},
	{6, " 'masks': {'pii': {'columns': ['public.*.ssn'], 'as': 'null', 'keep': 1}},", 63, "only"},
	{6, " 'masks': {'pii': {'columns': ['public.*.ssn'], 'as': 'fixed'}},", 19, "\"text\" is missing"},
	{6, " 'masks': {'pii': {'columns': ['public.*.ssn'], 'as': 'null', 'text': 'x'}},", 63, "fixed only"},
	{6, " 'masks': {'pii': {'columns': ['public.*.ssn'], 'as': 'null', 'detect': 'ibans'}},", 73,
	 "expected one of ssn, card, email"},
	{6, " 'masks': {'pii': {'columns': ['public.*.ssn'], 'as': 'first4'}},", 55, "expected one of redact"},
	{6, " 'masks': {'pii': {'columns': ['public.*.ssn'], 'as': 'null', 'predicates': 'maybe'}},", 77,
		"expected one of allow, deny"},
	/* rules */
	{8, "{'id': 'r', 'resource': 'shop', 'roles': 'op'}", 1, "\"effect\" is missing"},
	{8, "{'id': 'llm', 'resource': 'shop', 'roles': 'op', 'effect': 'allow'}", 8,
		"rule \"llm\" is declared twice"},
	{8, "{'id': 'default', 'resource': 'shop', 'roles': 'op', 'effect': 'allow'}", 8, "sluice's own"},
	{8, "{'id': 'r', 'resource': 'sop', 'roles': 'op', 'effect': 'allow'}", 25, "resource \"sop\" is unknown"},
	{8, "{'id': 'r', 'resource': ['shop', 1], 'roles': 'op', 'effect': 'allow'}", 34,
		"an integer; expected a string"},
	{8, "{'id': 'r', 'resource': 'shop', 'roles': 'ops', 'effect': 'allow'}", 42, "role \"ops\" is unknown"},
	{8, "{'id': 'r', 'resource': 'shop', 'effect': 'allow'}", 1, "\"roles\" is missing"},
	{8, R "'verbs': 'read', 'effect': 'allow'}", 57, "\"read\" is unknown here; expected one of select"},
	{8, R "'verbs': 3, 'effect': 'allow'}", 57, "is an integer; expected a verb"},
	{8, R "'class': ['reed'], 'effect': 'allow'}", 58, "expected one of read"},
	{8, R "'relations': 'orders', 'effect': 'allow'}", 61, "two parts"},
	{8, R "'relations': ['public.Orders'], 'effect': 'allow'}", 62, "capital letter"},
	{8, R "'functions': 'now', 'effect': 'allow'}", 61, "two parts"},
	{8, R "'settings': 'work mem', 'effect': 'allow'}", 60, "a setting's name"},
	{8, R "'columns': 'x', 'effect': 'allow'}", 48, "insert and update only"},
	{8, R "'verbs': ['insert', 'delete'], 'columns': 'x', 'effect': 'allow'}", 79, "insert and update only"},
	{8, R "'effect': 'permit'}", 58, "expected one of allow, mask, ask, deny"},
	{8, R "'effect': 'mask'}", 1, "\"masks\" is missing"},
	{8, R "'effect': 'mask', 'masks': 'pi'}", 75, "mask \"pi\" is unknown"},
	{8, R "'effect': 'allow', 'masks': 'pii'}", 67, "with effect mask only"},
	{8, R "'effect': 'ask'}", 1, "\"approvers\" is missing"},
	{8, R "'effect': 'ask', 'approvers': [{'group': 'g', 'need': 0}]}", 102, "0 people; expected 1 to"},
	{8, R "'effect': 'ask', 'approvers': [{'group': 'g'}], 'expires': '15'}", 107, "no duration"},
	{8, R "'effect': 'deny', 'expires': '15m'}", 66, "with effect ask only"},
	{8, R "'effect': 'deny', 'choices': 'text'}", 66, "with effect ask only"},
	{8, R "'effect': 'ask', 'approvers': [{'group': 'g'}, {'group': 'g'}]}", 95, "listed twice"},
	{8, R "'effect': 'ask', 'approvers': [{'group': 'g'}], 'choices': 'role'}", 107, "expected one of once, text"},
	{8, R "'effect': 'ask', 'approvers': [{'group': 'g'}], 'break_glass': 1}", 111, "expected true or false"},
	{8, R "'effect': 'allow', 'mode': 'observe'}", 67, "observe beside effect allow"},
	{8, R "'effect': 'deny', 'opaque': 'allow'}", 66, "expected effect allow or ask"},
	{8, R "'relations': 'public.*', 'effect': 'allow', 'opaque': 'allow'}", 92, "beside verbs, class or names"},
	{8, R "'verbs': 'do', 'effect': 'allow', 'opaque': 'allow'}", 82, "beside verbs, class or names"},
	{8, R "'class': 'read', 'effect': 'allow', 'opaque': 'allow'}", 84, "beside verbs, class or names"},
	{8, R "'effect': 'deny', 'through': true}", 66, "expected relations or functions"},
	{8, R "'relations': 'public.*', 'effect': 'deny', 'through': 'yes'}", 102, "expected true or false"},
	{8, R "'effect': 'allow', 'opaque': true}", 77, "is a boolean; expected \"deny\" or \"allow\""},
	{8, R "'efect': 'allow'}", 1, "\"effect\" is missing"},
	{8, "{'id': 'r', 'resource': null, 'roles': 'op', 'effect': 'allow'}", 25,
		"is null; expected a resource's name"},
};

static void points_at_every_error(void)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[8192];
		build(text, sizeof(text), bad[i].line, bad[i].with);
		CHECK_INT(compile(text, &errors), ERR_CONFIG);
		const struct policy_error *e = &errors.at[0];
		bool ok =
		    errors.n > 0 &&
		    (!bad[i].says || (e->line == bad[i].line && strstr(e->text, bad[i].says))) &&
		    (!bad[i].column || e->column == bad[i].column);
		if (!ok)
			printf("row %zu %s\n  -> %d:%d: %s\n", i, bad[i].with, e->line, e->column,
			       e->text);
		CHECK(ok);
		CHECK(strstr(e->text, "expected") || strstr(e->text, "near") ||
		      strstr(e->text, ";") || strstr(e->text, "lower case") ||
		      strstr(e->text, "behind the prefix"));
	}
}

static void collects_errors_in_order(void)
{
	char text[8192];
	build(text, sizeof(text), 8,
	      "{'id': '', 'resource': 'x',\n 'roles': 1, 'zz': 0, 'effect': ''}");
	CHECK_INT(compile(text, &errors), ERR_CONFIG);
	CHECK_INT(errors.n, 5);
	for (int i = 1; i < errors.n; i++)
		CHECK(errors.at[i].line > errors.at[i - 1].line ||
		      (errors.at[i].line == errors.at[i - 1].line &&
		       errors.at[i].column > errors.at[i - 1].column));
}

static void keeps_the_first_of_many(void)
{
	char *text = malloc(200000);
	size_t n = (size_t)sprintf(text, "{\"version\": 1,\n");
	for (int i = 0; i < 3000; i++)
		n += (size_t)sprintf(text + n, "\"k%d\": 1,\n", i);
	sprintf(text + n, "\"k\": 1}");
	CHECK_INT(compile(text, &errors), ERR_CONFIG);
	CHECK_INT(errors.n, POLICY_ERRORS);
	CHECK_INT(errors.at[0].line, 1); /* what is missing is missed at the object */
	free(text);
}

static void limits_size_and_depth(void)
{
	struct plan *p = NULL;
	char *text = malloc(POLICY_MAX + 1);
	memset(text, ' ', POLICY_MAX + 1);
	CHECK_INT(plan_compile(span_of(text, POLICY_MAX + 1), &p, &errors), ERR_LIMIT);
	CHECK_INT(errors.n, 1);
	memset(text, '[', POLICY_MAX);
	CHECK_INT(plan_compile(span_of(text, POLICY_MAX), &p, &errors), ERR_CONFIG);
	CHECK(strstr(errors.at[0].text, "nested too deep") != NULL);
	CHECK_INT(plan_compile(span_of("", 0), &p, &errors), ERR_CONFIG);
	CHECK_INT(plan_compile(span_of("{\"version\": 1}\0", 15), &p, &errors), ERR_CONFIG);
	CHECK(!p);
	free(text);
}

/* Every proper prefix of a policy is an error with a place inside the text. */
static void survives_truncation(void)
{
	char text[4096];
	build(text, sizeof(text), 0, NULL);
	size_t len = strlen(text) - 1;
	for (size_t n = 0; n < len; n++) {
		struct plan *p = NULL;
		CHECK_INT(plan_compile(span_of(text, n), &p, &errors), ERR_CONFIG);
		CHECK(errors.at[0].line >= 1 && errors.at[0].line <= (int)LINES + 1 &&
		      errors.at[0].column >= 1);
	}
}

/* --- warnings --------------------------------------------------------------------------------- */

static const struct {
	const char *rules; /* behind the good ones */
	const char *says;  /* NULL: no warning */
} warned[] = {
	{X "'verbs': 'select', 'relations': 'public.orders', 'effect': 'deny'}",
	 "rule \"x\" is never reached: rule \"r\" comes first"},
	{X "'verbs': ['select', 'insert'], 'relations': 'public.orders', 'effect': 'deny'}",
	 NULL},
	{"{'id': 'x', 'resource': ['shop', 'llm'], 'roles': 'op', 'verbs': 'select', 'relations': 'public.x', "
		"'effect': 'deny'}",
	 NULL},
	{X "'effect': 'deny'},"
	 Y "'functions': 'public.f', 'effect': 'allow'}",
	 "rule \"y\" is never reached: rule \"x\""},
	/* an allowing rule without names speaks about no function */
	{X "'effect': 'allow'},"
	 Y "'functions': 'public.f', 'effect': 'allow'}",
	 NULL},
	{X "'verbs': 'update', 'columns': 'a', 'relations': 'public.*', 'effect': 'deny'},"
	 Y "'verbs': 'update', 'relations': 'public.*', 'effect': 'allow'}",
	 NULL},
	{X "'class': 'ddl', 'effect': 'ask', 'approvers': [{'group': 'g'}]}", NULL},
	{X "'relations': 'a.*', 'effect': 'mask', 'masks': 'pii'}", NULL},
	{"{'id': 'x', 'resource': 'llm', 'roles': 'op', 'verbs': 'select', 'effect': 'deny'}", "never applies"},
	{X "'relations': ['a.*', '*.*'], 'effect': 'allow'}", "lets read *.*"},
	{X "'relations': '*.*', 'verbs': ['select', 'insert'], 'effect': 'deny'}", NULL},
	{X "'relations': '*.*', 'verbs': 'insert', 'effect': 'allow'}", NULL},
	{X "'relations': 'vault.*', 'effect': 'deny'},"
	 Y "'effect': 'allow', 'opaque': 'allow'}",
	 "can be gone around by role \"op\": rule \"y\""},
};

static void warns_of_what_is_not_meant(void)
{
	for (size_t i = 0; i < sizeof(warned) / sizeof(warned[0]); i++) {
		char line[2048], text[8192];
		snprintf(line, sizeof(line), "%s,\n%s", good[7], warned[i].rules);
		build(text, sizeof(text), 8, line);
		CHECK_INT(compile(text, &errors), 0);
		bool said = errors.n_warnings && warned[i].says &&
			    strstr(errors.warnings[0].text, warned[i].says);
		if (said != (warned[i].says != NULL) || (!warned[i].says && errors.n_warnings))
			printf("row %zu: %s\n", i,
			       errors.n_warnings ? errors.warnings[0].text : "no warning");
		CHECK(said == (warned[i].says != NULL));
		CHECK(warned[i].says || !errors.n_warnings);
	}
}

static void warns_of_what_is_unused(void)
{
	static const struct {
		int line;
		const char *with, *says;
	} rows[] = {
	    {3, " 'roles': {'viewer': ['g'], 'op': ['h'], 'idle': 'i'},", "no credential there"},
	    {7, " 'rules': [", "resource \"llm\" has no rule"},
	    {6,
	     " 'masks': {'pii': {'columns': ['public.*.ssn'], 'as': 'last4'}, "
	     "'idle': {'columns': ['a.b.c'], 'as': 'null'}},",
	     "mask \"idle\" is asked for by no rule"},
	    {2, "", "there are no issuers"},
	    {2, "'issuers': [{'issuer': 'https://acme.okta.com', 'audience': 'a'}],",
	     "taken for this machine's local issuer"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[8192];
		build(text, sizeof(text), rows[i].line, rows[i].with);
		int err = compile(text, &errors);
		if (i == 0) { /* "*" gives the idle role the llm */
			CHECK_INT(err, 0);
			CHECK_INT(errors.n_warnings, 0);
			continue;
		}
		CHECK_INT(err, 0);
		CHECK(errors.n_warnings > 0 && strstr(errors.warnings[0].text, rows[i].says));
	}
}

/* --- the schema says what the loader takes ---------------------------------------------------- */

/* The loader lists the keys that it knows when it meets another. */
static void check_keys(json_t *schema, const char *section, int line, const char *with)
{
	char text[8192];
	const char *key;
	json_t *v;
	build(text, sizeof(text), line, with);
	CHECK_INT(compile(text, &errors), ERR_CONFIG);
	const char *known = NULL;
	for (int i = 0; i < errors.n && !known; i++)
		known = strstr(errors.at[i].text, "expected one of ");
	CHECK(known != NULL);
	json_t *def = section ? json_object_get(json_object_get(schema, "$defs"), section) : schema;
	json_t *props = json_object_get(def, "properties");
	CHECK(json_is_object(props) && json_is_false(json_object_get(def, "additionalProperties")));
	size_t n = 0;
	known += known ? 16 : 0;
	for (const char *c = known; c && *c; c++)
		n += *c == ',';
	CHECK_INT(json_object_size(props), n + 1);
	json_object_foreach(props, key, v) CHECK(known && strstr(known, key) != NULL);
}

static void check_enum(json_t *schema, const char *name, int count, const char *(*name_of)(int i))
{
	json_t *list =
	    json_object_get(json_object_get(json_object_get(schema, "$defs"), name), "enum");
	CHECK_INT(json_array_size(list), count);
	for (int i = 0; i < count; i++)
		CHECK_STR(json_string_value(json_array_get(list, (size_t)i)), name_of(i));
}

static const char *verb_at(int i)
{
	return verb_name((enum verb)i);
}

static const char *class_at(int i)
{
	return class_name((enum op_class)i);
}

static void agrees_with_the_schema(void)
{
	json_t *schema = json_load_file("policy/schema.json", JSON_REJECT_DUPLICATES, NULL);
	CHECK(schema != NULL);
	check_keys(schema, NULL, 1, "{'version': 1, '?': 0,");
	check_keys(schema, "issuer", 2, "'issuers': [{'issuer': 'i', 'audience': 'a', '?': 0}],");
	check_keys(schema, "resource", 5,
		   "   {'name': 'llm', 'protocol': 'tcp', 'match': 'llm:443', '?': 0}],");
	check_keys(schema, "mask", 6,
		   " 'masks': {'pii': {'columns': ['public.*.ssn'], 'as': 'last4', '?': 0}},");
	check_keys(schema, "rule", 8, R "'effect': 'allow', '?': 0}");
	check_keys(schema, "approver", 8,
		   R "'effect': 'ask', 'approvers': [{'group': 'g', '?': 0}]}");
	check_enum(schema, "verb", VERB_COUNT, verb_at);
	check_enum(schema, "class", CLASS_COUNT, class_at);
	json_decref(schema);
}

/* --- life ------------------------------------------------------------------------------------- */

static void *hold_and_drop(void *plan)
{
	for (int i = 0; i < 20000; i++)
		plan_unref(plan_ref(plan));
	return NULL;
}

static void is_shared_by_threads(void)
{
	struct plan *p = NULL;
	char text[4096];
	pthread_t t[4];
	build(text, sizeof(text), 0, NULL);
	CHECK_INT(plan_compile(span_str(text), &p, &errors), 0);
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, hold_and_drop, plan_ref(p));
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], NULL);
		plan_unref(p);
	}
	CHECK_STR(plan_resource(p, 0)->name, "shop");
	CHECK_INT(strlen(plan_hash(p)), 64);
	plan_unref(p);
	plan_unref(NULL);
}

static void answers_about_itself(void)
{
	struct plan *p = NULL;
	char text[4096];
	const char *roles[4], *groups[] = {"h", "x", "g"};
	build(text, sizeof(text), 3, " 'roles': {'viewer': ['g', 'g2'], 'op': 'h'},");
	CHECK_INT(plan_compile(span_str(text), &p, &errors), 0);
	CHECK_INT(plan_roles(p, groups, 3, roles, 4), 2);
	CHECK_STR(roles[0], "viewer");
	CHECK_INT(plan_roles(p, groups, 2, roles, 4), 1);
	CHECK_STR(roles[0], "op");
	CHECK_INT(plan_roles(p, groups, 3, roles, 1), 2);
	CHECK_INT(plan_roles(p, groups, 0, roles, 4), 0);
	CHECK(plan_has_role(p, "op") && !plan_has_role(p, "ops"));
	const struct resource *r = plan_resource_by_name(p, "shop");
	CHECK_STR(resource_credential(r, "op"), "fd:o");
	CHECK(!resource_credential(plan_resource_by_name(p, "llm"), "op"));
	CHECK(!plan_resource_by_name(p, "none") && !plan_resource(p, 2) && !plan_resource(p, -1));
	CHECK_INT(plan_n_issuers(p), 1);
	CHECK(!plan_issuer(p, 0)->jwks && !plan_issuer(p, 1));
	CHECK_STR(plan_issuer(p, 0)->owner_claim, "act.sub");
	CHECK_STR(plan_issuer(p, 0)->groups_claim, "groups");
	plan_unref(p);
}

/* Whatever the allocation that fails, nothing is half done and nothing is read through NULL. */
static void survives_any_shortage_of_memory(void)
{
	char text[8192];
	bool is_done = false;
	build(text, sizeof(text), 8,
	      R "'description': 'd', 'verbs': ['select', 'insert'], 'relations': "
		"['a.b', 'c.*'], "
		"'functions': 'a.f', 'settings': 'x.*', 'effect': 'allow'},\n" X
		"'verbs': 'insert', 'columns': ['a', 'b'], "
		"'effect': 'mask', 'masks': 'pii'},\n" Y
		"'class': 'ddl', 'effect': 'ask', 'approvers': "
		"[{'group': 'g'}]}");
	for (size_t limit = 0; limit < 64 * 1024 && !is_done; limit += 16) {
		struct plan p = {.refs = 1};
		struct loader l = {.text = span_str(text), .plan = &p, .errors = &errors};
		memset(&errors, 0, sizeof(errors));
		arena_init(&p.arena, limit);
		load_policy(&l);
		is_done = !l.n_failed && !arena_failed(&p.arena);
		CHECK(is_done || l.n_failed || arena_failed(&p.arena));
		arena_done(&p.arena);
	}
	CHECK(is_done);
}

static void refuses_what_multiplies_too_far(void)
{
	struct plan *p = NULL;
	size_t size = 400000, n = 0;
	char *text = malloc(size);
	n += (size_t)snprintf(text + n, size - n, "{\"version\": 1, \"roles\": {\"r\": \"g\"");
	for (int i = 1; i < MAX_ROLES; i++)
		n += (size_t)snprintf(text + n, size - n, ", \"r%d\": \"g\"", i);
	n += (size_t)snprintf(text + n, size - n,
			      "}, \"resources\": [{\"name\": \"d\", \"protocol\": "
			      "\"tcp\", \"match\": \"h\"}");
	for (int i = 1; i < MAX_RESOURCES; i++)
		n += (size_t)snprintf(
		    text + n, size - n,
		    ", {\"name\": \"d%d\", \"protocol\": \"tcp\", \"match\": \"h%d\"}", i, i);
	n += (size_t)snprintf(text + n, size - n, "], \"rules\": [");
	for (int i = 0; i < MAX_RULES; i++)
		n += (size_t)snprintf(
		    text + n, size - n,
		    "%s{\"id\": \"x%d\", \"resource\": \"*\", \"roles\": \"*\", \"effect\": "
		    "\"deny\"}",
		    i ? ", " : "", i);
	snprintf(text + n, size - n, "]}");
	CHECK_INT(plan_compile(span_str(text), &p, &errors), ERR_LIMIT);
	CHECK(!p && errors.n == 1 && strstr(errors.at[0].text, "expected fewer"));
	free(text);
}

int main(void)
{
	survives_any_shortage_of_memory();
	refuses_what_multiplies_too_far();
	takes_the_good_one();
	points_at_every_error();
	collects_errors_in_order();
	keeps_the_first_of_many();
	limits_size_and_depth();
	survives_truncation();
	warns_of_what_is_not_meant();
	warns_of_what_is_unused();
	agrees_with_the_schema();
	is_shared_by_threads();
	answers_about_itself();
	return tap_done();
}
