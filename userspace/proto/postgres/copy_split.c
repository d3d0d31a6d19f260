/* A backslash hides the byte behind it; between quotes nothing ends a field: a quote that is written twice closes
 * and opens again. So is copy_mask.c's reading, byte by byte. */
#include "proto/postgres/copy_split.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/macro.h"

#define STEP  16
#define BLOCK 64

/* A bit for each byte. */
struct bits {
	uint64_t delimiter, newline;
	uint64_t mark; /* backslash or quote */
};

struct split {
	uint8_t delimiter, mark;
	bool is_csv;
	uint64_t carry; /* text: 1: the block's first byte is escaped; CSV: all ones: it is between quotes */
};

#ifdef __SSE2__
static inline uint64_t equal(__m128i v, uint8_t c)
{
	return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8((char)c)));
}

static inline struct bits classify(const struct split *s, const uint8_t *p)
{
	__m128i v = _mm_loadu_si128((const void *)p);
	return (struct bits){equal(v, s->delimiter), equal(v, '\n'), equal(v, s->mark)};
}
#else
static inline struct bits classify(const struct split *s, const uint8_t *p)
{
	struct bits b = {0};
	for (int i = 0; i < STEP; i++) {
		b.delimiter |= (uint64_t)(p[i] == s->delimiter) << i;
		b.newline |= (uint64_t)(p[i] == '\n') << i;
		b.mark |= (uint64_t)(p[i] == s->mark) << i;
	}
	return b;
}
#endif

/* All but the first beyond of its bytes are those from i on. */
static inline void add(struct bits *all, struct bits b, int beyond, int i)
{
	all->delimiter |= b.delimiter >> beyond << i;
	all->newline |= b.newline >> beyond << i;
	all->mark |= b.mark >> beyond << i;
}

/* The block at at, which the end of the row may cut: no byte beyond it is read. The row has at least STEP bytes. */
static inline struct bits block_at(const struct split *s, struct span row, size_t at)
{
	struct bits all = {0};
	size_t left = MIN(row.len - at, (size_t)BLOCK), i = 0;
	for (; i + STEP <= left; i += STEP)
		add(&all, classify(s, row.p + at + i), 0, (int)i);
	if (i < left)
		add(&all, classify(s, row.p + at + left - STEP), (int)(i + STEP - left), (int)i);
	return all;
}

static inline uint64_t escaped(struct split *s, uint64_t mark)
{
	uint64_t hidden = s->carry;
	s->carry = 0;
	for (uint64_t left = mark & ~hidden; left;) {
		uint64_t one = left & -left;
		hidden |= one << 1;
		s->carry = one >> 63;
		left &= ~(one | one << 1);
	}
	return hidden;
}

/* Behind an odd number of quotes. */
static inline uint64_t quoted(struct split *s, uint64_t mark)
{
	uint64_t inside = mark;
	for (int n = 1; n < BLOCK; n *= 2)
		inside ^= inside << n;
	inside ^= s->carry;
	s->carry = -(inside >> 63);
	return inside;
}

bool copy_split(const struct sql_copy *form, struct span row, uint32_t *ret_ends, int n)
{
	bool is_csv = form->format == COPY_CSV;
	struct split s = {(uint8_t)form->delimiter, is_csv ? (uint8_t)form->quote : '\\', is_csv, 0};
	int count = 0;
	if (row.len < STEP || s.delimiter == s.mark || (is_csv && form->escape != form->quote))
		return false;
	for (size_t at = 0; at < row.len; at += BLOCK) {
		struct bits b = block_at(&s, row, at);
		uint64_t hidden = 0;
		if (b.mark | s.carry)
			hidden = is_csv ? quoted(&s, b.mark) : escaped(&s, b.mark);
		uint64_t line = b.newline & ~hidden;
		if (line && at + (size_t)__builtin_ctzll(line) != row.len - 1)
			return false;
		for (uint64_t ends = (b.delimiter | b.newline) & ~hidden; ends; ends &= ends - 1) {
			if (count == n)
				return false;
			ret_ends[count++] = (uint32_t)(at + (size_t)__builtin_ctzll(ends));
		}
	}
	return count == n && ret_ends[n - 1] == row.len - 1 && row.p[row.len - 1] == '\n';
}
