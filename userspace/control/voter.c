/* A person's token, verified as that of a workload would be. */
#include <stdio.h>

#include "base/macro.h"
#include "control/approvals.h"
#include "control/control_internal.h"

#define LEEWAY_S 30

struct check {
	struct keys_wait wait; /* first: see on_keys */
	struct control *c;
	struct plan *plan;
	const struct issuer *issuer;
	struct voter *voter;
	char *token;
	bool is_retry;
};

static void check_free(struct check *k)
{
	if (k->token)
		explicit_bzero(k->token, strlen(k->token));
	free(k->token);
	plan_unref(k->plan);
	free(k);
}

static void fail(struct check *k, int status, const char *why)
{
	k->voter->on_person(k->voter, NULL, status, why);
	check_free(k);
}

static void on_keys(struct keys_wait *w, struct jwks *keys, int err, const char *key_why)
{
	struct check *k = (struct check *)w;
	struct identity id = {0};
	struct arena a;
	char why[300] = "", text[400];
	struct token_rules rules = {.issuer = k->issuer->issuer,
				    .audience = k->issuer->audience,
				    .algorithms = k->issuer->algorithms,
				    .n_algorithms = k->issuer->n_algorithms,
				    .groups_claim = k->issuer->groups_claim,
				    .owner_claim = k->issuer->owner_claim,
				    .now = (int64_t)(clock_real_ns() / NS_PER_SEC),
				    .leeway_s = LEEWAY_S};
	if (err < 0) {
		fail(k, 502, key_why);
		return;
	}
	arena_init(&a, 256 * 1024);
	int r = token_verify(span_str(k->token), keys, &rules, &a, &id, why, sizeof(why));
	if (r == ERR_VERIFY && !k->is_retry) {
		arena_done(&a);
		k->is_retry = true;
		keys_get(&k->c->keys, k->issuer, true, &k->wait); /* the issuer may have a new key */
		return;
	}
	snprintf(text, sizeof(text), "the token is refused: %s", *why ? why : err_text(r));
	if (r < 0) {
		fail(k, 403, text);
	} else {
		k->voter->on_person(k->voter, &id, 200, NULL);
		check_free(k);
	}
	arena_done(&a);
}

static const struct issuer *issuer_of(const struct check *k)
{
	const char *name = NULL;
	const struct issuer *found = NULL;
	struct arena a;
	arena_init(&a, 64 * 1024);
	if (token_issuer(span_str(k->token), &a, &name) == 0)
		for (int i = 0; i < plan_n_issuers(k->plan) && !found; i++)
			if (!strcmp(plan_issuer(k->plan, i)->issuer, name))
				found = plan_issuer(k->plan, i);
	arena_done(&a);
	return found;
}

void voter_verify(struct control *c, const char *token, struct voter *v)
{
	struct check *k = c->policy.plan ? calloc(1, sizeof(*k)) : NULL;
	if (!k || !token || !*token || strlen(token) > TOKEN_MAX) {
		free(k);
		v->on_person(v, NULL, !c->policy.plan ? 503 : 400,
			     !c->policy.plan ? "there is no policy in force"
					     : "\"token\" is missing or too long");
		return;
	}
	k->c = c;
	k->voter = v;
	k->wait.on_keys = on_keys;
	k->plan = plan_ref(c->policy.plan);
	k->token = strdup(token);
	k->issuer = k->token ? issuer_of(k) : NULL;
	if (!k->issuer || (!k->issuer->jwks && !c->cfg->has_local_issuer))
		fail(k, 403, "the token is refused: it is no JWT, or its issuer is not trusted here");
	else
		keys_get(&c->keys, k->issuer, false, &k->wait);
}
