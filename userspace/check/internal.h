/* Between the files of check/: one run, in the process that has become the configured user. */
#pragma once

#include "base/msg.h"
#include "check/check.h"
#include "config.h"

struct checking {
	const struct check *k;
	struct msg_line monitor; /* answers "credential", "open_key", "open_tls", "open_policy" */
	int n_found;
};

/* A finding in the configuration's file; key: as config_place.h has paths; index: an element of it,
 * or -1. */
__attribute__((format(printf, 4, 5))) void found(struct checking *c, const char *key, int index,
						 const char *fmt, ...);
/* The same in another file. */
struct source_text {
	const char *name;
	struct span text;
};
__attribute__((format(printf, 4, 5))) void
found_in(struct checking *c, const struct source_text *in, const char *key, const char *fmt, ...);
/* What the monitor opens: the whole content, to be freed, NUL behind it; NULL with ret_why. request
 * is stolen. */
char *check_read(struct checking *c, json_t *request, size_t limit, size_t *ret_len, char *ret_why,
		 size_t why_size);

/* settings.c: what the daemon cannot start without, and the rest that the configuration names. */
void check_needed(struct checking *c);
void check_named(struct checking *c);
/* policy.c: the policy, and what it names. */
void check_policy(struct checking *c);

/* opener.c: opens as the monitor does. 0 and a descriptor, or a negative code. */
int open_requested(const struct config *cfg, const json_t *request, int *ret_fd);
