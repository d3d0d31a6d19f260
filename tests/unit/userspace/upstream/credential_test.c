/* A credential's text: what it says, what is refused, and that libpq never has its secrets. */
#include "upstream/credential.h"

#include <stdio.h>
#include <stdlib.h>

#include "../../tap.h"
#include "base/macro.h"

static const struct {
	const char *text;
	int err;
	const char *password;
} rows[] = {
    {"postgres://u:p%40ss@h/d\n", 0, "p@ss"},
    {"postgresql://u:p@h:1/d?sslmode=disable", 0, "p"},
    {"user=u password='a b' sslmode=prefer", 0, "a b"},
    {"user=u", 0, NULL},
    {"user=u password=", 0, NULL},
    {"", ERR_MALFORMED, NULL},
    {"\n\n", ERR_MALFORMED, NULL},
    {"secret", ERR_MALFORMED, NULL},
    {"password=secret", 0, "secret"},
    {"user=u password=secret nonsense=1", ERR_MALFORMED, NULL},
    {"user=u password=secret gssencmode=require", ERR_UNSUPPORTED, NULL},
    {"user=u password=secret channel_binding=require", 0, "secret"},
    {"user=u password='secret", ERR_MALFORMED, NULL},
    {"postgres://u:secret@h/d?nonsense=1", ERR_MALFORMED, NULL},
    {"postgres://u:secret@h/d?password=other", 0, "other"},
};

static void test_table(void)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct credential c = {0};
		char text[128], why[WHY_MAX] = "";
		snprintf(text, sizeof(text), "%s", rows[i].text);
		CHECK_INT(credential_parse(text, &c, why), rows[i].err);
		CHECK(!strstr(why, "secret"));
		CHECK(!strstr(text, "password=secret") && !strstr(text, ":secret"));
		if (!rows[i].err) {
			const char *got = credential_get(&c, "password");
			CHECK(rows[i].password ? got && !strcmp(got, rows[i].password) : !got);
		}
		for (PQconninfoOption *o = c.options; o && o->keyword; o++)
			CHECK(!o->val || !strstr(o->val, "secret"));
		credential_done(&c);
		CHECK(!c.options && !c.secrets);
	}
}

static void test_both_secrets(void)
{
	char text[] = "user=u sslpassword=two password=one sslmode=require", why[WHY_MAX];
	struct credential c = {0};
	CHECK_INT(credential_parse(text, &c, why), 0);
	CHECK(!strcmp(credential_get(&c, "password"), "one"));
	CHECK(!strcmp(credential_get(&c, "sslpassword"), "two"));
	CHECK(!strcmp(credential_get(&c, "user"), "u"));
	CHECK(!strcmp(credential_get(&c, "sslmode"), "require"));
	CHECK(!credential_get(&c, "host"));
	CHECK(!credential_get(&c, "no such thing"));
	credential_done(&c);
}

static void test_too_long(void)
{
	char text[4000] = "user=u password=", why[WHY_MAX] = "";
	struct credential c = {0};
	memset(text + strlen(text), 'p', 3000);
	CHECK_INT(credential_parse(text, &c, why), ERR_LIMIT);
	CHECK(strstr(why, "too long"));
}

int main(void)
{
	test_table();
	test_both_secrets();
	test_too_long();
	return tap_done();
}
