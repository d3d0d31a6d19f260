/* Makes keys, sets and tokens by OpenSSL alone: what the module under test reads is not of its own
 * making. Everything it hands out lives until the test ends. */
#pragma once

#include "base/jw.h"
#include "base/ossl.h"

#define FORGE_MAX (4 * 1024 * 1024)

/* Whatever was handed out stays reachable, so that a leak checker sees only what the module loses. */
static void **forge_pool;
static size_t forge_n;

static inline void *forge_keep(void *p)
{
	if (!(forge_n & (forge_n + 1)))
		forge_pool = realloc(forge_pool, 2 * (forge_n + 1) * sizeof(*forge_pool));
	return forge_pool[forge_n++] = p;
}

static inline char *forge_text(struct buf *b)
{
	buf_add_u8(b, 0);
	char *s = strdup((const char *)buf_span(b).p);
	buf_done(b);
	return forge_keep(s);
}

static inline char *forge_b64(const void *p, size_t n)
{
	struct buf b;
	buf_init(&b, FORGE_MAX);
	buf_add_base64url(&b, span_of(p, n));
	return forge_text(&b);
}

static inline EVP_PKEY *forge_key(const char *kind)
{
	EVP_PKEY *k = !strncmp(kind, "RSA", 3) ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)atoi(kind + 3))
		      : !strcmp(kind, "Ed25519") ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
						 : EVP_PKEY_Q_keygen(NULL, NULL, "EC", kind);
	return forge_keep(k);
}

static inline char *forge_bn(EVP_PKEY *k, const char *name, int len)
{
	BIGNUM *n = NULL;
	uint8_t bytes[1024];
	EVP_PKEY_get_bn_param(k, name, &n);
	int size = len ? len : BN_num_bytes(n);
	BN_bn2binpad(n, bytes, size);
	BN_free(n);
	return forge_b64(bytes, (size_t)size);
}

/* One JWK. more: members to add, such as "\"alg\":\"RS256\",", or "". */
static inline char *forge_jwk(EVP_PKEY *k, const char *kid, const char *more)
{
	struct buf b;
	buf_init(&b, FORGE_MAX);
	buf_printf(&b, "{\"kid\":\"%s\",%s", kid, more);
	if (EVP_PKEY_is_a(k, "RSA")) {
		buf_printf(&b, "\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"}", forge_bn(k, "n", 0),
			   forge_bn(k, "e", 0));
	} else if (EVP_PKEY_is_a(k, "EC")) {
		int len = (EVP_PKEY_get_bits(k) + 7) / 8;
		const char *crv = len == 32 ? "P-256" : len == 48 ? "P-384" : "P-521";
		buf_printf(&b, "\"kty\":\"EC\",\"crv\":\"%s\",\"x\":\"%s\",\"y\":\"%s\"}", crv,
			   forge_bn(k, OSSL_PKEY_PARAM_EC_PUB_X, len),
			   forge_bn(k, OSSL_PKEY_PARAM_EC_PUB_Y, len));
	} else {
		uint8_t pub[32];
		size_t n = sizeof(pub);
		EVP_PKEY_get_raw_public_key(k, pub, &n);
		buf_printf(&b, "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\"}", forge_b64(pub, n));
	}
	return forge_text(&b);
}

/* Up to two keys. */
static inline char *forge_jwks(const char *one, const char *two)
{
	struct buf b;
	buf_init(&b, FORGE_MAX);
	buf_printf(&b, "{\"keys\":[%s%s%s]}", one, two ? "," : "", two ? two : "");
	return forge_text(&b);
}

/* Signs text as the algorithm demands; "none": an empty signature. */
static inline size_t forge_sign(EVP_PKEY *k, const char *alg, const char *text, uint8_t *out)
{
	const char *md = strstr(alg, "256") ? "SHA256" : strstr(alg, "384") ? "SHA384" : "SHA512";
	EVP_PKEY_CTX *c = NULL;
	EVP_MD_CTX *m = EVP_MD_CTX_new();
	size_t n = 2048;
	EVP_DigestSignInit_ex(m, &c, EVP_PKEY_is_a(k, "ED25519") ? NULL : md, NULL, NULL, k, NULL);
	if (alg[0] == 'P') {
		EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PSS_PADDING);
		EVP_PKEY_CTX_set_rsa_pss_saltlen(c, RSA_PSS_SALTLEN_DIGEST);
	}
	EVP_DigestSign(m, out, &n, (const uint8_t *)text, strlen(text));
	EVP_MD_CTX_free(m);
	if (EVP_PKEY_is_a(k, "EC")) {
		const uint8_t *p = out;
		int len = (EVP_PKEY_get_bits(k) + 7) / 8;
		ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &p, (long)n);
		BN_bn2binpad(ECDSA_SIG_get0_r(s), out, len);
		BN_bn2binpad(ECDSA_SIG_get0_s(s), out + len, len);
		ECDSA_SIG_free(s);
		n = 2 * (size_t)len;
	}
	return n;
}

/* A token with any header and claims; how: the algorithm that really signs. k NULL: no signature. */
static inline char *forge_token(EVP_PKEY *k, const char *how, const char *header, const char *claims)
{
	uint8_t sig[2048];
	struct buf b;
	buf_init(&b, FORGE_MAX);
	buf_printf(&b, "%s.%s", forge_b64(header, strlen(header)), forge_b64(claims, strlen(claims)));
	char *text = forge_text(&b);
	size_t n = k ? forge_sign(k, how, text, sig) : 0;
	buf_init(&b, FORGE_MAX);
	buf_printf(&b, "%s.%s", text, forge_b64(sig, n));
	return forge_text(&b);
}

static inline char *forge_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static inline char *forge_printf(const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;
	va_start(ap, fmt);
	int n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return n < 0 ? NULL : forge_keep(s);
}
