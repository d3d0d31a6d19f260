/* Keys and tokens that announce themselves: JWT, PEM, the prefixed ones of clouds, forges and
 * services; and dates behind a word that says what they are. */
#include "base/macro.h"
#include "policy/detect/internal.h"

static bool take_run(struct find *ret, size_t at, size_t end, int kind, enum detect_run run)
{
	*ret = (struct find){at, end - at, kind, run};
	return true;
}

static bool starts_with(struct span s, size_t i, const char *word)
{
	size_t n = strlen(word);
	return i + n <= s.len && !memcmp(s.p + i, word, n);
}

static bool is_upper(uint8_t c)
{
	return (uint8_t)(c - 'A') < 26;
}

bool detect_run_has(enum detect_run r, uint8_t c)
{
	static const char *const more[] = {
	    [RUN_JWT] = "-_.",	    [RUN_PEM] = "+/=-\r\n\t \\:,", /* headers too, and line ends
								      that JSON or a shell escaped
								    */
	    [RUN_BASE64URL] = "-_", [RUN_BASE64] = "+/=",	   [RUN_ALNUM] = "",
	};
	return r != RUN_NONE && (is_alnum(c) || is_of(more[r], c));
}

static size_t run_end(struct span s, size_t i, enum detect_run r)
{
	while (i < s.len && detect_run_has(r, s.p[i]))
		i++;
	return i;
}

/* ---- JWT ---- */

/* A header of at least {"alg":..}, two dots or more. */
static bool find_jwt(struct span s, size_t i, struct find *ret)
{
	size_t end = run_end(s, i, RUN_JWT), dots = 0, header = 0;
	if (end - i > DETECT_LONGEST)
		return take_run(ret, i, end, DETECT_JWT, RUN_JWT);
	for (size_t k = i; k < end; k++) {
		dots += s.p[k] == '.';
		header += !dots;
	}
	for (; dots > 2 && s.p[end - 1] == '.'; end--)
		dots--;
	return dots >= 2 && header >= 15 && end - i >= 30 && take(ret, i, end, DETECT_JWT);
}

/* ---- PEM ---- */

static bool find_pem(struct span s, size_t i, struct find *ret)
{
	size_t label = i + 11, at = label;
	bool is_private = false;
	if (!starts_with(s, i, "-----BEGIN "))
		return false;
	while (at < s.len && at - label < 48 && (is_upper(s.p[at]) || s.p[at] == ' ')) {
		is_private |= starts_with(s, at, "PRIVATE KEY");
		at++;
	}
	if (!is_private || !starts_with(s, at, "-----"))
		return false;
	struct span near = span_of(s.p, MIN(s.len, i + DETECT_LONGEST));
	const uint8_t *mark =
	    near.len > at ? memmem(s.p + at, near.len - at, "-----END ", 9) : NULL;
	if (!mark)
		return take_run(ret, i, run_end(s, at, RUN_PEM), DETECT_PEM, RUN_PEM);
	at = (size_t)(mark - s.p) + 9;
	while (at < near.len && (is_upper(s.p[at]) || s.p[at] == ' '))
		at++;
	return take(ret, i, at + (starts_with(near, at, "-----") ? 5 : 0), DETECT_PEM);
}

/* ---- tokens ---- */

/* As their issuers publish them; behind the prefix at least min characters of the alphabet, and if
 * max is not 0 at most so many. */
static const struct token {
	char prefix[26]; /* of three characters or more */
	enum detect_run of;
	uint16_t min, max;
} tokens[] = {
    {"AKIA", RUN_ALNUM, 16, 16},		      /* AWS, access key */
    {"ASIA", RUN_ALNUM, 16, 16},		      /* AWS, temporary access key */
    {"ABIA", RUN_ALNUM, 16, 16},		      /* AWS, bearer token */
    {"ACCA", RUN_ALNUM, 16, 16},		      /* AWS, context-specific */
    {"ABSK", RUN_BASE64, 100, 0},		      /* AWS, Bedrock */
    {"AIza", RUN_BASE64URL, 35, 35},		      /* Google, API key */
    {"ya29.", RUN_BASE64URL, 20, 0},		      /* Google, OAuth access token */
    {"GOCSPX-", RUN_BASE64URL, 24, 0},		      /* Google, OAuth client secret */
    {"ghp_", RUN_ALNUM, 36, 0},			      /* GitHub, personal */
    {"gho_", RUN_ALNUM, 36, 0},			      /* GitHub, OAuth */
    {"ghu_", RUN_ALNUM, 36, 0},			      /* GitHub, user to server */
    {"ghs_", RUN_ALNUM, 36, 0},			      /* GitHub, server to server */
    {"ghs_", RUN_JWT, 80, 0},			      /* the same, with a JWT in it */
    {"ghr_", RUN_ALNUM, 36, 0},			      /* GitHub, refresh */
    {"github_pat_", RUN_BASE64URL, 40, 0},	      /* GitHub, fine-grained */
    {"glpat-", RUN_JWT, 20, 0},			      /* GitLab; routable ones have dots */
    {"gldt-", RUN_BASE64URL, 20, 0},		      /* GitLab, deploy */
    {"glrt-", RUN_JWT, 20, 0},			      /* GitLab, runner */
    {"glrtr-", RUN_JWT, 20, 0},			      /* GitLab, runner registration */
    {"glft-", RUN_BASE64URL, 20, 0},		      /* GitLab, feed */
    {"glcbt-", RUN_JWT, 20, 0},			      /* GitLab, job */
    {"glsoat-", RUN_BASE64URL, 20, 0},		      /* GitLab, OAuth access */
    {"gloas-", RUN_BASE64URL, 20, 0},		      /* GitLab, OAuth application */
    {"glptt-", RUN_BASE64URL, 20, 0},		      /* GitLab, trigger */
    {"glimt-", RUN_BASE64URL, 20, 0},		      /* GitLab, incoming mail */
    {"glagent-", RUN_BASE64URL, 20, 0},		      /* GitLab, Kubernetes agent */
    {"glffct-", RUN_BASE64URL, 20, 0},		      /* GitLab, feature flags */
    {"glsa_", RUN_BASE64URL, 32, 0},		      /* Grafana, service account */
    {"glc_", RUN_BASE64, 32, 0},		      /* Grafana Cloud */
    {"gsk_", RUN_ALNUM, 40, 0},			      /* Groq */
    {"xoxo-", RUN_BASE64URL, 20, 0},		      /* Slack */
    {"xoxb-", RUN_BASE64URL, 20, 0},		      /* Slack */
    {"xoxp-", RUN_BASE64URL, 20, 0},		      /* Slack */
    {"xoxa-", RUN_BASE64URL, 20, 0},		      /* Slack */
    {"xoxr-", RUN_BASE64URL, 20, 0},		      /* Slack */
    {"xoxs-", RUN_BASE64URL, 20, 0},		      /* Slack */
    {"xoxc-", RUN_BASE64URL, 20, 0},		      /* Slack, browser */
    {"xoxd-", RUN_BASE64URL, 20, 0},		      /* Slack, cookie */
    {"xoxe-", RUN_BASE64URL, 20, 0},		      /* Slack, refresh */
    {"xoxe.xoxb-", RUN_BASE64URL, 20, 0},	      /* Slack, rotated */
    {"xoxe.xoxp-", RUN_BASE64URL, 20, 0},	      /* Slack, rotated */
    {"xapp-", RUN_BASE64URL, 20, 0},		      /* Slack, app */
    {"hooks.slack.com/services/", RUN_BASE64, 40, 0}, /* Slack, incoming webhook */
    {"sk_live_", RUN_ALNUM, 16, 0},		      /* Stripe */
    {"sk_test_", RUN_ALNUM, 16, 0},		      /* Stripe */
    {"sk_org_", RUN_BASE64URL, 24, 0},		      /* Stripe, organization */
    {"rk_live_", RUN_ALNUM, 16, 0},		      /* Stripe, restricted */
    {"rk_test_", RUN_ALNUM, 16, 0},		      /* Stripe, restricted */
    {"whsec_", RUN_BASE64, 24, 0},		      /* Stripe, Svix: webhook */
    {"sk-ant-", RUN_BASE64URL, 24, 0},		      /* Anthropic */
    {"sk-proj-", RUN_BASE64URL, 24, 0},		      /* OpenAI, project */
    {"sk-svcacct-", RUN_BASE64URL, 24, 0},	      /* OpenAI, service account */
    {"sk-admin-", RUN_BASE64URL, 24, 0},	      /* OpenAI, admin */
    {"sk-None-", RUN_BASE64URL, 24, 0},		      /* OpenAI, of no project */
    {"sk-or-v1-", RUN_ALNUM, 40, 0},		      /* OpenRouter */
    {"sk-", RUN_ALNUM, 32, 0},			      /* OpenAI, older; DeepSeek and others */
    {"xai-", RUN_ALNUM, 60, 0},			      /* xAI */
    {"r8_", RUN_ALNUM, 37, 0},			      /* Replicate */
    {"sbp_", RUN_ALNUM, 40, 0},			      /* Supabase, personal */
    {"sb_secret_", RUN_BASE64URL, 20, 0},	      /* Supabase, server */
    {"shpat_", RUN_ALNUM, 32, 0},		      /* Shopify */
    {"shpca_", RUN_ALNUM, 32, 0},		      /* Shopify, custom app */
    {"shppa_", RUN_ALNUM, 32, 0},		      /* Shopify, private app */
    {"shpss_", RUN_ALNUM, 32, 0},		      /* Shopify, shared secret */
    {"npm_", RUN_ALNUM, 36, 0},			      /* npm */
    {"pypi-AgE", RUN_BASE64URL, 70, 0},		      /* PyPI */
    {"SG.", RUN_JWT, 60, 0},			      /* SendGrid */
    {"hf_", RUN_ALNUM, 30, 0},			      /* Hugging Face */
    {"dop_v1_", RUN_ALNUM, 40, 0},		      /* DigitalOcean, personal */
    {"doo_v1_", RUN_ALNUM, 40, 0},		      /* DigitalOcean, OAuth */
    {"dor_v1_", RUN_ALNUM, 40, 0},		      /* DigitalOcean, refresh */
    {"dckr_pat_", RUN_BASE64URL, 27, 0},	      /* Docker Hub, personal */
    {"dckr_oat_", RUN_BASE64URL, 27, 0},	      /* Docker Hub, organization */
    {"ATATT3", RUN_BASE64URL, 100, 0},		      /* Atlassian */
    {"ATCTT3", RUN_BASE64URL, 100, 0},		      /* Atlassian, access */
    {"hvs.", RUN_BASE64URL, 24, 0},		      /* HashiCorp Vault, service */
    {"hvb.", RUN_BASE64URL, 100, 0},		      /* HashiCorp Vault, batch */
    {"pplx-", RUN_ALNUM, 40, 0},		      /* Perplexity */
    {"lin_api_", RUN_ALNUM, 32, 0},		      /* Linear */
    {"ntn_", RUN_ALNUM, 40, 0},			      /* Notion */
    {"figd_", RUN_BASE64URL, 32, 0},		      /* Figma */
    {"PMAK-", RUN_BASE64URL, 50, 0},		      /* Postman */
    {"dapi", RUN_ALNUM, 32, 40},		      /* Databricks */
    {"AGE-SECRET-KEY-1", RUN_ALNUM, 40, 0},	      /* age */
};

static bool find_token(struct span s, size_t i, struct find *ret)
{
	for (size_t k = 0; k < ARRAY_LEN(tokens); k++) {
		const struct token *t = &tokens[k];
		if (t->prefix[0] != s.p[i] || t->prefix[1] != byte_at(s, i + 1) ||
		    !starts_with(s, i, t->prefix))
			continue;
		size_t from = i + strlen(t->prefix), end = run_end(s, from, t->of);
		if (end - from >= t->min && (!t->max || end - from <= t->max))
			return take_run(ret, i, end, DETECT_TOKEN, t->of);
	}
	return false;
}

/* aws_secret_access_key = ..: the key itself has no prefix. */
static bool find_aws_secret(struct span s, size_t i, size_t from, struct find *ret)
{
	size_t at = i + 10;
	if ((s.p[i] | 0x20) != 'a' || at > s.len ||
	    strncasecmp((const char *)s.p + i, "aws_secret", 10) != 0)
		return false;
	while (at - i < 32 && (is_alpha(byte_at(s, at)) || byte_at(s, at) == '_'))
		at++;
	for (int k = 0; k < 6 && is_of(" \"':=>", byte_at(s, at)); k++)
		at++;
	size_t end = at;
	while (end < s.len && end - at <= 40 && (is_alnum(s.p[end]) || is_of("+/", s.p[end])))
		end++;
	return end - at == 40 && at >= from && take(ret, at, end, DETECT_TOKEN);
}

/* ---- dates of birth ---- */

/* "born on", "birth_date": "..", "Date of birth (d/m/y):": words of no digit, and few, may stand
 * between. */
static bool find_birth_date(struct span s, size_t i, size_t from, struct find *ret)
{
	static const char *const words[] = {"born", "birthday", "birthdate", "birth", "dob"};
	size_t at = i;
	uint8_t fourth = byte_at(s, i + 3) | 0x20;
	if (fourth != 'n' && fourth != 't' && is_alnum(byte_at(s, i + 3)))
		return false;
	for (size_t k = 0; k < ARRAY_LEN(words) && at == i; k++) {
		size_t n = strlen(words[k]);
		if (i + n <= s.len && !strncasecmp((const char *)s.p + i, words[k], n) &&
		    !is_alnum(byte_at(s, i + n)))
			at += n;
	}
	for (size_t gap = at; at > i && at - gap < 32 && at < s.len; at++) {
		size_t len = at >= from ? date_at(s, at) : 0;
		if (len)
			return take(ret, at, at + len, DETECT_BIRTH);
		if (!is_alpha(s.p[at]) && !is_of(" \t_:;=,'\"()/->|.", s.p[at]))
			return false;
	}
	return false;
}

/* ---- all of them ---- */

uint64_t word_begins[64];

static void note_begin(const char *three)
{
	uint32_t hash = word_hash(span_of(three, 3), 0);
	word_begins[hash >> 6] |= 1ull << (hash & 63);
}

static __attribute__((constructor)) void fill_begins(void)
{
	static const char *const plain[] = {"eyJ", "eyA", "--B"}, *const any_case[] = {
								      "aws", "bor", "bir", "dob"};
	for (size_t i = 0; i < ARRAY_LEN(tokens); i++)
		note_begin(tokens[i].prefix);
	for (size_t i = 0; i < ARRAY_LEN(plain); i++)
		note_begin(plain[i]);
	for (size_t i = 0; i < ARRAY_LEN(any_case) * 8; i++) {
		char three[3];
		for (int k = 0; k < 3; k++)
			three[k] = (char)(any_case[i / 8][k] ^ (i >> k & 1 ? 0x20 : 0));
		note_begin(three);
	}
}

bool find_word(const struct detect *d, struct span s, size_t i, size_t from, struct find *ret)
{
	uint8_t before = byte_before(s, i);
	if (byte_at(s, i) == '-') /* of "-----BEGIN" the last two dashes */
		return d->kinds >> DETECT_PEM & 1 && i >= from + 3 && find_pem(s, i - 3, ret);
	if (is_alnum(before))
		return false;
	if (d->kinds >> DETECT_BIRTH & 1 && find_birth_date(s, i, from, ret))
		return true;
	if (d->kinds >> DETECT_TOKEN & 1 && find_aws_secret(s, i, from, ret))
		return true;
	bool is_object = starts_with(s, i, "eyJ") || starts_with(s, i, "eyA"); /* {" and { */
	if (d->kinds >> DETECT_JWT & 1 && is_object && find_jwt(s, i, ret))
		return true;
	return d->kinds >> DETECT_TOKEN & 1 && find_token(s, i, ret);
}

uint64_t detect_context(const char *column)
{
	static const struct {
		const char *part;
		int kind;
	} parts[] = {
	    {"birth", DETECT_BIRTH}, {"dob", DETECT_BIRTH},    {"born", DETECT_BIRTH},
	    {"phone", DETECT_PHONE}, {"mobile", DETECT_PHONE}, {"cell", DETECT_PHONE},
	    {"fax", DETECT_PHONE},   {"tel", DETECT_PHONE},    {"ssn", DETECT_SSN},
	    {"social", DETECT_SSN},
	};
	uint64_t kinds = 0;
	for (size_t i = 0; column && i < ARRAY_LEN(parts); i++)
		if (strcasestr(column, parts[i].part))
			kinds |= 1ull << parts[i].kind;
	return kinds;
}
