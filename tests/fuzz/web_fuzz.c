/* What reaches control before anybody is logged in: the cookie of a login, a provider's documents, a signed answer.
 * The first byte says which. */
#include <assert.h>
#include <stdlib.h>

#include "control/notice.h"
#include "control/web.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void opens_cookie(struct span in)
{
	static const uint8_t key[32] = "k";
	struct login_state l;
	if (login_state_open(key, in, 1, &l) == 0)
		assert(web_is_path(l.to)); /* nobody else has the key */
}

static void reads_provider(struct span in)
{
	struct oidc_provider p;
	char *token = NULL, why[200];
	if (oidc_provider_parse(in, "https://a", &p) == 0) {
		assert(p.token && p.authorization && p.jwks);
		oidc_provider_done(&p);
	}
	if (oidc_token_parse(in, &token, why, sizeof(why)) == 0)
		free(token);
}

static void checks_answer(struct span in)
{
	static struct notice_replays seen;
	struct span a = span_of(in.p, in.len < 12 ? in.len : 12);
	struct span b = span_of(in.p + a.len, in.len - a.len < 67 ? in.len - a.len : 67);
	struct span body = span_of(b.p + b.len, in.len - a.len - b.len);
	if (notice_check(&seen, span_str("secret"), a, b, body, 1800000000) == 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const targets[])(struct span in) = {opens_cookie, reads_provider, checks_answer};
	if (size)
		targets[data[0] % 3](span_of(data + 1, size - 1));
	return 0;
}
