#include "proto/postgres/masking.h"

#include <jansson.h>

#include "../../../tap.h"

/* keep_last 4 of what is found. */
static const struct {
	const char *value, *shown; /* shown NULL: it is none */
} table[] = {
    {"{}", "{}"},
    {" [1, 2.5e3, true,null ,\"a\\u00e9\\n\"] ", " [1, 2.5e3, true,null ,\"a\\u00e9\\n\"] "},
    {"{\"k\":\"512-64-7301\"}", "{\"k\":\"***-**-7301\"}"},
    {"{\"k\": [\"ssn 512-64-7301 \\\"x\\\"\", 1]}", "{\"k\": [\"ssn ***-**-7301 \\\"x\\\"\", 1]}"},
    {"{\"ssn\":512647301,\"n\":512647301}", "{\"ssn\":\"*****7301\",\"n\":512647301}"},
    {"{\"dob\" : \"1990-05-06\", \"at\":\"1990-05-06\"}", "{\"dob\" : \"****-05-06\", \"at\":\"1990-05-06\"}"},
    {"{\"phones\":[\"030 123456\"], \"x\":\"030 123456\"}", "{\"phones\":[\"*** **3456\"], \"x\":\"030 123456\"}"},
    {"\"512-64-7301\"", "\"***-**-7301\""},
    {"{\"512-64-7301\":1}", "{\"***-**-7301\":1}"},
    {"\"\\u0035\\u0031\\u0032-64-7301\"", "\"***-**-7301\""},
    {"\"512-64-7301 \\ud83d\\ude00\\/\\t\"", "\"***-**-7301 \xf0\x9f\x98\x80/\\u0009\""},
    {"4111111111111111", "\"************1111\""},
    {"[4111111111111111,-4.5]", "[\"************1111\",-4.5]"},
    {"\"ada@example.com", NULL},
    {"\"\\x\"", NULL},
    {"\"\\u12", NULL},
    {"\"\\", NULL},
};

int main(void)
{
	struct mask_how how = {.way = MASK_KEEP_LAST, .n = 4, .detect = DETECT_BUILT_INS};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct buf b;
		buf_init(&b, 1000);
		bool ok = mask_json(&how, span_str(table[i].value), &b);
		struct span shown = buf_span(&b);
		CHECK(ok == (table[i].shown != NULL));
		if (!table[i].shown || !ok) {
			CHECK(!shown.len);
		} else {
			json_t *j = json_loadb((const char *)shown.p, shown.len, JSON_DECODE_ANY, NULL);
			CHECK(span_is(shown, table[i].shown));
			if (!span_is(shown, table[i].shown))
				printf("# %.*s\n", (int)shown.len, (const char *)shown.p);
			CHECK(j != NULL);
			json_decref(j);
		}
		buf_done(&b);
	}
	return tap_done();
}
