/* The claims of a verified token, each against what is demanded. RFC 7519 section 4.1, OpenID Connect
 * Core 1.0 section 3.1.3.7, RFC 8725 section 3. */
#include "identity/token.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/macro.h"

/* What each check gets. */
struct check {
	const json_t *claims;
	const struct token_rules *r;
	struct arena *a;
	struct identity *id;
	char *why;
	size_t why_size;
};

__attribute__((format(printf, 3, 4))) static int refuse(struct check *c, int err, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(c->why, c->why_size, fmt, ap);
	va_end(ap);
	return err;
}

/* Names go into records, tables on terminals and texts for models: no control characters. */
static bool is_clean(const char *s, size_t len)
{
	if (len == 0 || len > TOKEN_TEXT_MAX || strlen(s) != len)
		return false;
	for (; *s; s++) {
		if (iscntrl((unsigned char)*s))
			return false;
		if ((uint8_t)s[0] == 0xc2 && (uint8_t)s[1] < 0xa0)
			return false; /* the C1 controls, U+0080 to U+009F */
	}
	return true;
}

static int keep_text(struct check *c, const json_t *v, const char *claim, const char **ret)
{
	if (!json_is_string(v) || !is_clean(json_string_value(v), json_string_length(v)))
		return refuse(c, ERR_DENIED, "%s must be a string of 1 to %d bytes without control characters",
			      claim, TOKEN_TEXT_MAX);
	*ret = arena_strn(c->a, json_string_value(v), json_string_length(v));
	return *ret ? 0 : -ENOMEM;
}

static int check_iss(struct check *c)
{
	int r = keep_text(c, json_object_get(c->claims, "iss"), "iss", &c->id->issuer);
	if (r == 0 && strcmp(c->id->issuer, c->r->issuer) != 0)
		return refuse(c, ERR_DENIED, "iss is not \"%s\"", c->r->issuer);
	return r;
}

/* With several audiences the token was made for somebody else as well: azp must say that it is ours. */
static int check_aud(struct check *c)
{
	const json_t *aud = json_object_get(c->claims, "aud"), *azp = json_object_get(c->claims, "azp");
	size_t n = json_is_array(aud) ? json_array_size(aud) : 1;
	bool is_ours = false;
	for (size_t i = 0; i < n; i++) {
		const json_t *v = json_is_array(aud) ? json_array_get(aud, i) : aud;
		if (!json_is_string(v))
			return refuse(c, ERR_DENIED, "aud must be a string or an array of strings, with \"%s\"",
				      c->r->audience);
		is_ours |= !strcmp(json_string_value(v), c->r->audience);
	}
	if (!is_ours)
		return refuse(c, ERR_DENIED, "aud does not hold \"%s\": this token is for somebody else",
			      c->r->audience);
	if (azp && !json_is_string(azp))
		return refuse(c, ERR_DENIED, "azp must be a string");
	if (n > 1 && (!azp || strcmp(json_string_value(azp), c->r->audience) != 0))
		return refuse(c, ERR_DENIED, "aud holds several audiences and azp is not \"%s\"",
			      c->r->audience);
	return 0;
}

/* Seconds since 1970 as an integer. 1: absent. */
static int get_time(struct check *c, const char *claim, int64_t *ret)
{
	const json_t *v = json_object_get(c->claims, claim);
	if (!v)
		return 1;
	if (!json_is_integer(v) || json_integer_value(v) < 1 || json_integer_value(v) > TOKEN_TIME_MAX)
		return refuse(c, ERR_DENIED, "%s must be a whole number of seconds since 1970", claim);
	*ret = json_integer_value(v);
	return 0;
}

static int check_times(struct check *c)
{
	int leeway = MAX(0, MIN(c->r->leeway_s, TOKEN_LEEWAY_MAX));
	int64_t exp = 0, at = 0;
	int r = get_time(c, "exp", &exp);
	if (r)
		return r < 0 ? r : refuse(c, ERR_DENIED, "exp is missing: a token must end");
	if (exp <= c->r->now)
		return refuse(c, ERR_EXPIRED, "the token expired %lld s ago", (long long)(c->r->now - exp));
	static const char *const starts[] = {"nbf", "iat"};
	for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
		r = get_time(c, starts[i], &at);
		if (r < 0)
			return r;
		if (r == 0 && at > c->r->now + leeway)
			return refuse(c, ERR_DENIED, "%s lies %lld s in the future (clocks may differ by %d s)",
				      starts[i], (long long)(at - c->r->now), leeway);
		if (r == 0 && i == 1)
			c->id->issued = at;
	}
	c->id->expires = exp;
	return 0;
}

static int check_sub(struct check *c)
{
	return keep_text(c, json_object_get(c->claims, "sub"), "sub", &c->id->subject);
}

/* An issuer signs other things with the same key: a security event or logout token says what happened,
 * a refresh token is for the issuer alone. = RFC 8725 section 3.12 */
static int check_purpose(struct check *c)
{
	static const char *const good[] = {"Bearer", "ID", "JWT"};
	const json_t *typ = json_object_get(c->claims, "typ");
	if (json_object_get(c->claims, "events"))
		return refuse(c, ERR_DENIED, "a token with the claim events is a notice, not an identity");
	for (size_t i = 0; json_is_string(typ) && i < ARRAY_LEN(good); i++)
		if (!strcasecmp(json_string_value(typ), good[i]))
			return 0;
	return typ ? refuse(c, ERR_DENIED, "the claim typ must be Bearer or ID where it is given") : 0;
}

/* The value at a dotted path. A name may hold dots itself ("https://acme.com/groups"), so at every
 * level the longest name that is there is taken first. */
static const json_t *at_path(const json_t *object, const char *path)
{
	size_t len = strlen(path);
	if (!json_is_object(object))
		return NULL;
	const json_t *v = json_object_get(object, path);
	for (size_t i = len; !v && i-- > 0;) {
		char name[TOKEN_TEXT_MAX];
		if (path[i] != '.' || i >= sizeof(name))
			continue;
		memcpy(name, path, i);
		name[i] = 0;
		v = at_path(json_object_get(object, name), path + i + 1);
	}
	return v;
}

static int read_groups(struct check *c)
{
	const char *claim = c->r->groups_claim ? c->r->groups_claim : "groups";
	const json_t *v = at_path(c->claims, claim);
	size_t n = json_is_array(v) ? json_array_size(v) : v ? 1 : 0;
	if (n > TOKEN_GROUPS_MAX)
		return refuse(c, ERR_LIMIT, "%s has %zu groups, at most %d are accepted", claim, n,
			      TOKEN_GROUPS_MAX);
	c->id->groups = arena_array(c->a, n + 1, sizeof(char *));
	if (!c->id->groups)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		int r = keep_text(c, json_is_array(v) ? json_array_get(v, i) : v, claim, &c->id->groups[i]);
		if (r < 0)
			return r;
	}
	c->id->n_groups = (int)n;
	return 0;
}

static int read_owner(struct check *c)
{
	const char *claim = c->r->owner_claim ? c->r->owner_claim : "act.sub";
	const json_t *v = at_path(c->claims, claim);
	c->id->owner = "";
	return v ? keep_text(c, v, claim, &c->id->owner) : 0;
}

/* = OpenID Connect Core 3.1.3.7: the nonce that went with the request; 2: auth_time */
static int check_login(struct check *c)
{
	const char *nonce = json_string_value(json_object_get(c->claims, "nonce"));
	if (c->r->nonce && (!nonce || strcmp(nonce, c->r->nonce) != 0))
		return refuse(c, ERR_DENIED, "nonce is not that of this login");
	int r = get_time(c, "auth_time", &c->id->auth_time);
	return r < 0 ? r : 0;
}

static int read_label(struct check *c)
{
	static const char *const names[] = {"preferred_username", "email"};
	c->id->label = "";
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const json_t *v = json_object_get(c->claims, names[i]);
		if (json_is_string(v) && is_clean(json_string_value(v), json_string_length(v)))
			return keep_text(c, v, names[i], &c->id->label);
	}
	return 0;
}

int claims_check(const json_t *claims, const struct token_rules *r, struct arena *a, struct identity *ret_id,
		 char *ret_why, size_t why_size)
{
	static int (*const checks[])(struct check *) = {
		check_purpose, check_iss,  check_aud,   check_times, check_sub,
		read_groups,   read_owner, check_login, read_label};
	struct identity id = {0};
	struct check c = {claims, r, a, &id, ret_why, why_size};
	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		int err = checks[i](&c);
		if (err < 0)
			return err;
	}
	*ret_id = id;
	return 0;
}
