/* Text from outside: none of its bytes acts on a terminal, and none is lost. */
#include "cli/inert.c"

#include "../../tap.h"

static const char *shown(const char *text, size_t len, const char *indent)
{
	static char out[8192];
	struct buf b;
	buf_init(&b, sizeof(out) - 1);
	inert_add(&b, span_of(text, len), indent);
	memcpy(out, buf_span(&b).p ? buf_span(&b).p : (const uint8_t *)"", buf_len(&b));
	out[buf_len(&b)] = 0;
	buf_done(&b);
	return out;
}

static void by_table(void)
{
	static const struct {
		const char *text, *indent, *shown;
	} rows[] = {
	    {"plain", NULL, "plain"},
	    {"\xc3\xa4\xe6\xbc\xa2\xf0\x9f\x90\x98", NULL, "\xc3\xa4\xe6\xbc\xa2\xf0\x9f\x90\x98"},
	    {"\x1b[2J", NULL, "\\x1b[2J"},
	    {"\x1b]0;t\x07", NULL, "\\x1b]0;t\\x07"},
	    {"\xc2\x9b" "31m", NULL, "\\x9b31m"}, /* C1 in UTF-8 */
	    {"\x9b" "31m", NULL, "\\x9b31m"},	   /* and as a bare byte */
	    {"\x7f", NULL, "\\x7f"},
	    {"a\rb", NULL, "a\\x0db"},
	    {"-- a\rDROP", "  ", "-- a\\x0d\n  DROP"},
	    {"a\r\nb", "  ", "a\\x0d\n  b"},
	    {"\xe3\x85\xa4", NULL, "\\u3164"},
	    {"\xef\xb8\x8f", NULL, "\\ufe0f"},
	    {"a\tb", NULL, "a b"},
	    {"a\nb", NULL, "a\\x0ab"},
	    {"a\nb", "  ", "a\n  b"},
	    {"\xe2\x80\xae", NULL, "\\u202e"},
	    {"\xe2\x81\xa6", NULL, "\\u2066"},
	    {"\xe2\x80\x8b", NULL, "\\u200b"},
	    {"\xef\xbb\xbf", NULL, "\\ufeff"},
	    {"\xf3\xa0\x81\x81", NULL, "\\ue0041"},
	    {"\xc0\xaf", NULL, "\\xc0\\xaf"},		/* overlong */
	    {"\xed\xa0\x80", NULL, "\xed\xa0\x80"},	/* a surrogate: a terminal shows a mark */
	    {"\xf4\x90\x80\x80", NULL, "\\xf4\\x90\\x80\\x80"}, /* above U+10FFFF */
	    {"\xe6\xbc", NULL, "\\xe6\\xbc"},		/* cut */
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_STR(shown(rows[i].text, strlen(rows[i].text), rows[i].indent), rows[i].shown);
	CHECK_STR(shown("a\0b", 3, NULL), "a\\x00b");
}

/* Whatever the bytes, what comes out has no control character but newline and indent. */
static void never_acts(void)
{
	char text[64];
	unsigned seed = 4711;
	int bad = 0;
	for (int n = 0; n < 20000; n++) {
		for (size_t i = 0; i < sizeof(text); i++)
			text[i] = (char)(rand_r(&seed) % (n % 2 ? 256 : 40));
		for (const unsigned char *p = (const unsigned char *)shown(text, sizeof(text), ""); *p; p++)
			bad += (*p < 0x20 && *p != '\n') || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0);
	}
	CHECK_INT(bad, 0);
}

static void json_stays_json(void)
{
	struct buf b;
	buf_init(&b, 1000);
	inert_add_json(&b, span_str("{\"a\":\"\xc2\x9bx\xe2\x80\xae\xf3\xa0\x81\x81\xc3\xa4\"}"));
	buf_add_u8(&b, 0);
	CHECK_STR((const char *)buf_span(&b).p, "{\"a\":\"\\u009bx\\u202e\\udb40\\udc41\xc3\xa4\"}");
	buf_done(&b);
}

static void widths(void)
{
	CHECK_INT(inert_width(span_str("abc")), 3);
	CHECK_INT(inert_width(span_str("\xc3\xa4")), 1);
	CHECK_INT(inert_width(span_str("\xe6\xbc\xa2")), 2);
	CHECK_INT(inert_width(span_str("e\xcc\x81")), 1);
	CHECK_INT(inert_width(span_str("\xff")), 1);
	CHECK_INT(inert_width((struct span){0}), 0);
}

int main(void)
{
	by_table();
	never_acts();
	json_stays_json();
	widths();
	return tap_done();
}
