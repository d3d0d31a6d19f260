#include "identity/oidc.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/jw.h"
#include "base/macro.h"
#include "identity/token.h"

#define ENDPOINT_MAX 2000

int oidc_discovery_url(const char *issuer, char *out, size_t size)
{
	size_t len = strlen(issuer);
	bool has_slash = len && issuer[len - 1] == '/';
	int n = snprintf(out, size, "%s%s.well-known/openid-configuration", issuer,
			 has_slash ? "" : "/");
	return n < 0 || (size_t)n >= size ? ERR_LIMIT : 0;
}

/* The browser is sent there, or the client's secret. */
static bool is_endpoint(const char *s)
{
	static const char *const starts[] = {"https://", "http://127.0.0.1:", "http://[::1]:"};
	for (const char *c = s; *c; c++)
		if (*c <= ' ' || *c > '~' || *c == '"' || *c == '#')
			return false;
	for (size_t i = 0; i < ARRAY_LEN(starts); i++)
		if (!strncmp(s, starts[i], strlen(starts[i])))
			return strlen(s) <= ENDPOINT_MAX;
	return false;
}

static int take_endpoint(const json_t *j, const char *name, char **ret)
{
	const char *s = json_string_value(json_object_get(j, name));
	if (!s)
		return ERR_MALFORMED;
	if (!is_endpoint(s))
		return ERR_DENIED;
	*ret = strdup(s);
	return *ret ? 0 : -ENOMEM;
}

int oidc_provider_parse(struct span text, const char *issuer, struct oidc_provider *ret)
{
	struct oidc_provider p = {0};
	json_t *j = NULL;
	int r = strict_object(text, &j);
	const char *own = json_string_value(json_object_get(j, "issuer"));
	if (r == 0)
		r = !own ? ERR_MALFORMED : strcmp(own, issuer) ? ERR_DENIED : 0;
	if (r == 0)
		r = take_endpoint(j, "authorization_endpoint", &p.authorization);
	if (r == 0)
		r = take_endpoint(j, "token_endpoint", &p.token);
	if (r == 0)
		r = take_endpoint(j, "jwks_uri", &p.jwks);
	if (r == 0)
		r = (p.issuer = strdup(issuer)) ? 0 : -ENOMEM;
	p.says_issuer =
	    json_is_true(json_object_get(j, "authorization_response_iss_parameter_supported"));
	json_decref(j);
	if (r < 0) {
		oidc_provider_done(&p);
		return r;
	}
	*ret = p;
	return 0;
}

void oidc_provider_done(struct oidc_provider *p)
{
	free(p->issuer);
	free(p->authorization);
	free(p->token);
	free(p->jwks);
	*p = (struct oidc_provider){0};
}

static void encode(const uint8_t *bytes, char out[OIDC_SECRET])
{
	struct buf b;
	buf_init(&b, OIDC_SECRET);
	buf_add_base64url(&b, span_of(bytes, 32));
	snprintf(out, OIDC_SECRET, "%.*s", (int)buf_len(&b), (const char *)buf_span(&b).p);
	buf_wipe(&b);
}

int oidc_secret(char out[OIDC_SECRET])
{
	uint8_t bytes[32];
	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return -EIO;
	encode(bytes, out);
	explicit_bzero(bytes, sizeof(bytes));
	return 0;
}

void oidc_challenge(const char *verifier, char out[OIDC_SECRET])
{
	uint8_t md[SHA256_DIGEST_LENGTH];
	SHA256((const uint8_t *)verifier, strlen(verifier), md);
	encode(md, out);
}

void buf_add_escaped(struct buf *out, const char *s)
{
	static const char plain[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	for (; *s; s++) {
		if (strchr(plain, *s))
			buf_add_u8(out, (uint8_t)*s);
		else
			buf_printf(out, "%%%02X", (uint8_t)*s);
	}
}

static void param(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "&%s=", name);
	buf_add_escaped(out, value);
}

/* = OpenID Connect Core 3.1.2.1 */
void oidc_authorize_url(struct buf *out, const struct oidc_provider *p, const struct oidc_login *l)
{
	char challenge[OIDC_SECRET];
	oidc_challenge(l->verifier, challenge);
	buf_printf(out, "%s%cresponse_type=code", p->authorization,
		   strchr(p->authorization, '?') ? '&' : '?');
	param(out, "client_id", l->client_id);
	param(out, "redirect_uri", l->redirect);
	param(out, "scope", l->scope);
	param(out, "state", l->state);
	param(out, "nonce", l->nonce);
	param(out, "code_challenge", challenge);
	param(out, "code_challenge_method", "S256");
	buf_printf(out, "&max_age=%d", l->max_age_s);
	if (l->max_age_s == 0)
		param(out, "prompt", "login");
}

void oidc_token_body(struct buf *out, const struct oidc_login *l, const char *code, bool is_public)
{
	buf_add_str(out, "grant_type=authorization_code");
	param(out, "code", code);
	param(out, "redirect_uri", l->redirect);
	param(out, "code_verifier", l->verifier);
	if (is_public)
		param(out, "client_id", l->client_id);
}

int oidc_token_parse(struct span text, char **ret_token, char *ret_why, size_t why_size)
{
	json_t *j = NULL;
	snprintf(ret_why, why_size, "the provider's answer holds no ID token");
	int r = strict_object(text, &j);
	if (r < 0)
		return r;
	const char *error = json_string_value(json_object_get(j, "error"));
	const char *token = json_string_value(json_object_get(j, "id_token"));
	if (error) {
		/* = RFC 6749 5.2: the code's characters; anything else is not repeated. */
		size_t n = strspn(error, "abcdefghijklmnopqrstuvwxyz_");
		snprintf(ret_why, why_size, "the provider refuses: %.*s", (int)MIN(n, (size_t)60),
			 error);
		r = ERR_DENIED;
	} else if (!token || strlen(token) > TOKEN_MAX) {
		r = ERR_MALFORMED;
	} else {
		*ret_token = strdup(token);
		r = *ret_token ? 0 : -ENOMEM;
	}
	json_decref(j);
	return r;
}
