/* What people are shown of an operation that waits for them, and what the record may have of it. */
#pragma once

#include "base/err.h"
#include "policy/op.h"

/* Bytes of text and parameters. */
size_t ask_shown_size(const struct op *op);
/* May its constants be exchanged for others, so that a pattern of it can be approved? Not where one may be code (DO,
 * CREATE FUNCTION, a function of the database's), or stands behind a name. */
bool ask_has_pattern(const struct op *op);
/* A sealed memfd with the JSON object that child.h has at "ask"; -1: no memory. text_limit: of the record's text. */
int ask_body(const struct op *op, const struct decision *d, size_t text_limit);
