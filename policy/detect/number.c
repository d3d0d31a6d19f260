/* Numbers: payment cards, social security numbers, IPv4. */
#include "base/macro.h"
#include "policy/detect/internal.h"

#define WORD_BEFORE_MAX 16

size_t digits_at(struct span s, size_t i, size_t max)
{
	size_t n = 0;
	while (n < max && digit_at(s, i + n))
		n++;
	return n;
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

static bool is_letter(struct span s, size_t i)
{
	return is_alpha(s.p[i]) && !is_escape_end(s, i);
}

/* Word by word, from the number backwards, not out of a JSON object. */
bool has_word_before(struct span s, size_t i, size_t near, const char *const *words)
{
	uint8_t low[WORD_BEFORE_MAX];
	size_t stop = i > near ? i - near : 0;
	while (i > stop) {
		size_t n = 0;
		while (i > stop && !is_letter(s, i - 1) && s.p[i - 1] != '}')
			i--;
		if (i == stop)
			return false;
		while (i > n && n < sizeof(low) && is_letter(s, i - n - 1)) {
			low[sizeof(low) - 1 - n] = s.p[i - n - 1] | 0x20;
			n++;
		}
		if (i && s.p[i - 1] == '}')
			return false;
		if (n && n < sizeof(low) && is_listed(low + sizeof(low) - n, n, words))
			return true;
		i -= n;
	}
	return false;
}

/* ---- social security numbers: SSA, "Social Security Number Randomization" ---- */

static bool is_given_out(unsigned area, unsigned group, unsigned serial)
{
	return area && area != 666 && area < 900 && group && serial;
}

/* Behind a word for it also what is not given out: of a mistyped one as much is true. */
static size_t ssn_length(const struct detect *d, struct span s, size_t i)
{
	static const char *const words[] = {"ssn", "social", "itin", NULL};
	size_t n = digits_at(s, i, 10);
	uint8_t sep = byte_at(s, i + 3);
	bool has_form = n == 3 && is_of("- ./", sep) && digits_at(s, i + 4, 3) == 2 &&
			byte_at(s, i + 6) == sep && digits_at(s, i + 7, 5) == 4;
	if (!has_form && n != 9)
		return 0;
	size_t gap = has_form;
	if (has_form && is_given_out(number_at(s, i, 3), number_at(s, i + 3 + gap, 2),
				     number_at(s, i + 5 + 2 * gap, 4)))
		return 11;
	bool is_said = d->bare >> DETECT_SSN & 1 || has_word_before(s, i, 40, words);
	return !is_said ? 0 : has_form ? 11 : 9;
}

static bool find_ssn(const struct detect *d, struct span s, size_t i, struct find *ret)
{
	size_t len = ssn_length(d, s, i);
	return len && take(ret, i, i + len, DETECT_SSN);
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

/* Of an issuer that is not in the list, or of Maestro with twelve digits: behind a word for it, and
 * not a part of a longer one. */
static bool is_card_behind_word(struct span s, size_t i, size_t end)
{
	static const char *const words[] = {"card",    "cc",	     "creditcard", "debit", "visa",
					    "maestro", "mastercard", "jcb",	   NULL};
	bool goes_on = is_of("- ./", byte_at(s, end)) && digit_at(s, end + 1);
	return !goes_on && has_word_before(s, i, 32, words);
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
		if (n >= 12 && is_luhn(digits, n) && may_be_card(s, i, at) &&
		    (is_issued(digits, n) || is_card_behind_word(s, i, at)))
			best = at;
		uint8_t c = byte_at(s, at);
		bool goes_on = is_of("- ./", c) && digit_at(s, at + 1);
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
