/* "webhooks": where people are told that something waits for them, and from where they may answer.
 */
#pragma once

#include "base/arena.h"

#define HOOKS_MAX	16
#define HOOK_GROUPS_MAX 16

enum hook_format { HOOK_JSON, HOOK_SLACK, HOOK_TEAMS };

/* {"name", "url", "format"?, "secret", "groups"?}. Strings live in the arena. */
#define HOOK_SECRET_MIN 16 /* characters */

struct hook {
	const char *name, *url;
	const char *secret; /* "file:/path" beneath key_dirs: of the signature, both ways */
	enum hook_format format;
	const char *groups[HOOK_GROUPS_MAX]; /* answers that it signs count for these; none: it
						takes no answers */
	int n_groups;
};

struct hooks {
	struct hook at[HOOKS_MAX];
	int n;
};

struct json_t;
/* v: the configuration's value. 0 or ERR_CONFIG: ret_index is the element, and why says what was
 * expected. */
must_check int config_hooks_read(struct arena *a, const struct json_t *v, struct hooks *ret,
				 int *ret_index, char *ret_why, size_t why_size);
