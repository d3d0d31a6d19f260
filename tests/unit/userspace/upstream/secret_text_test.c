/* What we take for a secret is what libpq would have: it is the judge. */
#include "upstream/secret_text.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../tap.h"
#include "base/macro.h"

static const char *const texts[] = {
    "",
    "password=p",
    "user=u password=p",
    "  password  =  p  ",
    "password='a b' user=u",
    "password='a\\'b\\\\c'",
    "password=a\\ b user=x",
    "password=a\\",
    "password='a\\",
    "password='open",
    "password=",
    "password= user=u",
    "password='' user=u",
    "password=a password=b",
    "password=a password=",
    "password",
    "password p",
    "pass word=p",
    "Password=p",
    "user=u\tpassword=p\nhost=h",
    "user='password=no' password=yes",
    "passwordx=1",
    "postgres://",
    "postgres://u@h",
    "postgres://u:p@h",
    "postgres://u:@h",
    "postgres://:p@h",
    "postgres://u:p%20q%25@h/d",
    "postgres://u:p%zz@h/d",
    "postgres://u:p%00@h/d",
    "postgres://u:p%4",
    "postgres://u:p:q@h/d",
    "postgres://u:p/q@h/d",
    "postgres://u:p?q@h/d",
    "postgres://u:p@[::1]:5432/d?x=y",
    "postgres://h?password=p",
    "postgres://h/d?user=u&password=p%41&sslmode=disable",
    "postgres://h/d?%70assword=p",
    "postgres://h/d?password=a&password=b",
    "postgres://u:first@h/d?password=second",
    "postgres://u:first@h/d?password=",
    "postgres://h/d?password",
    "postgres://h/d?password=p=q",
    "postgres://h/d?a@b:c@d?password=p",
    "postgres:///d?password=p",
    "postgresql://u:p@h1:1,h2:2/d?target_session_attrs=any",
    "postgresqlx://u:p@h",
    "POSTGRES://u:p@h",
};

static void check(const char *text)
{
	char cut[1024], out[512];
	snprintf(cut, sizeof(cut), "%s", text);
	PQconninfoOption *whole = PQconninfoParse(text, NULL);
	CHECK_INT(secret_text_cut(cut, "password", out, sizeof(out)), 0);
	PQconninfoOption *blanked = PQconninfoParse(cut, NULL);
	CHECK_INT(strlen(cut), strlen(text));
	if (whole && !blanked)
		printf("row: %s\n", text);
	CHECK(!whole || blanked);
	for (int i = 0; whole && blanked && whole[i].keyword; i++) {
		const char *a = whole[i].val, *b = blanked[i].val;
		bool is_secret = !strcmp(whole[i].keyword, "password");
		bool is_same = is_secret
				   ? !strcmp(a ? a : "", out) && (!b || secret_text_is_blank(b))
				   : (!a && !b) || (a && b && !strcmp(a, b));
		if (!is_same)
			printf("row: %s: %s is %s, we took %s\n", text, whole[i].keyword,
			       a ? a : "NULL", out);
		CHECK(is_same);
	}
	PQconninfoFree(whole);
	PQconninfoFree(blanked);
}

int main(void)
{
	char out[4], text[] = "password=long", fits[] = "password=abc";
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		check(texts[i]);
	CHECK_INT(secret_text_cut(text, "password", out, sizeof(out)), ERR_LIMIT);
	CHECK(!strcmp(text, "password=xxxx"));
	CHECK_INT(secret_text_cut(fits, "password", out, sizeof(out)), 0);
	CHECK(!strcmp(out, "abc"));
	CHECK(secret_text_is_blank("") && secret_text_is_blank("xx") &&
	      !secret_text_is_blank("xy"));
	return tap_done();
}
