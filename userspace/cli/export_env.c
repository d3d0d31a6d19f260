#include "cli/export_env.h"

#include "base/macro.h"
#include "record/segment.h"

#define MAP_START (1ull << 30)
#define MAP_ROOM  (256ull << 20) /* that a transaction must find */
#define TXN_BYTES (16u << 20)

static const char *const names[EXPORT_DB_COUNT] = {
    [EXPORT_META] = "meta",	    [EXPORT_EVENTS] = "events",
    [EXPORT_OMITTED] = "omitted",   [EXPORT_CHECKPOINTS] = "checkpoints",
    [EXPORT_SESSIONS] = "sessions", [EXPORT_BY_SESSION] = "by_session",
    [EXPORT_KEYS] = "keys",
};
/* A segment has them, and its readers open them: empty here. */
static const char *const unused[] = {"rings", "tree", "blocks"};

static int open_dbs(struct export_env *e)
{
	MDB_dbi none;
	int r = mdb_txn_begin(e->env, NULL, 0, &e->txn);
	for (size_t i = 0; r == 0 && i < EXPORT_DB_COUNT; i++)
		r = mdb_dbi_open(e->txn, names[i], MDB_CREATE, &e->dbs[i]);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(unused); i++)
		r = mdb_dbi_open(e->txn, unused[i], MDB_CREATE, &none);
	return r;
}

int export_env_open(struct export_env *e, const char *folder)
{
	*e = (struct export_env){0};
	int r = mdb_env_create(&e->env);
	if (r == 0)
		r = mdb_env_set_maxdbs(e->env, EXPORT_DB_COUNT + ARRAY_LEN(unused));
	if (r == 0)
		r = mdb_env_set_mapsize(e->env, MAP_START);
	if (r == 0)
		r = mdb_env_open(e->env, folder, MDB_NOLOCK | MDB_NOSYNC | MDB_NOTLS, 0600);
	if (r == 0)
		r = open_dbs(e);
	if (r)
		export_env_close(e);
	return segment_err(r);
}

/* The map is as large as what there is to come may be. */
static int widen(struct export_env *e)
{
	MDB_envinfo info;
	MDB_stat st;
	mdb_env_info(e->env, &info);
	mdb_env_stat(e->env, &st);
	uint64_t used = (info.me_last_pgno + 1) * (uint64_t)st.ms_psize;
	return used + MAP_ROOM > info.me_mapsize
		   ? mdb_env_set_mapsize(e->env, 2 * info.me_mapsize)
		   : 0;
}

static int renew(struct export_env *e)
{
	int r = mdb_txn_commit(e->txn);
	e->txn = NULL;
	e->in_txn = 0;
	if (r == 0)
		r = widen(e);
	if (r == 0)
		r = mdb_txn_begin(e->env, NULL, 0, &e->txn);
	return r;
}

static int put(struct export_env *e, enum export_db db, struct span key, struct span value,
	       unsigned flags)
{
	MDB_val k = {key.len, (void *)key.p}, v = {value.len, (void *)value.p};
	int r = e->in_txn > TXN_BYTES ? renew(e) : 0;
	if (r == 0)
		r = mdb_put(e->txn, e->dbs[db], &k, &v, flags);
	e->in_txn += key.len + value.len;
	return segment_err(r);
}

int export_env_put(struct export_env *e, enum export_db db, struct span key, struct span value)
{
	return put(e, db, key, value, 0);
}

int export_env_append(struct export_env *e, enum export_db db, uint64_t number, struct span value)
{
	uint8_t key[8];
	seq_encode(number, key);
	return put(e, db, span_of(key, 8), value, MDB_APPEND);
}

int export_env_has(struct export_env *e, enum export_db db, struct span prefix, bool *ret_has)
{
	MDB_cursor *c;
	MDB_val k = {prefix.len, (void *)prefix.p}, v;
	int r = mdb_cursor_open(e->txn, e->dbs[db], &c);
	if (r)
		return segment_err(r);
	r = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
	*ret_has = r == 0 && k.mv_size >= prefix.len && !memcmp(k.mv_data, prefix.p, prefix.len);
	mdb_cursor_close(c);
	return r == MDB_NOTFOUND ? 0 : segment_err(r);
}

int export_env_finish(struct export_env *e)
{
	int r = mdb_txn_commit(e->txn);
	e->txn = NULL;
	return segment_err(r ? r : mdb_env_sync(e->env, 1));
}

void export_env_close(struct export_env *e)
{
	if (e->txn)
		mdb_txn_abort(e->txn);
	if (e->env)
		mdb_env_close(e->env);
	*e = (struct export_env){0};
}
