/* COPY ... TO STDOUT of a result that is masked: the messages around copy_mask.h's stream. */
#pragma once

#include "proto/postgres/copy_mask.h"
#include "proto/postgres/work.h"

/* CopyOutResponse (head) came for t: sets up what its data needs. ERR_DENIED: it may not be shown, or is not
 * what was decided on; -ENOMEM. */
must_check int copy_out_begin(struct pg *pg, const struct track *t, struct span head);
/* Is the data of CopyData to go through copy_out_data? */
static inline bool copy_out_is_on(const struct pg *pg)
{
	return pg->copy_out.client || pg->copy_out.record;
}
/* Bytes of a CopyData's body; is_first, is_last: with its first, its last one. Errors as copy_mask_feed. */
must_check int copy_out_data(struct pg *pg, struct span bytes, bool is_first, bool is_last, struct sink *out);
/* The same for all CopyData at in that is there whole, where nothing of it is recorded. */
static inline bool copy_out_is_shown_only(const struct pg *pg)
{
	return pg->copy_out.client && !pg->copy_out.record;
}
must_check int copy_out_whole(struct pg *pg, struct cur *in, struct sink *out);
/* CopyDone: ERR_MALFORMED where the data is not whole. */
must_check int copy_out_end(struct pg *pg);
/* It is over, one way or the other. */
void copy_out_done(struct pg *pg);
