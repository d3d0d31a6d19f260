/* Where in a segment a question must look: the ranges of a session, or blocks that may match. */
#include <errno.h>
#include <stdlib.h>

#include "base/macro.h"
#include "record/block.h"
#include "record/query/internal.h"

static int add(struct ranges *l, uint64_t first, uint64_t last)
{
	if (l->n && l->at[l->n - 1].last + 1 >= first) {
		l->at[l->n - 1].last = MAX(l->at[l->n - 1].last, last);
		return 0;
	}
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 16;
		struct range *more = realloc(l->at, cap * sizeof(*more));
		if (!more)
			return -ENOMEM;
		l->at = more;
		l->cap = cap;
	}
	l->at[l->n++] = (struct range){first, last};
	return 0;
}

static int walk_session(const char *session, MDB_cursor *c, struct ranges *ranges)
{
	size_t len = strlen(session) + 1;
	MDB_val k = {len, (void *)session}, v;
	int r = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
	while (r == 0 && k.mv_size == len + 8 && !memcmp(k.mv_data, session, len) &&
	       v.mv_size == 8) {
		if (add(ranges, seq_decode((uint8_t *)k.mv_data + len), seq_decode(v.mv_data)) < 0)
			return -ENOMEM;
		r = mdb_cursor_get(c, &k, &v, MDB_NEXT);
	}
	return r == MDB_NOTFOUND ? 0 : segment_err(r);
}

/* --- blocks -------------------------------------------------------------------------------------
 */

/* In the order of query_match.c's table. */
static const uint32_t verdict_bits[] = {
    BLOCK_ALLOW,   BLOCK_MASK,	   BLOCK_ASK,  BLOCK_DENY | BLOCK_REFUSED,
    BLOCK_REFUSED, BLOCK_OBSERVED, BLOCK_ERROR};

static bool may_match(const struct query *q, const struct block *b)
{
	int verdict = q->match.verdict;
	if (b->time_max < q->since_ns || (q->until_ns && b->time_min >= q->until_ns))
		return false;
	if (q->denied && !(b->verdicts & (BLOCK_DENY | BLOCK_REFUSED)))
		return false;
	/* An end's relation stands in an event before it, maybe of another block. */
	bool is_of_end = q->match.name && verdict_bits[MAX(verdict, 0)] == BLOCK_ERROR;
	if (verdict >= 0 && verdict < (int)ARRAY_LEN(verdict_bits) && !is_of_end &&
	    !(b->verdicts & verdict_bits[verdict]))
		return false;
	for (size_t i = 0; i < F_TEXTS; i++)
		if (q->texts[i] && !block_has(b, query_text_key(i), span_str(q->texts[i])))
			return false;
	return true;
}

static int walk_blocks(const struct query *q, MDB_cursor *c, struct ranges *ranges)
{
	struct block b;
	MDB_val k, v;
	int r = mdb_cursor_get(c, &k, &v, MDB_FIRST);
	for (; r == 0; r = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
		if (k.mv_size != 8 ||
		    block_read(seq_decode(k.mv_data), span_of(v.mv_data, v.mv_size), &b) < 0)
			return ERR_VERIFY;
		if (may_match(q, &b) && add(ranges, b.first, b.first + BLOCK_EVENTS - 1) < 0)
			return -ENOMEM;
	}
	return r == MDB_NOTFOUND ? 0 : segment_err(r);
}

int query_all(struct ranges *ranges)
{
	return add(ranges, 0, UINT64_MAX);
}

int query_ranges(const struct query *q, struct segment *g, struct ranges *ranges)
{
	MDB_txn *txn;
	MDB_cursor *c;
	bool has_blocks = g->number != SEGMENT_EXPORT;
	if (query_is_whole(q) || !(has_blocks || q->session))
		return query_all(ranges);
	int r = segment_err(mdb_txn_begin(g->env, NULL, MDB_RDONLY, &txn));
	if (r < 0)
		return r;
	r = segment_err(mdb_cursor_open(txn, g->dbs[q->session ? DB_BY_SESSION : DB_BLOCKS], &c));
	if (r == 0) {
		r = q->session ? walk_session(q->session, c, ranges) : walk_blocks(q, c, ranges);
		mdb_cursor_close(c);
	}
	mdb_txn_abort(txn);
	return r;
}
