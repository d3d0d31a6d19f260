#include "record/segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macro.h"

#define READERS_MAX  64
#define UNBEGUN_MAX  8192
#define SEGMENT_PATH (PATH_MAX + 32)

static const char *const db_names[DB_COUNT] = {
    [DB_META] = "meta",
    [DB_EVENTS] = "events",
    [DB_SESSIONS] = "sessions",
    [DB_BY_SESSION] = "by_session",
    [DB_CHECKPOINTS] = "checkpoints",
    [DB_RINGS] = "rings",
    [DB_TREE] = "tree",
    [DB_BLOCKS] = "blocks",
    [DB_KEYS] = "keys",
};

int segment_err(int code)
{
	switch (code) {
	case MDB_SUCCESS:
		return 0;
	case MDB_NOTFOUND:
		return ERR_NOT_FOUND;
	case MDB_MAP_FULL:
	case MDB_TXN_FULL:
		return ERR_FULL;
	case MDB_INVALID:
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INCOMPATIBLE:
		return ERR_VERIFY;
	case MDB_VERSION_MISMATCH:
		return ERR_UNSUPPORTED;
	default:
		return code > 0 ? -code : -EIO;
	}
}

void seq_encode(uint64_t seq, uint8_t out[8])
{
	for (int i = 0; i < 8; i++)
		out[i] = (uint8_t)(seq >> (56 - 8 * i));
}

uint64_t seq_decode(const void *p)
{
	struct cur c = cur_of(span_of(p, 8));
	return cur_u64(&c);
}

/* LMDB trusts its file: one that was cut would kill the reader by SIGBUS. */
static int check_size(MDB_env *env, const char *path)
{
	char file[SEGMENT_PATH + 16];
	struct stat st;
	MDB_envinfo info;
	MDB_stat pages;
	snprintf(file, sizeof(file), "%s/data.mdb", path);
	mdb_env_info(env, &info);
	mdb_env_stat(env, &pages);
	if (stat(file, &st) < 0)
		return -errno;
	return (uint64_t)st.st_size >= (info.me_last_pgno + 1) * (uint64_t)pages.ms_psize
		   ? 0
		   : ERR_VERIFY;
}

static int open_dbs(struct segment *s, bool is_write)
{
	MDB_txn *txn;
	int r = mdb_txn_begin(s->env, NULL, is_write ? 0 : MDB_RDONLY, &txn);
	if (r)
		return segment_err(r);
	for (int i = 0; r == 0 && i < DB_COUNT; i++) {
		r = mdb_dbi_open(txn, db_names[i], is_write ? MDB_CREATE : 0, &s->dbs[i]);
		s->has_keys = r == 0;
		r = r == MDB_NOTFOUND && i == DB_KEYS ? 0 : r;
	}
	if (r == 0 && s->number == SEGMENT_EXPORT)
		r = mdb_dbi_open(txn, "omitted", 0, &s->omitted);
	if (r) {
		MDB_stat main = {0};
		bool is_empty = mdb_stat(txn, 1, &main) == 0 && main.ms_entries == 0;
		mdb_txn_abort(txn);
		return r == MDB_NOTFOUND && !is_empty ? ERR_VERIFY : segment_err(r);
	}
	struct span schema = segment_meta(s, txn, "schema");
	int err = schema.len && !span_is(schema, SEGMENT_SCHEMA) ? ERR_UNSUPPORTED
		  : !schema.len && !is_write			 ? ERR_NOT_FOUND /* not begun */
								 : 0;
	if (err < 0)
		mdb_txn_abort(txn);
	else
		err = segment_err(mdb_txn_commit(txn));
	return err;
}

static int open_env(struct segment *s, const char *path, enum segment_mode mode, uint64_t map_bytes)
{
	char lock[SEGMENT_PATH + 16];
	unsigned flags = MDB_NOTLS | MDB_NORDAHEAD;
	int r = mdb_env_create(&s->env);
	if (r == 0)
		r = mdb_env_set_maxdbs(s->env, DB_COUNT + 1);
	if (r == 0)
		r = mdb_env_set_maxreaders(s->env, READERS_MAX);
	if (r == 0 && mode == SEGMENT_WRITE)
		r = mdb_env_set_mapsize(s->env, map_bytes);
	/* Without a lock file nobody writes; and one that we made would stand in the writer's way.
	 */
	snprintf(lock, sizeof(lock), "%s/lock.mdb", path);
	if (mode == SEGMENT_READ)
		flags |= MDB_RDONLY | (access(lock, W_OK) == 0 ? 0 : MDB_NOLOCK);
	if (r == 0)
		r = mdb_env_open(s->env, path, flags, 0600);
	return segment_err(r);
}

static bool has_data(const char *path)
{
	char file[SEGMENT_PATH + 16];
	snprintf(file, sizeof(file), "%s/data.mdb", path);
	return access(file, F_OK) == 0;
}

/* LMDB's first two pages are there before anything is committed, and a crash may leave one of them:
 * no environment, and nothing lost. A longer file has both: sync_new. */
static int drop_unbegun(const char *path, bool is_write)
{
	char file[SEGMENT_PATH + 16];
	struct stat st;
	snprintf(file, sizeof(file), "%s/data.mdb", path);
	if (stat(file, &st) < 0)
		return errno == ENOENT && is_write ? 0 : -errno;
	if (st.st_size > UNBEGUN_MAX)
		return 0;
	if (!is_write)
		return ERR_NOT_FOUND;
	return unlink(file) < 0 ? -errno : 0;
}

static int sync_dir(const char *path)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int make_dir(const char *store, const char *path)
{
	if (mkdir(path, 0700) < 0)
		return errno == EEXIST ? 0 : -errno;
	return sync_dir(store);
}

/* LMDB makes its first two pages and syncs them with the first transaction's, so that a power cut
 * may leave some of the latter without the former: a file that is not empty and cannot be opened. */
static int sync_new(MDB_env *env, const char *path)
{
	int r = segment_err(mdb_env_sync(env, 1));
	return r == 0 ? sync_dir(path) : r;
}

int segment_open(const char *store, uint32_t number, enum segment_mode mode, uint64_t map_bytes,
		 struct segment **ret_s)
{
	char path[SEGMENT_PATH];
	if (number == SEGMENT_EXPORT)
		snprintf(path, sizeof(path), "%s", store);
	else
		snprintf(path, sizeof(path), "%s/" SEGMENT_NAME, store, number);
	int r = mode == SEGMENT_WRITE ? make_dir(store, path) : 0;
	if (r == 0)
		r = drop_unbegun(path, mode == SEGMENT_WRITE);
	if (r < 0)
		return r == -ENOENT ? ERR_NOT_FOUND : r;
	struct segment *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->number = number;
	s->refs = 1;
	bool is_new = mode == SEGMENT_WRITE && !has_data(path);
	r = open_env(s, path, mode, map_bytes);
	if (r == 0 && is_new)
		r = sync_new(s->env, path);
	if (r == 0)
		r = check_size(s->env, path);
	if (r == 0)
		r = open_dbs(s, mode == SEGMENT_WRITE);
	if (r < 0) {
		segment_unref(s);
		return r == -ENOENT ? ERR_NOT_FOUND : r;
	}
	*ret_s = s;
	return 0;
}

struct segment *segment_ref(struct segment *s)
{
	atomic_fetch_add(&s->refs, 1);
	return s;
}

void segment_unref(struct segment *s)
{
	if (!s || atomic_fetch_sub(&s->refs, 1) > 1)
		return;
	if (s->env)
		mdb_env_close(s->env);
	free(s);
}

int segment_seal(const char *store, uint32_t number)
{
	char path[SEGMENT_PATH + 16];
	snprintf(path, sizeof(path), "%s/" SEGMENT_NAME "/data.mdb", store, number);
	if (chmod(path, 0400) < 0)
		return -errno;
	snprintf(path, sizeof(path), "%s/" SEGMENT_NAME "/lock.mdb", store, number);
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

/* 0 for other names. */
static uint32_t number_of(const char *name)
{
	unsigned number = 0;
	char again[32];
	if (sscanf(name, SEGMENT_NAME, &number) != 1 || number >= SEGMENTS_MAX)
		return 0;
	snprintf(again, sizeof(again), SEGMENT_NAME, number);
	return strcmp(again, name) ? 0 : number;
}

int segment_list(const char *store, uint32_t **ret_list, size_t *ret_n)
{
	_cleanup_(freep) uint32_t *list = NULL;
	size_t n = 0, cap = 0;
	bool is_export = false;
	DIR *d = opendir(store);
	if (!d)
		return -errno;
	for (struct dirent *e; (e = readdir(d));) {
		uint32_t number = number_of(e->d_name);
		is_export = is_export || !strcmp(e->d_name, "data.mdb");
		if (!number)
			continue;
		if (n == cap) {
			uint32_t *more = realloc(list, (cap = cap ? 2 * cap : 64) * sizeof(*list));
			if (!more) {
				closedir(d);
				return -ENOMEM;
			}
			list = more;
		}
		list[n++] = number;
	}
	closedir(d);
	if (n == 0 && is_export) {
		list = calloc(1, sizeof(*list));
		if (!list)
			return -ENOMEM;
		n = 1; /* SEGMENT_EXPORT */
	} else if (n) {
		qsort(list, n, sizeof(*list), by_number);
	}
	*ret_list = TAKE(list);
	*ret_n = n;
	return 0;
}

int segment_list_begun(const char *store, const struct segment *live, uint32_t **ret_list,
		       size_t *ret_n)
{
	struct segment *last;
	int r = segment_list(store, ret_list, ret_n);
	if (r < 0)
		return r;
	while (live && *ret_n && (*ret_list)[*ret_n - 1] > live->number)
		--*ret_n;
	if (live || *ret_n < 2)
		return 0;
	r = segment_open(store, (*ret_list)[*ret_n - 1], SEGMENT_READ, 0, &last);
	if (r == 0)
		segment_unref(last);
	else if (r == ERR_NOT_FOUND)
		--*ret_n;
	return 0; /* what else is wrong with it shows where it is read */
}

struct span segment_meta(const struct segment *s, MDB_txn *txn, const char *key)
{
	MDB_val k = {strlen(key), (void *)key}, v;
	if (mdb_get(txn, s->dbs[DB_META], &k, &v))
		return (struct span){0};
	return span_of(v.mv_data, v.mv_size);
}

struct span segment_key(const struct segment *s, MDB_txn *txn, struct span id)
{
	MDB_val k = {id.len, (void *)id.p}, v;
	if (!s->has_keys || !id.len || mdb_get(txn, s->dbs[DB_KEYS], &k, &v))
		return (struct span){0};
	return span_of(v.mv_data, v.mv_size);
}

int segment_start(const struct segment *s, MDB_txn *txn, struct position *ret_before)
{
	struct span first = segment_meta(s, txn, "first"), prev = segment_meta(s, txn, "prev");
	if (first.len != 8 || prev.len != HASH_LEN || seq_decode(first.p) == 0)
		return ERR_VERIFY;
	ret_before->seq = seq_decode(first.p) - 1;
	memcpy(ret_before->hash, prev.p, HASH_LEN);
	return tree_read(segment_meta(s, txn, "edge"), ret_before->seq, &ret_before->tree) < 0
		   ? ERR_VERIFY
		   : 0;
}

int segment_last(const struct segment *s, MDB_txn *txn, enum segment_db db, uint64_t *ret_seq,
		 struct span *ret_value)
{
	MDB_cursor *c;
	MDB_val k, v;
	int r = mdb_cursor_open(txn, s->dbs[db], &c);
	if (r)
		return segment_err(r);
	r = mdb_cursor_get(c, &k, &v, MDB_LAST);
	mdb_cursor_close(c);
	if (r == 0 && k.mv_size != 8)
		return ERR_VERIFY;
	*ret_seq = r == 0 ? seq_decode(k.mv_data) : 0;
	if (r == 0 && ret_value)
		*ret_value = span_of(v.mv_data, v.mv_size);
	return r == MDB_NOTFOUND ? 0 : segment_err(r);
}

int segment_end(const struct segment *s, MDB_txn *txn, struct chain *c, struct position *ret_end)
{
	struct position end;
	struct span stored;
	uint64_t seq, inner;
	uint8_t prev[HASH_LEN];
	if (!segment_meta(s, txn, "schema").len)
		return ERR_NOT_FOUND;
	int r = segment_start(s, txn, &end);
	if (r == 0)
		r = segment_last(s, txn, DB_EVENTS, &seq, &stored);
	if (r == 0 && seq) {
		if (chain_prefix_read(stored, prev, &inner) < 0 || inner != seq ||
		    tree_read(segment_meta(s, txn, "head_edge"), seq, &end.tree) < 0)
			return ERR_VERIFY;
		end.seq = seq;
		r = chain_hash(c, prev, stored, end.hash);
	}
	if (r == 0)
		*ret_end = end;
	return r;
}
