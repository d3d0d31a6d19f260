/* Rows of a result as a table in a fixed-width font; inert. */
#pragma once

#include <jansson.h>

#include "base/buf.h"

/* One value of the record: text, NULL, base64 of what is binary, or what was cut, with its length.
 * indent: behind newlines; NULL: a newline is shown as an escape. */
void show_value(struct buf *out, const json_t *value, const char *indent);
/* Begins with a newline; none behind the last line. columns: names; rows: an array of arrays; both
 * may be NULL. Every line stands behind indent. A cell is at most 48 columns wide: what is longer
 * ends in "..." */
void show_rows(struct buf *out, const json_t *columns, const json_t *rows, const char *indent);
