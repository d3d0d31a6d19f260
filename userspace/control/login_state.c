/* "<mac>.<seed>.<Unix seconds>.<f|n>.<path>": everything that the second half of a login needs. */
#include <errno.h>
#include <stdio.h>

#include "base/jw.h"
#include "base/macro.h"
#include "base/ossl.h"
#include "control/web.h"

static void mac(const uint8_t key[32], const char *what, const char *text, char out[OIDC_SECRET])
{
	uint8_t md[32];
	unsigned len = sizeof(md);
	char in[16 + LOGIN_COOKIE_MAX];
	int n = snprintf(in, sizeof(in), "%s\n%s", what, text);
	struct buf b;
	HMAC(EVP_sha256(), key, 32, (const uint8_t *)in, (size_t)n, md, &len);
	buf_init(&b, OIDC_SECRET);
	buf_add_base64url(&b, span_of(md, sizeof(md)));
	snprintf(out, OIDC_SECRET, "%.*s", (int)buf_len(&b), (const char *)buf_span(&b).p);
	buf_wipe(&b);
}

static void derive(const uint8_t key[32], const char *seed, struct login_state *l)
{
	mac(key, "state", seed, l->state);
	mac(key, "nonce", seed, l->nonce);
	mac(key, "verifier", seed, l->verifier);
}

int login_state_new(const uint8_t key[32], const char *to, bool is_fresh, int64_t now,
		    struct login_state *ret, char cookie[LOGIN_COOKIE_MAX])
{
	char seed[OIDC_SECRET], text[LOGIN_COOKIE_MAX], tag[OIDC_SECRET];
	struct login_state l = {.is_fresh = is_fresh};
	int r = oidc_secret(seed);
	if (r < 0)
		return r;
	derive(key, seed, &l);
	snprintf(l.to, sizeof(l.to), "%s", web_is_path(to) ? to : "/");
	snprintf(text, sizeof(text), "%s.%lld.%c.%s", seed, (long long)now, is_fresh ? 'f' : 'n',
		 l.to);
	mac(key, "cookie", text, tag);
	snprintf(cookie, LOGIN_COOKIE_MAX, "%s.%.*s", tag,
		 (int)(LOGIN_COOKIE_MAX - OIDC_SECRET - 1), text);
	*ret = l;
	return 0;
}

int login_state_open(const uint8_t key[32], struct span cookie, int64_t now,
		     struct login_state *ret)
{
	char text[LOGIN_COOKIE_MAX], tag[OIDC_SECRET], seed[OIDC_SECRET], kind;
	struct login_state l = {0};
	long long at;
	int n = 0;
	if (cookie.len >= sizeof(text) || cookie.len <= 2 * OIDC_SECRET ||
	    memchr(cookie.p, 0, cookie.len) || cookie.p[OIDC_SECRET - 1] != '.')
		return ERR_MALFORMED;
	snprintf(text, sizeof(text), "%.*s", (int)cookie.len, (const char *)cookie.p);
	mac(key, "cookie", text + OIDC_SECRET, tag);
	if (CRYPTO_memcmp(tag, text, OIDC_SECRET - 1))
		return ERR_VERIFY;
	/* Ours, so it has its form. */
	if (sscanf(text + OIDC_SECRET, "%43[A-Za-z0-9_-].%lld.%c.%n", seed, &at, &kind, &n) != 3 ||
	    !n)
		return ERR_MALFORMED;
	if (at > now + WEB_LOGIN_S || now - at > WEB_LOGIN_S)
		return ERR_EXPIRED;
	derive(key, seed, &l);
	l.is_fresh = kind == 'f';
	snprintf(l.to, sizeof(l.to), "%s", text + OIDC_SECRET + n);
	*ret = l;
	return 0;
}
