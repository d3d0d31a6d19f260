/* Whether what people were asked about was released by them: every release has, before it in the
 * chain, the request that it names and answers of distinct people who make one of its quorums,
 * neither the requester nor whom it acts for; every grant and every operation that went by a
 * release has that release before it. Events in order, as stored; the chain itself is checked
 * elsewhere. */
#pragma once

#include "record/scan.h"

struct quorum_check;

must_check int quorum_check_new(struct quorum_check **ret_q);
void quorum_check_free(struct quorum_check *q); /* NULL is nothing */

enum quorum_verdict {
	QUORUM_FINE,
	QUORUM_BAD,    /* why tells */
	QUORUM_UNTOLD, /* what it went by may lie in what is not here: depends on missing */
};
/* Takes one event in. ret_missing: where it is untold, an event that should have been seen, 0: any
 * before. -ENOMEM. */
must_check int quorum_check_event(struct quorum_check *q, uint64_t seq, struct span stored,
				  const struct scan *s, enum quorum_verdict *ret_verdict,
				  uint64_t *ret_missing);
/* Of the last verdict. */
const char *quorum_check_why(const struct quorum_check *q);
