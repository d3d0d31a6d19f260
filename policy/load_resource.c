/* Resources and masks. */
#include <ctype.h>

#include "base/macro.h"
#include "policy/load.h"

#define RECORD_LIMIT_DEFAULT (64 * 1024)
#define RECORD_LIMIT_MAX     (16 * 1024 * 1024)

static const char *const protocols[] = {"postgres", "tcp"};
static const char *const client_tls[] = {"offer", "refuse", "require"};
static const char *const records[] = {"none", "hash", "rows"};

static void resource_name(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	struct resource *r = into;
	r->name = load_name(l, at, json_string_value(v));
	if (r->name && plan_resource_index(l->plan, r->name) >= 0)
		load_fail(l, at, "resource \"%s\" is declared twice; expected each name once",
			  r->name);
}

static void resource_protocol(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	int i = load_choice(l, at, json_string_value(v), protocols, ARRAY_LEN(protocols));
	((struct resource *)into)->protocol = i >= 0 ? protocols[i] : NULL;
}

static bool same_match(const struct match *a, const struct match *b)
{
	if (a->port != b->port || !a->host != !b->host)
		return false;
	if (a->host)
		return !strcmp(a->host, b->host);
	return a->prefix_len == b->prefix_len && !memcmp(a->net, b->net, 16);
}

static bool answers_to(const struct resource *r, const struct match *m)
{
	for (int k = 0; k < r->n_matches; k++)
		if (same_match(&r->matches[k], m))
			return true;
	return false;
}

/* mine is the resource that is being loaded. */
static const struct resource *taken_by(const struct plan *p, const struct resource *mine,
				       const struct match *m)
{
	for (int i = 0; i < p->n_resources; i++)
		if (answers_to(&p->resources[i], m))
			return &p->resources[i];
	return answers_to(mine, m) ? mine : NULL;
}

static void one_match(struct loader *l, const struct json_at *at, const char *s, void *into)
{
	struct resource *r = into;
	struct match m;
	const char *why = "out of memory";
	if (match_parse(&l->plan->arena, s, &m, &why)) {
		load_fail(l, at, "\"%.80s\": %s", s, why);
		return;
	}
	if (++l->n_matches > MAX_MATCHES) {
		load_fail(l, at,
			  "more than %d destinations; expected networks instead of "
			  "addresses",
			  MAX_MATCHES);
		return;
	}
	const struct resource *other = taken_by(l->plan, r, &m);
	if (other)
		load_fail(
		    l, at,
		    "\"%.80s\" is what resource \"%s\" answers to; expected each destination once",
		    s, other->name ? other->name : "?");
	((struct match *)r->matches)[r->n_matches++] = m;
}

static void resource_match(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	struct resource *r = into;
	r->matches =
	    arena_array(&l->plan->arena, MAX(json_array_size(v), (size_t)1), sizeof(*r->matches));
	if (r->matches)
		load_strings(l, at, v, MAX_LIST, one_match, r);
}

static void resource_upstream(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	const char *s = load_text(l, at, v);
	if (s && !load_is_host_port(s))
		load_fail(l, at, "\"%.80s\" is no destination; expected host:port or [IPv6]:port",
			  s);
	((struct resource *)into)->upstream = s;
}

static bool is_source(const char *s)
{
	if (!strncmp(s, "file:/", 6) || !strncmp(s, "command:/", 9))
		return s[strcspn(s, "/") + 1] != 0;
	size_t n = 0;
	while (!strncmp(s, "fd:", 3) &&
	       (isalnum((uint8_t)s[3 + n]) || s[3 + n] == '_' || s[3 + n] == '-'))
		n++;
	return n && !s[3 + n];
}

static void resource_credentials(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	struct resource *r = into;
	struct role_credential *out =
	    arena_array(&l->plan->arena, json_object_size(v), sizeof(*out));
	const char *role;
	json_t *e;
	json_object_foreach(v, role, e)
	{
		struct json_at here = {at, role, 0};
		int i = plan_role_index(l->plan, role);
		if (i < 0)
			load_fail_member(l, at, role,
					 "role \"%.60s\" is unknown; expected a name from "
					 "\"roles\"",
					 role);
		if (!json_is_string(e) || !is_source(json_string_value(e)))
			load_fail(l, &here,
				  "expected a credential's source: file:/PATH, fd:NAME or "
				  "command:/PATH, never the credential itself");
		else if (i >= 0 && out)
			out[r->n_credentials++] = (struct role_credential){
			    l->plan->roles[i].name,
			    arena_str(&l->plan->arena, json_string_value(e))};
	}
	r->credentials = out;
}

static void resource_record(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	int i = load_choice(l, at, json_string_value(v), records, ARRAY_LEN(records));
	((struct resource *)into)->record = i >= 0 ? (enum record_rows)i : RECORD_NONE;
}

static void resource_limit(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	json_int_t n = json_integer_value(v);
	if (n < 1 || n > RECORD_LIMIT_MAX)
		load_fail(l, at, "%lld bytes; expected 1 to %d", (long long)n, RECORD_LIMIT_MAX);
	((struct resource *)into)->record_limit = (uint64_t)n;
}

static void resource_client_tls(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	int i = load_choice(l, at, json_string_value(v), client_tls, ARRAY_LEN(client_tls));
	((struct resource *)into)->client_tls = i >= 0 ? (enum client_tls)i : CLIENT_TLS_OFFER;
}

static const struct field resource_fields[] = {
    {"name", SHAPE_STRING, true, "the resource's name", resource_name},
    {"protocol", SHAPE_STRING, true, "\"postgres\" or \"tcp\"", resource_protocol},
    {"match", SHAPE_STRINGS, true, "host:port, address, network or a list of these",
     resource_match},
    {"upstream", SHAPE_STRING, false, "host:port", resource_upstream},
    {"credentials", SHAPE_OBJECT, false, "an object of roles and credential sources",
     resource_credentials},
    {"client_tls", SHAPE_STRING, false, "\"offer\", \"refuse\" or \"require\"", resource_client_tls},
    {"login", SHAPE_OBJECT, false, "an object", load_login},
    {"record", SHAPE_STRING, false, "\"none\", \"hash\" or \"rows\"", resource_record},
    {"record_limit", SHAPE_INTEGER, false, "a number of bytes", resource_limit},
    {"description", SHAPE_STRING, false, "a text", load_ignored_text},
};

/* Members that go together, or not at all. */
static void check_resource(struct loader *l, const struct json_at *at, json_t *v,
			   const struct resource *r)
{
	static const char *const postgres_only[] = {"credentials", "client_tls", "login",
						    "record", "record_limit"};
	bool is_tcp = r->protocol && !strcmp(r->protocol, "tcp");
	for (size_t i = 0; i < ARRAY_LEN(postgres_only); i++)
		if (is_tcp && json_object_get(v, postgres_only[i]))
			load_fail_member(l, at, postgres_only[i],
					 "\"%s\" on protocol tcp, whose bytes "
					 "are relayed unread; expected it on postgres only",
					 postgres_only[i]);
	if (is_tcp && r->upstream && strchr(r->upstream, ','))
		load_fail_member(l, at, "upstream",
				 "several hosts on protocol tcp; expected one, or postgres");
	if (r->record != RECORD_ROWS && !is_tcp && json_object_get(v, "record_limit"))
		load_fail_member(l, at, "record_limit",
				 "\"record_limit\" without rows to limit; "
				 "expected \"record\": \"rows\" beside it");
}

void load_resources(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	struct plan *p = into;
	size_t i;
	json_t *e;
	if (!json_array_size(v) || json_array_size(v) > MAX_RESOURCES) {
		load_fail(l, at, "%zu resources; expected 1 to %d", json_array_size(v),
			  MAX_RESOURCES);
		return;
	}
	p->resources = arena_array(&p->arena, json_array_size(v), sizeof(*p->resources));
	json_array_foreach(v, i, e)
	{
		struct json_at here = {at, NULL, i};
		struct resource r = {.record_limit = RECORD_LIMIT_DEFAULT};
		load_object(l, &here, e, resource_fields, ARRAY_LEN(resource_fields), &r);
		check_resource(l, &here, e, &r);
		if (p->resources)
			p->resources[p->n_resources++] = r;
	}
}
