/* Numbers in other characters: full-width and Arabic-Indic digits, typographic dashes and blanks,
 * and "_ : ; |" between groups. They are read as the plain ones (the Unicode standard, properties
 * Numeric_Type, Dash and White_Space), up to the first character that is nothing of a number, and
 * what is found there is found here. */
#include "base/macro.h"
#include "policy/detect/bits.h"

#define CHARS_MAX 40 /* of a number: 19 digits with as much between them */
#define TAIL_MAX  16 /* what may stand behind a number and tells what it is */

/* '0': the first of ten digits. */
static const struct {
	uint16_t from, to;
	char plain;
} forms[] = {
    {0x00a0, 0x00a0, ' '}, /* NO-BREAK SPACE */
    {0x0660, 0x0669, '0'}, /* ARABIC-INDIC DIGIT ZERO, ... */
    {0x06f0, 0x06f9, '0'}, /* EXTENDED ARABIC-INDIC DIGIT ZERO, ... */
    {0x2000, 0x200a, ' '}, /* EN QUAD, ..., FIGURE SPACE, THIN SPACE, ... */
    {0x2010, 0x2015, '-'}, /* HYPHEN, NON-BREAKING HYPHEN, FIGURE DASH, EN DASH, ... */
    {0x202f, 0x202f, ' '}, /* NARROW NO-BREAK SPACE */
    {0x205f, 0x205f, ' '}, /* MEDIUM MATHEMATICAL SPACE */
    {0x2212, 0x2212, '-'}, /* MINUS SIGN */
    {0x3000, 0x3000, ' '}, /* IDEOGRAPHIC SPACE */
    {0xfe58, 0xfe58, '-'}, /* SMALL EM DASH */
    {0xfe63, 0xfe63, '-'}, /* SMALL HYPHEN-MINUS */
    {0xff08, 0xff08, '('}, /* FULLWIDTH ... */
    {0xff09, 0xff09, ')'}, {0xff0d, 0xff0d, '-'}, {0xff0e, 0xff0e, '.'}, {0xff0f, 0xff0f, '/'},
    {0xff10, 0xff19, '0'}, {0xff1a, 0xff1b, '-'}, {0xff3f, 0xff3f, '-'}, {0xff5c, 0xff5c, '-'},
};

/* Of two and three bytes, as far as forms[] needs them; 0: none. */
static size_t decode(struct span s, size_t i, unsigned *ret)
{
	uint8_t a = s.p[i], b = byte_at(s, i + 1), c = byte_at(s, i + 2);
	if ((a & 0xe0) == 0xc0 && (b & 0xc0) == 0x80) {
		*ret = (a & 31u) << 6 | (b & 63u);
		return 2;
	}
	if ((a & 0xf0) == 0xe0 && (b & 0xc0) == 0x80 && (c & 0xc0) == 0x80) {
		*ret = (a & 15u) << 12 | (b & 63u) << 6 | (c & 63u);
		return 3;
	}
	return 0;
}

/* The plain form of the character at i, and its length; 0: it is nothing of a number. */
static size_t plain_at(struct span s, size_t i, uint8_t *ret)
{
	unsigned u = 0;
	uint8_t c = s.p[i];
	if (c < 0x80) {
		*ret = is_linking(c) ? '-' : c;
		return is_digit(c) || is_joint(c) || is_linking(c);
	}
	size_t len = decode(s, i, &u);
	for (size_t k = 0; len && k < ARRAY_LEN(forms); k++) {
		if (u < forms[k].from || u > forms[k].to)
			continue;
		*ret = (uint8_t)(forms[k].plain == '0' ? '0' + (u - forms[k].from)
						       : (unsigned)forms[k].plain);
		return len;
	}
	return 0;
}

/* Digits that are not ASCII, and first digits of numbers with something of that kind in them. */
uint64_t wide_marks(const struct scan *s, const struct block *b, const struct block *next)
{
	uint64_t ret = 0, first = b->digit & ~(b->digit << 1 | s->digit_before) & s->wanted.number;
	uint64_t lead = b->lead & ahead(b->fifth, next->fifth, 1) & s->wanted.number;
	for (uint64_t left = lead; left; left &= left - 1)
		ret |= wide_digit_at(s->text, s->at + (size_t)__builtin_ctzll(left)) ? left & -left
										     : 0;
	for (uint64_t left = first; left; left &= left - 1) {
		int k = __builtin_ctzll(left);
		uint64_t digit = ahead_any(b->digit, next->digit, k),
			 high = ahead_any(b->high, next->high, k);
		uint64_t run = ahead_any(b->joint, next->joint, k) | digit | high;
		uint64_t in_run = run & ~(run + 1);
		ret |= (high & in_run) && has_more_than(digit & in_run, 6) ? left & -left : 0;
	}
	return ret;
}

static bool is_within_digits(struct span s, size_t i)
{
	return digit_at(s, i - 1) || (i >= 2 && wide_digit_at(s, i - 2) == 2) ||
	       (i >= 3 && wide_digit_at(s, i - 3) == 3);
}

/* 123_45_6789 */
static bool has_ssn_shape(struct span s, size_t i)
{
	return digits_at(s, i, 4) == 3 && is_linking(byte_at(s, i + 3)) &&
	       digits_at(s, i + 4, 3) == 2 && digits_at(s, i + 7, 4) == 4;
}

/* 1234_567... */
static bool has_card_shape(struct span s, size_t i)
{
	return digits_at(s, i, 5) == 4 && is_linking(byte_at(s, i + 4)) &&
	       digits_at(s, i + 5, 3) == 3;
}

/* Plain digits, and something between them or behind that is not ASCII. */
static bool has_other_characters(struct span s, size_t i)
{
	bool has = false;
	int n = 0;
	for (size_t k = i; k < s.len && k < i + 64; k++) {
		uint8_t c = s.p[k];
		if (c < 0x80 && !is_digit(c) && !is_joint(c))
			break;
		has |= c >= 0x80;
		n += is_digit(c);
	}
	return has && n > 6;
}

static bool may_be_wide(struct span s, size_t i)
{
	if (i && is_within_digits(s, i))
		return false;
	return wide_digit_at(s, i) || has_ssn_shape(s, i) || has_card_shape(s, i) ||
	       (digit_at(s, i) && has_other_characters(s, i));
}

/* The text around i in plain characters: what stands before it, the number, what stands behind. */
struct plain {
	uint8_t text[DETECT_BEHIND + CHARS_MAX + TAIL_MAX];
	size_t before, n, tail;	  /* bytes of each */
	size_t at[CHARS_MAX + 1]; /* where the number's characters stand, and where it ends */
};

static void read_plain(struct span s, size_t i, struct plain *p)
{
	size_t len = 0;
	p->before = MIN(i, (size_t)DETECT_BEHIND);
	memcpy(p->text, s.p + i - p->before, p->before);
	for (p->n = 0; p->n < CHARS_MAX && i < s.len; i += len) {
		len = plain_at(s, i, &p->text[p->before + p->n]);
		if (!len)
			break;
		p->at[p->n++] = i;
	}
	p->at[p->n] = i;
	p->tail = MIN(s.len - i, (size_t)TAIL_MAX);
	memcpy(p->text + p->before + p->n, s.p + i, p->tail);
}

/* Where the byte k of the plain text stands. */
static size_t place(const struct plain *p, size_t k)
{
	size_t first = p->at[0] - p->before;
	if (k < p->before)
		return first + k;
	k -= p->before;
	return k <= p->n ? p->at[k] : p->at[p->n] + (k - p->n);
}

bool find_wide(const struct detect *d, struct span s, size_t i, size_t from, struct find *ret)
{
	struct plain p;
	struct find f;
	if (!may_be_wide(s, i))
		return false;
	read_plain(s, i, &p);
	size_t first = i - p.before;
	struct span text = span_of(p.text, p.before + p.n + p.tail);
	return find_number(d, text, p.before, from > first ? from - first : 0, &f) &&
	       take(ret, place(&p, f.at), place(&p, f.at + f.len), f.kind);
}
