/* Questions about a store, answered as JSON lines: for the live store by the recorder's reader threads,
 * for a copy by the command line. */
#pragma once

#include <jansson.h>

#include "record/store.h"

/* q: {"kind": "sessions"|"events"|"export"|"verify"} and filters as strings: session, identity, owner, role,
 * resource, type, denied ("1"), since and until (Unix seconds), from and to (event numbers), limit. Writes to fd
 * until done or until nobody reads (then 0). public_pem: for verify. 0 or a negative code. */
must_check int query_answer(struct store *s, const json_t *q, const char *public_pem, int fd);
