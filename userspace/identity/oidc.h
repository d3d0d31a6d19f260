/* OpenID Connect, the relying party's side of the authorization code flow (OpenID Connect
 * Core 1.0 3.1, RFC 6749, PKCE RFC 7636, RFC 9207): what is sent and what is read. Pure: no I/O, no
 * clock. */
#pragma once

#include "base/buf.h"

#define OIDC_DOCUMENT_MAX (256 * 1024)
#define OIDC_SECRET	  44 /* 32 random bytes as base64url, and a NUL */

/* What a provider says of itself (OpenID Connect Discovery 1.0 3). Strings owned. */
struct oidc_provider {
	char *issuer, *authorization, *token, *jwks;
	bool says_issuer; /* its answers name it: RFC 9207 */
};

/* Where the document lies: "<issuer>/.well-known/openid-configuration". ERR_LIMIT. */
must_check int oidc_discovery_url(const char *issuer, char *out, size_t size);
/* ERR_MALFORMED (a member is missing or no string), ERR_DENIED (it speaks for another issuer, or an
 * endpoint is neither https nor http to a loopback address), -ENOMEM. */
must_check int oidc_provider_parse(struct span text, const char *issuer, struct oidc_provider *ret);
void oidc_provider_done(struct oidc_provider *p);

/* state, nonce, verifier, a session's key. -EIO. */
must_check int oidc_secret(char out[OIDC_SECRET]);
/* = RFC 7636 4.2: code_challenge = BASE64URL-ENCODE(SHA256(ASCII(code_verifier))) */
void oidc_challenge(const char *verifier, char out[OIDC_SECRET]);

struct oidc_login {
	const char *client_id, *redirect, *scope;
	const char *state, *nonce, *verifier;
	int max_age_s; /* how old a login at the provider may be; 0: it asks anew */
};
void oidc_authorize_url(struct buf *out, const struct oidc_provider *p, const struct oidc_login *l);
/* The body of the request to the token endpoint. is_public: the client has no secret, and says who
 * it is here. */
void oidc_token_body(struct buf *out, const struct oidc_login *l, const char *code, bool is_public);
/* The ID token of the answer, owned. ERR_MALFORMED; ERR_DENIED: the provider refuses, ret_why says
 * with which code. */
must_check int oidc_token_parse(struct span text, char **ret_token, char *ret_why, size_t why_size);
/* = RFC 3986 2.1, of all but unreserved characters. */
void buf_add_escaped(struct buf *out, const char *s);
