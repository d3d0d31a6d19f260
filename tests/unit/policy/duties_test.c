/* Policies, and the identities that sluice policy check --duties names in them. */
#include <stdlib.h>

#include "../tap.h"
#include "base/macro.h"
#include "policy/duties.h"

#define HEAD                                                                                       \
	"{'version':1,'issuers':[{'issuer':'https://i','audience':'a','jwks':'file:/k'}],"         \
	"'roles':{'low':['gl'],'high':['gh'],'pair_a':['both'],'pair_b':['both']},"                \
	"'resources':[{'name':'db','protocol':'postgres','match':['10.0.0.1:5432']}],"             \
	"'masks':{'pii':{'columns':['public.*.ssn'],'as':'last4'},'mail':{'columns':['public."     \
	"customers.mail'],'as':'redact'}},"
#define READ_MASKED(who)                                                                           \
	"{'id':'masked-" who "','resource':'db','roles':['" who                                    \
	"'],'verbs':'select','relations':'public.*','effect':'mask','masks':['pii','mail']}"
#define READ(who, what)                                                                            \
	"{'id':'read-" who "','resource':'db','roles':['" who                                      \
	"'],'verbs':'select','relations':'" what "','effect':'allow'}"
#define WRITE(who, what)                                                                           \
	"{'id':'write-" who "','resource':'db','roles':['" who                                     \
	"'],'verbs':['insert'],'relations':'" what "','effect':'allow'}"
#define ASK(who, group)                                                                            \
	"{'id':'ask-" who "','resource':'db','roles':['" who                                       \
	"'],'verbs':['insert'],'relations':'public.*','effect':'ask','approvers':[{'group':"       \
	"'" group "'}]}"
#define GRANT(from, role, group)                                                                   \
	",'grants':[{'id':'lend','role':'" role "','from':'" from                                  \
	"','for':'1h','approvers':[{'group':'" group "'}]}]"

static const struct {
	const char *what, *policy;
	int n_both, n_peers, n_lent, n_void;
	const char *text; /* of the last one that is no note */
} cases[] = {
    {"masked and writing", HEAD "'rules':[" READ_MASKED("low") "," WRITE("low", "public.*") "]}", 0,
     0, 0, 0, ""},
    {"unmasked and reading", HEAD "'rules':[" READ_MASKED("low") "," READ("high", "public.*") "]}",
     0, 0, 0, 0, ""},
    {"unmasked and writing",
     HEAD "'rules':[" READ_MASKED("low") "," READ("high", "public.*") "," WRITE("high",
										"public.log") "]}",
     1, 0, 0, 0, "may insert public.log (rule write-high)"},
    {"one of two masks",
     HEAD "'rules':[" READ_MASKED(
	 "low") ",{'id':'half','resource':'db','roles':['high'],'verbs':'select',"
		"'relations':'public.*','effect':'mask','masks':['pii']}," WRITE("high",
										 "public.*") "]}",
     1, 0, 0, 0, "public.customers without mask \"mail\""},
    {"what no mask names is no secret",
     HEAD
     "'rules':[" READ_MASKED("low") "," READ("high", "other.*") "," WRITE("high", "other.*") "]}",
     0, 0, 0, 0, ""},
    {"one relation of a mask's many",
     HEAD "'rules':[" READ_MASKED("low") "," READ("high", "public.staff") "," WRITE("high",
										    "other.*") "]}",
     1, 0, 0, 0, "reads public.staff without mask \"pii\""},
    {"a denial before it",
     HEAD "'rules':[" READ_MASKED(
	 "low") ",{'id':'no','resource':'db','roles':['high'],'effect':'deny','verbs':'select',"
		"'relations':'public.*'}," READ("high", "*.*") "," WRITE("high", "public.*") "]}",
     0, 0, 0, 0, ""},
    {"writes are asked about",
     HEAD "'rules':[" READ_MASKED("low") "," READ("high", "public.*") "," ASK("high", "dba") "]}",
     0, 0, 0, 0, ""},
    {"by its own kind",
     HEAD "'rules':[" READ_MASKED("low") "," READ("high", "public.*") "," ASK("high", "gh") "]}", 0,
     1, 0, 0, "what rule ask-high asks of role high, others of the same group answer"},
    {"two roles of one group",
     HEAD "'rules':[" READ_MASKED("low") "," READ("pair_a", "public.*") "," WRITE("pair_b",
										  "public.*") "]}",
     1, 0, 0, 0, "(rule write-pair_b)"},
    {"all is allowed",
     HEAD "'rules':[" READ_MASKED("low") ",{'id':'all','resource':'db','roles':['high'],'effect':'"
					 "allow','opaque':'allow'}]}",
     1, 0, 0, 0, "(rule all)"},
    {"a rule that only observes",
     HEAD "'rules':[" READ_MASKED(
	 "low") ",{'id':'see','resource':'db','roles':['high'],'effect':'deny','mode':'observe'}]}",
     1, 0, 0, 0, "(rule see)"},
    {"columns alone",
     HEAD "'rules':[" READ_MASKED("low") "," READ(
	 "high",
	 "public.*") ",{'id':'cols','resource':'db','roles':['high'],'verbs':"
		     "['update'],'relations':'public.*','columns':['note'],'effect':'allow'}]}",
     1, 0, 0, 0, "may write some columns (rule cols)"},
    {"lent by a second person",
     HEAD "'rules':[" READ_MASKED("low") "," WRITE("low", "public.*") "," READ(
	 "high", "public.*") "]" GRANT("low", "high", "dba") "}",
     0, 0, 1, 0, "while grant lend lends it role high"},
    {"lent by its own kind",
     HEAD "'rules':[" READ_MASKED("low") "," WRITE("low", "public.*") "," READ(
	 "high", "public.*") "]" GRANT("low", "high", "gl") "}",
     1, 1, 0, 0, "while grant lend lends it role high"},
    {"no masks",
     "{'version':1,'issuers':[{'issuer':'https://i','audience':'a','jwks':'file:/"
     "k'}],'roles':{'high':['gh']},"
     "'resources':[{'name':'db','protocol':'postgres','match':['10.0.0.1:5432']}],'rules':[" READ(
	 "high", "public.*") "," WRITE("high", "public.*") "]}",
     0, 0, 0, 1, ""},
};

struct seen {
	int n[DUTY_VOID + 1];
	char text[600];
};

static void on_duty(void *ctx, const struct duty *d)
{
	struct seen *s = ctx;
	s->n[d->kind]++;
	if (d->kind != DUTY_VOID)
		snprintf(s->text, sizeof(s->text), "%s", d->text);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct policy_errors errors;
		struct seen s = {0};
		struct plan *p = NULL;
		char *text = strdup(cases[i].policy);
		for (char *c = text; *c; c++)
			*c = *c == '\'' ? '"' : *c;
		int err = plan_compile(span_str(text), &p, &errors);
		CHECK_INT(err, 0);
		if (err)
			printf("  %s: %s\n", cases[i].what, errors.n ? errors.at[0].text : "?");
		CHECK_INT(err ? err : plan_duties(p, on_duty, &s), 0);
		bool good = s.n[DUTY_BOTH] == cases[i].n_both &&
			    s.n[DUTY_PEERS] == cases[i].n_peers &&
			    s.n[DUTY_LENT] == cases[i].n_lent &&
			    s.n[DUTY_VOID] == cases[i].n_void && strstr(s.text, cases[i].text);
		CHECK(good);
		if (!good)
			printf("  %s: %d %d %d %d \"%s\"\n", cases[i].what, s.n[0], s.n[1], s.n[2],
			       s.n[3], s.text);
		plan_unref(p);
		free(text);
	}
	return tap_done();
}
