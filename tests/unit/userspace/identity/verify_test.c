/* Tokens, good and bad, through token_verify. */
#include "identity/identity.h"

#include "base/macro.h"
#include "base/ossl.h"

#include "../../tap.h"
#include "forge.h"

#define NOW    1800000000ll
#define GOOD   "\"iss\":\"https://idp\",\"aud\":\"sluice\",\"sub\":\"crew\",\"exp\":1800003600"
#define CLAIMS "{" GOOD ",\"iat\":1799999990,\"nbf\":1799999990,\"groups\":[\"a\",\"b\"],\"act\":{\"sub\":\"ann\"}}"

static struct arena arena;
static struct identity id;
static char why[400];

static struct jwks *keys_of(const char *jwks)
{
	struct jwks *k = NULL;
	CHECK_INT(jwks_parse(span_str(jwks), &k), 0);
	return k;
}

static int verify_by(const char *token, const struct jwks *keys, const char *const *algorithms, int n)
{
	struct token_rules r = {"https://idp", "sluice", algorithms, n, "groups", "act.sub", NOW, 60};
	arena_reset(&arena);
	memset(&id, 0, sizeof(id));
	memset(why, 'x', sizeof(why));
	int err = token_verify(span_str(token), keys, &r, &arena, &id, why, sizeof(why));
	/* A refusal says why, in one line, and does not hold the token. */
	CHECK(memchr(why, 0, sizeof(why)) != NULL);
	CHECK((err < 0) == (why[0] != 0));
	CHECK(!strchr(why, '\n') && !strstr(why, "eyJ"));
	CHECK(err == 0 || id.subject == NULL);
	return err;
}

static int verify(const char *token, const struct jwks *keys)
{
	return verify_by(token, keys, NULL, 0);
}

static char *header_of(const char *alg, const char *kid)
{
	return forge_printf("{\"alg\":\"%s\",\"kid\":\"%s\",\"typ\":\"JWT\"}", alg, kid);
}

struct kind {
	const char *key, *algs[6];
};

static const struct kind kinds[] = {
	{"RSA2048", {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}},
	{"P-256", {"ES256"}},
	{"P-384", {"ES384"}},
	{"P-521", {"ES512"}},
	{"Ed25519", {"EdDSA"}},
};

static void accepts_every_algorithm_that_fits_its_key(void)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		EVP_PKEY *key = forge_key(kinds[i].key);
		struct jwks *keys = keys_of(forge_jwks(forge_jwk(key, "k1", ""), NULL));
		for (int j = 0; j < 6 && kinds[i].algs[j]; j++) {
			const char *alg = kinds[i].algs[j];
			char *token = forge_token(key, alg, header_of(alg, "k1"), CLAIMS);
			CHECK_INT(verify(token, keys), 0);
			CHECK_STR(id.issuer, "https://idp");
			CHECK_STR(id.subject, "crew");
			CHECK_STR(id.owner, "ann");
			CHECK_INT(id.n_groups, 2);
			CHECK_STR(id.n_groups == 2 ? id.groups[1] : "", "b");
			CHECK_INT(id.expires, 1800003600);
			CHECK_INT(strlen(id.token_sha256), 64);
			/* One flipped bit of the signature's last byte but one. */
			size_t n = strlen(token);
			token[n - 6] = token[n - 6] == 'A' ? 'B' : 'A';
			CHECK_INT(verify(token, keys), ERR_VERIFY);
		}
		jwks_unref(keys);
		EVP_PKEY_free(key);
	}
}

/* The token's word on its algorithm never beats the key's. */
static void refuses_confused_algorithms(void)
{
	EVP_PKEY *rsa = forge_key("RSA2048"), *ec = forge_key("P-256"), *p384 = forge_key("P-384");
	struct jwks *keys = keys_of(forge_jwks(forge_jwk(rsa, "r", "\"alg\":\"RS256\","),
					       forge_jwk(ec, "e", "")));
	static const char *const only_ps[] = {"PS256"};
	struct {
		EVP_PKEY *key;
		const char *how, *alg, *kid;
		int expected;
	} rows[] = {
		{rsa, "RS256", "RS256", "r", 0},
		{rsa, "RS384", "RS384", "r", ERR_VERIFY}, /* the set says RS256 */
		{rsa, "PS256", "PS256", "r", ERR_VERIFY},
		{rsa, "PS256", "RS256", "r", ERR_VERIFY},
		{rsa, "RS256", "ES256", "r", ERR_VERIFY},
		{rsa, "RS256", "RS256", "e", ERR_VERIFY},
		{rsa, "RS256", "RS256", "x", ERR_VERIFY}, /* no such kid */
		{ec, "ES256", "ES256", "e", 0},
		{ec, "ES256", "ES256", "r", ERR_VERIFY},
		{ec, "ES256", "EdDSA", "e", ERR_VERIFY},
		{p384, "ES384", "ES384", "e", ERR_VERIFY}, /* wrong curve */
		{p384, "ES256", "ES256", "e", ERR_VERIFY},
		{NULL, "none", "none", "r", ERR_MALFORMED}, /* an empty third part */
		{rsa, "RS256", "none", "r", ERR_VERIFY},
		{rsa, "RS256", "None", "r", ERR_VERIFY},
		{rsa, "RS256", "HS256", "r", ERR_VERIFY},
		{rsa, "RS256", "rs256", "r", ERR_VERIFY},
		{rsa, "RS256", "", "r", ERR_VERIFY},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *token = forge_token(rows[i].key, rows[i].how, header_of(rows[i].alg, rows[i].kid), CLAIMS);
		CHECK_INT(verify(token, keys), rows[i].expected);
	}
	char *good = forge_token(rsa, "RS256", header_of("RS256", "r"), CLAIMS);
	CHECK_INT(verify_by(good, keys, only_ps, 1), ERR_VERIFY);
	/* Two keys by one name, of two kinds: the algorithm chooses; of one kind: refused. */
	struct jwks *twins = keys_of(forge_jwks(forge_jwk(rsa, "k", ""), forge_jwk(ec, "k", "")));
	CHECK_INT(verify(forge_token(ec, "ES256", header_of("ES256", "k"), CLAIMS), twins), 0);
	jwks_unref(twins);
	EVP_PKEY *other = forge_key("P-256");
	twins = keys_of(forge_jwks(forge_jwk(other, "k", ""), forge_jwk(ec, "k", "")));
	CHECK_INT(verify(forge_token(ec, "ES256", header_of("ES256", "k"), CLAIMS), twins), ERR_VERIFY);
	/* Without a kid a key is taken only where there is no choice. */
	char *unnamed = forge_token(ec, "ES256", "{\"alg\":\"ES256\"}", CLAIMS);
	CHECK_INT(verify(unnamed, keys), 0);
	CHECK_INT(verify(unnamed, twins), ERR_VERIFY);
	jwks_unref(twins);
	jwks_unref(keys);
}

/* The classic: a token MACed with the issuer's public key, which libjwt alone accepts. */
static void refuses_hmac_by_the_public_key(void)
{
	EVP_PKEY *rsa = forge_key("RSA2048");
	struct jwks *keys = keys_of(forge_jwks(forge_jwk(rsa, "r", ""), NULL));
	BIO *b = BIO_new(BIO_s_mem());
	char *pem = NULL;
	uint8_t mac[32];
	unsigned n = sizeof(mac);
	PEM_write_bio_PUBKEY(b, rsa);
	long len = BIO_get_mem_data(b, &pem);
	char *header = header_of("HS256", "r");
	char *text = forge_printf("%s.%s", forge_b64(header, strlen(header)), forge_b64(CLAIMS, strlen(CLAIMS)));
	HMAC(EVP_sha256(), pem, (int)len, (uint8_t *)text, strlen(text), mac, &n);
	CHECK_INT(verify(forge_printf("%s.%s", text, forge_b64(mac, n)), keys), ERR_VERIFY);
	CHECK(strstr(why, "HS256") != NULL);
	BIO_free(b);
	jwks_unref(keys);
}

static void refuses_bad_headers(void)
{
	EVP_PKEY *ec = forge_key("P-256");
	struct jwks *keys = keys_of(forge_jwks(forge_jwk(ec, "e", ""), NULL));
	static const struct {
		const char *header;
		int expected;
	} rows[] = {
		{"{\"alg\":\"ES256\",\"kid\":\"e\"}", 0},
		{"{\"alg\":\"ES256\",\"kid\":\"e\",\"typ\":\"at+jwt\"}", 0},
		{"{\"alg\":\"ES256\",\"kid\":\"e\",\"typ\":\"logout+jwt\"}", ERR_DENIED},
		{"{\"alg\":\"ES256\",\"kid\":\"e\",\"typ\":7}", ERR_MALFORMED},
		{"{\"alg\":\"ES256\",\"alg\":\"none\",\"kid\":\"e\"}", ERR_MALFORMED},
		{"{\"alg\":\"none\",\"alg\":\"ES256\",\"kid\":\"e\"}", ERR_MALFORMED},
		{"{\"alg\":\"ES256\",\"kid\":\"e\",\"\\u0061lg\":\"ES256\"}", ERR_MALFORMED},
		{"{\"alg\":[\"ES256\"],\"kid\":\"e\"}", ERR_MALFORMED},
		{"{\"alg\":\"ES256\",\"kid\":1}", ERR_MALFORMED},
		{"{\"kid\":\"e\"}", ERR_VERIFY},
		{"{\"alg\":\"ES256\",\"kid\":\"e\",\"crit\":[]}", ERR_MALFORMED},
		{"{\"alg\":\"ES256\",\"kid\":\"e\",\"b64\":false}", ERR_MALFORMED},
		{"{\"alg\":\"ES256\",\"kid\":\"e\",\"jku\":\"https://evil/k\"}", ERR_MALFORMED},
		{"{\"alg\":\"ES256\",\"kid\":\"e\",\"x5u\":\"https://evil/k\"}", ERR_MALFORMED},
		{"{\"alg\":\"ES256\",\"kid\":\"e\",\"jwk\":{}}", ERR_MALFORMED},
		{"{\"alg\":\"ES256\",\"kid\":\"e\",\"x5c\":[]}", ERR_MALFORMED},
		{"{\"alg\":\"ES256\",\"kid\":\"e\\u0000\"}", ERR_MALFORMED},
		{"[\"ES256\"]", ERR_MALFORMED},
		{"{\"alg\":\"ES256\",\"kid\":\"e\"} x", ERR_MALFORMED},
		{"{\"alg\":\"ES256\",\"kid\":\"e\"", ERR_MALFORMED},
		{"{\"alg\":\"ES256\",\"kid\":\"e\",\"a\":[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]}", ERR_MALFORMED},
		{"{\"alg\":\"ES256\",\"kid\":\"e\",\"a\":\"[[[[[[[[[[[[[[[[[[[[\\\"[[[[\"}", 0},
		{"", ERR_MALFORMED},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_INT(verify(forge_token(ec, "ES256", rows[i].header, CLAIMS), keys), rows[i].expected);
	jwks_unref(keys);
}

static void refuses_what_is_no_token(void)
{
	EVP_PKEY *ec = forge_key("P-256");
	struct jwks *keys = keys_of(forge_jwks(forge_jwk(ec, "e", ""), NULL));
	char *good = forge_token(ec, "ES256", header_of("ES256", "e"), CLAIMS);
	CHECK_INT(verify(good, keys), 0);
	/* Cut anywhere, it is never accepted. */
	int n_accepted = 0;
	for (size_t len = 0; len < strlen(good); len++) {
		char *cut = strndup(good, len);
		n_accepted += verify(cut, keys) == 0;
		free(cut);
	}
	CHECK_INT(n_accepted, 0);
	const char *rows[] = {"", ".", "..", "...", "a.b.c", "a..b", " ", "null"};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_INT(verify(rows[i], keys), ERR_MALFORMED);
	CHECK_INT(verify(forge_printf("%s.x", good), keys), ERR_MALFORMED);
	CHECK_INT(verify(forge_printf("%s\n", good), keys), ERR_MALFORMED);
	CHECK_INT(verify(forge_printf(" %s", good), keys), ERR_MALFORMED);
	CHECK_INT(verify(forge_printf("%s=", good), keys), ERR_MALFORMED);
	/* 1 MB: signed and well, and refused before anything is read. */
	char *pad = forge_keep(malloc(1 << 20));
	memset(pad, 'a', 1 << 20);
	pad[(1 << 20) - 1] = 0;
	char *big = forge_printf("{" GOOD ",\"pad\":\"%s\"}", pad);
	CHECK_INT(verify(forge_token(ec, "ES256", header_of("ES256", "e"), big), keys), ERR_LIMIT);
	CHECK_INT(verify(pad, keys), ERR_LIMIT);
	jwks_unref(keys);
}

static void refuses_wrong_signature_lengths(void)
{
	EVP_PKEY *ec = forge_key("P-256");
	struct jwks *keys = keys_of(forge_jwks(forge_jwk(ec, "e", ""), NULL));
	char *header = header_of("ES256", "e");
	char *text = forge_printf("%s.%s", forge_b64(header, strlen(header)), forge_b64(CLAIMS, strlen(CLAIMS)));
	uint8_t sig[200] = {0};
	forge_sign(ec, "ES256", text, sig);
	static const struct {
		size_t len;
		int expected;
	} rows[] = {{64, 0}, {63, ERR_VERIFY}, {65, ERR_VERIFY}, {1, ERR_VERIFY}, {200, ERR_VERIFY}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_INT(verify(forge_printf("%s.%s", text, forge_b64(sig, rows[i].len)), keys), rows[i].expected);
	memset(sig, 0, sizeof(sig)); /* r = s = 0, which some implementations have accepted */
	CHECK_INT(verify(forge_printf("%s.%s", text, forge_b64(sig, 64)), keys), ERR_VERIFY);
	jwks_unref(keys);
}

static void reads_the_issuer_unverified(void)
{
	EVP_PKEY *ec = forge_key("P-256");
	const char *iss = NULL;
	arena_reset(&arena);
	char *token = forge_token(ec, "ES256", header_of("ES256", "?"), CLAIMS);
	CHECK_INT(token_issuer(span_str(token), &arena, &iss), 0);
	CHECK_STR(iss, "https://idp");
	token = forge_token(ec, "ES256", header_of("ES256", "?"), "{\"iss\":5}");
	CHECK_INT(token_issuer(span_str(token), &arena, &iss), ERR_MALFORMED);
	token = forge_token(ec, "ES256", header_of("ES256", "?"), "{\"iss\":\"a\",\"iss\":\"b\"}");
	CHECK_INT(token_issuer(span_str(token), &arena, &iss), ERR_MALFORMED);
}

int main(void)
{
	arena_init(&arena, 1 << 20);
	accepts_every_algorithm_that_fits_its_key();
	refuses_confused_algorithms();
	refuses_hmac_by_the_public_key();
	refuses_bad_headers();
	refuses_what_is_no_token();
	refuses_wrong_signature_lengths();
	reads_the_issuer_unverified();
	arena_done(&arena);
	return tap_done();
}
