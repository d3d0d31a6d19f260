/* What the monitor gives a child process, and the table of requests between the processes. The monitor
 * forks each child, drops its privileges, closes everything else, then calls its main function.
 *
 * Channels are SOCK_SEQPACKET pairs that carry base/msg.h messages, "t" names the message:
 *
 * call (child -> monitor, one answer each: {"ok":true,...} or {"ok":false,"err":"...","why":"..."}):
 *   control   enrol      {session, pid, cgroup?, state}  fd 0: pidfd -> {cgroup, cgroup_id, generation, netns}
 *                        creates the cgroup "<instance>/<session>", listens in the pid's network namespace,
 *                        manages the cgroup, moves the process; with cgroup: attaches to that path instead;
 *                        ended?: the sockets from before that were ended, else foreign: those that forbid it
 *                        state: an object that the monitor keeps for control over restarts of either; it
 *                        reads issuer, subject, owner and role from it, for the events that it writes
 *             update     {cgroup_id, state}  replaces it
 *             workloads  {} -> fd: memfd, array of {session, cgroup, cgroup_id, generation, is_attached,
 *                        is_gone, state}; is_gone: it ended while the daemon was down, unenrol is due
 *             unenrol    {cgroup, cgroup_id, is_attached} kills what is left, removes, unmanages; an
 *                        attached cgroup that still holds processes stays managed, and thus refused
 *             contain    {cgroup_id, action: "freeze"|"thaw"|"kill"|"release"}  release: its processes leave the
 *                        managed tree (an attached cgroup: the programs leave it), the workload is forgotten
 *             managed    {pid} -> {managed: bool, cgroup_id?: the workload that it is in}
 *             population {cgroup} -> {n}
 *             stats      {cgroup_id} -> {connects, refused}
 *             open_key   {path}   -> fd   (beneath key_dirs or state_dir/keys/local.jwks only)
 *             open_policy {}      -> fd   (the configured path, followed anew)
 *             open_dead_letters {} -> fd  (state_dir/dead-letters.jsonl, to append to)
 *             mint       {claims} -> {token}  (only if the local issuer is configured)
 *             declare    {} fd: memfd, {names: [..], nets: [..]}: under what the node's CA may vouch for
 *                        the gateway; run_dir/ca.pem and trust.pem follow
 *   proxy     leaf       {name?, address?, key} -> {cert}  (PEM; key: its public half, DER in base64; those
 *                        of name and address that are declared)
 *             credential {source} -> fd   (file: beneath credential_dirs; command: run by the monitor as
 *                        the configured user; fd: inherited)
 *   console   open_tls   {what: "certificate" | "key"} -> fd   (the configured files)
 *   recorder  sign       {seq, root, hash, time, from, nodes} -> {key, sig}  (Ed25519, hex; seq must rise; root and
 *                        hash: 64 hex digits; over the text of a checkpoint, record/FORMAT.md; from, nodes: how the
 *                        tree grew from the one that was signed last, record/growth.h) or {from}: the size of that one
 *
 * notify (monitor -> child, no answer):
 *   all       stop       {}
 *   control   reload     {}   the policy
 *   console   peer       {name: "control"} fd
 *             reload     {}   the certificate
 *   control   peer       {name: "proxy" | "recorder" | "console"} fd: a new channel to it (after every start of it)
 *             checkpoint {line}  was signed: for the sinks off the node, where there are any
 *             refused    {cgroup_id, ...struct refusal}   (also recorded by the monitor itself)
 *   proxy     peer       {name: "control"} fd
 *             listen     {netns, port, at} fds: of struct listeners, at: the place of each in it
 *             unlisten   {netns}
 *   recorder  peer       {name: "control"} fd
 *
 * control -> proxy:
 *             policy     {} fd: memfd   -> proxy answers {"t":"policy","ok":..,"errors":[..]}
 *             session    {id, cgroup_id, generation, issuer, subject, owner, groups, role, exp}  (add, renew)
 *             end        {id, reason, sqlstate}   flows are closed with the reason
 *             status     {} -> proxy answers {"t":"status"} fd: memfd JSON {flows, ops, sessions: {id: {flows,
 *                        ops, denied, asked, masked}}, resources: ...}
 *             asked      {ask, request, deadline, joined, where}: the operation waits; told to its client
 *             answer     {ask, verdict: "release" | "deny" | "end", reason, request, release?, grant?, sqlstate?}
 *                        grant: that the same approval made
 *             grants     {} fd: memfd, array of what is in force, or used up and not over: {id, kind: "role" |
 *                        "text" | "pattern", issuer, subject, role, gives, hash, resource, until, uses,
 *                        narrows: [{resource?, relations, classes}], request, release}; replaces what was there
 *             explain    {number, role, resource, owner, database} fd: memfd of a text -> "explained"
 * proxy -> control:
 *             ask        {ask, session, flow, resource, rule, tag, class, hash, text_hash, pattern_hash} fd:
 *                        memfd {text | text_b64, params, needs, settings: [{name, value}] that the session has
 *                        changed, behind: what a name in the text runs, reads_data: rows follow that are not
 *                        shown, database, in_transaction, record_text}: an operation is held; ask is its number
 *             unask      {ask, reason, cancelled?}: whoever waited is gone, or has cancelled
 *             explained  {number, why} fd: memfd of explain/explain.h's JSON: a statement was explained
 *             taken      {ask, ok}: the release arrived, ok: in time, so the operation runs
 *             outcome    {request, tag, rows, duration_ns, sqlstate, error}: what ran by a release has ended
 *             used       {grant}: it let one operation pass
 *             estimate   {request, rows, cost, parts: [{how, relation, rows}], more} or {request, why}: what the
 *                        database expects of an operation that is held, where its rule says "estimate"
 * recorder -> control:
 *             reconciled {session, result: "match" | "partial" | "mismatch"}: record/ledger.h
 *             written    {ticket, seq}: an approval.* or grant.* event of control is on disk under this number
 * console -> control:
 *             certificate {until, fault}: what is shown to browsers: until when it is good, or what is wrong with it
 *             conn       {from: "address:port"} fd: one end of a stream, with one HTTP request on it as the client
 *                        sent it (parsed, not changed), for which control answers and then closes
 * control -> recorder:
 *             query      {kind: "sessions"|"events"|"verify"|"export", filters...} fd: write end of a pipe;
 *                        the recorder writes JSON lines and closes it
 */
#pragma once

#include <stdatomic.h>

#include "record/ring.h"

struct config;

#define MAX_LOOPS 16

/* In a shared page: when each part last said that it lives (CLOCK_MONOTONIC ns). The monitor beats the
 * kernel's heart only while all are fresh. */
enum health_slot {
	HEALTH_CONTROL,
	HEALTH_RECORDER,
	HEALTH_HEART, /* the monitor, when it last beat the kernel's heart */
	HEALTH_LOOP_0,
	HEALTH_SLOTS = HEALTH_LOOP_0 + MAX_LOOPS
};
struct health {
	_Atomic uint64_t beat_ns[HEALTH_SLOTS];
};
#define HEALTH_EVERY_MS 200
#define HEALTH_STALE_MS 4000 /* of a busy host, too; behind it new connects are refused */

struct child_env {
	int call_fd, notify_fd;
	struct health *health; /* mapped, shared */
	/* control: rings[0] is its own; proxy: one a loop; recorder: all, with the monitor's last */
	struct ring_desc rings[MAX_LOOPS + 2];
	int n_rings;
	int flow_map_fd, dest_map_fd; /* proxy */
	int control_fd;               /* control: listening Unix socket run_dir/control.sock */
	int metrics_fd;               /* control: listening TCP socket or -1 */
	int console_fd;               /* console: listening TCP socket */
	const char *gaps_json;        /* control: kernel_gaps, kernel_probe as text */
	const char *probe_json;
};

int proxy_main(const struct config *cfg, const struct child_env *env);
int control_main(const struct config *cfg, const struct child_env *env);
int console_main(const struct config *cfg, const struct child_env *env);
