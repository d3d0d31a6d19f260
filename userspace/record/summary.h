/* What `sluice sessions` shows, kept up to date from the events as they are stored: one canonical
 * JSON object a session (EVENTS.md), and the ranges of events in which a session occurs. A cache
 * before the store: what is not here is read from there. */
#pragma once

#include "record/marks.h"
#include "record/store.h"

struct summaries;

must_check int summaries_new(struct summaries **ret_s);
void summaries_free(struct summaries *s);
/* Takes one event that was just appended as seq. */
must_check int summaries_add(struct summaries *s, struct store *store, const struct marked *event,
			     uint64_t seq);
/* Puts what changed into the group. */
must_check int summaries_flush(struct summaries *s, struct store *store);
/* After a commit: what was flushed is settled. */
void summaries_settle(struct summaries *s);
/* After an abort: forgets everything; the store is right. */
void summaries_forget(struct summaries *s);
