/* A checkpoint: the node's signature over how far the chain goes and which hash it has there.
 * Stored as canonical JSON {"hash","key","node","seq","sig","time"}; bytes in hex, time in Unix
 * nanoseconds. The monitor signs (Ed25519, RFC 8032) the bytes that priv/child.h tells. */
#pragma once

#include "base/buf.h"
#include "record/chain.h"

#define KEY_LEN	 32
#define SIG_LEN	 64
#define NODE_MAX 256

struct checkpoint {
	uint64_t seq;
	int64_t time;
	uint8_t hash[HASH_LEN], key[KEY_LEN], sig[SIG_LEN];
	char node[NODE_MAX];
};

void checkpoint_write(struct buf *out, const struct checkpoint *c);
/* ERR_MALFORMED. */
must_check int checkpoint_read(struct span json, struct checkpoint *ret_c);
/* Was it signed by this key? 0 or ERR_VERIFY. */
must_check int checkpoint_check(const struct checkpoint *c, const uint8_t key[KEY_LEN]);
/* SHA-256 of the key in hex: what a person compares. */
void key_fingerprint(const uint8_t key[KEY_LEN], char out[HASH_HEX + 1]);
/* Reads a public key: a PEM file, or the key itself in hex. ERR_MALFORMED; a negative errno. */
must_check int key_read(const char *file_or_hex, uint8_t ret_key[KEY_LEN]);
