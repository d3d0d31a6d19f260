/* Filters as a question, and what is said where one is none. */
#include "cli/filters.c"

#include "../../tap.h"
#include "said.h"

static const char *since_of(const char *text)
{
	static char out[24];
	return seconds_of(text, out);
}

int main(void)
{
	struct filters f = {.session = "s-1", .verdict = "deny", .since = "2026-11-24", .is_denied = true};
	json_t *j = filters_json(&f, "search");
	char *text = json_dumps(j, JSON_SORT_KEYS | JSON_COMPACT);
	CHECK_STR(text, "{\"denied\":\"1\",\"identity\":null,\"owner\":null,\"relation\":null,"
			"\"resource\":null,"
			"\"role\":null,"
			"\"session\":\"s-1\",\"since\":\"1795478400\",\"until\":null,\"verdict\":\"deny\"}");
	free(text);
	json_decref(j);

	CHECK_STR(since_of("2026-11-24T08:00:00Z"), "1795507200");
	CHECK_STR(since_of("1795507200"), "1795507200");
	long long ago = strtoll(since_of("90m"), NULL, 10), now = (long long)time(NULL);
	CHECK(now - ago >= 5400 && now - ago <= 5402);
	ago = strtoll(since_of("7d"), NULL, 10);
	CHECK(now - ago >= 7 * 86400 && now - ago <= 7 * 86400 + 2);
	CHECK(!since_of("") && !since_of("yesterday") && !since_of("5w"));
	CHECK(!since_of("2026-13-01") && !since_of("5mm"));

	f = (struct filters){.until = "soon"};
	CHECK(!filters_json(&f, "search"));
	CHECK(strstr(said, "soon: expected a date"));
	said[0] = 0;
	f = (struct filters){.verdict = "perhaps"};
	CHECK(!filters_json(&f, "search"));
	CHECK(strstr(said, "--verdict perhaps: expected allow"));
	return tap_done();
}
