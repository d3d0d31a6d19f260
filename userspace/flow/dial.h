/* How a flow gets its far side: a worker connects and logs in, or, where the policy leaves that to the client, connects
 * alone; then the client logs in through the flow itself, and a worker reads what else the session needs. */
#pragma once

#include "proto/proto.h"

struct flow;

/* sink_ops of pipeline.c */
must_check int dial_start(struct flow *f, const struct dial *d);
must_check int dial_entered(struct flow *f, const struct entered *e);
/* Does what is read and written now belong to a client's own login? Then nothing of it may stay in memory. */
bool dial_is_private(const struct flow *f);
void dial_done(struct flow *f);
