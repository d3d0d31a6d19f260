/* The child of `sluice run`, from fork to exec: nothing of the command runs before it is enrolled. */
#pragma once

#include <sys/types.h>

#include "base/buf.h"

#define EXIT_SLUICE 125 /* sluice itself failed */
#define EXIT_NO_RUN 126 /* the command is there and cannot be run */
#define EXIT_NO_CMD 127 /* the command is not there */

struct guard;

struct child_plan {
	struct span token;
	const char *role; /* or NULL */
	char *const *argv;
	const struct guard *guard;
	pid_t parent; /* dies with it */
	int told_fd; /* pipe to the parent, close-on-exec: one line of JSON (the daemon's answer), then, only
		      * if exec failed, a line with its errno */
};

/* Never returns: closes all descriptors but 0-2 and told_fd, checks 0-2, enrols itself, shuts the guard
 * behind itself, runs the command. Failures are said on stderr; exit code EXIT_SLUICE, or the shell's for a
 * failed exec. */
_Noreturn void child_run(const struct child_plan *p);
