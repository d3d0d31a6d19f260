/* CancelRequest: each PostgreSQL session that we serve has a random (pid, key) of ours, which
 * stands for the server's. Only the same workload may cancel, and not without end. Any thread. */
#pragma once

#include "base/addr.h"

struct cancels;
struct cancel_entry;
struct session;

must_check int cancels_new(struct cancels **ret_c);
void cancels_free(struct cancels *c);
/* Makes up a pid and key. NULL: out of memory. */
struct cancel_entry *cancels_add(struct cancels *c, uint64_t cgroup_id, const struct addr *peer,
				 uint32_t real_pid, uint32_t real_key);
void cancels_del(struct cancels *c, struct cancel_entry *e);
uint32_t cancel_pid(const struct cancel_entry *e);
uint32_t cancel_key(const struct cancel_entry *e);

struct cancel_target {
	struct addr peer;
	uint32_t pid, key;
};
/* ERR_NOT_FOUND: no such pid, another key, another workload. ERR_LIMIT: too often. */
must_check int cancels_find(struct cancels *c, uint32_t pid, uint32_t key, uint64_t cgroup_id,
			    uint64_t now_ns, struct cancel_target *ret);
void cancel_target(const struct cancel_entry *e, struct cancel_target *ret);
