/* The journal gives back what was durable, in order and once, and nothing that was torn or left
 * over. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../tap.h"
#include "base/macro.h"
#include "record/journal.h"

static char dir[] = "/tmp/sluice-journal-XXXXXX";
static char path[64];
static struct chain *chain;
static uint64_t seq;
static uint8_t hash[HASH_LEN];
static struct batch group;

/* A group of n chained events of about size bytes. */
static void make_group(int n, size_t size)
{
	batch_reset(&group);
	for (int i = 0; i < n; i++) {
		size_t prefix = chain_prefix_len(++seq);
		uint8_t *to = batch_add(&group, seq, prefix + size);
		chain_prefix(hash, seq, to);
		memset(to + prefix, 'x', size);
		CHECK_INT(chain_hash(chain, hash, span_of(to, prefix + size), hash), 0);
	}
	memcpy(group.hash, hash, HASH_LEN);
	group.n_positions = 2;
	group.positions[1].pos = seq * 10;
}

struct got {
	uint64_t first, last, pos;
	int n_groups, n_events, stop_after;
};

static int on_group(void *ctx, const struct batch *b)
{
	struct got *g = ctx;
	struct span s;
	g->first = g->first ? g->first : b->first;
	g->last = b->last;
	g->pos = b->positions[1].pos;
	g->n_groups++;
	for (size_t at = 0; batch_next(b, &at, &s);)
		g->n_events++;
	return g->stop_after && g->n_groups >= g->stop_after ? -ECANCELED : 0;
}

static struct got read_after(uint64_t after, const uint8_t *h)
{
	struct got g = {0};
	CHECK_INT(journal_read(dir, after, h, on_group, &g), 0);
	return g;
}

static struct journal *begin(void)
{
	struct journal *j;
	unlink(path);
	seq = 0;
	memset(hash, 0, HASH_LEN);
	CHECK_INT(journal_open(dir, &j), 0);
	return j;
}

static void gives_back_what_was_written(void)
{
	uint8_t zero[HASH_LEN] = {0}, at7[HASH_LEN];
	struct journal *j = begin();
	struct stat st;
	CHECK(stat(path, &st) == 0 && st.st_size == 2 * JOURNAL_HALF);
	CHECK_INT(read_after(0, zero).n_groups, 0);
	for (int i = 0; i < 5; i++) {
		make_group(3, 500);
		CHECK_INT(journal_write(j, &group, true), 0);
		if (i == 1) { /* inside the third group: one event of it is known */
			uint64_t s = seq;
			uint8_t h[HASH_LEN];
			memcpy(h, hash, HASH_LEN);
			make_group(1, 500);
			memcpy(at7, hash, HASH_LEN);
			seq = s;
			memcpy(hash, h, HASH_LEN);
		}
	}
	struct got g = read_after(0, zero);
	CHECK(g.first == 1 && g.last == 15 && g.n_groups == 5 && g.n_events == 15 && g.pos == 150);
	g = read_after(7, at7);
	CHECK(g.first == 8 && g.last == 15 && g.n_groups == 3 && g.n_events == 8);
	CHECK_INT(read_after(15, hash).n_groups, 0);
	CHECK_INT(read_after(7, zero).n_groups, 0); /* another chain */
	CHECK_INT(read_after(99, zero).n_groups, 0);
	g = (struct got){.stop_after = 2};
	CHECK_INT(journal_read(dir, 0, zero, on_group, &g), -ECANCELED);
	journal_close(j);
}

/* Every byte of the last group matters: without it, it never happened. */
static void leaves_out_what_was_torn(void)
{
	uint8_t zero[HASH_LEN] = {0};
	static const off_t places[] = {0, 8, 20, 40, 100, 480, 530, 545, 600, 900, 1500};
	struct journal *j = begin();
	make_group(2, 500);
	CHECK_INT(journal_write(j, &group, true), 0);
	make_group(2, 500);
	CHECK_INT(journal_write(j, &group, true), 0);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		uint8_t was, is;
		off_t at = 4096 + places[i];
		CHECK_INT(pread(fd, &was, 1, at), 1);
		is = was ^ 1;
		CHECK_INT(pwrite(fd, &is, 1, at), 1);
		struct got g = read_after(0, zero);
		CHECK(g.n_groups == 1 && g.last == 2);
		CHECK_INT(pwrite(fd, &was, 1, at), 1);
	}
	CHECK_INT(read_after(0, zero).n_groups, 2);
	close(fd);
	journal_close(j);
}

/* Round and round: room is only taken again once LMDB has what was there. */
static void fills_its_halves_in_turn(void)
{
	struct journal *j = begin();
	uint8_t settled[HASH_LEN] = {0};
	uint64_t settled_seq = 0;
	int n_full = 0;
	for (int i = 0; i < 60; i++) {
		make_group(3, 700 * 1000);
		int r = journal_write(j, &group, false);
		if (r == ERR_FULL) {
			struct got g = read_after(settled_seq, settled);
			CHECK(g.first == settled_seq + 1 &&
			      g.last == seq - 3); /* nothing was overwritten */
			n_full++;
			settled_seq = seq - 3;
			CHECK_INT(chain_prefix_read(
				      span_of(buf_span(&group.events).p + JOURNAL_FRAME, 200),
				      settled, &(uint64_t){0}),
				  0);
			journal_settle(j, settled_seq);
			r = journal_write(j, &group, false);
		}
		CHECK_INT(r, 0);
	}
	CHECK(n_full > 2);
	struct got g = read_after(settled_seq, settled);
	CHECK(g.first == settled_seq + 1 && g.last == seq);
	make_group(30, 700 * 1000);
	CHECK_INT(journal_write(j, &group, false), ERR_LIMIT);
	journal_close(j);
}

static void is_none_where_it_is_cut_or_missing(void)
{
	uint8_t zero[HASH_LEN] = {0};
	struct got g = {0};
	journal_close(begin());
	CHECK_INT(truncate(path, 1000), 0);
	CHECK_INT(journal_read(dir, 0, zero, on_group, &g), 0);
	struct journal *j;
	CHECK_INT(journal_open(dir, &j), 0); /* made anew */
	journal_close(j);
	unlink(path);
	CHECK_INT(journal_read(dir, 0, zero, on_group, &g), 0);
	CHECK_INT(g.n_groups, 0);
	CHECK_INT(journal_open("/nonexistent", &j), -ENOENT);
}

int main(void)
{
	CHECK(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/journal", dir);
	CHECK_INT(chain_new(&chain), 0);
	batch_init(&group, 64 << 20);
	gives_back_what_was_written();
	leaves_out_what_was_torn();
	fills_its_halves_in_turn();
	is_none_where_it_is_cut_or_missing();
	batch_done(&group);
	chain_free(chain);
	unlink(path);
	rmdir(dir);
	return tap_done();
}
