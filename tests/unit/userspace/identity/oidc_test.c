#include "identity/oidc.h"

#include "base/macro.h"

#include "../../tap.h"

#define ISSUER "https://idp.example/realm"
#define DOC(issuer, auth, token, jwks)                                                                       \
	"{\"issuer\":\"" issuer "\",\"authorization_endpoint\":\"" auth "\",\"token_endpoint\":\"" token   \
	"\",\"jwks_uri\":\"" jwks "\"}"

static void reads_providers(void)
{
	static const struct {
		const char *text;
		int err;
	} rows[] = {
		{DOC(ISSUER, "https://a/x?y=1", "https://b/", "https://c/"), 0},
		{DOC(ISSUER, "http://127.0.0.1:80/x", "http://[::1]:9/", "https://c/"), 0},
		{DOC("https://idp.example", "https://a/", "https://b/", "https://c/"), ERR_DENIED},
		{DOC(ISSUER "/", "https://a/", "https://b/", "https://c/"), ERR_DENIED},
		{DOC(ISSUER, "http://a/", "https://b/", "https://c/"), ERR_DENIED},
		{DOC(ISSUER, "javascript:alert(1)", "https://b/", "https://c/"), ERR_DENIED},
		{DOC(ISSUER, "https://a/", "http://127.0.0.1.evil/", "https://c/"), ERR_DENIED},
		{DOC(ISSUER, "https://a/\\r\\nX: y", "https://b/", "https://c/"), ERR_DENIED},
		{DOC(ISSUER, "https://a/#f", "https://b/", "https://c/"), ERR_DENIED},
		{DOC(ISSUER, "https://a/", "https://b/", "file:///etc/passwd"), ERR_DENIED},
		{"{\"issuer\":\"" ISSUER "\",\"issuer\":\"" ISSUER "\"}", ERR_MALFORMED},
		{"{\"issuer\":\"" ISSUER "\"}", ERR_MALFORMED},
		{"{\"issuer\":7}", ERR_MALFORMED},
		{"[]", ERR_MALFORMED},
		{"", ERR_MALFORMED},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct oidc_provider p = {0};
		CHECK_INT(oidc_provider_parse(span_str(rows[i].text), ISSUER, &p), rows[i].err);
		CHECK((p.issuer != NULL) == (rows[i].err == 0));
		oidc_provider_done(&p);
	}
	char url[64];
	CHECK_INT(oidc_discovery_url("https://a", url, sizeof(url)), 0);
	CHECK_STR(url, "https://a/.well-known/openid-configuration");
	CHECK_INT(oidc_discovery_url("https://a/b/", url, sizeof(url)), 0);
	CHECK_STR(url, "https://a/b/.well-known/openid-configuration");
	CHECK_INT(oidc_discovery_url("https://a", url, 20), ERR_LIMIT);
}

/* = RFC 7636 appendix B */
static void challenges(void)
{
	char out[OIDC_SECRET], a[OIDC_SECRET], b[OIDC_SECRET];
	oidc_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", out);
	CHECK_STR(out, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
	CHECK_INT(oidc_secret(a), 0);
	CHECK_INT(oidc_secret(b), 0);
	CHECK_INT(strlen(a), 43);
	CHECK(strcmp(a, b) != 0);
}

static const struct oidc_login login = {.client_id = "a b&c",
					.redirect = "https://g/auth/callback",
					.scope = "openid groups",
					.state = "s",
					.nonce = "n",
					.verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
					.max_age_s = 600};

static void asks(void)
{
	struct oidc_provider p = {.authorization = "https://a/x?y=1"};
	struct oidc_login fresh = login;
	struct buf b;
	buf_init(&b, 4096);
	oidc_authorize_url(&b, &p, &login);
	buf_add_u8(&b, 0);
	CHECK_STR((const char *)buf_span(&b).p,
		  "https://a/x?y=1&response_type=code&client_id=a%20b%26c"
		  "&redirect_uri=https%3A%2F%2Fg%2Fauth%2Fcallback"
		  "&scope=openid%20groups&state=s&nonce=n&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
		  "&code_challenge_method=S256&max_age=600");
	buf_reset(&b);
	fresh.max_age_s = 0;
	oidc_authorize_url(&b, &p, &fresh);
	buf_add_u8(&b, 0);
	CHECK(strstr((const char *)buf_span(&b).p, "&max_age=0&prompt=login") != NULL);
	buf_reset(&b);
	oidc_token_body(&b, &login, "c/d", true);
	buf_add_u8(&b, 0);
	CHECK_STR((const char *)buf_span(&b).p,
		  "grant_type=authorization_code&code=c%2Fd&redirect_uri=https%3A%2F%2Fg%2Fauth%2Fcallback"
		  "&code_verifier=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk&client_id=a%20b%26c");
	buf_done(&b);
}

static void reads_answers(void)
{
	static const struct {
		const char *text, *token, *why;
		int err;
	} rows[] = {
		{"{\"id_token\":\"x.y.z\",\"access_token\":\"t\"}", "x.y.z", NULL, 0},
		{"{\"access_token\":\"t\"}", NULL, "no ID token", ERR_MALFORMED},
		{"{\"id_token\":7}", NULL, "no ID token", ERR_MALFORMED},
		{"{\"error\":\"invalid_grant\",\"id_token\":\"x\"}", NULL, "refuses: invalid_grant", ERR_DENIED},
		{"{\"error\":\"<script>\"}", NULL, "refuses: ", ERR_DENIED},
		{"<html>", NULL, "no ID token", ERR_MALFORMED},
		{"{\"id_token\":\"a\",\"id_token\":\"b\"}", NULL, "no ID token", ERR_MALFORMED},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *token = NULL, why[200] = "";
		CHECK_INT(oidc_token_parse(span_str(rows[i].text), &token, why, sizeof(why)), rows[i].err);
		CHECK(rows[i].token ? token && !strcmp(token, rows[i].token) : !token);
		CHECK(!rows[i].why || strstr(why, rows[i].why));
		CHECK(!strchr(why, '<'));
		free(token);
	}
}

int main(void)
{
	reads_providers();
	challenges();
	asks();
	reads_answers();
	return tap_done();
}
