#include "policy/detect/detect.h"
#include "policy/mask.h"

#include "../tap.h"

#define ALL  ((1u << DETECT_COUNT) - 1)
#define SAME "="

static const struct {
	struct mask_how how;
	const char *value, *shown; /* NULL: becomes NULL */
} table[] = {
	{{MASK_REDACT, 0, NULL, 0}, "512-64-7301", "****"},
	{{MASK_REDACT, 0, NULL, 0}, "", "****"},
	{{MASK_FIXED, 0, "gone", 0}, "512-64-7301", "gone"},
	{{MASK_KEEP_LAST, 4, NULL, 0}, "512-64-7301", "***-**-7301"},
	{{MASK_KEEP_LAST, 4, NULL, 0}, "4539148803436426", "************6426"},
	{{MASK_KEEP_LAST, 4, NULL, 0}, "4929 1837 4650 1273", "**** **** **** 1273"},
	{{MASK_KEEP_LAST, 4, NULL, 0}, "1-2-3-4-5", "*-2-3-4-5"},
	{{MASK_KEEP_LAST, 4, NULL, 0}, "1234", "****"}, /* it would be shown whole */
	{{MASK_KEEP_LAST, 4, NULL, 0}, "12", "**"},
	{{MASK_KEEP_LAST, 4, NULL, 0}, "", ""},
	{{MASK_KEEP_LAST, 2, NULL, 0}, "\xc3\xa4\xc3\xb6\xc3\xbc\xe2\x82\xac", "**\xc3\xbc\xe2\x82\xac"},
	{{MASK_KEEP_LAST, 1, NULL, 0}, "\xff\xfe\xc3", "**\xc3"}, /* no UTF-8: byte by byte */
	{{MASK_KEEP_FIRST, 2, NULL, 0}, "abcdef", "ab****"},
	{{MASK_KEEP_FIRST, 2, NULL, 0}, "a-b-c", "a-b-*"},
	{{MASK_KEEP_FIRST, 9, NULL, 0}, "abc", "***"},
	{{MASK_KEEP_LAST, 4, NULL, 0}, "ada.lind@example.com", "***.****@******e.com"},
	{{MASK_DIGITS, 0, NULL, 0}, "512-64-7301", "000-00-0000"},
	{{MASK_DIGITS, 0, NULL, 0}, "+49 (30) 1234 x5", "+00 (00) 0000 x0"},
	{{MASK_DIGITS, 0, NULL, 0}, "\xef\xbc\x95-\xd9\xa1\xc2\xb2 \xe0\xa5\xa6\xe2\x80\x91\xc3\xa4\xff",
	 "0-00 0\xe2\x80\x91\xc3\xa4\xff"},
	{{MASK_KEEP_LAST, 4, NULL, 0}, "\xef\xbc\x95\xef\xbc\x91-\xef\xbc\x92\xe2\x80\x91""7301", "**-**7301"},
	{{MASK_TRUNCATE, 3, NULL, 0}, "512-64-7301", "512"},
	{{MASK_TRUNCATE, 3, NULL, 0}, "\xc3\xa4\xc3\xb6\xc3\xbc\xe2\x82\xac", "\xc3\xa4\xc3\xb6\xc3\xbc"},
	{{MASK_TRUNCATE, 9, NULL, 0}, "abc", "abc"},
	{{MASK_NULL, 0, NULL, 0}, "512-64-7301", NULL},
	{{MASK_YEAR, 0, NULL, 0}, "2024-05-06", NULL}, /* of a text there is none */
	{{MASK_DROP, 0, NULL, 0}, "x", NULL},
	{{MASK_WHOLE, 0, NULL, 0}, "x", "****"},
	{{MASK_LITERALS, 0, NULL, 0}, "CHECK ((ssn <> '512-64-7301'::text))", "CHECK ((ssn <> '****'::text))"},
	{{MASK_LITERALS, 0, NULL, 0}, "nextval('public.o_id_seq'::regclass)", SAME},
	{{MASK_LITERALS, 0, NULL, 0}, "'512-64-7301'::character varying(20), ''",
	 "'****'::character varying(20), ''"},
	{{MASK_LITERALS, 0, NULL, 0}, "a > 18 AND b = 51264.7301 OR c1 = 0x1f",
	 "a > 18 AND b = 00000.0000 OR c1 = 0000"},
	{{MASK_LITERALS, 0, NULL, 0}, "E'5\\'12' || $x$512$x$ -- 512\n\"512\" $1", "'****' || '****'  \n\"512\" $1"},
	{{MASK_LITERALS, 0, NULL, 0}, "AS $function$ RETURN 'x' || $$y$$; $function$",
	 "AS $function$ RETURN '****' || '****'; $function$"},
	{{MASK_LITERALS, 0, NULL, 0}, "'not ended", "'****'"},
	{{MASK_REDACT, 0, NULL, ALL}, "verified by SSN 247-56-8310 on file", "verified by SSN **** on file"},
	{{MASK_REDACT, 0, NULL, ALL}, "ref 529 83 4416", "ref ****"},
	{{MASK_REDACT, 0, NULL, ALL}, "ref 529/83/4416, 4485/7193/0264/8176", "ref ****, ****"},
	{{MASK_REDACT, 0, NULL, ALL}, "000-12-3456 666-12-3456 912-12-3456 123-00-4567 123-45-0000", SAME},
	{{MASK_REDACT, 0, NULL, ALL}, "247-56 8310, 247-56-83101, 1247-56-8310", SAME},
	{{MASK_REDACT, 0, NULL, ALL}, "paid with card 4485719302648176", "paid with card ****"},
	{{MASK_REDACT, 0, NULL, ALL}, "card 5491 0382 6471 9357 declined", "card **** declined"},
	{{MASK_REDACT, 0, NULL, ALL}, "card 5491 0382 6471 9358 declined", SAME}, /* by its check digit none */
	{{MASK_REDACT, 0, NULL, ALL}, "card 4111 1111 1111 1111 declined", "card **** declined"},
	{{MASK_KEEP_LAST, 4, NULL, ALL}, "4111-1111-1111-1111!", "****-****-****-1111!"},
	{{MASK_REDACT, 0, NULL, ALL}, "order 1234567890123456 (Luhn fails)", SAME},
	{{MASK_REDACT, 0, NULL, ALL}, "378282246310005,6011000990139424", "****,****"},
	{{MASK_REDACT, 0, NULL, ALL}, "41111111111111111111", SAME}, /* 20 digits */
	{{MASK_REDACT, 0, NULL, ALL}, "alt contact gia.alt@example.org.", "alt contact ****."},
	{{MASK_REDACT, 0, NULL, ALL}, "a@b, x@y.z, @example.com, me@", SAME},
	{{MASK_NULL, 0, NULL, ALL}, "to o'hara+x@mail.example.com now", "to **** now"},
	{{MASK_REDACT, 0, NULL, ALL}, "", SAME},
	{{MASK_REDACT, 0, NULL, 1u << DETECT_CARD}, "247-56-8310 a@example.org", SAME},
};

static bool hides(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* What keep_last and keep_first show of ASCII, character by character. */
static void kept_plain(const struct mask_how *how, const uint8_t *v, size_t len, uint8_t *to)
{
	size_t total = 0, at = 0, n = (size_t)how->n;
	for (size_t i = 0; i < len; i++)
		total += hides(v[i]);
	for (size_t i = 0; i < len; i++) {
		bool is_kept = n < total && (how->way == MASK_KEEP_LAST ? at >= total - n : at < n);
		to[i] = hides(v[i]) && !is_kept ? '*' : v[i];
		at += hides(v[i]);
	}
}

/* ASCII is masked eight bytes at a time: every byte, every length about that, every number kept. */
static void keeps_ascii(void)
{
	uint32_t seed = 5;
	for (size_t len = 1; len < 40; len++)
		for (int n = 0; n < 12; n++)
			for (int way = 0; way < 8; way++) {
				struct mask_how how = {.way = way & 1 ? MASK_KEEP_LAST : MASK_KEEP_FIRST, .n = n};
				uint8_t v[40], want[40];
				struct buf b;
				for (size_t i = 0; i < len; i++) {
					seed = seed * 1103515245 + 12345;
					v[i] = way & 2 ? seed >> 16 & 127 : (seed >> 16) % 3 ? 'x' : '-';
				}
				kept_plain(&how, v, len, want);
				buf_init(&b, 1000);
				CHECK(mask_text(&how, span_of(v, len), &b));
				CHECK(span_eq(buf_span(&b), span_of(want, len)));
				buf_done(&b);
			}
}

int main(void)
{
	keeps_ascii();
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct buf b;
		buf_init(&b, 1000);
		bool is_shown = mask_text(&table[i].how, span_str(table[i].value), &b);
		const char *shown = table[i].shown;
		if (shown && !strcmp(shown, SAME))
			shown = table[i].value;
		bool ok = shown ? is_shown && span_is(buf_span(&b), shown) : !is_shown;
		if (!ok)
			printf("row %zu: %s of \"%s\": \"%.*s\"\n", i, mask_way_name(table[i].how.way), table[i].value,
			       (int)buf_len(&b), buf_len(&b) ? (const char *)buf_span(&b).p : "");
		CHECK(ok);
		buf_done(&b);
	}
	return tap_done();
}
