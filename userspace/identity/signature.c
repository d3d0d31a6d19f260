/* Signatures by OpenSSL, every parameter fixed by the algorithm's row. RFC 7518 section 3, RFC 8037. */
#include "identity/token.h"


#include "base/macro.h"

/* JWS carries r and s side by side, OpenSSL wants them in DER. Returns the length or 0; OPENSSL_free. */
static int der_of(struct span sig, int part_len, uint8_t **ret_der)
{
	ECDSA_SIG *s = ECDSA_SIG_new();
	int n = 0;
	if (s && sig.len == 2 * (size_t)part_len) {
		BIGNUM *r = BN_bin2bn(sig.p, part_len, NULL);
		BIGNUM *v = BN_bin2bn(sig.p + part_len, part_len, NULL);
		if (r && v && ECDSA_SIG_set0(s, r, v) == 1) {
			n = i2d_ECDSA_SIG(s, ret_der);
		} else {
			BN_free(r);
			BN_free(v);
		}
	}
	ECDSA_SIG_free(s);
	return n > 0 ? n : 0;
}

static bool set_pss(EVP_PKEY_CTX *c)
{
	/* = RFC 7518 section 3.5: "The size of the salt value is the same size as the hash function
	 * output", MGF1 with that hash (OpenSSL's default). */
	return EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PSS_PADDING) == 1 &&
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(c, RSA_PSS_SALTLEN_DIGEST) == 1;
}

int signature_verify(const struct token_alg *alg, EVP_PKEY *key, struct span signed_part, struct span sig)
{
	uint8_t *der = NULL;
	if (alg->part_len) {
		int n = der_of(sig, alg->part_len, &der);
		if (!n)
			return ERR_VERIFY;
		sig = span_of(der, (size_t)n);
	}
	EVP_PKEY_CTX *c = NULL;
	EVP_MD_CTX *m = EVP_MD_CTX_new();
	bool ok = m && EVP_DigestVerifyInit_ex(m, &c, alg->digest, NULL, NULL, key, NULL) == 1 &&
		  (!alg->is_pss || set_pss(c)) &&
		  EVP_DigestVerify(m, sig.p, sig.len, signed_part.p, signed_part.len) == 1;
	EVP_MD_CTX_free(m);
	OPENSSL_free(der);
	ERR_clear_error();
	return ok ? 0 : ERR_VERIFY;
}
