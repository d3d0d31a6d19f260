/* Data of a masked COPY: any bytes, cut anywhere, come out as they do whole, and what comes out
 * is data of the same form. The first bytes choose the form and the cuts. */
#include <stdlib.h>

#include "proto/postgres/copy_mask.h"

static const struct mask_how redact = {.way = MASK_REDACT}, last4 = {.way = MASK_KEEP_LAST, .n = 4};
static const struct mask_column columns[] = {{.type = 25}, {&redact, NULL, 25}, {&last4, NULL, 1043}};
static const struct mask_result result = {.n = 3, .columns = columns};
static const struct sql_copy forms[] = {
    {.delimiter = '\t', .null = "\\N"},
    {.delimiter = '|', .null = ""},
    {.format = COPY_CSV, .delimiter = ',', .quote = '"', .escape = '"', .null = ""},
    {.format = COPY_CSV, .delimiter = ';', .quote = '\'', .escape = '\\', .null = "x", .has_header = true},
    {.format = COPY_BINARY, .null = ""},
};

/* What is masked may be longer than what it was, by what must be escaped. */
#define FIELD_MAX  1000
#define MASKED_MAX (4 * FIELD_MAX)

/* Up to a newline, as the server cuts rows: these are read in another way. */
static size_t line(struct span in, size_t at)
{
	const uint8_t *end = memchr(in.p + at, '\n', in.len - at);
	return end ? (size_t)(end - in.p) - at + 1 : in.len - at;
}

/* step 0: in lines. */
static int run(const struct sql_copy *form, struct span in, size_t step, size_t field_max,
	       struct buf *out)
{
	struct copy_mask *m;
	uint64_t masked = 0;
	int err = 0;
	if (copy_mask_new(&result, form, COPY_FOR_CLIENT, field_max, &m))
		abort();
	for (size_t at = 0, n; !err && at < in.len; at += n) {
		n = step < in.len - at ? step : in.len - at;
		n = step ? n : line(in, at);
		err = copy_mask_feed(m, span_of(in.p + at, n), out, &masked);
	}
	if (!err)
		err = copy_mask_end(m);
	copy_mask_free(m);
	return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	if (n < 2 || n > 4000)
		return 0;
	const struct sql_copy *form = &forms[p[0] % (sizeof(forms) / sizeof(forms[0]))];
	size_t step = 1 + p[1] % 32;
	struct span in = span_of(p + 2, n - 2);
	struct buf whole, cut, lines, again;
	buf_init(&whole, 1 << 20);
	buf_init(&cut, 1 << 20);
	buf_init(&lines, 1 << 20);
	buf_init(&again, 1 << 20);
	int err = run(form, in, in.len + 1, FIELD_MAX, &whole);
	if (run(form, in, step, FIELD_MAX, &cut) != err || run(form, in, 0, FIELD_MAX, &lines) != err)
		abort();
	if (!err && !span_eq(buf_span(&whole), buf_span(&cut)))
		abort();
	if (!err && !span_eq(buf_span(&whole), buf_span(&lines)))
		abort();
	if (!err && run(form, buf_span(&whole), 7, MASKED_MAX, &again))
		abort();
	buf_done(&whole);
	buf_done(&cut);
	buf_done(&lines);
	buf_done(&again);
	return 0;
}
