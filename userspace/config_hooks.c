#include "config_hooks.h"

#include <jansson.h>
#include <stdio.h>

#include "base/macro.h"

#define TEXT_MAX 400

static int wrong(char *why, size_t size, const char *key, const char *expected)
{
	snprintf(why, size, "\"%s\": expected %s", key, expected);
	return ERR_CONFIG;
}

static const char *text_of(struct arena *a, const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));
	return s && *s && strlen(s) <= TEXT_MAX ? arena_str(a, s) : NULL;
}

static bool is_name(const char *s)
{
	return s && strlen(s) <= 40 &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(s);
}

static int read_format(const json_t *j, enum hook_format *ret)
{
	static const char *const names[] = {"json", "slack", "teams"};
	const json_t *v = json_object_get(j, "format");
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (v ? json_is_string(v) && !strcmp(json_string_value(v), names[i]) : i == 0) {
			*ret = (enum hook_format)i;
			return 0;
		}
	return ERR_CONFIG;
}

static int read_groups(struct arena *a, const json_t *list, struct hook *h)
{
	if (!list)
		return 0;
	if (!json_is_array(list) || json_array_size(list) > HOOK_GROUPS_MAX)
		return ERR_CONFIG;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));
		if (!s || !*s || strlen(s) > TEXT_MAX)
			return ERR_CONFIG;
		h->groups[h->n_groups++] = arena_str(a, s);
	}
	return 0;
}

static int read_hook(struct arena *a, const json_t *j, struct hook *h, char *why, size_t size)
{
	static const char *const keys[] = {"name", "url", "format", "secret", "groups"};
	const char *key;
	json_t *v;
	json_object_foreach((json_t *)j, key, v)
	{
		bool is_known = false;
		for (size_t i = 0; i < ARRAY_LEN(keys); i++)
			is_known = is_known || !strcmp(key, keys[i]);
		if (!is_known)
			return wrong(why, size, key, "no such key");
	}
	h->name = text_of(a, j, "name");
	h->url = text_of(a, j, "url");
	h->secret = text_of(a, j, "secret");
	if (!is_name(h->name))
		return wrong(why, size, "name", "small letters, digits and '-', at most 40");
	if (!h->url || (strncmp(h->url, "https://", 8) && strncmp(h->url, "http://127.0.0.1:", 17)))
		return wrong(why, size, "url", "https://, or http:// to 127.0.0.1");
	if (!h->secret || strncmp(h->secret, "file:/", 6))
		return wrong(why, size, "secret", "\"file:/path\" beneath key_dirs");
	if (read_format(j, &h->format) < 0)
		return wrong(why, size, "format", "one of json, slack, teams");
	return read_groups(a, json_object_get(j, "groups"), h) < 0
		   ? wrong(why, size, "groups", "a list of names of groups")
		   : 0;
}

int config_hooks_read(struct arena *a, const struct json_t *v, struct hooks *ret, int *ret_index,
		      char *ret_why, size_t why_size)
{
	struct hooks hooks = {0};
	*ret_index = -1;
	if (!json_is_array(v) || json_array_size(v) > HOOKS_MAX) {
		snprintf(ret_why, why_size, "expected a list of at most %d webhooks", HOOKS_MAX);
		return ERR_CONFIG;
	}
	for (; hooks.n < (int)json_array_size(v); hooks.n++) {
		struct hook *h = &hooks.at[hooks.n];
		const json_t *j = json_array_get(v, (size_t)hooks.n);
		*ret_index = hooks.n;
		if (!json_is_object(j)) {
			snprintf(ret_why, why_size, "expected an object");
			return ERR_CONFIG;
		}
		int r = read_hook(a, j, h, ret_why, why_size);
		if (r < 0)
			return r;
		for (int i = 0; i < hooks.n; i++)
			if (!strcmp(hooks.at[i].name, h->name))
				return wrong(ret_why, why_size, "name", "each name once");
	}
	*ret = hooks;
	return 0;
}
