/* SHA-256 by OpenSSL's own functions for it: what EVP does around them takes as long again for an event's leaf and
 * node, and a fifth of an event's time. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "record/chain.h"

#include <errno.h>
#include <stdlib.h>

#include "base/ossl.h"

struct chain {
	SHA256_CTX ctx;
};

#define PREV_KEY "{\"_prev\":\""
#define SEQ_KEY	 "\",\"_seq\":"
#define PREV_LEN (sizeof(PREV_KEY) - 1)
#define SEQ_LEN	 (sizeof(SEQ_KEY) - 1)

int chain_new(struct chain **ret_c)
{
	struct chain *c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	*ret_c = c;
	return 0;
}

void chain_free(struct chain *c)
{
	free(c);
}

int chain_hash(struct chain *c, const uint8_t prev[HASH_LEN], struct span stored,
	       uint8_t out[HASH_LEN])
{
	bool ok = SHA256_Init(&c->ctx) == 1 && SHA256_Update(&c->ctx, prev, HASH_LEN) == 1 &&
		  SHA256_Update(&c->ctx, stored.p, stored.len) == 1 && SHA256_Final(out, &c->ctx) == 1;
	return ok ? 0 : -EIO;
}

int chain_digest(struct chain *c, struct span bytes, uint8_t out[HASH_LEN])
{
	bool ok = SHA256_Init(&c->ctx) == 1 && SHA256_Update(&c->ctx, bytes.p, bytes.len) == 1 &&
		  SHA256_Final(out, &c->ctx) == 1;
	return ok ? 0 : -EIO;
}

static size_t digits(uint64_t v, char out[20])
{
	size_t n = 0;
	char reversed[20];
	do {
		reversed[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	for (size_t i = 0; i < n; i++)
		out[i] = reversed[n - 1 - i];
	return n;
}

size_t chain_prefix_len(uint64_t seq)
{
	char text[20];
	return PREV_LEN + HASH_HEX + SEQ_LEN + digits(seq, text) + 1;
}

void chain_prefix(const uint8_t prev[HASH_LEN], uint64_t seq, uint8_t *out)
{
	char hex[HASH_HEX + 1], text[20];
	size_t n = digits(seq, text);
	hex_encode(prev, HASH_LEN, hex);
	memcpy(out, PREV_KEY, PREV_LEN);
	memcpy(out + PREV_LEN, hex, HASH_HEX);
	memcpy(out + PREV_LEN + HASH_HEX, SEQ_KEY, SEQ_LEN);
	memcpy(out + PREV_LEN + HASH_HEX + SEQ_LEN, text, n);
	out[PREV_LEN + HASH_HEX + SEQ_LEN + n] = ',';
}

int chain_prefix_read(struct span stored, uint8_t ret_prev[HASH_LEN], uint64_t *ret_seq)
{
	struct cur c = cur_of(stored);
	uint64_t seq = 0;
	bool ok = span_is(cur_bytes(&c, PREV_LEN), PREV_KEY) &&
		  hex_decode(cur_bytes(&c, HASH_HEX), ret_prev, HASH_LEN) == 0 &&
		  span_is(cur_bytes(&c, SEQ_LEN), SEQ_KEY);
	uint8_t d = cur_u8(&c);
	if (!ok || d < '1' || d > '9')
		return ERR_MALFORMED;
	for (int n = 0; d >= '0' && d <= '9' && n < 19; n++, d = cur_u8(&c))
		seq = seq * 10 + (uint64_t)(d - '0');
	if (d != ',')
		return ERR_MALFORMED;
	*ret_seq = seq;
	return 0;
}

#define PAIRS(hi)                                                                                                      \
	{hi, '0'}, {hi, '1'}, {hi, '2'}, {hi, '3'}, {hi, '4'}, {hi, '5'}, {hi, '6'}, {hi, '7'}, {hi, '8'}, {hi, '9'}, \
	    {hi, 'a'}, {hi, 'b'}, {hi, 'c'}, {hi, 'd'}, {hi, 'e'}, {hi, 'f'}

/* Each byte's two digits. */
static const char hex_pairs[256][2] = {
    PAIRS('0'), PAIRS('1'), PAIRS('2'), PAIRS('3'), PAIRS('4'), PAIRS('5'), PAIRS('6'), PAIRS('7'),
    PAIRS('8'), PAIRS('9'), PAIRS('a'), PAIRS('b'), PAIRS('c'), PAIRS('d'), PAIRS('e'), PAIRS('f'),
};

void hex_encode(const uint8_t *p, size_t len, char *out)
{
	for (size_t i = 0; i < len; i++)
		memcpy(out + 2 * i, hex_pairs[p[i]], 2);
	out[2 * len] = 0;
}

/* 1 + the digit's value; 0: no digit. */
static const uint8_t nibbles[256] = {
    ['0'] = 1, ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
};

int hex_decode(struct span hex, uint8_t *out, size_t len)
{
	if (hex.len != 2 * len)
		return ERR_MALFORMED;
	for (size_t i = 0; i < len; i++) {
		unsigned hi = nibbles[hex.p[2 * i]], lo = nibbles[hex.p[2 * i + 1]];
		if (!hi || !lo)
			return ERR_MALFORMED;
		out[i] = (uint8_t)((hi - 1) << 4 | (lo - 1));
	}
	return 0;
}
