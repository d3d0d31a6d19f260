/* People who come by the console: their logins and what they may do. A login is proved by the
 * OpenID provider's token, once; after it a cookie stands for it, and a second value, which a
 * foreign page cannot read, for the will to change something. */
#pragma once

#include <jansson.h>

#include "base/loop.h"
#include "identity/oidc.h"

#define WEB_SESSIONS_MAX  1024
#define WEB_PERSON_MAX	  16 /* sessions of one person: the oldest ends */
#define WEB_EXCHANGES_MAX 16 /* codes that are being exchanged */
#define WEB_LOGIN_S	  600
#define WEB_TEXT_MAX	  512 /* of a person's name, as claims.c keeps it */
#define WEB_TO_MAX	  200
#define WEB_GROUPS_MAX 256 /* as claims.c takes them */

struct control;
struct conn;
struct http_request;

/* Roles, as bits. What each may do stands in the table of routes. */
enum web_role { WEB_ADMIN = 1, WEB_APPROVER = 2, WEB_AUDITOR = 4, WEB_ALL = 7 };

struct web_session {
	struct web_session *next;
	uint8_t key[32];	/* SHA-256 of the cookie */
	char csrf[OIDC_SECRET]; /* that every change must bring along */
	char *issuer, *subject, *label;
	json_t *groups; /* strings */
	unsigned roles;
	int64_t auth_time; /* at the provider, Unix seconds; 0: it does not say */
	int64_t expires;   /* when this session ends at the latest, Unix seconds */
	char token_sha256[65];
	uint64_t created_ns, used_ns; /* CLOCK_MONOTONIC */
};

struct web {
	struct control *c;
	struct web_session *first;
	int n_sessions, n_exchanges;
	uint8_t login_key[32];	       /* over the cookies of logins that have begun */
	struct oidc_provider provider; /* issuer NULL: not known yet */
	uint64_t provider_ns,
	    asked_ns; /* when it was read, and last asked for; CLOCK_MONOTONIC, 0: never */
	bool is_asking;
	char redirect[256];
	char *secret; /* of the client; NULL: a public one */
};

void web_init(struct control *c);
void web_done(struct control *c);
/* A request from the console. */
void web_request(struct conn *conn, const struct http_request *r);
void web_sweep(struct control *c);

/* web_sessions.c */
/* NULL: too many, or no memory. cookie: what the browser gets. Steals groups. */
struct web_session *web_session_new(struct web *w, const char *issuer, const char *subject,
				    json_t *groups, char cookie[OIDC_SECRET]);
/* NULL: unknown, or over. Counts as use. */
struct web_session *web_session_by_cookie(struct web *w, struct span cookie);
/* Their names, borrowed; how many there are. */
int web_groups(const struct web_session *s, const char *ret[WEB_GROUPS_MAX]);
bool web_session_lives(const struct web *w, const struct web_session *s);
void web_session_end(struct web *w, struct web_session *s);
/* A path of the console, and nothing that leads away from it. */
bool web_is_path(const char *to);

/* login_state.c: a login between its two halves. It is kept by the browser alone, in a cookie that
 * only we can make: so that nobody can fill a table here by beginning logins. */
#define LOGIN_COOKIE_MAX (OIDC_SECRET * 2 + 40 + WEB_TO_MAX)
struct login_state {
	char state[OIDC_SECRET], nonce[OIDC_SECRET],
	    verifier[OIDC_SECRET]; /* derived from the cookie's seed */
	char to[WEB_TO_MAX];	   /* where the person wanted to go: a path of the console */
	bool is_fresh;		   /* asked for anew, for a vote */
};
/* -EIO. now: Unix seconds. */
must_check int login_state_new(const uint8_t key[32], const char *to, bool is_fresh, int64_t now,
			       struct login_state *ret, char cookie[LOGIN_COOKIE_MAX]);
/* ERR_MALFORMED, ERR_VERIFY (not made with this key), ERR_EXPIRED (older than WEB_LOGIN_S). */
must_check int login_state_open(const uint8_t key[32], struct span cookie, int64_t now,
				struct login_state *ret);

/* web_login.c */
/* Asks the provider for its description, when that is due. */
void web_provider_tend(struct web *w);
void web_login_begin(struct conn *conn, const struct http_request *r);
void web_login_callback(struct conn *conn, const struct http_request *r);
void web_logout(struct conn *conn, struct web_session *s);
void web_login_init(struct web *w);

/* web.c */
must_check int web_record_login(struct conn *conn, const struct web_session *s,
				const char *refused);
/* An answer by webhook; refused: why, or NULL. */
must_check int web_record_answer(struct conn *conn, const struct http_request *r, const char *actor,
				 const char *refused);
void web_record_logout(struct conn *conn, const struct web_session *s);

/* live.c: what has changed, told to those who look (server-sent events). */
struct live {
	struct viewer *first;
	int n;
	unsigned changed;
	struct timer gather, tick;
};
void live_init(struct control *c);
/* what: "requests", "sessions", "grants", "policy", "node". Who looks asks again for what it shows
 * of it. */
void live_changed(struct control *c, const char *what);
void live_session_over(struct control *c, const struct web_session *s);
