#include "policy/policy.h"

#include <stdlib.h>
#include <time.h>

#include "base/jw.h"
#include "policy/needs.h"

#include "../tap.h"

static struct policy_errors errors;

/* A policy with one database, one opaque target and these rules; single quotes stand for double
 * ones. */
static struct plan *plan_of(const char *rules)
{
	static char text[16384];
	struct plan *p = NULL;
	snprintf(text, sizeof(text),
		 "{'version': 1, 'roles': {'a': 'a', 'b': 'b'},"
		 "'resources': [{'name': 'db', 'protocol': 'postgres', 'match': 'db:1'},"
		 "{'name': 't', 'protocol': 'tcp', 'match': 't:1'}],"
		 "'masks': {'m': {'columns': 'p.*.ssn', 'as': 'null'}}, 'rules': [%s]}",
		 rules);
	for (char *c = text; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	if (plan_compile(span_str(text), &p, &errors))
		printf("%d:%d: %s\n%s\n", errors.at[0].line, errors.at[0].column, errors.at[0].text,
		       text);
	CHECK(p != NULL);
	return p;
}

static struct who who_of(const char *role)
{
	return (struct who){"s-1", "i", "agent", "pat@example.com", role, 1000};
}

static struct decision decide(const struct plan *p, const char *role, const char *resource,
			      const char *needs)
{
	struct arena a;
	struct decision d;
	const char *why = "";
	const struct need *n = NULL;
	struct who who = who_of(role);
	arena_init(&a, 1 << 20);
	int count = *needs ? needs_parse(&a, needs, &n, &why) : 0;
	CHECK(count >= 0);
	if (count < 0)
		printf("%s: %s\n", needs, why);
	struct op op = {.id = 1, .protocol = "postgres", .needs = n, .n_needs = count};
	memset(&d, 0xa5, sizeof(d));
	plan_decide(p, plan_resource_by_name(p, resource), &who, &op, 999, &d);
	const bool *const flags[] = {&d.is_observed, &d.has_masks,  &d.is_masked,
				     &d.is_unread, &d.hides_text, &d.detects_text};
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		CHECK(*(const uint8_t *)flags[i] <= 1); /* none is left as it was found */
	CHECK(utf8_valid(span_str(d.reason)) || !*d.reason);
	CHECK(utf8_valid(span_str(d.hint)) || !*d.hint);
	CHECK(d.effect == EFFECT_ALLOW || d.effect == EFFECT_ASK || d.effect == EFFECT_DENY);
	CHECK(d.effect == EFFECT_ALLOW || (*d.reason && *d.rule));
	arena_done(&a);
	return d;
}

#define DB	"'resource': 'db', 'roles': 'a'"
#define R	"{'id': 'r'," DB
#define NO	"{'id': 'no'," DB
#define O	"{'id': 'o', 'mode': 'observe'," DB
#define K	"{'id': 'k'," DB
#define SELECT	", 'verbs': 'select', 'relations': 'p.*'"
#define MASK	", 'effect': 'mask', 'masks': 'm'}"
#define APPROVE ", 'effect': 'ask', 'approvers': [{'group': 'g'}]}"
#define ASK	"{'id': 'q'," DB ", 'class': 'ddl'" APPROVE
#define ALLOW	", 'effect': 'allow'}"
#define DENY	", 'effect': 'deny'}"

static const struct {
	const char *rules, *needs, *effect, *rule;
} table[] = {
    /* nothing is said: nothing goes */
    {"", "select:p.x", "deny", "default"},
    {"", "~show", "deny", "default"},
    {"", "", "deny", "default"},
    {R ", 'verbs': 'select'" ALLOW, "", "allow", "r"},
    /* every need must be met */
    {R SELECT ALLOW, "select:p.x select:p.y", "allow", "r"},
    {R SELECT ALLOW, "select:p.x select:q.y", "deny", "default"},
    {R SELECT ALLOW, "select:p.x delete:p.x", "deny", "default"},
    /* the first rule that covers a need decides it */
    {NO ", 'relations': 'p.s'" DENY "," R ALLOW, "select:p.s", "deny", "no"},
    {NO ", 'relations': 'p.s'" DENY "," R ALLOW, "select:p.t", "allow", "r"},
    {R ", 'relations': 'p.*'" ALLOW "," NO ", 'relations': 'p.s'" DENY, "select:p.s", "allow", "r"},
    /* other roles' and other resources' rules do not count */
    {"{'id': 'r', 'resource': 'db', 'roles': 'b'" ALLOW, "select:p.x", "deny", "default"},
    {"{'id': 'r', 'resource': 't', 'roles': 'a'" ALLOW, "select:p.x", "deny", "default"},
    {"{'id': 'r', 'resource': '*', 'roles': '*'" ALLOW, "select:p.x", "allow", "r"},
    /* classes */
    {R ", 'class': 'read'" ALLOW, "select:p.x", "allow", "r"},
    {R ", 'class': 'read'" ALLOW, "insert:p.x", "deny", "default"},
    {R ", 'class': ['read', 'write'], 'verbs': 'insert'" ALLOW, "select:p.x", "deny", "default"},
    /* a rule that names one kind of target speaks about that kind alone */
    {R ", 'functions': 'p.f'" ALLOW, "execute:p.f", "allow", "r"},
    {R ", 'functions': 'p.f'" ALLOW, "select:p.x", "deny", "default"},
    {R ", 'functions': 'p.f'" ALLOW, "create@p.f", "deny", "default"},
    {R ", 'functions': 'p.f'" ALLOW, "copy_file", "deny", "default"},
    {R ", 'settings': 'x.*'" ALLOW, "set:x.y", "allow", "r"},
    {R ", 'settings': 'x.*'" ALLOW, "set:role", "deny", "default"},
    {R ", 'settings': 'x.*'" ALLOW, "select:p.x", "deny", "default"},
    {R ", 'verbs': ['select', 'create'], 'relations': 'p.*'" ALLOW, "create@p.f", "deny",
     "default"},
    {R ", 'verbs': 'select', 'relations': 'p.*', 'functions': 'p.f'" ALLOW,
     "select:p.x execute:p.f", "allow", "r"},
    {R ", 'verbs': 'select', 'functions': 'p.f'" ALLOW, "call:p.f", "deny", "default"},
    {R ", 'verbs': ['select', 'call'], 'functions': 'p.f'" ALLOW, "call:p.f", "allow", "r"},
    {R ", 'class': 'read', 'functions': 'p.f'" ALLOW, "execute:p.f", "allow", "r"},
    {NO ", 'verbs': 'select', 'functions': 'p.f'" DENY "," R ", 'functions': '*.*'" ALLOW,
     "call:p.f", "deny", "no"},
    /* the verb alone */
    {R SELECT ALLOW, "select", "allow", "r"},
    {R ", 'relations': 'p.*'" ALLOW, "select", "deny", "default"},
    {R ", 'relations': 'p.*'" ALLOW, "copy_file", "deny", "default"},
    {R ", 'verbs': ['select', 'listen'], 'relations': 'p.*'" ALLOW, "listen", "allow", "r"},
    /* an unknown function, an unread text: only who names them */
    {R ALLOW, "execute:p.f", "deny", "default"},
    {R ALLOW, "call:p.f", "deny", "default"},
    {R ALLOW, "opaque", "deny", "default"},
    {R ALLOW, "~opaque", "deny", "default"},
    {R ALLOW, "drop:p.x create@ grant@ admin set:role", "allow", "r"},
    {R ", 'opaque': 'allow'" ALLOW, "opaque execute:p.f call:p.f", "allow", "r"},
    {NO ", 'class': ['ddl', 'opaque']" DENY "," R ", 'opaque': 'allow'" ALLOW, "opaque", "deny",
     "no"},
    {NO ", 'verbs': ['select', 'do']" DENY "," R ", 'opaque': 'allow'" ALLOW, "opaque", "allow",
     "r"},
    {R ALLOW, "do", "deny", "default"},
    {R ", 'class': 'procedural'" ALLOW, "do", "deny", "default"},
    {R ", 'verbs': ['select', 'do']" ALLOW, "do", "allow", "r"},
    {R ", 'opaque': 'allow'" ALLOW, "do", "allow", "r"},
    {NO DENY "," R ", 'opaque': 'allow'" ALLOW, "do", "deny", "no"},
    {R ", 'opaque': 'deny'" ALLOW, "opaque", "deny", "default"},
    {NO ", 'class': 'ddl'" DENY "," R ", 'opaque': 'allow'" ALLOW, "opaque", "allow", "r"},
    {NO DENY "," R ", 'opaque': 'allow'" ALLOW, "opaque", "deny", "no"},
    {NO DENY "," R ", 'functions': 'p.f'" ALLOW, "execute:p.f", "deny", "no"},
    /* implied */
    {R ", 'verbs': 'select', 'relations': 'p.x'" ALLOW,
     "~show ~transaction ~select:pg_catalog.pg_class "
     "~execute:pg_catalog.now ~set:timezone",
     "allow", "r"},
    {R ", 'verbs': 'select', 'relations': 'p.x'" ALLOW "," NO DENY,
     "~show ~select:pg_catalog.pg_class", "allow", "r"},
    {R ", 'verbs': 'select', 'relations': 'p.x'" ALLOW "," NO ", 'verbs': 'select'" DENY,
     "~select:pg_catalog.pg_class", "allow", "r"},
    {NO ", 'relations': 'pg_catalog.*'" DENY "," R ALLOW, "~select:pg_catalog.pg_class", "deny",
     "no"},
    {NO ", 'verbs': ['show', 'listen']" DENY "," R ALLOW, "~show", "deny", "no"},
    {NO ", 'settings': 'timezone'" DENY "," R ALLOW, "~set:timezone", "deny", "no"},
    {NO ", 'functions': 'pg_catalog.version'" DENY "," R ALLOW, "~execute:pg_catalog.version",
     "deny", "no"},
    {NO DENY, "~show", "deny", "default"},
    /* written columns */
    {R ", 'verbs': 'update', 'relations': 'p.*', 'columns': ['a', 'b*']" ALLOW, "update:p.x(a,b1)",
     "allow", "r"},
    {R ", 'verbs': 'update', 'relations': 'p.*', 'columns': ['a', 'b*']" ALLOW, "update:p.x(a,c)",
     "deny", "default"},
    {R ", 'verbs': 'update', 'relations': 'p.*', 'columns': ['a', 'b*']" ALLOW, "update:p.x",
     "deny", "default"},
    {NO ", 'verbs': 'insert', 'columns': 's'" DENY "," R ALLOW, "insert:p.x(a,b)", "allow", "r"},
    {NO ", 'verbs': 'insert', 'columns': 's'" DENY "," R ALLOW, "insert:p.x(a,s)", "deny", "no"},
    {NO ", 'verbs': 'insert', 'columns': 's'" DENY "," R ALLOW, "insert:p.x", "deny", "no"},
    {NO ", 'verbs': 'insert', 'columns': 's'" DENY "," R ALLOW, "select:p.x", "allow", "r"},
    /* ask and mask refuse; the heaviest wins, of equals the first */
    {ASK "," R ALLOW, "create:p.x", "ask", "q"},
    /* two rules that ask: neither's people would be asked about all of it */
    {ASK ",{'id': 'd'," DB ", 'verbs': 'delete'" APPROVE, "create:p.x delete:p.x", "deny", "q"},
    {ASK ",{'id': 'd'," DB ", 'verbs': 'delete'" APPROVE, "create:p.x create:p.y", "ask", "q"},
    {ASK "," R ALLOW, "create:p.x delete:p.x", "ask", "q"},
    {ASK, "create:p.x delete:p.x", "deny", "default"},
    {ASK, "~show", "allow", "q"},
    {"{'id': 'q'," DB APPROVE, "opaque", "deny", "default"},
    {K SELECT MASK, "select:p.x", "deny", "k"},
    {K SELECT MASK, "select", "allow", "k"},
    {K ", 'verbs': 'select'" MASK ",{'id': 'q'," DB ", 'verbs': 'drop'" APPROVE,
     "select:p.x drop:p.x", "deny", "q"},
    {"{'id': 'n1'," DB ", 'relations': 'p.a'" DENY ",{'id': 'n2'," DB ", 'relations': 'p.b'" DENY
     "," R ALLOW,
     "select:p.x select:p.b select:p.a", "deny", "n2"},
    /* observe */
    {O DENY, "delete:p.x opaque execute:p.f", "observe", "o"},
    {O ", 'verbs': 'delete'" DENY "," R ", 'verbs': 'select'" ALLOW, "select:p.x delete:p.x",
     "observe", "o"},
    {O ", 'verbs': 'delete'" DENY "," R ", 'verbs': 'select'" ALLOW,
     "select:p.x delete:p.x drop:p.x", "deny", "default"},
    {O ", 'verbs': 'delete'" DENY "," NO ", 'relations': 'p.x'" DENY, "delete:p.x", "observe", "o"},
    {O ", 'verbs': 'select'" MASK, "select:p.x", "observe", "o"},
    {O ", 'class': 'ddl'" APPROVE, "drop:p.x", "observe", "o"},
    /* names */
    {R ", 'relations': 'p.*'" ALLOW, "select:\"p.x\".y", "deny", "default"},
    {R ", 'relations': 'p.x'" ALLOW, "select:p.\"X\"", "deny", "default"},
    {R ", 'relations': 'p.x'" ALLOW, "select:p.\"x \"", "deny", "default"},
    {R ", 'relations': 'p.\\'X\\''" ALLOW, "select:p.\"X\"", "allow", "r"},
};

static void decides_by_the_table(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct plan *p = plan_of(table[i].rules);
		struct decision d = decide(p, "a", "db", table[i].needs);
		const char *effect = d.is_observed ? "observe" : effect_name(d.effect);
		if (strcmp(effect, table[i].effect) || strcmp(d.rule, table[i].rule))
			printf("row %zu: %s\n  %s -> %s by %s: %s\n", i, table[i].rules,
			       table[i].needs, effect, d.rule, d.reason);
		CHECK_STR(effect, table[i].effect);
		CHECK_STR(d.rule, table[i].rule);
		plan_unref(p);
	}
}

/* --- what is not understood is denied --------------------------------------------------------- */

static void denies_what_is_not_understood(void)
{
	struct plan *p = plan_of(R ", 'opaque': 'allow'" ALLOW);
	const struct resource *db = plan_resource_by_name(p, "db");
	struct who good = who_of("a"), no_role = who_of(NULL), other = who_of("nobody"),
		   expired = who_of("a");
	struct need fine = {NEED_PLAIN, VERB_SHOW, CLASS_SESSION, NULL, NULL, NULL, 0, false, NULL};
	struct need odd[] = {fine, fine, fine, fine};
	struct op op = {.needs = &fine, .n_needs = 1};
	struct decision d;
	odd[0].kind = (enum need_kind)99;
	odd[1].verb = VERB_COUNT;
	odd[2].class = (enum op_class) - 1;
	odd[3].kind = (enum need_kind) - 1;
	expired.expires = 500;

	plan_decide(p, db, &good, &op, 999, &d);
	CHECK_INT(d.effect, EFFECT_ALLOW);
	static const struct {
		int which;
		const char *rule;
	} rows[] = {{0, "default"},  {1, "identity"}, {2, "identity"}, {3, "default"},
		    {4, "identity"}, {5, "default"},  {6, "default"}};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct who *w[] = {&good, NULL, &no_role, &other, &expired, &good, &good};
		const struct resource *r = i == 0 ? NULL : db;
		struct op broken = {.needs = NULL, .n_needs = i == 5 ? 1 : -1};
		memset(&d, 0xa5, sizeof(d));
		plan_decide(p, r, w[i], i >= 5 ? &broken : &op, 500, &d);
		CHECK_INT(d.effect, EFFECT_DENY);
		CHECK_STR(d.rule, rows[i].rule);
		CHECK(!d.is_observed && *d.reason);
	}
	for (int i = 0; i < 4; i++) {
		op.needs = &odd[i];
		plan_decide(p, db, &good, &op, 999, &d);
		CHECK_INT(d.effect, EFFECT_DENY);
		CHECK_STR(d.rule, "default");
	}
	plan_unref(p);
}

/* A name that is not known may be the one that is denied, and is never the one that is allowed. */
static void takes_a_missing_name_for_the_worst(void)
{
	struct need n = {NEED_RELATION, VERB_SELECT, CLASS_READ, NULL, "x", NULL, 0, false, NULL};
	struct op op = {.needs = &n, .n_needs = 1};
	struct who who = who_of("a");
	struct decision d;
	struct plan *p = plan_of(NO ", 'relations': 'p.s'" DENY "," R ALLOW);
	plan_decide(p, plan_resource_by_name(p, "db"), &who, &op, 1, &d);
	CHECK_STR(d.rule, "no");
	plan_unref(p);
	p = plan_of(R ", 'relations': '*.*'" ALLOW);
	plan_decide(p, plan_resource_by_name(p, "db"), &who, &op, 1, &d);
	CHECK_STR(d.rule, "default");
	const char *columns[] = {"a", NULL};
	n = (struct need){NEED_RELATION, VERB_UPDATE, CLASS_WRITE, "p", "x",
			  columns,	 2,	      false,	   NULL};
	plan_unref(p);
	p = plan_of(R ", 'verbs': 'update', 'columns': '*'" ALLOW);
	plan_decide(p, plan_resource_by_name(p, "db"), &who, &op, 1, &d);
	CHECK_STR(d.rule, "default");
	plan_unref(p);
}

/* A flow that was opened under an older plan keeps that plan's resource. */
static void takes_resources_of_older_plans(void)
{
	struct plan *old = plan_of(R ALLOW), *new = plan_of("{'id': 'n'," DB DENY "," R ALLOW);
	struct need n = {NEED_RELATION, VERB_SELECT, CLASS_READ, "p", "x", NULL, 0, false, NULL};
	struct op op = {.needs = &n, .n_needs = 1};
	struct who who = who_of("a");
	struct resource gone = {.name = "gone", .protocol = "postgres"};
	struct decision d;
	plan_decide(new, plan_resource_by_name(old, "db"), &who, &op, 1, &d);
	CHECK_STR(d.rule, "n");
	plan_decide(new, &gone, &who, &op, 1, &d);
	CHECK_STR(d.rule, "default");
	CHECK(plan_role_uses(new, plan_resource_by_name(old, "db"), "a"));
	CHECK(!plan_role_uses(new, &gone, "a"));
	plan_unref(old);
	plan_unref(new);
}

static void says_who_may_use_what(void)
{
	struct plan *p =
	    plan_of("{'id': 'no', 'resource': '*', 'roles': 'b'" DENY "," R
		    ", 'effect': 'ask', 'approvers': [{'group': 'g'}]}"
		    ",{'id': 'o', 'resource': 't', 'roles': 'a', 'mode': 'observe'" DENY);
	CHECK(plan_role_uses(p, plan_resource_by_name(p, "db"), "a"));
	CHECK(plan_role_uses(p, plan_resource_by_name(p, "t"), "a")); /* observed is used */
	CHECK(!plan_role_uses(p, plan_resource_by_name(p, "db"), "b"));
	CHECK(!plan_role_uses(p, plan_resource_by_name(p, "db"), "nobody"));
	CHECK(!plan_role_uses(p, NULL, "a"));
	plan_unref(p);
}

/* What is reached by way of other names: rules that look through these decide it, the first of
 * them; else it passes. */
static void looks_through(void)
{
#define THROUGH ", 'through': true"
	static const struct {
		const char *rules, *reached, *effect, *rule;
	} rows[] = {
	    {R ALLOW, "select:p.s", "allow", "r"},
	    {NO ", 'relations': 'p.s'" DENY "," R ALLOW, "select:p.s", "allow", "r"},
	    {NO ", 'relations': 'p.s'" THROUGH DENY "," R ALLOW, "select:p.s", "deny", "no"},
	    {NO ", 'relations': 'p.s'" THROUGH DENY "," R ALLOW, "select:p.t", "allow", "r"},
	    {NO ", 'relations': 'p.s', 'verbs': 'delete'" THROUGH DENY "," R ALLOW, "select:p.s",
	     "allow", "r"},
	    {NO ", 'relations': 'p.s', 'verbs': 'delete'" THROUGH DENY "," R ALLOW,
	     "select:p.s delete:p.s", "deny", "no"},
	    {NO ", 'functions': 'p.f'" THROUGH DENY "," R ALLOW, "execute:p.f", "deny", "no"},
	    {NO ", 'functions': 'p.f'" THROUGH DENY "," R ALLOW, "execute:p.g", "allow", "r"},
	    {R ALLOW "," NO ", 'relations': 'p.s'" THROUGH DENY, "select:p.s", "deny", "no"},
	    {R ", 'relations': 'p.*'" THROUGH ALLOW "," NO ", 'relations': 'p.s'" THROUGH DENY,
	     "select:p.s", "allow", "r"},
	    {NO ", 'relations': 'p.s'" THROUGH ", 'mode': 'observe'" DENY "," R ALLOW, "select:p.s",
	     "observe", "no"},
	    {NO ", 'relations': 'p.s'" THROUGH
		", 'effect': 'ask', 'approvers': [{'group': 'g'}]}," R ALLOW,
	     "select:p.s", "ask", "no"},
	    /* more than is looked at may be what is denied; not so for who denies nothing through
	       names */
	    {NO ", 'relations': 'p.s'" THROUGH DENY "," R ALLOW, "opaque", "deny", "no"},
	    {NO ", 'relations': 'p.s'" DENY "," R ALLOW, "opaque", "allow", "r"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct plan *p = plan_of(rows[i].rules);
		struct need view = {.kind = NEED_RELATION,
				    .verb = VERB_SELECT,
				    .class = CLASS_READ,
				    .schema = "p",
				    .name = "v"};
		struct op op = {.protocol = "postgres", .needs = &view, .n_needs = 1};
		struct who who = who_of("a");
		struct decision d;
		struct arena a;
		const char *why;
		arena_init(&a, 1 << 20);
		op.n_reached = needs_parse(&a, rows[i].reached, &op.reached, &why);
		plan_decide(p, plan_resource_by_name(p, "db"), &who, &op, 999, &d);
		CHECK_STR(d.is_observed ? "observe" : effect_name(d.effect), rows[i].effect);
		CHECK_STR(d.rule, rows[i].rule);
		arena_done(&a);
		plan_unref(p);
	}
}

/* --- words ------------------------------------------------------------------------------------ */

static void tells_a_model_what_to_do(void)
{
	struct plan *p =
	    plan_of(R ", 'verbs': 'select', 'relations': ['p.x', 'p.y']" ALLOW ",{'id': 'f'," DB
		      ", 'functions': 'p.f'" ALLOW "," NO
		      ", 'verbs': 'drop', 'effect': 'deny', 'description': 'tables stay'}");
	struct decision d =
	    decide(p, "a", "db", "select:p.x delete:p.\"x\"\"y\"(a,\"B\") truncate:p.z");
	CHECK_STR(
	    d.reason,
	    "delete on p.\"x\"\"y\" (a, \"B\") (class write): no rule lets role \"a\" do this "
	    "on \"db\"; and 1 more");
	CHECK_STR(d.hint, "On \"db\" role \"a\" may: select on p.x, p.y; execute p.f. Trying again "
			  "will not help; "
			  "to get more, ask pat@example.com or whoever keeps the policy.");
	d = decide(p, "a", "db", "drop:p.x");
	CHECK_STR(d.reason, "drop on p.x (class ddl): rule \"no\" refuses this (tables stay)");
	d = decide(p, "a", "db", "opaque:EXECUTE of\ta name\x01that is unknown");
	CHECK_STR(d.reason,
		  "what could not be read (EXECUTE ofa namethat is unknown): no rule lets role "
		  "\"a\" do this on \"db\"");
	d = decide(p, "b", "db", "select:p.x");
	CHECK_STR(d.reason, "no rule lets this role use this resource");
	CHECK(strstr(d.hint, "may: nothing") != NULL);
	plan_unref(p);
}

static void keeps_words_within_bounds(void)
{
	char name[3000], rules[8000];
	size_t n = 0;
	for (size_t i = 0; i + 3 < sizeof(name); i += 2)
		memcpy(name + i, "\xc3\xa9", 3);
	n += (size_t)snprintf(rules, sizeof(rules), R ", 'verbs': 'select', 'relations': ['p.t0'");
	for (int i = 1; i < 200; i++)
		n += (size_t)snprintf(rules + n, sizeof(rules) - n, ",\"p.table_number_%d\"", i);
	snprintf(rules + n, sizeof(rules) - n, "]" ALLOW);
	struct plan *p = plan_of(rules);
	struct need need = {NEED_RELATION, VERB_DELETE, CLASS_WRITE, name, name,
			    NULL,	   0,		false,	     name};
	struct op op = {.needs = &need, .n_needs = 1};
	struct who who = who_of("a");
	struct decision d;
	who.owner = name;
	memset(&d, 0xa5, sizeof(d));
	plan_decide(p, plan_resource_by_name(p, "db"), &who, &op, 1, &d);
	CHECK(strlen(d.reason) < sizeof(d.reason) && strlen(d.hint) < sizeof(d.hint));
	CHECK(utf8_valid(span_str(d.reason)) && utf8_valid(span_str(d.hint)));
	CHECK(strstr(d.hint, "ask ") != NULL); /* a long list does not push the advice out */
	plan_unref(p);
}

/* For eyes: a decision takes well under a microsecond. Not checked: machines differ. */
static void measures(void)
{
	struct plan *p =
	    plan_of(NO ", 'relations': ['p.secrets', 'vault.*']" DENY "," R SELECT ALLOW);
	struct need n = {NEED_RELATION, VERB_SELECT, CLASS_READ, "p", "orders",
			 NULL,		0,	     false,	 NULL};
	struct op op = {.needs = &n, .n_needs = 1};
	struct who who = who_of("a");
	const struct resource *r = plan_resource_by_name(p, "db");
	struct decision d;
	struct timespec from, to;
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (int i = 0; i < 200000; i++)
		plan_decide(p, r, &who, &op, 1, &d);
	clock_gettime(CLOCK_MONOTONIC, &to);
	CHECK_INT(d.effect, EFFECT_ALLOW);
	printf("# a decision takes %ld ns\n",
	       ((to.tv_sec - from.tv_sec) * 1000000000L + to.tv_nsec - from.tv_nsec) / 200000);
	plan_unref(p);
}

int main(void)
{
	decides_by_the_table();
	denies_what_is_not_understood();
	takes_a_missing_name_for_the_worst();
	takes_resources_of_older_plans();
	says_who_may_use_what();
	looks_through();
	tells_a_model_what_to_do();
	keeps_words_within_bounds();
	measures();
	return tap_done();
}
