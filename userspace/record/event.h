/* The events of the audit log, as canonical JSON. One function an event type; each appends one
 * whole object to out. The recorder adds "_prev" (hex SHA-256 of the event before, its hash is over
 * the previous hash and the stored bytes) and "_seq"; '_' sorts before the letters, so the stored
 * bytes stay canonical. Every event holds node, session ("" for the node's own), owner, time (Unix
 * nanoseconds, integer) and type. Text that is not UTF-8 is base64 in a field "<name>_b64". */
#pragma once

#include "base/addr.h"
#include "base/buf.h"
#include "policy/op.h"

struct json_t;

/* What every event of a session or flow says. Strings borrowed; NULL is written as "". */
struct event_ctx {
	const char *node;
	const struct who *who; /* NULL for the node's own events */
	const char *flow;      /* "f-..." or NULL */
	const char *resource;  /* or NULL */
	uint64_t time_ns;      /* real time */
	const struct event_known *known; /* the same but for the time, written once for many events; or NULL */
};

/* The fields that all events of a flow share, as JSON. Zero: none. */
#define EVENT_KNOWN_FIELDS 7
struct event_known {
	struct buf json;
	uint32_t at[EVENT_KNOWN_FIELDS + 1]; /* where each begins, and the last one ends */
};
/* Writes them anew. -ENOMEM, ERR_LIMIT: then there are none. event_known_done: frees. */
must_check int event_know(struct event_known *k, const struct event_ctx *c);
void event_known_done(struct event_known *k);

/* Which program of the workload did it: read in the kernel, a label and no boundary. */
struct process_label {
	uint32_t pid, uid;
	const char *comm, *exe;
};

/* node.start, node.stop: version, what is missing of the kernel (a JSON array of strings, may be
 * NULL). */
void event_node(struct buf *out, const struct event_ctx *c, const char *type, const char *version,
		struct span gaps_json);
/* session.start: identity and how it came (run, attach); policy: plan hash. */
void event_session_start(struct buf *out, const struct event_ctx *c, const char *how,
			 const char *cgroup, uint64_t cgroup_id, const char *const *groups,
			 int n_groups, const char *const *command, int n_command,
			 const char *policy);
/* session.renew; session.revoke; session.end (reason, exit code or -1). */
void event_session_renew(struct buf *out, const struct event_ctx *c);
void event_session_end(struct buf *out, const struct event_ctx *c, const char *type,
		       const char *reason, int exit_code);
/* session.kernel: what the kernel counted of it, apart from the gateway (bpf/shared.h, struct tally). */
struct kernel_figures {
	uint64_t opened, closed, used, up_min, up_max, down, dropped;
};
void event_session_kernel(struct buf *out, const struct event_ctx *c, const struct kernel_figures *k);
/* node.fault: a process of the gateway ended by itself. */
void event_fault(struct buf *out, const struct event_ctx *c, const char *process, const char *reason);
/* policy.load: hash, and the error where it was refused (NULL: it is in force). */
void event_policy(struct buf *out, const struct event_ctx *c, const char *hash, const char *error);
/* admin.login, admin.logout, admin.call: who asked what of the admin API, before it is done. NULL: left out. */
struct event_admin {
	const char *type, *actor, *actor_issuer, *decision, *from, *method, *path, *reason;
	struct span query;
};
void event_admin(struct buf *out, const struct event_ctx *c, const struct event_admin *a);
/* flow.open, flow.close. */
void event_flow_open(struct buf *out, const struct event_ctx *c, const char *protocol,
		     const struct addr *dst, const char *name, const struct process_label *p);
struct flow_figures {
	uint64_t bytes_up, bytes_down; /* read from the client, from the upstream */
	uint64_t wire_up, wire_down;   /* on the client's connection, by the kernel: flow/wire.h */
	uint64_t duration_ns;
};
void event_flow_close(struct buf *out, const struct event_ctx *c, const char *reason,
		      const struct flow_figures *f);
/* mask.applied: how many operations of a flow were masked by a rule (NULL: by several others), and how many values. */
void event_masked(struct buf *out, const struct event_ctx *c, const char *rule, uint64_t ops, uint64_t values);
/* op: before release. Text and parameters whole up to text_limit bytes each, then cut and marked
 * with the full length and SHA-256. */
void event_op(struct buf *out, const struct event_ctx *c, const struct op *op,
	      const struct decision *d, size_t text_limit);
/* The same; what the event cuts goes whole into op.part events, which come before it (record/parts.h). NULL: it does
 * not. */
struct parts;
void event_op_whole(struct buf *out, struct parts *parts, const struct event_ctx *c, const struct op *op,
		    const struct decision *d, size_t text_limit);
/* op.end. rows_json: canonical JSON array of arrays (may be empty), columns_json: array of strings;
 * rows_sha256: over all rows where the resource keeps hashes (rows_json is empty), over the array of all rows where
 * rows_json does not hold all; or NULL. is_cut: the limit was reached. */
void event_op_end(struct buf *out, const struct event_ctx *c, uint64_t op_id,
		  const struct op_result *r, struct span columns_json, struct span rows_json,
		  const uint8_t *rows_sha256, bool is_cut);
/* connect.refused: by the kernel or the gateway. proto: "tcp", "udp", "dns", "family 17", ... name:
 * the DNS name that was asked, or NULL. count: how often, where several were folded into one. */
void event_refused(struct buf *out, const struct event_ctx *c, const char *proto,
		   const struct addr *dst, const char *name, const struct process_label *p,
		   const char *reason, uint64_t count);
/* connect.refused of connections that the gateway had taken (accepted of them), with what they carried. cgroup_id:
 * where there is no identity. */
struct turned_away {
	const char *proto, *reason;
	const struct addr *dst;
	const struct process_label *by;
	uint64_t count, accepted, cgroup_id, wire_up, wire_down;
};
void event_turned_away(struct buf *out, const struct event_ctx *c, const struct turned_away *t);
/* bypass.attempt: a way around the gateway that was refused; vector says which. As connect.refused else. */
void event_bypass(struct buf *out, const struct event_ctx *c, const char *vector, const char *proto,
		  const struct addr *dst, const struct process_label *p, const char *reason, uint64_t count);
/* record.garbage (what a producer wrote that is no event: how many, what was wrong), record.resume
 * (after the store could not be written to: count is how many seconds). The recorder's own. */
void event_record(struct buf *out, const struct event_ctx *c, const char *type,
		  const char *producer, const char *reason, uint64_t count, uint64_t bytes);
/* approval.*, grant.*: EVENTS.md says which fields. fields: an object without floats, at most 48 keys, whose
 * lists hold values of one kind; null and, at the top, false are left out. */
void event_fields(struct buf *out, const struct event_ctx *c, const char *type,
		  const struct json_t *fields);
