/* The monitor signs what goes on from what it signed before, and nothing else; a store whose tree
 * does not go on from its last checkpoint is not written to. */
#include <lmdb.h>

#include "../../../tap.h"
#include "record/store.h"
#include "../rig_talk.h"

static struct rig g;

static void put(uint64_t n)
{
	struct buf b;
	uint64_t ticket = 0;
	buf_init(&b, 2 * RING_EVENT_MAX);
	for (uint64_t i = 1; i <= n; i++) {
		rig_op(&b, &rig_who, i, "SELECT 1", EFFECT_ALLOW);
		CHECK_INT(rig_put(&g, 1, &b, &ticket), 0);
	}
	CHECK(rig_wait(&g, 1, ticket));
	buf_done(&b);
}

static bool signed_to(uint64_t seq)
{
	for (int i = 0; i < 1000; i++) {
		char *text = rig_ask(&g, json_pack("{s:s,s:s}", "t", "query", "kind", "verify")),
		     want[64];
		snprintf(want, sizeof(want), "\"signed_to\":%llu}", (unsigned long long)seq);
		bool has = text && strstr(text, want);
		free(text);
		if (has)
			return true;
		usleep(10000);
	}
	return false;
}

/* The monitor's thread writes it. */
static uint64_t tree_size(void)
{
	pthread_mutex_lock(&g.mutex);
	uint64_t n = g.signer.tree.size;
	pthread_mutex_unlock(&g.mutex);
	return n;
}

static void signs_what_goes_on(void)
{
	rig_init(&g, NULL, 0);
	CHECK(rig_says(&g, 0));
	put(700);
	CHECK(signed_to(700));
	rig_kill(&g); /* the next one goes on from there */
	rig_start(&g);
	CHECK(rig_says(&g, 0));
	put(350);
	CHECK(signed_to(1050));
	CHECK_INT(tree_size(), 1050);
}

/* The monitor knows more than the store does, or less: it says from where, and is answered. */
static void finds_its_place(void)
{
	pthread_mutex_lock(&g.mutex);
	g.signer.tree = (struct tree){0}; /* as after an older version */
	pthread_mutex_unlock(&g.mutex);
	put(10);
	CHECK(signed_to(1060));
	CHECK_INT(tree_size(), 1060);
}

/* Another past than the one that was signed. */
static void refuses_another_past(void)
{
	uint8_t was;
	pthread_mutex_lock(&g.mutex);
	unsigned top = 63 - (unsigned)__builtin_clzll(g.signer.tree.size);
	was = g.signer.tree.nodes[top][0];
	g.signer.tree.nodes[top][0] ^= 1;
	uint64_t last = g.last_signed.seq;
	pthread_mutex_unlock(&g.mutex);
	put(10);
	sleep(2); /* a checkpoint is due each second */
	pthread_mutex_lock(&g.mutex);
	CHECK_INT(g.last_signed.seq, last);
	g.signer.tree.nodes[top][0] = was;
	pthread_mutex_unlock(&g.mutex);
	CHECK(signed_to(1070));
}

static void compares_at_the_start(void)
{
	struct store_options o = {.node = "node-07", .segment_bytes = 64 << 20};
	struct store *s = NULL;
	struct segment *seg;
	MDB_txn *txn;
	char why[1000] = "";
	CHECK_INT(rig_stop(&g), 0);
	CHECK_INT(store_open(g.store, &o, &s, why, sizeof(why)), 0);
	store_close(s);
	CHECK_INT(segment_open(g.store, 1, SEGMENT_WRITE, 64 << 20, &seg), 0);
	CHECK_INT(mdb_txn_begin(seg->env, NULL, 0, &txn), 0);
	struct span edge = segment_meta(seg, txn, "head_edge");
	uint8_t changed[TREE_EDGE_MAX];
	CHECK(edge.len && edge.len <= sizeof(changed));
	memcpy(changed, edge.p, edge.len);
	changed[5] ^= 1;
	MDB_val k = {9, (void *)"head_edge"}, v = {edge.len, changed};
	CHECK_INT(mdb_put(txn, seg->dbs[DB_META], &k, &v, 0), 0);
	CHECK_INT(mdb_txn_commit(txn), 0);
	segment_unref(seg);
	CHECK_INT(store_open(g.store, &o, &s, why, sizeof(why)), ERR_VERIFY);
	CHECK(strstr(why, "its tree does not go on from the checkpoint at event 1070") != NULL);
}

int main(void)
{
	signs_what_goes_on();
	finds_its_place();
	refuses_another_past();
	compares_at_the_start();
	rig_done(&g);
	return tap_done();
}
