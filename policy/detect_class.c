/* Which bytes of 64 are worth a look: in plain C, and the same with x86's vectors. */
#include "policy/detect_internal.h"

/* The first three bytes of what begins a token or a key, or stands before a date, in buckets of similar ones:
 * a shuffle by each half of a byte tells its buckets. What is noticed by mistake costs a look, no more; so the
 * buckets are made such that few words of any language are. */
#define BUCKETS 8
static const char *const words[BUCKETS][3] = {
    {"e-", "y-", "JB"},	      /* eyJ (a JWT), -----BEGIN */
    {"aA", "KSBCIwW", "ICzsS"}, /* AKIA, ASIA, ABIA, ACCA, AIza, aws_secret */
    {"g", "hil", "pousrt"},   /* ghp_, ..., github_pat_, glpat- */
    {"xy", "oa", "xp2"},      /* xoxb-, ..., xapp-, ya29. */
    {"srpw", "kh", "_-s"},    /* sk_, sk-, rk_, pk_, whsec_ */
    {"nd", "po", "mpb"},      /* npm_, dop_v1_, dob */
    {"GhD", "Of", "C_B"},     /* GOCSPX-, hf_, DOB */
    {"bB", "oiOI", "rR"},     /* born, birth */
};

/* [place][half of the byte]: a bit for each bucket. */
struct halves {
	uint8_t low[3][16], high[3][16];
};
static struct halves halves;

static __attribute__((constructor)) void fill_halves(void)
{
	for (int b = 0; b < BUCKETS; b++) {
		for (int place = 0; place < 3; place++) {
			for (const char *c = words[b][place]; *c; c++) {
				halves.low[place][*c & 15] |= (uint8_t)(1 << b);
				halves.high[place][*c >> 4] |= (uint8_t)(1 << b);
			}
		}
	}
}

static uint8_t buckets_of(uint8_t c, int place)
{
	return halves.low[place][c & 15] & halves.high[place][c >> 4];
}

void classify_plain(const uint8_t *p, struct block *ret)
{
	struct block b = {0};
	for (int i = 0; i < 64; i++) {
		uint64_t bit = 1ull << i;
		uint8_t c = p[i];
		b.digit |= is_digit(c) ? bit : 0;
		b.upper |= (uint8_t)(c - 'A') < 26 ? bit : 0;
		b.joint |= is_joint(c) ? bit : 0;
		b.colon |= c == ':' ? bit : 0;
		b.at |= c == '@' ? bit : 0;
		b.word |=
		    buckets_of(c, 0) & buckets_of(p[i + 1], 1) & buckets_of(p[i + 2], 2) ? bit : 0;
	}
	*ret = b;
}

#ifdef __x86_64__
#include <immintrin.h>

/* The same text for both widths: V is the width's prefix, T the target, STEP its bytes. */
#define CLASSIFY(NAME, TARGET, STEP, VEC, LOAD, SET1, EQ, AND, OR, SUB, MIN, SRL, MASK, ZERO,      \
		 SHUFFLE, TABLE)                                                                   \
	static __attribute__((target(TARGET))) inline VEC NAME##_of(const uint8_t *p, int place)   \
	{                                                                                          \
		VEC c = LOAD((const void *)p), low = SET1(15);                                     \
		VEC a = SHUFFLE(TABLE(halves.low[place]), AND(c, low));                            \
		return AND(a, SHUFFLE(TABLE(halves.high[place]), AND(SRL(c, 4), low)));            \
	}                                                                                          \
	static __attribute__((target(TARGET))) inline VEC NAME##_in(VEC c, char from, char n)      \
	{                                                                                          \
		VEC off = SUB(c, SET1(from));                                                      \
		return EQ(MIN(off, SET1(n)), off);                                                 \
	}                                                                                          \
	__attribute__((target(TARGET))) void classify_##NAME(const uint8_t *p, struct block *ret)  \
	{                                                                                          \
		struct block b = {0};                                                              \
		for (int i = 0; i < 64; i += STEP) {                                               \
			VEC c = LOAD((const void *)(p + i));                                       \
			VEC joint =                                                                \
			    OR(NAME##_in(c, '-', 2), OR(NAME##_in(c, '(', 1), EQ(c, SET1(' '))));  \
			VEC word = AND(AND(NAME##_of(p + i, 0), NAME##_of(p + i + 1, 1)),          \
				       NAME##_of(p + i + 2, 2));                                   \
			b.digit |= (uint64_t)(uint32_t)MASK(NAME##_in(c, '0', 9)) << i;            \
			b.upper |= (uint64_t)(uint32_t)MASK(NAME##_in(c, 'A', 25)) << i;           \
			b.joint |= (uint64_t)(uint32_t)MASK(joint) << i;                           \
			b.colon |= (uint64_t)(uint32_t)MASK(EQ(c, SET1(':'))) << i;                \
			b.at |= (uint64_t)(uint32_t)MASK(EQ(c, SET1('@'))) << i;                   \
			VEC alpha = NAME##_in(OR(c, SET1(0x20)), 'a', 25);                                     \
			b.alnum |= (uint64_t)(uint32_t)MASK(OR(alpha, NAME##_in(c, '0', 9))) << i;             \
			uint32_t none = (uint32_t)MASK(EQ(word, ZERO()));                          \
			b.word |= ((uint64_t)~none & (STEP == 32 ? 0xffffffffull : 0xffffull))     \
				  << i;                                                            \
		}                                                                                  \
		*ret = b;                                                                          \
	}

#define TABLE_128(t) _mm_loadu_si128((const void *)(t))
#define TABLE_256(t) _mm256_broadcastsi128_si256(TABLE_128(t))

CLASSIFY(ssse3, "ssse3", 16, __m128i, _mm_loadu_si128, _mm_set1_epi8, _mm_cmpeq_epi8, _mm_and_si128,
	 _mm_or_si128, _mm_sub_epi8, _mm_min_epu8, _mm_srli_epi16, _mm_movemask_epi8,
	 _mm_setzero_si128, _mm_shuffle_epi8, TABLE_128)
CLASSIFY(avx2, "avx2", 32, __m256i, _mm256_loadu_si256, _mm256_set1_epi8, _mm256_cmpeq_epi8,
	 _mm256_and_si256, _mm256_or_si256, _mm256_sub_epi8, _mm256_min_epu8, _mm256_srli_epi16,
	 _mm256_movemask_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8, TABLE_256)
#endif
