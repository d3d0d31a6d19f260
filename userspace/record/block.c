#include "record/block.h"

#include "base/macro.h"

enum field {
	FLOW,
	IDENTITY,
	OWNER,
	RESOURCE,
	ROLE,
	SESSION,
	TYPE,
	TIME,
	DECISION,
	OBSERVED,
	SQLSTATE,
	NONE
};

static const char field_keys[][12] = {"flow",	  "identity", "owner",	 "resource",
				      "role",	  "session",  "type",	 "time",
				      "decision", "observed", "sqlstate"};
static const uint8_t field_lens[] = {4, 8, 5, 8, 4, 7, 4, 4, 8, 8, 8};
_Static_assert(ARRAY_LEN(field_keys) == NONE && ARRAY_LEN(field_lens) == NONE, "one each");
#define KEPT TIME /* the fields before it are in the filter */

static const struct {
	enum field field;
	const char *value; /* NULL: whatever it is */
	enum block_verdict verdict;
} verdicts[] = {
    {DECISION, "\"allow\"", BLOCK_ALLOW},
    {DECISION, "\"mask\"", BLOCK_MASK},
    {DECISION, "\"ask\"", BLOCK_ASK},
    {DECISION, "\"deny\"", BLOCK_DENY},
    {OBSERVED, "true", BLOCK_OBSERVED},
    {SQLSTATE, NULL, BLOCK_ERROR},
    {TYPE, "\"connect.refused\"", BLOCK_REFUSED},
    {TYPE, "\"bypass.attempt\"", BLOCK_REFUSED},
};

static enum field field_of(struct span key)
{
	if (!memchr("fiorstd", key.p[0], 7))
		return NONE;
	for (int i = 0; i < NONE; i++)
		if (field_keys[i][0] == (char)key.p[0] && field_lens[i] == key.len &&
		    memcmp(key.p, field_keys[i], key.len) == 0)
			return (enum field)i;
	return NONE;
}

/* Any even spread does; what is stored is found by the same function only. */
static uint64_t spread(enum field f, struct span value)
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

static void add_value(struct block *b, enum field f, struct span value)
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

void block_add(struct block *b, const struct scan *event)
{
	for (int i = 0; i < event->n; i++) {
		struct span key = event->fields[i].key, value = event->fields[i].value;
		enum field f = key.len ? field_of(key) : NONE;
		if (f == NONE)
			continue;
		if (f < KEPT)
			add_value(b, f, value);
		if (f == TIME)
			add_time(b, scan_number(value));
		else if (f >= KEPT || f == TYPE)
			for (size_t k = 0; k < ARRAY_LEN(verdicts); k++)
				if (verdicts[k].field == f &&
				    (!verdicts[k].value || span_is(value, verdicts[k].value)))
					b->verdicts |= verdicts[k].verdict;
	}
}

bool block_has(const struct block *b, const char *key, struct span value)
{
	enum field f = *key ? field_of(span_str(key)) : NONE;
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

int block_take(struct block *b, struct store *store, const struct scan *event, uint64_t seq)
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
