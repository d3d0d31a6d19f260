/* The daemon's admin API as the command line uses it: HTTP over its Unix socket. Errors of the
 * daemon are {"error": "text", "remedy": "text"}. Times are Unix seconds.
 *
 * POST /v1/sessions          {token, role?, command: [..]} for the peer itself, or {token, role?, cgroup}
 *                            -> 201 {session, cgroup, role, subject, owner, expires}; an error may hold
 *                            "foreign": [{pid, fd, what}], sockets from before the cgroup was managed
 * POST /v1/sessions/ID/renew  {token} -> {session, expires}
 * POST /v1/sessions/ID/revoke {reason}
 * POST /v1/sessions/ID/end    {exit_code} -> the summary
 * GET  /v1/sessions/ID        the summary: {session, ops, denied, denied_rules: {rule: n},
 *                            refused: [{proto, host, name?, port, count}]}
 * GET  /v1/status            {node, version, policy, workloads: [{session, subject, owner, role, expires,
 *                            cgroup, processes, flows, ops, ops_per_second, denied}]}
 * POST /v1/policy/reload     {ok, changed, path, hash, errors: [{line, column, text}], warnings}; 422 if refused
 * GET  /v1/doctor            {features: [{feature, have, need, cost, remedy}]}
 * POST /v1/tokens            {sub, groups: [..], owner?, ttl (seconds), aud?} -> 201 {token} */
#pragma once

#include <jansson.h>

#include "base/buf.h"

#define API_SOCKET     "/run/sluice/control.sock"
#define API_ANSWER_MAX (4 * 1024 * 1024)
#define API_LINE_MAX   (1024 * 1024)

/* Where the daemon listens: by default $SLUICE_SOCKET, or API_SOCKET. Borrowed. */
void api_set_socket(const char *path);
const char *api_socket(void);

/* One call. body (borrowed) may be NULL. 0: an answer came, *ret_status is its HTTP status, *ret_answer
 * its JSON (owned by the caller; NULL if it is empty). Negative: no answer; -ENOENT, -ECONNREFUSED (no
 * daemon), -EACCES, -ETIMEDOUT, -EIO, ERR_LIMIT, ERR_MALFORMED. Says nothing. */
must_check int api_call(const char *method, const char *path, json_t *body, json_t **ret_answer,
			int *ret_status);
/* As api_call, but anything but a 2xx is said on stderr, with the remedy. 0 or negative. */
must_check int api_do(const char *method, const char *path, json_t *body, json_t **ret_answer);
/* GET of JSON lines; on_line gets each without its newline, borrowed, and ends it with anything but 0,
 * which is then the result. Streams: no limit but a line's. 0, or negative after the reason was said on
 * stderr. */
must_check int api_get(const char *path, int (*on_line)(void *ctx, const char *line, size_t len),
		       void *ctx);
/* Says on stderr why api_call did not give a 2xx, and what to do. */
void api_complain(int err, int status, const json_t *answer);

/* Appends "?key=value" or "&key=value", escaped, to a path that is being built; NULL value: nothing. */
void api_add_query(struct buf *path, const char *key, const char *value);
