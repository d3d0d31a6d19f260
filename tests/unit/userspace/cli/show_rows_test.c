/* Results as tables. */
#include "cli/inert.c"
#include "cli/show_rows.c"

#include "../../tap.h"

static void check(const char *columns, const char *rows, const char *shown)
{
	json_t *c = json_loads(columns, 0, NULL), *r = json_loads(rows, 0, NULL);
	struct buf b;
	buf_init(&b, 100000);
	CHECK(r != NULL);
	show_rows(&b, c, r, "> ");
	buf_add_u8(&b, 0);
	CHECK_STR((const char *)buf_span(&b).p, shown);
	buf_done(&b);
	json_decref(c);
	json_decref(r);
}

int main(void)
{
	check("[\"id\",\"name\"]", "[[\"1\",\"Pat\"],[\"22\",null]]",
	      "\n> id | name\n> ---+-----\n> 1  | Pat\n> 22 | NULL");
	check("[\"a\"]", "[[{\"b64\":\"AAE=\"}]]", "\n> a\n> -------------\n> AAE= (base64)");
	check("[\"a\"]", "[[{\"len\":9000,\"text\":\"x\"}]]",
	      "\n> a\n> -------------------------\n> x ... (9000 bytes in all)");
	check("[\"a\",\"b\"]", "[[\"\xe6\xbc\xa2\",\"x\"],[\"abc\",\"y\"]]",
	      "\n> a   | b\n> ----+--\n> \xe6\xbc\xa2  | x\n> abc | y");
	check("[\"a\",\"b\"]", "[[\"a\\nb\\u001b[2J\",\"x\"]]",
	      "\n> a             | b\n> --------------+--\n> a\\x0ab\\x1b[2J | x");
	check("[]", "[]", "");
	check("null", "[[\"1\"]]", "\n> 1");
	check("[\"a\"]", "[[\"1\",\"more than the head has\"]]", "\n> a\n> -\n> 1 | more than the head has");
	check("[\"a\"]",
	      "[[\"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
	      "1234567890123456789012345678901234567890\"]]",
	      "\n> a\n> ------------------------------------------------\n> "
	      "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
	      "12345678901234567890123456789012345...");
	return tap_done();
}
