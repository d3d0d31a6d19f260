#include "../../tap.h"
#include "base/macro.h"
#include "record/chain.h"
#include "record/scan.h"

static const struct {
	const char *text;
	bool is_good, is_good_with_own;
} texts[] = {
    {"{\"a\":1}", true, true},
    {"{\"a\":\"\",\"b\":[],\"c\":{},\"d\":null,\"e\":true,\"f\":false,\"g\":-12}", true, true},
    {"{\"a\":[1,[2,{\"b\":\"c\"}]]}", true, true},
    {"{\"a\":\"\\\"\\\\\\n\\r\\t\\b\\f\\u0001\\u001f\"}", true, true},
    {"{\"a\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\x7f\"}", true, true},
    {"{\"a\":9223372036854775807}", true, true},
    {"{\"a\":0,\"ab\":0,\"b\":0}", true, true},
    {"{\"_seq\":1,\"a\":1}", false, true},
    {"{\"_\":1}", false, true},
    {"{\"a\":{\"_x\":1}}", true, true}, /* the recorder's own are outermost only */
    {"", false, false},
    {"{}", false, false},
    {"[]", false, false},
    {"1", false, false},
    {"{", false, false},
    {"{\"a\"}", false, false},
    {"{\"a\":}", false, false},
    {"{\"a\":1", false, false},
    {"{\"a\":1}}", false, false},
    {"{\"a\":1} ", false, false},
    {" {\"a\":1}", false, false},
    {"{\"a\": 1}", false, false},
    {"{\"a\":1,}", false, false},
    {"{\"a\":[1,]}", false, false},
    {"{\"a\":[,1]}", false, false},
    {"{\"b\":1,\"a\":1}", false, false},
    {"{\"a\":1,\"a\":1}", false, false},
    {"{\"ab\":1,\"a\":1}", false, false},
    {"{\"a\":{\"b\":1,\"b\":2}}", false, false},
    {"{\"a\":01}", false, false},
    {"{\"a\":-0}", false, false},
    {"{\"a\":-}", false, false},
    {"{\"a\":1.5}", false, false},
    {"{\"a\":1e5}", false, false},
    {"{\"a\":9223372036854775808}", false, false},
    {"{\"a\":12345678901234567890}", false, false},
    {"{\"a\":tru}", false, false},
    {"{\"a\":truex}", false, false},
    {"{\"a\":NaN}", false, false},
    {"{\"a\":\"\n\"}", false, false},
    {"{\"a\":\"\\u0041\"}", false, false},
    {"{\"a\":\"\\u000a\"}", false, false}, /* has a short form */
    {"{\"a\":\"\\u001F\"}", false, false},
    {"{\"a\":\"\\u0000\"}", false, false},
    {"{\"a\":\"\\/\"}", false, false},
    {"{\"a\":\"\\x\"}", false, false},
    {"{\"a\":\"\\u00\"}", false, false},
    {"{\"a\":\"\\", false, false},
    {"{\"a\":\"\xff\"}", false, false},
    {"{\"a\":\"\xc0\x80\"}", false, false},
    {"{\"a\":\"\xed\xa0\x80\"}", false, false},
    {"{\"a\":\"\xe2\x82\"}", false, false},
    {"{\"\xc3\xa9\":1}", false, false}, /* keys are plain */
    {"{\"a\\n\":1}", false, false},
    {"{'a':1}", false, false},
};

static void takes_canonical_json_only(void)
{
	struct scan s;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		int plain = scan_event(span_str(texts[i].text), false, &s);
		int own = scan_event(span_str(texts[i].text), true, &s);
		if ((plain == 0) != texts[i].is_good || (own == 0) != texts[i].is_good_with_own)
			printf("%s\n", texts[i].text);
		CHECK_INT(plain, texts[i].is_good ? 0 : ERR_MALFORMED);
		CHECK_INT(own, texts[i].is_good_with_own ? 0 : ERR_MALFORMED);
	}
	CHECK_INT(scan_event(span_of("{\"a\":\"\0\"}", 9), false, &s), ERR_MALFORMED);
	CHECK_INT(scan_event(span_of("{\"a\":1}\0", 8), false, &s), ERR_MALFORMED);
}

/* Cut anywhere, it is no event any more. */
static void wants_all_of_it(void)
{
	static const char text[] =
	    "{\"a\":\"\xe2\x82\xac\\n\\u0001\",\"b\":[1,{\"c\":null}],\"d\":-5}";
	struct scan s;
	CHECK_INT(scan_event(span_str(text), false, &s), 0);
	for (size_t n = 0; n < sizeof(text) - 1; n++)
		CHECK_INT(scan_event(span_of(text, n), false, &s), ERR_MALFORMED);
}

/* Each byte at each place of a long string: it is read eight bytes at a time. */
static void sees_every_byte(void)
{
	for (int at = 0; at < 40; at++)
		for (int c = 0; c < 256; c++) {
			char text[64] = "{\"";
			struct scan s;
			bool is_plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
			memset(text + 2, 'k', 40);
			text[2 + at] = (char)c;
			memcpy(text + 42, "\":1}", 4);
			CHECK_INT(scan_event(span_of(text, 46), true, &s), is_plain ? 0 : ERR_MALFORMED);
			memcpy(text, "{\"a\":\"", 6);
			memset(text + 6, 'v', 40);
			text[6 + at] = (char)c;
			memcpy(text + 46, "\"}", 2);
			CHECK_INT(scan_event(span_of(text, 48), true, &s),
				  is_plain || c == 0x7f ? 0 : ERR_MALFORMED);
		}
}

static void bounds_depth_and_fields(void)
{
	char text[4096];
	struct scan s;
	for (int depth = 1; depth <= 40; depth++) {
		char *at = text + sprintf(text, "{\"a\":");
		for (int i = 1; i < depth; i++)
			*at++ = '[';
		*at++ = '1';
		for (int i = 1; i < depth; i++)
			*at++ = ']';
		*at++ = '}';
		CHECK_INT(scan_event(span_of(text, (size_t)(at - text)), false, &s),
			  depth <= SCAN_DEPTH ? 0 : ERR_MALFORMED);
	}
	for (int n = SCAN_FIELDS; n <= SCAN_FIELDS + 1; n++) {
		char *at = text + sprintf(text, "{");
		for (int i = 0; i < n; i++)
			at += sprintf(at, "%s\"k%03d\":%d", i ? "," : "", i, i);
		at += sprintf(at, "}");
		CHECK_INT(scan_event(span_of(text, (size_t)(at - text)), false, &s),
			  n == SCAN_FIELDS ? 0 : ERR_MALFORMED);
	}
	/* Nothing but brackets must not cost the stack. */
	memset(text, '[', sizeof(text));
	memcpy(text, "{\"a\":", 5);
	CHECK_INT(scan_event(span_of(text, sizeof(text)), false, &s), ERR_MALFORMED);
}

static void gives_fields(void)
{
	struct scan s;
	struct span item;
	size_t at = 0;
	CHECK_INT(scan_event(span_str("{\"b\":true,\"e\":\"a\\nb\",\"l\":[1,\"x\",[2]],\"n\":42,"
				      "\"neg\":-1,\"s\":\"plain\"}"),
			     false, &s),
		  0);
	CHECK(span_is(scan_get(&s, "s"), "\"plain\""));
	CHECK(span_is(scan_plain(&s, "s"), "plain"));
	CHECK_INT(scan_plain(&s, "e").len, 0);
	CHECK_INT(scan_plain(&s, "n").len, 0);
	CHECK_INT(scan_get(&s, "none").len, 0);
	CHECK_INT(scan_u64(&s, "n"), 42);
	CHECK_INT(scan_u64(&s, "neg"), 0);
	CHECK_INT(scan_u64(&s, "s"), 0);
	CHECK(scan_flag(&s, "b") && !scan_flag(&s, "n") && !scan_flag(&s, "none"));
	CHECK(scan_item(scan_get(&s, "l"), &at, &item) && span_is(item, "1"));
	CHECK(scan_item(scan_get(&s, "l"), &at, &item) && span_is(item, "\"x\""));
	CHECK(scan_item(scan_get(&s, "l"), &at, &item) && span_is(item, "[2]"));
	CHECK(!scan_item(scan_get(&s, "l"), &at, &item));
	at = 0;
	CHECK(!scan_item(span_str("[]"), &at, &item));
	CHECK(!scan_item(span_str("{}"), &at, &item));
	CHECK(!scan_item((struct span){0}, &at, &item));
}

/* Stored bytes give the same fields as the strict scanner, without the recorder's own. */
static void splits_what_was_stored(void)
{
	static const char *const stored_texts[] = {
	    "{\"a\":1,\"b\":\"x\\\\\",\"c\":\"\\\"},{\",\"d\":[{\"e\":\"]\"},[1]],\"f\":{},\"g\":"
	    "null}",
	    "{\"a\":\"\"}",
	    "{\"a\":-1,\"z\":true}",
	};
	for (size_t i = 0; i < sizeof(stored_texts) / sizeof(*stored_texts); i++) {
		char stored[400];
		uint8_t prev[HASH_LEN] = {0};
		size_t prefix = chain_prefix_len(7), len = prefix + strlen(stored_texts[i]) - 1;
		struct scan strict, quick;
		chain_prefix(prev, 7, (uint8_t *)stored);
		strcpy(stored + prefix, stored_texts[i] + 1);
		CHECK_INT(scan_event(span_of(stored, len), true, &strict), 0);
		CHECK_INT(scan_stored(span_of(stored, len), prefix, &quick), 0);
		CHECK_INT(quick.n, strict.n - 2);
		for (int f = 0; f < quick.n; f++) {
			CHECK(span_eq(quick.fields[f].key, strict.fields[f + 2].key));
			CHECK(span_eq(quick.fields[f].value, strict.fields[f + 2].value));
		}
		for (size_t cut = prefix; cut < len; cut++)
			CHECK_INT(scan_stored(span_of(stored, cut), prefix, &quick), ERR_MALFORMED);
	}
}

int main(void)
{
	sees_every_byte();
	splits_what_was_stored();
	takes_canonical_json_only();
	wants_all_of_it();
	bounds_depth_and_fields();
	gives_fields();
	return tap_done();
}
