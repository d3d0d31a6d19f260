/* A key for each segment, told before the first event under it, and told again while that is not durable. */
#include "../../../tap.h"
#include "../seal_keys.h"
#include "record/recorder/internal.h"
#include "rig_store.h"

static struct rig_store g;
static struct seal_keys keys;
static const struct config cfg = {.node = "node-07"};
static struct recorder r;

static void grow(uint32_t segments)
{
	rig_store_grow(&g, segments);
	r.writer = g.writer;
}

/* Begins a group; the name of the key that is told, or "". */
static const char *told(void)
{
	static char names[4][SEAL_ID_TEXT + 1];
	static int next;
	char *name = names[next++ % 4], of_to[SEAL_ID_TEXT + 1];
	struct scan e;
	bool tells = true;
	name[0] = 0;
	buf_reset(&r.own);
	buf_add_str(&r.own, "what was there before");
	CHECK_INT(seal_begin(&r, &tells), 0);
	if (!tells) {
		CHECK(span_is(buf_span(&r.own), "what was there before"));
		return name;
	}
	CHECK_INT(scan_event(buf_span(&r.own), false, &e), 0);
	CHECK(span_is(scan_plain(&e, "type"), "record.key"));
	CHECK(span_is(scan_plain(&e, "node"), "node-07"));
	CHECK(scan_u64(&e, "time") != 0);
	CHECK_INT(seal_id(scan_get(&e, "to"), of_to), 0);
	CHECK(span_is(scan_plain(&e, "key"), of_to));
	strcpy(name, of_to);
	return name;
}

/* What an event's payload is sealed with now. */
static int seals_with(const char *name)
{
	static const char event[] = "{\"session\":\"s\",\"text\":\"SELECT secret\",\"time\":1,\"type\":\"op\"}";
	struct scan e;
	struct marks m;
	const struct marks *got;
	struct span out;
	CHECK_INT(scan_event(span_str(event), false, &e), 0);
	marks_take(&m, &e, span_str(event));
	int err = sealer_seal(r.sealer, span_str(event), &m, &out, &got);
	if (err < 0)
		return err;
	CHECK_INT(scan_event(out, false, &e), 0);
	struct span sealed = scan_plain(&e, "sealed");
	CHECK(sealed.len > SEAL_ID_TEXT && !memcmp(sealed.p, name, SEAL_ID_TEXT));
	return 0;
}

static void without_auditors(void)
{
	char why[200];
	CHECK_STR(told(), ""); /* nothing is packed or sealed */
	CHECK_INT(sealer_new(NULL, 0, 3, &r.sealer, why, sizeof(why)), 0);
	CHECK_STR(told(), ""); /* packed only */
	sealer_free(r.sealer);
	r.sealer = NULL;
}

static void tells_until_it_is_durable(void)
{
	const char *files[] = {keys.public};
	char why[200];
	CHECK_INT(sealer_new(files, 1, 0, &r.sealer, why, sizeof(why)), 0);
	CHECK_INT(seals_with(""), ERR_STATE); /* before a key was told nothing may be sealed */
	const char *first = told();
	CHECK_INT(strlen(first), SEAL_ID_TEXT);
	CHECK_INT(r.sealed_in, 1);
	CHECK_INT(seals_with(first), 0); /* in the same group */
	sealer_settle(r.sealer, false);	 /* which could not be written */
	CHECK_STR(told(), first);
	sealer_settle(r.sealer, true);
	CHECK_STR(told(), "");
	CHECK_STR(told(), "");
	CHECK_INT(seals_with(first), 0);
}

static void makes_one_for_each_segment(void)
{
	char before[SEAL_ID_TEXT + 1] = "";
	for (uint32_t segment = 2; segment <= 4; segment++) {
		grow(segment);
		const char *name = told();
		CHECK_INT(strlen(name), SEAL_ID_TEXT);
		CHECK(strcmp(name, before) != 0);
		CHECK_INT(r.sealed_in, writer_segment(g.writer));
		CHECK_INT(seals_with(name), 0);
		sealer_settle(r.sealer, true);
		CHECK_STR(told(), "");
		strcpy(before, name);
	}
}

/* The segment changes while the key of the last one is not durable: that one is not told any more. */
static void forgets_what_was_not_told(void)
{
	grow(5);
	const char *lost = told();
	sealer_settle(r.sealer, false);
	grow(6);
	const char *name = told();
	CHECK(name[0] && strcmp(name, lost) != 0);
	CHECK_INT(seals_with(name), 0);
}

int main(void)
{
	seal_keys_make(&keys, "auditor", SEAL_RSA);
	rig_store_open(&g);
	r = (struct recorder){.cfg = &cfg, .store = g.store, .writer = g.writer};
	buf_init(&r.own, RING_EVENT_MAX);
	without_auditors();
	tells_until_it_is_durable();
	makes_one_for_each_segment();
	forgets_what_was_not_told();
	sealer_free(r.sealer);
	buf_done(&r.own);
	rig_store_close(&g);
	seal_keys_remove(&keys);
	return tap_done();
}
