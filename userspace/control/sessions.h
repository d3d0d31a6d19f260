/* The registry of sessions: live ones, and the last of those that ended, so that their owner may ask what
 * happened. Identities come from verified tokens only. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/loop.h"
#include "policy/op.h"

#define SESSIONS_LIVE_MAX  4096
#define SESSIONS_ENDED_MAX 512
#define SESSION_ID_MAX	   32

enum session_state { SESSION_LIVE, SESSION_EXPIRED, SESSION_REVOKED, SESSION_ENDED };
const char *session_state_name(enum session_state s);

struct control;

struct session {
	struct session *next; /* newest first */
	struct control *c;
	char id[SESSION_ID_MAX];
	char *cgroup;
	uint64_t cgroup_id;
	uint32_t generation;
	bool is_attached;
	enum session_state state;
	int bypass_done; /* enum bypass_action: what policy did to it already */
	char *issuer, *subject, *owner, *role, *token_sha256;
	json_t *groups, *command;      /* arrays of strings */
	int64_t expires;	       /* Unix seconds */
	uid_t uid;		       /* who enrolled it, and may ask about it */
	uint64_t started_ns, ended_ns; /* real time; 0: not ended */
	uint64_t emptied_ns;	       /* CLOCK_MONOTONIC: since when nobody is left; 0: somebody is */
	struct timer expiry;
	int watch; /* inotify's, of cgroup.events; -1 */
	char *end_reason;
	int exit_code; /* -1: not known */
};

struct sessions {
	struct session *first;
	int n_live, n_ended;
};

/* A session with a fresh id, not linked in. NULL: out of memory. */
struct session *session_new(struct control *c);
void session_free(struct session *s);
must_check int sessions_add(struct sessions *list, struct session *s); /* ERR_LIMIT */
/* It counts as ended from now on; the oldest ended ones beyond the limit are freed. */
void sessions_retire(struct sessions *list, struct session *s);
struct session *session_by_id(const struct sessions *list, const char *id);
struct session *session_by_watch(const struct sessions *list, int watch);
void sessions_free(struct sessions *list);
static inline bool session_is_over(const struct session *s)
{
	return s->state == SESSION_ENDED;
}

/* Borrows from s. */
void session_who(const struct session *s, struct who *ret);
/* What clients see. */
json_t *session_json(const struct session *s);
/* What the monitor keeps for us, and back. NULL, false: malformed. */
json_t *session_state(const struct session *s);
must_check int session_from_state(struct session *s, const json_t *state);
