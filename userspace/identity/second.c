/* The second reader: libjwt, whose jwt_decode alone is unsafe (it lets the token choose the algorithm and
 * checks no claim), reads what the strict front end has accepted. What the two see must be one. */
#include "identity/token.h"

#include <errno.h>
#include <jwt.h>

#include "base/macro.h"

static bool has_same(jwt_t *jwt, const char *claim, const char *expected)
{
	const char *v = jwt_get_grant(jwt, claim);
	return v && !strcmp(v, expected);
}

int second_opinion(struct span token, const struct jwk *key, const struct token_alg *alg,
		   const struct identity *id)
{
	_cleanup_(freep) char *text = strndup((const char *)token.p, token.len);
	if (!text)
		return -ENOMEM;
	jwt_t *jwt = NULL;
	int r = jwt_decode(&jwt, text, (const unsigned char *)key->pem, (int)strlen(key->pem));
	bool ok = r == 0 && jwt;
	if (ok) {
		const char *seen = jwt_alg_str(jwt_get_alg(jwt));
		ok = seen && !strcmp(seen, alg->name) && has_same(jwt, "iss", id->issuer) &&
		     has_same(jwt, "sub", id->subject);
	}
	jwt_free(jwt);
	return ok ? 0 : r == ENOMEM ? -ENOMEM : ERR_VERIFY;
}
