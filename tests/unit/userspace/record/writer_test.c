/* What the writer makes of a batch: the same from one that has marks and from one that the journal gave. */
#include <limits.h>

#include "../../tap.h"
#include "record/block.h"
#include "record/verify/verify.h"
#include "record/writer.h"
#include "record_batch.h"
#include "rig_sign.h"

#define EVENTS 3000

static char dir[PATH_MAX];
static struct chain *chain;

static struct store *open_store(const char *name, char path[PATH_MAX + 16], uint64_t bytes)
{
	const struct store_options o = {.node = "node-07", .segment_bytes = bytes};
	struct store *s = NULL;
	char why[1000];
	snprintf(path, PATH_MAX + 16, "%.4000s/%s", dir, name);
	CHECK_INT(store_open(path, &o, &s, why, sizeof(why)), 0);
	return s;
}

static void fill(struct batch *b)
{
	static const char *const decisions[] = {"allow", "deny", "mask"};
	batch_init(b, 64 << 20);
	for (int i = 0; i < EVENTS; i++) {
		char session[16];
		snprintf(session, sizeof(session), "s-%d", i % 7);
		batch_op(b, chain, 1, session, decisions[i % 3], 300);
	}
	b->n_positions = 1;
	memset(b->positions[0].ring, 9, 16);
	b->positions[0].pos = 4711;
}

static bool same_value(struct store *a, struct store *b, enum segment_db db, struct span key)
{
	struct buf x, y;
	buf_init(&x, 1 << 20);
	buf_init(&y, 1 << 20);
	bool same = store_get(a, db, key, &x) == 0 && store_get(b, db, key, &y) == 0 && buf_len(&x) &&
		    span_eq(buf_span(&x), buf_span(&y));
	buf_done(&x);
	buf_done(&y);
	return same;
}

static void compare(struct store *a, struct store *b)
{
	CHECK_INT(store_begin(a), 0);
	CHECK_INT(store_begin(b), 0);
	for (uint64_t first = 1; first <= EVENTS; first += BLOCK_EVENTS) {
		uint8_t key[8];
		seq_encode(first, key);
		CHECK(same_value(a, b, DB_BLOCKS, span_of(key, 8)));
	}
	for (int i = 0; i < 7; i++) {
		char id[8];
		snprintf(id, sizeof(id), "s-%d", i);
		CHECK(same_value(a, b, DB_SESSIONS, span_str(id)));
	}
	uint8_t ring[16];
	memset(ring, 9, 16);
	CHECK(same_value(a, b, DB_RINGS, span_of(ring, 16)));
	store_abort(a);
	store_abort(b);
	CHECK(!memcmp(store_hash(a), store_hash(b), HASH_LEN));
	CHECK(tree_same(&store_position(a)->tree, &store_position(b)->tree));
}

/* By the thread, with the marks that the main thread would have taken. */
static void by_thread(struct store *s, struct batch *b)
{
	struct writer *w = NULL;
	struct checkpoint at;
	CHECK_INT(batch_marks(b, &b->marks), 0);
	CHECK_INT(buf_len(&b->marks), EVENTS * sizeof(struct marks));
	CHECK_INT(writer_start(s, 64 * 1024, &w), 0);
	CHECK(writer_take(w, b));
	CHECK_INT(b->first, 0); /* taken, not copied */
	CHECK(writer_wait(w, 20000));
	CHECK_INT(writer_err(w), 0);
	writer_position(w, &at);
	CHECK_INT(at.seq, EVENTS);
	CHECK(!memcmp(at.hash, store_hash(s), HASH_LEN));
	writer_stop(w);
}

static void makes_the_same(void)
{
	char one[PATH_MAX + 16], two[PATH_MAX + 16];
	struct store *a = open_store("one", one, 64 << 20), *b = open_store("two", two, 64 << 20);
	struct batch batch;
	struct buf sessions;
	fill(&batch);
	CHECK_INT(writer_write(a, 1 << 20, &batch), 0);
	by_thread(b, &batch);
	compare(a, b);
	buf_init(&sessions, 1 << 20);
	CHECK_INT(store_begin(a), 0);
	CHECK_INT(store_get(a, DB_SESSIONS, span_str("s-0"), &sessions), 0);
	store_abort(a);
	buf_add_u8(&sessions, 0);
	const char *text = (const char *)buf_span(&sessions).p;
	CHECK(strstr(text, "\"ops\":429,") && strstr(text, "\"denied\":143,") && strstr(text, "\"masked\":143,"));
	CHECK(strstr(text, "\"identity\":\"crew\""));
	buf_done(&sessions);
	store_close(a);
	store_close(b);
	batch_done(&batch);
}

/* More than a segment holds: it goes on in the next, and all of it is good. */
static void goes_over_segments(void)
{
	char path[PATH_MAX + 16];
	struct verify_options o = {0};
	struct verify_result v;
	struct store *s = open_store("small", path, 512 * 1024);
	struct batch batch;
	fill(&batch);
	CHECK_INT(writer_write(s, 32 * 1024, &batch), 0);
	CHECK(store_first(s) > 1);
	store_close(s);
	CHECK_INT(verify_store(path, NULL, &o, &v), 0);
	CHECK(!v.is_bad);
	CHECK_INT(v.last, EVENTS);
	batch_done(&batch);
}

static void refuses_what_is_no_event(void)
{
	char path[PATH_MAX + 16];
	struct store *s = open_store("bad", path, 1 << 20);
	struct batch batch;
	batch_init(&batch, 1 << 20);
	memset(batch_add(&batch, 1, 100), 'x', 100);
	CHECK_INT(writer_write(s, 1 << 20, &batch), ERR_MALFORMED);
	CHECK_INT(store_seq(s), 0);
	store_close(s);
	batch_done(&batch);
}

int main(void)
{
	snprintf(dir, sizeof(dir), "/tmp/sluice-writer-XXXXXX");
	CHECK(mkdtemp(dir) != NULL);
	CHECK_INT(chain_new(&chain), 0);
	makes_the_same();
	goes_over_segments();
	refuses_what_is_no_event();
	chain_free(chain);
	rig_remove(dir);
	return tap_done();
}
