/* Data of COPY TO, in and out; whole, and cut at every place and byte by byte: the same comes out. */
#include "proto/postgres/copy_mask.h"

#include "../../../tap.h"

#define B(x)                                                                                                       \
	{                                                                                                          \
		(const uint8_t *)(x), sizeof(x) - 1                                                                \
	}
#define HEAD "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0"

/* Columns: int4 as it is, text with its last four shown, int4 redacted, text as it is. */
static const struct mask_how last4 = {.way = MASK_KEEP_LAST, .n = 4}, redact = {.way = MASK_REDACT};
static const struct mask_how fixed = {.way = MASK_FIXED, .text = "a\tb,\"c\nd\\"};
static const struct mask_column four[] = {
    {.type = 23}, {&last4, &last4, 25}, {&redact, &redact, 23}, {.type = 25}};
static const struct mask_column one[] = {{&last4, &last4, 25}}, odd[] = {{&fixed, &fixed, 25}};
static const struct mask_column recorded[] = {{NULL, &last4, 25}};

#define TEXT                                                                                                       \
	{                                                                                                          \
		.delimiter = '\t', .null = "\\N"                                                                   \
	}
#define CSV(q, e, ...)                                                                                             \
	{                                                                                                          \
		.format = COPY_CSV, .delimiter = ',', .quote = q, .escape = e, .null = "", __VA_ARGS__             \
	}
#define BINARY                                                                                                     \
	{                                                                                                          \
		.format = COPY_BINARY, .null = ""                                                                      \
	}

static const struct {
	const struct mask_column *columns;
	int n;
	struct sql_copy form;
	struct span in, out; /* of what was written before it failed, no word */
	int err, end;
} table[] = {
    {four, 4, TEXT, B("1\t512-64-7301\t7\tabc\n"), B("1\t***-**-7301\t0\tabc\n"), 0, 0},
    {four, 4, TEXT, B("\\N\t\\N\t\\N\t\\N\n1\t\t5\t\n"), B("\\N\t\\N\t\\N\t\\N\n1\t\t0\t\n"), 0, 0},
    {four, 4, TEXT, B("1\ta\\tb\\\\12345\t7\tx\\ty\\\\\n"), B("1\t*\\t*\\\\*2345\t0\tx\\ty\\\\\n"), 0, 0},
    {four, 4, TEXT, B("1\t\\\\N\t7\t\\\\N\n"), B("1\t\\\\*\t0\t\\\\N\n"), 0, 0}, /* a text \N, not NULL */
    {four, 4, TEXT, B("1\ta\\\nb12345\t7\tx\n"), B("1\t*\\n**2345\t0\tx\n"), 0, 0},
    {four, 4, TEXT, B(""), B(""), 0, 0},
    {four, 4, TEXT, B("1\t512-64-7301\t7\n"), B(""), ERR_DENIED, 0},
    {four, 4, TEXT, B("1\t512-64-7301\t7\tabc\t5\n"), B(""), ERR_DENIED, 0},
    {four, 4, TEXT, B("1\t512-64-7301\t7\tabc"), B("1\t***-**-7301\t0\tabc"), 0, ERR_MALFORMED},
    {four, 4, TEXT, B("1\t512-64-7301"), B("1\t"), 0, ERR_MALFORMED},
    {four, 4, {.delimiter = '|', .null = "nil"}, B("nil|nil|nil|nil\n2|a\\|b12345|5|\t\n"),
     B("nil|***|0|nil\n2|*\\|**2345|0|\t\n"), 0, 0}, /* a value may look like this NULL */
    {four, 4, {.delimiter = '\t', .null = "\\N", .has_header = true},
     B("a\tssn12345\tc\td\n1\tssn12345\t7\td\n"),
     B("a\tssn12345\tc\td\n1\t****2345\t0\td\n"), 0, 0},
    {odd, 1, TEXT, B("x\n"), B("a\\tb,\"c\\nd\\\\\n"), 0, 0},
    {one, 1, TEXT, B("\xc3\xa4\xc3\xb6" "12345\n"), B("***2345\n"), 0, 0},
    {one, 1, TEXT, B("\xff\xfe" "12345\n"), B("***2345\n"), 0, 0}, /* no UTF-8 */
    {recorded, 1, TEXT, B("12345\n"), B("12345\n"), 0, 0},
    {four, 4, CSV('"', '"'), B("1,512-64-7301,7,abc\n"), B("1,***-**-7301,0,abc\n"), 0, 0},
    {four, 4, CSV('"', '"'), B(",,,\n1,\"\",5,\"\"\n"), B(",,,\n1,\"\",0,\"\"\n"), 0, 0},
    {four, 4, CSV('"', '"'), B("1,\"a,\"\"b\n12345\",7,\"x,\"\"\n,\"\n"), B("1,\"*,\"\"*\n*2345\",0,\"x,\"\"\n,\"\n"),
     0, 0},
    {four, 4, CSV('\'', '\\'), B("1,'a\\'b\\\\12345',7,'x\\\\'\n"), B("1,'*\\'*\\\\*2345',0,'x\\\\'\n"), 0, 0},
    {one, 1, CSV('"', '5'), B("\"a5\"b\"\n\"ab\"\n"), B("\"*5\"*\"\n**\n"), 0, 0}, /* quotes are of what is shown */
    {one, 1, CSV('"', '"', .forces_quotes = true), B("\"ab\"\n"), B("\"**\"\n"), 0, 0},
    {four, 4, CSV('"', '"', .has_header = true), B("a,\"b\n,12345\",c,d\n1,12345,7,8\n"),
     B("a,\"b\n,12345\",c,d\n1,*2345,0,8\n"), 0, 0},
    {four, 4, CSV('"', '"'), B("1,2,3\n"), B(""), ERR_DENIED, 0},
    {four, 4, CSV('"', '"'), B("1,2,3,4,5\n"), B(""), ERR_DENIED, 0},
    {four, 4, CSV('"', '"'), B("1,\"2"), B("1,"), 0, ERR_MALFORMED},
    {odd, 1, CSV('"', '"'), B("x\n"), B("\"a\tb,\"\"c\nd\\\"\n"), 0, 0},
    {one, 1, {.format = COPY_CSV, .delimiter = ',', .quote = '"', .escape = '"', .null = "****"}, B("1\n****\n"),
     B("*\n****\n"), 0, 0},
    {four, 4, BINARY, B(HEAD "\0\4\0\0\0\4\0\0\0\1\0\0\0\5" "12345" "\0\0\0\4\0\0\0\7\0\0\0\1x" "\xff\xff"),
     B(HEAD "\0\4\0\0\0\4\0\0\0\1\0\0\0\5" "*2345" "\0\0\0\4\0\0\0\0\0\0\0\1x" "\xff\xff"), 0, 0},
    {one, 1, BINARY, B(HEAD "\0\1\xff\xff\xff\xff\0\1\0\0\0\0\xff\xff"),
     B(HEAD "\0\1\xff\xff\xff\xff\0\1\0\0\0\0\xff\xff"),
     0, 0},
    {one, 1, BINARY, B("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\3abc\0\1\0\0\0\1x\xff\xff"),
     B("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\3abc\0\1\0\0\0\1*\xff\xff"), 0, 0},
    {one, 1, BINARY, B(HEAD "\0\2"), B(""), ERR_DENIED, 0},
    {one, 1, BINARY, B("PGCOPY\n\377\r\n\0\0\1\0\0\0\0\0\0\0\1"), B(""), ERR_MALFORMED, 0},
    {one, 1, BINARY, B("PGCOPX\n\377\r\n\0\0\0\0\0\0\0\0\0"), B(""), ERR_MALFORMED, 0},
    {one, 1, BINARY, B(HEAD "\0\1\xff\xff\xff\xfe"), B(""), ERR_MALFORMED, 0},
    {one, 1, BINARY, B(HEAD "\xff\xffx"), B(""), ERR_MALFORMED, 0},
    {one, 1, BINARY, B(HEAD "\0\1\0\0\0\5" "1234"), B(HEAD "\0\1"), 0, ERR_MALFORMED},
    {one, 1, BINARY, B(""), B(""), 0, ERR_MALFORMED},
};

/* cut: bytes of the first piece; step: of the others. */
static void run(size_t i, size_t cut, size_t step)
{
	struct mask_result r = {.n = table[i].n, .columns = table[i].columns};
	struct span in = table[i].in;
	struct copy_mask *m;
	struct buf out;
	uint64_t masked = 0;
	int err = 0;
	buf_init(&out, 4096);
	CHECK_INT(copy_mask_new(&r, &table[i].form, COPY_FOR_CLIENT, 100, &m), 0);
	for (size_t at = 0, n = cut; !err && at < in.len; at += n, n = step) {
		n = n < in.len - at ? n : in.len - at;
		err = copy_mask_feed(m, span_of(in.p + at, n), &out, &masked);
	}
	bool ok = err == table[i].err && (err || span_eq(buf_span(&out), table[i].out));
	if (!err)
		ok &= copy_mask_end(m) == table[i].end;
	if (!ok)
		printf("row %zu cut at %zu, then %zu: %d \"%.*s\"\n", i, cut, step, err, (int)buf_len(&out),
		       (const char *)buf_span(&out).p);
	CHECK(ok);
	copy_mask_free(m);
	buf_done(&out);
}

static void limits(void)
{
	struct mask_result r = {.n = 1, .columns = one};
	static const struct sql_copy forms[] = {TEXT, CSV('"', '"'), BINARY};
	static const struct span starts[] = {B(""), B(""), B(HEAD "\0\1\0\0\0\145")};
	uint8_t value[101];
	memset(value, 'x', sizeof(value));
	for (size_t i = 0; i < 3; i++) {
		struct copy_mask *m;
		struct buf out;
		uint64_t masked = 0;
		buf_init(&out, 4096);
		CHECK_INT(copy_mask_new(&r, &forms[i], COPY_FOR_CLIENT, 100, &m), 0);
		int err = copy_mask_feed(m, starts[i], &out, &masked);
		for (size_t k = 0; !err && k < sizeof(value); k++)
			err = copy_mask_feed(m, span_of(value + k, 1), &out, &masked);
		CHECK_INT(err, ERR_LIMIT);
		copy_mask_free(m);
		buf_done(&out);
	}
}

/* What is only for the record. */
static void for_record(void)
{
	struct mask_result r = {.n = 1, .columns = recorded};
	struct sql_copy form = TEXT;
	struct copy_mask *m;
	struct buf out;
	uint64_t masked = 0;
	buf_init(&out, 4096);
	CHECK_INT(copy_mask_new(&r, &form, COPY_FOR_RECORD, 100, &m), 0);
	CHECK_INT(copy_mask_feed(m, span_str("12345\n"), &out, &masked), 0);
	CHECK(span_is(buf_span(&out), "*2345\n") && masked == 1);
	copy_mask_free(m);
	buf_done(&out);
}

int main(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		run(i, table[i].in.len, table[i].in.len);
		for (size_t cut = 1; cut < table[i].in.len; cut++)
			run(i, cut, table[i].in.len);
		for (size_t step = 1; step < 4; step++)
			run(i, step, step);
	}
	limits();
	for_record();
	return tap_done();
}
