/* A checkpoint: the node's signature over how far the record goes, the root of its tree and the
 * hash of its chain there. A C2SP tlog-checkpoint (c2sp.org/tlog-checkpoint, c2sp.org/signed-note),
 * stored as its bytes; FORMAT.md has them. Reading is strict: what is accepted is what would be
 * written. */
#pragma once

#include "base/buf.h"
#include "record/chain.h"

#define KEY_LEN	 32
#define SIG_LEN	 64
#define NODE_MAX 256
#define NOTE_MAX 2048 /* of a checkpoint's bytes, or its line */

struct checkpoint {
	uint64_t seq; /* events in the tree: the last one's number */
	int64_t time; /* Unix nanoseconds */
	uint8_t root[HASH_LEN], hash[HASH_LEN];
	uint8_t key_id[4], sig[SIG_LEN];
	char node[NODE_MAX];
};

/* The signed text, appended to out. */
void checkpoint_text(struct buf *out, const struct checkpoint *c);
/* The whole note. */
void checkpoint_write(struct buf *out, const struct checkpoint *c);
/* The same on one line, without a newline. */
void checkpoint_line(struct buf *out, const struct checkpoint *c);
/* ERR_MALFORMED. */
must_check int checkpoint_read(struct span note, struct checkpoint *ret_c);
/* A line, with anything before it (what a log puts there) and white space behind. ERR_MALFORMED. */
must_check int checkpoint_read_line(const char *line, struct checkpoint *ret_c);
void checkpoint_key_id(const char *node, const uint8_t key[KEY_LEN], uint8_t out[4]);
/* Was it signed by this key? 0 or ERR_VERIFY. */
must_check int checkpoint_check(const struct checkpoint *c, const uint8_t key[KEY_LEN]);

/* SHA-256 of the key in hex: what a person compares. */
void key_fingerprint(const uint8_t key[KEY_LEN], char out[HASH_HEX + 1]);
/* Reads a public key: a PEM file, or the key itself in hex. ERR_MALFORMED; a negative errno. */
must_check int key_read(const char *file_or_hex, uint8_t ret_key[KEY_LEN]);
