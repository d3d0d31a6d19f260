#include "policy/json_at.h"

#include <jansson.h>

#define PATH_MAX_DEPTH 32

struct place place_of(struct span text, size_t offset)
{
	struct place p = {1, 1};
	for (size_t i = 0; i < offset && i < text.len; i++) {
		if (text.p[i] == '\n') {
			p.line++;
			p.column = 1;
		} else if (text.p[i] >> 6 != 2) { /* UTF-8 continuation bytes are no columns */
			p.column++;
		}
	}
	return p;
}

static size_t skip_space(struct span t, size_t i)
{
	while (i < t.len && (t.p[i] == ' ' || t.p[i] == '\t' || t.p[i] == '\n' || t.p[i] == '\r'))
		i++;
	return i;
}

/* From an opening quote to behind the closing one. */
static size_t skip_string(struct span t, size_t i)
{
	for (i++; i < t.len && t.p[i] != '"'; i++)
		if (t.p[i] == '\\')
			i++;
	return i < t.len ? i + 1 : t.len;
}

static size_t skip_value(struct span t, size_t i)
{
	int depth = 0;
	while (i < t.len) {
		uint8_t c = t.p[i];
		if (c == '"') {
			i = skip_string(t, i);
		} else if (c == '{' || c == '[') {
			depth++;
			i++;
		} else if (c == '}' || c == ']') {
			if (!depth)
				return i;
			depth--;
			i++;
		} else if (!depth &&
			   (c == ',' || c == ' ' || c == '\n' || c == '\t' || c == '\r')) {
			return i;
		} else {
			i++;
			continue;
		}
		if (!depth)
			return i;
	}
	return i;
}

static bool key_is(struct span token, const char *key)
{
	struct span inner = {token.p + 1, token.len >= 2 ? token.len - 2 : 0};
	if (!inner.len || !memchr(inner.p, '\\', inner.len))
		return span_is(inner, key);
	json_t *s = json_loadb((const char *)token.p, token.len, JSON_DECODE_ANY, NULL);
	bool same = json_is_string(s) && !strcmp(json_string_value(s), key);
	json_decref(s);
	return same;
}

/* The offset of a member's value in the object at i; ret_key gets its name's. 0: not there (no
 * member stands at 0). */
static size_t find_member(struct span t, size_t i, const char *key, size_t *ret_key)
{
	if (i >= t.len || t.p[i] != '{')
		return 0;
	i = skip_space(t, i + 1);
	while (i < t.len && t.p[i] == '"') {
		size_t start = i;
		i = skip_string(t, i);
		struct span token = {t.p + start, i - start};
		i = skip_space(t, i);
		i = skip_space(t, i + 1); /* the colon */
		if (i < t.len && key_is(token, key)) {
			*ret_key = start;
			return i;
		}
		i = skip_space(t, skip_value(t, i));
		i = skip_space(t, i + 1); /* the comma */
	}
	return 0;
}

static size_t find_element(struct span t, size_t i, size_t index)
{
	if (i >= t.len || t.p[i] != '[')
		return 0;
	i = skip_space(t, i + 1);
	for (; i < t.len && t.p[i] != ']' && index; index--) {
		i = skip_space(t, skip_value(t, i));
		i = skip_space(t, i + 1);
	}
	return i < t.len && t.p[i] != ']' ? i : 0;
}

struct place place_at(struct span text, const struct json_at *at, bool is_key)
{
	const struct json_at *steps[PATH_MAX_DEPTH];
	int n = 0;
	for (; at && at->up && n < PATH_MAX_DEPTH; at = at->up)
		steps[n++] = at;
	size_t value = skip_space(text, 0), key = value;
	while (n--) {
		const struct json_at *s = steps[n];
		size_t next_key = 0;
		size_t next = s->key ? find_member(text, value, s->key, &next_key)
				     : find_element(text, value, s->index);
		if (!next)
			break;
		value = next;
		key = s->key ? next_key : next;
	}
	return place_of(text, is_key ? key : value);
}

bool json_depth_ok(struct span text, int max, struct place *ret_where)
{
	int depth = 0;
	for (size_t i = 0; i < text.len;) {
		uint8_t c = text.p[i];
		if (c == '"') {
			i = skip_string(text, i);
			continue;
		}
		if ((c == '{' || c == '[') && ++depth > max) {
			*ret_where = place_of(text, i);
			return false;
		}
		depth -= (c == '}' || c == ']') && depth > 0;
		i++;
	}
	return true;
}
