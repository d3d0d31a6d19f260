#include "policy/command.h"

#include "../tap.h"

int main(void)
{
	static const struct {
		const char *before, *word, *shown;
	} rows[] = {
	    {NULL, "python", "python"},
	    {NULL, "postgres://agent:anything@db:5432/shop", "postgres://agent:***@db:5432/shop"},
	    {"--password", "hunter2", "***"},
	    {"--api-key", "abc", "***"},
	    {"--password", "--verbose", "--verbose"},
	    {"password", "x", "x"},
	    {"-p", "x", "x"},
	    {NULL, "ghp_abcdefghijklmnopqrstuvwxyz0123456789", "****"},
	    {NULL, "--ssn=247-56-8310", "--ssn=****"},
	    {NULL, "insert into cards values ('4111 1111 1111 1111')",
	     "insert into cards values ('****')"},
	    {NULL, "ada@example.com", "****"},
	    {NULL, "--host=10.0.0.1", "--host=10.0.0.1"},
	    {NULL, "PGPASSWORD=one psql postgres://a:two@h",
	     "PGPASSWORD=*** psql postgres://a:***@h"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b;
		buf_init(&b, 1000);
		command_hide(rows[i].before, rows[i].word, &b);
		buf_add_u8(&b, 0);
		CHECK_STR((const char *)buf_span(&b).p, rows[i].shown);
		buf_done(&b);
	}
	return tap_done();
}
