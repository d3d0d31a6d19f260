#include "record/store.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/macro.h"

#define SCHEMA       "1"
#define MAX_SEGMENTS 100000
#define FULL_PERCENT 80

struct segment {
	MDB_env *env;
	MDB_dbi dbi[DB_COUNT];
	unsigned number;
};

struct store {
	char *dir;
	char node[256];
	size_t map_bytes;
	bool is_writer;
	struct segment **segments; /* MAX_SEGMENTS places, so that readers may walk while it grows */
	_Atomic size_t n;
	MDB_txn *txn; /* the writer's */
};

static const char *const db_names[] = {"meta", "events", "sessions", "by_session", "checkpoints", "rings"};

static int lmdb_err(int rc)
{
	if (rc == MDB_MAP_FULL)
		return ERR_FULL;
	if (rc == MDB_NOTFOUND)
		return ERR_NOT_FOUND;
	if (rc == MDB_CORRUPTED || rc == MDB_PAGE_NOTFOUND || rc == MDB_INVALID || rc == MDB_VERSION_MISMATCH)
		return ERR_VERIFY;
	return rc > 0 ? -rc : rc ? -EIO : 0;
}

void key_of(uint64_t n, uint8_t ret_key[8])
{
	for (int i = 0; i < 8; i++)
		ret_key[i] = (uint8_t)(n >> (56 - 8 * i));
}

uint64_t key_number(struct span key)
{
	struct cur c = cur_of(key);
	return cur_u64(&c);
}

static MDB_val val_of(struct span s)
{
	return (MDB_val){s.len, (void *)s.p};
}

static struct span span_val(MDB_val v)
{
	return span_of(v.mv_data, v.mv_size);
}

static char *segment_path(const struct store *s, unsigned number, char *out, size_t size)
{
	snprintf(out, size, "%s/segment-%06u", s->dir, number);
	return out;
}

/* A half-made segment (a crash between mkdir and the first commit) is finished by the writer. */
static int open_dbs(struct segment *g, bool create)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(g->env, NULL, create ? 0 : MDB_RDONLY, &txn);
	if (rc)
		return lmdb_err(rc);
	for (int i = 0; i < DB_COUNT && !rc; i++)
		rc = mdb_dbi_open(txn, db_names[i], create ? MDB_CREATE : 0, &g->dbi[i]);
	if (rc) {
		mdb_txn_abort(txn);
		return lmdb_err(rc);
	}
	return lmdb_err(mdb_txn_commit(txn));
}

static int segment_open(const struct store *s, unsigned number, bool write, struct segment *ret_g)
{
	char path[4096];
	struct segment g = {.number = number};
	segment_path(s, number, path, sizeof(path));
	int rc = mdb_env_create(&g.env);
	if (rc)
		return lmdb_err(rc);
	rc = mdb_env_set_maxdbs(g.env, DB_COUNT);
	if (!rc && s->map_bytes)
		rc = mdb_env_set_mapsize(g.env, s->map_bytes);
	if (!rc)
		rc = mdb_env_open(g.env, path, MDB_NOTLS | (write ? 0 : MDB_RDONLY), 0600);
	int r = rc ? lmdb_err(rc) : open_dbs(&g, write);
	if (r < 0) {
		mdb_env_close(g.env);
		return r;
	}
	*ret_g = g;
	return 0;
}

static int add_segment(struct store *s, unsigned number, bool write)
{
	struct segment *g = s->n < MAX_SEGMENTS ? malloc(sizeof(*g)) : NULL;
	if (!g)
		return -ENOMEM;
	int r = segment_open(s, number, write, g);
	if (r < 0) {
		free(g);
		return r;
	}
	s->segments[s->n] = g;
	s->n++;
	return 0;
}

static void close_segments(struct store *s)
{
	while (s->n) {
		struct segment *g = s->segments[--s->n];
		mdb_env_close(g->env);
		free(g);
	}
}

static bool segment_exists(const struct store *s, unsigned number)
{
	char path[4096];
	struct stat st;
	return stat(segment_path(s, number, path, sizeof(path)), &st) == 0 && S_ISDIR(st.st_mode);
}

int store_refresh(struct store *s)
{
	if (s->is_writer)
		return 0;
	unsigned next = s->n ? s->segments[s->n - 1]->number + 1 : 1;
	for (; next < MAX_SEGMENTS && segment_exists(s, next); next++) {
		int r = add_segment(s, next, false);
		if (r < 0)
			return r;
	}
	return 0;
}

static int store_new(const char *dir, struct store **ret_s)
{
	struct store *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->dir = strdup(dir);
	s->segments = calloc(MAX_SEGMENTS, sizeof(*s->segments));
	if (!s->dir || !s->segments) {
		free(s->dir);
		free(s->segments);
		free(s);
		return -ENOMEM;
	}
	*ret_s = s;
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	store_abort(s);
	close_segments(s);
	free(s->segments);
	free(s->dir);
	free(s);
}

const char *store_node(const struct store *s)
{
	return s->node;
}

static int put_meta(struct store *s, const char *node, const struct chain *c)
{
	uint8_t first[8];
	key_of(c->seq + 1, first);
	int r = store_begin(s);
	if (r == 0)
		r = store_put(s, DB_META, span_str("first"), span_of(first, 8));
	if (r == 0)
		r = store_put(s, DB_META, span_str("node"), span_str(node));
	if (r == 0)
		r = store_put(s, DB_META, span_str("prev"), span_of(c->hash, HASH_LEN));
	if (r == 0)
		r = store_put(s, DB_META, span_str("schema"), span_str(SCHEMA));
	if (r < 0) {
		store_abort(s);
		return r;
	}
	return store_commit(s);
}

static int new_segment(struct store *s, unsigned number, const struct chain *c)
{
	char path[4096];
	if (mkdir(segment_path(s, number, path, sizeof(path)), 0700) < 0 && errno != EEXIST)
		return -errno;
	int r = add_segment(s, number, true);
	return r < 0 ? r : put_meta(s, s->node, c);
}

/* Is it a store of ours, and one that this version reads? Fills in the node's name. */
static int check_meta(struct store *s, char *ret_why, size_t why_size)
{
	struct buf b;
	buf_init(&b, 4096);
	int r = store_get(s, DB_META, span_str("schema"), &b);
	if (r == 0 && !span_is(buf_span(&b), SCHEMA)) {
		snprintf(ret_why, why_size, "%s: a store of schema %.*s; this version reads schema " SCHEMA ": use the version that wrote it",
			 s->dir, (int)buf_len(&b), (const char *)buf_span(&b).p);
		r = ERR_UNSUPPORTED;
	}
	buf_reset(&b);
	if (r == 0)
		r = store_get(s, DB_META, span_str("node"), &b);
	if (r == 0)
		snprintf(s->node, sizeof(s->node), "%.*s", (int)buf_len(&b), (const char *)buf_span(&b).p);
	buf_done(&b);
	return r;
}

/* The older segments, for readers, in front of the last, which is written. */
static int insert_older(struct store *s, unsigned number)
{
	int r = add_segment(s, number, false);
	if (r < 0)
		return r;
	struct segment *writing = s->segments[s->n - 2];
	s->segments[s->n - 2] = s->segments[s->n - 1];
	s->segments[s->n - 1] = writing;
	return 0;
}

/* The chain before segment `last`, which a crash left between its making and its first commit. */
static int chain_before(const char *dir, unsigned last, struct chain *c)
{
	struct store *before;
	int r = last > 1 ? store_new(dir, &before) : 0;
	if (r < 0 || last <= 1)
		return r;
	r = add_segment(before, last - 1, false);
	if (r == 0)
		r = store_tail(before, c);
	store_close(before);
	return r;
}

static int open_writer(struct store *s, const char *node, char *ret_why, size_t why_size)
{
	struct chain c = {0};
	unsigned last = 0;
	if (mkdir(s->dir, 0700) < 0 && errno != EEXIST)
		return -errno;
	while (last + 1 < MAX_SEGMENTS && segment_exists(s, last + 1))
		last++;
	snprintf(s->node, sizeof(s->node), "%s", node);
	if (last == 0)
		return new_segment(s, 1, &c);
	int r = add_segment(s, last, true);
	if (r == 0)
		r = check_meta(s, ret_why, why_size);
	if (r == ERR_NOT_FOUND) {
		r = chain_before(s->dir, last, &c);
		return r < 0 ? r : put_meta(s, node, &c);
	}
	for (unsigned n = 1; r == 0 && n < last; n++)
		r = insert_older(s, n);
	return r;
}

int store_open(const char *dir, const char *node, size_t map_bytes, struct store **ret_s, char *ret_why,
	       size_t why_size)
{
	struct store *s;
	int r = store_new(dir, &s);
	if (r < 0)
		return r;
	s->is_writer = true;
	s->map_bytes = map_bytes;
	*ret_why = 0;
	r = open_writer(s, node, ret_why, why_size);
	if (r < 0) {
		if (!*ret_why)
			snprintf(ret_why, why_size, "%s: %s", dir, err_text(r));
		store_close(s);
		return r;
	}
	*ret_s = s;
	return 0;
}

int store_open_read(const char *dir, struct store **ret_s, char *ret_why, size_t why_size)
{
	struct store *s;
	int r = store_new(dir, &s);
	if (r < 0)
		return r;
	*ret_why = 0;
	r = store_refresh(s);
	if (r == 0 && !s->n)
		r = -ENOENT;
	if (r == 0)
		r = check_meta(s, ret_why, why_size);
	if (r < 0) {
		if (!*ret_why)
			snprintf(ret_why, why_size, "%s: %s: expected a folder with segment-000001", dir, err_text(r));
		store_close(s);
		return r;
	}
	*ret_s = s;
	return 0;
}

static struct segment *last_segment(struct store *s)
{
	return s->segments[s->n - 1];
}

int store_get(struct store *s, enum store_db db, struct span key, struct buf *out)
{
	struct segment *g = last_segment(s);
	MDB_val k = val_of(key), v;
	MDB_txn *txn = s->txn;
	int rc = txn ? 0 : mdb_txn_begin(g->env, NULL, MDB_RDONLY, &txn);
	if (rc)
		return lmdb_err(rc);
	rc = mdb_get(txn, g->dbi[db], &k, &v);
	if (!rc)
		buf_add_span(out, span_val(v));
	if (!s->txn)
		mdb_txn_abort(txn);
	return rc ? lmdb_err(rc) : buf_err(out);
}

/* Where the chain stands before the segment's first event. */
static int read_start(struct segment *g, MDB_txn *txn, struct chain *c)
{
	MDB_val name = val_of(span_str("first")), first, prev;
	int rc = mdb_get(txn, g->dbi[DB_META], &name, &first);
	name = val_of(span_str("prev"));
	rc = rc ? rc : mdb_get(txn, g->dbi[DB_META], &name, &prev);
	if (rc || prev.mv_size != HASH_LEN)
		return rc ? lmdb_err(rc) : ERR_VERIFY;
	c->seq = key_number(span_val(first)) - 1;
	memcpy(c->hash, prev.mv_data, HASH_LEN);
	return 0;
}

/* The state of the chain behind the last event: its hash needs the one before, which it holds itself. */
static int read_tail(struct segment *g, MDB_txn *txn, struct chain *c)
{
	MDB_cursor *cur;
	MDB_val k, v;
	const char *why;
	int rc = mdb_cursor_open(txn, g->dbi[DB_EVENTS], &cur);
	if (rc)
		return lmdb_err(rc);
	rc = mdb_cursor_get(cur, &k, &v, MDB_LAST);
	mdb_cursor_close(cur);
	if (rc == MDB_NOTFOUND)
		return read_start(g, txn, c);
	if (rc)
		return lmdb_err(rc);
	c->seq = key_number(span_val(k)) - 1;
	if (chain_prev(span_val(v), c->hash) < 0)
		return ERR_VERIFY;
	return chain_check(c, c->seq + 1, span_val(v), &why);
}

static int tail_of(struct segment *g, struct chain *ret_c)
{
	MDB_txn *txn;
	struct chain c = {0};
	int rc = mdb_txn_begin(g->env, NULL, MDB_RDONLY, &txn);
	if (rc)
		return lmdb_err(rc);
	int r = read_tail(g, txn, &c);
	mdb_txn_abort(txn);
	if (r == 0)
		*ret_c = c;
	return r;
}

int store_tail(struct store *s, struct chain *ret_c)
{
	return tail_of(last_segment(s), ret_c);
}

int store_begin(struct store *s)
{
	return lmdb_err(mdb_txn_begin(last_segment(s)->env, NULL, 0, &s->txn));
}

static int put(struct store *s, enum store_db db, struct span key, struct span value, unsigned flags)
{
	MDB_val k = val_of(key), v = val_of(value);
	return lmdb_err(mdb_put(s->txn, last_segment(s)->dbi[db], &k, &v, flags));
}

int store_put(struct store *s, enum store_db db, struct span key, struct span value)
{
	return put(s, db, key, value, 0);
}

int store_put_event(struct store *s, uint64_t seq, struct span stored)
{
	uint8_t key[8];
	key_of(seq, key);
	return put(s, DB_EVENTS, span_of(key, 8), stored, MDB_APPEND);
}

int store_commit(struct store *s)
{
	MDB_txn *txn = TAKE(s->txn);
	return lmdb_err(mdb_txn_commit(txn));
}

void store_abort(struct store *s)
{
	if (s->txn)
		mdb_txn_abort(TAKE(s->txn));
}

bool store_is_full(struct store *s)
{
	MDB_envinfo info;
	MDB_stat st;
	if (mdb_env_info(last_segment(s)->env, &info) || mdb_env_stat(last_segment(s)->env, &st))
		return false;
	return (info.me_last_pgno + 1) * st.ms_psize > info.me_mapsize / 100 * FULL_PERCENT;
}

int store_rotate(struct store *s, const struct chain *c)
{
	return new_segment(s, last_segment(s)->number + 1, c);
}

static int each_in(struct segment *g, enum store_db db, struct span from, store_on on, void *ctx)
{
	MDB_txn *txn;
	MDB_cursor *cur = NULL;
	MDB_val k = val_of(from), v;
	int r = 0, rc = mdb_txn_begin(g->env, NULL, MDB_RDONLY, &txn);
	if (rc)
		return lmdb_err(rc);
	rc = mdb_cursor_open(txn, g->dbi[db], &cur);
	if (!rc)
		rc = mdb_cursor_get(cur, &k, &v, from.len ? MDB_SET_RANGE : MDB_FIRST);
	while (!rc && r == 0) {
		r = on(ctx, span_val(k), span_val(v));
		if (r == 0)
			rc = mdb_cursor_get(cur, &k, &v, MDB_NEXT);
	}
	if (cur)
		mdb_cursor_close(cur);
	mdb_txn_abort(txn);
	return r ? r : rc == MDB_NOTFOUND ? 0 : lmdb_err(rc);
}

int store_each(struct store *s, enum store_db db, struct span from, store_on on, void *ctx)
{
	int r = 0;
	for (size_t i = 0; i < s->n && r >= 0; i++)
		r = each_in(s->segments[i], db, from, on, ctx);
	return MIN(r, 0);
}
