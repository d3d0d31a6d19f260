#include "record/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/ossl.h"

#define PAGE  4096
#define MAGIC "sluicej1"
#define FILL  (1 << 20)

struct header {
	char magic[8];
	uint64_t bytes; /* of the events' frames */
	uint64_t first, last;
	uint8_t hash[HASH_LEN];
	struct ring_position positions[JOURNAL_RINGS];
	uint64_t n_positions;
	uint8_t check[HASH_LEN]; /* of all above */
};

_Static_assert(sizeof(struct header) == 8 + 3 * 8 + 32 + JOURNAL_RINGS * 24 + 8 + 32, "no holes");

struct journal {
	int fd;
	int half;
	uint64_t at;	  /* within the half */
	uint64_t last[2]; /* the last event in each half; 0: none */
	uint64_t settled;
};

static void make_check(const struct header *h, uint8_t out[HASH_LEN])
{
	EVP_Digest(h, offsetof(struct header, check), out, NULL, EVP_sha256(), NULL);
}

/* --- opening ------------------------------------------------------------------------------------
 */

static void journal_path(const char *store, const char *name, char out[PATH_MAX + 32])
{
	snprintf(out, PATH_MAX + 32, "%.4000s/%s", store, name);
}

/* Zeros are written, not only reserved: an fdatasync then changes nothing but data. */
static int fill(int fd)
{
	_cleanup_(freep) uint8_t *zeros = calloc(1, FILL);
	if (!zeros)
		return -ENOMEM;
	for (off_t at = 0; at < 2 * JOURNAL_HALF;) {
		ssize_t n = pwrite(fd, zeros, FILL, at);
		if (n < 0 && errno != EINTR)
			return -errno;
		at += n > 0 ? n : 0;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static int sync_dir(const char *store)
{
	_cleanup_(closep) int fd = open(store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int create(const char *store, const char *path)
{
	char temp[PATH_MAX + 32];
	journal_path(store, "journal.new", temp);
	_cleanup_(closep) int fd =
	    open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r = fd < 0 ? -errno : fill(fd);
	if (r == 0 && rename(temp, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(temp);
	return r < 0 ? r : sync_dir(store);
}

int journal_open(const char *store, struct journal **ret_j)
{
	char path[PATH_MAX + 32];
	struct stat st;
	journal_path(store, "journal", path);
	int r = stat(path, &st) == 0 && st.st_size == 2 * JOURNAL_HALF ? 0 : create(store, path);
	if (r < 0)
		return r;
	struct journal *j = calloc(1, sizeof(*j));
	if (!j)
		return -ENOMEM;
	j->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (j->fd < 0) {
		r = -errno;
		journal_close(j);
		return r;
	}
	*ret_j = j;
	return 0;
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	closep(&j->fd);
	free(j);
}

/* --- writing ------------------------------------------------------------------------------------
 */

static size_t padded(size_t n)
{
	return (n + PAGE - 1) / PAGE * PAGE;
}

/* Where a group of this size goes. */
static int make_room(struct journal *j, size_t size)
{
	if (size > JOURNAL_HALF)
		return ERR_LIMIT;
	if (j->at + size <= JOURNAL_HALF)
		return 0;
	if (j->last[!j->half] > j->settled)
		return ERR_FULL;
	j->half = !j->half;
	j->at = 0;
	j->last[j->half] = 0;
	return 0;
}

static int write_all(int fd, struct iovec *iov, int n_iov, off_t at)
{
	while (n_iov) {
		ssize_t n = pwritev(fd, iov, n_iov, at);
		if (n < 0 && errno != EINTR)
			return -errno;
		at += n > 0 ? n : 0;
		for (; n_iov && n >= (ssize_t)iov->iov_len; iov++, n_iov--)
			n -= (ssize_t)iov->iov_len;
		if (n_iov && n > 0) {
			iov->iov_base = (uint8_t *)iov->iov_base + n;
			iov->iov_len -= (size_t)n;
		}
	}
	return 0;
}

int journal_write(struct journal *j, const struct batch *b, bool is_durable)
{
	static const uint8_t zeros[PAGE];
	struct span events = buf_span(&b->events);
	struct header h = {
	    .bytes = events.len, .first = b->first, .last = b->last, .n_positions = b->n_positions};
	size_t size = padded(sizeof(h) + events.len);
	int r = make_room(j, size);
	if (r < 0)
		return r;
	memcpy(h.magic, MAGIC, sizeof(h.magic));
	memcpy(h.hash, b->hash, HASH_LEN);
	memcpy(h.positions, b->positions, sizeof(h.positions));
	make_check(&h, h.check);
	struct iovec iov[] = {{&h, sizeof(h)},
			      {(void *)events.p, events.len},
			      {(void *)zeros, size - sizeof(h) - events.len}};
	r = write_all(j->fd, iov, iov[2].iov_len ? 3 : 2,
		      (off_t)j->half * JOURNAL_HALF + (off_t)j->at);
	if (r == 0 && is_durable && fdatasync(j->fd) < 0)
		r = -errno;
	if (r < 0)
		return r;
	j->at += size;
	j->last[j->half] = b->last;
	return 0;
}

void journal_settle(struct journal *j, uint64_t seq)
{
	j->settled = MAX(seq, j->settled);
}

/* --- reading ------------------------------------------------------------------------------------
 */

struct reading {
	const uint8_t *mem; /* both halves */
	struct chain *chain;
	uint64_t after;
	uint8_t hash[HASH_LEN];
	struct batch group;
	int (*on_group)(void *ctx, const struct batch *b);
	void *ctx;
};

/* A header at this place of a half whose hash is right and whose lengths fit. */
static bool read_header(const uint8_t *half, uint64_t at, struct header *h)
{
	uint8_t check[HASH_LEN];
	if (at + sizeof(*h) > JOURNAL_HALF)
		return false;
	memcpy(h, half + at, sizeof(*h));
	make_check(h, check);
	return !memcmp(h->magic, MAGIC, sizeof(h->magic)) && !memcmp(h->check, check, HASH_LEN) &&
	       h->bytes <= JOURNAL_HALF - at - sizeof(*h) && h->n_positions <= JOURNAL_RINGS;
}

/* Takes over those events of the frames that come behind what is known. ERR_VERIFY: they do not. */
static int take_events(struct reading *r, struct span frames)
{
	struct batch all = {.events = {.mem = (uint8_t *)frames.p, .end = frames.len}};
	uint8_t hash[HASH_LEN], prev[HASH_LEN];
	struct span stored;
	uint64_t seq, next = r->after + 1;
	memcpy(hash, r->hash, HASH_LEN);
	batch_reset(&r->group);
	for (size_t at = 0; batch_next(&all, &at, &stored);) {
		if (chain_prefix_read(stored, prev, &seq) < 0)
			return ERR_VERIFY;
		if (seq < next)
			continue;
		if (seq != next || memcmp(prev, hash, HASH_LEN) != 0)
			return ERR_VERIFY;
		uint8_t *to = batch_add(&r->group, seq, stored.len);
		if (!to)
			return -ENOMEM;
		memcpy(to, stored.p, stored.len);
		int err = chain_hash(r->chain, hash, stored, hash);
		if (err < 0)
			return err;
		next = seq + 1;
	}
	memcpy(r->group.hash, hash, HASH_LEN);
	return 0;
}

/* 1: this half has nothing (more) to give. */
static int take_group(struct reading *r, const uint8_t *half, uint64_t at, uint64_t *ret_size)
{
	struct header h;
	if (!read_header(half, at, &h))
		return 1;
	*ret_size = padded(sizeof(h) + h.bytes);
	if (h.last <= r->after)
		return 0;
	int err = take_events(r, span_of(half + at + sizeof(h), h.bytes));
	if (err == ERR_VERIFY || (err == 0 && memcmp(r->group.hash, h.hash, HASH_LEN) != 0))
		return 1;
	if (err < 0)
		return err;
	memcpy(r->group.positions, h.positions, sizeof(h.positions));
	r->group.n_positions = (uint32_t)h.n_positions;
	err = r->on_group(r->ctx, &r->group);
	r->after = h.last;
	memcpy(r->hash, h.hash, HASH_LEN);
	return err;
}

static int read_half(struct reading *r, int half)
{
	const uint8_t *mem = r->mem + (size_t)half * JOURNAL_HALF;
	uint64_t size = 0;
	int err = 0;
	for (uint64_t at = 0; err == 0; at += size)
		err = take_group(r, mem, at, &size);
	return err == 1 ? 0 : err;
}

/* The half that is behind in numbers comes first. */
static int first_half(const uint8_t *mem)
{
	struct header a, b;
	if (!read_header(mem, 0, &a) || !read_header(mem + JOURNAL_HALF, 0, &b))
		return 0;
	return b.first < a.first;
}

static int read_both(struct reading *r)
{
	int first = first_half(r->mem);
	batch_init(&r->group, 2 * JOURNAL_HALF);
	int err = chain_new(&r->chain);
	if (err == 0)
		err = read_half(r, first);
	if (err == 0)
		err = read_half(r, !first);
	chain_free(r->chain);
	batch_done(&r->group);
	return err;
}

int journal_read(const char *store, uint64_t after, const uint8_t hash[HASH_LEN],
		 int (*on_group)(void *ctx, const struct batch *b), void *ctx)
{
	struct reading r = {.after = after, .on_group = on_group, .ctx = ctx};
	char path[PATH_MAX + 32];
	struct stat st;
	memcpy(r.hash, hash, HASH_LEN);
	journal_path(store, "journal", path);
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size != 2 * JOURNAL_HALF)
		return 0; /* never finished, or not ours */
	/* A copy: the file may change, or be cut, under a mapping. */
	_cleanup_(freep) uint8_t *mem = malloc(2 * JOURNAL_HALF);
	if (!mem)
		return -ENOMEM;
	for (size_t at = 0; at < 2 * JOURNAL_HALF;) {
		ssize_t n = pread(fd, mem + at, 2 * JOURNAL_HALF - at, (off_t)at);
		if (n == 0 || (n < 0 && errno != EINTR))
			return n < 0 ? -errno : ERR_VERIFY;
		at += n > 0 ? (size_t)n : 0;
	}
	r.mem = mem;
	return read_both(&r);
}
