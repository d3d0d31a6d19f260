/* The node's signing key. The private half is read into memory that neither a fork nor a core dump
 * takes along, and turned into an OpenSSL key only for the time of one signature. */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "record/growth.h"

struct signer {
	uint8_t *secret; /* 32 bytes at the start of a page of its own */
	uint64_t last_seq;
	struct tree tree; /* of what was signed last; size 0: not known */
	int dir_fd; /* borrowed */
};

/* keys_dir_fd: the folder with node.key (created 0600 if missing), node.pub (PEM) and node.seq (the last number that
 * was signed; size and edge of the tree there). */
must_check int signer_init(struct signer *s, int keys_dir_fd);
void signer_done(struct signer *s);
/* Signs what the checkpoint says: sets its key_id and sig. ERR_DENIED: seq did not rise. The mark is on
 * disk before the signature leaves. */
must_check int signer_sign(struct signer *s, struct checkpoint *c);
/* The same, for a tree that goes on from the one that was signed last: nodes are how it grew (record/growth.h), from a
 * tree of so many entries. ERR_STATE: that is not the size of the last one, which is s->tree.size; ERR_VERIFY: they do
 * not lead to the checkpoint's root. */
must_check int signer_extend(struct signer *s, struct checkpoint *c, uint64_t from, struct span nodes);
/* The public half. */
must_check int signer_public(const struct signer *s, uint8_t ret_key[KEY_LEN]);
