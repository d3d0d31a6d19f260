/* What the events of a part rest on, and a verifier looks for: of an approval the request, its answers and its release;
 * of a long text its parts. They stand before the events that need them, so a part is gone over twice. */
#pragma once

#include "base/span.h"
#include "record/scan.h"

struct rests;

must_check int rests_new(struct rests **ret_r);
void rests_free(struct rests *r); /* NULL is nothing */
/* Takes an event that is asked for. -ENOMEM, ERR_LIMIT, ERR_VERIFY: it is no event. */
must_check int rests_note(struct rests *r, struct span event);
/* Does one that was taken rest on this one? Errors as above. */
must_check int rests_has(const struct rests *r, struct span event);
