/* Completeness: what the kernel counted of each session against what the record has of it (ledger.h), by the recorder's
 * word and by the events themselves. */
#include <inttypes.h>
#include <stdio.h>

#include "record/verify/internal.h"

static void note(struct walk *w, uint64_t seq, struct span session, const char *why)
{
	if (w->incomplete)
		return;
	w->incomplete = seq;
	snprintf(w->incomplete_why, sizeof(w->incomplete_why), "session %.*s is not complete: %s",
		 (int)session.len, (const char *)session.p, why);
}

static void on_reconciled(struct walk *w, uint64_t seq, const struct scan *event)
{
	struct span session = scan_plain(event, "session"), reason = scan_plain(event, "reason");
	struct ledger_entry *e = ledger_find(w->ledger, session);
	char why[200];
	if (span_is(scan_plain(event, "outcome"), "mismatch")) {
		snprintf(why, sizeof(why), "%.*s", (int)reason.len, (const char *)reason.p);
		note(w, seq, session, why);
	} else if (e && span_is(scan_plain(event, "outcome"), "match") &&
		   ledger_compare(e, why) == LEDGER_MISMATCH) {
		if (w->v->left_out)
			verify_unknown(w, "event %" PRIu64 ": session %s cannot be held against the kernel's "
					  "count, events are left out", seq, e->session);
		else
			note(w, seq, session, why);
	}
	if (e)
		ledger_forget(w->ledger, e);
}

void verify_ledger(struct walk *w, uint64_t seq, const struct scan *event)
{
	if (span_is(scan_plain(event, "type"), "session.reconciled"))
		on_reconciled(w, seq, event);
	else
		ledger_take(w->ledger, event, 1);
}

void verify_complete(struct walk *w)
{
	if (w->incomplete)
		verify_bad(w, w->incomplete, "%s", w->incomplete_why);
}
