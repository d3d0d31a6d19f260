/* Which identity is behind a cgroup: control tells, the loops look it up. A session is immutable
 * but for its counters; renewal replaces it, and flows that hold the old one are handed the new
 * one. */
#pragma once

#include <stdatomic.h>

#include "base/arena.h"
#include "policy/op.h"

struct questions;

/* What happened in a session so far. Shared by all its renewals. */
struct session_counts {
	_Atomic uint64_t flows, ops, denied, asked, masked, observed, refused;
	_Atomic int open_flows;
	_Atomic int refs;
	struct questions *questions; /* the names that it asked for */
};

struct session {
	_Atomic int refs;
	struct who who; /* session id, identity, role, expiry */
	uint64_t cgroup_id;
	uint32_t generation;
	const char *const *groups;
	int n_groups;
	struct session_counts *counts;
	struct arena arena; /* holds all strings */
};

struct registry;
must_check int registry_new(struct registry **ret_r);
void registry_free(struct registry *r);

/* Adds, or replaces the session of the same id (a renewal keeps its counts). Strings are copied.
 * Another id on the same cgroup and generation replaces the former one. ret_s: the new one,
 * referenced. ERR_MALFORMED (no id, no role, expired already is no error), ERR_LIMIT, -ENOMEM. */
must_check int registry_put(struct registry *r, const struct session *like, struct session **ret_s);
/* Takes it out; ret_s is referenced. ERR_NOT_FOUND. */
must_check int registry_remove(struct registry *r, const char *id, struct session **ret_s);
/* Referenced. ERR_NOT_FOUND: no such workload, or another generation of it. Any thread. */
must_check int registry_find(struct registry *r, uint64_t cgroup_id, uint32_t generation,
			     struct session **ret_s);
/* Calls fn for each under the lock. */
void registry_each(struct registry *r, void (*fn)(void *ctx, const struct session *s), void *ctx);

struct session *session_ref(struct session *s);
void session_unref(struct session *s);
/* now_s: Unix seconds. */
static inline bool session_is_over(const struct session *s, int64_t now_s)
{
	return now_s >= s->who.expires;
}
