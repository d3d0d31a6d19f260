/* Sessions: each from the last segment that knows it. */
#include <errno.h>
#include <stdlib.h>

#include "base/macro.h"
#include "record/query/internal.h"

struct open_segments {
	struct segment **at;
	MDB_txn **txns;
	size_t n;
};

static void close_all(struct open_segments *o)
{
	for (size_t i = 0; i < o->n; i++) {
		if (o->txns[i])
			mdb_txn_abort(o->txns[i]);
		segment_unref(o->at[i]);
	}
	free(o->at);
	free(o->txns);
}

static int open_all(struct answer *a, struct open_segments *o)
{
	_cleanup_(freep) uint32_t *list = NULL;
	size_t n = 0;
	struct segment *live = a->source->live ? a->source->live(a->source->ctx) : NULL;
	int r = segment_list_begun(a->source->path, live, &list, &n);
	if (r < 0) {
		segment_unref(live);
		return r;
	}
	o->at = calloc(n + 1, sizeof(*o->at));
	o->txns = calloc(n + 1, sizeof(*o->txns));
	r = o->at && o->txns ? 0 : -ENOMEM;
	for (size_t i = 0; i < n && r == 0; i++) {
		struct segment *g = NULL;
		if (live && list[i] == live->number)
			g = segment_ref(live);
		else
			r = segment_open(a->source->path, list[i], SEGMENT_READ, 0, &g);
		if (r == ERR_NOT_FOUND && live) {
			r = 0; /* removed since the folder was listed */
			continue;
		}
		if (r < 0)
			break;
		o->at[o->n++] = g;
		r = segment_err(mdb_txn_begin(g->env, NULL, MDB_RDONLY, &o->txns[o->n - 1]));
	}
	segment_unref(live);
	return r;
}

static bool is_in_later(const struct open_segments *o, size_t from, MDB_val *id)
{
	MDB_val v;
	for (size_t i = from; i < o->n; i++)
		if (mdb_get(o->txns[i], o->at[i]->dbs[DB_SESSIONS], id, &v) == 0)
			return true;
	return false;
}

static int walk_sessions(struct answer *a, const struct open_segments *o, size_t i)
{
	MDB_cursor *c;
	MDB_val k, v;
	struct scan s;
	int r = segment_err(mdb_cursor_open(o->txns[i], o->at[i]->dbs[DB_SESSIONS], &c));
	if (r < 0)
		return r;
	for (r = mdb_cursor_get(c, &k, &v, MDB_FIRST); r == 0;
	     r = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
		struct span json = span_of(v.mv_data, v.mv_size);
		if (is_in_later(o, i + 1, &k) || scan_event(json, false, &s) < 0 ||
		    !query_match_session(a->q, &s))
			continue;
		int err = answer_line(a, json);
		if (err) {
			mdb_cursor_close(c);
			return err;
		}
	}
	mdb_cursor_close(c);
	return r == MDB_NOTFOUND ? 0 : segment_err(r);
}

int answer_sessions(struct answer *a)
{
	struct open_segments o = {0};
	int r = open_all(a, &o);
	for (size_t i = 0; i < o.n && r == 0; i++)
		r = answer_is_stopped(a) ? -ECANCELED : walk_sessions(a, &o, i);
	close_all(&o);
	return r;
}
