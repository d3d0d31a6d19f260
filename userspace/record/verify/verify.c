#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/macro.h"
#include "record/journal.h"
#include "record/verify/internal.h"

#define ASK_EVERY 4096

int verify_bad(struct walk *w, uint64_t seq, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(w->v->why, sizeof(w->v->why), fmt, ap);
	va_end(ap);
	w->v->is_bad = true;
	w->v->bad_seq = seq;
	return 0;
}

int verify_missing(struct walk *w, uint64_t from, uint64_t to, const char *who)
{
	if (from == to)
		return verify_bad(w, from, "is missing: %s", who);
	return verify_bad(w, from, "events %" PRIu64 " to %" PRIu64 " are missing: %s", from, to,
			  who);
}

/* Event n does not hold the hash of n-1. The event behind n tells which of the two was changed: it
 * vouches for n as it is. */
static int broken_link(struct walk *w, uint64_t n, struct span stored, const uint8_t prev[HASH_LEN])
{
	uint8_t hash[HASH_LEN], vouched[HASH_LEN];
	struct span next;
	uint64_t seq, inner;
	int r = chain_hash(w->chain, prev, stored, hash);
	if (r < 0)
		return r;
	r = seg_cursor_next(&w->cur, &seq, &next);
	if (r < 0)
		return r;
	bool is_vouched =
	    r == 0 || (seq == n + 1 && chain_prefix_read(next, vouched, &inner) == 0 &&
		       memcmp(vouched, hash, HASH_LEN) == 0);
	if (is_vouched && n > w->v->first)
		return verify_bad(w, n - 1,
				  "was changed: event %" PRIu64 " holds another hash of it", n);
	return verify_bad(w, n, "was changed: it does not hold the hash of the event before it");
}

/* --- events -------------------------------------------------------------------------------------
 */

/* Is this event, which should have been seen, left out of an export? */
static bool is_left_out(struct walk *w, uint64_t seq)
{
	uint8_t key[8];
	MDB_val k = {8, key}, v;
	seq_encode(seq, key);
	return w->v->left_out && mdb_get(w->cur.txn, w->cur.g->dbs[DB_EVENTS], &k, &v) == MDB_NOTFOUND;
}

static int check_quorum(struct walk *w, uint64_t seq, struct span stored, const struct scan *s)
{
	enum quorum_verdict verdict;
	uint64_t missing;
	int r = quorum_check_event(w->quorum, seq, stored, s, &verdict, &missing);
	if (r < 0 || verdict == QUORUM_FINE)
		return r;
	bool is_removed = missing ? missing < w->v->first : w->v->first > 1;
	bool is_omitted = missing ? missing >= w->v->first && is_left_out(w, missing) : w->v->left_out;
	if (verdict == QUORUM_BAD || !(is_removed || is_omitted))
		return verify_bad(w, seq, "%s", quorum_check_why(w->quorum));
	if (is_omitted && missing)
		verify_unknown(w, "event %" PRIu64 " rests on event %" PRIu64 ", which is left out", seq,
			       missing);
	else if (is_omitted)
		verify_unknown(w, "event %" PRIu64 " rests on one before it, which is left out", seq);
	else
		w->v->untold++;
	return 0;
}

static int check_event(struct walk *w, uint64_t seq, struct span stored)
{
	uint8_t prev[HASH_LEN];
	uint64_t inner;
	struct scan s;
	if (seq < w->expected)
		return verify_bad(w, seq, "does not belong here: it is before the first one");
	int r = verify_omitted(w, seq);
	if (r < 0 || w->v->is_bad)
		return r;
	if (seq != w->expected)
		return verify_missing(w, w->expected, seq - 1, "the numbers have a gap");
	if (chain_prefix_read(stored, prev, &inner) < 0)
		return verify_bad(w, seq, "is no event of a record");
	if (inner != seq)
		return verify_bad(w, seq, "is out of its place: it says that it is event %" PRIu64,
				  inner);
	if (!w->is_begun)
		memcpy(w->at.hash, prev, HASH_LEN);
	w->is_begun = true;
	if (memcmp(prev, w->at.hash, HASH_LEN) != 0)
		return broken_link(w, seq, stored, prev);
	if (scan_event(stored, true, &s) < 0)
		return verify_bad(w, seq, "is not canonical JSON");
	r = chain_hash(w->chain, prev, stored, w->at.hash);
	if (r == 0 && w->has_tree)
		r = tree_add(&w->at.tree, w->chain, w->at.hash, NULL);
	w->v->bytes += stored.len;
	w->v->last = w->at.seq = seq;
	w->expected = seq + 1;
	if (w->flows)
		flows_take(w->flows, &s, seq);
	if (r == 0)
		r = verify_tombstone(w, seq, &s);
	if (r == 0 && !w->v->is_bad)
		r = check_quorum(w, seq, stored, &s);
	if (r == 0 && !w->v->is_bad)
		r = verify_sealed(w, seq, &s);
	if (r == 0 && !w->v->is_bad)
		r = verify_parts(w, seq, &s);
	if (r == 0 && !w->v->is_bad)
		verify_ledger(w, seq, &s);
	return r == 0 ? verify_signatures(w, seq) : r;
}

/* What should be there by the segment's own word and is not. */
static int check_end(struct walk *w)
{
	uint8_t edge[TREE_EDGE_MAX];
	int r = verify_all_omitted(w);
	if (r < 0 || w->v->is_bad)
		return r;
	struct span head = segment_meta(w->cur.g, w->cur.txn, "head");
	uint64_t last = head.len == 8 ? seq_decode(head.p) : 0;
	if (w->next_signed.seq && w->next_signed.seq >= w->expected)
		return verify_missing(w, w->expected, w->next_signed.seq,
				      "a checkpoint was signed there");
	if (last >= w->expected)
		return verify_missing(w, w->expected, last, "they were stored once");
	if (!w->has_tree || last != w->at.seq)
		return 0;
	struct span own = span_of(edge, tree_edge(&w->at.tree, edge));
	if (!span_eq(own, segment_meta(w->cur.g, w->cur.txn, "head_edge")))
		return verify_bad(w, last, "does not end the tree that the segment says");
	return 0;
}

static int walk_events(struct walk *w)
{
	uint64_t seq, n = 0;
	struct span stored;
	int r;
	while ((r = seg_cursor_next(&w->cur, &seq, &stored)) == 1) {
		r = check_event(w, seq, stored);
		if (r < 0 || w->v->is_bad)
			return r;
		if (++n % ASK_EVERY == 0 && w->o->is_stopped && w->o->is_stopped(w->o->ctx))
			return -ECANCELED;
	}
	return r < 0 ? r : check_end(w);
}

/* Where nothing came before: what the segment itself says of that. */
static int begin_first(struct walk *w, const struct position *before)
{
	bool is_within = w->o->from > before->seq + 1;
	w->expected = w->v->first = is_within ? w->o->from : before->seq + 1;
	w->v->signed_to = w->expected - 1;
	w->is_begun = w->has_tree = !is_within;
	w->at = *before;
	if (w->o->from == 0)
		w->v->removed_to = before->seq;
	return is_within ? 0 : verify_removed(w);
}

static int begin_segment(struct walk *w, MDB_txn *txn)
{
	struct segment *g = w->cur.g;
	struct position before;
	int r = segment_start(g, txn, &before);
	struct span node = segment_meta(g, txn, "node");
	if (r < 0)
		return r;
	w->is_export = g->number == SEGMENT_EXPORT;
	w->sealed_with[0] = 0; /* each segment has what it needs */
	if (!w->v->node[0] && node.len < NODE_MAX)
		memcpy(w->v->node, node.p, node.len);
	if (!w->expected)
		r = begin_first(w, &before);
	else if (before.seq >= w->expected)
		return verify_missing(w, w->expected, before.seq, "their segment is gone or cut");
	else if (before.seq + 1 < w->expected)
		return verify_bad(w, before.seq + 1, "is in two segments");
	else if (memcmp(before.hash, w->at.hash, HASH_LEN) != 0 ||
		 (w->has_tree && !tree_same(&before.tree, &w->at.tree)))
		return verify_bad(w, w->expected,
				  "begins a segment that does not go on from the one before it");
	if (r == 0 && !w->v->is_bad)
		r = verify_key(w, txn);
	/* From a segment's begin on, what lies before its first event does not belong here either. */
	seg_cursor_seek(&w->cur, w->expected == before.seq + 1 ? 0 : w->expected);
	return r;
}

static int walk_all(struct walk *w, struct segment *g, MDB_txn *txn)
{
	int r = segment_err(mdb_cursor_open(txn, g->dbs[DB_CHECKPOINTS], &w->checkpoints));
	if (r < 0)
		return r;
	r = begin_segment(w, txn);
	if (r == 0 && !w->v->is_bad)
		r = verify_next_signature(w, MDB_FIRST);
	if (r == 0 && !w->v->is_bad)
		r = walk_events(w);
	mdb_cursor_close(w->checkpoints);
	return r;
}

static int walk_segment(struct walk *w, struct segment *g)
{
	MDB_txn *txn;
	/* Begun before the events' own, so that no checkpoint is newer than the events. */
	int r = segment_err(mdb_txn_begin(g->env, NULL, MDB_RDONLY, &txn));
	if (r < 0)
		return r;
	r = seg_cursor_open(g, &w->cur);
	if (r == 0) {
		r = walk_all(w, g, txn);
		seg_cursor_close(&w->cur);
	}
	mdb_txn_abort(txn);
	return r;
}

static int walk_begin(struct walk *w, const struct verify_options *o, struct verify_result *v)
{
	*v = (struct verify_result){0};
	*w = (struct walk){.o = o, .v = v};
	if (o->key) {
		memcpy(v->key, o->key, KEY_LEN);
		v->has_key = true;
	}
	int r = chain_new(&w->chain);
	if (r == 0)
		r = ledger_new(&w->ledger);
	if (r == 0)
		r = verify_parts_new(&w->parts);
	return r ? r : quorum_check_new(&w->quorum);
}

static void walk_end(struct walk *w)
{
	chain_free(w->chain);
	verify_parts_free(w->parts);
	quorum_check_free(w->quorum);
	if (w->flows)
		flows_end(w->flows, &w->v->flows);
	flows_free(w->flows);
	ledger_free(w->ledger);
	if (w->v->last == 0)
		w->v->first = 0;
}

int verify_segment(struct segment *g, const struct verify_options *o, struct verify_result *ret_v)
{
	struct walk w;
	int r = walk_begin(&w, o, ret_v);
	if (r == 0)
		r = walk_segment(&w, g);
	if (r == 0 && !ret_v->is_bad)
		verify_complete(&w);
	walk_end(&w);
	return r;
}

/* What is durable and not in LMDB yet: the journal's reader has checked its chain. */
static int on_journaled(void *ctx, const struct batch *b)
{
	struct walk *w = ctx;
	struct span stored;
	struct scan s;
	uint64_t seq = b->first;
	int r = 0;
	w->v->last = b->last;
	w->v->bytes += buf_len(&b->events);
	w->v->first = w->v->first ? w->v->first : b->first;
	for (size_t at = 0; r == 0 && !w->v->is_bad && batch_next(b, &at, &stored); seq++) {
		if (scan_event(stored, true, &s) < 0)
			return verify_bad(w, seq, "is not canonical JSON");
		flows_take(w->flows, &s, seq);
		r = check_quorum(w, seq, stored, &s);
	}
	return r;
}

int verify_store(const char *path, struct segment *live, const struct verify_options *o,
		 struct verify_result *ret_v)
{
	_cleanup_(freep) uint32_t *list = NULL;
	size_t n = 0;
	struct walk w;
	int r = walk_begin(&w, o, ret_v);
	if (r == 0)
		r = flows_new(&w.flows);
	if (r == 0)
		r = segment_list_begun(path, live, &list, &n);
	if (r == 0 && n == 0)
		r = ERR_NOT_FOUND;
	for (size_t i = 0; r == 0 && i < n && !ret_v->is_bad; i++) {
		struct segment *g = live && live->number == list[i] ? segment_ref(live) : NULL;
		if (!g)
			r = segment_open(path, list[i], SEGMENT_READ, 0, &g);
		if (r == ERR_NOT_FOUND && !w.expected && live)
			r = 0; /* removed since the folder was listed */
		else if (r == 0)
			r = walk_segment(&w, g);
		segment_unref(g);
	}
	if (r == 0 && !ret_v->is_bad && !live && list[n - 1] != SEGMENT_EXPORT)
		r = journal_read(path, w.expected - 1, w.at.hash, on_journaled, &w);
	if (r == 0 && !ret_v->is_bad)
		r = verify_end(&w);
	if (r == 0 && !ret_v->is_bad)
		verify_complete(&w);
	walk_end(&w);
	return r;
}
