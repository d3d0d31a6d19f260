/* What an answer does with payloads that are packed or sealed (payload.h): it looks into packed
 * ones; of sealed ones it hands out the wrapped keys, for whoever can open them. */
#include "base/macro.h"
#include "record/opener.h"
#include "record/query/internal.h"

/* 1: it matches; what was looked at stands in *ret_seen. */
int answer_match(struct answer *a, struct span stored, struct span *ret_seen)
{
	struct scan e;
	int r = 0;
	*ret_seen = stored;
	bool may_match = query_match_bytes(a->q, stored);
	if (!may_match && a->q->match.n_phrases) {
		buf_reset(&a->opened);
		r = payload_unpack_event(stored, &a->opened);
		*ret_seen = r == 1 ? buf_span(&a->opened) : stored;
		may_match = r == 1 && query_match_bytes(a->q, *ret_seen);
		a->n_sealed += r == 0 && sealed_with(stored).len;
	}
	if (r < 0 || (may_match && scan_event(*ret_seen, true, &e) < 0))
		return ERR_VERIFY;
	return may_match && query_match_event(a->q, &e);
}

int answer_key(struct answer *a, struct span id, struct span to)
{
	struct buf b;
	if (!to.len || id.len != SEAL_ID_TEXT || !memcmp(a->key_told, id.p, SEAL_ID_TEXT))
		return 0;
	buf_init(&b, SEAL_TO_MAX + 64);
	buf_add_str(&b, "{\"_key\":");
	buf_add_span(&b, to);
	buf_add_str(&b, ",\"type\":\"key\"}");
	int r = buf_err(&b) ? buf_err(&b) : answer_aside(a, buf_span(&b));
	buf_done(&b);
	memcpy(a->key_told, id.p, SEAL_ID_TEXT);
	return r;
}

static int tell_key(struct answer *a, struct segment *g, struct span stored)
{
	struct span id = sealed_with(stored);
	MDB_txn *txn;
	g = g ? g : a->last;
	if (!id.len || !g || !memcmp(a->key_told, id.p, SEAL_ID_TEXT))
		return 0;
	int r = segment_err(mdb_txn_begin(g->env, NULL, MDB_RDONLY, &txn));
	if (r < 0)
		return r;
	r = answer_key(a, id, segment_key(g, txn, id));
	mdb_txn_abort(txn);
	return r;
}

int answer_event(struct answer *a, struct segment *g, struct span stored)
{
	int r = a->q->keys ? tell_key(a, g, stored) : 0;
	if (r < 0 || a->q->kind != Q_EVENTS)
		return r < 0 ? r : answer_line(a, stored);
	buf_reset(&a->opened);
	r = payload_unpack_event(stored, &a->opened);
	return r < 0 ? r : answer_line(a, r == 1 ? buf_span(&a->opened) : stored);
}

/* How many events a text was not looked for in. */
int answer_n_sealed(struct answer *a)
{
	struct buf b;
	if (!a->q->sealed || !a->n_sealed)
		return 0;
	buf_init(&b, 128);
	buf_printf(&b, "{\"_sealed\":%llu,\"type\":\"sealed\"}", (unsigned long long)a->n_sealed);
	int r = buf_err(&b) ? buf_err(&b) : answer_aside(a, buf_span(&b));
	buf_done(&b);
	return r;
}
