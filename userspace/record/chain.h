/* The chain: every stored event begins {"_prev":"<64 hex>","_seq":N, and its hash is SHA-256 over the
 * previous hash (32 bytes) and the stored bytes. Before the first event the hash is 32 zero bytes. */
#pragma once

#include "base/buf.h"

#define HASH_LEN 32

struct chain {
	uint64_t seq; /* of the last event; 0: none yet */
	uint8_t hash[HASH_LEN];
};

/* Appends the stored form of event (scanned before) to out and moves the chain on. */
void chain_append(struct chain *c, struct span event, struct buf *out);
/* Checks a stored event against the chain and moves on. 0, or ERR_VERIFY: ret_why says what is wrong. */
must_check int chain_check(struct chain *c, uint64_t key, struct span stored, const char **ret_why);
/* The previous hash that a stored event says. 0 or ERR_VERIFY. */
must_check int chain_prev(struct span stored, uint8_t ret_hash[HASH_LEN]);
/* 2 * len hex digits. 0 or ERR_MALFORMED. */
must_check int hash_unhex(const char *hex, size_t hex_len, uint8_t *ret_bytes, size_t len);
void hash_hex(const uint8_t hash[HASH_LEN], char ret_hex[2 * HASH_LEN + 1]);
/* The bytes that a checkpoint's signature is over (priv/child.h). Returns the length. */
size_t checkpoint_text(const char *node, uint64_t seq, const char *hash_hex, int64_t time, char *out, size_t size);
