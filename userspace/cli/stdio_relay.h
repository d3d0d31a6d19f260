/* Standard input, output or error that is a Unix socket (a service manager's journal, an inetd)
 * does not come along into a workload: whoever holds its other end could hand any descriptor in. A
 * pipe does, and a process outside relays between the two, bytes only. */
#pragma once

#include <sys/types.h>

#include "base/err.h"

struct stdio_relay {
	int ends[3]; /* of the pipes, the command's; -1 where none is needed */
	pid_t pids[3];
};

/* Starts a process for each that is one. */
must_check int stdio_relay_start(struct stdio_relay *r);
/* In the command's process: the pipes take their places. */
void stdio_relay_take(const struct stdio_relay *r);
/* In `sluice run` itself: they are the command's only. */
void stdio_relay_leave(struct stdio_relay *r);
/* After the command ended: until what it wrote has been passed on, for at most a second. */
void stdio_relay_wait(struct stdio_relay *r);
