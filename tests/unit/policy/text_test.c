#include "policy/text.h"

#include "base/jw.h"

#include "../tap.h"

static void drops_what_could_forge_a_line(void)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
	    {"plain", "plain"},
	    {"a\nERROR: b\r\t\x1b[31m", "aERROR: b[31m"},
	    {"caf\xc3\xa9", "caf\xc3\xa9"},
	    {"x\xe2\x80\xaey", "xy"},		  /* right-to-left override */
	    {"x\xe2\x80\x8by\xef\xbb\xbf", "xy"}, /* zero width space, byte order mark */
	    {"x\xc2\x85y", "xy"},		  /* C1 */
	    {"x\xf3\xa0\x81\x81y", "xy"},	  /* tag character */
	    {"\xff\xc0\x80|\xe2\x82|\xed\xa0\x80", "???|??|???"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char p[100];
		struct text t;
		text_init(&t, p, sizeof(p));
		text_foreign(&t, rows[i].in, 90);
		CHECK_STR(p, rows[i].out);
	}
}

static void quotes_names(void)
{
	static const struct {
		const char *schema, *name, *out;
	} rows[] = {
	    {"public", "orders", "public.orders"},
	    {"public", "Orders", "public.\"Orders\""},
	    {"public", "a.b", "public.\"a.b\""},
	    {"public", "x\"; DROP", "public.\"x\"\"; DROP\""},
	    {NULL, "f", "f"},
	    {"s", NULL, "s"},
	    {"public", "", "public.\"\""},
	    {"9s", "_ok$1", "\"9s\"._ok$1"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char p[100];
		struct text t;
		text_init(&t, p, sizeof(p));
		text_qualified(&t, rows[i].schema, rows[i].name);
		CHECK_STR(p, rows[i].out);
	}
}

/* Whatever the size, the result is valid UTF-8, NUL-terminated and within the array. */
static void cuts_between_characters(void)
{
	const char *in =
	    "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";
	for (size_t size = 8; size < 48; size++) {
		char p[64];
		struct text t;
		memset(p, 'x', sizeof(p));
		text_init(&t, p, size);
		text_quoted(&t, in);
		text_add(&t, " tail");
		CHECK(strlen(p) < size);
		CHECK_INT(strlen(p), t.len);
		CHECK(utf8_valid(span_str(p)));
		CHECK(!t.is_cut || !strcmp(p + t.len - 3, "..."));
		CHECK(p[size] == 'x');
	}
}

static void shows_only_so_much_of_a_name(void)
{
	char name[5000], p[1000];
	struct text t;
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = 0;
	text_init(&t, p, sizeof(p));
	text_name(&t, name);
	CHECK(t.len < 100);
	CHECK(!t.is_cut);
}

int main(void)
{
	drops_what_could_forge_a_line();
	quotes_names();
	cuts_between_characters();
	shows_only_so_much_of_a_name();
	return tap_done();
}
