/* A token -> an identity: front end, key, signature, claims, second reader. In that order. */
#include "identity/identity.h"

#include <stdio.h>

#include "base/macro.h"
#include "identity/token.h"

static bool is_allowed(const struct token_rules *r, const struct token_alg *alg)
{
	for (int i = 0; r->algorithms && i < r->n_algorithms; i++)
		if (!strcmp(r->algorithms[i], alg->name))
			return true;
	return !r->algorithms;
}

static bool is_named(const struct jwk *k, const struct token_front *f)
{
	return !f->kid || (k->kid && !strcmp(k->kid, f->kid));
}

/* The key that the token names, if the algorithm fits it. A token without a name gets a key only
 * where there is no choice. */
static int find_key(const struct jwks *keys, const struct token_front *f, const struct jwk **ret_key,
		    char *why, size_t why_size)
{
	const struct jwk *found = NULL, *k;
	int n_named = 0;
	for (int i = 0; (k = jwks_at(keys, i)); i++) {
		if (!is_named(k, f))
			continue;
		n_named++;
		if (!jwk_fits(k, f->alg))
			continue;
		if (found) {
			snprintf(why, why_size, "%s", f->kid ? "several keys of the issuer have the token's kid"
							     : "the token names no kid, and several keys fit");
			return ERR_VERIFY;
		}
		found = k;
	}
	if (found) {
		*ret_key = found;
		return 0;
	}
	if (n_named)
		snprintf(why, why_size, "the token's algorithm %s does not fit the issuer's key", f->alg->name);
	else
		snprintf(why, why_size, "the issuer has no key with the token's kid");
	return ERR_VERIFY;
}

static void hash_token(struct span token, struct identity *id)
{
	uint8_t md[SHA256_DIGEST_LENGTH];
	SHA256(token.p, token.len, md);
	for (size_t i = 0; i < sizeof(md); i++)
		snprintf(id->token_sha256 + 2 * i, 3, "%02x", md[i]);
}

static int check_signature(struct span token, const struct jwks *keys, const struct token_rules *r,
			   struct arena *a, struct token_front *f, const struct jwk **ret_key, char *why,
			   size_t why_size)
{
	int err = token_open(token, a, f, why, why_size);
	if (err < 0)
		return err;
	if (!is_allowed(r, f->alg)) {
		snprintf(why, why_size, "the token's algorithm %s is not one that the policy allows for this issuer",
			 f->alg->name);
		return ERR_VERIFY;
	}
	err = find_key(keys, f, ret_key, why, why_size);
	if (err < 0)
		return err;
	snprintf(why, why_size, "the token's signature is not by the issuer's key");
	return signature_verify(f->alg, (*ret_key)->pkey, f->signed_part, f->sig);
}

/* libjwt 1.10 knows no typ but JWT. */
static bool wants_second(const struct token_front *f)
{
	return f->alg->has_second_opinion && (!f->typ || !strcasecmp(f->typ, "JWT"));
}

int token_verify(struct span token, const struct jwks *keys, const struct token_rules *r, struct arena *a,
		 struct identity *ret_id, char *ret_why, size_t why_size)
{
	struct token_front f;
	const struct jwk *key = NULL;
	struct identity id = {0};
	json_t *claims = NULL;
	int err = check_signature(token, keys, r, a, &f, &key, ret_why, why_size);
	if (err < 0)
		return err;
	snprintf(ret_why, why_size, "the token's claims are not a JSON object with unique names");
	err = strict_object(f.payload, &claims);
	err = err < 0 ? err : claims_check(claims, r, a, &id, ret_why, why_size);
	json_decref(claims);
	if (err < 0)
		return err;
	if (wants_second(&f)) {
		snprintf(ret_why, why_size, "libjwt reads this token otherwise than we do");
		err = second_opinion(token, key, f.alg, &id);
		if (err < 0)
			return err;
	}
	hash_token(token, &id);
	*ret_id = id;
	ret_why[0] = 0;
	return 0;
}
