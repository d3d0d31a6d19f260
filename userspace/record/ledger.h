/* Is the record of a session complete? What it says of the session's connections (flow.open, flow.close, and
 * connect.refused of those that the gateway took and turned away) is held against what the kernel counted apart from
 * the gateway (session.kernel). The recorder does it when a session ends, and says what came of it
 * (session.reconciled); `sluice verify` does it again from the events alone. Pure: no I/O, no clock. */
#pragma once

#include "base/buf.h"
#include "record/scan.h"
#include "record/segment.h"

/* As session.kernel has them: bpf/shared.h, struct tally. */
struct ledger_kernel {
	uint64_t opened, closed, used, up_min, up_max, down;
};

struct ledger_entry {
	struct ledger_entry *next;
	char session[SESSION_ID_MAX + 1];
	char *identity, *owner, *role; /* owned, as JSON; NULL: none */
	uint64_t cgroup_id;
	uint64_t flows, ended, turned_away; /* on record */
	uint64_t up, down;		    /* bytes on the workload's leg, by the gateway's account */
	const char *excuse;		    /* static: why it cannot be complete; NULL */
	struct ledger_kernel kernel;
	uint64_t asked_ns; /* when session.kernel came; 0: not yet */
	bool is_told;	   /* session.reconciled is on its way to the journal */
};

struct ledger;

enum ledger_result { LEDGER_MATCH, LEDGER_PARTIAL, LEDGER_MISMATCH };

/* How long flow.close and folded refusals may come behind session.kernel. */
#define LEDGER_WAIT_NS (10 * 1000000000ull)

must_check int ledger_new(struct ledger **ret_l);
void ledger_free(struct ledger *l);
/* Are events of this type of any interest? */
bool ledger_wants(struct span type);
/* Takes one event. now_ns: of any clock that rises, not 0. What there is no memory for is excused, not wrong. */
void ledger_take(struct ledger *l, const struct scan *event, uint64_t now_ns);
/* Something of what was taken is not on record, or twice: no session may be called wrong for it. */
void ledger_excuse(struct ledger *l, const char *why);
/* The entry of a session, or NULL. */
struct ledger_entry *ledger_find(const struct ledger *l, struct span session);
/* ret_why: a sentence where it is no match. */
enum ledger_result ledger_compare(const struct ledger_entry *e, char ret_why[200]);
/* The next one that can be told: its kernel figures are there, and they match, or it
 * is excused, or LEDGER_WAIT_NS is over. NULL: none. */
struct ledger_entry *ledger_due(struct ledger *l, uint64_t now_ns);
void ledger_forget(struct ledger *l, const struct ledger_entry *e);
/* Those that were told: into the journal with them (forgotten), or not (told again). */
void ledger_settle(struct ledger *l, bool is_done);
/* session.reconciled, as canonical JSON. */
void ledger_event(struct buf *out, const struct ledger_entry *e, const char *node, uint64_t time_ns,
		  enum ledger_result result, const char *why);
const char *ledger_result_name(enum ledger_result r);
