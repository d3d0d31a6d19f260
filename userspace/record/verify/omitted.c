/* An export has nodes of the tree in the place of the events that it leaves out. */
#include <inttypes.h>

#include "record/verify/internal.h"

#define NODE_LEN (1 + HASH_LEN) /* level, hash */

static int graft(struct walk *w, struct span node)
{
	uint64_t first = w->expected;
	int r = node.len == NODE_LEN && w->has_tree
		    ? tree_graft(&w->at.tree, w->chain, node.p[0], node.p + 1)
		    : ERR_MALFORMED;
	if (r == ERR_MALFORMED)
		return verify_bad(w, first, "is left out by a node that does not belong there");
	if (r < 0)
		return r;
	w->at.seq = w->v->last = w->at.tree.size;
	w->expected = w->at.seq + 1;
	w->v->left_out += w->expected - first;
	verify_hidden(w, first, w->at.seq);
	w->n_nodes++;
	w->is_begun = false; /* its hash: only as the next event has it, and the tree holds that */
	return verify_signatures(w, w->at.seq);
}

/* The node that stands for the events from this one on, empty if there is none. */
static int find(struct walk *w, uint64_t first, struct span *ret_node)
{
	uint8_t key[8];
	MDB_val k = {8, key}, v = {0};
	seq_encode(first, key);
	int r = mdb_get(w->cur.txn, w->cur.g->omitted, &k, &v);
	*ret_node = span_of(v.mv_data, v.mv_size);
	return r == MDB_NOTFOUND ? 0 : segment_err(r);
}

int verify_omitted(struct walk *w, uint64_t before)
{
	struct span node = {0};
	int r = 0;
	if (w->cur.g->number != SEGMENT_EXPORT)
		return 0;
	while (w->expected < before) {
		r = find(w, w->expected, &node);
		if (r == 0 && node.len)
			r = graft(w, node);
		if (r < 0 || !node.len || w->v->is_bad)
			return r;
	}
	if (before != UINT64_MAX)
		r = find(w, before, &node);
	if (r == 0 && (w->expected > before || (before != UINT64_MAX && node.len)))
		return verify_bad(w, before, "is here, and left out as well");
	return r;
}

int verify_all_omitted(struct walk *w)
{
	MDB_stat st;
	if (w->cur.g->number != SEGMENT_EXPORT)
		return 0;
	int r = verify_omitted(w, UINT64_MAX);
	if (r == 0 && !w->v->is_bad)
		r = segment_err(mdb_stat(w->cur.txn, w->cur.g->omitted, &st));
	if (r == 0 && !w->v->is_bad && st.ms_entries != w->n_nodes)
		return verify_bad(w, w->expected, "would be: there are nodes that stand for no event");
	return r;
}
