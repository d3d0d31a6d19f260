/* What an approval is bound to: SHA-256 over resource, identity, text, parameter values and their declared types, what
 * stands behind a name that the text runs, what the session has set, and over what the names in the text meant when it
 * was asked about. */
#pragma once

#include "policy/op.h"

struct bound {
	const char *flow; /* where something of the session cannot be told: nothing else is the same; or NULL */
	const struct who *who;
	const char *resource, *database; /* database may be NULL */
	const struct op *op;
	struct span text; /* op->text; another reading of it for the wider hashes */
	bool has_params;
};
/* 64 hex digits and a NUL. Each part is preceded by its length, so that none runs into the next. */
void bound_hash(const struct bound *b, char out[65]);
