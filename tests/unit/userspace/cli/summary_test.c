/* What is printed after a run; and that what it says to paste is a policy. */
#include "cli/session.c"
#include "cli/summary.c"

#include <stdlib.h>

#include "policy/policy.h"

#include "../../tap.h"
#include "said.h"

static void print(const char *json)
{
	json_t *j = json_loads(json, 0, NULL);
	CHECK(j != NULL);
	int kept = said_begin();
	summary_print(j, "viewer");
	said_end(kept);
	json_decref(j);
}

static void says_one_line(void)
{
	print("{\"session\":\"s-1\",\"ops\":0,\"denied\":0,\"denied_rules\":{},\"refused\":[]}");
	CHECK_STR(said, "session s-1  0 ops -> sluice replay s-1\n");
	print("{\"session\":\"s-1\",\"ops\":9,\"denied\":3,\"denied_rules\":{\"a\":1,\"b\":2},\"refused\":[]}");
	CHECK_STR(said, "session s-1  9 ops  3 denied (rule a, b) -> sluice replay s-1\n");
	print("{\"session\":\"s-1\",\"ops\":9,\"end_reason\":\"the command ended; it was revoked before\"}");
	CHECK_STR(said, "session s-1  9 ops  it was revoked before -> sluice replay s-1\n");
	print("{}");
	CHECK_STR(said, "session ?  0 ops -> sluice replay ?\n");
}

/* The stanza's two lists, put into a policy, compile. */
static void check_paste(void)
{
	struct plan *plan = NULL;
	static struct policy_errors errors;
	char policy[4000];
	const char *resources = strstr(said, "  \"resources\":\n"), *rules = strstr(said, "  \"rules\":\n");
	CHECK(resources && rules);
	if (!resources || !rules)
		return;
	snprintf(policy, sizeof(policy),
		 "{\"version\":1,\"issuers\":[{\"issuer\":\"i\",\"audience\":\"a\"}],\"roles\":{\"viewer\":[\"v\"]},"
		 "\"resources\":[%.*s],\"rules\":[%s]}",
		 (int)(rules - resources - 15), resources + 15, rules + 11);
	int r = plan_compile(span_str(policy), &plan, &errors);
	if (r)
		printf("%s\n%s\n", errors.at[0].text, policy);
	CHECK_INT(r, 0);
	plan_unref(plan);
}

static void says_what_to_paste(void)
{
	print("{\"session\":\"s-7f2\",\"ops\":41,\"denied\":1,\"denied_rules\":{\"default\":1},\"refusals\":2,"
	      "\"refused\":[{\"proto\":\"tcp\",\"name\":\"telemetry.crewai.com\","
	      "\"host\":\"1.2.3.4\",\"port\":443,\"count\":2}]}");
	CHECK(strstr(said, "session s-7f2  41 ops  1 denied (rule default)  2 refused: telemetry.crewai.com:443 x2 -> "
			   "sluice replay s-7f2\n") == said);
	check_paste();
	print("{\"session\":\"s-1\",\"ops\":1,\"refused\":[{\"proto\":\"tcp\",\"host\":\"::1\",\"port\":80},"
	      "{\"proto\":\"tcp\",\"host\":\"10.0.0.3\",\"port\":5432},{\"proto\":\"dns\",\"name\":\"a.example\"},"
	      "{\"proto\":\"udp\",\"host\":\"10.0.0.3\",\"port\":53},"
	      "{\"proto\":\"tcp\",\"host\":\"10.0.0.4\",\"port\":1}]}");
	CHECK(strstr(said, "5 refused: [::1]:80, 10.0.0.3:5432, a.example, 10.0.0.3:53, 1 more places") != NULL);
	check_paste();
	/* Only what a rule could allow is offered. */
	print("{\"session\":\"s-1\",\"ops\":1,\"refused\":[{\"proto\":\"family 17\",\"host\":\"?\"}]}");
	CHECK(!strstr(said, "to allow it"));
	/* What is declared already is not to be declared again: the reason is told. */
	print("{\"session\":\"s-1\",\"ops\":1,\"refused\":[{\"proto\":\"tcp\",\"host\":\"10.0.0.4\",\"port\":1,"
	      "\"reason\":\"the gateway is not running\"}]}");
	CHECK(!strstr(said, "to allow it"));
	CHECK(strstr(said, "  1 refused: 10.0.0.4:1 (the gateway is not running) -> ") != NULL);
	/* A name that the agent chose cannot write to the terminal or end a string. */
	print("{\"session\":\"s-1\",\"refused\":[{\"proto\":\"dns\",\"name\":\"a\\u001b[2J\\\"x\\n\"}]}");
	CHECK(!strchr(said, '\x1b') && strstr(said, "a?[2J?x?"));
}

static void names_resources(void)
{
	char id[16];
	id_text("Telemetry..crewai.com:443", id, sizeof(id));
	CHECK_STR(id, "telemetry-crewa");
	id_text("[::1]", id, sizeof(id));
	CHECK_STR(id, "1");
	id_text("---", id, sizeof(id));
	CHECK_STR(id, "");
}

int main(void)
{
	says_one_line();
	says_what_to_paste();
	names_resources();
	return tap_done();
}
