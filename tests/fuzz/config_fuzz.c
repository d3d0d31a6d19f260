/* The daemon's configuration: every text is taken, or refused with a place. */
#include <assert.h>

#include "config.h"
#include "config_place.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *c = NULL;
	char why[400] = "";
	struct place p = config_place(span_of(data, size), "audit.durability", 1);
	assert(p.line >= 1 && p.column >= 1);
	int r = config_parse(span_of(data, size), "f", &c, why, sizeof(why));
	if (r == ERR_CONFIG)
		assert(!strncmp(why, "f:", 2));
	if (r == 0)
		config_free(c);
	return 0;
}
