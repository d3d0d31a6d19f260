/* What the planner expects: counts of what is changed or returned, and of each relation; nothing
 * else of a plan. */
#include "upstream/plan_rows.h"

#include "base/buf.h"

#include "tests/unit/tap.h"

#define SCAN(rows, name)                                                                           \
	"{\"Node Type\":\"Seq Scan\",\"Parent Relationship\":\"Outer\",\"Relation Name\":\"" name  \
	"\",\"Plan Rows\":" rows ",\"Total Cost\":10.6}"
#define ONE(node) "[{\"Plan\":" node "}]"
#define CHANGE(plans)                                                                              \
	"{\"Node Type\":\"ModifyTable\",\"Operation\":\"Delete\",\"Relation Name\":\"t\",\"Plan "  \
	"Rows\":0,\"Total Cost\":99,"                                                              \
	"\"Plans\":[" plans "]}"
#define SUB(rows)                                                                                  \
	"{\"Node Type\":\"Result\",\"Parent Relationship\":\"InitPlan\",\"Plan Rows\":" rows "}"
/* WITH d AS (DELETE ...) SELECT count(*): the one row of the top hides nothing */
#define AROUND(plans)                                                                              \
	"{\"Node Type\":\"Aggregate\",\"Plan Rows\":1,\"Total Cost\":99,\"Plans\":[" plans "]}"
#define LONG_NAME "a123456789b123456789c123456789d123456789e123456789f123456789g123"

static const struct {
	const char *json;
	int err;
	int64_t rows, cost;
	int n_parts;
	const char *how, *relation; /* of the first part */
} cases[] = {
    {ONE(SCAN("12", "t")), 0, 12, 11, 1, "Seq Scan", "t"},
    {ONE(CHANGE(SCAN("12", "t"))), 0, 12, 99, 2, "Delete", "t"},
    {ONE(CHANGE(SUB("500") "," SCAN("12", "t"))), 0, 12, 99, 2, "Delete",
     "t"}, /* a sub-select is not what it changes */
    {"[{\"Plan\":" CHANGE(SCAN("3", "t")) "},{\"Plan\":" SCAN("4", "u") "}]", 0, 7, 110, 3,
     "Delete", "t"}, /* by a rule */
    {ONE(AROUND(CHANGE(SCAN("12", "t")) "," SCAN("5", "u"))), 0, 12, 99, 3, "Delete", "t"},
    {ONE(AROUND(CHANGE(SCAN("12", "t")) "," CHANGE(SCAN("30", "t")))), 0, 42, 99, 4, "Delete", "t"},
    {ONE(CHANGE(AROUND(SCAN("5", "u")) "," CHANGE(SCAN("7", "t")) "," SCAN("4", "t"))), 0, 11, 99,
     5, "Delete", "t"},		    /* both are changed */
    {"[]", 0, 0, 0, 0, NULL, NULL}, /* a rule that does nothing */
    {ONE(SCAN("1e300", "t")), 0, PLAN_ROWS_MAX, 11, 1, "Seq Scan", "t"},
    {ONE(SCAN("99999999999999999999999", "t")), 0, PLAN_ROWS_MAX, 11, 1, "Seq Scan", "t"},
    {ONE(SCAN("-5", "t")), 0, 0, 11, 1, "Seq Scan", "t"},
    {ONE(SCAN("\"5\"", "t")), 0, 0, 11, 1, "Seq Scan", "t"},
    {ONE(SCAN("1", LONG_NAME)), 0, 1, 11, 1, "Seq Scan", "?"}, /* longer than a name is */
    {ONE(SCAN("1", "\\u00e9\\u202e")), 0, 1, 11, 1, "Seq Scan", "\xc3\xa9\xe2\x80\xae"},
    {"", ERR_MALFORMED, 0, 0, 0, NULL, NULL},
    {"{}", ERR_MALFORMED, 0, 0, 0, NULL, NULL},
    {"[1]", ERR_MALFORMED, 0, 0, 0, NULL, NULL},
    {"[\"Utility Statement\"]", ERR_MALFORMED, 0, 0, 0, NULL, NULL},
    {ONE("{}"), ERR_MALFORMED, 0, 0, 0, NULL, NULL},
    {ONE(CHANGE("1")), ERR_MALFORMED, 0, 0, 0, NULL, NULL},
    {ONE(SCAN("1", "t")) "x", ERR_MALFORMED, 0, 0, 0, NULL, NULL},
};

static void tells(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct plan_rows p = {.rows = -7};
		CHECK_INT(plan_rows_read(span_str(cases[i].json), &p), cases[i].err);
		CHECK_INT(p.rows, cases[i].err ? -7 : cases[i].rows);
		CHECK_INT(p.cost, cases[i].cost);
		CHECK_INT(p.n_parts, cases[i].n_parts);
		if (cases[i].n_parts)
			CHECK(!strcmp(p.parts[0].how, cases[i].how) &&
			      !strcmp(p.parts[0].relation, cases[i].relation));
	}
}

/* n nodes, each within the one before, or all beside each other. */
static int nested(int n, bool is_deep, struct plan_rows *p)
{
	struct buf b;
	buf_init(&b, 16 * 1024 * 1024);
	buf_add_str(&b, "[{\"Plan\":");
	buf_add_str(&b, "{\"Node Type\":\"Append\",\"Plans\":[");
	for (int i = 0; i < n; i++)
		buf_printf(&b, "%s{\"Node Type\":\"Scan\",\"Relation Name\":\"t\",\"Plans\":[%s",
			   i && !is_deep ? "," : "", is_deep ? "" : "]}");
	for (int i = 0; is_deep && i < n; i++)
		buf_add_str(&b, "]}");
	buf_add_str(&b, "]}}]");
	int err = plan_rows_read(buf_span(&b), p);
	buf_done(&b);
	return err;
}

static void has_limits(void)
{
	struct plan_rows p;
	CHECK_INT(nested(90, true, &p), 0);
	CHECK_INT(p.n_parts, PLAN_PARTS_MAX);
	CHECK(p.has_more);
	CHECK_INT(nested(200, true, &p), ERR_LIMIT);
	CHECK_INT(nested(100000, true, &p), ERR_MALFORMED); /* jansson's own limit */
	CHECK_INT(nested(19000, false, &p), 0);
	CHECK_INT(nested(21000, false, &p), ERR_LIMIT);
	CHECK_INT(nested(PLAN_PARTS_MAX, false, &p), 0);
	CHECK(!p.has_more);
}

int main(void)
{
	tells();
	has_limits();
	return tap_done();
}
