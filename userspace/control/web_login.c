/* Login by OpenID Connect: to the provider and back. */
#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/log.h"
#include "base/macro.h"
#include "base/ossl.h"
#include "control/api_internal.h"
#include "control/web.h"

#define COOKIE	       "__Host-sluice"
#define LOGIN_COOKIE   "__Host-sluice-login"
#define PROVIDER_MS    5000
#define PROVIDER_FRESH (3600 * NS_PER_SEC)
#define PROVIDER_RETRY (5 * NS_PER_SEC)
#define CODE_MAX       2048

/* One exchange of a code. Whoever waits may go away meanwhile. */
struct exchange {
	struct web *w;
	struct conn_hold hold;
	struct keys_wait keys;
	struct issuer
	    issuer; /* as keys_get wants it; borrows from the configuration and from `jwks` */
	char *jwks, *token;
	struct login_state login;
	bool was_retried; /* with a key set fetched anew */
};

static int64_t now_s(void)
{
	return (int64_t)(clock_real_ns() / NS_PER_SEC);
}

/* --- the provider -------------------------------------------------------------------------------
 */

static void on_provider(struct fetch_job *j)
{
	struct web *w = &j->c->people;
	struct oidc_provider p;
	int r = j->err;
	w->is_asking = false;
	if (r == 0 && j->status != 200) {
		snprintf(j->why, sizeof(j->why), "%s answers with status %ld", j->request.url,
			 j->status);
		r = ERR_UPSTREAM;
	} else if (r == 0) {
		r = oidc_provider_parse(span_of(j->text, j->len), j->c->cfg->console_issuer, &p);
		snprintf(j->why, sizeof(j->why), "%s: %s", j->request.url,
			 r == ERR_DENIED
			     ? "speaks for another issuer, or names an endpoint without TLS"
			     : err_text(r));
	}
	if (r < 0) {
		log_warn("\"console.issuer\": %s", j->why);
		return;
	}
	oidc_provider_done(&w->provider);
	w->provider = p;
	w->provider_ns = clock_mono_ns();
}

void web_provider_tend(struct web *w)
{
	char url[300];
	const char *issuer = w->c->cfg->console_issuer;
	uint64_t now = clock_mono_ns();
	bool is_fresh = w->provider_ns && now - w->provider_ns < PROVIDER_FRESH;
	if (!issuer || is_fresh || w->is_asking ||
	    (w->asked_ns && now - w->asked_ns < PROVIDER_RETRY))
		return;
	w->asked_ns = now;
	struct fetch f = {.url = url,
			  .ca_file = w->c->cfg->console_issuer_ca,
			  .timeout_ms = PROVIDER_MS,
			  .limit = OIDC_DOCUMENT_MAX};
	if (oidc_discovery_url(issuer, url, sizeof(url)) == 0)
		w->is_asking = fetch_start(w->c, &f, on_provider, NULL) == 0;
}

static char *read_secret(struct control *c)
{
	const char *source = c->cfg->console_client_secret;
	_cleanup_(closep) int fd = -1;
	char *text = NULL, why[300] = "expected \"file:/path\"";
	size_t len = 0;
	if (!source)
		return NULL;
	int r = strncmp(source, "file:", 5) ? ERR_CONFIG : 0;
	if (r == 0)
		r = monitor_open(c, json_pack("{s:s,s:s}", "t", "open_key", "path", source + 5),
				 &fd, why, sizeof(why));
	if (r == 0)
		r = fd_read_all(fd, 4096, &text, &len);
	if (r < 0) {
		log_error("\"console.client_secret\": %s", why);
		return NULL;
	}
	text[strcspn(text, "\r\n")] = 0;
	return text;
}

void web_login_init(struct web *w)
{
	const char *url = w->c->cfg->public_url;
	size_t len = url ? strlen(url) : 0;
	w->secret = read_secret(w->c);
	if (getrandom(w->login_key, sizeof(w->login_key), 0) != sizeof(w->login_key))
		log_error("no random numbers: nobody can log in");
	if (len)
		snprintf(w->redirect, sizeof(w->redirect), "%s%sauth/callback", url,
			 url[len - 1] == '/' ? "" : "/");
	if (w->c->cfg->console_listen && (!len || !w->c->cfg->console_issuer))
		log_warn("\"public_url\" and \"console.issuer\" are not both set: nobody can log "
			 "in to the console");
	web_provider_tend(w);
}

/* --- answers ------------------------------------------------------------------------------------
 */

static void go(struct conn *conn, const char *to)
{
	conn_head_add(conn, "Location: %s", to);
	conn_answer_text(conn, 303, "text/plain", (struct span){0});
}

/* code: one of those that the page has words for. What is known beyond it goes to the log and the
 * record. */
static void refuse(struct conn *conn, const char *code, const char *why)
{
	char to[64];
	log_warn("a login from %s is refused: %s", conn->from, why);
	if (web_record_login(conn, NULL, why) < 0)
		log_warn("that is not recorded");
	conn_head_add(conn, "Set-Cookie: " LOGIN_COOKIE
			    "=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
	snprintf(to, sizeof(to), "/?login=%s", code);
	go(conn, to);
}

static struct oidc_login login_of(const struct web *w, const struct login_state *l)
{
	const struct config *cfg = w->c->cfg;
	return (struct oidc_login){.client_id = cfg->console_client_id,
				   .redirect = w->redirect,
				   .scope = cfg->console_scope,
				   .state = l->state,
				   .nonce = l->nonce,
				   .verifier = l->verifier,
				   .max_age_s = l->is_fresh ? 0 : cfg->session_minutes * 60};
}

/* --- the first half -----------------------------------------------------------------------------
 */

void web_login_begin(struct conn *conn, const struct http_request *r)
{
	struct web *w = &conn->c->people;
	char to[WEB_TO_MAX] = "/", fresh[4] = "", cookie[LOGIN_COOKIE_MAX];
	struct login_state l;
	struct buf url;
	if (!w->provider.issuer || !*w->redirect) {
		refuse(conn, "provider", "the OpenID provider is not known yet");
		return;
	}
	if (http_query(r->query, "to", to, sizeof(to)) < 0)
		snprintf(to, sizeof(to), "/");
	bool is_fresh = http_query(r->query, "fresh", fresh, sizeof(fresh)) == 0;
	if (login_state_new(w->login_key, to, is_fresh, now_s(), &l, cookie) < 0) {
		conn_fail(conn, 503, NULL, "no random numbers");
		return;
	}
	struct oidc_login o = login_of(w, &l);
	buf_init(&url, 8192);
	oidc_authorize_url(&url, &w->provider, &o);
	buf_add_u8(&url, 0);
	/* Lax: it has to come back from the provider's site. */
	conn_head_add(conn,
		      "Set-Cookie: " LOGIN_COOKIE
		      "=%s; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=%d",
		      cookie, WEB_LOGIN_S);
	if (buf_err(&url))
		conn_fail(conn, 503, NULL, "the provider's address is too long");
	else
		go(conn, (const char *)buf_span(&url).p);
	buf_done(&url);
}

/* --- the second half ----------------------------------------------------------------------------
 */

static void exchange_end(struct exchange *x)
{
	x->w->n_exchanges--;
	conn_release(&x->hold);
	free(x->jwks);
	if (x->token)
		explicit_bzero(x->token, strlen(x->token));
	free(x->token);
	free(x);
}

static void exchange_refuse(struct exchange *x, const char *code, const char *why)
{
	struct conn *conn = x->hold.conn;
	conn_release(&x->hold);
	if (conn)
		refuse(conn, code, why);
	exchange_end(x);
}

static json_t *groups_json(const struct identity *id)
{
	json_t *list = json_array();
	for (int i = 0; i < id->n_groups; i++)
		json_array_append_new(list, json_string(id->groups[i]));
	return list;
}

static bool is_any(const struct identity *id, const char *const *groups, int n)
{
	for (int i = 0; i < n; i++)
		for (int k = 0; k < id->n_groups; k++)
			if (!strcmp(groups[i], id->groups[k]))
				return true;
	return false;
}

static unsigned roles_of(const struct config *cfg, const struct identity *id)
{
	unsigned roles = 0;
	roles |= is_any(id, cfg->admin_groups, cfg->n_admin_groups) ? WEB_ADMIN : 0;
	roles |= is_any(id, cfg->approver_groups, cfg->n_approver_groups) ? WEB_APPROVER : 0;
	roles |= is_any(id, cfg->auditor_groups, cfg->n_auditor_groups) ? WEB_AUDITOR : 0;
	return roles;
}

static void welcome(struct exchange *x, const struct identity *id)
{
	char cookie[OIDC_SECRET], why[700];
	struct conn *conn = x->hold.conn;
	unsigned roles = roles_of(x->w->c->cfg, id);
	if (!roles) {
		snprintf(why, sizeof(why), "no group of %s gives a role here", id->subject);
		exchange_refuse(x, "groups", why);
		return;
	}
	struct web_session *s =
	    conn ? web_session_new(x->w, id->issuer, id->subject, groups_json(id), cookie) : NULL;
	if (!s) {
		exchange_refuse(x, "busy", "there is no room for one more");
		return;
	}
	s->label = strdup(*id->label ? id->label : id->subject);
	s->roles = roles;
	s->auth_time = id->auth_time;
	snprintf(s->token_sha256, sizeof(s->token_sha256), "%s", id->token_sha256);
	conn_release(&x->hold);
	if (web_record_login(conn, s, NULL) < 0) {
		web_session_end(x->w, s);
		conn_fail(conn, 503, NULL, "the login cannot be recorded");
	} else {
		conn_head_add(conn,
			      "Set-Cookie: " COOKIE
			      "=%s; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=%d",
			      cookie, x->w->c->cfg->session_minutes * 60);
		conn_head_add(conn, "Set-Cookie: " LOGIN_COOKIE
				    "=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
		go(conn, x->login.to);
	}
	explicit_bzero(cookie, sizeof(cookie));
	exchange_end(x);
}

static void on_keys(struct keys_wait *wait, struct jwks *keys, int err, const char *why)
{
	struct exchange *x = (struct exchange *)((char *)wait - offsetof(struct exchange, keys));
	const struct config *cfg = x->w->c->cfg;
	struct token_rules rules = {.issuer = cfg->console_issuer,
				    .audience = cfg->console_client_id,
				    .groups_claim = cfg->console_groups_claim,
				    .now = now_s(),
				    .leeway_s = 30,
				    .nonce = x->login.nonce};
	struct identity id;
	struct arena a;
	char reason[500];
	if (err < 0) {
		exchange_refuse(x, "provider", why);
		return;
	}
	arena_init(&a, 1024 * 1024);
	int r = token_verify(span_str(x->token), keys, &rules, &a, &id, reason, sizeof(reason));
	if (r == ERR_VERIFY && !x->was_retried) {
		x->was_retried = true; /* the provider may have a new key */
		arena_done(&a);
		keys_get(&x->w->c->keys, &x->issuer, true, &x->keys);
		return;
	}
	if (r < 0)
		exchange_refuse(x, "token", reason);
	else
		welcome(x, &id);
	arena_done(&a);
}

static void on_token(struct fetch_job *j)
{
	struct exchange *x = j->ctx;
	char why[300];
	int r = j->err;
	if (r < 0)
		snprintf(why, sizeof(why), "%s", j->why);
	else
		r = oidc_token_parse(span_of(j->text, j->len), &x->token, why, sizeof(why));
	if (r < 0) {
		exchange_refuse(x, "provider", why);
		return;
	}
	x->jwks = strdup(x->w->provider.jwks);
	x->issuer = (struct issuer){.issuer = x->w->c->cfg->console_issuer, .jwks = x->jwks};
	x->keys.on_keys = on_keys;
	if (x->jwks)
		keys_get(&x->w->c->keys, &x->issuer, false, &x->keys);
	else
		exchange_refuse(x, "busy", "out of memory");
}

/* = RFC 6749 2.3.1: both parts are escaped before they become HTTP Basic. */
static int escape(const char *s, char *out, size_t size)
{
	struct buf b;
	buf_init(&b, size);
	buf_add_escaped(&b, s);
	buf_add_u8(&b, 0);
	int r = buf_err(&b);
	if (r == 0)
		memcpy(out, buf_span(&b).p, buf_len(&b));
	buf_wipe(&b);
	return r;
}

static int exchange_start(struct exchange *x, const char *code)
{
	struct web *w = x->w;
	struct oidc_login o = login_of(w, &x->login);
	char user[700] = "", password[4096] = "";
	struct buf body;
	int r = w->secret ? escape(w->c->cfg->console_client_id, user, sizeof(user)) : 0;
	if (r == 0 && w->secret)
		r = escape(w->secret, password, sizeof(password));
	buf_init(&body, 16384);
	oidc_token_body(&body, &o, code, !w->secret);
	buf_add_u8(&body, 0);
	struct fetch f = {.url = w->provider.token,
			  .ca_file = w->c->cfg->console_issuer_ca,
			  .body = (const char *)buf_span(&body).p,
			  .type = "application/x-www-form-urlencoded",
			  .user = w->secret ? user : NULL,
			  .password = w->secret ? password : NULL,
			  .timeout_ms = PROVIDER_MS,
			  .limit = OIDC_DOCUMENT_MAX};
	if (r == 0)
		r = buf_err(&body);
	if (r == 0)
		r = fetch_start(w->c, &f, on_token, x);
	buf_wipe(&body);
	explicit_bzero(password, sizeof(password));
	return r;
}

/* What came back must belong to what this browser began. */
static const char *check_return(struct web *w, const struct http_request *r, struct login_state *l)
{
	char state[OIDC_SECRET], iss[300];
	struct span cookie;
	if (http_cookie(r, LOGIN_COOKIE, &cookie) < 0 ||
	    login_state_open(w->login_key, cookie, now_s(), l) < 0)
		return "this browser has begun no login, or too long ago";
	if (http_query(r->query, "state", state, sizeof(state)) < 0 ||
	    strlen(state) != strlen(l->state) || CRYPTO_memcmp(state, l->state, OIDC_SECRET))
		return "its state is not that of this browser's login";
	/* = RFC 9207 2.4: a client that talks to a provider which names itself compares */
	int has_iss = http_query(r->query, "iss", iss, sizeof(iss));
	if (has_iss == 0 ? strcmp(iss, w->c->cfg->console_issuer) != 0 : w->provider.says_issuer)
		return "the answer is not by the provider that was asked";
	return NULL;
}

void web_login_callback(struct conn *conn, const struct http_request *r)
{
	struct web *w = &conn->c->people;
	struct login_state l;
	char code[CODE_MAX];
	const char *why =
	    w->provider.issuer ? check_return(w, r, &l) : "the provider is not known yet";
	if (why) {
		refuse(conn, "state", why);
		return;
	}
	if (http_query(r->query, "code", code, sizeof(code)) < 0) {
		refuse(conn, "provider",
		       "the provider sends no code: it refused, or the person did");
		return;
	}
	struct exchange *x = w->n_exchanges < WEB_EXCHANGES_MAX ? calloc(1, sizeof(*x)) : NULL;
	if (!x) {
		refuse(conn, "busy", "too many logins at a time");
		return;
	}
	x->w = w;
	x->login = l;
	w->n_exchanges++;
	conn_hold(conn, &x->hold);
	if (exchange_start(x, code) < 0)
		exchange_refuse(x, "busy", "the provider cannot be asked now");
	explicit_bzero(code, sizeof(code));
}

void web_logout(struct conn *conn, struct web_session *s)
{
	web_record_logout(conn, s);
	web_session_end(&conn->c->people, s);
	conn_head_add(conn, "Set-Cookie: " COOKIE
			    "=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0");
	conn_answer(conn, 200, json_pack("{s:b}", "ok", 1));
}
