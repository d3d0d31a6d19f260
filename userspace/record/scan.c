#include "record/scan.h"

#include "base/jw.h"
#include "base/macro.h"

struct scan {
	const uint8_t *p, *end;
};

static int peek(const struct scan *s)
{
	return s->p < s->end ? *s->p : -1;
}

static bool take(struct scan *s, uint8_t c)
{
	if (peek(s) != c)
		return false;
	s->p++;
	return true;
}

static bool is_hex(int c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool take_escape(struct scan *s)
{
	int c = peek(s);
	s->p++;
	if (c != 'u')
		return c > 0 && strchr("\"\\/bfnrt", c);
	for (int i = 0; i < 4; i++, s->p++)
		if (!is_hex(peek(s)))
			return false;
	return true;
}

/* A string, opening quote included; ret_s: what lies between the quotes. */
static bool take_string(struct scan *s, struct span *ret_s)
{
	if (!take(s, '"'))
		return false;
	const uint8_t *from = s->p;
	while (s->p < s->end && *s->p != '"') {
		if (*s->p < 0x20)
			return false;
		if (*s->p++ == '\\' && !take_escape(s))
			return false;
	}
	*ret_s = span_of(from, (size_t)(s->p - from));
	return take(s, '"');
}

static bool take_digits(struct scan *s)
{
	const uint8_t *from = s->p;
	while (peek(s) >= '0' && peek(s) <= '9')
		s->p++;
	return s->p > from;
}

/* Integers only: a number with a fraction has no place in an event. */
static bool take_number(struct scan *s, struct span *ret_s)
{
	const uint8_t *from = s->p;
	take(s, '-');
	const uint8_t *digits = s->p;
	bool is_good = take_digits(s) && (*digits != '0' || s->p == digits + 1);
	*ret_s = span_of(from, (size_t)(s->p - from));
	return is_good;
}

static bool take_word(struct scan *s)
{
	static const char *const words[] = {"true", "false", "null"};
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		size_t n = strlen(words[i]);
		if ((size_t)(s->end - s->p) >= n && !memcmp(s->p, words[i], n)) {
			s->p += n;
			return true;
		}
	}
	return false;
}

static bool take_value(struct scan *s, int depth, struct span *ret_s);

static bool take_array(struct scan *s, int depth)
{
	struct span ignored;
	if (take(s, ']'))
		return true;
	do
		if (!take_value(s, depth, &ignored))
			return false;
	while (take(s, ','));
	return take(s, ']');
}

static bool take_object(struct scan *s, int depth)
{
	struct span ignored;
	if (take(s, '}'))
		return true;
	do
		if (!take_string(s, &ignored) || !take(s, ':') || !take_value(s, depth, &ignored))
			return false;
	while (take(s, ','));
	return take(s, '}');
}

static bool take_value(struct scan *s, int depth, struct span *ret_s)
{
	*ret_s = (struct span){0};
	int c = peek(s);
	if (c == '"')
		return take_string(s, ret_s);
	if (c == '-' || (c >= '0' && c <= '9'))
		return take_number(s, ret_s);
	if (c != '[' && c != '{')
		return take_word(s);
	s->p++;
	if (depth + 1 > SCAN_DEPTH)
		return false;
	return c == '[' ? take_array(s, depth + 1) : take_object(s, depth + 1);
}

static uint64_t number(struct span s)
{
	uint64_t v = 0;
	for (size_t i = 0; i < s.len && i < 19 && s.p[i] != '-'; i++)
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	return v;
}

static void keep(struct scan_fields *f, struct span key, struct span value, bool is_string)
{
	const struct {
		const char *name;
		struct span *to;
	} strings[] = {{"type", &f->type},         {"session", &f->session}, {"decision", &f->decision},
		       {"identity", &f->identity}, {"owner", &f->owner},     {"role", &f->role},
		       {"reason", &f->reason}};
	for (size_t i = 0; is_string && i < ARRAY_LEN(strings); i++)
		if (span_is(key, strings[i].name))
			*strings[i].to = value;
	if (!is_string && value.len && span_is(key, "time"))
		f->time = number(value);
	if (!is_string && value.len && span_is(key, "count"))
		f->count = number(value);
}

int scan_event(struct span event, struct scan_fields *ret_f)
{
	struct scan s = {event.p, event.p + event.len};
	struct scan_fields f = {0};
	if (!utf8_valid(event) || !take(&s, '{'))
		return ERR_MALFORMED;
	do {
		struct span key, value;
		if (!take_string(&s, &key) || !key.len || key.p[0] == '_' || !take(&s, ':'))
			return ERR_MALFORMED;
		bool is_string = peek(&s) == '"';
		if (!take_value(&s, 1, &value))
			return ERR_MALFORMED;
		keep(&f, key, value, is_string);
	} while (take(&s, ','));
	if (!take(&s, '}') || s.p != s.end || !f.type.len)
		return ERR_MALFORMED;
	*ret_f = f;
	return 0;
}
