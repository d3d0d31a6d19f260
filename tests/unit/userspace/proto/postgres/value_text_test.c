/* Values as people read them: rows as a server's send function makes them, cuts of each, and what
 * is no value. */
#include "proto/postgres/value_text.h"

#include "../../../tap.h"

#define B(s) s, sizeof(s) - 1

static const struct row {
	uint32_t oid;
	const char *bytes;
	size_t len;
	const char *text; /* NULL: no value of the type */
} rows[] = {
    {16, B("\1"), "true"},
    {16, B("\0"), "false"},
    {16, B("\2"), NULL},
    {17, B("\0\xff"), "\\x00ff"},
    {17, B(""), "\\x"},
    {20, B("\x7f\xff\xff\xff\xff\xff\xff\xff"), "9223372036854775807"},
    {20, B("\x80\0\0\0\0\0\0\0"), "-9223372036854775808"},
    {21, B("\xff\xfe"), "-2"},
    {23, B("\0\0\0\x2a"), "42"},
    {23, B("\0\0\0\x2a\0"), NULL},
    {23, B("\0\0\x2a"), NULL},
    {25, B("it's"), "it's"},
    {25, B(""), ""},
    {25, B("\xff"), NULL},
    {25, B("a\0b"), NULL},
    {26, B("\xff\xff\xff\xff"), "4294967295"},
    {700, B("\x3d\xcc\xcc\xcd"), "0.1"},
    {701, B("\x3f\xb9\x99\x99\x99\x99\x99\x9a"), "0.1"},
    {701, B("\x7f\xf8\0\0\0\0\0\0"), "NaN"},
    {701, B("\xff\xf0\0\0\0\0\0\0"), "-Infinity"},
    {1082, B("\0\0\0\0"), "2000-01-01"},
    {1082, B("\0\0\x26\x60"), "2026-11-24"},
    {1082, B("\xff\xff\xff\xff"), "1999-12-31"},
    {1082, B("\x7f\xff\xff\xff"), "infinity"},
    {1082, B("\xff\xf4\xdb\xf8"), "0001-12-31 BC"},
    {1083, B("\0\0\0\x06\xb4\x9d\x20\0"), "08:00:00"},
    {1083, B("\xff\0\0\x06\xb4\x9d\x20\0"), NULL},
    {1114, B("\0\0\0\0\0\0\0\1"), "2000-01-01 00:00:00.000001"},
    {1114, B("\xff\xff\xff\xff\xff\xff\xff\xff"), "1999-12-31 23:59:59.999999"},
    {1184, B("\0\0\0\0\0\x07\xa1\x20"), "2000-01-01 00:00:00.5+00"},
    {1186, B("\0\0\0\0\0\x0f\x42\x40\0\0\0\2\xff\xff\xff\xff"), "-1 months 2 days 00:00:01"},
    {1700, B("\0\2\0\0\0\0\0\2\0\x01\x16\xa8"), "1.58"},
    {1700, B("\0\1\0\2\x40\0\0\0\0\x0c"), "-1200000000"},
    {1700, B("\0\1\xff\xff\0\0\0\5\0\1"), "0.00010"},
    {1700, B("\0\0\0\0\0\0\0\0"), "0"},
    {1700, B("\0\0\0\0\xc0\0\0\0"), "NaN"},
    {1700, B("\0\1\0\0\0\0\0\0\x27\x10"), NULL},
    {1700, B("\0\2\0\0\0\0\0\0\0\1"), NULL},
    {1700, B("\0\0\x7f\xff\0\0\0\0"), NULL},
    {2950, B("\x12\x34\x56\x78\x9a\xbc\xde\xf0\1\2\3\4\5\6\7\x08"),
     "12345678-9abc-def0-0102-030405060708"},
    {3802, B("\1{\"a\": 1}"), "{\"a\": 1}"},
    {3802, B("\2{}"), NULL},
    {1007, B("\0\0\0\0\0\0\0\0\0\0\0\x17"), "{}"},
    {1007, B("\0\0\0\1\0\0\0\1\0\0\0\x17\0\0\0\2\0\0\0\1\0\0\0\4\0\0\0\7\xff\xff\xff\xff"),
     "{7,NULL}"},
    {1007, B("\0\0\0\1\0\0\0\1\0\0\0\x19\0\0\0\1\0\0\0\1\0\0\0\4\0\0\0\7"), NULL}, /* says text */
    {1009, B("\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\3\0\0\0\1\0\0\0\3a\"b\0\0\0\0\0\0\0\4null"),
     "{\"a\\\"b\",\"\",\"null\"}"},
    {1009, B("\0\0\0\1\0\0\0\0\0\0\0\x19\x7f\xff\xff\xff\0\0\0\1"), NULL},
    {0, B("x"), NULL},
    {600, B("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), NULL},
};

static void table(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *r = &rows[i];
		char name[32];
		struct buf out;
		buf_init(&out, 4096);
		bool is_good = value_text(r->oid, span_of(r->bytes, r->len), &out);
		buf_add_u8(&out, 0);
		snprintf(name, sizeof(name), "row %zu", i);
		if (is_good != (r->text != NULL) ||
		    strcmp((const char *)buf_span(&out).p, r->text ? r->text : ""))
			printf("%s: %s\n", name, (const char *)buf_span(&out).p);
		CHECK(is_good == (r->text != NULL));
		CHECK_STR((const char *)buf_span(&out).p, r->text ? r->text : "");
		buf_done(&out);
	}
}

/* Where less is there than the type has, nothing is said. */
static void cuts(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *r = &rows[i];
		bool is_any_length = r->oid == 17 || r->oid == 25 || r->oid == 3802;
		for (size_t len = 0; r->text && !is_any_length && len < r->len; len++) {
			struct buf out;
			buf_init(&out, 4096);
			CHECK(!value_text(r->oid, span_of(r->bytes, len), &out));
			CHECK_INT(buf_len(&out), 0);
			buf_done(&out);
		}
	}
}

/* A few bytes may not become a book. */
static void limit(void)
{
	struct buf out;
	buf_init(&out, 1 << 20);
	CHECK(!value_text(1700, span_of("\0\1\x0f\xa0\0\0\0\0\0\1", 10), &out)); /* 10^16000 */
	CHECK(value_text(1700, span_of("\0\1\0\x64\0\0\0\0\0\1", 10), &out));	 /* 10^400 */
	CHECK_INT(buf_len(&out), 401);
	buf_done(&out);
}

static void names(void)
{
	CHECK_STR(value_type_name(2950), "uuid");
	CHECK_STR(value_type_name(1007), "int4[]");
	CHECK(!value_type_name(0));
	CHECK(!value_type_name(16384));
}

int main(void)
{
	table();
	cuts();
	limit();
	names();
	return tap_done();
}
