#include "control/keys.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "control/control_internal.h"

struct keyset {
	struct keyset *next;
	char *source;		   /* "file:..." or a URL */
	struct jwks *keys;	   /* the last good ones, or NULL */
	uint64_t got_ns, tried_ns; /* CLOCK_MONOTONIC; 0: never */
	bool is_fetching;
	struct keys_wait *waits;
	char why[300];
};

void keys_init(struct keys *k, struct control *c)
{
	*k = (struct keys){.c = c};
}

static uint64_t age_s(uint64_t at_ns)
{
	return at_ns ? (clock_mono_ns() - at_ns) / NS_PER_SEC : UINT64_MAX;
}

static void answer(struct keyset *set, struct keys_wait *w)
{
	bool is_usable = set->keys && age_s(set->got_ns) < KEYS_HARD_S;
	const char *why = *set->why ? set->why : "the issuer's keys are not there";
	w->on_keys(w, is_usable ? set->keys : NULL, is_usable ? 0 : ERR_NOT_FOUND, why);
}

static void answer_all(struct keyset *set)
{
	for (struct keys_wait *w = TAKE(set->waits), *next; w; w = next) {
		next = w->next;
		answer(set, w);
	}
}

/* A set that does not parse is no set: the old one stays. */
static void adopt(struct keyset *set, int err, const char *why, struct span text)
{
	struct jwks *keys = NULL;
	if (err == 0) {
		err = jwks_parse(text, &keys);
		why = err_text(err);
	}
	if (err < 0) {
		snprintf(set->why, sizeof(set->why), "keys of %s: %s", set->source,
			 why && *why ? why : err_text(err));
		log_warn("%s", set->why);
		return;
	}
	jwks_unref(set->keys);
	set->keys = keys;
	set->got_ns = clock_mono_ns();
	set->why[0] = 0;
}

static void read_file(struct control *c, struct keyset *set)
{
	_cleanup_(freep) char *text = NULL;
	_cleanup_(closep) int fd = -1;
	char why[300] = "";
	size_t len = 0;
	int r = monitor_open(c, json_pack("{s:s,s:s}", "t", "open_key", "path", set->source + 5), &fd, why,
			     sizeof(why));
	if (r == 0)
		r = fd_read_all(fd, JWKS_MAX, &text, &len);
	adopt(set, r, why, span_of(text, len));
}

static void on_fetched(struct fetch_job *j)
{
	struct keyset *set = j->ctx;
	set->is_fetching = false;
	if (j->err == 0 && j->status != 200) {
		snprintf(j->why, sizeof(j->why), "%s answers with status %ld, expected 200%s", set->source,
			 j->status, j->status / 100 == 3 ? " (redirects are not followed: name the last URL)" : "");
		j->err = ERR_UPSTREAM;
	}
	adopt(set, j->err, j->why, span_of(j->text, j->len));
	answer_all(set);
}

/* The provider that people log in with may have authorities of its own; NULL: the system's. */
static const char *ca_of(const struct control *c, const struct keyset *set)
{
	const char *jwks = c->people.provider.jwks;
	return jwks && !strcmp(set->source, jwks) ? c->cfg->console_issuer_ca : NULL;
}

static int start_fetch(struct keys *k, struct keyset *set)
{
	struct fetch f = {.url = set->source,
			  .ca_file = ca_of(k->c, set),
			  .timeout_ms = KEYS_FETCH_MS,
			  .limit = JWKS_MAX};
	int r = fetch_start(k->c, &f, on_fetched, set);
	set->is_fetching = r == 0;
	return r;
}

static struct keyset *find_set(struct keys *k, const char *source)
{
	struct keyset *set = k->first;
	while (set && strcmp(set->source, source))
		set = set->next;
	if (set || k->n >= KEYS_SETS_MAX)
		return set;
	set = calloc(1, sizeof(*set));
	if (!set || !(set->source = strdup(source))) {
		free(set);
		return NULL;
	}
	set->next = k->first;
	k->first = set;
	k->n++;
	return set;
}

static bool wants_refresh(const struct keyset *set, bool must_refresh)
{
	if (!set->keys || must_refresh)
		return age_s(set->tried_ns) >= (must_refresh || set->keys ? KEYS_RETRY_S : 1);
	return age_s(set->got_ns) >= KEYS_FRESH_S && age_s(set->tried_ns) >= KEYS_RETRY_S;
}

void keys_get(struct keys *k, const struct issuer *issuer, bool must_refresh, struct keys_wait *w)
{
	char local[300];
	snprintf(local, sizeof(local), "file:%s/keys/local.jwks", k->c->cfg->state_dir);
	struct keyset *set = find_set(k, issuer->jwks ? issuer->jwks : local);
	if (!set) {
		w->on_keys(w, NULL, ERR_LIMIT, "too many issuers");
		return;
	}
	bool is_file = !strncmp(set->source, "file:", 5);
	if (is_file || (!set->is_fetching && wants_refresh(set, must_refresh))) {
		set->tried_ns = clock_mono_ns();
		if (is_file)
			read_file(k->c, set); /* cheap, and always what stands there now */
		else if (start_fetch(k, set) < 0)
			snprintf(set->why, sizeof(set->why), "keys of %s: no thread to fetch them",
				 set->source);
	}
	/* A set that merely grows old serves while a new one is on its way. */
	if (set->is_fetching && (must_refresh || !set->keys)) {
		w->next = set->waits;
		set->waits = w;
		return;
	}
	answer(set, w);
}
