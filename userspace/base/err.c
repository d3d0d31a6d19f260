#include "base/err.h"

#include <string.h>

static const struct {
	const char *name, *text;
} errors[] = {
#define X(name, text) {#name, text},
	ERR_LIST(X)
#undef X
};

static int err_index(int err)
{
	int i = err - ERR_BASE - 1;
	return i >= 0 && i < (int)(sizeof(errors) / sizeof(errors[0])) ? i : -1;
}

const char *err_name(int err)
{
	int i = err_index(err);
	if (err >= 0)
		return "OK";
	return i >= 0 ? errors[i].name : strerror(-err);
}

const char *err_text(int err)
{
	int i = err_index(err);
	if (err >= 0)
		return "no error";
	return i >= 0 ? errors[i].text : strerror(-err);
}
