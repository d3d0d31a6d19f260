/* Proofs out of a real store of several segments, each checked from its text with the public key
 * alone. */
#include "../../tap.h"
#include "record/tree_read.h"
#include "rig_talk.h"

#define EVENTS 3000

static struct rig rig;
static uint8_t key[KEY_LEN];
static struct chain *chain;
static struct tree_reader *reader;

static void make_store(void)
{
	char pub[PATH_MAX + 32], text[300];
	struct buf b;
	uint64_t ticket = 0;
	rig_init(&rig, NULL, 1 << 20);
	rig.cfg.checkpoint_events = 700;
	rig_kill(&rig);
	rig_start(&rig);
	buf_init(&b, 2 * RING_EVENT_MAX);
	CHECK(rig_says(&rig, 0));
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = 0;
	for (uint64_t i = 1; i <= EVENTS; i++) {
		rig_op(&b, &rig_who, i, text, EFFECT_ALLOW);
		CHECK_INT(rig_put(&rig, 1, &b, &ticket), 0);
		if (i % 100 == 0)
			CHECK(rig_wait(&rig, 1, ticket));
	}
	CHECK_INT(rig_stop(&rig), 0);
	buf_done(&b);
	snprintf(pub, sizeof(pub), "%s/keys/node.pub", rig.dir);
	CHECK_INT(key_read(pub, key), 0);
}

static int prove(uint64_t event, uint64_t old, const struct checkpoint *last,
		 const struct checkpoint *older)
{
	struct tree_nodes nodes = tree_reader_nodes(reader);
	struct proof_text t, back;
	struct buf text;
	proof_text_init(&t);
	proof_text_init(&back);
	buf_init(&text, PROOF_TEXT_MAX);
	t.checkpoint = *last;
	t.is_consistency = old != 0;
	t.index = old ? old : event - 1;
	int r = old ? proof_consistency(&nodes, chain, old, last->seq, &t.proof)
		    : proof_inclusion(&nodes, chain, t.index, last->seq, &t.proof);
	if (r == 0 && !old)
		r = tree_reader_event(reader, event, &t.event);
	proof_write(&text, &t);
	if (r == 0)
		r = proof_read(buf_span(&text), &back);
	if (r == 0)
		r = proof_check(&back, chain, key, older);
	proof_text_done(&t);
	proof_text_done(&back);
	buf_done(&text);
	return r;
}

static void proves_all(void)
{
	struct checkpoint last, c;
	int n_segments = 0, n_checkpoints = 0;
	CHECK_INT(tree_reader_checkpoint(reader, 0, &last), 0);
	CHECK_INT(last.seq, EVENTS); /* signed at the end */
	for (uint64_t i = 1; i <= EVENTS; i += i % 256 < 5 || i > EVENTS - 5 ? 1 : 13)
		CHECK_INT(prove(i, 0, &last, NULL), 0);
	for (uint64_t i = 1; i <= EVENTS; i++) {
		if (tree_reader_checkpoint(reader, i, &c) < 0)
			continue;
		n_checkpoints++;
		CHECK_INT(prove(0, i, &last, &c), 0);
		CHECK_INT(prove(i, 0, &c, NULL), 0);
		c.root[0] ^= 1;
		CHECK_INT(prove(0, i, &last, &c), ERR_VERIFY);
		CHECK_INT(prove(0, i - 1, &last, &c), ERR_STATE);
	}
	CHECK_INT(prove(EVENTS + 1, 0, &last, NULL), ERR_LIMIT);
	CHECK(n_checkpoints >= 3);
	uint32_t *list;
	size_t n;
	CHECK_INT(segment_list(rig.store, &list, &n), 0);
	n_segments = (int)n;
	CHECK(n_segments >= 3);
	free(list);
}

/* Each but the last is read-only, and ends with a checkpoint over its last event. */
static void segments_are_sealed_with_a_signature(void)
{
	char file[PATH_MAX + 80];
	struct stat st;
	for (uint32_t i = 1; i <= 2; i++) {
		struct segment *g;
		MDB_txn *txn;
		uint64_t last = 0, last_signed = 0;
		snprintf(file, sizeof(file), "%s/" SEGMENT_NAME "/data.mdb", rig.store, i);
		CHECK_INT(stat(file, &st), 0);
		CHECK_INT(st.st_mode & 0777, 0400);
		CHECK_INT(segment_open(rig.store, i, SEGMENT_READ, 0, &g), 0);
		CHECK_INT(mdb_txn_begin(g->env, NULL, MDB_RDONLY, &txn), 0);
		CHECK_INT(segment_last(g, txn, DB_EVENTS, &last, NULL), 0);
		CHECK_INT(segment_last(g, txn, DB_CHECKPOINTS, &last_signed, NULL), 0);
		CHECK(last > 0 && last == last_signed);
		mdb_txn_abort(txn);
		segment_unref(g);
	}
}

static void swap_segments(const char *a, const char *b)
{
	char command[4 * PATH_MAX];
	snprintf(command, sizeof(command), "cd '%s' && mv %s x && mv %s %s && mv x %s", rig.store,
		 a, b, a, b);
	CHECK_INT(system(command), 0);
}

/* Segments in each other's place, and one twice. */
static void finds_segments_out_of_place(void)
{
	int err;
	char command[4 * PATH_MAX];
	swap_segments("segment-000001", "segment-000002");
	struct verify_result v = rig_verify(rig.store, &err);
	CHECK(err == 0 && v.is_bad && v.bad_seq == 1 && strstr(v.why, "is in two segments"));
	swap_segments("segment-000001", "segment-000002");
	v = rig_verify(rig.store, &err);
	CHECK(err == 0 && !v.is_bad);
	snprintf(command, sizeof(command),
		 "cd '%s' && mv segment-000002 x && cp -r segment-000001 segment-000002",
		 rig.store);
	CHECK_INT(system(command), 0);
	v = rig_verify(rig.store, &err);
	CHECK(err == 0 && v.is_bad && v.bad_seq == 1 && strstr(v.why, "is in two segments"));
	snprintf(command, sizeof(command), "cd '%s' && rm -r segment-000002 && mv x y", rig.store);
	CHECK_INT(system(command), 0);
	v = rig_verify(rig.store, &err);
	CHECK(err == 0 && v.is_bad && strstr(v.why, "their segment is gone"));
}

int main(void)
{
	CHECK_INT(chain_new(&chain), 0);
	make_store();
	CHECK_INT(tree_reader_open(rig.store, NULL, &reader), 0);
	proves_all();
	tree_reader_close(reader);
	segments_are_sealed_with_a_signature();
	finds_segments_out_of_place();
	chain_free(chain);
	rig_done(&rig);
	return tap_done();
}
