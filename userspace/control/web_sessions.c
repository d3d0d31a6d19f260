#include "control/web.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/macro.h"
#include "base/ossl.h"
#include "config.h"
#include "control/control_internal.h"

static uint64_t minutes_ns(int minutes)
{
	return (uint64_t)minutes * 60 * NS_PER_SEC;
}

bool web_session_lives(const struct web *w, const struct web_session *s)
{
	const struct config *cfg = w->c->cfg;
	uint64_t now = clock_mono_ns();
	return now - s->created_ns < minutes_ns(cfg->session_minutes) &&
	       now - s->used_ns < minutes_ns(cfg->idle_minutes);
}

int web_groups(const struct web_session *s, const char *ret[WEB_GROUPS_MAX])
{
	int n = 0;
	for (size_t i = 0; i < json_array_size(s->groups) && n < WEB_GROUPS_MAX; i++)
		ret[n++] = json_string_value(json_array_get(s->groups, i));
	return n;
}

static void person_free(struct web_session *s)
{
	if (!s)
		return;
	free(s->issuer);
	free(s->subject);
	free(s->label);
	json_decref(s->groups);
	explicit_bzero(s, sizeof(*s));
	free(s);
}

void web_session_end(struct web *w, struct web_session *s)
{
	for (struct web_session **at = &w->first; *at; at = &(*at)->next) {
		if (*at != s)
			continue;
		*at = s->next;
		w->n_sessions--;
		live_session_over(w->c, s);
		person_free(s);
		return;
	}
}

/* The list's newest stand first. */
static void make_room(struct web *w, const char *issuer, const char *subject)
{
	struct web_session *oldest = NULL;
	int n = 0;
	for (struct web_session *s = w->first; s; s = s->next) {
		if (strcmp(s->issuer, issuer) || strcmp(s->subject, subject))
			continue;
		oldest = s;
		n++;
	}
	if (n >= WEB_PERSON_MAX)
		web_session_end(w, oldest);
}

struct web_session *web_session_new(struct web *w, const char *issuer, const char *subject,
				    json_t *groups, char cookie[OIDC_SECRET])
{
	struct web_session *s = calloc(1, sizeof(*s));
	make_room(w, issuer, subject);
	if (s) {
		s->groups = groups;
		s->issuer = strdup(issuer);
		s->subject = strdup(subject);
	} else {
		json_decref(groups);
	}
	if (!s || !s->issuer || !s->subject || w->n_sessions >= WEB_SESSIONS_MAX ||
	    oidc_secret(cookie) < 0 || oidc_secret(s->csrf) < 0) {
		person_free(s);
		return NULL;
	}
	/* A copy of this table opens nothing. */
	SHA256((const uint8_t *)cookie, strlen(cookie), s->key);
	s->created_ns = s->used_ns = clock_mono_ns();
	s->expires = (int64_t)(clock_real_ns() / NS_PER_SEC) + w->c->cfg->session_minutes * 60;
	s->next = w->first;
	w->first = s;
	w->n_sessions++;
	return s;
}

struct web_session *web_session_by_cookie(struct web *w, struct span cookie)
{
	uint8_t key[32];
	if (cookie.len != OIDC_SECRET - 1)
		return NULL;
	SHA256(cookie.p, cookie.len, key);
	for (struct web_session *s = w->first; s; s = s->next) {
		if (CRYPTO_memcmp(s->key, key, sizeof(key)))
			continue;
		if (!web_session_lives(w, s)) {
			web_session_end(w, s);
			return NULL;
		}
		s->used_ns = clock_mono_ns();
		return s;
	}
	return NULL;
}

bool web_is_path(const char *to)
{
	static const char good[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_-.?=&";
	return to[0] == '/' && to[1] != '/' && strlen(to) < WEB_TO_MAX &&
	       strspn(to, good) == strlen(to) && !strstr(to, "/auth/");
}

void web_sweep(struct control *c)
{
	struct web *w = &c->people;
	for (struct web_session *s = w->first, *next; s; s = next) {
		next = s->next;
		if (!web_session_lives(w, s))
			web_session_end(w, s);
	}
	web_provider_tend(w);
}

void web_done(struct control *c)
{
	struct web *w = &c->people;
	while (w->first)
		web_session_end(w, w->first);
	oidc_provider_done(&w->provider);
	if (w->secret)
		explicit_bzero(w->secret, strlen(w->secret));
	free(w->secret);
}
