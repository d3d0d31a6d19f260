/* One pass over a text, 64 bytes at a time: what their bits tell. Inlined into each way to classify
 * them, with what its processor has. */
#pragma once

#include "policy/detect/internal.h"

#define BITS_INLINE static inline __attribute__((always_inline))

#define CLASSIFY_READS 66 /* bytes at p */
typedef void (*classify_fn)(const uint8_t *p, struct block *ret);

/* Bit i is bit i + n (1 to 63) of the two in a row. */
BITS_INLINE uint64_t ahead(uint64_t this, uint64_t next, int n)
{
	return this >> n | next << (64 - n);
}

/* The same, n from 0. */
BITS_INLINE uint64_t ahead_any(uint64_t this, uint64_t next, int n)
{
	return this >> n | next << 1 << (63 - n);
}

BITS_INLINE bool has_more_than(uint64_t bits, int n)
{
	for (int i = 0; i < n; i++)
		bits &= bits - 1;
	return bits;
}

/* May what begins at k be a number of interest? No date has more than six digits in a row of digits
 * and joints but "2024-05-06 10", no fraction more than one dot; an address has three dots. */
BITS_INLINE bool may_be_number(const struct scan *s, const struct block *b,
			       const struct block *next, int k)
{
	uint64_t digit = ahead_any(b->digit, next->digit, k);
	uint64_t run = ahead_any(b->joint, next->joint, k) | digit;
	uint64_t in_run = run & ~(run + 1); /* the ones at the low end */
	uint64_t joint = in_run & ~digit, sign = joint & -joint;
	size_t i = s->at + (size_t)k;
	bool is_date = (digit & 0x7ff) == 0x36f;
	bool is_short = !has_more_than(digit & in_run, 6) && !has_more_than(joint, 2);
	if (is_date | is_short)
		return false;
	bool is_one = joint && joint == sign && sign < 1 << 7 && digit & sign << 1;
	bool is_fraction = is_one && byte_at(s->text, i + (size_t)__builtin_ctzll(sign)) == '.';
	return !is_fraction || byte_before(s->text, i) == '+' || has_more_than(digit & in_run, 11);
}

/* First digits of what goes on as a number for seven bytes: nothing that is looked for is shorter.
 */
BITS_INLINE uint64_t numbers(const struct scan *s, const struct block *b, const struct block *next)
{
	uint64_t first = b->digit & ~(b->digit << 1 | s->digit_before) & s->wanted.number;
	uint64_t run = b->digit | b->joint, after = next->digit | next->joint, ret = 0;
	if (s->is_birth_column)
		return first;
	run &= ahead(run, after, 1);
	after &= after >> 1;
	run &= ahead(run, after, 2);
	after &= after >> 2;
	run &= ahead(run, after, 3);
	for (uint64_t left = first & run; left; left &= left - 1)
		ret |= may_be_number(s, b, next, __builtin_ctzll(left)) ? left & -left : 0;
	return ret;
}

/* First digits of groups as cards and social security numbers have them, with something between
 * these that joins no other numbers. */
BITS_INLINE uint64_t linked(const struct scan *s, const struct block *b, const struct block *next)
{
	uint64_t d = b->digit, after = next->digit;
	uint64_t three = d & ~(d << 1 | s->digit_before) & ahead(d, after, 1) & ahead(d, after, 2) &
			 s->wanted.number;
	if (!three)
		return 0;
	uint64_t link = ~(b->alnum | b->joint), link_after = ~(next->alnum | next->joint);
	uint64_t ssn = ahead(link, link_after, 3) & ahead(d, after, 4) & ahead(d, after, 5) &
		       ahead(link, link_after, 6) & ahead(d, after, 7) & ahead(d, after, 8) &
		       ahead(d, after, 9) & ahead(d, after, 10);
	uint64_t card = ahead(d, after, 3) & ahead(link, link_after, 4) & ahead(d, after, 5) &
			ahead(d, after, 6) & ahead(d, after, 7);
	return three & (ssn | card);
}

BITS_INLINE uint64_t ibans(const struct block *b, const struct block *next)
{
	return b->upper & ahead(b->upper, next->upper, 1) & ahead(b->digit, next->digit, 2) &
	       ahead(b->digit, next->digit, 3);
}

/* Those of a chain's colons, at most five bytes apart, that are in front of this block's bytes. */
BITS_INLINE uint64_t after_colons(const struct scan *s, uint64_t colon)
{
	uint64_t bits = 0;
	for (size_t back = 1; back <= 5; back++) {
		bits |= colon << back;
		if (back <= s->at && s->text.p[s->at - back] == ':')
			bits |= (1ull << (6 - back)) - 1;
	}
	return bits;
}

/* Two beside each other, or the first colon of a chain that has such or six within the longest
 * address. */
static inline uint64_t address_colons(const struct scan *s, uint64_t this, uint64_t next)
{
	uint64_t follows = 0, ret = this & ahead(this, next, 1);
	for (int n = 1; n <= 5; n++)
		follows |= ahead(this, next, n);
	for (uint64_t left = this & follows & ~after_colons(s, this); left; left &= left - 1) {
		uint64_t c = ahead_any(this, next, __builtin_ctzll(left)) & 0xffffffffffull;
		ret |= (c & c >> 1) || has_more_than(c, 5) ? left & -left : 0;
	}
	return ret;
}

BITS_INLINE uint64_t colons(const struct scan *s, uint64_t this, uint64_t next)
{
	uint64_t pair = (this & ahead(this, next, 1)) | (next & next >> 1);
	if (!(this & s->wanted.colon) ||
	    (!pair && !has_more_than(this | next, 2))) /* of six, one has three */
		return 0;
	return address_colons(s, this, next);
}

/* The marks of a block, and whether there are any. */
BITS_INLINE bool mark(const struct scan *s, const struct block *b, const struct block *next,
		      struct marks *ret)
{
	uint64_t escaped = b->backslash << 1 | s->backslash_before;
	ret->at = s->at;
	ret->number = numbers(s, b, next);
	ret->wide = linked(s, b, next);
	if ((b->high | next->high) && (b->lead | b->digit))
		ret->wide |= wide_marks(s, b, next);
	ret->iban = ibans(b, next) & s->wanted.iban;
	ret->colon = colons(s, b->colon, next->colon);
	ret->mail = b->at & s->wanted.mail;
	/* No token's prefix begins within a word; the n of "\n" is none. */
	uint64_t word = b->word & ~((b->alnum & ~escaped) << 1 | s->word_before) & s->wanted.word;
	ret->word = 0;
	for (; word; word &= word - 1)
		ret->word |=
		    begins_word(s->text, s->at + (size_t)__builtin_ctzll(word)) ? word & -word : 0;
	return ret->number | ret->wide | ret->iban | ret->colon | ret->mail | ret->word;
}

/* Behind the text are zeros. */
BITS_INLINE void classify_at(const struct scan *s, size_t at, struct block *ret,
			     classify_fn classify)
{
	if (at >= s->text.len) {
		*ret = (struct block){0};
		return;
	}
	if (s->text.len >= CLASSIFY_READS && at <= s->text.len - CLASSIFY_READS) {
		classify(s->text.p + at, ret);
		return;
	}
	uint8_t last[CLASSIFY_READS] = {0};
	memcpy(last, s->text.p + at, s->text.len - at);
	classify(last, ret);
}

BITS_INLINE bool pass(struct scan *s, struct marks *ret, classify_fn classify)
{
	struct scan now = *s; /* in registers */
	bool has_mark = false;
	if (!now.has_next)
		classify_at(&now, now.at, &now.next, classify);
	struct block b = now.next;
	while (!has_mark && now.at < now.until) {
		classify_at(&now, now.at + 64, &now.next, classify);
		has_mark = mark(&now, &b, &now.next, ret);
		now.digit_before = b.digit >> 63;
		now.word_before = (b.alnum & ~(b.backslash << 1)) >> 63;
		now.backslash_before = b.backslash >> 63;
		now.at += 64;
		b = now.next;
	}
	now.has_next = true;
	*s = now;
	return has_mark;
}
