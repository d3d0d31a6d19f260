/* Checkpoints, the store's own and those from elsewhere; what was removed. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "record/verify/internal.h"

void verify_unknown(struct walk *w, const char *fmt, ...)
{
	va_list ap;
	if (w->v->is_unknown)
		return;
	va_start(ap, fmt);
	vsnprintf(w->v->why, sizeof(w->v->why), fmt, ap);
	va_end(ap);
	w->v->is_unknown = true;
}

int verify_key(struct walk *w, MDB_txn *txn)
{
	struct verify_result *v = w->v;
	struct span key = segment_meta(w->cur.g, txn, "key");
	char print[HASH_HEX + 1];
	if (key.len == 0)
		return 0; /* nothing is signed here; checkpoints without a key are found */
	if (key.len != KEY_LEN)
		return verify_bad(w, v->signed_to + 1, "is in a segment whose key is malformed");
	key_fingerprint(key.p, print);
	if ((v->has_key && memcmp(key.p, v->key, KEY_LEN) != 0) ||
	    (w->o->fingerprint && strcmp(print, w->o->fingerprint) != 0))
		return verify_bad(w, v->signed_to + 1, "is signed with another key, %.16s...",
				  print);
	memcpy(v->key, key.p, KEY_LEN);
	v->has_key = true;
	return 0;
}

int verify_next_signature(struct walk *w, MDB_cursor_op op)
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
		return verify_bad(w, w->v->signed_to + 1,
				  "a checkpoint behind event %" PRIu64 " is malformed",
				  w->v->signed_to);
	return 0;
}

/* Does it say what the events say? */
static int is_true(struct walk *w, const struct checkpoint *c, bool *ret_is_true)
{
	uint8_t root[HASH_LEN];
	/* Behind what an export leaves out, only the tree tells. */
	*ret_is_true = !w->is_begun || memcmp(c->hash, w->at.hash, HASH_LEN) == 0;
	if (!*ret_is_true || !w->has_tree)
		return 0;
	int r = tree_root(&w->at.tree, w->chain, root);
	*ret_is_true = memcmp(c->root, root, HASH_LEN) == 0;
	return r;
}

static int changed(struct walk *w, uint64_t seq, const char *whose)
{
	uint64_t from = w->v->signed_to + 1;
	if (from >= seq)
		return verify_bad(w, seq, "was changed: it does not have the hash that %s", whose);
	return verify_bad(w, from,
			  "was changed, or one up to event %" PRIu64
			  ": they do not lead to the hash that %s there",
			  seq, whose);
}

static int check_signature(struct walk *w, const struct checkpoint *c)
{
	uint64_t from = w->v->signed_to + 1;
	uint8_t id[4];
	bool holds;
	checkpoint_key_id(c->node, w->v->key, id);
	if (strcmp(c->node, w->v->node) != 0)
		return verify_bad(w, from, "the checkpoint at event %" PRIu64 " is another node's",
				  c->seq);
	if (!w->v->has_key || memcmp(id, c->key_id, sizeof(id)) != 0)
		return verify_bad(w, from,
				  "the checkpoint at event %" PRIu64 " is signed with another key",
				  c->seq);
	if (checkpoint_check(c, w->v->key) < 0)
		return verify_bad(
		    w, from, "the checkpoint at event %" PRIu64 " has a false signature", c->seq);
	int r = is_true(w, c, &holds);
	if (r < 0 || !holds)
		return r < 0 ? r : changed(w, c->seq, "was signed");
	w->v->signed_to = c->seq;
	return 0;
}

/* Those that the caller has from elsewhere. */
static int check_given(struct walk *w, uint64_t seq)
{
	bool holds = true;
	int r = 0;
	for (size_t i = 0; i < w->o->n_checkpoints && r == 0 && holds; i++)
		if (w->o->checkpoints[i].seq == seq)
			r = is_true(w, &w->o->checkpoints[i], &holds);
	return r < 0 || holds ? r : changed(w, seq, "the checkpoint from elsewhere has");
}

void verify_hidden(struct walk *w, uint64_t first, uint64_t last)
{
	for (size_t i = 0; i < w->o->n_checkpoints; i++) {
		uint64_t at = w->o->checkpoints[i].seq;
		if (at >= first && at < last)
			verify_unknown(w,
				"the checkpoint given at event %" PRIu64
				" lies in what the export leaves out as one, from event %" PRIu64
				" on: the whole record, or sluice prove --consistency on the node, tells",
				at, first);
	}
}

int verify_signatures(struct walk *w, uint64_t seq)
{
	int r = check_given(w, seq);
	while (r == 0 && !w->v->is_bad && w->next_signed.seq && w->next_signed.seq <= seq) {
		if (w->next_signed.seq == seq)
			r = check_signature(w, &w->next_signed);
		else if (!w->o->from)
			verify_bad(w, w->next_signed.seq, "a checkpoint says that it was here");
		if (r == 0 && !w->v->is_bad)
			r = verify_next_signature(w, MDB_NEXT);
	}
	return r;
}

/* --- what was removed ---------------------------------------------------------------------------
 */

int verify_removed(struct walk *w)
{
	w->gone = w->at;
	int r = tree_root(&w->gone.tree, w->chain, w->gone_root);
	return r == 0 && w->gone.seq ? check_given(w, w->gone.seq) : r;
}

int verify_tombstone(struct walk *w, uint64_t seq, const struct scan *event)
{
	uint8_t chain[HASH_LEN], root[HASH_LEN];
	if (!w->gone.seq || !span_is(scan_plain(event, "type"), "record.tombstone") ||
	    scan_u64(event, "last") != w->gone.seq)
		return 0;
	if (hex_decode(scan_plain(event, "chain"), chain, HASH_LEN) < 0 ||
	    hex_decode(scan_plain(event, "root"), root, HASH_LEN) < 0 ||
	    memcmp(chain, w->gone.hash, HASH_LEN) != 0 || memcmp(root, w->gone_root, HASH_LEN) != 0)
		return verify_bad(
		    w, w->gone.seq + 1,
		    "does not go on from what was removed by the tombstone, event %" PRIu64, seq);
	w->tombstone = w->tombstone ? w->tombstone : seq;
	return 0;
}

/* Checkpoints from elsewhere that no event was compared to. */
static void end_given(struct walk *w)
{
	struct verify_result *v = w->v;
	for (size_t i = 0; i < w->o->n_checkpoints && !v->is_bad; i++) {
		const struct checkpoint *c = &w->o->checkpoints[i];
		if (strcmp(c->node, v->node) != 0)
			verify_unknown(w, "the checkpoint given at event %" PRIu64 " is of the node %s",
				c->seq, c->node);
		else if (v->has_key && checkpoint_check(c, v->key) < 0)
			verify_unknown(w,
				"the checkpoint given at event %" PRIu64
				" is not signed with this record's key",
				c->seq);
		else if (c->seq > v->last && w->is_export)
			verify_unknown(w,
				"the checkpoint given at event %" PRIu64
				" is newer than this export, which ends at event %" PRIu64
				": that the record went on from here is shown by sluice prove --consistency "
				"%" PRIu64 " %" PRIu64 " on the node",
				c->seq, v->last, v->signed_to, c->seq);
		else if (c->seq > v->last)
			verify_missing(w, v->last + 1, c->seq,
				       "the checkpoint from elsewhere was signed there");
		else if (c->seq < w->gone.seq)
			verify_unknown(w,
				"the checkpoint given at event %" PRIu64
				" is older than what is kept, from event %" PRIu64,
				c->seq, w->gone.seq + 1);
	}
}

int verify_end(struct walk *w)
{
	struct verify_result *v = w->v;
	if (w->gone.seq && (!w->tombstone || w->tombstone > v->signed_to))
		return verify_missing(w, 1, w->gone.seq, "no signed tombstone says so");
	if ((w->o->fingerprint || w->is_export) && v->last && v->signed_to < v->first)
		verify_unknown(w, "nothing in it is signed");
	end_given(w);
	v->has_root = w->has_tree && w->at.seq == v->last;
	return v->has_root ? tree_root(&w->at.tree, w->chain, v->root) : 0;
}
