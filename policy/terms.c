#include "policy/terms.h"

#include <string.h>

#include "base/macro.h"

static const struct {
	enum choice choice;
	const char *name;
} choices[] = {
	{CHOICE_ONCE, "once"}, {CHOICE_TEXT, "text"}, {CHOICE_PATTERN, "pattern"}, {CHOICE_ROLE, "role"}};

const char *choice_name(enum choice c)
{
	for (size_t i = 0; i < ARRAY_LEN(choices); i++)
		if (choices[i].choice == c)
			return choices[i].name;
	return NULL;
}

enum choice choice_by_name(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_LEN(choices); i++)
		if (!strcmp(choices[i].name, name))
			return choices[i].choice;
	return 0;
}
