/* Where the record is read from: the daemon (by default) or, with --store, a store's folder: a
 * copy, or as root the node's own. Both give JSON lines. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct opener;
struct record_source {
	const char *store; /* NULL: the daemon */
	const char *key;   /* verify of a store: the node's public key, a file (PEM); NULL:
			    * keys/node.pub beside the store, else the key that the store itself names */
	struct opener *opener; /* for what is sealed; NULL: it stays so. cli/opened.h */
	bool is_as_stored;     /* what is packed stays so */
	bool is_sealed_said;   /* once is enough */
	bool is_key_named; /* verify: its fingerprint is among the filters */
};

/* A line without its newline, borrowed. Anything but 0 ends the asking, and is its result. */
typedef int (*record_line)(void *ctx, const char *line, size_t len);
/* Asks (kind: "sessions", "events", "export", "verify", "prove"; filters: an object of strings, borrowed;
 * nulls are left out). Says on stderr what went wrong. 0 or a negative code. */
must_check int record_ask(const struct record_source *s, const char *kind, const json_t *filters,
			  record_line on_line, void *ctx);
