/* What a server reports when it has let us in, and a list of hosts: read to the end, whatever stands there. */
#include "upstream/hosts.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void list(const uint8_t *data, size_t size)
{
	char text[1000], one[HOST_PORT_MAX], name[HOST_PORT_MAX];
	if (size >= sizeof(text))
		return;
	memcpy(text, data, size);
	text[size] = 0;
	const char *rest = text;
	while (hosts_next(&rest, one)) {
		hosts_name(one, name, sizeof(name));
		if (rest > text + strlen(text) || strlen(name) > strlen(one))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const wants[] = {NULL,      "any",	  "read-write", "read-only",
					    "primary", "standby", "prefer-standby", "nonsense"};
	struct span greeting = span_of(data, size);
	list(data, size);
	for (size_t i = 0; i < sizeof(wants) / sizeof(*wants); i++) {
		const char *why = hosts_mismatch(greeting, wants[i], size & 1, size & 2);
		if (why && i < 2)
			abort();
		if (!why && i == 7)
			abort();
	}
	return 0;
}
