#include "identity/token.h"

#include "base/macro.h"

static const struct token_alg algs[] = {
	{"RS256", KEY_RSA, NULL, "SHA256", false, 0, true},
	{"RS384", KEY_RSA, NULL, "SHA384", false, 0, true},
	{"RS512", KEY_RSA, NULL, "SHA512", false, 0, true},
	{"PS256", KEY_RSA, NULL, "SHA256", true, 0, false},
	{"PS384", KEY_RSA, NULL, "SHA384", true, 0, false},
	{"PS512", KEY_RSA, NULL, "SHA512", true, 0, false},
	{"ES256", KEY_EC, "P-256", "SHA256", false, 32, true},
	{"ES384", KEY_EC, "P-384", "SHA384", false, 48, true},
	{"ES512", KEY_EC, "P-521", "SHA512", false, 66, true},
	{"EdDSA", KEY_OKP, "Ed25519", NULL, false, 0, false},
};

const struct token_alg *token_alg_by_name(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_LEN(algs); i++)
		if (!strcmp(algs[i].name, name))
			return &algs[i];
	return NULL;
}
