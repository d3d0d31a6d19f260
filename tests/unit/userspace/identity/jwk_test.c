/* Published keys: which are taken, left out, or spoil their set. */
#include "identity/token.h"

#include "base/macro.h"

#include "../../tap.h"
#include "forge.h"

static int parse(const char *text)
{
	struct jwks *k = NULL;
	int r = jwks_parse(span_str(text), &k);
	CHECK((r == 0) == (k != NULL));
	jwks_unref(k);
	return r;
}

static int parse_one(const char *jwk)
{
	return parse(forge_jwks(jwk, NULL));
}

static void honours_what_a_key_is_for(void)
{
	static const struct {
		const char *more;
		int expected;
	} rows[] = {
		{"", 0},
		{"\"use\":\"sig\",", 0},
		{"\"use\":\"enc\",", ERR_NOT_FOUND},
		{"\"use\":7,", ERR_NOT_FOUND},
		{"\"key_ops\":[\"verify\"],", 0},
		{"\"key_ops\":[\"encrypt\"],", ERR_NOT_FOUND},
		{"\"key_ops\":[],", ERR_NOT_FOUND},
		{"\"key_ops\":\"verify\",", ERR_NOT_FOUND},
		{"\"alg\":\"RS256\",", 0},
		{"\"alg\":\"PS512\",", 0},
		{"\"alg\":\"ES256\",", ERR_NOT_FOUND},
		{"\"alg\":\"HS256\",", ERR_NOT_FOUND},
		{"\"alg\":\"RSA-OAEP\",", ERR_NOT_FOUND},
		{"\"alg\":1,", ERR_NOT_FOUND},
		{"\"x5c\":[\"MII\"],\"x5t\":\"a\",", 0}, /* certificates of the same key: not looked at */
		{"\"d\":\"AQAB\",", ERR_MALFORMED},
		{"\"p\":\"AQAB\",", ERR_MALFORMED},
		{"\"oth\":[],", ERR_MALFORMED},
		{"\"k\":\"c2VjcmV0\",", ERR_MALFORMED},
		{"\"use\":\"sig\",\"use\":\"sig\",", ERR_MALFORMED},
	};
	EVP_PKEY *rsa = forge_key("RSA2048");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_INT(parse_one(forge_jwk(rsa, "k", rows[i].more)), rows[i].expected);
	EVP_PKEY_free(rsa);
}

static void holds_keys_to_their_kind(void)
{
	char *n2048 = forge_bn(forge_key("RSA2048"), "n", 0), *n1024 = forge_bn(forge_key("RSA1024"), "n", 0);
	char zeros[2000];
	memset(zeros, 'A', sizeof(zeros) - 1);
	zeros[sizeof(zeros) - 1] = 0;
	struct {
		char *jwk;
		int expected;
	} rows[] = {
		{forge_printf("{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB\"}", n2048), 0},
		{forge_printf("{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB\"}", n1024), ERR_NOT_FOUND},
		{forge_printf("{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQ\"}", n2048), ERR_NOT_FOUND}, /* 1 */
		{forge_printf("{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"Aw\"}", n2048), ERR_NOT_FOUND}, /* 3 */
		{forge_printf("{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAA\"}", n2048), ERR_NOT_FOUND}, /* even */
		{forge_printf("{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAAAAE\"}", n2048), ERR_NOT_FOUND},
		{forge_printf("{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB=\"}", n2048), ERR_NOT_FOUND},
		{forge_printf("{\"kty\":\"RSA\",\"n\":\"%s\"}", n2048), ERR_NOT_FOUND},
		{forge_printf("{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB\"}", zeros), ERR_NOT_FOUND},
		{forge_printf("{\"kty\":\"RSA\",\"n\":7,\"e\":\"AQAB\"}"), ERR_NOT_FOUND},
		{forge_printf("{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}"), ERR_MALFORMED},
		{forge_printf("{\"kty\":\"oct\"}"), ERR_MALFORMED},
		{forge_printf("{\"kty\":\"XYZ\"}"), ERR_NOT_FOUND},
		{forge_printf("{\"kid\":\"no kty\"}"), ERR_NOT_FOUND},
		{forge_printf("7"), ERR_MALFORMED},
		{forge_jwk(forge_key("Ed25519"), "k", ""), 0},
		{forge_printf("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}"), ERR_NOT_FOUND},
		{forge_printf("{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"%.43s\"}", zeros), ERR_NOT_FOUND},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_INT(parse_one(rows[i].jwk), rows[i].expected);
}

static void holds_points_to_their_curve(void)
{
	EVP_PKEY *ec = forge_key("P-256");
	char *x = forge_bn(ec, OSSL_PKEY_PARAM_EC_PUB_X, 32), *y = forge_bn(ec, OSSL_PKEY_PARAM_EC_PUB_Y, 32);
	char *zero = forge_b64((uint8_t[66]){0}, 32), *short_x = forge_b64((uint8_t[66]){1}, 31);
	struct {
		const char *crv, *x, *y;
		int expected;
	} rows[] = {
		{"P-256", x, y, 0},
		{"P-256", y, x, ERR_NOT_FOUND}, /* off the curve */
		{"P-256", zero, zero, ERR_NOT_FOUND},
		{"P-256", short_x, y, ERR_NOT_FOUND},
		{"P-256", x, "", ERR_NOT_FOUND},
		{"P-384", x, y, ERR_NOT_FOUND},
		{"P-521", x, y, ERR_NOT_FOUND},
		{"secp256k1", x, y, ERR_NOT_FOUND},
		{"Ed25519", x, y, ERR_NOT_FOUND},
		{"", x, y, ERR_NOT_FOUND},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_INT(parse_one(forge_printf("{\"kty\":\"EC\",\"crv\":\"%s\",\"x\":\"%s\",\"y\":\"%s\"}",
						 rows[i].crv, rows[i].x, rows[i].y)),
			  rows[i].expected);
	EVP_PKEY_free(ec);
}

static void reads_sets(void)
{
	char *good = forge_jwk(forge_key("P-256"), "k", "");
	CHECK_INT(parse(""), ERR_MALFORMED);
	CHECK_INT(parse("{}"), ERR_MALFORMED);
	CHECK_INT(parse("[]"), ERR_MALFORMED);
	CHECK_INT(parse("null"), ERR_MALFORMED);
	CHECK_INT(parse("{\"keys\":{}}"), ERR_MALFORMED);
	CHECK_INT(parse("{\"keys\":[]}"), ERR_NOT_FOUND);
	CHECK_INT(parse("<html>"), ERR_MALFORMED);
	/* What cannot be used does not spoil the rest; what must not be there does. */
	CHECK_INT(parse(forge_jwks("{\"kty\":\"XYZ\"}", good)), 0);
	CHECK_INT(parse(forge_jwks(good, "{\"kty\":\"oct\",\"k\":\"AA\"}")), ERR_MALFORMED);
	struct buf b;
	buf_init(&b, FORGE_MAX);
	buf_printf(&b, "{\"keys\":[%s", good);
	for (int i = 0; i < JWKS_KEYS_MAX; i++)
		buf_printf(&b, ",%s", good);
	buf_add_str(&b, "]}");
	CHECK_INT(parse(forge_text(&b)), ERR_LIMIT);
	/* Huge: refused by its size alone. */
	char *huge = malloc(JWKS_MAX + 2);
	memset(huge, ' ', JWKS_MAX + 1);
	huge[JWKS_MAX + 1] = 0;
	CHECK_INT(parse(huge), ERR_LIMIT);
	huge[JWKS_MAX] = 0;
	CHECK_INT(parse(huge), ERR_MALFORMED);
	free(huge);
}

static void counts_references(void)
{
	struct jwks *k = NULL;
	CHECK_INT(jwks_parse(span_str(forge_jwks(forge_jwk(forge_key("Ed25519"), "k", ""), NULL)), &k), 0);
	CHECK(jwks_ref(k) == k);
	jwks_unref(k);
	CHECK_STR(jwks_at(k, 0)->kid, "k");
	CHECK(jwks_at(k, 1) == NULL);
	jwks_unref(k);
	jwks_unref(NULL);
}

int main(void)
{
	honours_what_a_key_is_for();
	holds_keys_to_their_kind();
	holds_points_to_their_curve();
	reads_sets();
	counts_references();
	return tap_done();
}
