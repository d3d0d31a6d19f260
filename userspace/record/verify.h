/* Is a store what the node wrote? Walks the chain over all segments and checks every checkpoint's
 * signature. */
#pragma once

#include <jansson.h>

#include "record/store.h"

struct verdict {
	int result; /* 0: good; ERR_VERIFY: bad; else: cannot tell */
	uint64_t first, last; /* events */
	uint64_t signed_to;   /* the last event under a good checkpoint; 0: none */
	uint64_t bad;         /* the first bad event, or 0 */
	char why[300];
};

/* public_pem: the node's public key as PEM, or NULL: signatures are then not checked (result stays 0, why says so). */
void store_verify(struct store *s, const char *public_pem, struct verdict *ret_v);
/* "OK node events 1..12 signed-to 10 unsigned-tail 2" or "BAD event 7: ..."; owned by the caller. */
json_t *verdict_json(const struct verdict *v, const char *node);
