#include "record/scan.h"

#include "base/jw.h"

#define DIGITS_MAX 19

struct text {
	const uint8_t *p, *end;
};

static bool take(struct text *t, uint8_t c)
{
	if (t->p == t->end || *t->p != c)
		return false;
	t->p++;
	return true;
}

static bool take_word(struct text *t, const char *word)
{
	size_t n = strlen(word);
	if ((size_t)(t->end - t->p) < n || memcmp(t->p, word, n) != 0)
		return false;
	t->p += n;
	return true;
}

/* Behind a backslash: the short forms, and \u00xx for the control characters that have none. */
static bool take_escape(struct text *t)
{
	if (t->p == t->end)
		return false;
	uint8_t c = *t->p++;
	if (c != 'u')
		return c && strchr("\"\\nrtbf", c);
	if (t->end - t->p < 4 || t->p[0] != '0' || t->p[1] != '0' ||
	    (t->p[2] != '0' && t->p[2] != '1'))
		return false;
	uint8_t low = t->p[3];
	if (!(low >= '0' && low <= '9') && !(low >= 'a' && low <= 'f'))
		return false;
	uint8_t code = (uint8_t)((t->p[2] - '0') * 16 + (low <= '9' ? low - '0' : low - 'a' + 10));
	t->p += 4;
	return code && !strchr("\n\r\t\b\f", code);
}

static bool take_string(struct text *t)
{
	if (!take(t, '"'))
		return false;
	const uint8_t *from = t->p;
	bool is_ascii = true;
	for (;;) {
		t->p = jw_skip_plain(t->p, t->end);
		if (t->p == t->end || *t->p == '"')
			break;
		uint8_t c = *t->p++;
		if (c < 0x20 || (c == '\\' && !take_escape(t)))
			return false;
		is_ascii = is_ascii && c < 0x80;
	}
	return (is_ascii || utf8_valid(span_of(from, (size_t)(t->p - from)))) && take(t, '"');
}

static bool take_integer(struct text *t)
{
	bool is_negative = take(t, '-');
	const uint8_t *from = t->p;
	while (t->p < t->end && *t->p >= '0' && *t->p <= '9')
		t->p++;
	size_t n = (size_t)(t->p - from);
	if (n == 0 || n > DIGITS_MAX || (*from == '0' && (n > 1 || is_negative)))
		return false;
	return n < DIGITS_MAX || memcmp(from, "9223372036854775807", DIGITS_MAX) <= 0;
}

/* Mostly the first letter tells. */
static bool is_above(struct span last, struct span key)
{
	if (!last.p)
		return true;
	if (last.len && key.len && *last.p != *key.p)
		return *last.p < *key.p;
	int order = memcmp(last.p, key.p, last.len < key.len ? last.len : key.len);
	return order < 0 || (order == 0 && last.len < key.len);
}

/* "key": with the key plain and above the one before. */
static bool take_key(struct text *t, struct span *last)
{
	if (!take(t, '"'))
		return false;
	const uint8_t *from = t->p;
	t->p = jw_skip_plain(t->p, t->end);
	while (t->p < t->end && *t->p >= 0x20 && *t->p < 0x7f && *t->p != '"' && *t->p != '\\')
		t->p++;
	struct span key = span_of(from, (size_t)(t->p - from));
	if (!is_above(*last, key))
		return false;
	*last = key;
	return take(t, '"') && take(t, ':');
}

static bool take_value(struct text *t, int depth);

static bool take_object(struct text *t, int depth)
{
	struct span last = {0};
	if (depth == 0 || !take(t, '{'))
		return false;
	if (take(t, '}'))
		return true;
	do {
		if (!take_key(t, &last) || !take_value(t, depth - 1))
			return false;
	} while (take(t, ','));
	return take(t, '}');
}

static bool take_array(struct text *t, int depth)
{
	if (depth == 0 || !take(t, '['))
		return false;
	if (take(t, ']'))
		return true;
	do {
		if (!take_value(t, depth - 1))
			return false;
	} while (take(t, ','));
	return take(t, ']');
}

static bool take_value(struct text *t, int depth)
{
	if (t->p == t->end)
		return false;
	switch (*t->p) {
	case '"':
		return take_string(t);
	case '{':
		return take_object(t, depth);
	case '[':
		return take_array(t, depth);
	case 't':
		return take_word(t, "true");
	case 'f':
		return take_word(t, "false");
	case 'n':
		return take_word(t, "null");
	default:
		return take_integer(t);
	}
}

int scan_event(struct span text, bool own_keys, struct scan *ret)
{
	struct text t = {text.p, text.p + text.len};
	struct span last = {0};
	ret->n = 0;
	if (!text.len || !take(&t, '{'))
		return ERR_MALFORMED;
	do {
		if (ret->n == SCAN_FIELDS || !take_key(&t, &last))
			return ERR_MALFORMED;
		if (last.len && last.p[0] == '_' && !own_keys)
			return ERR_MALFORMED;
		const uint8_t *from = t.p;
		if (!take_value(&t, SCAN_DEPTH - 1))
			return ERR_MALFORMED;
		ret->fields[ret->n++] =
		    (struct scan_field){last, span_of(from, (size_t)(t.p - from))};
	} while (take(&t, ','));
	return take(&t, '}') && t.p == t.end ? 0 : ERR_MALFORMED;
}

/* --- what is known to be well -------------------------------------------------------------------
 */

/* To behind the string's end. Most are short: a loop, no call. */
static bool skip_string(struct text *t)
{
	const uint8_t *p = t->p + 1, *end = t->end;
	while (p < end && *p != '"')
		p += *p == '\\' ? 2 : 1;
	t->p = p + 1;
	return p < end;
}

/* To the comma or brace behind the value. */
static bool skip_value(struct text *t)
{
	int depth = 0;
	while (t->p < t->end) {
		uint8_t c = *t->p;
		if (c == '"') {
			if (!skip_string(t))
				return false;
			continue;
		}
		if (depth == 0 && (c == ',' || c == '}'))
			return true;
		depth += (c == '{' || c == '[') - (c == '}' || c == ']');
		t->p++;
	}
	return false;
}

int scan_stored(struct span stored, size_t prefix, struct scan *ret)
{
	struct text t = {stored.p + prefix, stored.p + stored.len};
	ret->n = 0;
	if (prefix >= stored.len)
		return ERR_MALFORMED;
	do {
		const uint8_t *key = t.p + 1;
		if (ret->n == SCAN_FIELDS || t.p == t.end || *t.p != '"' || !skip_string(&t))
			return ERR_MALFORMED;
		struct span name = span_of(key, (size_t)(t.p - key - 1));
		if (!take(&t, ':'))
			return ERR_MALFORMED;
		const uint8_t *from = t.p;
		if (!skip_value(&t))
			return ERR_MALFORMED;
		ret->fields[ret->n++] =
		    (struct scan_field){name, span_of(from, (size_t)(t.p - from))};
	} while (take(&t, ','));
	return take(&t, '}') && t.p == t.end ? 0 : ERR_MALFORMED;
}

/* --- fields -------------------------------------------------------------------------------------
 */

struct span scan_get(const struct scan *s, const char *key)
{
	size_t len = strlen(key);
	for (int i = 0; i < s->n; i++)
		if (s->fields[i].key.len == len && *s->fields[i].key.p == (uint8_t)*key &&
		    memcmp(s->fields[i].key.p, key, len) == 0)
			return s->fields[i].value;
	return (struct span){0};
}

struct span scan_unquote(struct span v)
{
	if (v.len < 2 || v.p[0] != '"' || memchr(v.p, '\\', v.len))
		return (struct span){0};
	return span_of(v.p + 1, v.len - 2);
}

struct span scan_plain(const struct scan *s, const char *key)
{
	return scan_unquote(scan_get(s, key));
}

uint64_t scan_number(struct span v)
{
	uint64_t n = 0;
	for (size_t i = 0; i < v.len; i++) {
		if (v.p[i] < '0' || v.p[i] > '9')
			return 0;
		n = n * 10 + (uint64_t)(v.p[i] - '0');
	}
	return n;
}

uint64_t scan_u64(const struct scan *s, const char *key)
{
	return scan_number(scan_get(s, key));
}

bool scan_flag(const struct scan *s, const char *key)
{
	return span_is(scan_get(s, key), "true");
}

bool scan_item(struct span array, size_t *at, struct span *ret_item)
{
	struct text t = {array.p + (*at ? *at : 1), array.p + array.len};
	if (array.len < 2 || array.p[0] != '[' || t.p >= t.end || *t.p == ']')
		return false;
	if (*at && !take(&t, ','))
		return false;
	const uint8_t *from = t.p;
	if (!take_value(&t, SCAN_DEPTH - 1))
		return false;
	*ret_item = span_of(from, (size_t)(t.p - from));
	*at = (size_t)(t.p - array.p);
	return true;
}
