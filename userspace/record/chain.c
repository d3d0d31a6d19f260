#include "record/chain.h"

#include <errno.h>
#include <stdlib.h>

#include "base/ossl.h"

struct chain {
	EVP_MD *md;
	EVP_MD_CTX *ctx;
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
	c->md = EVP_MD_fetch(NULL, "SHA256", NULL);
	c->ctx = EVP_MD_CTX_new();
	if (!c->md || !c->ctx || EVP_DigestInit_ex2(c->ctx, c->md, NULL) != 1) {
		chain_free(c);
		return -ENOMEM;
	}
	*ret_c = c;
	return 0;
}

void chain_free(struct chain *c)
{
	if (!c)
		return;
	EVP_MD_CTX_free(c->ctx);
	EVP_MD_free(c->md);
	free(c);
}

int chain_hash(struct chain *c, const uint8_t prev[HASH_LEN], struct span stored,
	       uint8_t out[HASH_LEN])
{
	bool ok = EVP_DigestInit_ex2(c->ctx, NULL, NULL) == 1 &&
		  EVP_DigestUpdate(c->ctx, prev, HASH_LEN) == 1 &&
		  EVP_DigestUpdate(c->ctx, stored.p, stored.len) == 1 &&
		  EVP_DigestFinal_ex(c->ctx, out, NULL) == 1;
	return ok ? 0 : -EIO;
}

int chain_digest(struct chain *c, struct span bytes, uint8_t out[HASH_LEN])
{
	bool ok = EVP_DigestInit_ex2(c->ctx, NULL, NULL) == 1 &&
		  EVP_DigestUpdate(c->ctx, bytes.p, bytes.len) == 1 &&
		  EVP_DigestFinal_ex(c->ctx, out, NULL) == 1;
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

void hex_encode(const uint8_t *p, size_t len, char *out)
{
	static const char hex[] = "0123456789abcdef";
	for (size_t i = 0; i < len; i++) {
		out[2 * i] = hex[p[i] >> 4];
		out[2 * i + 1] = hex[p[i] & 15];
	}
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
