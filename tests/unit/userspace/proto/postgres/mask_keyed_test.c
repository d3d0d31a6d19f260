/* The same value gives the same in text and in binary, of its type, within its bounds. */
#include "proto/postgres/masking.h"

#include <stdlib.h>

#include "../../../tap.h"

static struct mask_how how_of(enum mask_way way, enum mask_scope scope, const char *name)
{
	struct mask_how h = {.way = way, .has_key = true, .scope = scope};
	mask_key_of_file(span_str("0123456789abcdef"), h.key);
	mask_key_of_scope(&h, name);
	return h;
}

static int64_t whole(const struct mask_how *how, uint32_t type, size_t size, int64_t v, bool is_binary)
{
	uint8_t raw[8];
	char text[32];
	struct buf b;
	int64_t x = 0;
	for (size_t i = 0; i < size; i++)
		raw[i] = (uint8_t)((uint64_t)v >> (8 * (size - 1 - i)));
	snprintf(text, sizeof(text), "%lld", (long long)v);
	buf_init(&b, 100);
	struct span in = is_binary ? span_of(raw, size) : span_str(text);
	CHECK(mask_value(how, type, is_binary, in, &b));
	if (is_binary) {
		CHECK_INT(buf_len(&b), size);
		for (size_t i = 0; i < buf_len(&b); i++)
			x = (int64_t)((uint64_t)x << 8 | buf_span(&b).p[i]);
		int unused = 64 - 8 * (int)size;
		x = (int64_t)((uint64_t)x << unused) >> unused;
	} else {
		buf_add_u8(&b, 0);
		x = strtoll((const char *)buf_span(&b).p, NULL, 10);
	}
	buf_done(&b);
	return x;
}

static int digits_of(int64_t x)
{
	char text[32];
	return snprintf(text, sizeof(text), "%lld", (long long)x);
}

static void check_integers(void)
{
	static const struct {
		uint32_t type;
		size_t size;
		int64_t v[5];
	} rows[] = {{21, 2, {0, 7, -12, INT16_MAX, INT16_MIN}},
		    {23, 4, {0, 40961, -5, INT32_MAX, INT32_MIN}},
		    {20, 8, {0, 4539148803436426, -1, INT64_MAX, INT64_MIN + 1}}};
	static const enum mask_way ways[] = {MASK_HASH, MASK_DIGITS};
	for (size_t w = 0; w < 2; w++) {
		struct mask_how how = how_of(ways[w], MASK_SCOPE_POLICY, "x");
		for (size_t i = 0; i < 3; i++) {
			int64_t most = (int64_t)(UINT64_MAX >> (65 - 8 * rows[i].size));
			for (int k = 0; k < 5; k++) {
				int64_t text = whole(&how, rows[i].type, rows[i].size, rows[i].v[k], false);
				CHECK(text == whole(&how, rows[i].type, rows[i].size, rows[i].v[k], true));
				CHECK(text <= most && text >= -most);
				if (ways[w] == MASK_DIGITS)
					CHECK_INT(digits_of(text), digits_of(rows[i].v[k]));
			}
		}
	}
}

static bool is_same(const struct mask_how *a, const struct mask_how *b, uint32_t type, uint16_t format, struct span v)
{
	struct buf x, y;
	buf_init(&x, 100);
	buf_init(&y, 100);
	bool ok = mask_value(a, type, format, v, &x) && mask_value(b, type, format, v, &y) &&
		  span_eq(buf_span(&x), buf_span(&y));
	buf_done(&x);
	buf_done(&y);
	return ok;
}

static void check_scopes(void)
{
	struct mask_how a = how_of(MASK_HASH, MASK_SCOPE_SESSION, "s-1");
	struct mask_how b = how_of(MASK_HASH, MASK_SCOPE_SESSION, "s-2");
	struct mask_how p = how_of(MASK_HASH, MASK_SCOPE_POLICY, "s-1");
	struct mask_how q = how_of(MASK_HASH, MASK_SCOPE_POLICY, "s-2");
	struct span v = span_str("512-64-7301");
	CHECK(is_same(&a, &a, 25, 0, v) && !is_same(&a, &b, 25, 0, v));
	CHECK(is_same(&p, &q, 25, 0, v) && !is_same(&p, &a, 25, 0, v));
}

static void check_others(void)
{
	struct mask_how how = how_of(MASK_HASH, MASK_SCOPE_POLICY, "");
	struct mask_how without = {.way = MASK_HASH};
	struct buf b;
	buf_init(&b, 100);
	CHECK(mask_value(&how, 2950, 1, span_of("0123456789abcdef", 16), &b) && buf_len(&b) == 16);
	CHECK(buf_span(&b).p[6] >> 4 == 8 && buf_span(&b).p[8] >> 6 == 2);
	buf_reset(&b);
	CHECK(mask_value(&how, 3802, 1, span_str("\1{}"), &b) && buf_len(&b) == 35 && buf_span(&b).p[0] == 1);
	buf_reset(&b);
	CHECK(mask_value(&how, 701, 0, span_str("1.5"), &b) && span_is(buf_span(&b), "0")); /* no room for a hash */
	buf_reset(&b);
	CHECK(!mask_value(&without, 25, 0, span_str("x"), &b));
	CHECK(!mask_value(&without, 23, 0, span_str("7"), &b));
	buf_done(&b);
}

int main(void)
{
	check_integers();
	check_scopes();
	check_others();
	return tap_done();
}
