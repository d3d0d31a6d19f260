#include "record/chain.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/ossl.h"

#define PREFIX "{\"_prev\":\""

void hash_hex(const uint8_t hash[HASH_LEN], char ret_hex[2 * HASH_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < HASH_LEN; i++) {
		ret_hex[2 * i] = digits[hash[i] >> 4];
		ret_hex[2 * i + 1] = digits[hash[i] & 15];
	}
	ret_hex[2 * HASH_LEN] = 0;
}

static int digit(char ch)
{
	return ch >= '0' && ch <= '9' ? ch - '0' : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

int hash_unhex(const char *hex, size_t hex_len, uint8_t *ret_bytes, size_t len)
{
	if (hex_len != 2 * len)
		return ERR_MALFORMED;
	for (size_t i = 0; i < len; i++) {
		int hi = digit(hex[2 * i]), lo = digit(hex[2 * i + 1]);
		if (hi < 0 || lo < 0)
			return ERR_MALFORMED;
		ret_bytes[i] = (uint8_t)(hi << 4 | lo);
	}
	return 0;
}

int chain_prev(struct span stored, uint8_t ret_hash[HASH_LEN])
{
	size_t at = strlen(PREFIX);
	if (stored.len < at + 2 * HASH_LEN || memcmp(stored.p, PREFIX, at) ||
	    hash_unhex((const char *)stored.p + at, 2 * HASH_LEN, ret_hash, HASH_LEN) < 0)
		return ERR_VERIFY;
	return 0;
}

static void move_on(struct chain *c, struct span stored)
{
	SHA256_CTX ctx;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
	/* The direct calls: EVP costs an allocation and a fetch per event. */
	SHA256_Init(&ctx);
	SHA256_Update(&ctx, c->hash, HASH_LEN);
	SHA256_Update(&ctx, stored.p, stored.len);
	SHA256_Final(c->hash, &ctx);
#pragma GCC diagnostic pop
	c->seq++;
}

/* What the recorder puts in front of event number seq; event's own "{" is dropped. */
static size_t head_of(const struct chain *c, uint64_t seq, char out[160])
{
	char hex[2 * HASH_LEN + 1];
	hash_hex(c->hash, hex);
	return (size_t)snprintf(out, 160, PREFIX "%s\",\"_seq\":%" PRIu64 ",", hex, seq);
}

void chain_append(struct chain *c, struct span event, struct buf *out)
{
	char head[160];
	size_t from = buf_len(out);
	buf_add(out, head, head_of(c, c->seq + 1, head));
	buf_add(out, event.p + 1, event.len - 1);
	if (!buf_err(out))
		move_on(c, span_of(buf_span(out).p + from, buf_len(out) - from));
}

int chain_check(struct chain *c, uint64_t key, struct span stored, const char **ret_why)
{
	char head[160];
	if (key != c->seq + 1) {
		*ret_why = key <= c->seq ? "its number comes twice or out of order" : "events before it are missing";
		return ERR_VERIFY;
	}
	size_t n = head_of(c, key, head), hash_at = strlen(PREFIX), hash_end = hash_at + 2 * HASH_LEN;
	if (stored.len <= n || memcmp(stored.p, head, hash_at) || memcmp(stored.p + hash_end, head + hash_end, n - hash_end)) {
		*ret_why = "it does not begin with its own number";
		return ERR_VERIFY;
	}
	if (memcmp(stored.p + hash_at, head + hash_at, 2 * HASH_LEN)) {
		*ret_why = "the event before it is not the one that it was chained to: one of the two was changed";
		return ERR_VERIFY;
	}
	move_on(c, stored);
	return 0;
}

size_t checkpoint_text(const char *node, uint64_t seq, const char *hash, int64_t time, char *out, size_t size)
{
	int n = snprintf(out, size, "sluice checkpoint\n%s\n%" PRIu64 "\n%s\n%" PRId64 "\n", node, seq, hash, time);
	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}
