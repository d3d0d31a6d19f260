/* Folds repeats of one refusal within a second. Pure: the clock is passed in. */
#pragma once

#include "kernel/kernel.h"

struct fold;

struct fold *fold_new(void); /* NULL: out of memory */
void fold_free(struct fold *f);
/* Where refusals go from now on. */
void fold_to(struct fold *f, void (*on_refusal)(void *ctx, const struct refusal *r), void *ctx);
/* Passes one through as it is. */
void fold_say(struct fold *f, const struct refusal *r);
/* The first of its kind (workload, process, destination, socket kind, reason) is said at once and
 * opens a window of a second, in which the same is only counted. */
void fold_add(struct fold *f, const struct refusal *r, uint64_t now_ns);
/* Says the counts of the windows that have ended. Returns when the next one ends, 0: none is open.
 */
uint64_t fold_flush(struct fold *f, uint64_t now_ns);
