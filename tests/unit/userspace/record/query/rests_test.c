/* What events rest on which others. ' stands for ". */
#include "../../../tap.h"
#include "base/err.h"
#include "base/macro.h"
#include "record/query/rests.h"

#define OF(request, type) "{'request':'" request "','type':'" type "'}"
#define PART(flow, id)	  "{'data':'x','field':'text','flow':'" flow "','id':" id ",'part':0,'type':'op.part'}"

static const struct {
	const char *asked_for, *other;
	int has;
} rows[] = {
	{OF("r-1", "op"), OF("r-1", "approval.vote"), 1},
	{OF("r-1", "op"), OF("r-1", "approval.request"), 1},
	{OF("r-1", "op"), OF("r-1", "approval.release"), 1},
	{OF("r-1", "grant.start"), OF("r-1", "approval.escalate"), 1},
	{OF("r-1", "approval.end"), OF("r-1", "approval.release"), 1},
	{OF("r-1", "op"), OF("r-2", "approval.vote"), 0},
	{OF("r-1", "op"), OF("r-1", "op"), 0}, /* what others ran by it is theirs */
	{OF("r-1", "op"), "{'approver':'ann','type':'approver.revoke'}", 1},
	{"{'type':'op'}", "{'approver':'ann','type':'approver.revoke'}", 0},
	{"{'type':'op'}", OF("r-1", "approval.vote"), 0},
	{"{'text':'\\'request\\':\\'r-1\\'','type':'op'}", OF("r-1", "approval.vote"), 0},
	{"{'flow':'f-1','id':7,'text_parts':2,'type':'op'}", PART("f-1", "7"), 1},
	{"{'flow':'f-1','id':7,'params_parts':2,'type':'op'}", PART("f-1", "7"), 1},
	{"{'flow':'f-1','id':7,'text_parts':2,'type':'op'}", PART("f-1", "70"), 0},
	{"{'flow':'f-1','id':7,'text_parts':2,'type':'op'}", PART("f-11", "7"), 0},
	{"{'flow':'f-1','id':7,'type':'op'}", PART("f-1", "7"), 0},
	{"{'flow':'f-1','id':7,'text_parts':2,'type':'op'}", "{'flow':'f-1','id':7,'type':'op.end'}", 0},
};

static struct span quoted(char out[400], const char *text)
{
	snprintf(out, 400, "%s", text);
	for (char *c = out; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	return span_str(out);
}

int main(void)
{
	char text[400];
	struct rests *r;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CHECK_INT(rests_new(&r), 0);
		CHECK_INT(rests_has(r, quoted(text, rows[i].other)), 0);
		CHECK_INT(rests_note(r, quoted(text, rows[i].asked_for)), 0);
		CHECK_INT(rests_note(r, quoted(text, rows[i].asked_for)), 0);
		int has = rests_has(r, quoted(text, rows[i].other));
		CHECK_INT(has, rows[i].has);
		if (has != rows[i].has)
			printf("  %s: %s\n", rows[i].asked_for, rows[i].other);
		rests_free(r);
	}
	CHECK_INT(rests_new(&r), 0);
	CHECK_INT(rests_note(r, span_str("{\"request\":\"r-1\", }")), ERR_VERIFY);
	CHECK_INT(rests_note(r, span_str("{\"request\":\"r-1\",\"type\":\"op\"}")), 0);
	CHECK_INT(rests_has(r, span_str("{\"type\":\"approval.vote\" }")), ERR_VERIFY);
	rests_free(r);
	rests_free(NULL);
	return tap_done();
}
