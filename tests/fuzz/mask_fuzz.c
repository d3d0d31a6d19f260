/* Values and rows through every mask: first byte the way, second the type, third the format and the detectors,
 * the rest a DataRow's body, a value and a statement's text. */
#include <jansson.h>
#include <stdlib.h>

#include "policy/detect/detect.h"
#include "proto/postgres/masking.h"
#include "record/literals.h"
#include "tests/unit/userspace/proto/postgres/rows_catalog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint32_t oids[] = {
    16, 17, 20, 21, 23, 25, 114, 700, 701, 1043, 1082, 1114, 1184, 1700, 2950,
    3802, 0,	1009, 1007, 1182, 3807, 142, 869, 3904, TYPE_PAIR, TYPE_NEST, TYPE_PAIRS, TYPE_CODE, TYPE_CODES,
    TYPE_RANGE,
};

/* A DataRow's body of n columns, to its end. */
static bool is_row(struct span body, int n)
{
	struct cur c = cur_of(body);
	bool ok = cur_u16(&c) == n;
	for (int i = 0; i < n; i++) {
		uint32_t len = cur_u32(&c);
		if (len != UINT32_MAX)
			(void)cur_bytes(&c, len);
	}
	return ok && !cur_err(&c) && !cur_left(&c);
}

/* What comes of a row must be one again, of as many columns. */
static void row(const struct mask_how *how, uint32_t type, uint16_t format, struct span body)
{
	struct mask_column columns[4] = {{how, how, type}, {NULL, NULL, 25}, {how, how, 25}, {NULL, NULL, type}};
	struct buf out;
	uint64_t masked = 0;
	buf_init(&out, 1 << 20);
	int n = body.len > 1 ? body.p[1] & 3 : 0;
	struct mask_result r = {.n = n, .columns = columns};
	struct row_mask m;
	row_mask_init(&m, &r, (struct formats){&format, 1}, 1 << 20);
	bool is_masked = !row_mask_apply(&m, body, 0, &out, &masked) && !buf_err(&out);
	if (is_masked && is_row(body, n) && !is_row(span_of(buf_span(&out).p + 5, buf_len(&out) - 5), n))
		abort();
	if (is_masked && m.n && row_mask_wants(&m, body) > body.len)
		abort();
	buf_done(&out);
}

/* As PostgreSQL takes it: no NUL, where jansson ends. */
static bool is_json(struct span s)
{
	if (memchr(s.p, 0, s.len))
		return false;
	json_t *j = json_loadb((const char *)s.p, s.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	json_decref(j);
	return j != NULL;
}

/* What was valid JSON still is. */
static void json(const struct mask_how *how, struct span value, struct buf *out)
{
	if (is_json(value) && mask_json(how, value, out) && !is_json(buf_span(out)))
		abort();
	buf_reset(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct catalog *catalog;
	if (size < 3)
		return 0;
	struct mask_how how = {.way = data[0] % MASK_WAY_COUNT, .n = 1 + data[0] / 32, .text = "x"};
	uint32_t type = oids[data[1] % (sizeof(oids) / sizeof(oids[0]))];
	uint16_t format = data[2] & 1;
	struct span rest = span_of(data + 3, size - 3);
	struct buf out;
	how.detect = data[2] >> 1 & ((1u << DETECT_COUNT) - 1);
	row(&how, type, format, rest);
	buf_init(&out, 1 << 20);
	catalog = catalog ? catalog : rows_catalog();
	(void)mask_value_in(catalog, &how, type, format, rest, &out);
	buf_reset(&out);
	json(&how, rest, &out);
	literals_hide(rest, &out);
	if (buf_len(&out) > rest.len)
		abort();
	for (size_t i = 0; i < buf_len(&out); i++)
		if (buf_span(&out).p[i] == '\'' && !memchr(buf_span(&out).p, '"', i)) /* quotes stay in names alone */
			abort();
	buf_done(&out);
	return 0;
}
