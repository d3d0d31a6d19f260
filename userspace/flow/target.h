/* What a login is to be: from the flow, its resource (as its "login" says) and the client's startup
 * packet. */
#pragma once

#include "upstream/login.h"

struct dial;
struct flow;

/* Fills *t in, whose arena is the caller's to free, come what may. ERR_LIMIT, ERR_MALFORMED (the
 * startup parameters), ERR_DENIED (a user that may not be chosen, a setting that is pinned):
 * sqlstate and why are for the client. */
must_check int target_fill(struct flow *f, const struct dial *d, struct target *t,
			   char ret_sqlstate[6], char ret_why[WHY_MAX]);
/* Names of its catalogue are to be read as this user of the database does: it is set as the role. What does not
 * fit fails the arena. */
void target_act_as(struct target *t, const char *user);
