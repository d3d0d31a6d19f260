/* The hash chain: hash(n) = SHA-256(hash(n-1) || the stored bytes of n); hash(0) is 32 zero bytes.
 * The stored bytes begin {"_prev":"<hash(n-1) in hex>","_seq":<n>, and end with the event as it was
 * given. */
#pragma once

#include "base/span.h"

#define HASH_LEN 32
#define HASH_HEX 64

struct chain; /* a hasher, for one thread */

must_check int chain_new(struct chain **ret_c);
void chain_free(struct chain *c);
/* prev and out may be the same. */
must_check int chain_hash(struct chain *c, const uint8_t prev[HASH_LEN], struct span stored,
			  uint8_t out[HASH_LEN]);

/* SHA-256 of some bytes, by the same hasher. */
must_check int chain_digest(struct chain *c, struct span bytes, uint8_t out[HASH_LEN]);

/* The length of what stands before the event's own fields. */
size_t chain_prefix_len(uint64_t seq);
/* Writes it; room for chain_prefix_len(seq) bytes, no NUL. */
void chain_prefix(const uint8_t prev[HASH_LEN], uint64_t seq, uint8_t *out);
/* Reads it. ERR_MALFORMED. */
must_check int chain_prefix_read(struct span stored, uint8_t ret_prev[HASH_LEN], uint64_t *ret_seq);

void hex_encode(const uint8_t *p, size_t len, char *out); /* 2 * len and a NUL */
must_check int hex_decode(struct span hex, uint8_t *out, size_t len);
