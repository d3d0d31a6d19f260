#include "record/segment_read.h"

#define READS_MAX 10000 /* in one transaction */

static int begin(struct seg_cursor *c)
{
	int r = mdb_txn_begin(c->g->env, NULL, MDB_RDONLY, &c->txn);
	if (r == 0)
		r = mdb_cursor_open(c->txn, c->g->dbs[DB_EVENTS], &c->events);
	c->n_read = 0;
	return segment_err(r);
}

int seg_cursor_open(struct segment *g, struct seg_cursor *ret_c)
{
	*ret_c = (struct seg_cursor){.g = g};
	int r = begin(ret_c);
	if (r < 0)
		seg_cursor_close(ret_c);
	return r;
}

void seg_cursor_close(struct seg_cursor *c)
{
	if (c->events)
		mdb_cursor_close(c->events);
	if (c->txn)
		mdb_txn_abort(c->txn);
	c->events = NULL;
	c->txn = NULL;
}

void seg_cursor_seek(struct seg_cursor *c, uint64_t seq)
{
	c->next = seq;
	c->n_read = 0;
}

static int renew(struct seg_cursor *c)
{
	seg_cursor_close(c);
	return begin(c);
}

int seg_cursor_next(struct seg_cursor *c, uint64_t *ret_seq, struct span *ret_stored)
{
	uint8_t key[8];
	MDB_val k = {8, key}, v;
	int r = c->n_read >= READS_MAX ? renew(c) : 0;
	if (r < 0)
		return r;
	seq_encode(c->next, key);
	r = mdb_cursor_get(c->events, &k, &v, c->n_read ? MDB_NEXT : MDB_SET_RANGE);
	if (r == MDB_NOTFOUND)
		return 0;
	if (r)
		return segment_err(r);
	if (k.mv_size != 8)
		return ERR_VERIFY;
	c->n_read++;
	*ret_seq = seq_decode(k.mv_data);
	*ret_stored = span_of(v.mv_data, v.mv_size);
	c->next = *ret_seq + 1;
	return 1;
}
