/* What a session has set follows its transactions, as in the server; what cannot be told says so. */
#include "proto/postgres/settings.h"

#include "base/macro.h"
#include "tests/unit/tap.h"

/* Steps: "name=value", "local name=value", "reset name", "reset all", "?name" (computed), "commit", "rollback",
 * "to" (ROLLBACK TO), "forget", "unread". */
static const struct {
	const char *steps[10], *shown;
	bool is_unknown;
} rows[] = {
    {{NULL}, "", false},
    {{"a.x=1"}, "a.x=1;", false},
    {{"b.x=1", "a.x=2", "commit"}, "a.x=2;b.x=1;", false},
    {{"a.x=1", "rollback"}, "", false},
    {{"a.x=1", "commit", "a.x=2", "rollback"}, "a.x=1;", false},
    {{"local a.x=1"}, "a.x=1;", false},
    {{"local a.x=1", "commit"}, "", false},
    {{"a.x=1", "local a.x=2", "commit"}, "a.x=1;", false},
    {{"a.x=1", "commit", "reset a.x", "rollback"}, "a.x=1;", false},
    {{"a.x=1", "commit", "reset a.x", "commit"}, "", false},
    {{"a.x=1", "b.x=1", "commit", "reset all", "commit"}, "", false},
    {{"a.x=1", "commit", "reset all", "rollback"}, "a.x=1;", false},
    {{"a.x=1", "commit", "forget"}, "", false},
    {{"application_name=x"}, "", false},
    {{"?a.x"}, "a.x=(cannot be told);", true},
    {{"?a.x", "rollback"}, "", false},
    {{"?a.x", "commit", "a.x=1"}, "a.x=1;", false},
    {{"unread"}, "*=(cannot be told);", true},
    {{"a.x=1", "to"}, "a.x=(cannot be told);", true},
    {{"a.x=1", "commit", "to"}, "a.x=1;", false},
    {{"a.x=1", "commit", "reset a.x", "to"}, "a.x=(cannot be told);", true},
    {{"login l=7"}, "l=7;", false},
    {{"login l=7", "l=8", "reset l"}, "l=7;", false},
    {{"login l=7", "l=8", "commit", "forget"}, "l=7;", false},
    {{"login L=7", "reset all"}, "l=7;", false},
};

static void set(struct settings *s, const char *step, bool is_local)
{
	char name[64], *value;
	snprintf(name, sizeof(name), "%s", step);
	value = strchr(name, '=');
	*value++ = 0;
	struct sql_stmt st = {.kind = SQL_SET, .tag = "SET", .name = name, .value = value, .is_local = is_local};
	settings_completed(s, &st, (struct span){0});
}

static void run(struct settings *s, const char *step)
{
	struct need need = {.kind = NEED_SETTING, .verb = VERB_SET};
	struct sql_stmt reset = {.kind = SQL_SET, .tag = "RESET"};
	struct sql_stmt select = {.tag = "SELECT", .needs = &need, .n_needs = 1};
	struct sql_stmt to = {.kind = SQL_SAVEPOINT, .tag = "ROLLBACK"};
	char name[64], *value;
	if (!strncmp(step, "login ", 6)) {
		snprintf(name, sizeof(name), "%s", step + 6);
		value = strchr(name, '=');
		*value++ = 0;
		settings_login(s, name, value);
	} else if (!strncmp(step, "local ", 6)) {
		set(s, step + 6, true);
	} else if (!strncmp(step, "reset ", 6)) {
		reset.name = strcmp(step + 6, "all") ? step + 6 : NULL;
		settings_completed(s, &reset, (struct span){0});
	} else if (*step == '?') {
		need.name = step + 1;
		settings_completed(s, &select, (struct span){0});
	} else if (strchr(step, '=')) {
		set(s, step, false);
	} else if (!strcmp(step, "to")) {
		settings_completed(s, &to, (struct span){0});
	} else if (!strcmp(step, "forget")) {
		settings_forget(s);
	} else if (!strcmp(step, "unread")) {
		settings_unclassified(s);
	} else {
		settings_end(s, !strcmp(step, "commit"));
	}
}

static const char *shown(struct settings *s, bool *ret_unknown)
{
	static char text[1024];
	int n = settings_shown(s, ret_unknown);
	text[0] = 0;
	for (int i = 0; i < n; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s=%s;", s->shown[2 * i],
			 s->shown[2 * i + 1]);
	return text;
}

static void keeps_bounds(void)
{
	struct settings s = {0};
	bool is_unknown;
	char step[64];
	for (int i = 0; i < SETTINGS_MAX + 1; i++) {
		snprintf(step, sizeof(step), "a.x%d=1", i);
		run(&s, step);
	}
	int n = settings_shown(&s, &is_unknown);
	CHECK(is_unknown);
	CHECK_INT(n, SETTINGS_MAX + 1);
	CHECK_STR(s.shown[2 * SETTINGS_MAX], "*");
	settings_done(&s);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct settings s = {0};
		bool is_unknown;
		for (int k = 0; rows[i].steps[k]; k++)
			run(&s, rows[i].steps[k]);
		CHECK_STR(shown(&s, &is_unknown), rows[i].shown);
		CHECK_INT(is_unknown, rows[i].is_unknown);
		settings_done(&s);
	}
	keeps_bounds();
	return tap_done();
}
