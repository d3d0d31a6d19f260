/* Where the fields of one row of COPY's text or CSV end: 64 bytes at a time, for rows that came whole. */
#pragma once

#include "base/span.h"
#include "sql/sql.h"

/* Is row one whole row of n fields? ret_ends[i]: where field i ends, at its delimiter, the last one at the newline
 * that is row's last byte. False: it is something else, or of a form that is not read here: to be read byte by
 * byte, which says what is wrong with it. row is shorter than 4 GB. */
bool copy_split(const struct sql_copy *form, struct span row, uint32_t *ret_ends, int n);
