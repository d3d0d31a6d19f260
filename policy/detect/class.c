/* Which bytes of 64 are worth a look: in plain C, and the same with x86's vectors. */
#include "policy/detect/bits.h"

/* The first three bytes of what begins a token or a key, or stands before a date, in buckets of
 * similar ones: a shuffle by each half of a byte tells its buckets. What is noticed by mistake
 * costs a look, no more; so the buckets are made such that few words of any language are. */
#define BUCKETS 8
static const char *const words[BUCKETS][3] = {
    {"e-p", "y-", "JBpA"}, /* eyJ (a JWT), -----BEGIN, pypi- */
    {"aA", "KSBCIwWTG",
     "ICzsSAEC"}, /* AKIA, ASIA, ABIA, ACCA, ABSK, AIza, aws_secret, ATATT3, AGE- */
    {"glf", "hils",
     "pousrtdfcaimkng"},	/* ghp_, ..., github_pat_, glpat-, ..., gsk_, lin_api_, figd_ */
    {"xy", "oa", "xp2i"},	/* xoxb-, ..., xapp-, ya29., xai- */
    {"srpw", "kh8bp", "_-spl"}, /* sk_, sk-, rk_, pk_, whsec_, r8_, sbp_, sb_, shpat_, pplx- */
    {"nd", "pocta", "mpborkn"}, /* npm_, dop_v1_, ..., dob, dckr_, ntn_, dapi */
    {"GhDSP", "OfGM", "C_B.A"}, /* GOCSPX-, hf_, DOB, SG., PMAK- */
    {"bBh", "oiOIv", "rRosb"},	/* born, birth, hooks., hvs. */
};

/* Classes of bytes, a bit each. The first four have the bit's place in CLASS_.._PLACE. */
#define PLACE_DIGIT	0
#define PLACE_JOINT	1
#define PLACE_AT	2
#define PLACE_COLON	3
#define PLACE_BACKSLASH 6
#define PLACE_LEAD	7
#define ALPHA_1		16 /* A to O, a to o */
#define ALPHA_2		32 /* P to Z, p to z */
#define ALNUM		(1 << PLACE_DIGIT | ALPHA_1 | ALPHA_2)

/* By either half of a byte; a bit that both have is the byte's. [0] to [2]: of the buckets, by
 * place; [3]: of the classes. */
struct halves {
	uint8_t low[4][16], high[4][16];
};
static struct halves halves;
/* The same of the whole byte. */
static uint8_t wholes[4][256];

static void add(int table, uint8_t c, int bits)
{
	halves.low[table][c & 15] |= (uint8_t)bits;
	halves.high[table][c >> 4] |= (uint8_t)bits;
}

/* Each class is all that its halves can make; of those with the high bit there is one. */
static void add_classes(void)
{
	for (uint8_t c = '0'; c <= '9'; c++)
		add(3, c, 1 << PLACE_DIGIT);
	for (const char *c = "-./ ()"; *c; c++)
		add(3, (uint8_t)*c, 1 << PLACE_JOINT);
	add(3, '@', 1 << PLACE_AT);
	add(3, ':', 1 << PLACE_COLON);
	add(3, '\\', 1 << PLACE_BACKSLASH);
	for (const char *c = "\xd9\xdb\xef"; *c; c++) /* of the digits that find_wide reads */
		add(3, (uint8_t)*c, 1 << PLACE_LEAD);
	for (uint8_t c = 'A'; c <= 'Z'; c++) {
		add(3, c, c < 'P' ? ALPHA_1 : ALPHA_2);
		add(3, c | 0x20, c < 'P' ? ALPHA_1 : ALPHA_2);
	}
}

static __attribute__((constructor)) void fill_tables(void)
{
	for (int b = 0; b < BUCKETS; b++)
		for (int place = 0; place < 3; place++)
			for (const char *c = words[b][place]; *c; c++)
				add(place, (uint8_t)*c, 1 << b);
	add_classes();
	for (int t = 0; t < 4; t++)
		for (int c = 0; c < 256; c++)
			wholes[t][c] = halves.low[t][c & 15] & halves.high[t][c >> 4];
}

static void classify_plain(const uint8_t *p, struct block *ret)
{
	struct block b = {0};
	for (int i = 0; i < 64; i++) {
		uint64_t class = wholes[3][p[i]];
		uint64_t is_word = wholes[0][p[i]] & wholes[1][p[i + 1]] & wholes[2][p[i + 2]];
		b.digit |= (class >> PLACE_DIGIT & 1) << i;
		b.joint |= (class >> PLACE_JOINT & 1) << i;
		b.at |= (class >> PLACE_AT & 1) << i;
		b.colon |= (class >> PLACE_COLON & 1) << i;
		b.backslash |= (class >> PLACE_BACKSLASH & 1) << i;
		b.high |= (uint64_t)(p[i] >> 7) << i;
		b.lead |= (class >> PLACE_LEAD & 1) << i;
		b.alnum |= (uint64_t)((class & ALNUM) != 0) << i;
		b.upper |= (uint64_t)((uint8_t)(p[i] - 'A') < 26) << i;
		b.fifth |= (uint64_t)(p[i] >> 5 & 1) << i;
		b.word |= (uint64_t)(is_word != 0) << i;
	}
	*ret = b;
}

bool pass_plain(struct scan *s, struct marks *ret)
{
	return pass(s, ret, classify_plain);
}

#ifdef __x86_64__
#include <immintrin.h>

/* The same text for both widths: VEC a vector of STEP bytes, TARGET what it needs. */
#define CLASSIFY(NAME, TARGET, STEP, VEC, LOAD, SET1, EQ, AND, SHIFT_LEFT, SHIFT_RIGHT, MASK,      \
		 SHUFFLE, TABLE)                                                                   \
	static __attribute__((target(TARGET), always_inline)) inline VEC NAME##_of(VEC c, int t)   \
	{                                                                                          \
		VEC low = AND(c, SET1(15)), high = AND(SHIFT_RIGHT(c, 4), SET1(15));               \
		return AND(SHUFFLE(TABLE(halves.low[t]), low),                                     \
			   SHUFFLE(TABLE(halves.high[t]), high));                                  \
	}                                                                                          \
	static __attribute__((target(TARGET), always_inline)) inline uint64_t NAME##_any(VEC v)    \
	{                                                                                          \
		uint32_t none = (uint32_t)MASK(EQ(v, SET1(0)));                                    \
		return ~none & (STEP == 32 ? 0xffffffffu : 0xffffu);                               \
	}                                                                                          \
	static __attribute__((target(TARGET), always_inline)) inline uint64_t NAME##_bit(VEC v,    \
											 int n)    \
	{                                                                                          \
		return (uint32_t)MASK(SHIFT_LEFT(v, 7 - n));                                       \
	}                                                                                          \
	static __attribute__((target(TARGET), always_inline)) inline void classify_##NAME(         \
	    const uint8_t *p, struct block *ret)                                                   \
	{                                                                                          \
		struct block b = {0};                                                              \
		for (int i = 0; i < 64; i += STEP) {                                               \
			VEC c = LOAD((const void *)(p + i));                                       \
			VEC class = NAME##_of(c, 3), word = NAME##_of(c, 0);                       \
			word = AND(word, NAME##_of(LOAD((const void *)(p + i + 1)), 1));           \
			word = AND(word, NAME##_of(LOAD((const void *)(p + i + 2)), 2));           \
			b.digit |= NAME##_bit(class, PLACE_DIGIT) << i;                            \
			b.joint |= NAME##_bit(class, PLACE_JOINT) << i;                            \
			b.at |= NAME##_bit(class, PLACE_AT) << i;                                  \
			b.colon |= NAME##_bit(class, PLACE_COLON) << i;                            \
			b.backslash |= NAME##_bit(class, PLACE_BACKSLASH) << i;                    \
			b.alnum |= NAME##_any(AND(class, SET1(ALNUM))) << i;                       \
			b.word |= NAME##_any(word) << i;                                           \
			b.fifth |= NAME##_bit(c, 5) << i;                                          \
			uint64_t high = (uint32_t)MASK(c);                                         \
			b.high |= high << i;                                                       \
			if (high)                                                                  \
				b.lead |= NAME##_bit(class, PLACE_LEAD) << i;                      \
		}                                                                                  \
		b.upper = b.alnum & ~b.fifth;                                                      \
		*ret = b;                                                                          \
	}                                                                                          \
	__attribute__((target(TARGET))) bool pass_##NAME(struct scan *s, struct marks *ret)        \
	{                                                                                          \
		return pass(s, ret, classify_##NAME);                                              \
	}

#define TABLE_128(t) _mm_loadu_si128((const void *)(t))
#define TABLE_256(t) _mm256_broadcastsi128_si256(TABLE_128(t))

CLASSIFY(ssse3, "ssse3", 16, __m128i, _mm_loadu_si128, _mm_set1_epi8, _mm_cmpeq_epi8, _mm_and_si128,
	 _mm_slli_epi16, _mm_srli_epi16, _mm_movemask_epi8, _mm_shuffle_epi8, TABLE_128)
CLASSIFY(avx2, "avx2,bmi,bmi2", 32, __m256i, _mm256_loadu_si256, _mm256_set1_epi8,
	 _mm256_cmpeq_epi8, _mm256_and_si256, _mm256_slli_epi16, _mm256_srli_epi16,
	 _mm256_movemask_epi8, _mm256_shuffle_epi8, TABLE_256)
#endif
