#include "record/retention.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"
#include "record/event_internal.h"

#define GONE "gone-" /* before the name of a segment that is being removed */

static uint64_t size_of(const char *store, uint32_t number)
{
	char path[PATH_MAX + 64];
	struct stat st;
	snprintf(path, sizeof(path), "%.4000s/" SEGMENT_NAME "/data.mdb", store, number);
	return stat(path, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

/* What comes before a segment, and when that was closed: when this one was begun. */
static int read_start(const char *store, struct segment *live, uint32_t number,
		      struct position *ret_before, uint64_t *ret_closed_ns)
{
	struct segment *g = live && live->number == number ? segment_ref(live) : NULL;
	MDB_txn *txn;
	int r = g ? 0 : segment_open(store, number, SEGMENT_READ, 0, &g);
	if (r < 0)
		return r;
	r = segment_err(mdb_txn_begin(g->env, NULL, MDB_RDONLY, &txn));
	if (r == 0) {
		struct span created = segment_meta(g, txn, "created");
		r = segment_start(g, txn, ret_before);
		*ret_closed_ns = created.len == 8 ? seq_decode(created.p) : UINT64_MAX;
		mdb_txn_abort(txn);
	}
	segment_unref(g);
	return r;
}

static int fill(struct tombstone *t, const struct position *before)
{
	struct chain *c;
	int r = chain_new(&c);
	if (r < 0)
		return r;
	t->last = before->seq;
	memcpy(t->chain, before->hash, HASH_LEN);
	r = tree_root(&before->tree, c, t->root);
	chain_free(c);
	return r;
}

struct due {
	const char *store;
	struct segment *live;
	const struct retention_limits *limits;
	uint64_t now_ns, bytes; /* bytes: of all that is kept */
};

/* May the segment go that ends where number begins? Then ret_reason says why. */
static int is_due(const struct due *d, uint32_t number, struct position *ret_before,
		  const char **ret_reason)
{
	uint64_t closed_ns = 0;
	int r = read_start(d->store, d->live, number, ret_before, &closed_ns);
	bool is_old = d->limits->seconds && d->now_ns > closed_ns &&
		      d->now_ns - closed_ns > d->limits->seconds * NS_PER_SEC;
	bool is_large = d->limits->bytes && d->bytes > d->limits->bytes;
	if (r < 0 || !(is_old || is_large))
		return r;
	*ret_reason = is_old ? "age" : "size";
	return 1;
}

static int find_due(struct due *d, const uint32_t *list, size_t n, struct tombstone *t)
{
	struct position before;
	uint64_t closed_ns;
	int r = read_start(d->store, d->live, list[0], &before, &closed_ns);
	if (r < 0)
		return r;
	t->first = before.seq + 1;
	for (size_t i = 0; i < n; i++)
		d->bytes += size_of(d->store, list[i]);
	for (size_t i = 0; i + 1 < n; i++) {
		r = is_due(d, list[i + 1], &before, &t->reason);
		if (r == 1)
			r = fill(t, &before) < 0 ? -ENOMEM : 1;
		if (r <= 0)
			break;
		t->upto = list[i];
		t->segments++;
		d->bytes -= MIN(d->bytes, size_of(d->store, list[i]));
	}
	return r < 0 ? r : t->upto != 0;
}

int retention_due(const char *store, struct segment *live, const struct retention_limits *l,
		  uint64_t now_ns, struct tombstone *ret_t)
{
	_cleanup_(freep) uint32_t *list = NULL;
	struct due d = {.store = store, .live = live, .limits = l, .now_ns = now_ns};
	size_t n;
	*ret_t = (struct tombstone){0};
	if (!l->seconds && !l->bytes)
		return 0;
	int r = segment_list(store, &list, &n);
	return r < 0 || n < 2 ? r : find_due(&d, list, n, ret_t);
}

/* --- removing -----------------------------------------------------------------------------------
 */

static int remove_folder(int dir_fd, const char *name)
{
	static const char *const files[] = {"data.mdb", "lock.mdb"};
	_cleanup_(closep) int fd =
	    openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (unlinkat(fd, files[i], 0) < 0 && errno != ENOENT)
			return -errno;
	return unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

/* What has the name of one that goes. */
static int sweep(const char *store)
{
	DIR *d = opendir(store);
	int r = 0;
	if (!d)
		return -errno;
	for (struct dirent *e; r == 0 && (e = readdir(d));)
		if (!strncmp(e->d_name, GONE, sizeof(GONE) - 1))
			r = remove_folder(dirfd(d), e->d_name);
	closedir(d);
	return r;
}

int retention_remove(const char *store, uint32_t upto)
{
	_cleanup_(freep) uint32_t *list = NULL;
	_cleanup_(closep) int fd = open(store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t n = 0;
	int r = fd < 0 ? -errno : segment_list(store, &list, &n);
	for (size_t i = 0; i < n && r == 0 && list[i] <= upto; i++) {
		char from[32], to[40];
		snprintf(from, sizeof(from), SEGMENT_NAME, list[i]);
		snprintf(to, sizeof(to), GONE "%s", from);
		/* By its name it is gone at once, and stays so. */
		if (renameat(fd, from, fd, to) < 0 || fsync(fd) < 0)
			r = -errno;
	}
	return r < 0 ? r : sweep(store);
}

void retention_event(struct buf *out, const char *node, uint64_t now_ns, const struct tombstone *t)
{
	struct event_ctx c = {.node = node, .time_ns = now_ns};
	char chain[HASH_HEX + 1], root[HASH_HEX + 1];
	struct event_writer e;
	hex_encode(t->chain, HASH_LEN, chain);
	hex_encode(t->root, HASH_LEN, root);
	ev_begin(&e, out, &c, "record.tombstone");
	ev_str(&e, "chain", chain);
	ev_int(&e, "first", t->first);
	ev_int(&e, "last", t->last);
	ev_str(&e, "reason", t->reason);
	ev_str(&e, "root", root);
	ev_int(&e, "segments", (uint64_t)t->segments);
	ev_end(&e);
}
