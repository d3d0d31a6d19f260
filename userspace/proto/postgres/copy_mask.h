/* The data of COPY ... TO STDOUT as a stream: fields of masked columns are rewritten, everything else
 * goes on as it came. Forms: text, CSV, binary; PostgreSQL documentation, "COPY", "File Formats". Fed
 * byte by byte or whole it writes the same. Of a field that is cut, only one of a masked column is kept. */
#pragma once

#include "proto/postgres/masking.h"
#include "sql/sql.h"

struct copy_mask;

/* What it is for: what the client may see, or what may be recorded. Borrows r until it is freed; copies
 * form. field_max: bytes of one field of a masked column. -ENOMEM. */
enum copy_for { COPY_FOR_CLIENT, COPY_FOR_RECORD };
must_check int copy_mask_new(const struct mask_result *r, const struct sql_copy *form, enum copy_for whom,
			     size_t field_max, struct copy_mask **ret_m);
void copy_mask_free(struct copy_mask *m);
/* What can be told of bytes is added to out; adds to *ret_masked how many values were changed.
 * ERR_LIMIT: a field of a masked column is longer than field_max; ERR_DENIED: a row has another number of
 * columns than was decided on; ERR_MALFORMED; what buf_err(out) says is left to the caller. */
must_check int copy_mask_feed(struct copy_mask *m, struct span bytes, struct buf *out, uint64_t *ret_masked);
/* The end of the data: ERR_MALFORMED in the midst of a row. */
must_check int copy_mask_end(const struct copy_mask *m);
