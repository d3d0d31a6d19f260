/* Options of a command, by a table. */
#pragma once

#include <stdbool.h>

#define CLI_LIST_MAX 32

struct cli_list {
	const char *at[CLI_LIST_MAX];
	int n;
};

/* One of value, flag and list says where it goes. name without dashes; one letter is a short option. */
struct cli_option {
	const char *name;
	const char **value;
	bool *flag;
	struct cli_list *list; /* may be given several times */
};

/* Takes the options out of argv, up to "--" or the end; what is left keeps its order, "--" included.
 * options end with a name of NULL. Returns the new argc, or -1 after saying on stderr what is wrong. */
int cli_take_options(int argc, char **argv, const struct cli_option *options);
