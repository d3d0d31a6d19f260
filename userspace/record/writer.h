/* The thread that brings events from the journal's side into LMDB. It owns the store's
 * transactions. What cannot be written it tries again every second, and says so in the meantime. */
#pragma once

#include "record/checkpoint.h"
#include "record/journal.h"
#include "record/store.h"

struct writer;

/* Before the thread runs: writes a batch, such as what only the journal had. */
must_check int writer_write(struct store *store, uint64_t chunk_bytes, const struct batch *b);

/* chunk_bytes: of one transaction, at most. */
must_check int writer_start(struct store *store, uint64_t chunk_bytes, struct writer **ret_w);
/* Ends it after what it has in hand (or after one try, if it cannot write). */
void writer_stop(struct writer *w);
/* An eventfd that is readable after it finished something, or failed. */
int writer_fd(const struct writer *w);
/* Takes the batch's contents if it is idle (b is then empty). False: it is busy. */
bool writer_take(struct writer *w, struct batch *b);
/* The checkpoint is stored beside its event, before what the writer has or will get. */
void writer_sign(struct writer *w, const struct checkpoint *c, const uint8_t key[KEY_LEN]);
/* Removes segments up to and with this one, after the checkpoint that it was given before. */
void writer_remove(struct writer *w, uint32_t upto);
/* Does it wait for a checkpoint over all that LMDB has, to seal a segment with? Not for long. */
bool writer_is_sealing(struct writer *w);
/* Until it is idle. False: not within timeout_ms, or it cannot write, or it waits for a checkpoint.
 */
bool writer_wait(struct writer *w, int timeout_ms);
/* 0, or why it cannot write now. */
int writer_err(struct writer *w);
/* The number of the segment that it writes to. */
uint32_t writer_segment(struct writer *w);
/* The last event that LMDB has: what a checkpoint may say. Sets seq, hash, root. */
void writer_position(struct writer *w, struct checkpoint *ret_c);
