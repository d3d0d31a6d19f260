/* A verified identity. Bytes of a token in, claims out, behind a strict front end: the algorithm is
 * fixed by the key, never by the token. RFC 7515, 7517, 7518, 7519, 8037, 8725. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"

#define TOKEN_MAX (16 * 1024)
#define JWKS_MAX  (256 * 1024)

/* Keys of one issuer. Immutable, reference-counted. */
struct jwks;
/* ERR_MALFORMED (not a JWKS, duplicate names, private or symmetric key material), ERR_LIMIT (bytes, over
 * 100 keys), -ENOMEM. Keys that are not for verifying signatures, whose kind is unknown or whose values
 * are out of range (RSA under 2048 bits, a point off its curve) are left out; no usable key: ERR_NOT_FOUND. */
must_check int jwks_parse(struct span text, struct jwks **ret_k);
struct jwks *jwks_ref(struct jwks *k);
void jwks_unref(struct jwks *k);

/* What is demanded of a token. */
struct token_rules {
	const char *issuer, *audience;
	const char *const *algorithms; /* NULL: every asymmetric one */
	int n_algorithms;
	const char *groups_claim, *owner_claim; /* dotted paths; NULL: "groups", "act.sub" */
	int64_t now; /* Unix seconds */
	int leeway_s; /* for nbf and iat, at most 60; exp has none */
	const char *nonce; /* of a login: the token must hold this one. NULL: not a login */
};

struct identity {
	const char *issuer, *subject, *owner; /* owner "" if absent */
	const char **groups;
	int n_groups;
	int64_t expires;
	int64_t auth_time; /* when the person logged in at the issuer, Unix seconds; 0: not said */
	const char *label; /* preferred_username or email, for people to read; "" if absent */
	int64_t issued; /* iat; 0: the token does not say */
	char token_sha256[65]; /* to tell tokens apart in records */
};

/* 0; ERR_MALFORMED, ERR_VERIFY (signature, algorithm, key), ERR_EXPIRED, ERR_DENIED (iss, aud, azp, sub, nbf),
 * ERR_LIMIT. ret_why: a sentence for people that names the claim and what was expected; never holds
 * the token. The identity lives in a. */
must_check int token_verify(struct span token, const struct jwks *keys, const struct token_rules *r,
			    struct arena *a, struct identity *ret_id, char *ret_why, size_t why_size);
/* The unverified iss, to choose the issuer by. Lives in a. */
must_check int token_issuer(struct span token, struct arena *a, const char **ret_issuer);

/* The local issuer: an Ed25519 key of one machine. Creates the key file (mode 0600) if it is missing and
 * writes the public JWKS (mode 0644) anew. -EPERM: the key file is another's or readable by others. */
must_check int local_key_load(const char *key_path, const char *jwks_path, void **ret_pkey);
/* claims: JSON object text. Signs as EdDSA, appends the token. ERR_MALFORMED, ERR_LIMIT. */
must_check int token_mint(void *pkey, struct span claims_json, struct buf *ret_token);
void local_key_free(void *pkey);
