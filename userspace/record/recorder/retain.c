/* Retention: the tombstone is written, then signed, and only then the segments go. */
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "record/recorder/internal.h"

#define LOOK_NS	    (10 * NS_PER_SEC)
#define CLOCK_OFF_S (24 * 3600)

/* Real time against the time since boot, in seconds: it moves only when somebody sets the clock. */
static int64_t clock_offset_s(void)
{
	struct timespec boot;
	clock_gettime(CLOCK_BOOTTIME, &boot);
	return (int64_t)(clock_real_ns() / NS_PER_SEC) - boot.tv_sec;
}

/* A clock that was set while we ran must not make a record old. */
static bool is_clock_steady(struct recorder *r)
{
	int64_t now = clock_offset_s();
	if (!r->clock_offset_s)
		r->clock_offset_s = now;
	return llabs(now - r->clock_offset_s) < CLOCK_OFF_S;
}

static void look(struct recorder *r)
{
	struct retention_limits l = {.seconds = (uint64_t)r->cfg->keep_seconds,
				     .bytes = r->cfg->keep_bytes};
	struct segment *live = store_live(r->store);
	if (l.seconds && !is_clock_steady(r)) {
		log_warn("the clock was set by more than a day: nothing is removed by its age "
			 "until the next start");
		l.seconds = 0;
	}
	int n = live ? retention_due(store_path(r->store), live, &l, clock_real_ns(), &r->tombstone)
		     : 0;
	segment_unref(live);
	if (n < 0) {
		log_warn("the oldest segments cannot be looked at: %s", err_text(n));
		r->tombstone.upto = 0;
	}
	r->tombstone_seq = 0;
	r->owes_tombstone = n == 1;
}

void retain_if_due(struct recorder *r)
{
	if ((!r->cfg->keep_seconds && !r->cfg->keep_bytes) || !r->writer || r->broken)
		return;
	if (!r->tombstone.upto) {
		if (r->retain_ns && clock_mono_ns() - r->retain_ns < LOOK_NS)
			return;
		r->retain_ns = clock_mono_ns();
		look(r);
		return;
	}
	if (!r->tombstone_seq || r->signed_seq < r->tombstone_seq)
		return;
	log_info("events %llu to %llu are removed (%s): event %llu says so",
		 (unsigned long long)r->tombstone.first, (unsigned long long)r->tombstone.last,
		 r->tombstone.reason, (unsigned long long)r->tombstone_seq);
	writer_remove(r->writer, r->tombstone.upto);
	r->tombstone.upto = 0;
	r->tombstone_seq = 0;
}
