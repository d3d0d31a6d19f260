/* A table on stdout: columns as wide as they must be. Values that came from outside are shown without
 * control characters. */
#pragma once

#include <jansson.h>

/* rows: an array of arrays of strings; the first row is the heading. */
void table_print(const json_t *rows);
