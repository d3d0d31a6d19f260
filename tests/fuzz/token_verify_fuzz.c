/* Tokens: the whole as it comes; and what stands behind the signature, which a fuzzer cannot make, apart:
 * a first byte of '{' is read as claims, ' ' as a header that is put before a fixed payload. */
#include "identity/token.h"

#include <stdlib.h>

#include "base/jw.h"

static const char key[] = "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"k\","
			  "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";
static const struct token_rules rules = {"https://idp", "sluice", NULL, 0, "groups.a", "act.sub", 1800000000, 60};

static void try_token(struct span token, const struct jwks *keys, struct arena *a)
{
	struct identity id;
	const char *issuer;
	char why[100];
	if (token_verify(token, keys, &rules, a, &id, why, sizeof(why)) == 0)
		abort(); /* nobody has this key's other half */
	if (token_issuer(token, a, &issuer) == 0 && strlen(issuer) > TOKEN_TEXT_MAX)
		abort();
}

static void try_claims(struct span text, struct arena *a)
{
	struct identity id;
	char why[100];
	json_t *j = NULL;
	if (strict_object(text, &j) < 0)
		return;
	if (claims_check(j, &rules, a, &id, why, sizeof(why)) == 0 &&
	    (id.expires <= rules.now || !*id.subject || strcmp(id.issuer, rules.issuer) != 0))
		abort();
	json_decref(j);
}

static void try_header(struct span text, const struct jwks *keys, struct arena *a)
{
	struct buf b;
	buf_init(&b, 4 * TOKEN_MAX);
	buf_add_base64url(&b, text);
	buf_add_str(&b, ".e30.AAAA");
	if (!buf_err(&b))
		try_token(buf_span(&b), keys, a);
	buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct jwks *keys;
	struct arena a;
	if (!keys && jwks_parse(span_str(key), &keys) < 0)
		abort();
	arena_init(&a, 1 << 18);
	if (size && data[0] == '{')
		try_claims(span_of(data, size), &a);
	else if (size && data[0] == ' ')
		try_header(span_of(data + 1, size - 1), keys, &a);
	else
		try_token(span_of(data, size), keys, &a);
	arena_done(&a);
	return 0;
}
