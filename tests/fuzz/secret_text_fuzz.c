/* Connection strings: where libpq reads one, we took the same password out of it, and left it none.
 */
#include "upstream/secret_text.h"

#include <libpq-fe.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *value_of(const PQconninfoOption *o, const char *key)
{
	for (; o && o->keyword; o++)
		if (!strcmp(o->keyword, key))
			return o->val ? o->val : "";
	return "";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[600], out[600];
	if (size >= sizeof(text) || memchr(data, 0, size))
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	PQconninfoOption *whole = PQconninfoParse(text, NULL);
	if (secret_text_cut(text, "password", out, sizeof(out)) || strlen(text) != size)
		abort();
	PQconninfoOption *cut = PQconninfoParse(text, NULL);
	if (whole && cut && secret_text_is_blank(value_of(cut, "password")) &&
	    strcmp(value_of(whole, "password"), out))
		abort();
	PQconninfoFree(whole);
	PQconninfoFree(cut);
	return 0;
}
