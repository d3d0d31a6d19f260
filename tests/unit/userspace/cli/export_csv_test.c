/* Cells that no spreadsheet runs; and the text of JSON strings. */
#include "cli/export_csv.c"
#include "cli/export_text.c"
#include "cli/inert.c"

#include "../../tap.h"

static const char *text_of(struct buf *b)
{
	buf_add_u8(b, 0);
	return buf_err(b) ? "?" : (const char *)buf_span(b).p;
}

static void cells(void)
{
	static const struct {
		const char *value, *cell;
	} rows[] = {
	    {"plain", "\"plain\""},
	    {"a \"b\", c", "\"a \"\"b\"\", c\""},
	    {"=1+1", "\"'=1+1\""},
	    {"+1", "\"'+1\""},
	    {"-1", "\"'-1\""},
	    {"@a", "\"'@a\""},
	    {"  =1", "\"  '=1\""},
	    {"\t=1", "\" '=1\""},
	    {"\r=1", "\"\\x0d\n'=1\""},
	    {"\xc2\xa0=1", "\"\xc2\xa0'=1\""},
	    {"\xe3\x80\x80=1", "\"\xe3\x80\x80'=1\""},
	    {"\xe2\x80\x82=1", "\"\xe2\x80\x82'=1\""},
	    {"\xef\xbc\x9d" "1", "\"'\xef\xbc\x9d" "1\""},
	    {"a=1", "\"a=1\""},
	    {"a;=1", "\"a;'=1\""},
	    {"a; \"=1", "\"a; \"\"'=1\""},
	    {"a\n-1", "\"a\n'-1\""},
	    {"a, -1", "\"a, -1\""},
	    {"\"=1", "\"\"\"'=1\""},
	    {"\x1b[2J\xe2\x80\xae", "\"\\x1b[2J\\u202e\""},
	    {"", "\"\""},
	};
	struct buf b;
	buf_init(&b, 100000);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf_reset(&b);
		add_cell(&b, span_str(rows[i].value));
		CHECK_STR(text_of(&b), rows[i].cell);
	}
	char *big = malloc(50001);
	for (int i = 0; i < 50000; i += 2)
		memcpy(big + i, "\xc3\xa4", 2);
	buf_reset(&b);
	add_cell(&b, span_of(big, 50000));
	CHECK(buf_len(&b) > 32000 && buf_len(&b) < 32200);
	CHECK(strstr(text_of(&b), "\xc3\xa4 ... (50000 bytes in all: jsonl has them)\""));
	free(big);
	buf_done(&b);
}

static void strings(void)
{
	static const struct {
		const char *json, *text;
	} rows[] = {{"\"\"", ""},
		    {"\"a\"", "a"},
		    {"\"a\\nb\\t\\\"\\\\\\r\\b\\f\"", "a\nb\t\"\\\r\b\f"},
		    {"\"\\u001b[\\u0001\"", "\x1b[\x01"},
		    {"\"\xc3\xa4\"", "\xc3\xa4"}};
	struct buf b;
	buf_init(&b, 1000);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf_reset(&b);
		payload_unescape(&b, span_str(rows[i].json));
		CHECK_STR(text_of(&b), rows[i].text);
	}
	buf_done(&b);
}

static void a_row(void)
{
	static const char event[] =
	    "{\"_prev\":\"00\",\"_seq\":7,\"decision\":\"deny\",\"extra\":{\"a\":1},\"needs\":[{\"kind\":\"relation\","
	    "\"name\":\"t\",\"schema\":\"public\",\"verb\":\"drop\"},{\"kind\":\"plain\",\"verb\":\"show\"}],"
	    "\"rule_b64\":\"AA==\",\"text\":\"DROP TABLE t\",\"time\":1795522828994887956,\"type\":\"op\"}";
	struct export_state state = {0};
	struct scan e;
	struct buf b;
	buf_init(&b, 100000);
	CHECK_INT(scan_event(span_str(event), true, &e), 0);
	csv_event(&b, span_str(event), &e, &state);
	const char *row = text_of(&b);
	static const char begin[] = "\"7\",\"2026-11-24T12:20:28.994887956Z\",\"op\",";
	CHECK(!strncmp(row, begin, sizeof(begin) - 1));
	CHECK(strstr(row, ",\"deny\",\"base64:AA==\","));
	CHECK(strstr(row, ",\"drop public.t, show \",\"DROP TABLE t\","));
	CHECK(strstr(row, ",\"{\"\"extra\"\":{\"\"a\"\":1}}\"\r\n"));
	int commas = 0;
	for (const char *p = row, *quote = NULL; *p; p++) {
		quote = *p == '"' ? (quote ? NULL : p) : quote;
		commas += !quote && *p == ',';
	}
	CHECK_INT(commas, ARRAY_LEN(columns));
	buf_done(&b);
}

int main(void)
{
	cells();
	strings();
	a_row();
	return tap_done();
}
