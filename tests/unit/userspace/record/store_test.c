/* The store by itself: one writer, transactions whole or not at all, rotation, going on where it ended. */
#include <errno.h>
#include <limits.h>

#include "../../tap.h"
#include "record/store.h"
#include "record/verify/verify.h"
#include "record_batch.h"
#include "rig_sign.h"

static char dir[PATH_MAX], path[PATH_MAX + 16];
static struct chain *chain;

static struct store *open_store(int expected)
{
	const struct store_options o = {.node = "node-07", .segment_bytes = 1 << 20};
	struct store *s = NULL;
	char why[1000];
	CHECK_INT(store_open(path, &o, &s, why, sizeof(why)), expected);
	CHECK(expected == 0 || strstr(why, path));
	return s;
}

/* Appends the batch in one transaction that is left open. */
static int append(struct store *s, const struct batch *b)
{
	struct span stored;
	int r = store_begin(s);
	for (size_t at = 0; r == 0 && batch_next(b, &at, &stored);) {
		uint8_t prev[HASH_LEN];
		uint64_t seq;
		CHECK_INT(chain_prefix_read(stored, prev, &seq), 0);
		r = store_append(s, seq, prev, stored);
	}
	return r;
}

static void some(struct batch *b, const struct store *s, int n)
{
	batch_reset(b);
	memcpy(b->hash, store_hash(s), HASH_LEN);
	for (int i = 0; i < n; i++)
		batch_op(b, chain, store_seq(s) + 1, "s-1", "allow", 700);
}

static void is_whole_or_nothing(void)
{
	struct batch b;
	struct store *s = open_store(0);
	batch_init(&b, 16 << 20);
	CHECK_INT(store_seq(s), 0);
	some(&b, s, 10);
	CHECK_INT(append(s, &b), 0);
	store_abort(s);
	CHECK_INT(store_seq(s), 0);
	CHECK_INT(append(s, &b), 0);
	CHECK_INT(store_commit(s, b.hash), 0);
	CHECK_INT(store_seq(s), 10);
	CHECK(!memcmp(store_hash(s), b.hash, HASH_LEN));
	CHECK_INT(store_position(s)->tree.size, 10);
	CHECK_INT(append(s, &b), ERR_STATE); /* they are there already */
	store_abort(s);
	open_store(-EWOULDBLOCK); /* another recorder */
	CHECK(store_put(s, DB_RINGS, span_str("k"), span_str("v")) < 0); /* in no transaction */
	store_close(s);
	batch_done(&b);
}

static void goes_on_where_it_ended(void)
{
	struct batch b;
	struct buf value;
	struct store *s = open_store(0);
	batch_init(&b, 16 << 20);
	buf_init(&value, 100);
	CHECK_INT(store_seq(s), 10);
	CHECK_INT(store_first(s), 1);
	CHECK_INT(store_signed(s), 0);
	some(&b, s, 5);
	CHECK_INT(append(s, &b), 0);
	CHECK_INT(store_put(s, DB_RINGS, span_str("ring"), span_str("12345678")), 0);
	CHECK_INT(store_commit(s, b.hash), 0);
	CHECK_INT(store_rotate(s), 0);
	CHECK_INT(store_first(s), 16);
	CHECK_INT(store_seq(s), 15);
	CHECK_INT(store_rotate(s), -ENOSPC); /* it is empty still */
	CHECK_INT(store_begin(s), 0);
	CHECK_INT(store_get(s, DB_RINGS, span_str("ring"), &value), 0); /* carried over */
	CHECK(span_is(buf_span(&value), "12345678"));
	CHECK_INT(store_get(s, DB_RINGS, span_str("none"), &value), ERR_NOT_FOUND);
	store_abort(s);
	store_close(s);
	s = open_store(0);
	CHECK_INT(store_seq(s), 15);
	CHECK(!memcmp(store_hash(s), b.hash, HASH_LEN));
	store_close(s);
	batch_done(&b);
	buf_done(&value);
}

static void fills_segments(void)
{
	struct verify_options o = {0};
	struct verify_result v;
	struct batch b;
	struct store *s = open_store(0);
	int n_rotated = 0, n_full = 0;
	batch_init(&b, 16 << 20);
	while (n_rotated < 3 && n_full < 100) {
		some(&b, s, 100);
		int r = append(s, &b);
		if (r == 0)
			r = store_commit(s, b.hash);
		store_abort(s);
		CHECK(r == 0 || r == ERR_FULL);
		n_full += r == ERR_FULL;
		if (r != ERR_FULL && !store_is_full(s))
			continue;
		CHECK_INT(store_rotate(s), 0);
		n_rotated++;
	}
	uint64_t last = store_seq(s);
	CHECK(last > 1000);
	store_close(s);
	CHECK_INT(verify_store(path, NULL, &o, &v), 0);
	CHECK(!v.is_bad);
	CHECK_INT(v.last, last);
	batch_done(&b);
}

int main(void)
{
	snprintf(dir, sizeof(dir), "/tmp/sluice-store-XXXXXX");
	CHECK(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/store", dir);
	CHECK_INT(chain_new(&chain), 0);
	is_whole_or_nothing();
	goes_on_where_it_ended();
	fills_segments();
	chain_free(chain);
	rig_remove(dir);
	return tap_done();
}
