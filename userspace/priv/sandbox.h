/* Giving up what a process does not need. Irreversible. */
#pragma once

#include <stdbool.h>

#include "base/err.h"

struct sandbox {
	const char *user; /* never root */
	bool keep_bpf;	  /* CAP_BPF stays: map look-ups need it before kernel 6.0 */
	int parent;	  /* who started us */
	bool outlives;	  /* is not killed when the parent dies: it has something to bring to its end */
};

/* Becomes the user (no supplementary groups), drops every capability, forbids core dumps, tracing and
 * new privileges, dies with its parent (unless told), and refuses the system calls that it never needs.
 * 0, ERR_CONFIG (no such user, or root), or a negative errno: then the process must end. */
must_check int sandbox_enter(const struct sandbox *s);
