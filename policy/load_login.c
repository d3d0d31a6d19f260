/* "login" of a resource. */
#include <ctype.h>
#include <strings.h>

#include "base/macro.h"
#include "policy/load.h"
#include "policy/login.h"

#define NAME_MAX_BYTES 63 /* NAMEDATALEN */

static void one_user(struct loader *l, const struct json_at *at, const char *s, void *into)
{
	struct patterns *out = into;
	const char *why = "out of memory";
	struct pattern p;
	if (pattern_parse(&l->plan->arena, s, 1, &p, &why))
		load_fail(l, at, "\"%.80s\": %s", s, why);
	else
		((struct pattern *)out->at)[out->n++] = p;
}

static void login_users(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	struct login_terms *t = into;
	t->users.at = arena_array(&l->plan->arena, MAX(json_array_size(v), (size_t)1), sizeof(*t->users.at));
	if (t->users.at)
		load_strings(l, at, v, MAX_LIST, one_user, &t->users);
}

static void login_authentication(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	static const char *const names[] = {"gateway", "client"};
	((struct login_terms *)into)->is_clients =
	    load_choice(l, at, json_string_value(v), names, ARRAY_LEN(names)) == 1;
}

static void login_role(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	const char *s = load_text(l, at, v);
	if (s && strlen(s) > NAME_MAX_BYTES)
		load_fail(l, at, "a role's name of %zu bytes; expected at most %d", strlen(s), NAME_MAX_BYTES);
	((struct login_terms *)into)->role = s;
}

static bool is_setting(const char *s)
{
	size_t n = strlen(s);
	for (size_t i = 0; i < n; i++)
		if (!isalnum((uint8_t)s[i]) && s[i] != '_' && s[i] != '.')
			return false;
	return n && n <= NAME_MAX_BYTES && !isdigit((uint8_t)s[0]);
}

/* What the gateway reads text by, or has a word of its own for. */
static const char *unfit(const char *name)
{
	static const char *const ours[][2] = {
	    {"role", "expected it as \"role\" of \"login\""},
	    {"session_authorization", "expected \"role\" or \"users\" of \"login\""},
	    {"client_encoding", "the gateway reads UTF8; expected no other"},
	    {"standard_conforming_strings", "the gateway needs it on; expected no other"},
	};
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (!strcasecmp(name, ours[i][0]))
			return ours[i][1];
	return is_setting(name) ? NULL : "expected a setting's name: letters, digits, '_' and '.', at most 63";
}

static void one_pin(struct loader *l, const struct json_at *at, const char *name, json_t *v, struct login_terms *t)
{
	struct json_at here = {at, name, 0};
	const char *why = unfit(name), *value = json_is_string(v) ? load_text(l, &here, v) : NULL;
	if (why)
		load_fail_member(l, at, name, "setting \"%.80s\": %s", name, why);
	for (int i = 0; i < t->n_pins; i++)
		if (!strcasecmp(t->pins[i].name, name))
			load_fail_member(l, at, name, "setting \"%.63s\" is pinned twice; expected it once", name);
	if (!json_is_string(v))
		load_fail(l, &here, "expected the setting's value as a text");
	const char *bad = value ? login_bad_place(value) : NULL;
	if (bad)
		load_fail(l, &here,
			  "\"%.40s\" is no place to fill in; expected {identity}, {owner}, {role}, {session} "
			  "or {application_name}",
			  bad);
	const char *kept = arena_str(&l->plan->arena, name);
	((struct pin *)t->pins)[t->n_pins++] = (struct pin){kept, value ? value : ""};
}

static void login_settings(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	struct login_terms *t = into;
	const char *name;
	json_t *e;
	if (!json_object_size(v) || json_object_size(v) > LOGIN_PINS_MAX) {
		load_fail(l, at, "%zu settings; expected 1 to %d", json_object_size(v), LOGIN_PINS_MAX);
		return;
	}
	t->pins = arena_array(&l->plan->arena, json_object_size(v), sizeof(*t->pins));
	if (!t->pins)
		return;
	json_object_foreach(v, name, e)
		one_pin(l, at, name, e, t);
}

static const struct field login_fields[] = {
    {"users", SHAPE_STRINGS, false, "user names or patterns", login_users},
    {"authentication", SHAPE_STRING, false, "\"gateway\" or \"client\"", login_authentication},
    {"role", SHAPE_STRING, false, "a role of the database", login_role},
    {"settings", SHAPE_OBJECT, false, "an object of settings and values", login_settings},
};

void load_login(struct loader *l, const struct json_at *at, json_t *v, void *into)
{
	struct login_terms *t = arena_new(&l->plan->arena, struct login_terms);
	if (!t)
		return;
	*t = (struct login_terms){.role = NULL};
	load_object(l, at, v, login_fields, ARRAY_LEN(login_fields), t);
	if (t->is_clients && !json_object_get(v, "users"))
		load_fail_member(l, at, "authentication",
				 "clients that log in themselves; expected \"users\" beside it: as whom they may");
	((struct resource *)into)->login = t;
}
