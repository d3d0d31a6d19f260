/* From an accepted connection to a flow, or to a recorded refusal: who is behind it, where it was
 * going, which resource that is. In a lane's thread. */
#pragma once

#include "base/addr.h"
#include "kernel/flowmap.h"

struct lane;

/* fd is taken. The kernel is asked who it is. The lane's n_flows has been raised by one for it. */
void admit_connection(struct lane *l, int fd, uint64_t netns, const struct addr *peer,
		      const struct addr *local);
/* The same once that is known; tests come in here. */
void admit_known(struct lane *l, int fd, const struct flow_info *info);
/* A datagram on the listener's UDP socket fd. */
void admit_datagram(struct lane *l, int fd, uint64_t netns, const struct addr *peer,
		    const struct addr *local, struct span msg);
