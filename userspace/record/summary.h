/* What each session did so far: counts that the recorder keeps from the events that it writes, for
 * `sluice sessions`. The store holds them as JSON under the session's id; the live ones are in memory. */
#pragma once

#include "record/scan.h"
#include "record/store.h"

struct summaries;

must_check int summaries_new(struct summaries **ret_s);
void summaries_free(struct summaries *s);
/* Takes event number seq into account. A session that is not in memory is read from the store first. */
must_check int summaries_add(struct summaries *s, struct store *store, const struct scan_fields *f, uint64_t seq);
/* Writes what changed since the last save, and where its events lie, in the open transaction. */
must_check int summaries_save(struct summaries *s, struct store *store);
/* After the commit (or its failure: then the events will be added again, and these counts are dropped). */
void summaries_saved(struct summaries *s, bool is_committed);
