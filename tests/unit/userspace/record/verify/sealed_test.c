/* What is sealed must have its key beside it, in the same segment, as it was told. */
#include <limits.h>

#include "../../../tap.h"
#include "../rig_sign.h"
#include "base/macro.h"
#include "record/sealer.h"
#include "record/store.h"
#include "record/verify/internal.h"

#define TO     "[{\"fingerprint\":\"aa\",\"wrapped\":\"AAAA\"}]"
#define OTHER  "[{\"fingerprint\":\"aa\",\"wrapped\":\"AAAB\"}]"
#define ABSENT "[{\"fingerprint\":\"aa\",\"wrapped\":\"AAAC\"}]"

static char dir[] = "/tmp/sluice-rec-XXXXXX";
static struct store *store;
static char good[SEAL_ID_TEXT + 1], changed[SEAL_ID_TEXT + 1], absent[SEAL_ID_TEXT + 1];

static void put_key(const char *id, const char *to)
{
	CHECK_INT(store_begin(store), 0);
	CHECK_INT(store_keep_key(store, span_str(id), span_str(to)), 0);
	CHECK_INT(store_commit(store, NULL), 0);
}

static struct walk begin(struct verify_result *v, struct segment *g)
{
	struct walk w = {.v = v, .cur = {.g = g}};
	*v = (struct verify_result){0};
	CHECK_INT(mdb_txn_begin(g->env, NULL, MDB_RDONLY, &w.cur.txn), 0);
	return w;
}

static void look(struct walk *w, const char *sealed)
{
	char text[200];
	struct scan s;
	snprintf(text, sizeof(text), "{\"sealed\":\"%s\",\"type\":\"op\"}", sealed);
	CHECK_INT(scan_event(span_str(text), true, &s), 0);
	CHECK_INT(verify_sealed(w, 7, &s), 0);
}

static void says_what_is_wrong(struct segment *g)
{
	const struct {
		const char *id, *rest, *why;
	} rows[] = {
	    {good, "AAAAbbbb", NULL},
	    {good, "", NULL},
	    {"", "A", "with no key"},
	    {"", "AAAAAAAAAAAAAAAAAAAAAAA", "with no key"}, /* one character short */
	    {absent, "AAAA", "that is not here"},
	    {changed, "AAAA", "that was changed since"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct verify_result v;
		struct walk w = begin(&v, g);
		char sealed[100];
		snprintf(sealed, sizeof(sealed), "%s%s", rows[i].id, rows[i].rest);
		look(&w, sealed);
		CHECK(v.is_bad == (rows[i].why != NULL) && v.bad_seq == (rows[i].why ? 7 : 0));
		CHECK(!rows[i].why || strstr(v.why, rows[i].why));
		mdb_txn_abort(w.cur.txn);
	}
}

/* One that was good is not looked at again, unless there was another, or another segment, in between. */
static void looks_again_where_it_must(struct segment *g)
{
	struct verify_result v;
	struct walk w = begin(&v, g);
	struct scan s;
	CHECK_INT(scan_event(span_str("{\"text\":\"SELECT 1\",\"type\":\"op\"}"), true, &s), 0);
	CHECK_INT(verify_sealed(&w, 6, &s), 0); /* is not sealed */
	CHECK(!v.is_bad && !w.sealed_with[0]);
	look(&w, good);
	CHECK(!v.is_bad && !memcmp(w.sealed_with, good, SEAL_ID_TEXT));
	mdb_txn_abort(w.cur.txn);
	put_key(good, OTHER);
	CHECK_INT(mdb_txn_begin(g->env, NULL, MDB_RDONLY, &w.cur.txn), 0);
	look(&w, good);
	CHECK(!v.is_bad);
	look(&w, absent);
	CHECK(v.is_bad);
	v.is_bad = false;
	w.sealed_with[0] = 0; /* a new segment */
	look(&w, good);
	CHECK(v.is_bad && strstr(v.why, "changed since"));
	mdb_txn_abort(w.cur.txn);
}

int main(void)
{
	const struct store_options o = {.node = "node-07", .segment_bytes = 1 << 20};
	char why[1000];
	CHECK(mkdtemp(dir) != NULL);
	CHECK_INT(store_open(dir, &o, &store, why, sizeof(why)), 0);
	CHECK_INT(seal_id(span_str(TO), good), 0);
	CHECK_INT(seal_id(span_str(OTHER), changed), 0);
	CHECK_INT(seal_id(span_str(ABSENT), absent), 0);
	put_key(good, TO);
	put_key(changed, ABSENT); /* somebody wrapped another key under this name */
	struct segment *g = store_live(store);
	says_what_is_wrong(g);
	looks_again_where_it_must(g);
	segment_unref(g);
	store_close(store);
	rig_remove(dir);
	return tap_done();
}
