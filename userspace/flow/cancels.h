/* CancelRequest: each PostgreSQL session that we serve has a random key of ours, which stands for
 * the server's. Only the same workload may cancel, and not without end. Any thread. */
#pragma once

#include "base/addr.h"

struct cancels;
struct cancel_entry;
struct flow;
struct lane;
struct session;
struct tls_client;

must_check int cancels_new(struct cancels **ret_c);
void cancels_free(struct cancels *c);
struct cancel_target {
	struct addr peer;
	uint32_t pid, key;
	struct tls_client *client; /* how TLS is begun there, or NULL; a reference */
};
void cancel_target_done(struct cancel_target *t);

/* The server's pid is kept (tools show it, pg_blocking_pids() names it), the key is made up. A
 * reference of real->client is taken. NULL: out of memory. */
struct cancel_entry *cancels_add(struct cancels *c, struct flow *f,
				 const struct cancel_target *real);
/* The flow ends: nothing finds it any more. */
void cancels_del(struct cancels *c, struct cancel_entry *e);
struct cancel_entry *cancel_entry_ref(struct cancels *c, struct cancel_entry *e);
void cancel_entry_unref(struct cancels *c, struct cancel_entry *e);
uint32_t cancel_pid(const struct cancel_entry *e);
uint32_t cancel_key(const struct cancel_entry *e);
struct lane *cancel_lane(const struct cancel_entry *e);
/* In its lane only. NULL: it has gone. */
struct flow *cancel_flow(const struct cancel_entry *e);
/* To be ended with cancel_target_done. */
void cancel_target(const struct cancel_entry *e, struct cancel_target *ret);

/* ret: a reference. ERR_NOT_FOUND: no such pid, another key, another workload. ERR_LIMIT: too
 * often. */
must_check int cancels_find(struct cancels *c, uint32_t pid, uint32_t key, uint64_t cgroup_id,
			    uint64_t now_ns, struct cancel_entry **ret);
