/* What is a question, and what of events and sessions answers it. ' stands for ". */
#include <stdlib.h>

#include "../../../tap.h"
#include "base/err.h"
#include "base/macro.h"
#include "record/query/internal.h"

static json_t *json_of(const char *text)
{
	char copy[600];
	snprintf(copy, sizeof(copy), "%s", text);
	for (char *c = copy; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	json_t *j = json_loads(copy, 0, NULL);
	CHECK(j != NULL);
	return j;
}

static struct query *read_one(const char *text, int want)
{
	json_t *j = json_of(text);
	struct query *q = NULL;
	int r = query_read(j, &q);
	CHECK_INT(r, want);
	if (r != want)
		printf("  %s\n", text);
	json_decref(j);
	return q;
}

static void is_a_question_or_not(void)
{
	static const struct {
		const char *text;
		int err;
	} rows[] = {
		{"{'kind':'events'}", 0},
		{"{'kind':'sessions','live':'1'}", 0},
		{"{'kind':'sessions','live':''}", 0},
		{"{'kind':'sessions','live':'maybe'}", ERR_MALFORMED},
		{"{'kind':'verify','checkpoints':'none'}", ERR_MALFORMED},
		{"{'kind':'verify','fingerprint':'00'}", ERR_MALFORMED},
		{"{'kind':'export','format':'lmdb'}", 0},
		{"{'kind':'export','format':'xml'}", ERR_MALFORMED},
		{"{'kind':'nonsense'}", ERR_MALFORMED},
		{"{}", ERR_MALFORMED},
		{"{'kind':'events','nonsense':'1'}", ERR_MALFORMED},
		{"{'kind':'events','since':'soon'}", ERR_MALFORMED},
		{"{'kind':'events','since':'99999999999'}", ERR_MALFORMED},
		{"{'kind':'events','from':'123456789012345678'}", 0},
		{"{'kind':'events','from':'1234567890123456789'}", ERR_MALFORMED},
		{"{'kind':'events','limit':7}", ERR_MALFORMED},
		{"{'kind':'events','verdict':'perhaps'}", ERR_MALFORMED},
		{"{'kind':'events','text':''}", ERR_MALFORMED},
		{"{'kind':'events','relation':'a.b.c'}", ERR_MALFORMED},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		query_free(read_one(rows[i].text, rows[i].err));
	query_free(NULL);
}

static void finds_events(void)
{
#define EVENT                                                                                      \
	"{'decision':'deny','flow':'f','identity':'crew','owner':'pat','session':'s-1','time':"    \
	"5000000000,'type':'op'}"
	static const struct {
		const char *filters, *event;
		bool is_found, is_whole;
	} rows[] = {
		{"{'kind':'events'}", EVENT, true, true},
		{"{'kind':'events','session':'s-1'}", EVENT, true, false},
		{"{'kind':'events','session':'s-2'}", EVENT, false, false},
		{"{'kind':'events','session':'s-'}", EVENT, false, false},
		{"{'kind':'events','identity':'crew','owner':'pat','flow':'f','type':'op'}", EVENT, true, false},
		{"{'kind':'events','identity':'crew','owner':'kim'}", EVENT, false, false},
		{"{'kind':'events','since':'5'}", EVENT, true, false},
		{"{'kind':'events','since':'6'}", EVENT, false, false},
		{"{'kind':'events','until':'5'}", EVENT, false, false},
		{"{'kind':'events','until':'6'}", EVENT, true, false},
		{"{'kind':'events','denied':'1'}", EVENT, true, false},
		{"{'kind':'events','denied':'1'}", "{'decision':'allow','time':1,'type':'op'}", false, false},
		{"{'kind':'events','denied':'1'}", "{'time':1,'type':'connect.refused'}", true, false},
		{"{'kind':'events','denied':'1'}", "{'time':1,'type':'bypass.attempt'}", true, false},
		{"{'kind':'events','verdict':'deny'}", EVENT, true, false},
		{"{'kind':'events','verdict':'allow'}", EVENT, false, false},
	};
	char text[400];
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct query *q = read_one(rows[i].filters, 0);
		struct scan s;
		snprintf(text, sizeof(text), "%s", rows[i].event);
		for (char *c = text; *c; c++)
			*c = *c == '\'' ? '"' : *c;
		CHECK_INT(scan_event(span_str(text), true, &s), 0);
		bool is_found = query_match_event(q, &s);
		CHECK_INT(is_found, rows[i].is_found);
		if (is_found != rows[i].is_found)
			printf("  %s\n", rows[i].filters);
		CHECK(!is_found || query_match_bytes(q, span_str(text))); /* it errs by finding too much only */
		CHECK_INT(query_is_whole(q), rows[i].is_whole);
		query_free(q);
	}
}

static void finds_sessions(void)
{
	static const struct {
		const char *filters, *summary;
		bool is_found;
	} rows[] = {
		{"{'kind':'sessions'}", "{'end':0,'session':'s-1','start':5000000000}", true},
		{"{'kind':'sessions','live':'1'}", "{'end':0,'session':'s-1','start':5000000000}", true},
		{"{'kind':'sessions','live':'1'}", "{'end':7,'session':'s-1','start':5000000000}", false},
		{"{'kind':'sessions','since':'6'}", "{'end':7,'session':'s-1','start':5000000000}", false},
		{"{'kind':'sessions','denied':'1'}", "{'denied':0,'session':'s-1','start':1}", false},
		{"{'kind':'sessions','denied':'1'}", "{'denied':2,'session':'s-1','start':1}", true},
		{"{'kind':'sessions','denied':'1'}", "{'denied':0,'refused_total':1,'start':1}", true},
		{"{'kind':'sessions','role':'r'}", "{'role':'r','start':1}", true},
		{"{'kind':'sessions','role':'r'}", "{'role':'q','start':1}", false},
	};
	char text[400];
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct query *q = read_one(rows[i].filters, 0);
		struct scan s;
		snprintf(text, sizeof(text), "%s", rows[i].summary);
		for (char *c = text; *c; c++)
			*c = *c == '\'' ? '"' : *c;
		CHECK_INT(scan_event(span_str(text), true, &s), 0);
		CHECK_INT(query_match_session(q, &s), rows[i].is_found);
		query_free(q);
	}
}

static int keep_line(void *ctx, struct span line)
{
	snprintf(ctx, 200, "%.*s", (int)line.len, (const char *)line.p);
	return 0;
}

int main(void)
{
	char line[200] = "";
	is_a_question_or_not();
	finds_events();
	finds_sessions();
	query_error(&(struct query_sink){.line = keep_line, .ctx = line}, ERR_LIMIT);
	CHECK(!strncmp(line, "{\"error\":\"", 10) && line[strlen(line) - 1] == '\n');
	struct query *q = read_one("{'kind':'events'}", 0);
	struct query_source nowhere = {.path = "/nowhere/at/all"};
	CHECK(query_answer(q, &nowhere, &(struct query_sink){.line = keep_line, .ctx = line}) < 0);
	CHECK(strstr(line, "error"));
	query_free(q);
	return tap_done();
}
