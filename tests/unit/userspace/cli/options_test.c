#include "cli/options.c"

#include "base/macro.h"

#include "../../tap.h"
#include "said.h"

static const char *value;
static bool flag;
static struct cli_list list;
static const struct cli_option options[] = {{"value", &value, NULL, NULL}, {"v", &value, NULL, NULL},
					    {"flag", NULL, &flag, NULL},   {"list", NULL, NULL, &list},
					    {0}};

/* words: separated by one space. left: what must be left over, joined. */
static void try(const char *words, int expected, const char *expected_left)
{
	char text[500], left[500] = "", *argv[40] = {(char *)"cmd"};
	int argc = 1;
	snprintf(text, sizeof(text), "%s", words);
	for (char *w = strtok(text, " "); w; w = strtok(NULL, " "))
		argv[argc++] = w;
	value = NULL;
	flag = false;
	list.n = 0;
	said[0] = 0;
	argc = cli_take_options(argc, argv, options);
	CHECK_INT(argc < 0 ? -1 : argc, expected);
	CHECK_INT(argc < 0, said[0] != 0);
	for (int i = 1; i < argc; i++)
		snprintf(left + strlen(left), sizeof(left) - strlen(left), "%s%s", i > 1 ? " " : "", argv[i]);
	CHECK(argc < 0 || argv[argc] == NULL);
	if (argc >= 0)
		CHECK_STR(left, expected_left);
}

int main(void)
{
	try("", 1, "");
	try("--value x a", 2, "a");
	CHECK_STR(value, "x");
	try("a --value=x=y b", 3, "a b");
	CHECK_STR(value, "x=y");
	try("-v x", 1, "");
	CHECK_STR(value, "x");
	try("--value=", 1, "");
	CHECK_STR(value, "");
	try("--flag -- --value x", 4, "-- --value x");
	CHECK(flag && !value);
	try("--list a --list=b", 1, "");
	CHECK_INT(list.n, 2);
	CHECK_STR(list.at[1], "b");
	try("-", 2, "-");
	try("--value", -1, "");
	try("--valu x", -1, "");
	try("--values x", -1, "");
	try("-value x", -1, "");
	try("--v x", -1, "");
	try("--flag=1", -1, "");
	try("--value a --value b", -1, "");
	try("--nothing", -1, "");
	char many[500] = "";
	for (int i = 0; i <= CLI_LIST_MAX; i++)
		strcat(many, "--list=a ");
	try(many, -1, "");
	return tap_done();
}
