/* Key sets. */
#include "identity/token.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct jwks *k = NULL;
	if (jwks_parse(span_of(data, size), &k) < 0)
		return 0;
	/* Whatever was taken is a key of its kind. */
	if (!jwks_at(k, 0))
		abort();
	for (int i = 0; jwks_at(k, i); i++) {
		const struct jwk *j = jwks_at(k, i);
		if (!j->pkey || (j->kind == KEY_RSA && EVP_PKEY_get_bits(j->pkey) < 2048))
			abort();
	}
	jwks_unref(k);
	return 0;
}
