/* Enrolment and renewal: a token is verified, and bound to a cgroup. */
#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "base/macro.h"
#include "control/control_internal.h"
#include "policy/command.h"
#include "record/event.h"

#define ROLES_MAX     32
#define GROUPS_MAX    256
#define LEEWAY_S      30
#define COMMAND_WORDS 64
#define GUARD_WORDS   16
#define COMMAND_BYTES 8192
#define CGROUP_MAX    3000

/* One token on its way. Owns what it holds; the client may go away meanwhile. */
struct job {
	struct keys_wait wait; /* first: see on_keys */
	struct conn_hold hold;
	struct control *c;
	struct plan *plan; /* the policy of the moment of asking decides, whatever is loaded meanwhile */
	const struct issuer *issuer;
	json_t *body;
	char session[SESSION_ID_MAX]; /* of a renewal; "" otherwise */
	json_t *ended;		      /* the sockets from before that an attached cgroup lost, or NULL */
	bool is_retry;
};

static void job_free(struct job *j)
{
	conn_release(&j->hold);
	const char *token = json_string_value(json_object_get(j->body, "token"));
	if (token)
		explicit_bzero((char *)token, strlen(token));
	json_decref(j->body);
	json_decref(j->ended);
	plan_unref(j->plan);
	free(j);
}

/* Says no, and ends the job. */
#define job_fail(j, status, remedy, ...)                                                                     \
	do {                                                                                                 \
		(j)->c->n_enrol_refused++;                                                                   \
		if ((j)->hold.conn)                                                                          \
			conn_fail((j)->hold.conn, status, remedy, __VA_ARGS__);                              \
		job_free(j);                                                                                 \
	} while (0)

/* --- binding ------------------------------------------------------------------------------------ */

static void list_roles(const char **roles, int n, char *out, size_t size)
{
	size_t at = 0;
	out[0] = 0;
	for (int i = 0; i < n && at < size; i++)
		at += (size_t)snprintf(out + at, size - at, "%s%s", i ? ", " : "", roles[i]);
}

/* The one role: the only one, or the one that was asked for. NULL: refused, and the job is over. */
static const char *choose_role(struct job *j, const struct identity *id, const char *wanted)
{
	const char *roles[ROLES_MAX];
	char text[400];
	int n = plan_roles(j->plan, id->groups, id->n_groups, roles, ROLES_MAX);
	n = MIN(n, ROLES_MAX);
	list_roles(roles, n, text, sizeof(text));
	for (int i = 0; wanted && i < n; i++)
		if (!strcmp(roles[i], wanted))
			return roles[i];
	if (n == 0)
		job_fail(j, 403, "see \"roles\" in the policy: which groups give which role",
			 "none of the groups of %s gives a role", id->subject);
	else if (wanted)
		job_fail(j, 403, NULL, "the groups of %s do not give the role %s, but: %s", id->subject,
			 wanted, text);
	else if (n > 1)
		job_fail(j, 409, "say which: --role ROLE", "the groups of %s give several roles: %s",
			 id->subject, text);
	else
		return roles[0];
	return NULL;
}

static int take_identity(struct session *s, const struct identity *id, const char *role)
{
	json_t *groups = json_array();
	for (int i = 0; i < id->n_groups; i++)
		json_array_append_new(groups, json_string(id->groups[i]));
	s->issuer = strdup(id->issuer);
	s->subject = strdup(id->subject);
	s->owner = strdup(id->owner);
	s->role = strdup(role);
	s->token_sha256 = strdup(id->token_sha256);
	s->groups = groups;
	s->expires = id->expires;
	return s->issuer && s->subject && s->owner && s->role && s->token_sha256 && groups ? 0 : -ENOMEM;
}

/* Strings of a JSON array, borrowed. */
static int texts_of(const json_t *list, const char **out, int max)
{
	int n = 0;
	size_t i;
	json_t *v;
	json_array_foreach((json_t *)list, i, v)
		if (json_is_string(v) && n < max)
			out[n++] = json_string_value(v);
	return n;
}

/* Which parts of its guard `sluice run` says that it will shut: how what the kernel leaves open is closed. */
static void record_guard(struct control *c, const struct session *s, const json_t *body)
{
	const char *parts[GUARD_WORDS];
	char text[200] = "";
	const json_t *list = json_object_get(body, "guard");
	if (!json_is_array(list))
		return;
	list_roles(parts, texts_of(list, parts, GUARD_WORDS), text, sizeof(text));
	if (record_session(c, s, "session.guard", *text ? text : "none", -1) < 0)
		log_error("session %s: its guard is not recorded", s->id);
}

/* What an attached cgroup's processes had open before, and have no longer. */
static void record_ended(struct control *c, const struct session *s, const json_t *ended)
{
	char text[600] = "";
	size_t at = 0, i;
	json_t *e;
	if (!ended)
		return;
	json_array_foreach((json_t *)ended, i, e) {
		const char *what = json_string_value(json_object_get(e, "what"));
		int n = snprintf(text + at, sizeof(text) - at, "%sprocess %d: %s", i ? "; " : "",
				 (int)json_integer_value(json_object_get(e, "pid")), what ? what : "?");
		if (n < 0 || (size_t)n >= sizeof(text) - at - 32) {
			snprintf(text + at, sizeof(text) - at, "; and %zu more", json_array_size(ended) - i);
			break;
		}
		at += (size_t)n;
	}
	if (record_session(c, s, "session.strays", text, -1) < 0)
		log_error("session %s: the sockets that its processes lost are not recorded", s->id);
}

static int record_start(struct control *c, const struct session *s, const struct plan *plan)
{
	const char *groups[GROUPS_MAX], *command[COMMAND_WORDS];
	struct who who;
	struct buf event;
	int n_groups = texts_of(s->groups, groups, GROUPS_MAX),
	    n_command = texts_of(s->command, command, COMMAND_WORDS);
	session_who(s, &who);
	struct event_ctx ctx = {.node = c->cfg->node, .who = &who, .time_ns = clock_real_ns()};
	buf_init(&event, RING_EVENT_MAX);
	event_session_start(&event, &ctx, s->is_attached ? "attach" : "run", s->cgroup, s->cgroup_id, groups,
			    n_groups, command, n_command, plan_hash(plan));
	live_changed(c, "sessions");
	return control_record(c, &event);
}

static json_t *enrol_request(const struct session *s, const struct peer_cred *peer, const char *cgroup)
{
	return json_pack("{s:s,s:s,s:i,s:s*,s:o}", "t", "enrol", "session", s->id, "pid", (int)peer->pid,
			 "cgroup", cgroup, "state", session_state(s));
}

/* The monitor makes the cgroup and moves the process. From here on it is managed, and refused until the
 * proxy knows the session. */
static int bind_cgroup(struct job *j, struct session *s, const char *cgroup)
{
	struct msg answer = {0};
	char why[300];
	const char *path;
	json_int_t id, generation;
	struct conn *conn = j->hold.conn;
	int r = monitor_call(j->c, enrol_request(s, &conn->peer, cgroup), conn->peer.pidfd, &answer, why,
			     sizeof(why));
	if (r == 0 && json_unpack(answer.json, "{s:s,s:I,s:I}", "cgroup", &path, "cgroup_id", &id,
				  "generation", &generation) < 0)
		r = ERR_MALFORMED;
	if (r == 0) {
		s->cgroup = strdup(path);
		s->cgroup_id = (uint64_t)id;
		s->generation = (uint32_t)generation;
		s->is_attached = cgroup != NULL;
		j->ended = json_incref(json_object_get(answer.json, "ended"));
		msg_done(&answer);
		return s->cgroup ? 0 : -ENOMEM;
	}
	json_t *foreign = json_object_get(answer.json, "foreign");
	log_warn("an enrolment of uid %u failed: %s", (unsigned)conn->peer.uid, why);
	if (foreign)
		conn_answer(conn, 409,
			    json_pack("{s:s,s:s,s:O}", "error", why, "remedy",
				      "restart them inside, or end those connections first", "foreign",
				      foreign));
	else
		conn_fail(conn, 409, NULL, "the workload cannot be enrolled: %s", why);
	msg_done(&answer);
	return r;
}

static void enrol_session(struct job *j, struct session *s)
{
	const char *cgroup = json_string_value(json_object_get(j->body, "cgroup"));
	struct control *c = j->c;
	struct conn *conn = j->hold.conn;
	if (bind_cgroup(j, s, cgroup) < 0) {
		c->n_enrol_refused++;
		session_free(s);
		return;
	}
	int r = sessions_add(&c->sessions, s);
	if (r < 0) {
		c->sessions.n_live++; /* session_end counts it out again */
		s->next = c->sessions.first;
		c->sessions.first = s;
		session_end(c, s, "too many sessions", -1);
		conn_fail(conn, 503, NULL, "too many sessions");
		return;
	}
	/* The event first: nothing passes for a session that is not on record. */
	r = record_start(c, s, j->plan);
	if (r < 0) {
		session_end(c, s, "its start cannot be recorded", -1);
		conn_fail(conn, 503, "see the daemon's log: the disk may be full",
			  "the start cannot be recorded: %s", err_text(r));
		return;
	}
	record_guard(c, s, j->body);
	record_ended(c, s, j->ended);
	session_arm(c, s);
	proxy_send_session(c, s);
	c->n_enrolled++;
	log_info("session %s: %s as %s, uid %u", s->id, s->subject, s->role, (unsigned)s->uid);
	json_t *answer = session_json(s);
	json_object_set(answer, "gaps", c->gaps); /* what the kernel leaves to whoever runs the command */
	if (answer && j->ended)
		json_object_set(answer, "ended", j->ended);
	/* Where what vouches for the gateway lies: ca.pem and trust.pem. */
	if (answer && policy_offers_tls(j->plan))
		json_object_set_new(answer, "trust", json_string(c->cfg->run_dir));
	conn_answer(conn, 201, answer);
}

/* Of any client, who may not have hidden its secrets. */
static json_t *hidden_word(const json_t *before, const json_t *word)
{
	struct buf b;
	buf_init(&b, 4 * json_string_length(word) + 64);
	command_hide(json_string_value(before), json_string_value(word), &b);
	struct span s = buf_span(&b);
	json_t *j = buf_err(&b) ? NULL : json_stringn(s.len ? (const char *)s.p : "", s.len);
	buf_wipe(&b);
	return j ? j : json_string("?");
}

/* What was started, for people: a copy of bounded size. */
static json_t *command_of(const json_t *command)
{
	json_t *copy = json_array();
	for (size_t i = 0; i < json_array_size(command) && i < COMMAND_WORDS; i++) {
		const json_t *word = json_array_get(command, i);
		if (json_is_string(word))
			json_array_append_new(copy, hidden_word(i ? json_array_get(command, i - 1) : NULL, word));
	}
	while (json_array_size(copy) > COMMAND_WORDS ||
	       json_dumpb(copy, NULL, 0, JSON_COMPACT) > COMMAND_BYTES)
		json_array_remove(copy, json_array_size(copy) - 1);
	return copy;
}

#define GUARD_WHOLE 6 /* parts: guard/guard.h */

/* What the policy demands of the kernel and of who runs the command. NULL: it is there; else what is missing. */
static const char *what_lacks(const struct control *c, const json_t *body)
{
	const json_t *guard = json_object_get(body, "guard");
	size_t i;
	json_t *gap;
	if (!c->policy.plan)
		return NULL;
	json_array_foreach(c->gaps, i, gap)
		if (plan_requires(c->policy.plan, json_string_value(gap)))
			return json_string_value(gap);
	bool is_whole = json_array_size(guard) == GUARD_WHOLE;
	return plan_requires(c->policy.plan, "guard") && !is_whole ? "guard" : NULL;
}

static void enrol_verified(struct job *j, const struct identity *id)
{
	const json_t *command = json_object_get(j->body, "command");
	const char *role = choose_role(j, id, json_string_value(json_object_get(j->body, "role")));
	struct conn *conn = j->hold.conn;
	if (!role)
		return;
	const char *lacks = what_lacks(j->c, j->body);
	if (lacks) {
		bool is_guard = !strcmp(lacks, "guard");
		job_fail(j, 403,
			 is_guard ? "sluice run, without --without"
				  : "sluice doctor says what it takes; or see \"require\" in the policy",
			 "the policy requires \"%s\", which %s", lacks,
			 is_guard ? "is not whole here" : "this kernel lacks");
		return;
	}
	if (!conn || !conn_peer_lives(conn)) {
		job_fail(j, 409, NULL, "the process that asked is gone");
		return;
	}
	struct session *s = session_new(j->c);
	if (!s || take_identity(s, id, role) < 0) {
		session_free(s);
		job_fail(j, 503, NULL, "out of memory");
		return;
	}
	s->uid = conn->peer.uid;
	s->command = command_of(command);
	enrol_session(j, s);
	job_free(j);
}

/* --- renewing ----------------------------------------------------------------------------------- */

static const char *why_not_renew(const struct session *s, const struct identity *id)
{
	if (s->state == SESSION_REVOKED)
		return "the session is revoked";
	if (s->state == SESSION_ENDED)
		return "the session ended";
	if (strcmp(s->issuer, id->issuer) || strcmp(s->subject, id->subject))
		return "the token is another identity's";
	if (strcmp(s->owner, id->owner))
		return "the token names another owner";
	return NULL;
}

static int record_renewal(struct control *c, const struct session *s)
{
	struct who who;
	struct buf event;
	session_who(s, &who);
	struct event_ctx ctx = {.node = c->cfg->node, .who = &who, .time_ns = clock_real_ns()};
	buf_init(&event, RING_EVENT_MAX);
	event_session_renew(&event, &ctx);
	return control_record(c, &event);
}

static void renew_verified(struct job *j, const struct identity *id)
{
	struct control *c = j->c;
	struct session *s = session_by_id(&c->sessions, j->session);
	const char *why = s ? why_not_renew(s, id) : "the session ended";
	if (why) {
		job_fail(j, 409, NULL, "not renewed: %s", why);
		return;
	}
	const char *role = choose_role(j, id, s->role);
	if (!role)
		return;
	json_t *groups = json_array();
	char *sha = strdup(id->token_sha256);
	for (int i = 0; i < id->n_groups; i++)
		json_array_append_new(groups, json_string(id->groups[i]));
	int64_t old = s->expires;
	s->expires = id->expires;
	int r = groups && sha ? record_renewal(c, s) : -ENOMEM;
	if (r < 0) {
		s->expires = old;
		json_decref(groups);
		free(sha);
		job_fail(j, 503, NULL, "the renewal cannot be recorded: %s", err_text(r));
		return;
	}
	json_decref(s->groups);
	free(s->token_sha256);
	s->groups = groups;
	s->token_sha256 = sha;
	s->state = SESSION_LIVE;
	session_arm(c, s);
	session_keep(c, s);
	proxy_send_session(c, s);
	if (j->hold.conn)
		conn_answer(j->hold.conn, 200, session_json(s));
	job_free(j);
}

/* --- verifying ---------------------------------------------------------------------------------- */

static int verify(const struct job *j, struct jwks *keys, struct arena *a, struct identity *id, char *why,
		  size_t size)
{
	const char *token = json_string_value(json_object_get(j->body, "token"));
	struct token_rules rules = {.issuer = j->issuer->issuer,
				    .audience = j->issuer->audience,
				    .algorithms = j->issuer->algorithms,
				    .n_algorithms = j->issuer->n_algorithms,
				    .groups_claim = j->issuer->groups_claim,
				    .owner_claim = j->issuer->owner_claim,
				    .now = (int64_t)(clock_real_ns() / NS_PER_SEC),
				    .leeway_s = LEEWAY_S};
	return token_verify(span_str(token), keys, &rules, a, id, why, size);
}

static void on_keys(struct keys_wait *w, struct jwks *keys, int err, const char *key_why)
{
	struct job *j = (struct job *)w;
	struct identity id = {0};
	struct arena a;
	char why[300] = "";
	if (err < 0) {
		job_fail(j, 502, "see the issuer's \"jwks\" in the policy", "%s", key_why);
		return;
	}
	arena_init(&a, 256 * 1024);
	int r = verify(j, keys, &a, &id, why, sizeof(why));
	if (r == ERR_VERIFY && !j->is_retry) {
		/* The issuer may have a new key. */
		arena_done(&a);
		j->is_retry = true;
		keys_get(&j->c->keys, j->issuer, true, &j->wait);
		return;
	}
	if (r < 0) {
		log_warn("a token of %s is refused: %s", j->issuer->issuer, *why ? why : err_text(r));
		job_fail(j, 403, NULL, "the token is refused: %s", *why ? why : err_text(r));
	} else if (*j->session) {
		renew_verified(j, &id);
	} else {
		enrol_verified(j, &id);
	}
	arena_done(&a);
}

static const struct issuer *find_issuer(const struct plan *p, const char *name)
{
	for (int i = 0; p && i < plan_n_issuers(p); i++)
		if (!strcmp(plan_issuer(p, i)->issuer, name))
			return plan_issuer(p, i);
	return NULL;
}

static void job_start(struct job *j)
{
	const char *token = json_string_value(json_object_get(j->body, "token")), *name = NULL;
	struct arena a;
	if (!j->plan) {
		job_fail(j, 503, "sluice policy check FILE says what is wrong",
			 "there is no policy in force");
		return;
	}
	if (!token || !*token || strlen(token) > TOKEN_MAX) {
		job_fail(j, 400, NULL, "\"token\" is missing or too long");
		return;
	}
	arena_init(&a, 64 * 1024);
	int r = token_issuer(span_str(token), &a, &name);
	if (r == 0)
		j->issuer = find_issuer(j->plan, name);
	arena_done(&a);
	if (r < 0)
		job_fail(j, 403, NULL, "the token is refused: it is no JWT, or names no issuer");
	else if (!j->issuer || (!j->issuer->jwks && !j->c->cfg->has_local_issuer))
		job_fail(j, 403, "see \"issuers\" in the policy",
			 "the token is refused: its issuer is not trusted here");
	else
		keys_get(&j->c->keys, j->issuer, false, &j->wait);
}

static void start(struct conn *conn, json_t *body, const char *session)
{
	struct job *j = calloc(1, sizeof(*j));
	if (!j) {
		json_decref(body);
		conn_fail(conn, 503, NULL, "out of memory");
		return;
	}
	j->c = conn->c;
	j->body = body;
	j->wait.on_keys = on_keys;
	j->plan = conn->c->policy.plan ? plan_ref(conn->c->policy.plan) : NULL;
	snprintf(j->session, sizeof(j->session), "%s", session);
	conn_hold(conn, &j->hold);
	job_start(j);
}

void enrol_start(struct conn *conn, json_t *body)
{
	const json_t *cgroup = json_object_get(body, "cgroup");
	const char *path = json_string_value(cgroup);
	bool is_path = path && *path == '/' && !strstr(path, "/..") && strlen(path) <= CGROUP_MAX;
	if (cgroup && conn->peer.uid != 0)
		conn_fail(conn, 403, "ask root", "only root may attach a cgroup");
	else if (cgroup && !is_path)
		conn_fail(conn, 400, NULL, "\"cgroup\" must be an absolute path without \"..\"");
	if (cgroup && (conn->peer.uid != 0 || !is_path)) {
		json_decref(body);
		return;
	}
	start(conn, body, "");
}

void renew_start(struct conn *conn, struct session *s, json_t *body)
{
	start(conn, body, s->id);
}
