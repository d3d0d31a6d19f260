/* A part of the record that leads to the checkpoints of the whole. Of a run of events that are left
 * out, the fewest nodes of the tree that cover it are kept, cut where a checkpoint is kept. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/jw.h"
#include "base/macro.h"
#include "record/query/internal.h"
#include "record/segment_read.h"

#define LOOK_EVERY 1024 /* events, for checkpoints that were not there before */

struct node {
	uint64_t first; /* event */
	unsigned level;
	uint8_t hash[HASH_LEN];
};

struct keeper {
	struct chain *chain;
	struct node run[2 * TREE_HEIGHTS]; /* left out and not written yet */
	int n_run;
	struct buf held; /* the event before, where it is left out: its hash is in the next one */
	uint64_t held_seq;
	struct segment *held_in; /* a reference; NULL: it is only in the journal */
	uint64_t last_signed;	 /* the last checkpoint when this began */
	bool has_news;		 /* an event was written since the last checkpoint that was */
	/* The next checkpoint of a segment, as it was known at an event. */
	uint64_t next_signed, looked;
	uint32_t looked_in;
};

/* --- the head -----------------------------------------------------------------------------------
 */

static void put_hex(struct jw *w, const char *key, struct span bytes)
{
	struct buf b;
	buf_init(&b, 2 * TREE_EDGE_MAX + 1);
	buf_add_hex(&b, bytes);
	jw_text(w, key, NULL, buf_span(&b));
	buf_done(&b);
}

static int write_head(struct answer *a, struct segment *g, MDB_txn *txn, struct span key)
{
	struct position before;
	struct buf b;
	struct jw w;
	int r = segment_start(g, txn, &before);
	if (r < 0)
		return r;
	buf_init(&b, 16384);
	jw_begin(&w, &b);
	jw_object(&w, NULL);
	jw_object(&w, "_store");
	put_hex(&w, "edge", segment_meta(g, txn, "edge"));
	jw_int(&w, "first", (int64_t)before.seq + 1);
	put_hex(&w, "key", key);
	jw_text(&w, "node", "node_b64", segment_meta(g, txn, "node"));
	put_hex(&w, "prev", span_of(before.hash, HASH_LEN));
	jw_text(&w, "schema", "schema_b64", segment_meta(g, txn, "schema"));
	jw_object_end(&w);
	jw_str(&w, "type", "store");
	jw_object_end(&w);
	r = buf_err(&b) ? buf_err(&b) : answer_line(a, buf_span(&b));
	buf_done(&b);
	return r;
}

static int open_one(struct answer *a, uint32_t number, struct segment **ret_g)
{
	struct segment *live = a->source->live ? a->source->live(a->source->ctx) : NULL;
	if (live && live->number == number) {
		*ret_g = live;
		return 0;
	}
	segment_unref(live);
	return segment_open(a->source->path, number, SEGMENT_READ, 0, ret_g);
}

/* The last checkpoint of a segment, and the key that signed there. 0: there is none. */
static int read_signed(struct answer *a, uint32_t number, uint64_t *ret_seq, uint8_t ret_key[KEY_LEN],
		       bool *ret_has_key)
{
	struct segment *g;
	MDB_txn *txn;
	int r = open_one(a, number, &g);
	if (r < 0)
		return r;
	r = segment_err(mdb_txn_begin(g->env, NULL, MDB_RDONLY, &txn));
	if (r == 0) {
		struct span key = segment_meta(g, txn, "key");
		r = segment_last(g, txn, DB_CHECKPOINTS, ret_seq, NULL);
		*ret_has_key = key.len == KEY_LEN;
		if (*ret_has_key)
			memcpy(ret_key, key.p, KEY_LEN);
		mdb_txn_abort(txn);
	}
	segment_unref(g);
	return r;
}

static int begin(struct answer *a, struct keeper *k, const uint32_t *list, size_t n)
{
	uint8_t key[KEY_LEN];
	bool has_key = false;
	struct segment *g = NULL;
	MDB_txn *txn;
	int r = n ? 0 : ERR_NOT_FOUND;
	for (size_t i = n; r == 0 && i-- > 0 && !k->last_signed;)
		r = read_signed(a, list[i], &k->last_signed, key, &has_key);
	if (r == 0)
		r = open_one(a, list[0], &g);
	if (r == 0)
		r = segment_err(mdb_txn_begin(g->env, NULL, MDB_RDONLY, &txn));
	if (r == 0) {
		r = write_head(a, g, txn, span_of(key, has_key ? KEY_LEN : 0));
		mdb_txn_abort(txn);
	}
	segment_unref(g);
	return r;
}

int keeper_new(struct answer *a, struct keeper **ret_k)
{
	_cleanup_(freep) uint32_t *list = NULL;
	size_t n = 0;
	struct keeper *k = calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	buf_init(&k->held, 2 * 1024 * 1024);
	*ret_k = k;
	int r = chain_new(&k->chain);
	if (r == 0)
		r = segment_list(a->source->path, &list, &n);
	return r == 0 ? begin(a, k, list, n) : r;
}

void keeper_free(struct keeper *k)
{
	if (!k)
		return;
	chain_free(k->chain);
	segment_unref(k->held_in);
	buf_done(&k->held);
	free(k);
}

/* --- what is left out ---------------------------------------------------------------------------
 */

static int write_run(struct answer *a)
{
	struct keeper *k = a->keeper;
	int r = 0;
	for (int i = 0; i < k->n_run && r == 0; i++) {
		char hex[HASH_HEX + 1], line[256];
		hex_encode(k->run[i].hash, HASH_LEN, hex);
		int n = snprintf(line, sizeof(line),
				 "{\"_omitted\":{\"first\":%llu,\"hash\":\"%s\",\"level\":%u},"
				 "\"type\":\"omitted\"}",
				 (unsigned long long)k->run[i].first, hex, k->run[i].level);
		r = answer_line(a, span_of(line, (size_t)n));
	}
	k->n_run = 0;
	return r;
}

/* Two nodes that are the halves of one become it. */
static bool are_halves(const struct node *left, const struct node *right)
{
	return left->level == right->level && ((left->first - 1) >> left->level) % 2 == 0 &&
	       left->first + (1ull << left->level) == right->first;
}

static int add_node(struct keeper *k, const struct node *n)
{
	int r = 0;
	if (k->n_run == (int)ARRAY_LEN(k->run))
		return ERR_LIMIT;
	k->run[k->n_run++] = *n;
	while (r == 0 && k->n_run > 1 &&
	       are_halves(&k->run[k->n_run - 2], &k->run[k->n_run - 1])) {
		struct node *left = &k->run[k->n_run - 2];
		r = tree_join(k->chain, left->hash, left[1].hash, left->hash);
		left->level++;
		k->n_run--;
	}
	return r;
}

/* --- checkpoints --------------------------------------------------------------------------------
 */

static int look_up_signed(struct keeper *k, struct segment *g, uint64_t seq)
{
	uint8_t key[8];
	MDB_val at = {8, key}, v;
	MDB_txn *txn;
	MDB_cursor *c;
	seq_encode(seq, key);
	int r = mdb_txn_begin(g->env, NULL, MDB_RDONLY, &txn);
	if (r)
		return segment_err(r);
	r = mdb_cursor_open(txn, g->dbs[DB_CHECKPOINTS], &c);
	if (r == 0) {
		r = mdb_cursor_get(c, &at, &v, MDB_SET_RANGE);
		k->next_signed = r == 0 && at.mv_size == 8 ? seq_decode(at.mv_data) : UINT64_MAX;
		mdb_cursor_close(c);
	}
	mdb_txn_abort(txn);
	k->looked = seq;
	k->looked_in = g->number;
	return r == MDB_NOTFOUND ? 0 : segment_err(r);
}

/* Behind the event at seq, which is dealt with. */
static int pass_checkpoint(struct answer *a, struct segment *g, uint64_t seq)
{
	struct keeper *k = a->keeper;
	if (!g)
		return 0;
	bool is_stale = seq > k->next_signed || !k->looked || g->number != k->looked_in ||
			(k->next_signed == UINT64_MAX && seq >= k->looked + LOOK_EVERY);
	int r = is_stale ? look_up_signed(k, g, seq) : 0;
	if (r < 0 || k->next_signed != seq || (!k->has_news && seq < k->last_signed))
		return r;
	k->has_news = false;
	r = write_run(a);
	return r == 0 ? answer_checkpoint(a, g, seq) : r;
}

/* --- events -------------------------------------------------------------------------------------
 */

/* The event that was held is left out, and this is its hash. */
static int leave_out(struct answer *a, const uint8_t hash[HASH_LEN])
{
	struct keeper *k = a->keeper;
	struct node n = {.first = k->held_seq};
	int r = tree_leaf(k->chain, hash, n.hash);
	if (r == 0)
		r = add_node(k, &n);
	k->held_seq = 0;
	return r == 0 ? pass_checkpoint(a, k->held_in, n.first) : r;
}

static int is_kept(struct answer *a, uint64_t seq, struct span stored)
{
	static const char tombstone[] = "\"type\":\"record.tombstone\"";
	const struct query *q = a->q;
	struct span seen;
	/* Without it nobody could tell what retention removed from what was taken away. */
	if (memmem(stored.p, stored.len, tombstone, sizeof(tombstone) - 1))
		return 1;
	int r = seq >= q->from && (!q->to || seq <= q->to) ? answer_match(a, stored, &seen) : 0;
	return r || !a->rests ? r : rests_has(a->rests, stored);
}

static int hold(struct keeper *k, struct segment *g, uint64_t seq, struct span stored)
{
	if (k->held_in != g) {
		segment_unref(k->held_in);
		k->held_in = g ? segment_ref(g) : NULL;
	}
	buf_reset(&k->held);
	buf_add_span(&k->held, stored);
	k->held_seq = seq;
	return buf_err(&k->held);
}

int keeper_event(struct answer *a, struct segment *g, uint64_t seq, struct span stored)
{
	struct keeper *k = a->keeper;
	uint8_t prev[HASH_LEN];
	uint64_t inner;
	int r = chain_prefix_read(stored, prev, &inner);
	if (r < 0)
		return ERR_VERIFY;
	if (k->held_seq)
		r = leave_out(a, prev);
	if (r < 0)
		return r;
	int is_in = is_kept(a, seq, stored);
	if (is_in <= 0)
		return is_in < 0 ? is_in : hold(k, g, seq, stored);
	r = write_run(a);
	if (r == 0)
		r = answer_event(a, g, stored);
	k->has_news = true;
	return r == 0 ? pass_checkpoint(a, g, seq) : r;
}

int keeper_end(struct answer *a)
{
	struct keeper *k = a->keeper;
	uint8_t hash[HASH_LEN];
	uint64_t seq;
	if (k->held_seq) {
		struct span stored = buf_span(&k->held);
		int r = chain_prefix_read(stored, hash, &seq);
		if (r == 0)
			r = chain_hash(k->chain, hash, stored, hash);
		if (r == 0)
			r = leave_out(a, hash);
		if (r < 0)
			return r;
	}
	return write_run(a);
}
