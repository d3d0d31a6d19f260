#include "cli/options.h"

#include <string.h>

#include "cli/cli.h"

/* The option that the word names, and what stands behind its '='. */
static const struct cli_option *find(const struct cli_option *options, const char *word, const char **ret_value)
{
	const char *name = word + (word[1] == '-' ? 2 : 1);
	size_t len = strcspn(name, "=");
	for (const struct cli_option *o = options; o->name; o++) {
		bool is_short = !o->name[1];
		if (strlen(o->name) != len || memcmp(o->name, name, len) != 0 || is_short != (word[1] != '-'))
			continue;
		*ret_value = name[len] ? name + len + 1 : NULL;
		return o;
	}
	return NULL;
}

static int set(const char *command, const char *word, const struct cli_option *o, const char *value)
{
	if (o->flag) {
		if (value)
			return cli_usage(command, "%s takes no value", word);
		*o->flag = true;
	} else if (!value) {
		return cli_usage(command, "%s needs a value", word);
	} else if (o->list) {
		if (o->list->n == CLI_LIST_MAX)
			return cli_usage(command, "%s is given more than %d times", word, CLI_LIST_MAX);
		o->list->at[o->list->n++] = value;
	} else if (*o->value) {
		return cli_usage(command, "%s is given twice", word);
	} else {
		*o->value = value;
	}
	return 0;
}

int cli_take_options(int argc, char **argv, const struct cli_option *options)
{
	int n = 1;
	for (int i = 1; i < argc; i++) {
		const char *word = argv[i], *value = NULL;
		if (!strcmp(word, "--")) {
			while (i < argc)
				argv[n++] = argv[i++];
			break;
		}
		if (word[0] != '-' || !word[1]) {
			argv[n++] = argv[i];
			continue;
		}
		const struct cli_option *o = find(options, word, &value);
		if (!o) {
			cli_usage(argv[0], "no option %s", word);
			return -1;
		}
		if (!o->flag && !value && i + 1 < argc)
			value = argv[++i];
		if (set(argv[0], word, o, value))
			return -1;
	}
	argv[n] = NULL;
	return n;
}
