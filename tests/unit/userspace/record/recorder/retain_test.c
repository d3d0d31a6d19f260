/* What is over the limits goes only after the event that tells it is durable and signed; nothing goes by its age
 * after somebody set the clock. */
#include <errno.h>
#include <unistd.h>

#include "../../../tap.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "record/recorder/internal.h"
#include "rig_store.h"

#define SEGMENTS 5
#define DAY_S	 (24 * 3600)

static struct rig_store g;
static struct config cfg = {.node = "node-07"};

static struct recorder begun(uint64_t bytes, int seconds)
{
	cfg.keep_bytes = bytes;
	cfg.keep_seconds = seconds;
	return (struct recorder){.cfg = &cfg, .store = g.store, .writer = g.writer};
}

static uint32_t first_segment(void)
{
	uint32_t *list = NULL, first;
	size_t n = 0;
	CHECK_INT(segment_list(g.dir, &list, &n), 0);
	first = n ? list[0] : 0;
	free(list);
	return first;
}

static void looks_only_where_it_may(void)
{
	struct recorder r = begun(0, 0);
	retain_if_due(&r); /* there are no limits */
	CHECK(!r.retain_ns && !r.owes_tombstone);
	r = begun(1, 0);
	r.writer = NULL;
	retain_if_due(&r); /* the store is not open */
	CHECK(!r.retain_ns && !r.owes_tombstone);
	r = begun(1, 0);
	r.broken = -EIO;
	retain_if_due(&r); /* what tells it could not be recorded */
	CHECK(!r.retain_ns && !r.owes_tombstone);
	r.broken = 0;
	retain_if_due(&r);
	CHECK(r.retain_ns && r.owes_tombstone);
	CHECK_INT(first_segment(), 1);
}

static void looks_every_ten_seconds(void)
{
	struct recorder r = begun(UINT64_MAX, 0);
	retain_if_due(&r);
	uint64_t looked = r.retain_ns;
	CHECK(looked && !r.owes_tombstone && !r.tombstone.upto);
	cfg.keep_bytes = 1;
	retain_if_due(&r);
	CHECK(r.retain_ns == looked && !r.owes_tombstone);
	r.retain_ns = looked - 10 * NS_PER_SEC;
	retain_if_due(&r);
	CHECK(r.retain_ns > looked - 10 * NS_PER_SEC && r.owes_tombstone);
	CHECK_STR(r.tombstone.reason, "size");
	CHECK_INT(r.tombstone.first, 1);
	CHECK_INT(r.tombstone.upto, SEGMENTS - 1); /* all but the live one */
}

/* Each state in which the tombstone is not yet signed, and the one in which it is. */
static void removes_after_the_signature(void)
{
	static const struct {
		bool owes;
		uint64_t event, is_signed;
		uint32_t first; /* segment behind it */
	} rows[] = {
	    {true, 0, 0, 1},	   /* no event yet */
	    {true, 0, UINT64_MAX, 1}, /* a signature over others */
	    {false, 900, 0, 1},	   /* the event is durable */
	    {false, 900, 899, 1},
	    {false, 900, 900, SEGMENTS},
	};
	struct recorder r = begun(1, 0);
	retain_if_due(&r);
	CHECK(r.owes_tombstone);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		r.owes_tombstone = rows[i].owes;
		r.tombstone_seq = rows[i].event;
		r.signed_seq = rows[i].is_signed;
		retain_if_due(&r);
		CHECK(writer_wait(g.writer, 20000));
		CHECK_INT(first_segment(), rows[i].first);
		CHECK_INT(r.tombstone.upto, rows[i].first == 1 ? SEGMENTS - 1 : 0);
	}
	CHECK_INT(r.tombstone_seq, 0);
	r.retain_ns = 0;
	retain_if_due(&r); /* what is left is the live one */
	CHECK(!r.owes_tombstone && !r.tombstone.upto);
}

/* Is anything due by its age, where the clock was so far off at the start? */
static bool is_old(int64_t set_by_s)
{
	struct timespec boot;
	struct recorder r = begun(0, 1);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	r.clock_offset_s = (int64_t)(clock_real_ns() / NS_PER_SEC) - boot.tv_sec - set_by_s;
	retain_if_due(&r);
	CHECK(!r.owes_tombstone || !strcmp(r.tombstone.reason, "age"));
	return r.owes_tombstone;
}

static void keeps_what_a_set_clock_made_old(void)
{
	rig_store_grow(&g, SEGMENTS + 2);
	struct recorder r = begun(0, 3600);
	retain_if_due(&r);
	CHECK(!r.owes_tombstone && r.clock_offset_s);
	for (int i = 0; i < 1000 && !is_old(0); i++)
		usleep(10000);
	CHECK(is_old(0));
	CHECK(is_old(DAY_S - 60) && is_old(60 - DAY_S)); /* what a time server may do */
	CHECK(!is_old(DAY_S + 60) && !is_old(-DAY_S - 60));
	CHECK(!is_old(400 * (int64_t)DAY_S));
}

/* By size they still go: that no clock can do. */
static void a_set_clock_does_not_fill_the_disk(void)
{
	struct recorder r = begun(1, 1);
	r.clock_offset_s = 1; /* as if it had been 1970 */
	retain_if_due(&r);
	CHECK(r.owes_tombstone);
	CHECK_STR(r.tombstone.reason, "size");
}

static void removes_nothing_that_it_cannot_read(void)
{
	char path[PATH_MAX + 64];
	snprintf(path, sizeof(path), "%s/" SEGMENT_NAME "/data.mdb", g.dir, first_segment());
	CHECK_INT(chmod(path, 0600), 0);
	CHECK_INT(truncate(path, 100), 0);
	struct recorder r = begun(1, 0);
	r.tombstone_seq = 7;
	retain_if_due(&r);
	CHECK(r.retain_ns && !r.owes_tombstone && !r.tombstone.upto && !r.tombstone_seq);
	CHECK_INT(first_segment(), SEGMENTS);
}

int main(void)
{
	log_init("retain", LOG_ERROR + 1);
	rig_store_open(&g);
	rig_store_grow(&g, SEGMENTS);
	looks_only_where_it_may();
	looks_every_ten_seconds();
	removes_after_the_signature();
	keeps_what_a_set_clock_made_old();
	a_set_clock_does_not_fill_the_disk();
	removes_nothing_that_it_cannot_read();
	rig_store_close(&g);
	return tap_done();
}
