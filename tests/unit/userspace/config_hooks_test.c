#include "config_hooks.h"

#include <jansson.h>

#include "base/macro.h"

#include "../tap.h"

#define HOOK(more) "[{\"name\":\"ops\",\"url\":\"https://h/x\",\"secret\":\"file:/k/s\"" more "}]"

static void reads(void)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{HOOK(""), NULL},
		{HOOK(",\"format\":\"slack\",\"groups\":[\"dba\"]"), NULL},
		{HOOK(",\"format\":\"irc\""), "\"format\": expected one of json"},
		{HOOK(",\"groups\":\"dba\""), "\"groups\": expected a list"},
		{HOOK(",\"groups\":[7]"), "\"groups\": expected a list"},
		{HOOK(",\"secrets\":1"), "\"secrets\": expected no such key"},
		{"[{\"name\":\"ops\",\"url\":\"http://h/x\",\"secret\":\"file:/k/s\"}]", "\"url\""},
		{"[{\"name\":\"Ops\",\"url\":\"https://h/x\",\"secret\":\"file:/k/s\"}]", "\"name\""},
		{"[{\"name\":\"ops\",\"url\":\"https://h/x\",\"secret\":\"hunter2\"}]", "\"secret\""},
		{"[{\"name\":\"ops\",\"url\":\"https://h/x\"}]", "\"secret\""},
		{"[7]", "an object"},
		{"{}", "a list"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct hooks hooks = {0};
		struct arena a;
		char why[300] = "";
		int index = 0;
		json_t *j = json_loads(rows[i].text, 0, NULL);
		arena_init(&a, 65536);
		CHECK_INT(config_hooks_read(&a, j, &hooks, &index, why, sizeof(why)), rows[i].why ? ERR_CONFIG : 0);
		CHECK(!rows[i].why || strstr(why, rows[i].why));
		CHECK_INT(hooks.n, rows[i].why ? 0 : 1);
		/* A secret that was written where its file belongs is not repeated. */
		CHECK(!strstr(why, "hunter2"));
		arena_done(&a);
		json_decref(j);
	}
}

static void names_are_unique(void)
{
	struct hooks hooks;
	struct arena a;
	char why[300];
	int index = 0;
	json_t *j = json_loads(HOOK(""), 0, NULL);
	json_array_append(j, json_array_get(j, 0));
	arena_init(&a, 65536);
	CHECK_INT(config_hooks_read(&a, j, &hooks, &index, why, sizeof(why)), ERR_CONFIG);
	CHECK_INT(index, 1);
	arena_done(&a);
	json_decref(j);
}

int main(void)
{
	reads();
	names_are_unique();
	return tap_done();
}
