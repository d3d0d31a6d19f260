/* The key sets of issuers: from a file beneath key_dirs (through the monitor) or from a URL, fetched in a
 * thread of its own. A set serves until it is stale, then until its hard limit while the issuer cannot be
 * reached; an unknown key asks for a fresh set at most every 30 s. */
#pragma once

#include "base/loop.h"
#include "identity/identity.h"
#include "policy/policy.h"

#define KEYS_FRESH_S  300
#define KEYS_HARD_S   (24 * 3600)
#define KEYS_RETRY_S  30
#define KEYS_FETCH_MS 5000
#define KEYS_SETS_MAX 16

struct control;
struct keyset;

/* One who waits. on_keys is called once: at once, or later from the loop. keys is borrowed; err 0 or why. */
struct keys_wait {
	struct keys_wait *next;
	void (*on_keys)(struct keys_wait *w, struct jwks *keys, int err, const char *why);
};

struct keys {
	struct control *c;
	struct keyset *first;
	int n;
};

void keys_init(struct keys *k, struct control *c);
/* must_refresh: the set that is held did not know the token's key. on_keys is called with the old set if
 * a refresh is not due. */
void keys_get(struct keys *k, const struct issuer *issuer, bool must_refresh, struct keys_wait *w);
