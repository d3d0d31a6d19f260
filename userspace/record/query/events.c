/* Events: of one session by its ranges, else from one end to the other. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/jw.h"
#include "base/macro.h"
#include "record/checkpoint.h"
#include "record/journal.h"
#include "record/query/internal.h"
#include "record/segment_read.h"

#define FOLLOW_MS 200
#define ASK_EVERY 1024

/* --- checkpoints --------------------------------------------------------------------------------
 */

static void write_checkpoint(struct buf *b, const struct segment *g, MDB_txn *txn, struct span note)
{
	struct span key = segment_meta(g, txn, "key");
	char hex[2 * KEY_LEN + 1] = "";
	struct jw w;
	if (key.len == KEY_LEN)
		hex_encode(key.p, KEY_LEN, hex);
	jw_begin(&w, b);
	jw_object(&w, NULL);
	jw_object(&w, "_checkpoint");
	jw_str(&w, "key", hex);
	jw_text(&w, "note", "note_b64", note);
	jw_object_end(&w);
	jw_str(&w, "type", "checkpoint");
	jw_object_end(&w);
}

int answer_checkpoint(struct answer *a, struct segment *g, uint64_t seq)
{
	MDB_txn *txn;
	uint8_t key[8];
	MDB_val k = {8, key}, v;
	struct buf b;
	seq_encode(seq, key);
	int r = segment_err(mdb_txn_begin(g->env, NULL, MDB_RDONLY, &txn));
	if (r < 0)
		return r;
	buf_init(&b, 2 * NOTE_MAX);
	r = segment_err(mdb_get(txn, g->dbs[DB_CHECKPOINTS], &k, &v));
	if (r == 0) {
		write_checkpoint(&b, g, txn, span_of(v.mv_data, v.mv_size));
		r = buf_err(&b) ? buf_err(&b) : answer_line(a, buf_span(&b));
	}
	mdb_txn_abort(txn);
	buf_done(&b);
	return r == ERR_NOT_FOUND ? 0 : r;
}

/* --- events -------------------------------------------------------------------------------------
 */

static int take_match(struct answer *a, struct segment *g, struct span stored)
{
	struct span seen;
	int r = answer_match(a, stored, &seen);
	if (r != 1)
		return r;
	return a->rests ? rests_note(a->rests, seen) : answer_event(a, g, stored);
}

static int one_event(struct answer *a, struct segment *g, uint64_t seq, struct span stored,
		     bool with_checkpoints)
{
	a->next = seq + 1;
	if (a->keeper)
		return keeper_event(a, g, seq, stored);
	int r = take_match(a, g, stored);
	return r == 0 && with_checkpoints ? answer_checkpoint(a, g, seq) : r;
}

/* 1: no more is wanted. */
static int walk_range(struct answer *a, struct seg_cursor *c, uint64_t first, uint64_t last)
{
	bool with_checkpoints = a->q->kind == Q_EXPORT && !a->rests && query_is_whole(a->q);
	uint64_t seq;
	struct span stored;
	int r, n = 0;
	seg_cursor_seek(c, MAX(first, a->next));
	while ((r = seg_cursor_next(c, &seq, &stored)) == 1) {
		if (a->q->to && seq > a->q->to && !a->keeper)
			return 1;
		if (seq > last)
			return 0;
		r = one_event(a, c->g, seq, stored, with_checkpoints);
		if (r)
			return r;
		if (++n % ASK_EVERY == 0 && answer_is_stopped(a))
			return -ECANCELED;
	}
	return r;
}

static int walk_segment(struct answer *a, struct segment *g)
{
	struct ranges ranges = {0};
	struct seg_cursor c;
	int r = a->keeper ? query_all(&ranges) : query_ranges(a->q, g, &ranges);
	if (r == 0)
		r = seg_cursor_open(g, &c);
	if (r == 0) {
		for (size_t i = 0; i < ranges.n && r == 0; i++)
			r = walk_range(a, &c, ranges.at[i].first, ranges.at[i].last);
		seg_cursor_close(&c);
	}
	free(ranges.at);
	return r;
}

/* --- what only the journal has
 * --------------------------------------------------------------------- */

static int on_journaled(void *ctx, const struct batch *b)
{
	struct answer *a = ctx;
	struct span stored;
	uint8_t prev[HASH_LEN];
	uint64_t seq;
	struct scan e;
	bool is_passed = a->rests && !a->keeper; /* it only looks */
	int r = 0;
	for (size_t at = 0; r == 0 && batch_next(b, &at, &stored);) {
		if (chain_prefix_read(stored, prev, &seq) < 0 || scan_event(stored, true, &e) < 0)
			return ERR_VERIFY;
		if (a->q->keys && !is_passed && span_is(scan_plain(&e, "type"), "record.key"))
			r = answer_key(a, scan_plain(&e, "key"), scan_get(&e, "to"));
		if (r == 0 && a->keeper && seq >= a->next) {
			a->next = seq + 1;
			r = keeper_event(a, NULL, seq, stored);
		} else if (r == 0 && seq >= a->next && (!a->q->to || seq <= a->q->to)) {
			r = take_match(a, NULL, stored);
		}
	}
	return r > 0 ? -ECANCELED : r; /* the limit is reached: not an error */
}

/* Of a store that nobody writes to: its recorder died before LMDB had everything. */
static int walk_journal(struct answer *a, struct segment *last)
{
	MDB_txn *txn;
	struct chain *c;
	struct position end;
	int r = chain_new(&c);
	if (r < 0)
		return r;
	r = segment_err(mdb_txn_begin(last->env, NULL, MDB_RDONLY, &txn));
	if (r == 0) {
		r = segment_end(last, txn, c, &end);
		mdb_txn_abort(txn);
	}
	chain_free(c);
	a->last = last;
	if (r == 0)
		r = journal_read(a->source->path, end.seq, end.hash, on_journaled, a);
	a->last = NULL;
	return r == -ECANCELED ? 1 : r;
}

static int walk_store(struct answer *a)
{
	_cleanup_(freep) uint32_t *list = NULL;
	size_t n = 0;
	struct segment *live = a->source->live ? a->source->live(a->source->ctx) : NULL;
	int r = segment_list_begun(a->source->path, live, &list, &n);
	for (size_t i = 0; i < n && r == 0; i++) {
		struct segment *g = live && live->number == list[i] ? segment_ref(live) : NULL;
		if (!g)
			r = segment_open(a->source->path, list[i], SEGMENT_READ, 0, &g);
		if (r == ERR_NOT_FOUND && live)
			r = 0; /* removed since the folder was listed */
		else if (r == 0)
			r = walk_segment(a, g);
		if (r == 0 && !live && i + 1 == n && g->number != SEGMENT_EXPORT)
			r = walk_journal(a, g);
		segment_unref(g);
	}
	segment_unref(live);
	return r;
}

static int find_rests(struct answer *a)
{
	if (query_is_whole(a->q) && !a->q->from && !a->q->to)
		return 0;
	int r = rests_new(&a->rests);
	r = r == 0 ? walk_store(a) : r;
	return r > 0 ? 0 : r; /* up to "to" */
}

/* All of it, in order; of what does not match, and nothing rests on, the hashes. */
static int answer_kept(struct answer *a)
{
	int r = find_rests(a);
	a->next = 0;
	if (r == 0)
		r = keeper_new(a, &a->keeper);
	if (r == 0)
		r = walk_store(a);
	if (r == 0)
		r = keeper_end(a);
	keeper_free(a->keeper);
	rests_free(a->rests);
	return r;
}

int answer_events(struct answer *a)
{
	if (a->q->keeps_hashes)
		return answer_kept(a);
	int r = walk_store(a);
	while (r == 0 && a->q->follow) {
		poll(NULL, 0, FOLLOW_MS);
		if (answer_is_stopped(a))
			return -ECANCELED;
		r = a->sink->line(a->sink->ctx, (struct span){0});
		if (r == 0)
			r = walk_store(a);
	}
	return r < 0 ? r : answer_n_sealed(a);
}
