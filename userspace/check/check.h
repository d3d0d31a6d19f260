/* Is what the configuration and the policy name there, and is it what it is for? Every file is
 * opened as the daemon's processes will open it: by root beneath the allowed folders, or as the
 * configured user; and is read by the code that will use it. Nothing is changed, no command is run,
 * no connection is made. */
#pragma once

#include <stdbool.h>

#include "base/span.h"

struct config;

struct check {
	const struct config *cfg;
	const char *name; /* of the file, for errors */
	struct span text; /* its content, for their places */
};

/* Prints "file:line:column: what, expected what, or what to do" to standard error for each finding,
 * and returns how many there are. is_all: also what the daemon starts without and would tell later
 * (a console's certificate, the policy, credentials); otherwise only what it cannot start without.
 * For a process that has one thread and is root; any other sees only what it may read:
 * ret_is_partial. */
int check_run(const struct check *k, bool is_all, bool *ret_is_partial);
