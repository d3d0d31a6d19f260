#include "cli/session.c"

#include "../../tap.h"
#include "said.h"

static void keeps_secrets_out_of_the_record(void)
{
	static const struct {
		const char *word, *expected;
	} rows[] = {
		{"ls", "ls"},
		{"", ""},
		{"postgres://agent:anything@db:5432/shop", "postgres://agent:***@db:5432/shop"},
		{"postgres://a:p@ss:w@db/x", "postgres://a:***@db/x"},
		{"postgres://agent@db/x", "postgres://agent@db/x"},
		{"https://host/a:b@c", "https://host/a:b@c"},
		{"--dsn=postgres://u:secret@h", "--dsn=postgres://u:***@h"},
		{"host=db password=secret user=x", "host=db password=*** user=x"},
		{"PGPASSWORD=secret", "PGPASSWORD=***"},
		{"https://h/?token=abc&x=1", "https://h/?token=***&x=1"},
		/* A script may hold several; a value in quotes may hold a blank. */
		{"psql postgres://a:one@h/x; psql postgres://a:two@h/y",
		 "psql postgres://a:***@h/x; psql postgres://a:***@h/y"},
		{"curl https://h/ && psql postgres://a:two@h/y", "curl https://h/ && psql postgres://a:***@h/y"},
		{"PGPASSWORD=one psql postgres://a:two@h", "PGPASSWORD=*** psql postgres://a:***@h"},
		{"psql postgres://a:two@h password=one", "psql postgres://a:***@h password=***"},
		{"password='a b' host=h", "password=*** host=h"},
		{"password='a b", "password=*** b"},
		{"caf\xc3\xa9", "caf\xc3\xa9"},
		{"bad\xff", "bad?"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *argv[] = {(char *)rows[i].word, NULL};
		json_t *j = command_json(argv);
		CHECK_STR(json_string_value(json_array_get(j, 0)), rows[i].expected);
		json_decref(j);
	}
}

static void limits_what_it_tells(void)
{
	char *argv[WORDS_MAX + 10], word[3 * WORD_MAX];
	memset(word, 'a', sizeof(word) - 1);
	word[sizeof(word) - 1] = 0;
	word[WORD_MAX - 1] = (char)0xc3; /* a character that the cut divides */
	word[WORD_MAX] = (char)0xa9;
	for (size_t i = 0; i + 1 < ARRAY_LEN(argv); i++)
		argv[i] = word;
	argv[ARRAY_LEN(argv) - 1] = NULL;
	json_t *j = command_json(argv);
	CHECK_INT(json_array_size(j), WORDS_MAX);
	CHECK_INT(json_string_length(json_array_get(j, 0)), WORD_MAX);
	json_decref(j);
}

static void makes_paths_of_sessions_only(void)
{
	char path[256];
	CHECK_INT(session_path("s-7f2", "/end", path), 0);
	CHECK_STR(path, "/v1/sessions/s-7f2/end");
	static const char *const bad[] = {"", "../status", "a/b", "a?b", "a b", "a%2e", "a\n",
					  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_INT(session_path(bad[i], "", path), ERR_MALFORMED);
}

static void tells_what_is_left(void)
{
	static const struct {
		int64_t until;
		const char *expected;
	} rows[] = {{100, "expired"}, {99, "expired"}, {101, "1s"},	     {219, "119s"},
		    {220, "2m"},      {3699, "59m"},   {100 + 7500, "2h 5m"}, {100 + 86400 * 3 + 7200, "3d 2h"}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char out[32];
		CHECK_STR(left_text(rows[i].until, 100, out, sizeof(out)), rows[i].expected);
	}
}

int main(void)
{
	keeps_secrets_out_of_the_record();
	limits_what_it_tells();
	makes_paths_of_sessions_only();
	tells_what_is_left();
	return tap_done();
}
