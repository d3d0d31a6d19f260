/* A sealed and a packed record, read with the right private key, with another's and with none: what is shown,
 * what a text finds, and what is said of the rest. */
#include "cli/api.c"
#include "cli/opened.c"
#include "cli/record_source.c"

#include "../../tap.h"
#include "../record/rig_talk.h"
#include "../record/seal_keys.h"
#include "said.h"

#define EVENTS 20

static struct seal_keys ours, others, small;
static char sealed_store[PATH_MAX + 16], packed_store[PATH_MAX + 16];

/* EVENTS operations, every fifth one about needles. */
static void make_store(struct rig *g, const char *encrypt_to, int compress)
{
	struct buf b;
	uint64_t ticket = 0;
	char text[600];
	rig_init(g, NULL, 0);
	rig_kill(g);
	g->cfg.encrypt_to[0] = encrypt_to;
	g->cfg.n_encrypt_to = encrypt_to != NULL;
	g->cfg.compress = compress;
	rig_start(g);
	CHECK(rig_says(g, 0));
	buf_init(&b, 2 * RING_EVENT_MAX);
	for (uint64_t i = 1; i <= EVENTS; i++) {
		snprintf(text, sizeof(text), "SELECT %d, '%0500d' FROM %s", (int)i, 0, i % 5 ? "hay" : "needles");
		rig_op(&b, &rig_who, i, text, EFFECT_ALLOW);
		CHECK_INT(rig_put(g, 1, &b, &ticket), 0);
	}
	CHECK(rig_wait(g, 1, ticket));
	CHECK_INT(rig_stop(g), 0);
	buf_done(&b);
}

/* --- what is shown --- */

struct seen {
	int n, needles, hay, sealed, packed, stops_at;
};

static bool holds(const char *line, size_t len, const char *word)
{
	return memmem(line, len, word, strlen(word)) != NULL;
}

static int see(void *ctx, const char *line, size_t len)
{
	struct seen *s = ctx;
	struct scan e;
	CHECK_INT(scan_event(span_of(line, len), true, &e), 0);
	CHECK(!holds(line, len, "\"_key\":[") && !holds(line, len, "\"_sealed\":")); /* no event */
	if (!span_is(scan_plain(&e, "type"), "op"))
		return 0;
	s->needles += holds(line, len, "FROM needles");
	s->hay += holds(line, len, "FROM hay");
	s->sealed += holds(line, len, "\"sealed\":\"");
	s->packed += holds(line, len, "\"packed\":\"");
	return ++s->n == s->stops_at ? 5 : 0;
}

static const char *kind = "events"; /* "export": what is packed comes as it is, and is unpacked here */

static int ask(struct record_source *s, const char *text, const char *limit, struct seen *seen)
{
	json_t *filters = json_pack("{s:s*,s:s*}", "text", text, "limit", limit), *before = json_deep_copy(filters);
	said[0] = 0;
	int r = opened_ask(s, kind, filters, see, seen);
	CHECK(json_equal(filters, before)); /* borrowed */
	json_decref(filters);
	json_decref(before);
	return r;
}

/* --- keys --- */

static void takes_private_keys(void)
{
	static const struct {
		const char *file; /* NULL: of ours */
		int expected;
		const char *why;
	} rows[] = {
	    {"/nonexistent/key", -ENOENT, "--decrypt-key /nonexistent/key: "},
	    {"/dev/null", ERR_MALFORMED, "no RSA private key (PEM)"},
	    {ours.public, ERR_MALFORMED, "no RSA private key (PEM)"},
	    {small.private, ERR_MALFORMED, "no RSA private key (PEM)"}, /* of another algorithm */
	};
	struct opener *o = (struct opener *)&o;
	said[0] = 0;
	CHECK_INT(opened_key(NULL, &o), 0);
	CHECK(o == NULL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		said[0] = 0;
		CHECK_INT(opened_key(rows[i].file, &o), rows[i].expected);
		CHECK(o == NULL);
		CHECK(strstr(said, rows[i].why) != NULL);
		CHECK(strstr(said, "-> it is the private half of one of audit.encrypt_to") != NULL);
	}
	said[0] = 0;
	CHECK_INT(opened_key(ours.private, &o), 0);
	CHECK(o && !said[0]);
	opener_free(o);
}

/* --- sealed --- */

static void without_a_key(void)
{
	struct record_source s = {.store = sealed_store};
	struct seen seen = {0};
	CHECK_INT(ask(&s, NULL, NULL, &seen), 0);
	CHECK(seen.n == EVENTS && seen.sealed == EVENTS && !seen.needles && !seen.hay);
	CHECK(strstr(said, "rows and errors of 20 events are sealed for the auditors\n"));
	CHECK(strstr(said, "-> --decrypt-key FILE"));
	CHECK_INT(ask(&s, NULL, NULL, &seen), 0);
	CHECK_STR(said, ""); /* once is enough */

	s.is_sealed_said = false;
	seen = (struct seen){0};
	CHECK_INT(ask(&s, "needles", NULL, &seen), 0);
	CHECK_INT(seen.n, 0);
	CHECK(strstr(said, "the text was not looked for in 20 events that are sealed for the auditors\n"));
	CHECK(strstr(said, "-> --decrypt-key FILE"));
}

static void with_the_key(void)
{
	struct record_source s = {.store = sealed_store};
	struct seen seen = {0};
	CHECK_INT(opened_key(ours.private, &s.opener), 0);
	CHECK_INT(ask(&s, NULL, NULL, &seen), 0);
	CHECK(seen.n == EVENTS && !seen.sealed && seen.needles == 4 && seen.hay == 16);
	CHECK_STR(said, "");
	seen = (struct seen){0};
	CHECK_INT(ask(&s, "NEEDLES", NULL, &seen), 0); /* looked for in what was opened */
	CHECK(seen.n == 4 && seen.needles == 4);
	seen = (struct seen){0};
	CHECK_INT(ask(&s, "needles", "3", &seen), 1); /* counts what is shown, not what was asked for */
	CHECK(seen.n == 3 && seen.needles == 3);
	seen = (struct seen){.stops_at = 2};
	CHECK_INT(ask(&s, "needles", "3", &seen), 5); /* whoever reads has the last word */
	CHECK_INT(seen.n, 2);
	seen = (struct seen){0};
	CHECK_INT(ask(&s, "", NULL, &seen), ERR_MALFORMED);
	CHECK_INT(seen.n, 0);
	CHECK_INT(ask(&s, "nothing of the kind", NULL, &seen), 0);
	CHECK_INT(seen.n, 0);
	opener_free(s.opener);
}

static void with_the_key_of_another(void)
{
	struct record_source s = {.store = sealed_store};
	struct seen seen = {0};
	CHECK_INT(opened_key(others.private, &s.opener), 0);
	CHECK_INT(ask(&s, NULL, NULL, &seen), 0);
	CHECK(seen.n == EVENTS && seen.sealed == EVENTS && !seen.needles);
	CHECK(strstr(said, "of 20 events are sealed for other auditors\n"));
	CHECK(!strstr(said, "->")); /* it has been given a key */
	opener_free(s.opener);
}

/* --- packed --- */

static void packed(void)
{
	static const char *const kinds[] = {"events", "export"};
	struct record_source s = {.store = packed_store}, as_stored = {.store = packed_store, .is_as_stored = true};
	struct seen seen;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		kind = kinds[i];
		seen = (struct seen){0};
		CHECK_INT(ask(&s, NULL, NULL, &seen), 0);
		CHECK(seen.n == EVENTS && !seen.packed && seen.needles == 4 && seen.hay == 16);
		seen = (struct seen){0};
		CHECK_INT(ask(&s, "needles", NULL, &seen), 0);
		CHECK(seen.n == 4 && seen.needles == 4);
	}
	seen = (struct seen){0};
	CHECK_INT(ask(&as_stored, NULL, NULL, &seen), 0);
	CHECK(seen.n == EVENTS && seen.packed == EVENTS && !seen.needles);
	seen = (struct seen){0};
	CHECK_INT(ask(&as_stored, "needles", NULL, &seen), 0); /* looked for within, shown as it is */
	CHECK(seen.n == 4 && seen.packed == 4);
	CHECK_STR(said, "");
	kind = kinds[0];
}

/* --- changed --- */

/* One character in the midst of an event's sealed text. */
static void change(uint64_t seq)
{
	struct segment *g;
	MDB_txn *txn;
	uint8_t key[8];
	char event[8192];
	MDB_val k = {8, key}, v;
	seq_encode(seq, key);
	CHECK_INT(segment_open(sealed_store, 1, SEGMENT_WRITE, 64 << 20, &g), 0);
	CHECK_INT(mdb_txn_begin(g->env, NULL, 0, &txn), 0);
	CHECK_INT(mdb_get(txn, g->dbs[DB_EVENTS], &k, &v), 0);
	CHECK(v.mv_size < sizeof(event));
	memcpy(event, v.mv_data, v.mv_size);
	event[v.mv_size] = 0;
	char *at = strstr(event, "\"sealed\":\"");
	CHECK(at != NULL);
	if (at)
		at[100] = at[100] == 'A' ? 'B' : 'A';
	v.mv_data = event;
	CHECK_INT(mdb_put(txn, g->dbs[DB_EVENTS], &k, &v, 0), 0);
	CHECK_INT(mdb_txn_commit(txn), 0);
	segment_unref(g);
}

static void names_what_was_changed(void)
{
	struct record_source s = {.store = sealed_store};
	struct seen seen = {0};
	change(11); /* behind the key's event: the tenth operation */
	CHECK_INT(ask(&s, NULL, NULL, &seen), 0); /* without a key nobody can tell */
	CHECK_INT(opened_key(ours.private, &s.opener), 0);
	seen = (struct seen){0};
	CHECK_INT(ask(&s, NULL, NULL, &seen), ERR_VERIFY);
	CHECK_INT(seen.n, 9);
	CHECK(strstr(said, "a sealed event does not open (it was changed, or its key was): {"));
	opener_free(s.opener);
}

int main(void)
{
	struct rig sealed, plain;
	seal_keys_make(&ours, "ours", SEAL_RSA);
	seal_keys_make(&others, "others", SEAL_RSA);
	seal_keys_make(&small, "small", "X25519");
	make_store(&sealed, ours.public, 3);
	make_store(&plain, NULL, 3);
	strcpy(sealed_store, sealed.store);
	strcpy(packed_store, plain.store);
	takes_private_keys();
	without_a_key();
	with_the_key();
	with_the_key_of_another();
	packed();
	names_what_was_changed();
	rig_done(&sealed);
	rig_done(&plain);
	seal_keys_remove(&ours);
	seal_keys_remove(&others);
	seal_keys_remove(&small);
	return tap_done();
}
