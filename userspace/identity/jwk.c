/* A published key (RFC 7517, 7518 section 6, 8037 section 2) -> EVP_PKEY. */
#include "identity/token.h"

#include <errno.h>

#include "base/macro.h"

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192 /* more only costs time */
#define LEFT_OUT     1

struct curve {
	const char *name, *group;
	enum key_kind kind;
	size_t len; /* bytes of a coordinate, or of the key */
};

static const struct curve curves[] = {
	{"P-256", "P-256", KEY_EC, 32},
	{"P-384", "P-384", KEY_EC, 48},
	{"P-521", "P-521", KEY_EC, 66},
	{"Ed25519", NULL, KEY_OKP, 32},
};

static int key_of(const char *type, OSSL_PARAM *params, EVP_PKEY **ret)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *key = NULL;
	bool ok = c && params && EVP_PKEY_fromdata_init(c) == 1 &&
		  EVP_PKEY_fromdata(c, &key, EVP_PKEY_PUBLIC_KEY, params) == 1;
	EVP_PKEY_CTX_free(c);
	if (ok) {
		/* A point off its curve, an even modulus: what the format alone does not rule out. */
		EVP_PKEY_CTX *check = EVP_PKEY_CTX_new(key, NULL);
		ok = check && EVP_PKEY_public_check(check) == 1;
		EVP_PKEY_CTX_free(check);
	}
	ERR_clear_error();
	if (!ok) {
		EVP_PKEY_free(key);
		return LEFT_OUT;
	}
	*ret = key;
	return 0;
}

static bool is_rsa_sane(const BIGNUM *n, const BIGNUM *e)
{
	int bits = BN_num_bits(n);
	/* = FIPS 186-5 section 5.1: odd, above 2^16; and small enough that verifying stays cheap */
	return bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX && BN_is_odd(n) && BN_is_odd(e) &&
	       BN_num_bits(e) > 16 && BN_num_bits(e) <= 32;
}

static int read_rsa(const json_t *json, struct jwk *k)
{
	struct buf n, e;
	buf_init(&n, RSA_BITS_MAX / 8 + 1);
	buf_init(&e, 8);
	int r = LEFT_OUT;
	if (member_bytes(json, "n", RSA_BITS_MAX / 8, &n) == 0 && member_bytes(json, "e", 8, &e) == 0) {
		BIGNUM *bn = BN_bin2bn(buf_span(&n).p, (int)buf_len(&n), NULL);
		BIGNUM *be = BN_bin2bn(buf_span(&e).p, (int)buf_len(&e), NULL);
		OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
		OSSL_PARAM *p = NULL;
		if (bn && be && b && is_rsa_sane(bn, be) &&
		    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, bn) &&
		    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, be))
			p = OSSL_PARAM_BLD_to_param(b);
		r = key_of("RSA", p, &k->pkey);
		OSSL_PARAM_free(p);
		OSSL_PARAM_BLD_free(b);
		BN_free(bn);
		BN_free(be);
	}
	buf_done(&n);
	buf_done(&e);
	k->kind = KEY_RSA;
	return r;
}

static const struct curve *curve_of(const json_t *json, enum key_kind kind)
{
	const char *crv = json_string_value(json_object_get(json, "crv"));
	for (size_t i = 0; crv && i < ARRAY_LEN(curves); i++)
		if (curves[i].kind == kind && !strcmp(curves[i].name, crv))
			return &curves[i];
	return NULL;
}

/* x, or 4 x y: each exactly as long as the curve says (= RFC 7518 section 6.2.1.2). */
static int read_point(const json_t *json, struct jwk *k, enum key_kind kind)
{
	const struct curve *c = curve_of(json, kind);
	if (!c)
		return LEFT_OUT;
	bool is_ec = kind == KEY_EC;
	struct buf point;
	buf_init(&point, 1 + 2 * c->len);
	if (is_ec)
		buf_add_u8(&point, POINT_CONVERSION_UNCOMPRESSED);
	int r = LEFT_OUT;
	if (member_bytes(json, "x", c->len, &point) == 0 && buf_len(&point) == is_ec + c->len &&
	    (!is_ec || member_bytes(json, "y", c->len, &point) == 0) &&
	    buf_len(&point) == (is_ec ? 1 + 2 * c->len : c->len)) {
		OSSL_PARAM params[3], *p = params;
		if (is_ec)
			*p++ = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
								(char *)c->group, 0);
		*p++ = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
							 (void *)buf_span(&point).p, buf_len(&point));
		*p = OSSL_PARAM_construct_end();
		r = key_of(is_ec ? "EC" : "ED25519", params, &k->pkey);
	}
	buf_done(&point);
	k->kind = kind;
	k->curve = c->name;
	return r;
}

/* A set that gives away a private key, or a secret shared with whoever can read it, is not one to
 * trust in any part. */
static bool has_secret(const json_t *json)
{
	static const char *const members[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};
	const char *kty = json_string_value(json_object_get(json, "kty"));
	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		if (json_object_get(json, members[i]))
			return true;
	return kty && !strcmp(kty, "oct");
}

/* use and key_ops, where they are given, must name signatures. */
static bool is_for_signatures(const json_t *json)
{
	const json_t *use = json_object_get(json, "use"), *ops = json_object_get(json, "key_ops");
	const char *text = json_string_value(use);
	if (use && (!text || strcmp(text, "sig") != 0))
		return false;
	if (!ops)
		return true;
	bool has_verify = false;
	size_t i;
	json_t *v;
	json_array_foreach (ops, i, v) {
		const char *op = json_string_value(v);
		has_verify |= op && !strcmp(op, "verify");
	}
	return has_verify;
}

/* libjwt takes keys as PEM only. */
static int keep_pem(struct jwk *k)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *text = NULL;
	int r = -ENOMEM;
	if (b && PEM_write_bio_PUBKEY(b, k->pkey) == 1) {
		long n = BIO_get_mem_data(b, &text);
		k->pem = strndup(text, (size_t)n);
		r = k->pem ? 0 : -ENOMEM;
	}
	BIO_free(b);
	return r;
}

static int read_names(const json_t *json, struct jwk *k)
{
	const json_t *alg = json_object_get(json, "alg"), *kid = json_object_get(json, "kid");
	k->alg = token_alg_by_name(json_string_value(alg));
	if (alg && (!k->alg || !jwk_fits(k, k->alg)))
		return LEFT_OUT;
	if (!kid)
		return 0;
	if (!json_is_string(kid) || json_string_length(kid) > TOKEN_TEXT_MAX)
		return LEFT_OUT;
	k->kid = strdup(json_string_value(kid));
	return k->kid ? 0 : -ENOMEM;
}

int jwk_read(const json_t *json, struct jwk *ret)
{
	struct jwk k = {0};
	const char *kty = json_string_value(json_object_get(json, "kty"));
	if (!json_is_object(json) || has_secret(json))
		return ERR_MALFORMED;
	if (!kty || !is_for_signatures(json))
		return LEFT_OUT;
	int r = !strcmp(kty, "RSA")   ? read_rsa(json, &k)
		: !strcmp(kty, "EC")  ? read_point(json, &k, KEY_EC)
		: !strcmp(kty, "OKP") ? read_point(json, &k, KEY_OKP)
				      : LEFT_OUT;
	r = r ? r : read_names(json, &k);
	if (r == 0 && k.kind != KEY_OKP)
		r = keep_pem(&k);
	if (r) {
		jwk_done(&k);
		return r;
	}
	*ret = k;
	return 0;
}

void jwk_done(struct jwk *k)
{
	EVP_PKEY_free(k->pkey);
	free(k->pem);
	free(k->kid);
	*k = (struct jwk){0};
}

bool jwk_fits(const struct jwk *k, const struct token_alg *alg)
{
	return k->kind == alg->kind && (!alg->curve || !strcmp(alg->curve, k->curve)) &&
	       (!k->alg || k->alg == alg);
}
