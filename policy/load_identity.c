/* Issuers and roles. */
#include <stdio.h>

#include "base/macro.h"
#include "policy/load.h"

static const char *const algorithms[] = {"RS256", "RS384", "RS512", "PS256", "PS384",
					 "PS512", "ES256", "ES384", "ES512", "EdDSA"};

static void issuer_name(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	((struct issuer *)into)->issuer = load_text(l, at, v);
}

static void issuer_audience(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	((struct issuer *)into)->audience = load_text(l, at, v);
}

/* http only where nobody can stand in between: a loopback address, not a name that may resolve to
 * anything. */
static bool is_loopback_url(const char *s)
{
	if (!strncmp(s, "http://[::1]", 12))
		return s[12] == ':' || s[12] == '/' || !s[12];
	char host[16];
	size_t n = strncmp(s, "http://", 7) ? 0 : strcspn(s + 7, ":/");
	if (!n || n >= sizeof(host))
		return false;
	struct addr a;
	memcpy(host, s + 7, n);
	host[n] = 0;
	return !addr_parse_ip(host, &a) && addr_is_v4(&a) && a.ip[12] == 127;
}

static void issuer_jwks(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	const char *s = load_text(l, at, v);
	if (!s)
		return;
	bool ok = (!strncmp(s, "file:/", 6) && s[6]) || is_loopback_url(s) ||
		  (!strncmp(s, "https://", 8) && s[8] && s[8] != '/');
	if (!ok || strchr(s, ' ') || strchr(s, '@'))
		load_fail(l, at,
			  "\"%.100s\" is no place for keys; expected file:/PATH or "
			  "https://HOST/... without a user (http:// to a loopback address only)",
			  s);
	((struct issuer *)into)->jwks = s;
}

/* A claim's path: names between single dots. */
static const char *claim_path(struct loader *l, const struct json_at *at, json_t *v)
{
	const char *s = load_text(l, at, v);
	if (s && (*s == '.' || strstr(s, "..") || s[strlen(s) - 1] == '.')) {
		load_fail(l, at,
			  "\"%.100s\" is no claim path; expected names between dots, e.g. act.sub",
			  s);
		return NULL;
	}
	return s;
}

static void issuer_groups(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	((struct issuer *)into)->groups_claim = claim_path(l, at, v);
}

static void issuer_owner(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	((struct issuer *)into)->owner_claim = claim_path(l, at, v);
}

static void one_algorithm(struct loader *l, const struct json_at *at, const char *s, void *into)
{
	struct issuer *i = into;
	int k = load_choice(l, at, s, algorithms, ARRAY_LEN(algorithms));
	if (k >= 0)
		((const char **)i->algorithms)[i->n_algorithms++] = algorithms[k];
}

static void issuer_algorithms(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	struct issuer *i = into;
	i->algorithms = arena_array(&l->plan->arena, ARRAY_LEN(algorithms), sizeof(char *));
	if (i->algorithms)
		load_strings(l, at, v, ARRAY_LEN(algorithms), one_algorithm, i);
}

static const struct field issuer_fields[] = {
    {"issuer", SHAPE_STRING, true, "the token's iss, exactly", issuer_name},
    {"audience", SHAPE_STRING, true, "the token's aud", issuer_audience},
    {"jwks", SHAPE_STRING, false, "file:/PATH or https://...", issuer_jwks},
    {"algorithms", SHAPE_STRINGS, false, "a list of algorithms", issuer_algorithms},
    {"groups_claim", SHAPE_STRING, false, "a claim's path", issuer_groups},
    {"owner_claim", SHAPE_STRING, false, "a claim's path", issuer_owner},
    {"description", SHAPE_STRING, false, "a text", load_ignored_text},
};

static void check_issuer(struct loader *l, const struct json_at *at, const struct issuer *i)
{
	const struct plan *p = l->plan;
	for (int k = 0; k < p->n_issuers; k++) {
		const struct issuer *o = &p->issuers[k];
		if (i->issuer && o->issuer && !strcmp(i->issuer, o->issuer))
			load_fail_member(l, at, "issuer",
					 "\"%.100s\" is declared twice; expected one "
					 "entry an issuer",
					 i->issuer);
		if (!i->jwks && !o->jwks)
			load_fail(l, at,
				  "a second issuer without \"jwks\"; expected at most one: it "
				  "is the local issuer");
	}
	const char *end = i->issuer ? strrchr(i->issuer, '.') : NULL;
	if (end && !i->jwks && !strncmp(i->issuer, "https://", 8) && strncmp(end, ".local", 6))
		load_warn(l, at,
			  "issuer \"%.100s\" has no \"jwks\": it is taken for this machine's "
			  "local issuer",
			  i->issuer);
}

void load_issuers(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	struct plan *p = into;
	size_t i;
	json_t *e;
	if (json_array_size(v) > MAX_ISSUERS) {
		load_fail(l, at, "%zu issuers; expected at most %d", json_array_size(v),
			  MAX_ISSUERS);
		return;
	}
	p->issuers = arena_array(&p->arena, json_array_size(v), sizeof(*p->issuers));
	json_array_foreach(v, i, e)
	{
		struct json_at here = {at, NULL, i};
		struct issuer is = {.groups_claim = "groups", .owner_claim = "act.sub"};
		load_object(l, &here, e, issuer_fields, ARRAY_LEN(issuer_fields), &is);
		check_issuer(l, &here, &is);
		if (p->issuers)
			p->issuers[p->n_issuers++] = is;
	}
}

static void one_group(struct loader *l, const struct json_at *at, const char *s, void *into)
{
	struct role *r = into;
	json_t *v = json_string(s);
	const char *group = v ? load_text(l, at, v) : NULL;
	json_decref(v);
	if (group)
		r->groups[r->n_groups++] = group;
}

void load_roles(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	struct plan *p = into;
	const char *name;
	json_t *e;
	if (!json_object_size(v) || json_object_size(v) > MAX_ROLES) {
		load_fail(l, at, "%zu roles; expected 1 to %d", json_object_size(v), MAX_ROLES);
		return;
	}
	p->roles = arena_array(&p->arena, json_object_size(v), sizeof(*p->roles));
	json_object_foreach(v, name, e)
	{
		struct json_at here = {at, name, 0};
		struct role r = {
		    .groups =
			arena_array(&p->arena, MAX(json_array_size(e), (size_t)1), sizeof(char *))};
		r.name = load_name(l, &here, name);
		if (!json_is_string(e) && !json_is_array(e))
			load_fail(l, &here, "expected a group or a list of groups");
		else if (r.groups)
			load_strings(l, &here, e, MAX_LIST, one_group, &r);
		if (r.name && p->roles)
			p->roles[p->n_roles++] = r;
	}
}
