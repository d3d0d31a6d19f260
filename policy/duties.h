/* Segregation of duties: which identities could, by the policy alone and without a second person,
 * both read what masks hide from others and change something, or answer their own kind's requests.
 * An identity is what one group of a token gives: all its roles, whichever of them a session has,
 * and the roles that "grants" lend to them where members of their own groups suffice to approve.
 * Pure; uses the same decisions as the daemon. */
#pragma once

#include "policy/policy.h"

struct duty {
	enum duty_kind {
		DUTY_BOTH,  /* reads unmasked and writes, alone */
		DUTY_PEERS, /* what asks for an approval asks none but its own groups */
		DUTY_LENT,  /* as DUTY_BOTH, once a second person lends it a role: told, and no
			       finding */
		DUTY_VOID,  /* no mask names anything of this resource: nothing counts as unmasked;
			       told only */
	} kind;
	char group[128];
	char text[600]; /* one line for people */
};

/* on_duty is called for each. 0 or -ENOMEM. */
must_check int plan_duties(const struct plan *p, void (*on_duty)(void *ctx, const struct duty *d),
			   void *ctx);
