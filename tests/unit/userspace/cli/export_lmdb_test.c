/* Parts of one record, cut at every kind of border: each verifies to the same checkpoints, holds what was
 * asked for and the hashes of the rest; and what a store's folder answers. */
#include "cli/api.c"
#include "cli/export_env.c"
#include "cli/export_lmdb.c"
#include "cli/export_manifest.c"
#include "cli/export_readme.c"
#include "cli/export_text.c"
#include "cli/files.c"
#include "cli/record_source.c"

#include "../../tap.h"
#include "../record/rig_talk.h"
#include "record/verify/verify.h"
#include "said.h"

#define EVENTS 700

static struct rig rig;
static struct record_source source;

static void make_store(void)
{
	struct buf b;
	uint64_t ticket = 0;
	rig_init(&rig, NULL, 0);
	CHECK(rig_says(&rig, 0));
	buf_init(&b, 2 * RING_EVENT_MAX);
	for (uint64_t i = 1; i <= EVENTS; i++) {
		buf_reset(&b);
		rig_op(&b, &rig_who, i, "SELECT 1", i % 7 ? EFFECT_ALLOW : EFFECT_DENY);
		CHECK_INT(rig_put(&rig, 1, &b, &ticket), 0);
		if (i % 70 == 0)
			CHECK(rig_wait(&rig, 1, ticket));
	}
	CHECK_INT(rig_stop(&rig), 0);
	buf_done(&b);
	source.store = rig.store;
}

/* --- a store's folder --- */

struct got {
	int n, stops_at;
	uint64_t bytes;
};

static int count_line(void *ctx, const char *line, size_t len)
{
	struct got *g = ctx;
	CHECK(len > 2 && line[0] == '{' && line[len - 1] == '}');
	g->bytes += len;
	return ++g->n == g->stops_at ? 5 : 0;
}

static void answers(void)
{
	struct got g = {0};
	json_t *deny = json_pack("{s:s,s:n}", "verdict", "deny", "session"), *bad = json_pack("{s:s}", "nonsense", "1");
	CHECK_INT(record_ask(&source, "events", NULL, count_line, &g), 0);
	CHECK_INT(g.n, EVENTS);
	g = (struct got){0};
	CHECK_INT(record_ask(&source, "events", deny, count_line, &g), 0);
	CHECK_INT(g.n, EVENTS / 7);
	g = (struct got){.stops_at = 3};
	CHECK_INT(record_ask(&source, "events", NULL, count_line, &g), 5);
	CHECK_INT(g.n, 3);
	CHECK_INT(record_ask(&source, "events", bad, count_line, &g), ERR_MALFORMED);
	struct record_source nowhere = {.store = "/nowhere/at/all"};
	g = (struct got){0};
	CHECK_INT(record_ask(&nowhere, "events", NULL, count_line, &g), ERR_VERIFY);
	CHECK(strstr(said, "the answer is not whole"));
	struct record_source key = {.store = rig.store, .key = "/dev/null"};
	said[0] = 0;
	CHECK(record_ask(&key, "verify", NULL, count_line, &g) < 0);
	CHECK(strstr(said, "no Ed25519 public key"));
	said[0] = 0;
	json_decref(deny);
	json_decref(bad);
}

/* --- parts --- */

static struct verify_result verified(const char *folder)
{
	struct verify_options o = {0};
	struct verify_result v;
	CHECK_INT(verify_store(folder, NULL, &o, &v), 0);
	if (v.is_bad || v.is_unknown)
		printf("# event %llu: %s\n", (unsigned long long)v.bad_seq, v.why);
	CHECK(!v.is_bad && !v.is_unknown);
	return v;
}

/* Events from first to last, only those denied or all. */
static void part(uint64_t first, uint64_t last, bool is_denied)
{
	char folder[PATH_MAX + 64], from[24], to[24];
	struct got in_store = {0}, in_part = {0};
	struct record_source made = {.store = folder};
	snprintf(folder, sizeof(folder), "%s-part", rig.store);
	snprintf(from, sizeof(from), "%llu", (unsigned long long)first);
	snprintf(to, sizeof(to), "%llu", (unsigned long long)last);
	json_t *filters = json_pack("{s:s,s:s,s:s*}", "from", from, "to", to, "verdict", is_denied ? "deny" : NULL);
	CHECK_INT(record_ask(&source, "events", filters, count_line, &in_store), 0);
	json_object_set_new(filters, "format", json_string("lmdb"));
	CHECK_INT(export_lmdb(folder, &source, filters), 0);
	CHECK_INT(record_ask(&made, "events", NULL, count_line, &in_part), 0);
	CHECK_INT(in_part.n, in_store.n);
	CHECK_INT(in_part.bytes, in_store.bytes);
	struct verify_result v = verified(folder);
	CHECK_INT(v.first, 1);
	CHECK_INT(v.last, EVENTS);
	CHECK_INT(v.signed_to, EVENTS);
	CHECK_INT(v.left_out, EVENTS - in_part.n);
	said[0] = 0;
	CHECK_INT(export_lmdb(folder, &source, filters), ERR_EXISTS);
	CHECK(strstr(said, "there is something in it"));
	json_decref(filters);
	(void)chmod(folder, 0700);
	export_unmake(folder);
	CHECK(access(folder, F_OK) < 0);
}

static void parts(void)
{
	static const uint64_t borders[] = {1, 2, 3, 4, 5, 63, 64, 65, 127, 128, 129, 256, 257, 511, 512, 513, 699, 700};
	unsigned seed = 7;
	for (size_t i = 0; i < ARRAY_LEN(borders); i++) {
		part(borders[i], borders[i], false);
		part(1, borders[i], i % 2);
		part(borders[i], EVENTS, i % 2 == 0);
	}
	for (int i = 0; i < 20; i++) {
		uint64_t a = 1 + (uint64_t)rand_r(&seed) % EVENTS;
		part(a, a + (uint64_t)rand_r(&seed) % EVENTS, i % 2);
	}
	part(EVENTS + 1, EVENTS + 1, false); /* nothing of it */
}

int main(void)
{
	make_store();
	answers();
	parts();
	rig_done(&rig);
	return tap_done();
}
