#include "proto/postgres/masking.h"

#include "../../../tap.h"
#include "rows_catalog.h"

#define B(x) {(const uint8_t *)(x), sizeof(x) - 1}

static const struct {
	enum mask_way way;
	int n;
	uint32_t type;
	uint16_t format;
	struct span value, shown; /* p NULL: NULL */
} table[] = {
    /* rows in text: field by field, what stands for NULL and "" stays */
    {MASK_KEEP_LAST, 4, TYPE_PAIR, 0, B("(7,512-64-7301)"), B("(0,***-**-7301)")},
    {MASK_KEEP_LAST, 4, TYPE_PAIR, 0, B("(,)"), B("(,)")},
    {MASK_KEEP_LAST, 4, TYPE_PAIR, 0, B("(,\"\")"), B("(,\"\")")},
    {MASK_KEEP_LAST, 3, TYPE_PAIR, 0, B("(1,\"a \"\"b\\\\c,)(\")"), B("(0,\"* \"\"*\\\\*,)(\")")},
    {MASK_KEEP_LAST, 1, TYPE_PAIR, 0, B("(1,a\\,b)"), B("(0,\"*,b\")")},
    {MASK_KEEP_LAST, 4, TYPE_NEST, 0, B("(\"(7,512-64-7301)\",\"{512-64-7301,NULL}\")"),
     B("(\"(0,***-**-7301)\",\"{***-**-7301,NULL}\")")},
    {MASK_NULL, 0, TYPE_PAIR, 0, B("(7,x)"), {0}},
    {MASK_WHOLE, 0, TYPE_PAIR, 0, B("(7,x)"), {0}},
    /* and what is none */
    {MASK_REDACT, 0, TYPE_PAIR, 0, B("(7)"), {0}},
    {MASK_REDACT, 0, TYPE_PAIR, 0, B("(7,x,y)"), {0}},
    {MASK_REDACT, 0, TYPE_PAIR, 0, B("(7,x)y"), {0}},
    {MASK_REDACT, 0, TYPE_PAIR, 0, B("(7,\"x)"), {0}},
    {MASK_REDACT, 0, TYPE_PAIR, 0, B("(7,x"), {0}},
    {MASK_REDACT, 0, TYPE_PAIR, 0, B(""), {0}},
    /* in binary */
    {MASK_KEEP_LAST, 1, TYPE_PAIR, 1, B("\0\0\0\2\0\0\0\x17\0\0\0\4\0\0\0\7\0\0\0\x19\0\0\0\2ab"),
     B("\0\0\0\2\0\0\0\x17\0\0\0\4\0\0\0\0\0\0\0\x19\0\0\0\2*b")},
    {MASK_KEEP_LAST, 1, TYPE_PAIR, 1, B("\0\0\0\2\0\0\0\x17\xff\xff\xff\xff\0\0\0\x19\xff\xff\xff\xff"),
     B("\0\0\0\2\0\0\0\x17\xff\xff\xff\xff\0\0\0\x19\xff\xff\xff\xff")},
    {MASK_REDACT, 0, TYPE_PAIR, 1, B("\0\0\0\1\0\0\0\x17\0\0\0\4\0\0\0\7"), {0}},
    {MASK_REDACT, 0, TYPE_PAIR, 1, B("\0\0\0\2\0\0\0\x19\0\0\0\1x\0\0\0\x19\0\0\0\2ab"), {0}}, /* of other types */
    {MASK_REDACT, 0, TYPE_PAIR, 1, B("\0\0\0\2\0\0\0\x17\0\0\0\4\0\0\0\7\0\0\0\x19\0\0\0\3ab"), {0}},
    {MASK_REDACT, 0, TYPE_PAIR, 1, B("\0\0\0\2\0\0\0\x17\xff\xff\xff\xff\0\0\0\x19\xff\xff\xff\xff!"), {0}},
    /* arrays of them, and of what has no constant */
    {MASK_KEEP_LAST, 1, TYPE_PAIRS, 0, B("{\"(1,ab)\",NULL,\"(,)\"}"), B("{\"(0,*b)\",NULL,\"(,)\"}")},
    {MASK_KEEP_LAST, 1, TYPE_PAIRS, 0, B("{}"), B("{}")},
    {MASK_KEEP_LAST, 1, TYPE_PAIRS, 1,
     B("\0\0\0\1\0\0\0\0\0\0\x4e\x21\0\0\0\1\0\0\0\1\0\0\0\x1a\0\0\0\2\0\0\0\x17\0\0\0\4\0\0\0\7\0\0\0\x19\0\0\0\2ab"),
     B("\0\0\0\1\0\0\0\0\0\0\x4e\x21\0\0\0\1\0\0\0\1\0\0\0\x1a\0\0\0\2\0\0\0\x17\0\0\0\4\0\0\0\0\0\0\0\x19\0\0\0\2*b")},
    {MASK_KEEP_LAST, 1, TYPE_ENUMS, 0, B("{a,b}"), B("{NULL,NULL}")},
    /* domains, ranges, others */
    {MASK_KEEP_LAST, 1, TYPE_CODE, 0, B("abc"), B("**c")},
    {MASK_KEEP_LAST, 1, TYPE_CODES, 0, B("{abc,d}"), B("{**c,*}")},
    {MASK_KEEP_LAST, 1, TYPE_CODES, 1, B("\0\0\0\1\0\0\0\0\0\0\x4e\x25\0\0\0\1\0\0\0\1\0\0\0\2ab"),
     B("\0\0\0\1\0\0\0\0\0\0\x4e\x25\0\0\0\1\0\0\0\1\0\0\0\2*b")},
    {MASK_REDACT, 0, TYPE_RANGE, 0, B("[a,b)"), B("empty")},
    {MASK_REDACT, 0, TYPE_RANGE, 1, B("\2"), B("\1")},
    {MASK_REDACT, 0, TYPE_RANGES, 0, B("{[a,b)}"), B("{}")},
    {MASK_REDACT, 0, TYPE_RANGES, 1, B("\0\0\0\1"), B("\0\0\0\0")},
    {MASK_REDACT, 0, TYPE_ENUM, 0, B("a"), {0}},
    {MASK_REDACT, 0, 77777, 0, B("a"), {0}},
    {MASK_REDACT, 0, TYPE_PAIR, 2, B("(1,x)"), {0}},
    {MASK_KEEP_LAST, 1, 25, 0, B("abc"), B("**c")},
};

int main(void)
{
	struct catalog *c = rows_catalog();
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct mask_how how = {.way = table[i].way, .n = table[i].n};
		struct buf b;
		buf_init(&b, 1000);
		buf_add_str(&b, "before");
		bool is_shown = mask_value_in(c, &how, table[i].type, table[i].format, table[i].value, &b);
		buf_consume(&b, 6);
		struct span shown = buf_span(&b);
		bool ok = table[i].shown.p ? is_shown && span_eq(shown, table[i].shown) : !is_shown;
		if (!ok)
			printf("# row %zu: %.*s\n", i, (int)shown.len, (const char *)shown.p);
		CHECK(ok);
		CHECK(table[i].format || table[i].type == 25 || table[i].type == TYPE_CODE ||
		      !mask_value_in(NULL, &how, table[i].type, table[i].format, table[i].value, &b));
		buf_done(&b);
	}
	catalog_unref(c);
	return tap_done();
}
