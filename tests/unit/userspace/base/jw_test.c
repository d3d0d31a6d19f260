#include "base/jw.h"

#include "../../tap.h"

static void writes_canonical_json(void)
{
	struct buf b;
	struct jw w;
	buf_init(&b, 4096);
	jw_begin(&w, &b);
	jw_object(&w, NULL);
	jw_int(&w, "a", -12);
	jw_array(&w, "b");
	jw_str(&w, NULL, "x\"\n\x01");
	jw_bool(&w, NULL, true);
	jw_array_end(&w);
	jw_text(&w, "c", "c_b64", span_of("\xff\xfe", 2));
	jw_object_end(&w);
	buf_add_u8(&b, 0);
	CHECK_STR((char *)buf_span(&b).p, "{\"a\":-12,\"b\":[\"x\\\"\\n\\u0001\",true],\"c_b64\":\"//4=\"}");
	buf_done(&b);
}

static void tells_utf8(void)
{
	static const struct {
		const char *s;
		bool ok;
	} rows[] = {
		{"", true},          {"a\xc3\xa9", true},          {"\xe2\x82\xac", true},
		{"\xf0\x9f\x98\x80", true}, {"\xc0\x80", false},   {"\xed\xa0\x80", false},
		{"\xf4\x90\x80\x80", false}, {"\xe2\x82", false},  {"\x80", false},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CHECK_INT(utf8_valid(span_str(rows[i].s)), rows[i].ok);
}

static void decodes_base64url_strictly(void)
{
	struct buf b;
	buf_init(&b, 100);
	CHECK_INT(base64url_decode(span_str("_-8"), &b), 0);
	CHECK(span_eq(buf_span(&b), span_of("\xff\xef", 2)));
	CHECK_INT(base64url_decode(span_str("_-9"), &b), ERR_MALFORMED); /* dangling bits */
	CHECK_INT(base64url_decode(span_str("_-8="), &b), ERR_MALFORMED);
	CHECK_INT(base64url_decode(span_str("a"), &b), ERR_MALFORMED);
	buf_done(&b);
}

int main(void)
{
	writes_canonical_json();
	tells_utf8();
	decodes_base64url_strictly();
	return tap_done();
}
