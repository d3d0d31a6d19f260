/* The second reader: it must refuse whenever the two would not see one and the same. */
#include "identity/token.h"

#include "base/macro.h"

#include "../../tap.h"
#include "forge.h"

#define CLAIMS "{\"iss\":\"https://idp\",\"sub\":\"crew\",\"aud\":\"sluice\",\"exp\":1}"

int main(void)
{
	EVP_PKEY *pair = forge_key("RSA2048"), *other = forge_key("RSA2048");
	struct jwks *keys = NULL, *other_keys = NULL;
	CHECK_INT(jwks_parse(span_str(forge_jwks(forge_jwk(pair, "k", ""), NULL)), &keys), 0);
	CHECK_INT(jwks_parse(span_str(forge_jwks(forge_jwk(other, "k", ""), NULL)), &other_keys), 0);
	const struct jwk *key = jwks_at(keys, 0), *wrong = jwks_at(other_keys, 0);
	const struct token_alg *rs256 = token_alg_by_name("RS256"), *rs512 = token_alg_by_name("RS512");
	char *token = forge_token(pair, "RS256", "{\"alg\":\"RS256\",\"typ\":\"JWT\"}", CLAIMS);
	char *none = forge_printf("%s.%s.", forge_b64("{\"alg\":\"none\"}", 14), forge_b64(CLAIMS, strlen(CLAIMS)));
	const struct identity id = {.issuer = "https://idp", .subject = "crew"};
	const struct identity other_sub = {.issuer = "https://idp", .subject = "crew2"};
	const struct identity other_iss = {.issuer = "https://idp2", .subject = "crew"};
	CHECK_INT(second_opinion(span_str(token), key, rs256, &id), 0);
	CHECK_INT(second_opinion(span_str(token), wrong, rs256, &id), ERR_VERIFY);
	CHECK_INT(second_opinion(span_str(token), key, rs512, &id), ERR_VERIFY);
	CHECK_INT(second_opinion(span_str(token), key, rs256, &other_sub), ERR_VERIFY);
	CHECK_INT(second_opinion(span_str(token), key, rs256, &other_iss), ERR_VERIFY);
	CHECK_INT(second_opinion(span_str(none), key, rs256, &id), ERR_VERIFY);
	/* Whoever trusted it alone: it takes a MAC by the public key for good. Its algorithm tells. */
	uint8_t mac[32];
	unsigned n = sizeof(mac);
	char *text = forge_printf("%s.%s", forge_b64("{\"alg\":\"HS256\"}", 15), forge_b64(CLAIMS, strlen(CLAIMS)));
	HMAC(EVP_sha256(), key->pem, (int)strlen(key->pem), (uint8_t *)text, strlen(text), mac, &n);
	char *confused = forge_printf("%s.%s", text, forge_b64(mac, n));
	CHECK_INT(second_opinion(span_str(confused), key, rs256, &id), ERR_VERIFY);
	jwks_unref(keys);
	jwks_unref(other_keys);
	return tap_done();
}
