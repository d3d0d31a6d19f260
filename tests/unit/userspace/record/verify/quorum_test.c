/* Records of approvals, true and forged, and what the verifier says of each. Events are short for
 * reading: ' stands for ". */
#include <stdlib.h>

#include "../../../tap.h"
#include "base/macro.h"
#include "record/verify/quorum.h"

#define EVENTS_MAX 10

#define REQUEST                                                                                    \
	"{'hash':'aa','identity':'crew','owner':'pat','quorum':[{'after':0,'approvers':[{'group':" \
	"'dba','need':2}]}],'request':'r-1','type':'approval.request'}"
#define TWO_GROUPS                                                                                 \
	"{'hash':'aa','identity':'crew','owner':'pat','quorum':[{'after':0,'approvers':[{'group':" \
	"'dba','need':1},{'group':'sec','need':1}]}],'request':'r-1','type':'approval.request'}"
#define STAGES                                                                                     \
	"{'hash':'aa','identity':'crew','owner':'','quorum':[{'after':0,'approvers':[{'group':'"   \
	"dba','need':2}]},{'after':60,'approvers':[{'group':'chief','need':1}]}],'request':'r-1'," \
	"'type':'approval.request'}"
#define VOTE_(who, issuer, groups, verdict, hash)                                                  \
	"{'by':'" who "','by_groups':[" groups "],'by_issuer':'" issuer "','hash':'" hash          \
	"','request':'r-1','type':'approval.vote','verdict':'" verdict "'}"
#define VOTE(who, groups) VOTE_(who, "i", groups, "approve", "aa")
#define RELEASE_(votes, hash)                                                                      \
	"{'hash':'" hash "','request':'r-1','type':'approval.release','votes':[" votes "]}"
#define RELEASE(votes) RELEASE_(votes, "aa")
#define OP(decision, release)                                                                      \
	"{'decision':'" decision "','release':" release ",'request':'r-1','type':'op'}"
#define GRANT(release) "{'grant':'g-1','release':" release ",'request':'r-1','type':'grant.start'}"
#define END	       "{'end':'done','request':'r-1','type':'approval.end'}"
#define REVOKE(who)    "{'approver':'" who "','type':'approver.revoke'}"
#define ESCALATE       "{'request':'r-1','stage':1,'type':'approval.escalate'}"

static const struct record {
	const char *what;
	const char *events[EVENTS_MAX]; /* numbered from 1 */
	enum quorum_verdict verdict;	/* of the last one; FINE of all before */
	uint64_t missing;
	const char *why;
} records[] = {
    {"as it should be",
     {REQUEST, VOTE("ann", "'dba'"), VOTE("bob", "'x','dba'"), RELEASE("2,3"), OP("allow", "4"),
      END},
     QUORUM_FINE,
     0,
     ""},
    {"released, and used by a grant after its end",
     {REQUEST, VOTE("ann", "'dba'"), VOTE("bob", "'dba'"), RELEASE("2,3"), GRANT("4"), END,
      OP("mask", "4")},
     QUORUM_FINE,
     0,
     ""},
    {"without votes", {REQUEST, RELEASE("")}, QUORUM_BAD, 0, "of group dba somebody is missing"},
    {"one of two",
     {REQUEST, VOTE("ann", "'dba'"), RELEASE("2")},
     QUORUM_BAD,
     0,
     "without its quorum"},
    {"the vote stands behind",
     {REQUEST, VOTE("ann", "'dba'"), RELEASE("2,4"), VOTE("bob", "'dba'")},
     QUORUM_BAD,
     0,
     "does not stand before it"},
    {"the same person twice",
     {REQUEST, VOTE("ann", "'dba'"), VOTE("ann", "'dba'"), RELEASE("2,3")},
     QUORUM_BAD,
     0,
     "two answers of ann"},
    {"the same vote twice",
     {REQUEST, VOTE("ann", "'dba'"), RELEASE("2,2")},
     QUORUM_BAD,
     0,
     "two answers of ann"},
    {"the same name of two issuers is two people",
     {REQUEST, VOTE("ann", "'dba'"), VOTE_("ann", "j", "'dba'", "approve", "aa"), RELEASE("2,3")},
     QUORUM_FINE,
     0,
     ""},
    {"the same person, written otherwise",
     {REQUEST, VOTE("ann", "'dba'"), VOTE("ANN", "'dba'"), RELEASE("2,3")},
     QUORUM_BAD,
     0,
     "two answers of ANN"},
    {"who acts for the other",
     {REQUEST, VOTE("ann", "'dba'"),
      "{'by':'bot','by_groups':['dba'],'by_issuer':'i','by_owner':'Ann','hash':'aa','request':'r-1'"
      ",'type':'approval.vote','verdict':'approve'}", RELEASE("2,3")},
     QUORUM_BAD,
     0,
     "two answers of bot"},
    {"one of two groups is missing",
     {TWO_GROUPS, VOTE("ann", "'dba'"), VOTE("bob", "'dba'"), RELEASE("2,3")},
     QUORUM_BAD,
     0,
     "of group sec somebody"},
    {"one of both groups is no two people",
     {TWO_GROUPS, VOTE("ann", "'dba','sec'"), RELEASE("2")},
     QUORUM_BAD,
     0,
     "without its quorum"},
    {"one of both groups, and another",
     {TWO_GROUPS, VOTE("ann", "'dba','sec'"), VOTE("bob", "'dba'"), RELEASE("2,3")},
     QUORUM_FINE,
     0,
     ""},
    {"of another group",
     {REQUEST, VOTE("ann", "'dba'"), VOTE("bob", "'dev'"), RELEASE("2,3")},
     QUORUM_BAD,
     0,
     "without"},
    {"by the requester",
     {REQUEST, VOTE("crew", "'dba'"), VOTE("bob", "'dba'"), RELEASE("2,3")},
     QUORUM_BAD,
     0,
     "who asked"},
    {"by its owner",
     {REQUEST, VOTE("bob", "'dba'"), VOTE("pat", "'dba'"), RELEASE("2,3")},
     QUORUM_BAD,
     0,
     "for whom"},
    {"by another of its owner's agents",
     {REQUEST, VOTE("ann", "'dba'"),
      "{'by':'bot','by_groups':['dba'],'by_issuer':'i','by_owner':'pat','hash':'aa','request':'r-1'"
      ",'type':'approval.vote','verdict':'approve'}",
      RELEASE("2,3")},
     QUORUM_BAD,
     0,
     "for whom"},
    {"a denial is no approval",
     {REQUEST, VOTE("ann", "'dba'"), VOTE_("bob", "i", "'dba'", "deny", "aa"), RELEASE("2,3")},
     QUORUM_BAD,
     0,
     "does not approve it (deny)"},
    {"for another hash",
     {REQUEST, VOTE("ann", "'dba'"), VOTE_("bob", "i", "'dba'", "approve", "bb"), RELEASE("2,3")},
     QUORUM_BAD,
     0,
     "approves another hash"},
    {"the release is of another hash",
     {REQUEST, VOTE("ann", "'dba'"), VOTE("bob", "'dba'"), RELEASE_("2,3", "bb")},
     QUORUM_BAD,
     0,
     "another hash than"},
    {"revoked before",
     {REQUEST, VOTE("ann", "'dba'"), REVOKE("ann"), VOTE("bob", "'dba'"), RELEASE("2,4")},
     QUORUM_BAD,
     0,
     "(revoked)"},
    {"revoked behind",
     {REQUEST, VOTE("ann", "'dba'"), VOTE("bob", "'dba'"), RELEASE("2,3"), REVOKE("ann"),
      OP("allow", "4")},
     QUORUM_FINE,
     0,
     ""},
    {"the chief, before it came to that",
     {STAGES, VOTE("cat", "'chief'"), RELEASE("2")},
     QUORUM_BAD,
     0,
     "without its quorum"},
    {"the chief, then",
     {STAGES, ESCALATE, VOTE("cat", "'chief'"), RELEASE("3")},
     QUORUM_FINE,
     0,
     ""},
    {"a stage before the first opens none",
     {STAGES, "{'request':'r-1','stage':-1,'type':'approval.escalate'}", VOTE("cat", "'chief'"),
      RELEASE("3")},
     QUORUM_BAD,
     0,
     "without its quorum"},
    {"nobody asked", {RELEASE("")}, QUORUM_UNTOLD, 0, "releases r-1, and there is no such thing"},
    {"an answer that nobody saw",
     {REQUEST, "{'type':'x'}", RELEASE("2")},
     QUORUM_UNTOLD,
     2,
     "event 2, which is no answer to it"},
    {"it ran, and was never released",
     {REQUEST, OP("allow", "1")},
     QUORUM_UNTOLD,
     1,
     "was not released before it"},
    {"it ran, and names no release",
     {REQUEST, OP("allow", "0")},
     QUORUM_BAD,
     0,
     "was not released before it"},
    {"it ran before",
     {REQUEST, VOTE("ann", "'dba'"), OP("allow", "4")},
     QUORUM_BAD,
     0,
     "was not released before it"},
    {"it was refused", {REQUEST, OP("deny", "0")}, QUORUM_FINE, 0, ""},
    {"a grant of nothing", {REQUEST, GRANT("9")}, QUORUM_BAD, 0, "was not released before it"},
    {"no quorum asked for",
     {"{'hash':'aa','quorum':[],'request':'r-1','type':'approval.request'}", RELEASE_("", "aa")},
     QUORUM_BAD,
     0,
     "without its quorum"},
};

static enum quorum_verdict take(struct quorum_check *q, int i, const char *event, uint64_t *ret_missing)
{
	char text[1024];
	struct scan s;
	enum quorum_verdict verdict;
	snprintf(text, sizeof(text), "%s", event);
	for (char *c = text; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	CHECK_INT(scan_event(span_str(text), true, &s), 0);
	CHECK_INT(quorum_check_event(q, (uint64_t)i + 1, span_str(text), &s, &verdict, ret_missing), 0);
	return verdict;
}

static void run(const struct record *r)
{
	struct quorum_check *q;
	enum quorum_verdict verdict = QUORUM_FINE;
	uint64_t missing = 0;
	CHECK_INT(quorum_check_new(&q), 0);
	for (int i = 0; i < EVENTS_MAX && r->events[i] && verdict == QUORUM_FINE; i++)
		verdict = take(q, i, r->events[i], &missing);
	CHECK_INT(verdict, r->verdict);
	CHECK_INT(missing, r->missing);
	bool says = !*r->why || strstr(quorum_check_why(q), r->why);
	CHECK(says);
	if (verdict != r->verdict || !says)
		printf("  %s: %d, %s\n", r->what, (int)verdict, quorum_check_why(q));
	quorum_check_free(q);
}

/* What went by a release whose answers are not here rests on the release, which is. */
static void rests_on_a_release(void)
{
	static const char *const events[] = {REQUEST,	     VOTE("ann", "'dba'"), RELEASE("2,9999"),
					     RELEASE("1,2"), OP("allow", "4"),	   NULL};
	static const enum quorum_verdict verdicts[] = {QUORUM_FINE, QUORUM_FINE, QUORUM_BAD, QUORUM_UNTOLD,
						       QUORUM_FINE};
	struct quorum_check *q;
	uint64_t missing;
	CHECK_INT(quorum_check_new(&q), 0);
	for (int i = 0; events[i]; i++)
		CHECK_INT(take(q, i, events[i], &missing), verdicts[i]);
	quorum_check_free(q);
}

int main(void)
{
	rests_on_a_release();
	for (size_t i = 0; i < ARRAY_LEN(records); i++)
		run(&records[i]);
	return tap_done();
}
