#include "record/block.h"

#include "base/macro.h"

#define KEPT MARK_TIME /* the fields before it are in the filter */

static const struct {
	enum mark field;
	struct span value; /* p NULL: whatever it is */
	enum block_verdict verdict;
} verdicts[] = {
    {MARK_DECISION, SPAN_LITERAL("\"allow\""), BLOCK_ALLOW},
    {MARK_DECISION, SPAN_LITERAL("\"mask\""), BLOCK_MASK},
    {MARK_ASKED, SPAN_LITERAL("true"), BLOCK_ASK},
    {MARK_DECISION, SPAN_LITERAL("\"deny\""), BLOCK_DENY},
    {MARK_OBSERVED, SPAN_LITERAL("true"), BLOCK_OBSERVED},
    {MARK_SQLSTATE, {0}, BLOCK_ERROR},
    {MARK_TYPE, SPAN_LITERAL("\"connect.refused\""), BLOCK_REFUSED},
    {MARK_TYPE, SPAN_LITERAL("\"bypass.attempt\""), BLOCK_REFUSED},
};

/* Any even spread does; what is stored is found by the same function only. */
static uint64_t spread(enum mark f, struct span value)
{
	const uint64_t k = 0x9e3779b97f4a7c15u;
	uint64_t h = (uint64_t)f + 1, word;
	for (size_t at = 0; at < value.len; at += sizeof(word)) {
		word = 0;
		memcpy(&word, value.p + at, MIN(sizeof(word), value.len - at));
		h = (h ^ word) * k;
		h ^= h >> 29;
	}
	return (h ^ value.len) * k;
}

static void places(uint64_t h, unsigned ret[2])
{
	ret[0] = (unsigned)(h >> 52) % BLOCK_BITS;
	ret[1] = (unsigned)(h >> 36) % BLOCK_BITS;
}

static void add_value(struct block *b, enum mark f, struct span value)
{
	unsigned at[2];
	places(spread(f, value), at);
	for (int i = 0; i < 2; i++)
		b->bits[at[i] / 8] |= (uint8_t)(1u << at[i] % 8);
}

static void add_time(struct block *b, uint64_t time)
{
	b->time_min = MIN(b->time_min, time);
	b->time_max = MAX(b->time_max, time);
}

void block_add(struct block *b, const struct marked *event)
{
	for (int f = 0; f < KEPT; f++) {
		struct span value = mark_get(event, (enum mark)f);
		if (value.len)
			add_value(b, (enum mark)f, value);
	}
	if (mark_get(event, MARK_TIME).len)
		add_time(b, mark_u64(event, MARK_TIME));
	for (size_t k = 0; k < ARRAY_LEN(verdicts); k++) {
		struct span value = mark_get(event, verdicts[k].field);
		if (value.len && (!verdicts[k].value.p || span_eq(value, verdicts[k].value)))
			b->verdicts |= verdicts[k].verdict;
	}
}

bool block_has(const struct block *b, const char *key, struct span value)
{
	enum mark f = mark_of(span_str(key));
	unsigned at[2];
	if (f >= KEPT)
		return true;
	places(spread(f, value), at);
	return b->bits[at[0] / 8] >> at[0] % 8 & 1 && b->bits[at[1] / 8] >> at[1] % 8 & 1;
}

void block_write(const struct block *b, uint8_t out[BLOCK_VALUE_SIZE])
{
	seq_encode(b->time_min, out);
	seq_encode(b->time_max, out + 8);
	for (int i = 0; i < 4; i++)
		out[16 + i] = (uint8_t)(b->verdicts >> (24 - 8 * i));
	memcpy(out + 20, b->bits, sizeof(b->bits));
}

int block_read(uint64_t first, struct span value, struct block *ret_b)
{
	struct cur c = cur_of(value);
	if (value.len != BLOCK_VALUE_SIZE)
		return ERR_VERIFY;
	ret_b->first = first;
	ret_b->time_min = cur_u64(&c);
	ret_b->time_max = cur_u64(&c);
	ret_b->verdicts = cur_u32(&c);
	memcpy(ret_b->bits, cur_bytes(&c, sizeof(ret_b->bits)).p, sizeof(ret_b->bits));
	return 0;
}

/* --- the one that is being filled
 * -------------------------------------------------------------------- */

void block_forget(struct block *b)
{
	b->first = 0;
}

/* The first event of the block that an event is in. A segment begins one of its own. */
static uint64_t first_of(const struct store *store, uint64_t seq)
{
	return MAX(seq - (seq - 1) % BLOCK_EVENTS, store_first(store));
}

static int begin(struct block *b, struct store *store, uint64_t first)
{
	uint8_t key[8];
	struct buf value;
	buf_init(&value, 2 * BLOCK_VALUE_SIZE);
	seq_encode(first, key);
	int r = store_get(store, DB_BLOCKS, span_of(key, 8), &value);
	if (r == 0)
		r = block_read(first, buf_span(&value), b);
	else if (r == ERR_NOT_FOUND)
		*b = (struct block){.first = first, .time_min = UINT64_MAX}, r = 0;
	buf_done(&value);
	return r;
}

int block_take(struct block *b, struct store *store, const struct marked *event, uint64_t seq)
{
	uint64_t first = first_of(store, seq);
	int r = 0;
	if (b->first && b->first != first)
		r = b->first >= store_first(store) ? block_flush(b, store) : 0;
	if (r == 0 && b->first != first)
		r = begin(b, store, first);
	if (r == 0)
		block_add(b, event);
	return r;
}

int block_flush(const struct block *b, struct store *store)
{
	uint8_t key[8], value[BLOCK_VALUE_SIZE];
	if (!b->first)
		return 0;
	seq_encode(b->first, key);
	block_write(b, value);
	return store_put(store, DB_BLOCKS, span_of(key, 8), span_of(value, sizeof(value)));
}
