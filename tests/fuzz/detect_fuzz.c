/* Finds in any bytes: the first byte says which kinds, the second how the text is cut. All ways of
 * classifying find the same, in order and within the text; in pieces the text is masked as it is
 * whole. */
#include <stdlib.h>

#include "base/macro.h"
#include "policy/mask.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OUT_MAX (1 << 20)

static uint64_t sum_of_finds(const char *how, const struct detect *d, struct span text)
{
	struct detect_walk w;
	struct find f;
	uint64_t sum = 0;
	size_t end = 0;
	if (!detect_use(how))
		return detect_use(NULL) ? sum_of_finds("plain", d, text) : 0;
	detect_begin(&w, d, text);
	while (detect_next(&w, &f)) {
		if (f.at < end || !f.len || f.len > text.len - f.at)
			abort();
		end = f.at + f.len;
		sum = sum * 31 + f.at * 7 + f.len * 3 + (uint64_t)f.kind;
	}
	return sum;
}

static void check_pieces(const struct mask_how *how, struct span text, size_t piece)
{
	struct buf whole, out;
	struct mask_stream s;
	bool is_value = false;
	buf_init(&whole, OUT_MAX);
	buf_init(&out, OUT_MAX);
	(void)mask_text(how, text, &whole);
	mask_stream_init(&s, how, OUT_MAX);
	int err = 0;
	for (size_t at = 0; at < text.len && !err; at += piece)
		err = mask_stream_feed(&s, span_of(text.p + at, MIN(piece, text.len - at)), &out);
	if (!err)
		err = mask_stream_end(&s, &out, &is_value);
	bool has_room = !err && !buf_err(&whole) && !buf_err(&out);
	if (has_room && (!is_value || !span_eq(buf_span(&whole), buf_span(&out))))
		abort();
	mask_stream_done(&s);
	buf_done(&whole);
	buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	struct span text = span_of(data + 2, size - 2);
	struct detect d = {.kinds = data[0]
					? DETECT_BUILT_INS & ((uint64_t)data[0] << 2 | data[0] >> 6)
					: DETECT_BUILT_INS};
	d.bare = data[1] & 1 ? d.kinds : 0;
	uint64_t plain = sum_of_finds("plain", &d, text);
	if (sum_of_finds("ssse3", &d, text) != plain || sum_of_finds("avx2", &d, text) != plain)
		abort();
	(void)detect_use(NULL);
	struct mask_how how = {.way = MASK_REDACT, .detect = d.kinds, .bare = d.bare};
	check_pieces(&how, text, 1 + (size_t)data[1] / 2);
	return 0;
}
