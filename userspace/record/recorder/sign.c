/* Checkpoints: asked of the monitor without waiting for it. */
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/msg.h"
#include "record/growth.h"
#include "record/recorder/internal.h"
#include "record/tree_read.h"

static bool is_due(const struct recorder *r, uint64_t seq)
{
	bool is_awaited = r->tombstone_seq && r->signed_seq < r->tombstone_seq;
	return writer_is_sealing(r->writer) || (is_awaited && seq >= r->tombstone_seq) ||
	       seq - r->signed_seq >= (uint64_t)r->cfg->checkpoint_events ||
	       clock_mono_ns() - r->signed_ns >= (uint64_t)r->cfg->checkpoint_seconds * NS_PER_SEC;
}

static json_t *request_json(const struct checkpoint *c, uint64_t from, struct span nodes)
{
	char hash[HASH_HEX + 1], root[HASH_HEX + 1];
	hex_encode(c->hash, HASH_LEN, hash);
	hex_encode(c->root, HASH_LEN, root);
	return json_pack("{s:s,s:I,s:s,s:s,s:I,s:I,s:s%}", "t", "sign", "seq", (json_int_t)c->seq,
			 "root", root, "hash", hash, "time", (json_int_t)c->time, "from",
			 (json_int_t)from, "nodes", nodes.len ? (const char *)nodes.p : "",
			 nodes.len);
}

/* Is all that comes behind this event in the segment? */
static int goes_on_in(struct segment *g, uint64_t seq, bool *ret_is_within)
{
	struct position before;
	MDB_txn *txn;
	int err = segment_err(mdb_txn_begin(g->env, NULL, MDB_RDONLY, &txn));
	if (err < 0)
		return err;
	err = segment_start(g, txn, &before);
	mdb_txn_abort(txn);
	*ret_is_within = err == 0 && seq >= before.seq;
	return err;
}

/* How the tree grew since the monitor signed it last: it signs nothing that does not go on from
 * there. */
static int growth(struct recorder *r, uint64_t size, struct buf *out)
{
	struct segment *live = store_live(r->store);
	struct tree_reader *reader = NULL;
	bool is_within = false;
	int err = live ? goes_on_in(live, r->vouched, &is_within) : ERR_STATE;
	if (err == 0)
		err = is_within ? tree_reader_of(live, &reader)
				: tree_reader_open(store_path(r->store), live, &reader);
	if (err == 0) {
		struct tree_nodes nodes = tree_reader_nodes(reader);
		err = growth_write(&nodes, r->chain, r->vouched, size, out);
	}
	tree_reader_close(reader);
	segment_unref(live);
	return err;
}

static int request(struct recorder *r, const struct checkpoint *c, json_t **ret_j)
{
	struct buf nodes;
	json_t *j = NULL;
	buf_init(&nodes, GROWTH_MAX);
	int err = growth(r, c->seq, &nodes);
	if (err == 0)
		j = request_json(c, r->vouched, buf_span(&nodes));
	buf_done(&nodes);
	*ret_j = j;
	return err == 0 && !j ? -ENOMEM : err;
}

/* Only what is in LMDB is signed: a checkpoint never speaks of more than the store holds. */
void sign_if_due(struct recorder *r, bool is_last)
{
	struct checkpoint c;
	if (!r->writer || r->asked.seq || r->is_orphan)
		return;
	writer_position(r->writer, &c);
	if (c.seq <= r->signed_seq || !(is_last || is_due(r, c.seq)))
		return;
	c.time = (int64_t)clock_real_ns();
	snprintf(c.node, sizeof(c.node), "%s", r->cfg->node);
	json_t *j = NULL;
	int err = request(r, &c, &j);
	if (err == 0)
		err = msg_send(r->env->call_fd, j, NULL, 0);
	json_decref(j);
	if (err < 0)
		log_warn("the monitor was not asked for a signature: %s", err_text(err));
	else
		r->asked = c;
	r->signed_ns =
	    clock_mono_ns(); /* asked: the next one is due a period later, whatever comes */
}

static int take_signature(struct recorder *r, const struct msg *m)
{
	const char *sig = json_string_value(json_object_get(m->json, "sig"));
	const char *key = json_string_value(json_object_get(m->json, "key"));
	const char *why = json_string_value(json_object_get(m->json, "why"));
	struct checkpoint c = r->asked;
	uint8_t public[KEY_LEN];
	json_t *from = json_object_get(m->json, "from");
	r->asked.seq = 0;
	if (json_is_integer(from) && (uint64_t)json_integer_value(from) != r->vouched) {
		r->vouched = (uint64_t)json_integer_value(from);
		r->signed_ns = 0; /* asked again at once */
		return 0;
	}
	if (!sig || !key) {
		log_warn("event %llu is not signed: %s", (unsigned long long)c.seq,
			 why ? why : "no signature came");
		return 0;
	}
	if (!c.seq || !r->writer || hex_decode(span_str(sig), c.sig, SIG_LEN) < 0 ||
	    hex_decode(span_str(key), public, KEY_LEN) < 0)
		return ERR_VERIFY;
	checkpoint_key_id(c.node, public, c.key_id);
	if (checkpoint_check(&c, public) < 0)
		return ERR_VERIFY;
	r->signed_seq = MAX(c.seq, r->signed_seq);
	r->vouched = c.seq;
	writer_sign(r->writer, &c, public);
	return 0;
}

void on_signature(struct recorder *r)
{
	struct msg m;
	int err = msg_recv(r->env->call_fd, &m);
	if (err == -EAGAIN)
		return;
	if (err < 0) {
		r->is_orphan = r->is_stopping =
		    true; /* the monitor is gone; who stays would keep the store from the next */
		return;
	}
	err = take_signature(r, &m);
	msg_done(&m);
	if (err < 0)
		log_warn("a checkpoint is not stored: %s", err_text(err));
}
