/* Every way of tampering with a copy of a store, and what verify says of it. */
#include <lmdb.h>

#include "../../../tap.h"
#include "record/segment.h"
#include "record/summary.h"
#include "../rig_talk.h"

#define EVENTS 60

static struct rig rig;
static char copy[PATH_MAX + 16];

/* A store of EVENTS events with checkpoints at 20, 40 and 60. */
static void make_store(void)
{
	struct buf b;
	uint64_t ticket = 0;
	rig_init(&rig, NULL, 0);
	rig.cfg.checkpoint_events = 20;
	rig.cfg.checkpoint_seconds = 3600;
	rig_kill(&rig);
	rig_start(&rig);
	buf_init(&b, 2 * RING_EVENT_MAX);
	CHECK(rig_says(&rig, 0));
	for (uint64_t i = 1; i <= EVENTS; i++) {
		char text[64];
		snprintf(text, sizeof(text), "SELECT %d", (int)i);
		rig_op(&b, &rig_who, i, text, EFFECT_ALLOW);
		CHECK_INT(rig_put(&rig, 1, &b, &ticket), 0);
		if (i % 20)
			continue;
		CHECK(rig_wait(&rig, 1, ticket));
		usleep(300 * 1000); /* the signature comes beside */
	}
	CHECK_INT(rig_stop(&rig), 0);
	buf_done(&b);
}

static void make_copy(void)
{
	char command[4 * PATH_MAX];
	snprintf(copy, sizeof(copy), "%s/copy", rig.dir);
	snprintf(command, sizeof(command), "rm -rf '%s' && cp -r '%s' '%s'", copy, rig.store, copy);
	CHECK_INT(system(command), 0);
}

/* --- the tampering, in one write transaction of the copy
 * -------------------------------------------- */

static struct segment *seg;
static MDB_txn *txn;

static void begin(uint32_t number)
{
	CHECK_INT(segment_open(copy, number, SEGMENT_WRITE, 64 << 20, &seg), 0);
	CHECK_INT(mdb_txn_begin(seg->env, NULL, 0, &txn), 0);
}

static void commit(void)
{
	CHECK_INT(mdb_txn_commit(txn), 0);
	segment_unref(seg);
}

static struct span get(enum segment_db db, uint64_t seq)
{
	static char room[4][8192];
	static int next;
	uint8_t key[8];
	MDB_val k = {8, key}, v;
	seq_encode(seq, key);
	CHECK_INT(mdb_get(txn, seg->dbs[db], &k, &v), 0);
	char *to = room[next++ % 4];
	memcpy(to, v.mv_data, v.mv_size);
	to[v.mv_size] = 0;
	return span_of(to, v.mv_size);
}

static void put(enum segment_db db, uint64_t seq, struct span s)
{
	uint8_t key[8];
	MDB_val k = {8, key}, v = {s.len, (void *)s.p};
	seq_encode(seq, key);
	CHECK_INT(mdb_put(txn, seg->dbs[db], &k, &v, 0), 0);
}

static void del(enum segment_db db, uint64_t seq)
{
	uint8_t key[8];
	MDB_val k = {8, key};
	seq_encode(seq, key);
	CHECK_INT(mdb_del(txn, seg->dbs[db], &k, NULL), 0);
}

static void replace(struct span s, const char *from, const char *to)
{
	char *at = strstr((char *)s.p, from);
	CHECK(at && strlen(from) == strlen(to));
	if (at)
		memcpy(at, to, strlen(to));
}

/* Chains everything from seq on anew, as somebody would who has the store but not the key. */
static void rechain(uint64_t seq, uint64_t last)
{
	struct chain *c;
	uint8_t hash[HASH_LEN], prev[HASH_LEN];
	uint64_t inner;
	CHECK_INT(chain_new(&c), 0);
	struct span s = get(DB_EVENTS, seq);
	CHECK_INT(chain_prefix_read(s, prev, &inner), 0);
	CHECK_INT(chain_hash(c, prev, s, hash), 0);
	for (uint64_t i = seq + 1; i <= last; i++) {
		s = get(DB_EVENTS, i);
		chain_prefix(hash, i, (uint8_t *)s.p);
		put(DB_EVENTS, i, s);
		CHECK_INT(chain_hash(c, hash, s, hash), 0);
	}
	chain_free(c);
}

static void set_head(uint64_t seq)
{
	uint8_t head[8];
	MDB_val k = {4, "head"}, v = {8, head};
	seq_encode(seq, head);
	CHECK_INT(mdb_put(txn, seg->dbs[DB_META], &k, &v, 0), 0);
}

static void nothing(void)
{
}

static void edit(void)
{
	struct span s = get(DB_EVENTS, 33);
	replace(s, "SELECT 33", "SELECT 99");
	put(DB_EVENTS, 33, s);
}

static void edit_first(void)
{
	struct span s = get(DB_EVENTS, 1);
	replace(s, "SELECT 1", "SELECT 9");
	put(DB_EVENTS, 1, s);
}

static void edit_last(void)
{
	struct span s = get(DB_EVENTS, 60);
	replace(s, "SELECT 60", "SELECT 99");
	put(DB_EVENTS, 60, s);
}

static void edit_link(void)
{
	struct span s = get(DB_EVENTS, 33);
	((char *)s.p)[12] = ((char *)s.p)[12] == 'a' ? 'b' : 'a';
	put(DB_EVENTS, 33, s);
}

static void delete_one(void)
{
	del(DB_EVENTS, 33);
}

static void delete_first(void)
{
	del(DB_EVENTS, 1);
}

static void swap_two(void)
{
	struct span a = get(DB_EVENTS, 33), b = get(DB_EVENTS, 34);
	put(DB_EVENTS, 33, b);
	put(DB_EVENTS, 34, a);
}

/* Everything from 33 on moves up by one, the new one is the old 33 again, with its number. */
static void insert_one(void)
{
	for (uint64_t i = EVENTS; i >= 33; i--)
		put(DB_EVENTS, i + 1, get(DB_EVENTS, i));
	set_head(EVENTS + 1);
}

static void insert_rechained(void)
{
	insert_one();
	rechain(33, EVENTS + 1);
}

static void truncate_one(void)
{
	del(DB_EVENTS, 60);
}

static void truncate_well(void)
{
	del(DB_EVENTS, 60);
	del(DB_EVENTS, 59);
	set_head(58);
}

static void truncate_checkpoints_too(void)
{
	for (uint64_t i = 59; i <= 60; i++)
		del(DB_EVENTS, i);
	del(DB_CHECKPOINTS, 60);
}

static void edit_rechained(void)
{
	edit();
	rechain(33, EVENTS);
}

/* One who signs anew what stands there. */
static void resign(uint64_t seq, bool keeps_id)
{
	struct checkpoint c;
	struct buf b;
	uint8_t id[4];
	char dir[] = "/tmp/sluice-key-XXXXXX";
	struct signer s;
	CHECK(mkdtemp(dir) != NULL);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(signer_init(&s, fd), 0);
	CHECK_INT(checkpoint_read(get(DB_CHECKPOINTS, seq), &c), 0);
	memcpy(id, c.key_id, 4);
	CHECK_INT(signer_sign(&s, &c), 0);
	if (keeps_id)
		memcpy(c.key_id, id, 4);
	buf_init(&b, 8192);
	checkpoint_write(&b, &c);
	put(DB_CHECKPOINTS, seq, buf_span(&b));
	buf_done(&b);
	signer_done(&s);
	close(fd);
	rig_remove(dir);
}

static void resign_other_key(void)
{
	resign(60, false);
}

static void resign_false(void)
{
	resign(60, true);
}

static void replay_checkpoint(void)
{
	put(DB_CHECKPOINTS, 60, get(DB_CHECKPOINTS, 40));
}

static void break_checkpoint(void)
{
	put(DB_CHECKPOINTS, 40, span_str("sluice/node-07\n40\n"));
}

static void not_json(void)
{
	struct span s = get(DB_EVENTS, 33);
	((char *)s.p)[s.len - 1] = ']';
	put(DB_EVENTS, 33, s);
	rechain(33, EVENTS);
}

static const struct {
	const char *name;
	void (*tamper)(void);
	uint64_t bad; /* the first bad event; 0: good */
	const char *why;
} rows[] = {
    {"nothing", nothing, 0, ""},
    {"edit", edit, 33, "was changed"},
    {"edit the first", edit_first, 1, "was changed"},
    {"edit the last, which is signed", edit_last, 41, "lead to the hash that was signed"},
    {"edit a link", edit_link, 33, "was changed"},
    {"delete", delete_one, 33, "is missing"},
    {"delete the first", delete_first, 1, "is missing"},
    {"reorder", swap_two, 33, "says that it is event 34"},
    {"insert", insert_one, 34, "says that it is event 33"},
    {"insert and chain anew", insert_rechained, 21, "signed"},
    {"truncate", truncate_one, 60, "is missing"},
    {"truncate with the head", truncate_well, 59, "events 59 to 60 are missing"},
    {"truncate with the checkpoint", truncate_checkpoints_too, 59, "stored once"},
    {"edit and chain anew", edit_rechained, 21, "signed"},
    {"sign with another key", resign_other_key, 41, "another key"},
    {"a false signature", resign_false, 41, "false signature"},
    {"an old checkpoint in a new place", replay_checkpoint, 41, "malformed"},
    {"a checkpoint that is none", break_checkpoint, 21, "malformed"},
    {"no JSON", not_json, 33, "not canonical"},
};

static void names_the_first_bad_event(void)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int err;
		make_copy();
		begin(1);
		rows[i].tamper();
		commit();
		struct verify_result v = rig_verify(copy, &err);
		bool ok = err == 0 && v.is_bad == (rows[i].bad != 0) && v.bad_seq == rows[i].bad &&
			  strstr(v.why, rows[i].why);
		if (!ok)
			printf("%s: err %d bad %d event %" PRIu64 ": %s\n", rows[i].name, err,
			       v.is_bad, v.bad_seq, v.why);
		CHECK(ok);
	}
}

/* The node's key from elsewhere tells a store that was signed anew from end to end. */
static void wants_the_nodes_key(void)
{
	uint8_t key[KEY_LEN] = {1, 2, 3};
	struct verify_options o = {.key = key};
	struct verify_result v;
	CHECK_INT(verify_store(rig.store, NULL, &o, &v), 0);
	CHECK(v.is_bad && strstr(v.why, "another key"));
	char path[PATH_MAX + 32];
	snprintf(path, sizeof(path), "%s/keys/node.pub", rig.dir);
	CHECK_INT(key_read(path, key), 0);
	CHECK_INT(verify_store(rig.store, NULL, &o, &v), 0);
	CHECK(!v.is_bad);
	CHECK_INT(v.signed_to, 60);
}

static void set_key(const uint8_t key[KEY_LEN])
{
	MDB_val k = {3, "key"}, v = {KEY_LEN, (void *)key};
	CHECK_INT(mdb_put(txn, seg->dbs[DB_META], &k, &v, 0), 0);
}

/* One who has the whole store and changes an event, chains, grows the tree and signs everything
 * anew, with a key of their own: the store alone is good, and neither the fingerprint nor what was
 * said elsewhere fits. */
static void resign_wholly(void)
{
	char dir[] = "/tmp/sluice-key-XXXXXX";
	uint8_t hash[HASH_LEN], edge[TREE_EDGE_MAX], key[KEY_LEN];
	struct tree tree = {0};
	struct chain *c;
	struct signer s;
	CHECK(mkdtemp(dir) != NULL);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(signer_init(&s, fd), 0);
	CHECK_INT(chain_new(&c), 0);
	begin(1);
	edit_rechained();
	for (uint64_t i = 1; i <= EVENTS; i++) {
		struct span e = get(DB_EVENTS, i);
		uint64_t inner;
		CHECK_INT(chain_prefix_read(e, hash, &inner), 0);
		CHECK_INT(chain_hash(c, hash, e, hash), 0);
		CHECK_INT(tree_add(&tree, c, hash, NULL), 0);
		if (i % 20)
			continue;
		struct checkpoint cp;
		struct buf b;
		CHECK_INT(checkpoint_read(get(DB_CHECKPOINTS, i), &cp), 0);
		memcpy(cp.hash, hash, HASH_LEN);
		CHECK_INT(tree_root(&tree, c, cp.root), 0);
		CHECK_INT(signer_sign(&s, &cp), 0);
		buf_init(&b, NOTE_MAX);
		checkpoint_write(&b, &cp);
		put(DB_CHECKPOINTS, i, buf_span(&b));
		buf_done(&b);
	}
	MDB_val k = {9, "head_edge"}, v = {tree_edge(&tree, edge), edge};
	CHECK_INT(mdb_put(txn, seg->dbs[DB_META], &k, &v, 0), 0);
	CHECK_INT(signer_public(&s, key), 0);
	set_key(key);
	commit();
	signer_done(&s);
	chain_free(c);
	close(fd);
	rig_remove(dir);
}

static void finds_a_store_signed_anew(void)
{
	char path[PATH_MAX + 32], print[HASH_HEX + 1];
	uint8_t key[KEY_LEN];
	struct checkpoint said = rig.last_signed; /* as a sink has it */
	struct verify_options alone = {0}, printed = {.fingerprint = print},
			      given = {.checkpoints = &said, .n_checkpoints = 1};
	struct verify_result v;
	snprintf(path, sizeof(path), "%s/keys/node.pub", rig.dir);
	CHECK_INT(key_read(path, key), 0);
	key_fingerprint(key, print);
	CHECK_INT(verify_store(rig.store, NULL, &printed, &v), 0);
	CHECK(!v.is_bad && !v.is_unknown);
	CHECK_INT(verify_store(rig.store, NULL, &given, &v), 0);
	CHECK(!v.is_bad && !v.is_unknown);
	make_copy();
	resign_wholly();
	CHECK_INT(verify_store(copy, NULL, &alone, &v), 0);
	CHECK(!v.is_bad);
	CHECK_INT(verify_store(copy, NULL, &printed, &v), 0);
	CHECK(v.is_bad && strstr(v.why, "another key"));
	CHECK_INT(verify_store(copy, NULL, &given, &v), 0);
	CHECK(v.is_bad && v.bad_seq == 41 && strstr(v.why, "from elsewhere"));
}

static void tells_what_it_cannot_read(void)
{
	char file[PATH_MAX + 80];
	int err;
	rig_verify("/nonexistent", &err);
	CHECK_INT(err, -ENOENT);
	rig_verify(rig.dir, &err); /* a folder without segments */
	CHECK_INT(err, ERR_NOT_FOUND);

	make_copy();
	snprintf(file, sizeof(file), "%s/segment-000001/data.mdb", copy);
	CHECK_INT(truncate(file, 16384), 0);
	rig_verify(copy, &err);
	CHECK_INT(err, ERR_VERIFY);
	CHECK_INT(truncate(file, 100), 0);
	rig_verify(copy, &err);
	CHECK(err < 0);

	make_copy();
	begin(1);
	MDB_val k = {6, "schema"}, v = {1, "9"};
	CHECK_INT(mdb_put(txn, seg->dbs[DB_META], &k, &v, 0), 0);
	commit();
	rig_verify(copy, &err);
	CHECK_INT(err, ERR_UNSUPPORTED);
}

static void says_it_in_a_line(void)
{
	struct verify_result v = {
	    .node = "node-07", .first = 1, .last = 1204331, .signed_to = 1204317};
	struct buf b;
	buf_init(&b, 8192);
	verify_json(&b, &v, 0);
	buf_add_u8(&b, 0);
	CHECK(
	    strstr((char *)buf_span(&b).p,
		   "\"line\":\"OK node-07 events 1..1204331 signed-to 1204317 unsigned-tail 14\""));
	CHECK(strstr((char *)buf_span(&b).p, "\"exit\":0,"));
	buf_reset(&b);
	v.is_bad = true;
	v.bad_seq = 7;
	snprintf(v.why, sizeof(v.why), "is missing");
	verify_json(&b, &v, 0);
	buf_add_u8(&b, 0);
	CHECK(strstr((char *)buf_span(&b).p, "\"line\":\"BAD node-07 event 7: is missing\""));
	CHECK(strstr((char *)buf_span(&b).p, "\"exit\":1,"));
	buf_reset(&b);
	v.is_bad = false;
	verify_json(&b, &v, -EACCES);
	buf_add_u8(&b, 0);
	CHECK(strstr((char *)buf_span(&b).p, "\"exit\":2,"));
	buf_done(&b);
}

/* A recorder adds nothing to a store that is not what it was. */
static void recorder_refuses_a_changed_store(void)
{
	int err;
	char command[4 * PATH_MAX];
	make_copy();
	begin(1);
	edit_last();
	commit();
	snprintf(command, sizeof(command), "rm -rf '%s' && mv '%s' '%s'", rig.store, copy,
		 rig.store);
	CHECK_INT(system(command), 0);
	rig_start(&rig);
	CHECK_INT(rig_reap(&rig), 1);
	CHECK_INT(ring_check(rig.producers[0]), ERR_RECORD);
	struct verify_result v = rig_verify(rig.store, &err);
	CHECK_INT(v.last, 60);
}

int main(void)
{
	make_store();
	names_the_first_bad_event();
	wants_the_nodes_key();
	finds_a_store_signed_anew();
	tells_what_it_cannot_read();
	says_it_in_a_line();
	recorder_refuses_a_changed_store();
	rig_done(&rig);
	return tap_done();
}
