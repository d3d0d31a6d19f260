/* CancelRequest on its way: from the flow that asked, by way of the lane of the flow that is meant,
 * to the server and back. While it is under way nothing new of that flow goes to the server, and
 * the asker's connection stays open: so what is cancelled is what ran when it came, never the
 * statement behind it. PostgreSQL documentation, "Canceling Requests in Progress". */
#pragma once

#include "base/err.h"

#include <stdint.h>

struct flow;

/* f asks, with a pid and key of ours. ERR_HELD: RESUME_CANCELLED comes when all is done; 0: there
 * is nothing to do (no such session, not of this workload, too often). */
must_check int cancelling_request(struct flow *f, uint32_t pid, uint32_t key);
/* What runs upstream for this flow is to stop: the flow is being closed under it. */
void cancelling_own(struct flow *f);
/* The flow ends: nobody waits any more. */
void cancelling_done(struct flow *f);
