#include "record/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/macro.h"
#include "record/tree_read.h"
#include "record/verify/verify.h"

#define FULL_PERCENT 80

struct store {
	char path[PATH_MAX], node[NODE_MAX];
	uint64_t segment_bytes, segment_seconds;
	int lock_fd;
	struct chain *chain;
	pthread_mutex_t mutex; /* of live and is_broken, against readers */
	struct segment *live;
	bool is_broken; /* no new readers */
	MDB_txn *txn;
	struct position on_disk, at; /* at: within the group; its tree may lack the last event */
	uint64_t signed_to;
	uint64_t first;	  /* of the live segment */
	uint64_t made_ns; /* when that was begun */
};

uint64_t store_seq(const struct store *s)
{
	return s->on_disk.seq;
}

const uint8_t *store_hash(const struct store *s)
{
	return s->on_disk.hash;
}

const struct position *store_position(const struct store *s)
{
	return &s->on_disk;
}

uint64_t store_first(const struct store *s)
{
	return s->first;
}

uint64_t store_signed(const struct store *s)
{
	return s->signed_to;
}

const char *store_path(const struct store *s)
{
	return s->path;
}

struct segment *store_live(struct store *s)
{
	pthread_mutex_lock(&s->mutex);
	struct segment *live = s->live && !s->is_broken ? segment_ref(s->live) : NULL;
	pthread_mutex_unlock(&s->mutex);
	return live;
}

static void set_live(struct store *s, struct segment *live)
{
	pthread_mutex_lock(&s->mutex);
	struct segment *old = s->live;
	s->live = live;
	pthread_mutex_unlock(&s->mutex);
	segment_unref(old);
}

/* --- opening ------------------------------------------------------------------------------------
 */

static int put(MDB_txn *txn, MDB_dbi db, struct span key, struct span value)
{
	MDB_val k = {key.len, (void *)key.p}, v = {value.len, (void *)value.p};
	return segment_err(mdb_put(txn, db, &k, &v, 0));
}

static int write_meta(const struct store *s, struct segment *g, MDB_txn *txn,
		      const struct position *before)
{
	uint8_t first[8], created[8], edge[TREE_EDGE_MAX];
	size_t edge_len = tree_edge(&before->tree, edge);
	seq_encode(before->seq + 1, first);
	seq_encode(clock_real_ns(), created);
	const struct {
		const char *key;
		struct span value;
	} rows[] = {
	    {"created", span_of(created, 8)},
	    {"edge", span_of(edge, edge_len)},
	    {"first", span_of(first, 8)},
	    {"node", span_str(s->node)},
	    {"prev", span_of(before->hash, HASH_LEN)},
	    {"schema", span_str(SEGMENT_SCHEMA)},
	};
	int r = 0;
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(rows); i++)
		r = put(txn, g->dbs[DB_META], span_str(rows[i].key), rows[i].value);
	return r;
}

static int read_signed(struct segment *g, MDB_txn *txn, uint64_t *ret_seq)
{
	uint64_t seq;
	int r = segment_last(g, txn, DB_CHECKPOINTS, &seq, NULL);
	if (r == 0 && seq)
		*ret_seq = seq;
	return r;
}

/* The end of a segment that is not the live one. */
static int sealed_end(struct store *s, struct segment *g, struct position *ret_end)
{
	MDB_txn *txn;
	int r = segment_err(mdb_txn_begin(g->env, NULL, MDB_RDONLY, &txn));
	if (r < 0)
		return r;
	r = segment_end(g, txn, s->chain, ret_end);
	if (r == 0)
		r = read_signed(g, txn, &s->signed_to);
	mdb_txn_abort(txn);
	return r == ERR_NOT_FOUND ? ERR_VERIFY : r;
}

/* What goes on being written to in a new segment, so that it is whole there: the positions of the
 * rings, and the sessions that are not over. */
static int carry_over(struct segment *from, MDB_txn *rd, struct segment *to, MDB_txn *wr,
		      enum segment_db db)
{
	MDB_cursor *c;
	MDB_val k, v;
	int r = mdb_cursor_open(rd, from->dbs[db], &c);
	if (r)
		return segment_err(r);
	for (r = mdb_cursor_get(c, &k, &v, MDB_FIRST); r == 0;
	     r = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
		if (db == DB_SESSIONS && !memmem(v.mv_data, v.mv_size, "\"end\":0,", 8))
			continue;
		r = mdb_put(wr, to->dbs[db], &k, &v, 0);
		if (r)
			break;
	}
	mdb_cursor_close(c);
	return r == MDB_NOTFOUND ? 0 : segment_err(r);
}

/* What comes now may still be sealed with the key before. */
static int carry_key(struct segment *from, MDB_txn *rd, struct segment *to, MDB_txn *wr)
{
	struct span id = segment_meta(from, rd, "sealed_with"), wrapped = segment_key(from, rd, id);
	if (!wrapped.len)
		return 0;
	int r = put(wr, to->dbs[DB_KEYS], id, wrapped);
	return r < 0 ? r : put(wr, to->dbs[DB_META], span_str("sealed_with"), id);
}

static int carry_all(struct segment *from, struct segment *to, MDB_txn *wr)
{
	MDB_txn *rd;
	int r = segment_err(mdb_txn_begin(from->env, NULL, MDB_RDONLY, &rd));
	if (r < 0)
		return r;
	r = carry_over(from, rd, to, wr, DB_SESSIONS);
	if (r == 0)
		r = carry_over(from, rd, to, wr, DB_RINGS);
	if (r == 0)
		r = carry_key(from, rd, to, wr);
	mdb_txn_abort(rd);
	return r;
}

/* Reads where the segment stands; a new one is begun, all in one transaction. */
static int begin_live(struct store *s, struct segment *g, struct segment *from,
		      const struct position *before, MDB_txn *txn)
{
	struct position start;
	int r = segment_end(g, txn, s->chain, &s->on_disk);
	if (r == ERR_NOT_FOUND) {
		s->on_disk = *before;
		r = write_meta(s, g, txn, before);
		if (r == 0 && from)
			r = carry_all(from, g, txn);
	}
	if (r == 0)
		r = read_signed(g, txn, &s->signed_to);
	if (r == 0)
		r = segment_start(g, txn, &start);
	if (r < 0)
		return r;
	struct span made = segment_meta(g, txn, "created");
	s->made_ns = made.len == 8 ? seq_decode(made.p) : 0;
	s->first = start.seq + 1;
	return 0;
}

/* from: the segment before, that ends at before; NULL: there is none. */
static int open_live(struct store *s, uint32_t number, struct segment *from,
		     const struct position *before)
{
	struct segment *g;
	MDB_txn *txn;
	int dead, r = segment_open(s->path, number, SEGMENT_WRITE, s->segment_bytes, &g);
	if (r < 0)
		return r;
	mdb_reader_check(g->env, &dead); /* readers that were killed would keep pages from reuse */
	r = segment_err(mdb_txn_begin(g->env, NULL, 0, &txn));
	if (r == 0) {
		r = begin_live(s, g, from, before, txn);
		if (r == 0)
			r = segment_err(mdb_txn_commit(txn));
		else
			mdb_txn_abort(txn);
	}
	if (r < 0)
		segment_unref(g);
	else
		set_live(s, g);
	return r;
}

static int lock_store(struct store *s)
{
	char file[PATH_MAX + 8];
	if (mkdir(s->path, 0700) < 0 && errno != EEXIST)
		return -errno;
	snprintf(file, sizeof(file), "%s/lock", s->path);
	s->lock_fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock_fd < 0)
		return -errno;
	return flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
}

static int open_last(struct store *s)
{
	_cleanup_(freep) uint32_t *list = NULL;
	struct position before = {0};
	struct segment *from = NULL;
	size_t n;
	int r = segment_list(s->path, &list, &n);
	if (r == 0 && n > 1) {
		r = segment_seal(s->path, list[n - 2]); /* a crash may have come before it */
		if (r == 0)
			r = segment_open(s->path, list[n - 2], SEGMENT_READ, 0, &from);
		if (r == 0)
			r = sealed_end(s, from, &before);
	}
	if (r == 0)
		r = open_live(s, n ? list[n - 1] : 1, from, &before);
	segment_unref(from);
	return r;
}

/* Does the tree that is gone on from lead back to what was signed last? */
static int check_tree(struct store *s)
{
	struct tree_reader *reader;
	struct checkpoint c;
	struct proof p;
	uint8_t root[HASH_LEN];
	int r = s->signed_to >= s->first ? tree_reader_of(s->live, &reader)
					 : tree_reader_open(s->path, s->live, &reader);
	if (r < 0)
		return r;
	struct tree_nodes nodes = tree_reader_nodes(reader);
	r = tree_reader_checkpoint(reader, s->signed_to, &c);
	if (r == 0)
		r = proof_consistency(&nodes, s->chain, s->signed_to, s->on_disk.seq, &p);
	if (r == 0)
		r = tree_root(&s->on_disk.tree, s->chain, root);
	if (r == 0)
		r = proof_check_consistency(&p, s->chain, s->signed_to, s->on_disk.seq, c.root, root);
	tree_reader_close(reader);
	return r == ERR_LIMIT ? ERR_VERIFY : r;
}

/* A store that does not hold what it says is evidence: nothing is added to it. */
static int check_tail(struct store *s, char *ret_why, size_t why_size)
{
	struct verify_result v;
	struct verify_options o = {.from = MAX(s->first, s->signed_to)};
	int r = verify_segment(s->live, &o, &v);
	if (r == 0 && v.is_bad)
		snprintf(ret_why, why_size, "event %llu: %s", (unsigned long long)v.bad_seq, v.why);
	if (r < 0 || v.is_bad)
		return r < 0 ? r : ERR_VERIFY;
	r = s->signed_to ? check_tree(s) : 0;
	if (r == ERR_VERIFY)
		snprintf(ret_why, why_size, "its tree does not go on from the checkpoint at event %llu",
			 (unsigned long long)s->signed_to);
	return r;
}

static void explain(const struct store *s, int err, char *ret_why, size_t why_size)
{
	char detail[300];
	snprintf(detail, sizeof(detail), "%s", ret_why[0] ? ret_why : err_text(err));
	if (err == ERR_UNSUPPORTED)
		snprintf(ret_why, why_size,
			 "the store %s was written by another version of sluice; this one reads "
			 "and writes schema " SEGMENT_SCHEMA
			 ". Move it away (its own version verifies it) and start again",
			 s->path);
	else if (err == ERR_VERIFY)
		snprintf(ret_why, why_size,
			 "the store %s is damaged or was changed: %s. Nothing is added to it. Keep "
			 "it as evidence: "
			 "move it away, run sluice verify --store on it, and start again",
			 s->path, detail);
	else if (err == -EWOULDBLOCK)
		snprintf(ret_why, why_size, "another recorder holds the store %s", s->path);
	else
		snprintf(ret_why, why_size, "the store %s cannot be opened: %s", s->path, detail);
}

int store_open(const char *path, const struct store_options *o, struct store **ret_s, char *ret_why,
	       size_t why_size)
{
	struct store *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	snprintf(s->path, sizeof(s->path), "%s", path);
	snprintf(s->node, sizeof(s->node), "%s", o->node);
	s->segment_bytes = o->segment_bytes;
	s->segment_seconds = o->segment_seconds;
	s->lock_fd = -1;
	pthread_mutex_init(&s->mutex, NULL);
	ret_why[0] = 0;
	int r = chain_new(&s->chain);
	if (r == 0)
		r = lock_store(s);
	if (r == 0)
		r = open_last(s);
	if (r == 0)
		r = check_tail(s, ret_why, why_size);
	if (r < 0) {
		explain(s, r, ret_why, why_size);
		store_close(s);
		return r;
	}
	*ret_s = s;
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	store_abort(s);
	set_live(s, NULL);
	chain_free(s->chain);
	closep(&s->lock_fd);
	pthread_mutex_destroy(&s->mutex);
	free(s);
}

/* --- writing ------------------------------------------------------------------------------------
 */

int store_rotate(struct store *s)
{
	struct position before =
	    s->on_disk; /* a copy: what is read of the new segment takes its place */
	if (before.seq < s->first)
		return -ENOSPC;
	struct segment *old = segment_ref(s->live);
	int r = open_live(s, old->number + 1, old, &before);
	if (r == 0)
		r = segment_seal(s->path, old->number);
	segment_unref(old);
	return r;
}

bool store_is_full(const struct store *s)
{
	MDB_envinfo info;
	MDB_stat st;
	uint64_t now = clock_real_ns();
	if (!s->live || s->on_disk.seq < s->first)
		return false;
	/* A clock that was set back makes no segment old. */
	if (s->segment_seconds && now > s->made_ns &&
	    now - s->made_ns >= s->segment_seconds * NS_PER_SEC)
		return true;
	mdb_env_info(s->live->env, &info);
	mdb_env_stat(s->live->env, &st);
	return (info.me_last_pgno + 1) * (uint64_t)st.ms_psize >
	       s->segment_bytes / 100 * FULL_PERCENT;
}

int store_begin(struct store *s)
{
	if (!s->live)
		return -EBADF;
	s->at = s->on_disk;
	return segment_err(mdb_txn_begin(s->live->env, NULL, 0, &s->txn));
}

static int keep_node(void *ctx, unsigned height, uint64_t index, const uint8_t hash[HASH_LEN])
{
	struct store *s = ctx;
	uint8_t key[9] = {(uint8_t)(height / TREE_STEP)};
	seq_encode(index, key + 1);
	return put(s->txn, s->live->dbs[DB_TREE], span_of(key, sizeof(key)),
		   span_of(hash, HASH_LEN));
}

/* The tree gets the event before, whose hash is known by now. */
static int grow(struct store *s, const uint8_t hash[HASH_LEN])
{
	const struct tree_keep keep = {.node = keep_node, .ctx = s};
	return s->at.tree.size < s->at.seq ? tree_add(&s->at.tree, s->chain, hash, &keep) : 0;
}

int store_append(struct store *s, uint64_t seq, const uint8_t prev[HASH_LEN], struct span stored)
{
	uint8_t key[8];
	if (seq != s->at.seq + 1)
		return ERR_STATE;
	int r = grow(s, prev);
	if (r < 0)
		return r;
	seq_encode(seq, key);
	MDB_val k = {8, key}, v = {stored.len, (void *)stored.p};
	r = mdb_put(s->txn, s->live->dbs[DB_EVENTS], &k, &v, MDB_APPEND);
	if (r == 0)
		s->at.seq = seq;
	return segment_err(r);
}

int store_put(struct store *s, enum segment_db db, struct span key, struct span value)
{
	return put(s->txn, s->live->dbs[db], key, value);
}

int store_keep_key(struct store *s, struct span id, struct span to)
{
	int r = store_put(s, DB_KEYS, id, to);
	return r < 0 ? r : store_put(s, DB_META, span_str("sealed_with"), id);
}

uint32_t store_segment(struct store *s)
{
	struct segment *live = store_live(s);
	uint32_t number = live ? live->number : 0;
	segment_unref(live);
	return number;
}

int store_get(struct store *s, enum segment_db db, struct span key, struct buf *out)
{
	MDB_val k = {key.len, (void *)key.p}, v;
	int r = mdb_get(s->txn, s->live->dbs[db], &k, &v);
	if (r)
		return segment_err(r);
	buf_add(out, v.mv_data, v.mv_size);
	return buf_err(out);
}

static int put_head(struct store *s)
{
	uint8_t head[8], edge[TREE_EDGE_MAX];
	size_t edge_len = tree_edge(&s->at.tree, edge);
	seq_encode(s->at.seq, head);
	int r = store_put(s, DB_META, span_str("head"), span_of(head, 8));
	return r < 0 ? r : store_put(s, DB_META, span_str("head_edge"), span_of(edge, edge_len));
}

int store_commit(struct store *s, const uint8_t *hash)
{
	int r = 0;
	if (hash) {
		memcpy(s->at.hash, hash, HASH_LEN);
		r = grow(s, hash);
		if (r == 0)
			r = put_head(s);
	}
	if (r < 0)
		return r; /* the caller aborts */
	MDB_txn *txn = TAKE(s->txn);
	r = segment_err(mdb_txn_commit(txn));
	if (r == 0)
		s->on_disk = s->at;
	return r;
}

static int put_checkpoint(struct store *s, const struct checkpoint *c, const uint8_t key[KEY_LEN])
{
	uint8_t seq[8];
	struct buf note;
	buf_init(&note, NOTE_MAX);
	checkpoint_write(&note, c);
	seq_encode(c->seq, seq);
	int r = buf_err(&note);
	if (r == 0)
		r = store_put(s, DB_CHECKPOINTS, span_of(seq, 8), buf_span(&note));
	if (r == 0)
		r = store_put(s, DB_META, span_str("key"), span_of(key, KEY_LEN));
	buf_done(&note);
	return r;
}

int store_sign(struct store *s, const struct checkpoint *c, const uint8_t key[KEY_LEN])
{
	if (c->seq < s->first)
		return 0;
	int r = store_begin(s);
	if (r == 0)
		r = put_checkpoint(s, c, key);
	if (r == 0)
		r = store_commit(s, NULL);
	store_abort(s);
	if (r == 0)
		s->signed_to = c->seq;
	return r;
}

void store_abort(struct store *s)
{
	if (s->txn)
		mdb_txn_abort(s->txn);
	s->txn = NULL;
}

int store_reopen(struct store *s)
{
	store_abort(s);
	pthread_mutex_lock(&s->mutex);
	bool is_read = s->live && atomic_load(&s->live->refs) > 1;
	s->is_broken = true;
	pthread_mutex_unlock(&s->mutex);
	if (is_read)
		return -EBUSY; /* LMDB must not have it open twice */
	set_live(s, NULL);
	int r = open_last(s);
	s->is_broken = r < 0;
	return r;
}
