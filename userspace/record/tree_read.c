#include "record/tree_read.h"

#include <errno.h>
#include <stdlib.h>

#include "base/macro.h"

/* A segment; opened once it is needed. */
struct part {
	uint32_t number;
	struct segment *g;
	MDB_txn *txn;
	uint64_t first; /* its first event */
};

struct tree_reader {
	const char *path;
	struct chain *chain;
	struct part *parts;
	size_t n;
	struct tree start; /* before the first event that is there */
};

/* --- segments -----------------------------------------------------------------------------------
 */

static int part_open(struct tree_reader *t, struct part *p)
{
	struct position before;
	int r = 0;
	if (p->txn)
		return 0;
	if (!p->g)
		r = segment_open(t->path, p->number, SEGMENT_READ, 0, &p->g);
	if (r == 0)
		r = segment_err(mdb_txn_begin(p->g->env, NULL, MDB_RDONLY, &p->txn));
	if (r == 0)
		r = segment_start(p->g, p->txn, &before);
	if (r == 0)
		p->first = before.seq + 1;
	return r;
}

/* The segment that an event is in, if it is anywhere. */
static int part_of(struct tree_reader *t, uint64_t seq, struct part **ret_p)
{
	size_t low = 0, high = t->n;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		int r = part_open(t, &t->parts[middle]);
		if (r < 0)
			return r;
		if (t->parts[middle].first <= seq)
			low = middle;
		else
			high = middle;
	}
	*ret_p = &t->parts[low];
	return part_open(t, *ret_p);
}

static int get(struct part *p, enum segment_db db, struct span key, struct span *ret)
{
	MDB_val k = {key.len, (void *)key.p}, v;
	int r = segment_err(mdb_get(p->txn, p->g->dbs[db], &k, &v));
	if (r == 0)
		*ret = span_of(v.mv_data, v.mv_size);
	return r;
}

static int get_number(struct tree_reader *t, enum segment_db db, uint64_t seq, struct span *ret)
{
	struct part *p;
	uint8_t key[8];
	int r = part_of(t, seq, &p);
	seq_encode(seq, key);
	return r == 0 ? get(p, db, span_of(key, 8), ret) : r;
}

/* --- nodes --------------------------------------------------------------------------------------
 */

/* hash(seq): the next event holds it. */
static int hash_of(struct tree_reader *t, uint64_t seq, uint8_t ret_hash[HASH_LEN])
{
	struct span stored;
	uint64_t inner;
	int r = get_number(t, DB_EVENTS, seq + 1, &stored);
	if (r == 0)
		return chain_prefix_read(stored, ret_hash, &inner) < 0 ? ERR_VERIFY : 0;
	if (r == ERR_NOT_FOUND)
		r = get_number(t, DB_EVENTS, seq, &stored);
	if (r < 0)
		return r;
	if (chain_prefix_read(stored, ret_hash, &inner) < 0)
		return ERR_VERIFY;
	return chain_hash(t->chain, ret_hash, stored, ret_hash);
}

static int kept(struct tree_reader *t, unsigned height, uint64_t index, uint8_t ret_hash[HASH_LEN])
{
	struct span node;
	struct part *p;
	uint8_t key[9] = {(uint8_t)(height / TREE_STEP)};
	if (height == 0 || height % TREE_STEP)
		return ERR_NOT_FOUND;
	seq_encode(index, key + 1);
	int r = part_of(t, (index + 1) << height, &p);
	if (r == 0)
		r = get(p, DB_TREE, span_of(key, sizeof(key)), &node);
	if (r == 0 && node.len != HASH_LEN)
		r = ERR_VERIFY;
	if (r == 0)
		memcpy(ret_hash, node.p, HASH_LEN);
	return r;
}

static int node_at(void *ctx, unsigned height, uint64_t index, uint8_t ret_hash[HASH_LEN])
{
	struct tree_reader *t = ctx;
	uint8_t left[HASH_LEN], right[HASH_LEN];
	if (height >= TREE_HEIGHTS)
		return ERR_LIMIT;
	if ((index + 1) << height <= t->start.size)
		return tree_has(&t->start, height, index, ret_hash) ? 0 : ERR_NOT_FOUND;
	int r = kept(t, height, index, ret_hash);
	if (r != ERR_NOT_FOUND)
		return r;
	if (height == 0) {
		r = hash_of(t, index + 1, left);
		return r == 0 ? tree_leaf(t->chain, left, ret_hash) : r;
	}
	r = node_at(t, height - 1, 2 * index, left);
	if (r == 0)
		r = node_at(t, height - 1, 2 * index + 1, right);
	return r == 0 ? tree_join(t->chain, left, right, ret_hash) : r;
}

struct tree_nodes tree_reader_nodes(struct tree_reader *t)
{
	return (struct tree_nodes){.node = node_at, .ctx = t};
}

int tree_reader_event(struct tree_reader *t, uint64_t seq, struct buf *out)
{
	struct span stored;
	int r = get_number(t, DB_EVENTS, seq, &stored);
	if (r < 0)
		return r;
	buf_add_span(out, stored);
	return buf_err(out);
}

static int last_signed(struct tree_reader *t, uint64_t *ret_seq)
{
	for (size_t i = t->n; i-- > 0;) {
		int r = part_open(t, &t->parts[i]);
		if (r == 0)
			r = segment_last(t->parts[i].g, t->parts[i].txn, DB_CHECKPOINTS, ret_seq,
					 NULL);
		if (r < 0 || *ret_seq)
			return r;
	}
	return ERR_NOT_FOUND;
}

int tree_reader_checkpoint(struct tree_reader *t, uint64_t seq, struct checkpoint *ret_c)
{
	struct span note;
	int r = seq ? 0 : last_signed(t, &seq);
	if (r == 0)
		r = get_number(t, DB_CHECKPOINTS, seq, &note);
	if (r < 0)
		return r;
	return checkpoint_read(note, ret_c) < 0 || ret_c->seq != seq ? ERR_VERIFY : 0;
}

/* --- opening ------------------------------------------------------------------------------------
 */

static int read_start(struct tree_reader *t)
{
	struct position before;
	int r = part_open(t, &t->parts[0]);
	if (r == 0)
		r = segment_start(t->parts[0].g, t->parts[0].txn, &before);
	if (r == 0)
		t->start = before.tree;
	return r;
}

static int list_parts(struct tree_reader *t, struct segment *live)
{
	_cleanup_(freep) uint32_t *list = NULL;
	size_t n;
	int r = segment_list_begun(t->path, live, &list, &n);
	if (r < 0)
		return r;
	t->parts = calloc(n + 1, sizeof(*t->parts));
	if (!t->parts)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		bool is_live = live && live->number == list[i];
		t->parts[t->n++] =
		    (struct part){.number = list[i], .g = is_live ? segment_ref(live) : NULL};
	}
	return t->n ? 0 : ERR_NOT_FOUND;
}

static int open_reader(const char *path, struct segment *live, struct tree_reader **ret_t)
{
	struct tree_reader *t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->path = path;
	int r = chain_new(&t->chain);
	if (r == 0 && path)
		r = list_parts(t, live);
	if (r == 0 && !path) {
		t->parts = calloc(1, sizeof(*t->parts));
		r = t->parts ? 0 : -ENOMEM;
		if (r == 0)
			t->parts[t->n++].g = segment_ref(live);
	}
	if (r == 0)
		r = read_start(t);
	if (r < 0)
		tree_reader_close(t);
	else
		*ret_t = t;
	return r;
}

int tree_reader_open(const char *path, struct segment *live, struct tree_reader **ret_t)
{
	return open_reader(path, live, ret_t);
}

int tree_reader_of(struct segment *g, struct tree_reader **ret_t)
{
	return open_reader(NULL, g, ret_t);
}

void tree_reader_close(struct tree_reader *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++) {
		if (t->parts[i].txn)
			mdb_txn_abort(t->parts[i].txn);
		segment_unref(t->parts[i].g);
	}
	free(t->parts);
	chain_free(t->chain);
	free(t);
}
