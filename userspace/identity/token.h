/* Inside the identity module: the algorithms, the opened token, one key. */
#pragma once

#include <jansson.h>

#include "base/ossl.h"
#include "identity/identity.h"

#define TOKEN_JSON_DEPTH 16
#define TOKEN_TEXT_MAX   512 /* bytes of one claim that we keep */
#define TOKEN_GROUPS_MAX 256
#define TOKEN_LEEWAY_MAX 60 /* seconds */
#define TOKEN_TIME_MAX   253402300799ll /* the end of the year 9999 */
#define JWKS_KEYS_MAX    100

enum key_kind { KEY_RSA, KEY_EC, KEY_OKP };

/* A signature algorithm. RFC 7518 section 3, RFC 8037 section 3.1. Only asymmetric ones exist here. */
struct token_alg {
	const char *name;
	enum key_kind kind;
	const char *curve;  /* JWK's crv; NULL for RSA */
	const char *digest; /* NULL: the algorithm has its own */
	bool is_pss;
	int part_len; /* ES*: bytes of r, and of s */
	bool has_second_opinion; /* every libjwt that we link with knows it */
};

/* NULL for all that we do not verify: none and HS* above all. */
const struct token_alg *token_alg_by_name(const char *name);

/* A token taken apart, its signature not yet verified. Lives in the arena, signed_part in the token. */
struct token_front {
	const struct token_alg *alg;
	const char *kid; /* NULL: none given */
	const char *typ; /* NULL: none given */
	struct span signed_part, payload, sig;
};

/* Errors as token_verify. */
must_check int token_open(struct span token, struct arena *a, struct token_front *ret, char *ret_why,
			  size_t why_size);

/* One public key of a set. */
struct jwk {
	char *kid; /* NULL: none given */
	const struct token_alg *alg; /* what the set restricts it to, or NULL */
	enum key_kind kind;
	const char *curve; /* as in struct token_alg */
	EVP_PKEY *pkey;
	char *pem; /* for libjwt; NULL where it has no use for it */
};

/* 0; 1: to be left out (not for signatures, unknown kind, values out of range); ERR_MALFORMED: private or
 * symmetric material, which no published set may hold; -ENOMEM. */
must_check int jwk_read(const json_t *json, struct jwk *ret);
void jwk_done(struct jwk *k);
bool jwk_fits(const struct jwk *k, const struct token_alg *alg);
/* The i-th key, NULL behind the last. */
const struct jwk *jwks_at(const struct jwks *k, int i);

/* 0 or ERR_VERIFY. */
must_check int signature_verify(const struct token_alg *alg, EVP_PKEY *key, struct span signed_part,
				struct span sig);
/* libjwt's word on a token whose signature holds: it must verify it too, by the same algorithm, and read
 * the same iss and sub. 0, ERR_VERIFY, -ENOMEM. */
must_check int second_opinion(struct span token, const struct jwk *key, const struct token_alg *alg,
			      const struct identity *id);

/* Checks the claims of a verified token and fills in all of ret_id but token_sha256. */
must_check int claims_check(const json_t *claims, const struct token_rules *r, struct arena *a,
			    struct identity *ret_id, char *ret_why, size_t why_size);
/* A JSON object with limited depth and no duplicate names. ERR_MALFORMED, -ENOMEM. */
must_check int strict_object(struct span text, json_t **ret);
/* Base64url of JWK members: at most limit bytes, written to out. ERR_MALFORMED. */
must_check int member_bytes(const json_t *object, const char *name, size_t limit, struct buf *out);
