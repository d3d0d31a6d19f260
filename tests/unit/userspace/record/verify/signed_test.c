/* What the verifier says of each signature, of checkpoints from elsewhere and of what was removed: a real segment
 * with real signatures, and one thing at a time that is not as it should be. */
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "../../../tap.h"
#include "../record_batch.h"
#include "../rig_sign.h"
#include "base/macro.h"
#include "record/store.h"
#include "record/verify/internal.h"

#define EVENTS 30 /* signed at 10, 20 and 30 */

static char dir[] = "/tmp/sluice-rec-XXXXXX";
static struct store *store;
static struct chain *chain;
static struct signer node, stranger;
static uint8_t node_key[KEY_LEN], stranger_key[KEY_LEN];
static char node_print[HASH_HEX + 1];
static struct position places[EVENTS + 1]; /* behind each event */
static struct checkpoint signed_at[EVENTS + 1];

static void start_signer(struct signer *s, const char *name, uint8_t key[KEY_LEN])
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	CHECK_INT(mkdir(path, 0700), 0);
	CHECK_INT(signer_init(s, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)), 0);
	CHECK_INT(signer_public(s, key), 0);
}

static struct checkpoint checkpoint(uint64_t seq)
{
	struct checkpoint c = {.seq = seq, .time = 1000, .node = "node-07"};
	memcpy(c.hash, places[seq].hash, HASH_LEN);
	CHECK_INT(tree_root(&places[seq].tree, chain, c.root), 0);
	return c;
}

/* Signs, also what would be refused because it was signed before. */
static void sign(struct signer *s, struct checkpoint *c)
{
	s->last_seq = 0;
	CHECK_INT(signer_sign(s, c), 0);
}

static void append_one(struct batch *b)
{
	struct span stored;
	uint8_t prev[HASH_LEN];
	uint64_t seq;
	size_t at = 0;
	memcpy(b->hash, store_hash(store), HASH_LEN);
	batch_op(b, chain, store_seq(store) + 1, "s-1", "allow", 20);
	CHECK(batch_next(b, &at, &stored));
	CHECK_INT(chain_prefix_read(stored, prev, &seq), 0);
	CHECK_INT(store_begin(store), 0);
	CHECK_INT(store_append(store, seq, prev, stored), 0);
	CHECK_INT(store_commit(store, b->hash), 0);
	batch_reset(b);
	places[seq] = *store_position(store);
}

static void make_store(void)
{
	const struct store_options o = {.node = "node-07", .segment_bytes = 1 << 20};
	char why[1000], path[PATH_MAX];
	struct batch b;
	CHECK(mkdtemp(dir) != NULL);
	start_signer(&node, "node", node_key);
	start_signer(&stranger, "stranger", stranger_key);
	key_fingerprint(node_key, node_print);
	CHECK_INT(chain_new(&chain), 0);
	snprintf(path, sizeof(path), "%s/store", dir);
	CHECK_INT(store_open(path, &o, &store, why, sizeof(why)), 0);
	batch_init(&b, 1 << 20);
	for (uint64_t i = 1; i <= EVENTS; i++) {
		append_one(&b);
		if (i % 10)
			continue;
		signed_at[i] = checkpoint(i);
		sign(&node, &signed_at[i]);
		CHECK_INT(store_sign(store, &signed_at[i], node_key), 0);
	}
	batch_done(&b);
}

/* --- a walk that stands behind an event --- */

static struct verify_options options;
static struct verify_result result;
static struct walk w;

static void stand(struct segment *g, uint64_t seq)
{
	options = (struct verify_options){0};
	result = (struct verify_result){.node = "node-07", .first = 1, .last = seq, .has_key = true};
	memcpy(result.key, node_key, KEY_LEN);
	w = (struct walk){.o = &options, .v = &result, .chain = chain, .cur = {.g = g}, .at = places[seq],
			  .is_begun = true, .has_tree = true};
	CHECK_INT(mdb_txn_begin(g->env, NULL, MDB_RDONLY, &w.cur.txn), 0);
	CHECK_INT(mdb_cursor_open(w.cur.txn, g->dbs[DB_CHECKPOINTS], &w.checkpoints), 0);
	CHECK_INT(verify_next_signature(&w, MDB_FIRST), 0);
}

static void leave(void)
{
	mdb_cursor_close(w.checkpoints);
	mdb_txn_abort(w.cur.txn);
}

static bool says(uint64_t bad_seq, const char *why)
{
	bool is_right = result.is_bad == (bad_seq != 0) && result.bad_seq == bad_seq && strstr(result.why, why);
	if (!is_right)
		printf("  %d %d event %llu: %s\n", result.is_bad, result.is_unknown,
		       (unsigned long long)result.bad_seq, result.why);
	return is_right && (result.is_bad || result.is_unknown == (why[0] != 0));
}

/* --- the store's own --- */

static void follows_those_that_are_right(struct segment *g)
{
	stand(g, 10);
	CHECK_INT(w.next_signed.seq, 10);
	w.at = places[9];
	CHECK_INT(verify_signatures(&w, 9), 0); /* none is here */
	CHECK(says(0, "") && result.signed_to == 0);
	for (uint64_t seq = 10; seq <= EVENTS; seq += 10) {
		w.at = places[seq];
		CHECK_INT(verify_signatures(&w, seq), 0);
		CHECK(says(0, "") && result.signed_to == seq);
	}
	CHECK_INT(w.next_signed.seq, 0);
	leave();
	stand(g, 12); /* it says that there was an event 10, and none was seen */
	CHECK_INT(verify_signatures(&w, 12), 0);
	CHECK(says(10, "a checkpoint says that it was here"));
	leave();
	stand(g, 20); /* a part that begins behind it */
	options.from = 15;
	CHECK_INT(verify_signatures(&w, 20), 0);
	CHECK(says(0, "") && result.signed_to == 20);
	leave();
}

static void name_other(void)
{
	strcpy(w.next_signed.node, "node-08");
	sign(&node, &w.next_signed);
}
static void other_key(void)
{
	sign(&stranger, &w.next_signed);
}
static void other_key_under_our_name(void)
{
	sign(&stranger, &w.next_signed);
	memcpy(w.next_signed.key_id, signed_at[10].key_id, 4);
}
static void no_key(void)
{
	result.has_key = false;
}
static void touched(void)
{
	w.next_signed.sig[40] ^= 1;
}
static void other_time(void)
{
	w.next_signed.time++;
}
static void other_hash(void)
{
	w.next_signed.hash[0] ^= 1;
	sign(&node, &w.next_signed);
}
static void other_root(void)
{
	w.next_signed.root[31] ^= 1;
	sign(&node, &w.next_signed);
}
static void other_root_and_no_tree(void)
{
	other_root();
	w.has_tree = false;
}
static void other_hash_behind_what_is_left_out(void)
{
	other_hash();
	w.is_begun = false;
}
static void others_behind_what_is_left_out(void)
{
	other_root();
	w.is_begun = false;
}
static void only_one_is_not_signed(void)
{
	other_hash();
	result.signed_to = 9;
}

static void names_what_is_wrong(struct segment *g)
{
	static const struct {
		void (*change)(void);
		uint64_t bad;
		const char *why;
	} rows[] = {
	    {name_other, 1, "the checkpoint at event 10 is another node's"},
	    {other_key, 1, "the checkpoint at event 10 is signed with another key"},
	    {other_key_under_our_name, 1, "false signature"},
	    {no_key, 1, "is signed with another key"},
	    {touched, 1, "false signature"},
	    {other_time, 1, "false signature"},
	    {other_hash, 1, "was changed, or one up to event 10: they do not lead to the hash that was signed there"},
	    {other_root, 1, "was signed there"},
	    {other_root_and_no_tree, 0, ""}, /* it cannot be compared */
	    {other_hash_behind_what_is_left_out, 0, ""},
	    {others_behind_what_is_left_out, 1, "was signed there"},
	    {only_one_is_not_signed, 10, "was changed: it does not have the hash that was signed"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		stand(g, 10);
		rows[i].change();
		uint64_t before = result.signed_to;
		CHECK_INT(verify_signatures(&w, 10), 0);
		CHECK(says(rows[i].bad, rows[i].why));
		CHECK_INT(result.signed_to, rows[i].bad ? before : 10);
		leave();
	}
}

/* --- those from elsewhere --- */

static void compares_those_from_elsewhere(struct segment *g)
{
	struct checkpoint given[2] = {signed_at[20], checkpoint(17)};
	for (int changed = 0; changed < 2; changed++) {
		stand(g, 17);
		w.next_signed.seq = 0;
		options.checkpoints = given;
		options.n_checkpoints = 2;
		result.signed_to = 10;
		given[1].root[0] ^= (uint8_t)changed;
		CHECK_INT(verify_signatures(&w, 17), 0);
		CHECK(changed ? says(11, "the hash that the checkpoint from elsewhere has there") : says(0, ""));
		leave();
	}
}

static void end_with(struct segment *g, struct checkpoint c, bool is_export, uint64_t bad, const char *why)
{
	stand(g, 25);
	options.checkpoints = &c;
	options.n_checkpoints = 1;
	result.signed_to = 20;
	w.is_export = is_export;
	CHECK_INT(verify_end(&w), 0);
	CHECK(says(bad, why));
	CHECK(result.has_root);
	leave();
}

static void tells_what_was_not_compared(struct segment *g)
{
	struct checkpoint other = signed_at[20], false_one = signed_at[20];
	strcpy(other.node, "node-08");
	false_one.sig[0] ^= 1;
	end_with(g, signed_at[20], false, 0, "");
	end_with(g, other, false, 0, "is of the node node-08");
	end_with(g, false_one, false, 0, "is not signed with this record's key");
	end_with(g, signed_at[30], true, 0, "sluice prove --consistency 20 30");
	end_with(g, signed_at[30], false, 26, "events 26 to 30 are missing: the checkpoint from elsewhere");
	stand(g, 25);
	options.checkpoints = &signed_at[20];
	options.n_checkpoints = 1;
	verify_hidden(&w, 21, 24);
	verify_hidden(&w, 15, 20); /* at its last event it is compared */
	CHECK(says(0, ""));
	verify_hidden(&w, 20, 24);
	CHECK(says(0, "event 20 lies in what the export leaves out as one, from event 20 on"));
	verify_unknown(&w, "another reason");
	CHECK(says(0, "event 20 lies")); /* the first one stays */
	leave();
}

static void wants_a_signature(struct segment *g)
{
	for (int is_export = 0; is_export < 2; is_export++) {
		stand(g, 5);
		w.is_export = is_export;
		options.fingerprint = is_export ? NULL : node_print;
		CHECK_INT(verify_end(&w), 0);
		CHECK(says(0, "nothing in it is signed"));
		leave();
	}
	stand(g, 5); /* neither asked for */
	CHECK_INT(verify_end(&w), 0);
	CHECK(says(0, ""));
	leave();
}

/* --- what was removed --- */

/* The walk begins behind event 10; type, last, and how far chain and root are from what they should be. */
static int tombstone(const char *type, uint64_t last, int chain_off, int root_off)
{
	char text[400], hash[HASH_HEX + 1], root[HASH_HEX + 1];
	uint8_t h[HASH_LEN], t[HASH_LEN];
	struct scan s;
	memcpy(h, w.gone.hash, HASH_LEN);
	memcpy(t, w.gone_root, HASH_LEN);
	h[5] ^= (uint8_t)chain_off;
	t[5] ^= (uint8_t)root_off;
	hex_encode(h, HASH_LEN, hash);
	hex_encode(t, HASH_LEN, root);
	snprintf(text, sizeof(text), "{\"chain\":\"%s\",\"last\":%llu,\"root\":\"%s%s\",\"type\":\"%s\"}", hash,
		 (unsigned long long)last, root, root_off < 0 ? "0" : "", type);
	CHECK_INT(scan_event(span_str(text), true, &s), 0);
	return verify_tombstone(&w, 25, &s);
}

static void wants_a_tombstone(struct segment *g)
{
	static const struct {
		const char *type;
		uint64_t last;
		int chain_off, root_off;
		uint64_t signed_to, bad;
		const char *why;
	} rows[] = {
	    {"record.tombstone", 10, 0, 0, 25, 0, ""},
	    {"record.tombstone", 10, 0, 0, 24, 1, "events 1 to 10 are missing: no signed tombstone says so"},
	    {"record.tombstone", 9, 0, 0, 25, 1, "no signed tombstone"},
	    {"op", 10, 0, 0, 25, 1, "no signed tombstone"},
	    {"record.tombstone", 10, 1, 0, 25, 11, "does not go on from what was removed by the tombstone, event 25"},
	    {"record.tombstone", 10, 0, 1, 25, 11, "does not go on from"},
	    {"record.tombstone", 10, 0, -1, 25, 11, "does not go on from"}, /* no hash at all */
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		stand(g, 10);
		CHECK_INT(verify_removed(&w), 0);
		CHECK_INT(w.gone.seq, 10);
		CHECK(!memcmp(w.gone_root, signed_at[10].root, HASH_LEN));
		result.first = 11;
		result.last = 25;
		w.at = places[25];
		CHECK_INT(tombstone(rows[i].type, rows[i].last, rows[i].chain_off, rows[i].root_off), 0);
		result.signed_to = rows[i].signed_to;
		if (!result.is_bad)
			CHECK_INT(verify_end(&w), 0);
		CHECK(says(rows[i].bad, rows[i].why));
		leave();
	}
}

static void compares_at_its_border(struct segment *g)
{
	struct checkpoint given[] = {signed_at[10], checkpoint(5)};
	stand(g, 10);
	options.checkpoints = given;
	options.n_checkpoints = 2;
	CHECK_INT(verify_removed(&w), 0);
	CHECK(says(0, ""));
	sign(&node, &given[1]);
	w.tombstone = 25;
	result.signed_to = result.last = 25;
	w.at = places[25];
	CHECK_INT(verify_end(&w), 0);
	CHECK(says(0, "event 5 is older than what is kept, from event 11"));
	leave();
	stand(g, 10);
	given[0].root[0] ^= 1;
	options.checkpoints = given;
	options.n_checkpoints = 1;
	CHECK_INT(verify_removed(&w), 0);
	CHECK(says(1, "the checkpoint from elsewhere has"));
	leave();
}

/* --- the key --- */

static int key_of(struct segment *g, const uint8_t *wanted, const char *print)
{
	MDB_txn *txn;
	options = (struct verify_options){.fingerprint = print};
	result = (struct verify_result){.signed_to = 4};
	if (wanted) {
		memcpy(result.key, wanted, KEY_LEN);
		result.has_key = true;
	}
	w = (struct walk){.o = &options, .v = &result, .cur = {.g = g}};
	CHECK_INT(mdb_txn_begin(g->env, NULL, MDB_RDONLY, &txn), 0);
	int r = verify_key(&w, txn);
	mdb_txn_abort(txn);
	return r;
}

static void set_key(struct span key)
{
	CHECK_INT(store_begin(store), 0);
	CHECK_INT(store_put(store, DB_META, span_str("key"), key), 0);
	CHECK_INT(store_commit(store, NULL), 0);
}

static void compares_the_key(struct segment *g)
{
	char print[HASH_HEX + 1];
	key_fingerprint(stranger_key, print);
	CHECK_INT(key_of(g, NULL, NULL), 0); /* its own word */
	CHECK(says(0, "") && result.has_key && !memcmp(result.key, node_key, KEY_LEN));
	CHECK_INT(key_of(g, node_key, node_print), 0);
	CHECK(says(0, ""));
	CHECK_INT(key_of(g, stranger_key, NULL), 0);
	CHECK(says(5, "is signed with another key"));
	CHECK_INT(key_of(g, NULL, print), 0);
	CHECK(says(5, "is signed with another key") && !result.has_key);
	set_key(span_of(node_key, KEY_LEN - 1));
	CHECK_INT(key_of(g, NULL, NULL), 0);
	CHECK(says(5, "whose key is malformed"));
	set_key(span_of(node_key, 0));
	CHECK_INT(key_of(g, NULL, node_print), 0); /* that nothing is signed is said at the end */
	CHECK(says(0, "") && !result.has_key);
}

static void refuses_what_is_no_checkpoint(struct segment *g)
{
	uint8_t at[8];
	struct buf b;
	buf_init(&b, NOTE_MAX);
	checkpoint_write(&b, &signed_at[20]);
	seq_encode(10, at);
	struct span notes[] = {buf_span(&b), span_str("sluice/node-07\n10\n")}; /* in a place of another; cut */
	for (size_t i = 0; i < ARRAY_LEN(notes); i++) {
		CHECK_INT(store_begin(store), 0);
		CHECK_INT(store_put(store, DB_CHECKPOINTS, span_of(at, 8), notes[i]), 0);
		CHECK_INT(store_commit(store, NULL), 0);
		stand(g, 10);
		CHECK(says(1, "a checkpoint behind event 0 is malformed"));
		leave();
	}
	buf_done(&b);
}

int main(void)
{
	make_store();
	struct segment *g = store_live(store);
	follows_those_that_are_right(g);
	names_what_is_wrong(g);
	compares_those_from_elsewhere(g);
	tells_what_was_not_compared(g);
	wants_a_signature(g);
	wants_a_tombstone(g);
	compares_at_its_border(g);
	compares_the_key(g);
	refuses_what_is_no_checkpoint(g);
	segment_unref(g);
	store_close(store);
	chain_free(chain);
	close(node.dir_fd);
	close(stranger.dir_fd);
	signer_done(&node);
	signer_done(&stranger);
	rig_remove(dir);
	return tap_done();
}
