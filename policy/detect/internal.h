/* Between the files of the detectors. */
#pragma once

#include <ctype.h>

#include "policy/detect/detect.h"

/* 64 bytes, a bit each. */
struct block {
	uint64_t digit, alnum, upper, backslash;
	uint64_t joint; /* what may stand between the digits of a number */
	uint64_t colon, at;
	uint64_t high, lead; /* not ASCII; and of these what digits may begin with: only where high is */
	uint64_t fifth; /* has bit 5 */
	uint64_t word; /* the first of three bytes that some token or context begins with */
};

/* Where in a block an exact check is worth its cost. */
struct marks {
	size_t at; /* of the block */
	uint64_t number, wide, iban, colon, mail, word;
};

/* A pass over the blocks of a text. */
struct scan {
	const struct detect *d;
	struct span text;
	size_t at, until;  /* at: of the block next */
	struct block next; /* classified, if has_next */
	bool has_next;
	uint64_t digit_before, word_before,
	    backslash_before; /* 1: the last byte in front of next */
	struct marks wanted;  /* all ones or none */
	bool is_birth_column; /* every digit may begin a date */
};

/* The next block with a mark, from s->at on; false: there is none before s->until. */
typedef bool (*pass_fn)(struct scan *s, struct marks *ret);
bool pass_plain(struct scan *s, struct marks *ret);
bool pass_ssse3(struct scan *s, struct marks *ret);
bool pass_avx2(struct scan *s, struct marks *ret);

static inline bool is_digit(uint8_t c)
{
	return (uint8_t)(c - '0') < 10;
}

/* ASCII, whatever the locale. */
static inline bool is_alpha(uint8_t c)
{
	return (uint8_t)((c | 0x20) - 'a') < 26;
}

static inline bool is_alnum(uint8_t c)
{
	return is_digit(c) || is_alpha(c);
}

/* Is c, which may be 0, one of these? */
static inline bool is_of(const char *set, uint8_t c)
{
	return c && strchr(set, c);
}

static inline bool is_joint(uint8_t c)
{
	return c == '-' || c == ' ' || c == '.' || c == '(' || c == ')' || c == '/';
}

/* What also stands between the groups of a card or social security number, and hardly ever in other numbers. */
static inline bool is_linking(uint8_t c)
{
	return c == '_' || c == ':' || c == ';' || c == '|';
}

static inline bool is_base64url(uint8_t c)
{
	return is_alnum(c) || c == '-' || c == '_';
}

/* The byte at i, or a blank in front of and behind the text. */
static inline uint8_t byte_at(struct span s, size_t i)
{
	return i < s.len ? s.p[i] : ' ';
}

/* Is the byte at i the second one of a line end or tab as JSON, COPY and programs escape it? */
static inline bool is_escape_end(struct span s, size_t i)
{
	return i && s.p[i - 1] == '\\' && is_of("nrtbf", s.p[i]);
}

static inline uint8_t byte_before(struct span s, size_t i)
{
	return i && i <= s.len && !is_escape_end(s, i - 1) ? s.p[i - 1] : ' ';
}

static inline bool digit_at(struct span s, size_t i)
{
	return i < s.len && is_digit(s.p[i]);
}

/* The length of a digit that is not ASCII at i: full-width, Arabic-Indic or its extended form; 0: none. */
static inline size_t wide_digit_at(struct span s, size_t i)
{
	uint8_t a = byte_at(s, i), b = byte_at(s, i + 1), c = byte_at(s, i + 2);
	if ((a == 0xd9 && b >= 0xa0 && b <= 0xa9) || (a == 0xdb && b >= 0xb0 && b <= 0xb9))
		return 2;
	return a == 0xef && b == 0xbc && c >= 0x90 && c <= 0x99 ? 3 : 0;
}

static inline unsigned number_at(struct span s, size_t i, size_t n)
{
	unsigned v = 0;
	for (size_t k = 0; k < n; k++)
		v = v * 10 + s.p[i + k] - '0';
	return v;
}

static inline bool take(struct find *ret, size_t at, size_t end, int kind)
{
	*ret = (struct find){at, end - at, kind, RUN_NONE};
	return true;
}

/* How many digits are at i, at most max. */
size_t digits_at(struct span s, size_t i, size_t max);
/* Does one of the words (lower case, at most 15 letters, NULL at the end), or its plural, end
 * within near bytes in front of i? */
bool has_word_before(struct span s, size_t i, size_t near, const char *const *words);

/* Each: is there a find for what was noticed at i, that begins at or behind from? They look at no
 * byte that is more than DETECT_BEHIND before i, and at none behind i + DETECT_LONGEST but to end a
 * run. */
bool find_number(const struct detect *d, struct span s, size_t i, size_t from, struct find *ret);
/* Where find_wide is worth its cost, but for what bits.h notices itself. */
uint64_t wide_marks(const struct scan *s, const struct block *b, const struct block *next);
/* The same as find_number where the number is written with other characters. */
bool find_wide(const struct detect *d, struct span s, size_t i, size_t from, struct find *ret);
bool find_phone(const struct detect *d, struct span s, size_t i, size_t from, struct find *ret);
/* The whole column is dates of birth. */
bool find_birth(struct span s, size_t i, size_t from, struct find *ret);
bool find_email(struct span s, size_t at, size_t from, struct find *ret);
bool find_iban(struct span s, size_t i, struct find *ret);
bool find_ip6(struct span s, size_t colon, size_t from, struct find *ret);
bool find_word(const struct detect *d, struct span s, size_t i, size_t from, struct find *ret);
/* May find_word find something by these three bytes? Hardly ever true for others. */
extern uint64_t word_begins[64]; /* a bit for each hash */
static inline uint32_t word_hash(struct span s, size_t i)
{
	uint32_t key = byte_at(s, i) | (uint32_t)byte_at(s, i + 1) << 8 | (uint32_t)byte_at(s, i + 2) << 16;
	return key * 0x9e3779b1u >> 20;
}

static inline bool begins_word(struct span s, size_t i)
{
	uint32_t hash = word_hash(s, i);
	return word_begins[hash >> 6] >> (hash & 63) & 1;
}
/* The length of a date at i in some usual form; 0: none. */
size_t date_at(struct span s, size_t i);
/* The first find of the pattern i at or behind from; len 0: none. */
void pattern_next(const struct detect_patterns *p, int i, struct span text, size_t from,
		  struct find *ret);
int pattern_count(const struct detect_patterns *p);
