#include "proto/postgres/masking.h"

#include "../../../tap.h"

#define TEXT 25
#define B(x)                                                                                                       \
	{                                                                                                          \
		(const uint8_t *)(x), sizeof(x) - 1                                                                \
	}

static const struct {
	struct mask_how how;
	uint32_t type;
	uint16_t format;
	struct span value, shown; /* p NULL: NULL */
} table[] = {
    {{MASK_KEEP_LAST, 4, NULL, 0}, TEXT, 0, B("512-64-7301"), B("***-**-7301")},
    {{MASK_KEEP_LAST, 4, NULL, 0}, TEXT, 1, B("512-64-7301"), B("***-**-7301")},
    {{MASK_KEEP_LAST, 4, NULL, 0}, 1043, 1, B("512-64-7301"), B("***-**-7301")},
    {{MASK_KEEP_LAST, 4, NULL, 0}, 1042, 0, B("512-64-7301"), B("***-**-7301")},
    /* numbers have no part that could be kept */
    {{MASK_KEEP_LAST, 4, NULL, 0}, 23, 0, B("123456"), B("0")},
    {{MASK_KEEP_LAST, 4, NULL, 0}, 23, 1, B("\0\1\2\3"), B("\0\0\0\0")},
    {{MASK_REDACT, 0, NULL, 0}, 21, 1, B("\1\2"), B("\0\0")},
    {{MASK_REDACT, 0, NULL, 0}, 20, 1, B("\1\2\3\4\5\6\7\10"), B("\0\0\0\0\0\0\0\0")},
    {{MASK_REDACT, 0, NULL, 0}, 700, 1, B("\1\2\3\4"), B("\0\0\0\0")},
    {{MASK_REDACT, 0, NULL, 0}, 701, 0, B("1.5"), B("0")},
    {{MASK_REDACT, 0, NULL, 0}, 1700, 0, B("NaN"), B("0")},
    {{MASK_REDACT, 0, NULL, 0}, 1700, 1, B("\0\1\0\0\0\0\0\0\0\5"), B("\0\0\0\0\0\0\0\0")},
    {{MASK_REDACT, 0, NULL, 0}, 16, 0, B("t"), B("f")},
    {{MASK_REDACT, 0, NULL, 0}, 16, 1, B("\1"), B("\0")},
    {{MASK_REDACT, 0, NULL, 0}, 17, 0, B("\\x0102"), B("\\x")},
    {{MASK_REDACT, 0, NULL, 0}, 17, 1, B("\1\2"), B("")},
    {{MASK_REDACT, 0, NULL, 0},
     2950,
     0,
     B("11111111-2222-3333-4444-555555555555"),
     B("00000000-0000-0000-0000-000000000000")},
    {{MASK_REDACT, 0, NULL, 0}, 2950, 1, B("0123456789abcdef"), B("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")},
    {{MASK_REDACT, 0, NULL, 0}, 114, 0, B("{\"a\":1}"), B("\"****\"")},
    {{MASK_REDACT, 0, NULL, 0}, 3802, 1, B("\1{}"), B("\1\"****\"")},
    {{MASK_REDACT, 0, NULL, 0}, 3802, 0, B("{}"), B("\"****\"")},
    /* dates: 2024-05-06 is day 8892, 1999-12-31 is -1, 1600-02-29 is -146038 */
    {{MASK_YEAR, 0, NULL, 0}, 1082, 0, B("2024-05-06"), B("2024-01-01")},
    {{MASK_YEAR, 0, NULL, 0}, 1082, 1, B("\x00\x00\x22\xbc"), B("\x00\x00\x22\x3e")},
    {{MASK_YEAR, 0, NULL, 0}, 1082, 1, B("\xff\xff\xff\xff"), B("\xff\xff\xfe\x93")},
    {{MASK_YEAR, 0, NULL, 0}, 1082, 1, B("\x00\x00\x00\x00"), B("\x00\x00\x00\x00")},
    {{MASK_YEAR, 0, NULL, 0}, 1082, 1, B("\x7f\xff\xff\xff"), {0}}, /* infinity */
    {{MASK_YEAR, 0, NULL, 0}, 1082, 0, B("infinity"), {0}},
    {{MASK_YEAR, 0, NULL, 0}, 1082, 0, B("06/05/2024"), {0}},
    {{MASK_YEAR, 0, NULL, 0}, 1082, 0, B("0044-03-15 BC"), {0}},
    {{MASK_YEAR, 0, NULL, 0}, 1114, 0, B("2024-05-06 07:08:09.1"), B("2024-01-01 00:00:00")},
    {{MASK_YEAR, 0, NULL, 0}, 1184, 0, B("2024-05-06 07:08:09+02"), B("2024-01-01 00:00:00+00")},
    {{MASK_YEAR, 0, NULL, 0},
     1114,
     1,
     B("\xff\xff\xff\xff\xff\xff\xff\xff"),
     B("\xff\xff\xe3\x51\x73\xec\x20\x00")},
    {{MASK_REDACT, 0, NULL, 0}, 1082, 0, B("2024-05-06"), B("2000-01-01")},
    {{MASK_REDACT, 0, NULL, 0}, 1184, 1, B("\1\2\3\4\5\6\7\10"), B("\0\0\0\0\0\0\0\0")},
    /* what is computed, and what no constant is known of */
    {{MASK_WHOLE, 0, NULL, 0}, TEXT, 0, B("abc"), B("****")},
    {{MASK_WHOLE, 0, NULL, 0}, 23, 0, B("7"), {0}},
    {{MASK_WHOLE, 0, NULL, 0}, 3802, 0, B("{}"), {0}},
    {{MASK_REDACT, 0, NULL, 0}, 869, 0, B("10.0.0.1"), B("0.0.0.0")},
    {{MASK_REDACT, 0, NULL, 0}, 869, 1, B("\2\x20\0\4\12\0\0\1"), B("\2\x20\0\4\0\0\0\0")},
    {{MASK_REDACT, 0, NULL, 0}, 142, 0, B("<a>7</a>"), B("****")},
    {{MASK_REDACT, 0, NULL, 0}, 3904, 0, B("[1,5)"), B("empty")},
    {{MASK_REDACT, 0, NULL, 0}, 3904, 1, B("\2\0\0\0\4\0\0\0\1\0\0\0\4\0\0\0\5"), B("\1")},
    /* arrays: element by element */
    {{MASK_KEEP_LAST, 2, NULL, 0}, 1009, 0, B("{abcd,NULL,\"null\",\"a,\\\"b\",\"\"}"),
     B("{**cd,NULL,**ll,\"*,\\\"*\",\"\"}")},
    {{MASK_KEEP_LAST, 2, NULL, 0}, 1009, 0, B("{}"), B("{}")},
    {{MASK_KEEP_LAST, 2, NULL, 0}, 1007, 0, B("{{1,2},{3,NULL}}"), B("{{0,0},{0,NULL}}")},
    {{MASK_KEEP_LAST, 2, NULL, 0}, 1007, 0, B("[0:1]={1,2}"), B("[0:1]={0,0}")},
    {{MASK_YEAR, 0, NULL, 0}, 1182, 0, B("{2024-05-06,infinity}"), B("{2024-01-01,NULL}")},
    {{MASK_REDACT, 0, NULL, 0}, 1007, 0, B("{1,2"), {0}},
    {{MASK_REDACT, 0, NULL, 0}, 1007, 0, B("{1}}"), {0}},
    {{MASK_REDACT, 0, NULL, 0}, 1007, 0, B("{1}2"), {0}},
    {{MASK_REDACT, 0, NULL, 0}, 1009, 0, B("{\"1}"), {0}},
    {{MASK_REDACT, 0, NULL, 0}, 1007, 0, B("1"), {0}},
    {{MASK_REDACT, 0, NULL, 0}, 1007, 0, B(""), {0}},
    {{MASK_WHOLE, 0, NULL, 0}, 1009, 0, B("{a}"), {0}},
    {{MASK_KEEP_LAST, 1, NULL, 0}, 1009, 1,
     B("\0\0\0\1\0\0\0\1\0\0\0\x19\0\0\0\2\0\0\0\1\0\0\0\2ab\xff\xff\xff\xff"),
     B("\0\0\0\1\0\0\0\1\0\0\0\x19\0\0\0\2\0\0\0\1\0\0\0\2*b\xff\xff\xff\xff")},
    {{MASK_KEEP_LAST, 1, NULL, 0}, 1009, 1, B("\0\0\0\0\0\0\0\0\0\0\0\x19"), B("\0\0\0\0\0\0\0\0\0\0\0\x19")},
    {{MASK_YEAR, 0, NULL, 0}, 1182, 1, /* what has no value of its type is NULL, and the array says so */
     B("\0\0\0\1\0\0\0\0\0\0\4\x3a\0\0\0\1\0\0\0\1\0\0\0\4\x7f\xff\xff\xff"),
     B("\0\0\0\1\0\0\0\1\0\0\4\x3a\0\0\0\1\0\0\0\1\xff\xff\xff\xff")},
    {{MASK_REDACT, 0, NULL, 0}, 1009, 1, B("\0\0\0\1\0\0\0\0\0\0\0\x17\0\0\0\0\0\0\0\1"), {0}}, /* of ints */
    {{MASK_REDACT, 0, NULL, 0}, 1009, 1, B("\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\2\0\0\0\1\0\0\0\1x"), {0}},
    {{MASK_REDACT, 0, NULL, 0}, 1009, 1, B("\0\0\0\7\0\0\0\0\0\0\0\x19"), {0}},
    {{MASK_KEEP_LAST, 4, NULL, 0}, 99999, 0, B("512-64-7301"), {0}},
    {{MASK_KEEP_LAST, 4, NULL, 0}, 0, 0, B("512-64-7301"), {0}}, /* never described */
    {{MASK_KEEP_LAST, 4, NULL, 0}, TEXT, 2, B("512-64-7301"), {0}},
    {{MASK_NULL, 0, NULL, 0}, 23, 1, B("\0\0\0\1"), {0}},
};

static void values(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct buf b;
		buf_init(&b, 1000);
		bool is_shown = mask_value(&table[i].how, table[i].type, table[i].format, table[i].value, &b);
		bool ok = table[i].shown.p ? is_shown && span_eq(buf_span(&b), table[i].shown) : !is_shown;
		if (!ok)
			printf("row %zu: type %u format %u: %zu bytes\n", i, table[i].type, table[i].format,
			       buf_len(&b));
		CHECK(ok);
		buf_done(&b);
	}
}

int main(void)
{
	values();
	return tap_done();
}
