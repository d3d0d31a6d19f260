#include "control/sessions.h"

#include <errno.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/macro.h"

const char *session_state_name(enum session_state s)
{
	static const char *const names[] = {"live", "expired", "revoked", "ended"};
	return names[s];
}

/* 50 random bits: no two sessions of a node's record meet. */
static int make_id(char id[SESSION_ID_MAX])
{
	static const char abc[] = "0123456789abcdefghjkmnpqrstvwxyz";
	uint8_t bytes[10];
	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return -EIO;
	memcpy(id, "s-", 2);
	for (size_t i = 0; i < sizeof(bytes); i++)
		id[2 + i] = abc[bytes[i] & 31];
	id[2 + sizeof(bytes)] = 0;
	return 0;
}

struct session *session_new(struct control *c)
{
	struct session *s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->c = c;
	s->watch = s->exit_code = -1;
	s->started_ns = clock_real_ns();
	timer_init(&s->expiry, NULL);
	if (make_id(s->id) < 0) {
		free(s);
		return NULL;
	}
	return s;
}

void session_free(struct session *s)
{
	if (!s)
		return;
	free(s->cgroup);
	free(s->issuer);
	free(s->subject);
	free(s->owner);
	free(s->role);
	free(s->token_sha256);
	free(s->end_reason);
	json_decref(s->groups);
	json_decref(s->command);
	free(s);
}

int sessions_add(struct sessions *list, struct session *s)
{
	if (list->n_live >= SESSIONS_LIVE_MAX)
		return ERR_LIMIT;
	s->next = list->first;
	list->first = s;
	list->n_live++;
	return 0;
}

static void free_oldest_ended(struct sessions *list)
{
	struct session **oldest = NULL;
	for (struct session **at = &list->first; *at; at = &(*at)->next)
		if (session_is_over(*at))
			oldest = at;
	if (!oldest)
		return;
	struct session *s = *oldest;
	*oldest = s->next;
	list->n_ended--;
	session_free(s);
}

void sessions_retire(struct sessions *list, struct session *s)
{
	s->state = SESSION_ENDED;
	s->ended_ns = clock_real_ns();
	list->n_live--;
	if (++list->n_ended > SESSIONS_ENDED_MAX)
		free_oldest_ended(list);
}

struct session *session_by_id(const struct sessions *list, const char *id)
{
	struct session *s = list->first;
	while (s && strcmp(s->id, id))
		s = s->next;
	return s;
}

struct session *session_by_watch(const struct sessions *list, int watch)
{
	struct session *s = list->first;
	while (s && s->watch != watch)
		s = s->next;
	return s;
}

void sessions_free(struct sessions *list)
{
	for (struct session *s = list->first, *next; s; s = next) {
		next = s->next;
		session_free(s);
	}
	*list = (struct sessions){0};
}

void session_who(const struct session *s, struct who *ret)
{
	*ret = (struct who){s->id, s->issuer, s->subject, s->owner, s->role, s->expires};
}

json_t *session_json(const struct session *s)
{
	return json_pack("{s:s,s:s,s:I,s:b,s:s,s:s,s:s,s:s,s:s,s:s,s:s*,s:O,s:O,s:I,s:I,s:I,s:I,s:i,s:i}",
			 "session", s->id, "cgroup", s->cgroup, "cgroup_id", (json_int_t)s->cgroup_id,
			 "is_attached", s->is_attached, "state", session_state_name(s->state), "issuer",
			 s->issuer, "subject", s->subject, "identity", s->subject, "owner", s->owner, "role",
			 s->role, "end_reason", s->end_reason, "groups", s->groups, "command", s->command,
			 "expires", (json_int_t)s->expires, "started_ns", (json_int_t)s->started_ns,
			 "ended_ns", (json_int_t)s->ended_ns, "generation", (json_int_t)s->generation, "uid",
			 (int)s->uid, "exit_code", s->exit_code);
}

json_t *session_state(const struct session *s)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:O,s:O,s:I,s:I,s:i,s:i}", "issuer", s->issuer, "subject",
			 s->subject, "owner", s->owner, "role", s->role, "token_sha256", s->token_sha256,
			 "groups", s->groups, "command", s->command, "expires", (json_int_t)s->expires,
			 "started_ns", (json_int_t)s->started_ns, "uid", (int)s->uid, "state", (int)s->state);
}

int session_from_state(struct session *s, const json_t *state)
{
	const char *issuer, *subject, *owner, *role, *sha;
	json_t *groups, *command;
	json_int_t expires, started;
	int uid, phase;
	if (json_unpack((json_t *)state, "{s:s,s:s,s:s,s:s,s:s,s:o,s:o,s:I,s:I,s:i,s:i}", "issuer", &issuer,
			"subject", &subject, "owner", &owner, "role", &role, "token_sha256", &sha, "groups",
			&groups, "command", &command, "expires", &expires, "started_ns", &started, "uid",
			&uid, "state", &phase) < 0)
		return ERR_MALFORMED;
	if (!json_is_array(groups) || !json_is_array(command) || phase < 0 || phase > SESSION_REVOKED)
		return ERR_MALFORMED;
	s->issuer = strdup(issuer);
	s->subject = strdup(subject);
	s->owner = strdup(owner);
	s->role = strdup(role);
	s->token_sha256 = strdup(sha);
	s->groups = json_incref(groups);
	s->command = json_incref(command);
	s->expires = expires;
	s->started_ns = (uint64_t)started;
	s->uid = (uid_t)uid;
	s->state = (enum session_state)phase;
	return s->issuer && s->subject && s->owner && s->role && s->token_sha256 ? 0 : -ENOMEM;
}
