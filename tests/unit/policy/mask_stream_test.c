/* Values in pieces are masked as they are whole, wherever they are cut. */
#include "policy/mask.h"

#include <stdlib.h>

#include "base/macro.h"

#include "../tap.h"

#define LIMIT (1 << 20)

static size_t put(uint8_t *out, size_t at, const char *text)
{
	memcpy(out + at, text, strlen(text));
	return at + strlen(text);
}

static size_t put_run(uint8_t *out, size_t at, size_t n, unsigned *seed)
{
	for (size_t i = 0; i < n; i++)
		out[at++] = (uint8_t)('a' + rand_r(seed) % 26);
	return at;
}

/* Finds of every length up to beyond what is held, with plain text of every length between. */
static size_t make_text(uint8_t *out, unsigned *seed)
{
	static const char *const pieces[] = {"4111 1111 1111 1111",
					     " ada@example.com,",
					     "ssn 247-56-8310 ",
					     "+49 30 1234567",
					     " call 555-1234",
					     "born 1990-05-06",
					     "10.0.0.1",
					     "fe80::1",
					     "DE89370400440532013000",
					     " ",
					     "@",
					     "-----BEGIN ",
					     "1",
					     "eyJ",
					     "."};
	size_t at = 0;
	for (int n = rand_r(seed) % 40; n > 0; n--) {
		int what = rand_r(seed) % 20;
		size_t many = (size_t)rand_r(seed) % (DETECT_LONGEST * 2);
		if (what == 0) {
			at = put(out, at, " eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.");
			at = put_run(out, at, many, seed);
		} else if (what == 1) {
			at = put(out, at, "-----BEGIN PRIVATE KEY-----\n");
			at = put_run(out, at, many, seed);
			at = put(out, at, rand_r(seed) % 2 ? "\n-----END PRIVATE KEY-----" : "\"");
		} else if (what == 2) {
			at = put(out, at, " ghp_");
			at = put_run(out, at, many, seed);
		} else if (what < 6) {
			at = put_run(out, at, many / 8, seed);
		} else {
			at = put(out, at, pieces[(size_t)rand_r(seed) % ARRAY_LEN(pieces)]);
		}
	}
	return at;
}

static bool is_same_in_pieces(const struct mask_how *how, struct span v, struct span whole,
			      size_t most, unsigned *seed)
{
	struct mask_stream s;
	struct buf out;
	bool is_value = false;
	int err = 0;
	buf_init(&out, 4 * LIMIT);
	mask_stream_init(&s, how, LIMIT * 2);
	for (size_t at = 0, n; at < v.len && !err; at += n) {
		n = 1 + (size_t)rand_r(seed) % most;
		n = MIN(v.len - at, n);
		err = mask_stream_feed(&s, span_of(v.p + at, n), &out);
	}
	if (!err)
		err = mask_stream_end(&s, &out, &is_value);
	bool ok = !err && is_value && span_eq(buf_span(&out), whole);
	mask_stream_done(&s);
	buf_done(&out);
	return ok;
}

static void check_pieces(void)
{
	static const struct mask_how hows[] = {
	    {.way = MASK_REDACT, .detect = DETECT_BUILT_INS},
	    {.way = MASK_KEEP_LAST, .n = 4, .detect = DETECT_BUILT_INS},
	    {.way = MASK_REDACT},
	    {.way = MASK_KEEP_LAST, .n = 4}};
	static const size_t most[] = {1, 7, 300, 20000, LIMIT};
	uint8_t *text = malloc(LIMIT * 2);
	unsigned seed = 11;
	int n_bad = 0;
	for (int round = 0; text && round < 60; round++) {
		struct span v = span_of(text, make_text(text, &seed));
		for (size_t h = 0; h < ARRAY_LEN(hows); h++) {
			struct buf whole;
			buf_init(&whole, 4 * LIMIT);
			(void)mask_text(&hows[h], v, &whole);
			for (size_t m = 0; m < ARRAY_LEN(most); m++)
				n_bad += !is_same_in_pieces(&hows[h], v, buf_span(&whole), most[m],
							    &seed);
			buf_done(&whole);
		}
	}
	CHECK_INT(n_bad, 0);
	free(text);
}

static void check_bounds(void)
{
	static const struct mask_how detect = {.way = MASK_REDACT, .detect = DETECT_BUILT_INS};
	static const struct mask_how last4 = {.way = MASK_KEEP_LAST, .n = 4};
	static const struct mask_how null = {.way = MASK_NULL};
	struct mask_stream s;
	struct buf out;
	bool is_value = true;
	uint8_t piece[4096];
	memset(piece, 'x', sizeof(piece));
	buf_init(&out, LIMIT);
	/* 100 MB in 4 KiB pieces: what is held stays small. */
	mask_stream_init(&s, &detect, 4 * DETECT_LONGEST);
	int err = 0;
	for (int i = 0; i < 25000 && !err; i++) {
		err = mask_stream_feed(&s, span_of(piece, sizeof(piece)), &out);
		buf_reset(&out);
	}
	CHECK_INT(err, 0);
	mask_stream_done(&s);
	mask_stream_init(&s, &last4, 2 * DETECT_LONGEST);
	for (int i = 0; i < 20 && !err; i++)
		err = mask_stream_feed(&s, span_of(piece, sizeof(piece)), &out);
	CHECK_INT(err, ERR_LIMIT);
	CHECK_INT(mask_stream_end(&s, &out, &is_value), ERR_LIMIT);
	mask_stream_done(&s);
	mask_stream_init(&s, &null, 2 * DETECT_LONGEST);
	CHECK_INT(mask_stream_feed(&s, span_str("x"), &out), 0);
	CHECK_INT(mask_stream_end(&s, &out, &is_value), 0);
	CHECK(!is_value);
	mask_stream_done(&s);
	buf_done(&out);
}

int main(void)
{
	check_pieces();
	check_bounds();
	return tap_done();
}
