#include "record/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/jw.h"
#include "base/macro.h"
#include "record/event_internal.h"
#include "record/journal.h"
#include "record/scan.h"
#include "record/segment_read.h"

#define ASK_EVERY 4096

struct walk {
	const struct verify_options *o;
	struct verify_result *v;
	struct chain *chain;
	struct seg_cursor cur;
	MDB_cursor *checkpoints;
	struct checkpoint next_signed; /* the next one of this segment; seq 0: no more */
	uint64_t expected;	       /* the number that comes next */
	uint8_t hash[HASH_LEN];	       /* of the event before it */
	bool is_begun;		       /* hash is known */
};

__attribute__((format(printf, 3, 4))) static int bad(struct walk *w, uint64_t seq, const char *fmt,
						     ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(w->v->why, sizeof(w->v->why), fmt, ap);
	va_end(ap);
	w->v->is_bad = true;
	w->v->bad_seq = seq;
	return 0;
}

static int missing(struct walk *w, uint64_t from, uint64_t to, const char *who)
{
	if (from == to)
		return bad(w, from, "is missing: %s", who);
	return bad(w, from, "events %" PRIu64 " to %" PRIu64 " are missing: %s", from, to, who);
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
		return bad(w, n - 1, "was changed: event %" PRIu64 " holds another hash of it", n);
	return bad(w, n, "was changed: it does not hold the hash of the event before it");
}

/* --- checkpoints --------------------------------------------------------------------------------
 */

static int next_checkpoint(struct walk *w, MDB_cursor_op op)
{
	MDB_val k, v;
	int r = mdb_cursor_get(w->checkpoints, &k, &v, op);
	w->next_signed.seq = 0;
	if (r == MDB_NOTFOUND)
		return 0;
	if (r)
		return segment_err(r);
	if (checkpoint_read(span_of(v.mv_data, v.mv_size), &w->next_signed) < 0 || k.mv_size != 8 ||
	    seq_decode(k.mv_data) != w->next_signed.seq)
		return bad(w, w->v->signed_to + 1,
			   "a checkpoint behind event %" PRIu64 " is malformed", w->v->signed_to);
	return 0;
}

static const uint8_t *key_of(struct walk *w, const struct checkpoint *c)
{
	struct verify_result *v = w->v;
	if (!v->has_key)
		memcpy(v->key, w->o->key ? w->o->key : c->key, KEY_LEN);
	v->has_key = true;
	return v->key;
}

static int check_signature(struct walk *w, const struct checkpoint *c)
{
	uint64_t from = w->v->signed_to + 1;
	const uint8_t *key = key_of(w, c);
	if (memcmp(c->key, key, KEY_LEN) != 0)
		return bad(w, from,
			   "the checkpoint at event %" PRIu64 " is signed with another key",
			   c->seq);
	if (checkpoint_check(c, key) < 0)
		return bad(w, from, "the checkpoint at event %" PRIu64 " has a false signature",
			   c->seq);
	if (strcmp(c->node, w->v->node) != 0)
		return bad(w, from, "the checkpoint at event %" PRIu64 " is another node's",
			   c->seq);
	if (memcmp(c->hash, w->hash, HASH_LEN) == 0) {
		w->v->signed_to = c->seq;
		return 0;
	}
	if (from >= c->seq)
		return bad(w, c->seq, "was changed: it does not have the hash that was signed");
	return bad(w, from,
		   "was changed, or one up to event %" PRIu64
		   ": they do not lead to the hash signed there",
		   c->seq);
}

/* The checkpoint at the event that was just read, where there is one. */
static int at_checkpoint(struct walk *w, uint64_t seq)
{
	int r = 0;
	while (r == 0 && !w->v->is_bad && w->next_signed.seq && w->next_signed.seq <= seq) {
		if (w->next_signed.seq == seq)
			r = check_signature(w, &w->next_signed);
		else if (!w->o->from)
			bad(w, w->next_signed.seq, "a checkpoint says that it was here");
		if (r == 0 && !w->v->is_bad)
			r = next_checkpoint(w, MDB_NEXT);
	}
	return r;
}

/* --- events -------------------------------------------------------------------------------------
 */

static int check_event(struct walk *w, uint64_t seq, struct span stored)
{
	uint8_t prev[HASH_LEN];
	uint64_t inner;
	struct scan s;
	if (seq != w->expected)
		return missing(w, w->expected, seq - 1, "the numbers have a gap");
	if (chain_prefix_read(stored, prev, &inner) < 0)
		return bad(w, seq, "is no event of a record");
	if (inner != seq)
		return bad(w, seq, "is out of its place: it says that it is event %" PRIu64, inner);
	if (!w->is_begun)
		memcpy(w->hash, prev, HASH_LEN);
	w->is_begun = true;
	if (memcmp(prev, w->hash, HASH_LEN) != 0)
		return broken_link(w, seq, stored, prev);
	if (scan_event(stored, true, &s) < 0)
		return bad(w, seq, "is not canonical JSON");
	int r = chain_hash(w->chain, prev, stored, w->hash);
	w->v->bytes += stored.len;
	w->v->last = seq;
	w->expected = seq + 1;
	return r == 0 ? at_checkpoint(w, seq) : r;
}

/* What should be there by the segment's own word and is not. */
static int check_end(struct walk *w)
{
	struct span head = segment_meta(w->cur.g, w->cur.txn, "head");
	uint64_t last = head.len == 8 ? seq_decode(head.p) : 0;
	if (w->next_signed.seq && w->next_signed.seq >= w->expected)
		return missing(w, w->expected, w->next_signed.seq, "a checkpoint was signed there");
	if (last >= w->expected)
		return missing(w, w->expected, last, "they were stored once");
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

static int begin_segment(struct walk *w, MDB_txn *txn)
{
	struct segment *g = w->cur.g;
	uint8_t prev[HASH_LEN];
	uint64_t first;
	int r = segment_start(g, txn, &first, prev);
	struct span node = segment_meta(g, txn, "node");
	if (r < 0)
		return r;
	if (!w->v->node[0] && node.len < NODE_MAX)
		memcpy(w->v->node, node.p, node.len);
	if (w->o->from > first) {
		w->expected = w->v->first = w->o->from;
		w->v->signed_to = w->o->from - 1;
	} else if (!w->expected) {
		w->expected = w->v->first = first;
		w->v->signed_to = first - 1;
		memcpy(w->hash, prev, HASH_LEN);
		w->is_begun = true;
	} else if (first != w->expected) {
		return first > w->expected
			   ? missing(w, w->expected, first - 1, "their segment is gone or cut")
			   : bad(w, first, "is in two segments");
	}
	seg_cursor_seek(&w->cur, w->expected);
	return 0;
}

static int walk_all(struct walk *w, struct segment *g, MDB_txn *txn)
{
	int r = segment_err(mdb_cursor_open(txn, g->dbs[DB_CHECKPOINTS], &w->checkpoints));
	if (r < 0)
		return r;
	r = begin_segment(w, txn);
	if (r == 0 && !w->v->is_bad)
		r = next_checkpoint(w, MDB_FIRST);
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
	return chain_new(&w->chain);
}

static void walk_end(struct walk *w)
{
	chain_free(w->chain);
	if (w->v->last == 0)
		w->v->first = 0;
}

int verify_segment(struct segment *g, const struct verify_options *o, struct verify_result *ret_v)
{
	struct walk w;
	int r = walk_begin(&w, o, ret_v);
	if (r == 0)
		r = walk_segment(&w, g);
	walk_end(&w);
	return r;
}

/* What is durable and not in LMDB yet: the journal's reader has checked its chain. */
static int on_journaled(void *ctx, const struct batch *b)
{
	struct walk *w = ctx;
	w->v->last = b->last;
	w->v->bytes += buf_len(&b->events);
	w->v->first = w->v->first ? w->v->first : b->first;
	return 0;
}

int verify_store(const char *path, struct segment *live, const struct verify_options *o,
		 struct verify_result *ret_v)
{
	_cleanup_(freep) uint32_t *list = NULL;
	size_t n = 0;
	struct walk w;
	int r = walk_begin(&w, o, ret_v);
	if (r == 0)
		r = segment_list(path, &list, &n);
	if (r == 0 && n == 0)
		r = ERR_NOT_FOUND;
	for (size_t i = 0; r == 0 && i < n && !ret_v->is_bad; i++) {
		struct segment *g = live && live->number == list[i] ? segment_ref(live) : NULL;
		if (live && list[i] > live->number)
			break; /* begun since */
		if (!g)
			r = segment_open(path, list[i], SEGMENT_READ, 0, &g);
		if (r == 0)
			r = walk_segment(&w, g);
		segment_unref(g);
	}
	if (r == 0 && !ret_v->is_bad && !live)
		r = journal_read(path, w.expected - 1, w.hash, on_journaled, &w);
	walk_end(&w);
	return r;
}

static void verdict_text(struct buf *b, const struct verify_result *v, int err)
{
	const char *node = v->node[0] ? v->node : "?";
	if (v->is_bad)
		buf_printf(b, "BAD %s event %" PRIu64 ": %s", node, v->bad_seq, v->why);
	else if (err == ERR_VERIFY)
		buf_printf(
		    b, "BAD %s event %" PRIu64 ": it cannot be read, the file is damaged or cut",
		    node, v->last + 1);
	else if (err == ERR_UNSUPPORTED)
		buf_printf(
		    b, "CANNOT TELL %s: written by another version of sluice, which can verify it",
		    node);
	else if (err < 0)
		buf_printf(b, "CANNOT TELL %s: %s", node, err_text(err));
	else
		buf_printf(b,
			   "OK %s events %" PRIu64 "..%" PRIu64 " signed-to %" PRIu64
			   " unsigned-tail %" PRIu64,
			   node, v->first, v->last, v->signed_to, v->last - v->signed_to);
}

void verify_json(struct buf *out, const struct verify_result *v, int err)
{
	struct jw w;
	struct buf line;
	char key[HASH_HEX + 1] = "";
	bool is_bad = v->is_bad || err == ERR_VERIFY;
	if (v->has_key)
		key_fingerprint(v->key, key);
	buf_init(&line, 4096);
	verdict_text(&line, v, err);
	jw_begin(&w, out);
	jw_object(&w, NULL);
	if (is_bad)
		jw_int(&w, "bad", (int64_t)(v->is_bad ? v->bad_seq : v->last + 1));
	jw_int(&w, "bytes", (int64_t)v->bytes);
	jw_int(&w, "exit", is_bad ? 1 : err < 0 ? 2 : 0);
	jw_int(&w, "first", (int64_t)v->first);
	jw_str(&w, "key", key);
	jw_int(&w, "last", (int64_t)v->last);
	jw_text(&w, "line", "line_b64", buf_span(&line));
	jw_str(&w, "node", v->node);
	jw_int(&w, "signed_to", (int64_t)v->signed_to);
	jw_object_end(&w);
	buf_add_u8(out, '\n');
	buf_done(&line);
}
