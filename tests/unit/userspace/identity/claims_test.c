/* The claims, one by one. */
#include "identity/token.h"

#include "base/macro.h"

#include "../../tap.h"

#define NOW  1800000000
#define GOOD "\"iss\":\"https://idp\",\"sub\":\"crew\""
#define AUD  ",\"aud\":\"sluice\""
#define EXP  ",\"exp\":1800003600"
#define ALL  GOOD AUD EXP

static struct arena arena;
static struct identity id;
static char why[300];

static int check_with(const char *claims, const char *groups_claim, const char *owner_claim)
{
	struct token_rules r = {"https://idp", "sluice", NULL, 0, groups_claim, owner_claim, NOW, 60};
	json_t *j = NULL;
	arena_reset(&arena);
	id = (struct identity){0};
	why[0] = 0;
	int err = strict_object(span_str(claims), &j);
	if (err == 0)
		err = claims_check(j, &r, &arena, &id, why, sizeof(why));
	json_decref(j);
	return err;
}

static const struct claim_row {
	const char *claims;
	int expected;
	const char *named; /* what the refusal must name */
} claim_rows[] = {
	{"{" ALL "}", 0, ""},
	{"{" GOOD EXP ",\"aud\":[\"sluice\"]}", 0, ""},
	{"{" GOOD EXP ",\"aud\":[\"x\",\"sluice\"],\"azp\":\"sluice\"}", 0, ""},
	{"{" ALL ",\"azp\":\"some-client\"}", 0, ""},
	{"{" ALL ",\"iat\":1800000060,\"nbf\":1800000060}", 0, ""},
	{"{" ALL ",\"typ\":\"Bearer\"}", 0, ""},
	/* issuer */
	{"{\"iss\":\"https://idp/\",\"sub\":\"s\"" AUD EXP "}", ERR_DENIED, "iss"},
	{"{\"iss\":\"HTTPS://IDP\",\"sub\":\"s\"" AUD EXP "}", ERR_DENIED, "iss"},
	{"{\"iss\":[\"https://idp\"],\"sub\":\"s\"" AUD EXP "}", ERR_DENIED, "iss"},
	{"{\"sub\":\"s\"" AUD EXP "}", ERR_DENIED, "iss"},
	/* audience */
	{"{" GOOD EXP "}", ERR_DENIED, "aud"},
	{"{" GOOD EXP ",\"aud\":\"sluice2\"}", ERR_DENIED, "aud"},
	{"{" GOOD EXP ",\"aud\":[]}", ERR_DENIED, "aud"},
	{"{" GOOD EXP ",\"aud\":{\"sluice\":1}}", ERR_DENIED, "aud"},
	{"{" GOOD EXP ",\"aud\":[\"sluice\",7]}", ERR_DENIED, "aud"},
	{"{" GOOD EXP ",\"aud\":[\"x\",\"sluice\"]}", ERR_DENIED, "azp"},
	{"{" GOOD EXP ",\"aud\":[\"x\",\"sluice\"],\"azp\":\"x\"}", ERR_DENIED, "azp"},
	{"{" ALL ",\"azp\":7}", ERR_DENIED, "azp"},
	/* time */
	{"{" GOOD AUD "}", ERR_DENIED, "exp"},
	{"{" GOOD AUD ",\"exp\":1800000000}", ERR_EXPIRED, "expired"},
	{"{" GOOD AUD ",\"exp\":1799999999}", ERR_EXPIRED, "expired"},
	{"{" GOOD AUD ",\"exp\":1}", ERR_EXPIRED, "expired"},
	{"{" GOOD AUD ",\"exp\":0}", ERR_DENIED, "exp"},
	{"{" GOOD AUD ",\"exp\":-5}", ERR_DENIED, "exp"},
	{"{" GOOD AUD ",\"exp\":\"1800003600\"}", ERR_DENIED, "exp"},
	{"{" GOOD AUD ",\"exp\":1800003600.5}", ERR_DENIED, "exp"},
	{"{" GOOD AUD ",\"exp\":9223372036854775807}", ERR_DENIED, "exp"},
	{"{" GOOD AUD ",\"exp\":9223372036854775808}", ERR_MALFORMED, ""},
	{"{" GOOD AUD ",\"exp\":1e400}", ERR_MALFORMED, ""},
	{"{" ALL ",\"nbf\":1800000061}", ERR_DENIED, "nbf"},
	{"{" ALL ",\"iat\":1800000061}", ERR_DENIED, "iat"},
	{"{" ALL ",\"iat\":true}", ERR_DENIED, "iat"},
	/* subject */
	{"{\"iss\":\"https://idp\"" AUD EXP "}", ERR_DENIED, "sub"},
	{"{\"iss\":\"https://idp\",\"sub\":\"\"" AUD EXP "}", ERR_DENIED, "sub"},
	{"{\"iss\":\"https://idp\",\"sub\":5" AUD EXP "}", ERR_DENIED, "sub"},
	{"{\"iss\":\"https://idp\",\"sub\":\"a\\u001b[2Jb\"" AUD EXP "}", ERR_DENIED, "sub"},
	{"{\"iss\":\"https://idp\",\"sub\":\"a\\u009bb\"" AUD EXP "}", ERR_DENIED, "sub"},
	{"{\"iss\":\"https://idp\",\"sub\":\"a\\u0000b\"" AUD EXP "}", ERR_MALFORMED, ""},
	{"{\"iss\":\"https://idp\",\"sub\":\"\xc3\xa9lodie\"" AUD EXP "}", 0, ""},
	/* purpose */
	{"{" ALL ",\"events\":{}}", ERR_DENIED, "events"},
	{"{" ALL ",\"typ\":\"Refresh\"}", ERR_DENIED, "typ"},
	{"{" ALL ",\"typ\":1}", ERR_DENIED, "typ"},
	/* form */
	{"{" ALL ",\"sub\":\"twice\"}", ERR_MALFORMED, ""},
	{"[]", ERR_MALFORMED, ""},
};

static void checks_each_claim(void)
{
	for (size_t i = 0; i < ARRAY_LEN(claim_rows); i++) {
		int err = check_with(claim_rows[i].claims, "groups", "act.sub");
		if (err != claim_rows[i].expected)
			printf("claims: %s (%s)\n", claim_rows[i].claims, why);
		CHECK_INT(err, claim_rows[i].expected);
		CHECK(strstr(why, claim_rows[i].named) != NULL);
	}
}

static void reads_groups_wherever_they_are(void)
{
	static const struct {
		const char *more, *path;
		int expected, n;
		const char *first;
	} rows[] = {
		{"", "groups", 0, 0, ""},
		{",\"groups\":\"one\"", "groups", 0, 1, "one"},
		{",\"groups\":\"one two\"", "groups", 0, 1, "one two"},
		{",\"groups\":[]", "groups", 0, 0, ""},
		{",\"groups\":[\"a\",\"b\",\"c\"]", "groups", 0, 3, "a"},
		{",\"groups\":[\"a\"]", NULL, 0, 1, "a"},
		{",\"realm_access\":{\"roles\":[\"x\"]}", "realm_access.roles", 0, 1, "x"},
		{",\"a\":{\"b\":{\"c\":{\"d\":\"deep\"}}}", "a.b.c.d", 0, 1, "deep"},
		{",\"https://acme.com/groups\":[\"n\"]", "https://acme.com/groups", 0, 1, "n"},
		{",\"access\":{\"my.client\":{\"roles\":[\"r\"]}}", "access.my.client.roles", 0, 1, "r"},
		{",\"a.b\":\"whole\",\"a\":{\"b\":\"split\"}", "a.b", 0, 1, "whole"},
		{",\"a\":\"s\"", "a.b", 0, 0, ""},
		{",\"a\":{\"b\":1}", "a..b", 0, 0, ""},
		{",\"a\":{\"\":{\"b\":\"e\"}}", "a..b", 0, 1, "e"},
		{",\"groups\":7", "groups", ERR_DENIED, 0, ""},
		{",\"groups\":{\"a\":1}", "groups", ERR_DENIED, 0, ""},
		{",\"groups\":[\"a\",7]", "groups", ERR_DENIED, 0, ""},
		{",\"groups\":[\"a\",\"\"]", "groups", ERR_DENIED, 0, ""},
		{",\"groups\":[\"a\\n\"]", "groups", ERR_DENIED, 0, ""},
		{",\"groups\":null", "groups", ERR_DENIED, 0, ""},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char claims[1000];
		snprintf(claims, sizeof(claims), "{" ALL "%s}", rows[i].more);
		CHECK_INT(check_with(claims, rows[i].path, "act.sub"), rows[i].expected);
		CHECK_INT(id.n_groups, rows[i].n);
		CHECK_STR(id.n_groups ? id.groups[0] : "", rows[i].first);
	}
}

static void limits_groups(void)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	buf_add_str(&b, "{" ALL ",\"groups\":[\"g\"");
	for (int i = 0; i < TOKEN_GROUPS_MAX; i++)
		buf_add_str(&b, ",\"g\"");
	buf_add_cstr(&b, "]}");
	CHECK_INT(check_with((const char *)buf_span(&b).p, "groups", NULL), ERR_LIMIT);
	buf_done(&b);
}

static void reads_the_owner(void)
{
	CHECK_INT(check_with("{" ALL "}", NULL, NULL), 0);
	CHECK_STR(id.owner, "");
	CHECK_INT(check_with("{" ALL ",\"act\":{\"sub\":\"ann\"}}", NULL, NULL), 0);
	CHECK_STR(id.owner, "ann");
	CHECK_INT(check_with("{" ALL ",\"email\":\"ann@acme\"}", NULL, "email"), 0);
	CHECK_STR(id.owner, "ann@acme");
	CHECK_INT(check_with("{" ALL ",\"act\":{\"sub\":7}}", NULL, NULL), ERR_DENIED);
	CHECK(strstr(why, "act.sub") != NULL);
}

int main(void)
{
	arena_init(&arena, 1 << 20);
	checks_each_claim();
	reads_groups_wherever_they_are();
	limits_groups();
	reads_the_owner();
	arena_done(&arena);
	return tap_done();
}
