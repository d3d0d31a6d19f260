/* Numbers: payment cards, social security numbers, telephones, IPv4, dates. */
#include "base/macro.h"
#include "policy/detect_internal.h"

#define WORD_BEFORE_MAX 16

size_t digits_at(struct span s, size_t i, size_t max)
{
	size_t n = 0;
	while (n < max && digit_at(s, i + n))
		n++;
	return n;
}

static unsigned number_at(struct span s, size_t i, size_t n)
{
	unsigned v = 0;
	for (size_t k = 0; k < n; k++)
		v = v * 10 + s.p[i + k] - '0';
	return v;
}

static bool is_listed(const uint8_t *word, size_t len, const char *const *words)
{
	for (; *words; words++) {
		if ((*words)[0] != word[0])
			continue;
		size_t n = strlen(*words);
		if ((n == len || (n + 1 == len && word[n] == 's')) && !memcmp(*words, word, n))
			return true;
	}
	return false;
}

/* Word by word, from the number backwards. */
bool has_word_before(struct span s, size_t i, size_t near, const char *const *words)
{
	uint8_t low[WORD_BEFORE_MAX];
	size_t stop = i > near ? i - near : 0;
	while (i > stop) {
		size_t n = 0;
		while (i > stop && !is_alpha(s.p[i - 1]))
			i--;
		while (i > n && n < sizeof(low) && is_alpha(s.p[i - n - 1])) {
			low[sizeof(low) - 1 - n] = s.p[i - n - 1] | 0x20;
			n++;
		}
		if (n && n < sizeof(low) && is_listed(low + sizeof(low) - n, n, words))
			return true;
		i -= n;
	}
	return false;
}

static bool take(struct find *ret, size_t at, size_t end, int kind)
{
	*ret = (struct find){at, end - at, kind, RUN_NONE};
	return true;
}

/* ---- social security numbers: SSA, "Social Security Number Randomization" ---- */

static bool is_given_out(unsigned area, unsigned group, unsigned serial)
{
	return area && area != 666 && area < 900 && group && serial;
}

static bool ssn_with_separators(struct span s, size_t i)
{
	uint8_t sep = byte_at(s, i + 3);
	bool has_form = digits_at(s, i, 4) == 3 && is_of("- .", sep) &&
			digits_at(s, i + 4, 3) == 2 && byte_at(s, i + 6) == sep &&
			digits_at(s, i + 7, 5) == 4;
	return has_form &&
	       is_given_out(number_at(s, i, 3), number_at(s, i + 4, 2), number_at(s, i + 7, 4));
}

static bool ssn_bare(const struct detect *d, struct span s, size_t i)
{
	static const char *const words[] = {"ssn", "social", NULL};
	if (digits_at(s, i, 10) != 9 ||
	    !is_given_out(number_at(s, i, 3), number_at(s, i + 3, 2), number_at(s, i + 5, 4)))
		return false;
	return d->bare >> DETECT_SSN & 1 || has_word_before(s, i, 40, words);
}

static bool find_ssn(const struct detect *d, struct span s, size_t i, struct find *ret)
{
	if (ssn_with_separators(s, i))
		return take(ret, i, i + 11, DETECT_SSN);
	return ssn_bare(d, s, i) && take(ret, i, i + 9, DETECT_SSN);
}

/* ---- card numbers: ISO/IEC 7812-1, the check digit by annex B ---- */

/* Issuers' first six digits, and lengths (1 << digits), from what the networks publish. */
static const struct {
	unsigned from, to;
	uint32_t lengths;
} issuers[] = {
#define L(n) (1u << (n))
#define LONG (L(16) | L(17) | L(18) | L(19))
    {180000, 180099, L(15)},			    /* JCB, old */
    {213100, 213199, L(15)},			    /* JCB, old */
    {220000, 220499, LONG},			    /* Mir */
    {222100, 272099, L(16)},			    /* Mastercard */
    {300000, 305999, L(14) | LONG},		    /* Diners */
    {309500, 309599, L(14) | LONG},		    /* Diners */
    {340000, 349999, L(15)},			    /* American Express */
    {352800, 358999, LONG},			    /* JCB */
    {360000, 369999, L(14) | L(15) | LONG},	    /* Diners */
    {370000, 379999, L(15)},			    /* American Express */
    {380000, 399999, L(14) | LONG},		    /* Diners */
    {400000, 499999, L(13) | L(16) | L(19)},	    /* Visa */
    {500000, 509999, L(13) | L(14) | L(15) | LONG}, /* Maestro, Elo, Verve, RuPay */
    {510000, 559999, L(16)},			    /* Mastercard */
    {560000, 589999, L(13) | L(14) | L(15) | LONG}, /* Maestro */
    {600000, 699999, L(13) | L(14) | L(15) | LONG}, /* Discover, UnionPay, Maestro, RuPay */
    {810000, 829999, LONG},			    /* UnionPay, RuPay */
    {860000, 860099, L(16)},			    /* Uzcard */
    {979200, 979299, L(16)},			    /* Troy */
};

static bool is_issued(const uint8_t *digits, int n)
{
	unsigned first = 0;
	for (int i = 0; i < 6; i++)
		first = first * 10 + digits[i];
	for (size_t i = 0; i < ARRAY_LEN(issuers); i++)
		if (first >= issuers[i].from && first <= issuers[i].to)
			return issuers[i].lengths >> n & 1;
	return false;
}

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

/* 0.4111111111111111 is a fraction, a4111111111111111f a part of a name or a hash. */
static bool may_be_card(struct span s, size_t i, size_t end)
{
	uint8_t before = byte_before(s, i);
	if (before == '.' && i > 1 && is_digit(s.p[i - 2]))
		return false;
	return !(is_alnum(before) && is_alnum(byte_at(s, end)));
}

/* The longest that checks. In one piece, or in groups: the first of four, one kind of separator. */
static bool find_card(struct span s, size_t i, struct find *ret)
{
	uint8_t digits[20];
	size_t best = 0, at = i;
	uint8_t separator = 0;
	int n = 0;
	while (n < 19 && digit_at(s, at)) {
		digits[n++] = s.p[at++] - '0';
		if (digit_at(s, at))
			continue;
		if (n >= 13 && is_issued(digits, n) && is_luhn(digits, n) && may_be_card(s, i, at))
			best = at;
		uint8_t c = byte_at(s, at);
		bool goes_on = (c == '-' || c == ' ' || c == '.') && digit_at(s, at + 1);
		if (!goes_on || (separator && c != separator) || (!separator && n != 4) ||
		    digits_at(s, at + 1, 3) < 3)
			break;
		separator = c;
		at++;
	}
	return best && take(ret, i, best, DETECT_CARD);
}

/* ---- IPv4: RFC 6943 3.1.1, "strict" ---- */

static bool find_ip4(struct span s, size_t i, struct find *ret)
{
	size_t at = i;
	uint8_t before = byte_before(s, i);
	if (before == '.' || is_alnum(before))
		return false;
	for (int k = 0; k < 4; k++) {
		size_t n = digits_at(s, at, 4);
		if (!n || n > 3 || number_at(s, at, n) > 255 || (n > 1 && s.p[at] == '0'))
			return false;
		at += n;
		if (k < 3 && byte_at(s, at++) != '.')
			return false;
	}
	bool goes_on = byte_at(s, at) == '.' && digit_at(s, at + 1);
	return !goes_on && !is_alpha(byte_at(s, at)) && take(ret, i, at, DETECT_IP);
}

/* ---- telephones: ITU-T E.164, E.123; North American Numbering Plan ---- */

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

/* (212) 555-0123, 212-555-0123, 1-212-555-0123: three, three, four. */
static bool has_nanp_form(const struct phone *p)
{
	int g = p->groups[0] == 1 && p->digits[0] == 1;
	return p->n_groups == g + 3 && p->groups[g] == 3 && p->groups[g + 1] == 3 &&
	       p->groups[g + 2] == 4 && !p->has_slash && is_nanp(p, g);
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

static bool is_date_form(const struct phone *p)
{
	const uint8_t *g = p->groups;
	if (p->n_groups < 3)
		return false;
	return (g[0] == 4 && g[1] <= 2 && g[2] <= 2) || (g[0] <= 2 && g[1] <= 2 && g[2] == 4);
}

static bool is_phone_behind_word(const struct detect *d, struct span s, size_t i,
				 const struct phone *p)
{
	static const char *const words[] = {"phone",	 "telephone", "tel",	 "mobile", "cell",
					    "cellphone", "fax",	      "call",	 "dial",   "sms",
					    "text",	 "whatsapp",  "contact", "handy",  "number",
					    "landline",	 "voicemail", "hotline", NULL};
	bool is_decimal = p->n_groups == 2 && p->has_dot;
	if (p->n < 7 || is_decimal || is_date_form(p))
		return false;
	return d->bare >> DETECT_PHONE & 1 || has_word_before(s, i, 40, words);
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

static bool find_phone(const struct detect *d, struct span s, size_t i, size_t from,
		       struct find *ret)
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
	bool is_joined =
	    is_alnum(byte_before(s, start)) || byte_before(s, start) == '_' ||
	    (is_of("-./:", byte_before(s, start)) && start > 1 && is_digit(s.p[start - 2]));
	if (is_joined && !has_plus)
		return false;
	bool is_phone = p.nanp_end || (has_plus && p.n >= 8 && country_code(p.digits, p.n));
	if (!is_phone && !is_phone_behind_word(d, s, start, &p))
		return false;
	size_t end = extension(s, p.nanp_end ? p.nanp_end : p.end);
	return !is_alpha(byte_at(s, end)) && byte_at(s, end) != '_' &&
	       take(ret, start, end, DETECT_PHONE);
}

/* ---- dates ---- */

static size_t month_name(struct span s, size_t i)
{
	static const char months[] = "janfebmaraprmayjunjulaugsepoctnovdec";
	char low[3];
	size_t n = 0;
	while (n < 10 && i + n < s.len && is_alpha(s.p[i + n])) {
		if (n < 3)
			low[n] = (char)(s.p[i + n] | 0x20);
		n++;
	}
	for (size_t m = 0; n >= 3 && n < 10 && m < 36; m += 3)
		if (!memcmp(months + m, low, 3))
			return n + (byte_at(s, i + n) == '.');
	return 0;
}

static bool is_year(struct span s, size_t i, size_t n)
{
	return n == 4 ? number_at(s, i, 4) >= 1850 && number_at(s, i, 4) <= 2200 : n == 2;
}

/* "5 May 1990", "5th of May, 1990" (n digits are read), "May 5, 1990" (n is 0). */
static size_t date_with_name(struct span s, size_t i, size_t n)
{
	size_t at = i + n;
	if (n) {
		at += is_of("snrt", byte_at(s, at)) && is_alpha(byte_at(s, at + 1)) ? 2 : 0;
		for (int k = 0; k < 2 && is_of(" -./", byte_at(s, at)); k++)
			at++;
		at += at + 3 < s.len && !memcmp(s.p + at, "of ", 3) ? 3 : 0;
	}
	size_t name = month_name(s, at);
	if (!name)
		return 0;
	at += name;
	for (int k = 0; k < 2 && is_of(" -,", byte_at(s, at)); k++)
		at++;
	if (!n) {
		n = digits_at(s, at, 5);
		if (!n || n > 2)
			return 0;
		at += n;
		at += is_of("snrt", byte_at(s, at)) && is_alpha(byte_at(s, at + 1)) ? 2 : 0;
		for (int k = 0; k < 2 && is_of(" ,", byte_at(s, at)); k++)
			at++;
	}
	size_t year = digits_at(s, at, 5);
	return is_year(s, at, year) ? at + year - i : 0;
}

/* 1990-05-06, 6/5/1990, 06.05.90, 19900506 */
static size_t date_of_digits(struct span s, size_t i, size_t n)
{
	uint8_t sep = byte_at(s, i + n);
	if (n == 8)
		return is_year(s, i, 4) && number_at(s, i + 4, 2) - 1 < 12 &&
			       number_at(s, i + 6, 2) - 1 < 31
			   ? 8
			   : 0;
	if (!is_of("-./", sep))
		return 0;
	size_t middle = digits_at(s, i + n + 1, 3), at = i + n + 1 + middle;
	if (!middle || middle > 2 || byte_at(s, at) != sep)
		return 0;
	size_t last = digits_at(s, at + 1, 5);
	bool is_date =
	    n == 4 ? is_year(s, i, 4) && last && last <= 2 : n <= 2 && is_year(s, at + 1, last);
	return is_date ? at + 1 + last - i : 0;
}

size_t date_at(struct span s, size_t i)
{
	size_t n = digits_at(s, i, 9);
	if (is_alnum(byte_before(s, i)))
		return 0;
	size_t len = n ? date_of_digits(s, i, n) : 0;
	if (!len && n <= 2)
		len = date_with_name(s, i, n);
	return len && !is_digit(byte_at(s, i + len)) ? len : 0;
}

/* The whole column is dates of birth: also "May 5, 1990", which was noticed at the 5. */
static bool find_birth(struct span s, size_t i, size_t from, struct find *ret)
{
	size_t len = date_at(s, i), start = i;
	for (; !len && start > from && i - start < 12 && is_of(" .", s.p[start - 1]);)
		start--;
	for (; !len && start > from && i - start < 12 && is_alpha(s.p[start - 1]);)
		start--;
	if (!len)
		len = date_at(s, start);
	return len && start + len > i && take(ret, start, start + len, DETECT_BIRTH);
}

/* ---- all of them ---- */

static bool is_iso_date(struct span s, size_t i)
{
	return digits_at(s, i, 5) == 4 && digits_at(s, i + 5, 3) == 2 &&
	       digits_at(s, i + 8, 3) == 2;
}

bool find_number(const struct detect *d, struct span s, size_t i, size_t from, struct find *ret)
{
	if (d->bare >> DETECT_BIRTH & 1 && find_birth(s, i, from, ret))
		return true;
	if (is_iso_date(s, i))
		return false;
	if (d->kinds >> DETECT_CARD & 1 && find_card(s, i, ret))
		return true;
	if (d->kinds >> DETECT_IP & 1 && find_ip4(s, i, ret))
		return true;
	if (d->kinds >> DETECT_SSN & 1 && find_ssn(d, s, i, ret))
		return true;
	return d->kinds >> DETECT_PHONE & 1 && find_phone(d, s, i, from, ret);
}
