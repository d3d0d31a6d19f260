/* The front end that every token passes before any library sees it. RFC 7515 section 5.2, RFC 8725. */
#include "identity/token.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#include "base/jw.h"
#include "base/macro.h"

#define HEADER_MAX 2048

/* Header parameters that would have us take keys or rules from the token itself. */
static const char *const refused_parameters[] = {"crit", "b64", "jku", "x5u", "jwk",
						  "x5c",  "enc", "zip", "x5t"};

static int split(struct span token, struct span ret_parts[3])
{
	const uint8_t *p = token.p, *end = token.p + token.len;
	for (int i = 0; i < 3; i++) {
		const uint8_t *dot = memchr(p, '.', (size_t)(end - p));
		if ((i < 2) != (dot != NULL))
			return ERR_MALFORMED; /* not exactly two dots */
		ret_parts[i] = span_of(p, (size_t)((dot ? dot : end) - p));
		if (ret_parts[i].len == 0)
			return ERR_MALFORMED;
		p = dot ? dot + 1 : end;
	}
	return 0;
}

static int decode(struct span part, struct arena *a, struct span *ret)
{
	struct buf b;
	buf_init(&b, TOKEN_MAX);
	int r = base64url_decode(part, &b);
	if (r == 0) {
		struct span s = buf_span(&b);
		char *copy = arena_strn(a, s.p, s.len);
		*ret = span_of(copy, s.len);
		r = copy ? 0 : -ENOMEM;
	}
	buf_done(&b);
	return r;
}

/* What a token says may stand in a sentence only if it is plain. */
static const char *plain(const char *s)
{
	for (const char *p = s; *p; p++)
		if (p - s >= 64 || !isgraph((unsigned char)*p) || *p == '"' || *p == '\\')
			return "(unprintable)";
	return s;
}

/* A string parameter that may be absent. */
static int take_string(const json_t *header, const char *name, struct arena *a, const char **ret)
{
	const json_t *v = json_object_get(header, name);
	if (!v) {
		*ret = NULL;
		return 0;
	}
	if (!json_is_string(v) || json_string_length(v) > TOKEN_TEXT_MAX)
		return ERR_MALFORMED;
	*ret = arena_str(a, json_string_value(v));
	return *ret ? 0 : -ENOMEM;
}

/* typ: absent, JWT, or an access token's (RFC 9068). Others, such as logout tokens, are for other
 * purposes. = RFC 8725 section 3.11 */
static bool is_typ_good(const char *typ)
{
	static const char *const good[] = {"JWT", "at+jwt", "application/jwt", "application/at+jwt"};
	for (size_t i = 0; typ && i < ARRAY_LEN(good); i++)
		if (!strcasecmp(typ, good[i]))
			return true;
	return !typ;
}

static int read_header(const json_t *header, struct arena *a, struct token_front *f, char *why,
		       size_t why_size)
{
	for (size_t i = 0; i < ARRAY_LEN(refused_parameters); i++) {
		if (!json_object_get(header, refused_parameters[i]))
			continue;
		snprintf(why, why_size, "the token's header has \"%s\", which is not accepted",
			 refused_parameters[i]);
		return ERR_MALFORMED;
	}
	const char *alg = NULL;
	int r = take_string(header, "alg", a, &alg);
	r = r < 0 ? r : take_string(header, "kid", a, &f->kid);
	r = r < 0 ? r : take_string(header, "typ", a, &f->typ);
	if (r < 0)
		return r;
	f->alg = token_alg_by_name(alg);
	if (!f->alg) {
		snprintf(why, why_size,
			 "the token's algorithm is \"%s\", expected an asymmetric signature: RS, PS or ES "
			 "with 256, 384 or 512, or EdDSA",
			 alg ? plain(alg) : "");
		return ERR_VERIFY;
	}
	if (!is_typ_good(f->typ)) {
		snprintf(why, why_size, "the token's typ is \"%s\", expected JWT or at+jwt", plain(f->typ));
		return ERR_DENIED;
	}
	return 0;
}

int token_open(struct span token, struct arena *a, struct token_front *ret, char *ret_why, size_t why_size)
{
	struct token_front f = {0};
	struct span parts[3], header_text;
	if (token.len > TOKEN_MAX) {
		snprintf(ret_why, why_size, "the token has %zu bytes, at most %d are accepted", token.len,
			 TOKEN_MAX);
		return ERR_LIMIT;
	}
	snprintf(ret_why, why_size, "not a signed JWT: expected three parts of base64url, joined by dots, "
				    "with JSON objects inside");
	int r = split(token, parts);
	r = r < 0 ? r : decode(parts[0], a, &header_text);
	r = r < 0 ? r : decode(parts[1], a, &f.payload);
	r = r < 0 ? r : decode(parts[2], a, &f.sig);
	if (r < 0)
		return r;
	if (header_text.len > HEADER_MAX)
		return ERR_LIMIT;
	f.signed_part = span_of(token.p, parts[0].len + 1 + parts[1].len);
	json_t *header = NULL;
	r = strict_object(header_text, &header);
	r = r < 0 ? r : read_header(header, a, &f, ret_why, why_size);
	json_decref(header);
	if (r < 0)
		return r;
	*ret = f;
	return 0;
}

int token_issuer(struct span token, struct arena *a, const char **ret_issuer)
{
	struct token_front f;
	char why[256];
	json_t *claims = NULL;
	int r = token_open(token, a, &f, why, sizeof(why));
	r = r < 0 ? r : strict_object(f.payload, &claims);
	if (r < 0)
		return r;
	const json_t *iss = json_object_get(claims, "iss");
	if (!json_is_string(iss) || json_string_length(iss) > TOKEN_TEXT_MAX) {
		r = ERR_MALFORMED;
	} else {
		char *s = arena_str(a, json_string_value(iss));
		r = s ? 0 : -ENOMEM;
		if (s)
			*ret_issuer = s;
	}
	json_decref(claims);
	return r;
}
