/* Giving up what a process does not need. Irreversible. */
#pragma once

#include <stdbool.h>

#include "base/err.h"

struct sandbox {
	const char *user;  /* never root */
	bool keep_bpf;     /* CAP_BPF stays: map look-ups need it before kernel 6.0 */
	int parent;        /* the process is killed when this one is gone */
};

/* Becomes the user (no supplementary groups), drops every capability, forbids core dumps, tracing and
 * new privileges, dies with its parent, and refuses the system calls that it never needs.
 * 0, ERR_CONFIG (no such user, or root), or a negative errno: then the process must end. */
must_check int sandbox_enter(const struct sandbox *s);
