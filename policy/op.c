#include "policy/op.h"

#include "base/macro.h"

static const char *const verbs[] = {
#define X(name, text) text,
    VERB_LIST(X)
#undef X
};
static const char *const classes[] = {
#define X(name, text) text,
    CLASS_LIST(X)
#undef X
};
static const char *const effects[] = {"allow", "mask", "ask", "deny"};

static int by_name(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return (int)i;
	return -1;
}

const char *verb_name(enum verb v)
{
	return verbs[v];
}

const char *class_name(enum op_class c)
{
	return classes[c];
}

const char *effect_name(enum effect e)
{
	return effects[e];
}

int verb_by_name(const char *name)
{
	return by_name(verbs, ARRAY_LEN(verbs), name);
}

int class_by_name(const char *name)
{
	return by_name(classes, ARRAY_LEN(classes), name);
}
