/* JSON as an identity may hold it: an object, shallow, no name twice. */
#include "identity/token.h"

#include <errno.h>

#include "base/jw.h"

/* Before the parser sees it, for it recurses: brackets outside of strings, nested at most so deep. */
static bool is_shallow(struct span s)
{
	int depth = 0;
	bool in_string = false;
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.p[i];
		if (in_string && c == '\\')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (!in_string && (c == '{' || c == '['))
			depth++;
		else if (!in_string && (c == '}' || c == ']'))
			depth--;
		if (depth > TOKEN_JSON_DEPTH)
			return false;
	}
	return true;
}

int strict_object(struct span text, json_t **ret)
{
	if (text.len == 0 || !is_shallow(text))
		return ERR_MALFORMED;
	json_error_t e;
	json_t *j = json_loadb((const char *)text.p, text.len, JSON_REJECT_DUPLICATES, &e);
	if (!j)
		return json_error_code(&e) == json_error_out_of_memory ? -ENOMEM : ERR_MALFORMED;
	if (!json_is_object(j)) {
		json_decref(j);
		return ERR_MALFORMED;
	}
	*ret = j;
	return 0;
}

int member_bytes(const json_t *object, const char *name, size_t limit, struct buf *out)
{
	const json_t *v = json_object_get(object, name);
	struct span s = {(const uint8_t *)json_string_value(v), json_string_length(v)};
	if (!s.p || s.len == 0 || s.len > limit * 4 / 3 + 2)
		return ERR_MALFORMED;
	return base64url_decode(s, out);
}
