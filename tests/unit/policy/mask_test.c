#include "policy/mask.h"

#include "../tap.h"

static const struct {
	struct mask_how how;
	const char *value, *shown; /* NULL: becomes NULL */
} table[] = {
	{{MASK_REDACT, 0, NULL}, "512-64-7301", "****"},
	{{MASK_REDACT, 0, NULL}, "", "****"},
	{{MASK_FIXED, 0, "gone"}, "512-64-7301", "gone"},
	{{MASK_KEEP_LAST, 4, NULL}, "512-64-7301", "***-**-7301"},
	{{MASK_KEEP_LAST, 4, NULL}, "4539148803436426", "************6426"},
	{{MASK_KEEP_LAST, 4, NULL}, "4929 1837 4650 1273", "**** **** **** 1273"},
	{{MASK_KEEP_LAST, 4, NULL}, "1-2-3-4-5", "*-2-3-4-5"},
	{{MASK_KEEP_LAST, 4, NULL}, "1234", "****"}, /* it would be shown whole */
	{{MASK_KEEP_LAST, 4, NULL}, "12", "**"},
	{{MASK_KEEP_LAST, 4, NULL}, "", ""},
	{{MASK_KEEP_LAST, 2, NULL}, "\xc3\xa4\xc3\xb6\xc3\xbc\xe2\x82\xac", "**\xc3\xbc\xe2\x82\xac"},
	{{MASK_KEEP_LAST, 1, NULL}, "\xff\xfe\xc3", "**\xc3"}, /* no UTF-8: byte by byte */
	{{MASK_KEEP_FIRST, 2, NULL}, "abcdef", "ab****"},
	{{MASK_KEEP_FIRST, 2, NULL}, "a-b-c", "a-b-*"},
	{{MASK_KEEP_FIRST, 9, NULL}, "abc", "***"},
	{{MASK_KEEP_LAST, 4, NULL}, "ada.lind@example.com", "***.****@******e.com"},
	{{MASK_DIGITS, 0, NULL}, "512-64-7301", "000-00-0000"},
	{{MASK_DIGITS, 0, NULL}, "+49 (30) 1234 x5", "+00 (00) 0000 x0"},
	{{MASK_TRUNCATE, 3, NULL}, "512-64-7301", "512"},
	{{MASK_TRUNCATE, 3, NULL}, "\xc3\xa4\xc3\xb6\xc3\xbc\xe2\x82\xac", "\xc3\xa4\xc3\xb6\xc3\xbc"},
	{{MASK_TRUNCATE, 9, NULL}, "abc", "abc"},
	{{MASK_NULL, 0, NULL}, "512-64-7301", NULL},
	{{MASK_YEAR, 0, NULL}, "2024-05-06", NULL}, /* of a text there is none */
	{{MASK_DROP, 0, NULL}, "x", NULL},
	{{MASK_WHOLE, 0, NULL}, "x", "****"},
};

int main(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct buf b;
		buf_init(&b, 1000);
		bool is_shown = mask_text(&table[i].how, span_str(table[i].value), &b);
		bool ok = table[i].shown ? is_shown && span_is(buf_span(&b), table[i].shown) : !is_shown;
		if (!ok)
			printf("row %zu: %s of \"%s\": \"%.*s\"\n", i, mask_way_name(table[i].how.way), table[i].value,
			       (int)buf_len(&b), buf_len(&b) ? (const char *)buf_span(&b).p : "");
		CHECK(ok);
		buf_done(&b);
	}
	return tap_done();
}
