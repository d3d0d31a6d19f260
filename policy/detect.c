#include "policy/detect.h"

#include <ctype.h>

const char *const detect_names[DETECT_COUNT] = {
#define X(name, text) [DETECT_##name] = text,
    DETECT_LIST(X)
#undef X
};

static bool digit_at(struct span s, size_t i)
{
	return i < s.len && isdigit(s.p[i]);
}

static bool is_separator(struct span s, size_t i)
{
	return i < s.len && (s.p[i] == '-' || s.p[i] == ' ' || s.p[i] == '.');
}

/* ---- social security numbers: SSA, "Social Security Number Randomization" ---- */

static bool digits_at(struct span s, size_t i, int n)
{
	for (int k = 0; k < n; k++)
		if (!digit_at(s, i + (size_t)k))
			return false;
	return true;
}

static int number_at(struct span s, size_t i, int n)
{
	int v = 0;
	for (int k = 0; k < n; k++)
		v = v * 10 + s.p[i + (size_t)k] - '0';
	return v;
}

static size_t ssn(struct span s, size_t i)
{
	bool has_form = digits_at(s, i, 3) && is_separator(s, i + 3) && digits_at(s, i + 4, 2) &&
			is_separator(s, i + 6) && digits_at(s, i + 7, 4) && !digit_at(s, i + 11);
	if (!has_form || s.p[i + 3] != s.p[i + 6])
		return 0;
	int area = number_at(s, i, 3);
	bool is_given =
	    area && area != 666 && area < 900 && number_at(s, i + 4, 2) && number_at(s, i + 7, 4);
	return is_given ? 11 : 0;
}

/* ---- card numbers: ISO/IEC 7812-1, the check digit by annex B ---- */

static bool is_luhn(const uint8_t *digits, int n)
{
	int sum = 0;
	for (int k = 0; k < n; k++) {
		int d = digits[n - 1 - k];
		if (k & 1)
			d = d > 4 ? 2 * d - 9 : 2 * d;
		sum += d;
	}
	return sum % 10 == 0;
}

/* The longest that checks; one kind of separator. A run of digits that goes on is none. */
static size_t card(struct span s, size_t i)
{
	uint8_t digits[20];
	size_t best = 0, at = i;
	uint8_t separator = 0;
	int n = 0;
	if (s.p[i] < '2' || s.p[i] > '6')
		return 0;
	while (n < 19 && digit_at(s, at)) {
		digits[n++] = s.p[at++] - '0';
		if (n >= 13 && !digit_at(s, at) && is_luhn(digits, n))
			best = at - i;
		bool goes_on = is_separator(s, at) && digit_at(s, at + 1);
		if (goes_on && (!separator || separator == s.p[at]))
			separator = s.p[at++];
	}
	return best;
}

/* ---- mail addresses: RFC 5321 4.1.2, the usual part of it ---- */

/* Of a local part. */
static const bool locals[256] = {
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, [0x80 ... 0xff] = true,
    ['.'] = true,	  ['_'] = true,		['%'] = true,	      ['+'] = true,
    ['-'] = true,	  ['\''] = true,
};

static bool is_local(uint8_t c)
{
	return locals[c];
}

static size_t email(struct span s, size_t i)
{
	size_t at = i;
	while (at < s.len && is_local(s.p[at]))
		at++;
	if (at == i || at >= s.len || s.p[at] != '@')
		return 0;
	size_t host = ++at;
	while (at < s.len &&
	       (isalnum(s.p[at]) || s.p[at] == '-' || s.p[at] == '.' || s.p[at] >= 0x80))
		at++;
	while (at > host && (s.p[at - 1] == '.' || s.p[at - 1] == '-'))
		at--;
	size_t dot = at;
	while (dot > host && s.p[dot - 1] != '.')
		dot--;
	bool has_top = dot > host + 1 && at >= dot + 2;
	return has_top ? at - i : 0;
}

/* What begins at i; 0: nothing. */
static size_t found_at(uint32_t kinds, struct span text, size_t i)
{
	uint8_t before = i ? text.p[i - 1] : ' ';
	size_t n = 0;
	if (kinds >> DETECT_EMAIL & 1 && !is_local(before))
		n = email(text, i);
	if (n || !isdigit(text.p[i]) || isdigit(before))
		return n;
	if (kinds >> DETECT_CARD & 1)
		n = card(text, i);
	return !n && kinds >> DETECT_SSN & 1 ? ssn(text, i) : n;
}

bool detect_next(uint32_t kinds, struct span text, size_t from, size_t *ret_at, size_t *ret_len)
{
	/* Most texts have no '@', and few digits: what cannot begin anything is passed by at once.
	 */
	bool has_at = kinds >> DETECT_EMAIL & 1 && from < text.len &&
		      memchr(text.p + from, '@', text.len - from);
	if (!has_at)
		kinds &= ~(1u << DETECT_EMAIL);
	for (size_t i = from; i < text.len; i++) {
		uint8_t c = text.p[i];
		if (has_at ? !locals[c] : (uint8_t)(c - '0') > 9)
			continue;
		size_t n = found_at(kinds, text, i);
		if (!n)
			continue;
		*ret_at = i;
		*ret_len = n;
		return true;
	}
	return false;
}
