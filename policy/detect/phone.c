/* Telephones: ITU-T E.164, E.123; North American Numbering Plan. */
#include "base/macro.h"
#include "policy/detect/internal.h"

/* Country codes of one and two digits; all others that begin with a 2 to 9 have three. */
static size_t country_code(const uint8_t *digits, int n)
{
	static const char two[] =
	    "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 "
	    "61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98 ";
	static const char starts[] =
	    "21 22 23 24 25 26 29 35 37 38 42 50 59 67 68 69 80 85 87 88 96 97 99 ";
	char key[] = {(char)('0' + digits[0]), (char)('0' + digits[1]), ' ', 0};
	if (digits[0] == 1 || digits[0] == 7)
		return 1;
	if (n < 8 || digits[0] == 0)
		return 0;
	return strstr(two, key) ? 2 : strstr(starts, key) ? 3 : 0;
}

struct phone {
	uint8_t digits[16];
	int n;
	uint8_t groups[16]; /* digits of each */
	int n_groups;
	size_t end; /* behind the last digit */
	size_t
	    nanp_end; /* not 0: up to here it has the North American form, and a blank may follow */
	bool goes_on; /* with more digits than a telephone has */
	bool has_slash, has_dot;
};

/* Of ten digits at k: area code and exchange begin with 2 to 9 (ATIS-0300051). */
static bool is_nanp(const struct phone *p, int k)
{
	return p->n == k + 10 && p->digits[k] > 1 && p->digits[k + 3] > 1;
}

/* (212) 555-0123, 212-555-0123, 1-212-555-0123, 001-212-555-0123: three, three, four. */
static bool has_nanp_form(const struct phone *p)
{
	bool is_one = p->groups[0] == 1 && p->digits[0] == 1;
	bool is_abroad = p->groups[0] == 3 && !p->digits[0] && !p->digits[1] && p->digits[2] == 1;
	int g = is_one || is_abroad;
	return p->n_groups == g + 3 && p->groups[g] == 3 && p->groups[g + 1] == 3 &&
	       p->groups[g + 2] == 4 && !p->has_slash && is_nanp(p, g ? p->groups[0] : 0);
}

/* (0116) 496 0069: behind a bracket, a trunk prefix and an area. */
static bool has_area_form(struct span s, size_t i, const struct phone *p)
{
	int area = p->groups[0];
	return byte_before(s, i) == '(' && !p->digits[0] && area >= 3 && area <= 5 &&
	       byte_at(s, i + (size_t)area) == ')' && p->n_groups > 1 && p->n >= 9 && p->n <= 12;
}

/* 0118 496 0412 office */
static bool has_word_behind(struct span s, size_t end)
{
	static const char *const words[] = {"office", "mobile", "fax", "cell", "home", "desk"};
	size_t at = end;
	while (at < end + 2 && is_of(" -(,", byte_at(s, at)))
		at++;
	for (size_t k = 0; at > end && k < ARRAY_LEN(words); k++) {
		size_t n = strlen(words[k]);
		if (at + n <= s.len && !strncasecmp((const char *)s.p + at, words[k], n) &&
		    !is_alpha(byte_at(s, at + n)))
			return true;
	}
	return false;
}

/* Behind the group that ends at at: how many joints, one or two ("(0) 20", ") 555"), lead to
 * another one. */
static size_t joints_at(struct span s, size_t at)
{
	size_t n = 0;
	while (n < 3 && at + n < s.len && is_joint(s.p[at + n]))
		n++;
	bool is_blank = n > 1 && s.p[at] == ' ' && s.p[at + 1] == ' ';
	return n > 2 || is_blank || !digit_at(s, at + n) ? 0 : n;
}

/* Fifteen digits at most. */
static void read_phone(struct span s, size_t i, struct phone *p)
{
	size_t at = i;
	*p = (struct phone){0};
	for (;;) {
		size_t n = digits_at(s, at, 16);
		p->goes_on = p->n + (int)n > 15;
		if (p->goes_on || p->n_groups == 8)
			return;
		for (size_t k = 0; k < n; k++)
			p->digits[p->n++] = s.p[at + k] - '0';
		p->groups[p->n_groups++] = (uint8_t)n;
		at += n;
		p->end = at;
		size_t joints = joints_at(s, at);
		if (has_nanp_form(p) && (!joints || s.p[at] == ' '))
			p->nanp_end = at;
		if (!joints)
			return;
		p->has_slash |= s.p[at] == '/';
		p->has_dot |= s.p[at] == '.';
		at += joints;
	}
}

/* A date; a social security number. */
static bool has_other_form(const struct phone *p)
{
	const uint8_t *g = p->groups;
	if (p->n_groups < 3)
		return false;
	return (g[0] == 4 && g[1] <= 2 && g[2] <= 2) || (g[0] <= 2 && g[1] <= 2 && g[2] == 4) ||
	       (p->n_groups == 3 && g[0] == 3 && g[1] == 2 && g[2] == 4);
}

static const char *const words_before[] = {
    "phone",	"telephone", "tel",	"mobile",   "cell",	 "cellphone", "fax",
    "call",	"dial",	     "sms",	"text",	    "whatsapp",	 "contact",   "handy",
    "landline", "voicemail", "hotline", "desk",	    "answering", "message",   "ring",
    "calling",	"called",    "reach",	"callback", NULL};

static bool is_phone_by_word(const struct detect *d, struct span s, size_t i, const struct phone *p)
{
	bool is_decimal = p->n_groups == 2 && p->has_dot;
	if (p->n < 7 || is_decimal || has_other_form(p))
		return false;
	return d->bare >> DETECT_PHONE & 1 || has_word_before(s, i, 40, words_before) ||
	       (p->n >= 9 && has_word_behind(s, p->end));
}

/* "x123", " ext. 12" behind a number. */
static size_t extension(struct span s, size_t end)
{
	static const char *const words[] = {" ext. ", " ext ", " ext.", " x", "x", "ext"};
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		size_t len = strlen(words[i]);
		size_t n = end + len < s.len && !memcmp(s.p + end, words[i], len)
			       ? digits_at(s, end + len, 7)
			       : 0;
		if (n && n < 7 && !is_alnum(byte_at(s, end + len + n)))
			return end + len + n;
	}
	return end;
}

bool find_phone(const struct detect *d, struct span s, size_t i, size_t from, struct find *ret)
{
	struct phone p;
	size_t start = i;
	read_phone(s, i, &p);
	bool is_none = (p.goes_on || p.n < 7) && !p.nanp_end;
	if (is_none || is_alpha(byte_before(s, i)))
		return false;
	if (start > from && s.p[start - 1] == '(')
		start--;
	bool has_plus = start > from && s.p[start - 1] == '+';
	start -= has_plus;
	uint8_t before = byte_before(s, start);
	bool is_joined = is_alnum(before) || before == '_';
	is_joined |= !has_plus && is_of("-./:", before) && start > 1 && is_digit(s.p[start - 2]);
	if (is_joined) /* "1.0+20240506" too */
		return false;
	bool is_phone = p.nanp_end || (has_plus && p.n >= 8 && country_code(p.digits, p.n));
	if (!is_phone && !has_area_form(s, i, &p) && !is_phone_by_word(d, s, start, &p))
		return false;
	size_t end = extension(s, p.nanp_end ? p.nanp_end : p.end);
	return !is_alpha(byte_at(s, end)) && byte_at(s, end) != '_' &&
	       take(ret, start, end, DETECT_PHONE);
}
