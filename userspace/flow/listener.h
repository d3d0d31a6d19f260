/* The listeners inside the workloads' network namespaces: descriptors from the monitor. TCP is
 * accepted in the main thread and handed to a lane; each UDP socket belongs to one lane. */
#pragma once

#include "base/addr.h"
#include "base/msg.h"

struct proxy;

/* Takes the descriptors of a "listen" message. ERR_MALFORMED, -ENOMEM. */
must_check int listener_add(struct proxy *p, struct msg *m);
void listener_del(struct proxy *p, uint64_t netns);
void listener_del_all(struct proxy *p);
