/* Whole segments go, a signed event says so, and verify goes on across it; nothing else may go. */
#include "../../tap.h"
#include "record/retention.h"
#include "rig_talk.h"

#define EVENTS 4000

static struct rig rig;
static struct checkpoint first_signed;

static int n_segments(void)
{
	uint32_t *list;
	size_t n = 0;
	CHECK_INT(segment_list(rig.store, &list, &n), 0);
	free(list);
	return (int)n;
}

static void put_events(int n)
{
	struct buf b;
	char text[400];
	uint64_t ticket = 0;
	buf_init(&b, 2 * RING_EVENT_MAX);
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = 0;
	for (int i = 1; i <= n; i++) {
		rig_op(&b, &rig_who, (uint64_t)i, text, EFFECT_ALLOW);
		CHECK_INT(rig_put(&rig, 1, &b, &ticket), 0);
		if (i % 100 == 0)
			CHECK(rig_wait(&rig, 1, ticket));
		for (int k = 0; i == 400 && !first_signed.seq && k < 1000; k++) {
			first_signed = rig.last_signed;
			usleep(10000);
		}
	}
	buf_done(&b);
}

/* Restarted with limits, it looks at once. True: the first segment went within ten seconds. */
static bool goes(uint64_t bytes, int seconds)
{
	char first[PATH_MAX + 64];
	uint32_t *list;
	size_t n = 0;
	CHECK_INT(segment_list(rig.store, &list, &n), 0);
	snprintf(first, sizeof(first), "%s/" SEGMENT_NAME, rig.store, n ? list[0] : 0);
	free(list);
	rig.cfg.keep_bytes = bytes;
	rig.cfg.keep_seconds = seconds;
	rig_start(&rig);
	CHECK(rig_says(&rig, 0));
	for (int i = 0; i < 1000 && access(first, F_OK) == 0; i++)
		usleep(10000);
	bool is_gone = access(first, F_OK) < 0;
	CHECK_INT(rig_stop(&rig), 0);
	return is_gone;
}

static struct verify_result verified(const struct checkpoint *given)
{
	struct verify_options o = {.checkpoints = given, .n_checkpoints = given != NULL};
	struct verify_result v;
	CHECK_INT(verify_store(rig.store, NULL, &o, &v), 0);
	if (v.is_bad || v.is_unknown)
		printf("# event %" PRIu64 ": %s\n", v.bad_seq, v.why);
	return v;
}

static void goes_by_size(void)
{
	int before = n_segments();
	CHECK(before >= 5);
	CHECK(goes(2 << 20, 0));
	CHECK(n_segments() < before && n_segments() >= 2);
	struct verify_result v = verified(NULL);
	CHECK(!v.is_bad && !v.is_unknown);
	CHECK_STR(v.why, "");
	CHECK(v.first > 1 && v.removed_to == v.first - 1);
	CHECK_INT(v.signed_to, v.last);
}

static void says_what_it_cannot_compare(void)
{
	struct checkpoint newer = rig.last_signed, cut = rig.last_signed;
	struct verify_result v = verified(&first_signed);
	CHECK(!v.is_bad && v.is_unknown && strstr(v.why, "older than what is kept"));
	v = verified(&newer);
	CHECK(!v.is_bad && !v.is_unknown);
	cut.seq += 5; /* as if five more had been there */
	CHECK_INT(signer_sign(&rig.signer, &cut), 0);
	v = verified(&cut);
	CHECK(v.is_bad && v.bad_seq == v.last + 1 &&
	      strstr(v.why, "from elsewhere was signed there"));
	newer.root[0] ^= 1; /* the same size with another tree */
	rig.signer.last_seq = newer.seq - 1;
	CHECK_INT(signer_sign(&rig.signer, &newer), 0);
	v = verified(&newer);
	CHECK(v.is_bad && strstr(v.why, "checkpoint from elsewhere has"));
}

static void goes_by_age(void)
{
	int before = n_segments();
	sleep(1);
	CHECK(goes(0, 1));
	CHECK(n_segments() < before);
	struct verify_result v = verified(NULL);
	CHECK(!v.is_bad);
}

/* Without a tombstone it is an amputation. */
static void finds_what_went_without_one(void)
{
	uint32_t *list;
	size_t n = 0;
	put_events(EVENTS / 2);
	CHECK_INT(rig_stop(&rig), 0);
	CHECK(!verified(NULL).is_bad);
	CHECK_INT(segment_list(rig.store, &list, &n), 0);
	CHECK(n > 2);
	CHECK_INT(retention_remove(rig.store, list[0]), 0);
	free(list);
	struct verify_result v = verified(NULL);
	CHECK(v.is_bad && v.bad_seq == 1 && strstr(v.why, "no signed tombstone"));
}

int main(void)
{
	rig_init(&rig, NULL, 1 << 20);
	rig.cfg.checkpoint_events = 200;
	rig_kill(&rig);
	rig_start(&rig);
	CHECK(rig_says(&rig, 0));
	put_events(EVENTS);
	CHECK_INT(rig_stop(&rig), 0);
	goes_by_size();
	says_what_it_cannot_compare();
	goes_by_age();
	rig.cfg.keep_seconds = 0;
	rig_start(&rig);
	CHECK(rig_says(&rig, 0));
	finds_what_went_without_one();
	rig_done(&rig);
	return tap_done();
}
