#include "record/proof.h"

#include <string.h>

/* The largest power of two below n; n > 1. */
static uint64_t split(uint64_t n)
{
	return 1ull << (63 - __builtin_clzll(n - 1));
}

int proof_range(const struct tree_nodes *t, struct chain *c, uint64_t from, uint64_t n,
		uint8_t ret_hash[HASH_LEN])
{
	uint8_t left[HASH_LEN], right[HASH_LEN];
	unsigned height = (unsigned)__builtin_ctzll(n);
	if ((n & (n - 1)) == 0)
		return t->node(t->ctx, height, from >> height, ret_hash);
	uint64_t k = split(n);
	int r = proof_range(t, c, from, k, left);
	if (r == 0)
		r = proof_range(t, c, from + k, n - k, right);
	return r == 0 ? tree_join(c, left, right, ret_hash) : r;
}

static int push(const struct tree_nodes *t, struct chain *c, uint64_t from, uint64_t n,
		struct proof *p)
{
	if (p->n == PROOF_HASHES)
		return ERR_LIMIT;
	return proof_range(t, c, from, n, p->hashes[p->n++]);
}

/* PATH(index, entries from..from+n) */
static int path(const struct tree_nodes *t, struct chain *c, uint64_t index, uint64_t from,
		uint64_t n, struct proof *p)
{
	if (n == 1)
		return 0;
	uint64_t k = split(n);
	bool is_left = index < k;
	int r = is_left ? path(t, c, index, from, k, p) : path(t, c, index - k, from + k, n - k, p);
	if (r < 0)
		return r;
	return is_left ? push(t, c, from + k, n - k, p) : push(t, c, from, k, p);
}

int proof_inclusion(const struct tree_nodes *t, struct chain *c, uint64_t index, uint64_t size,
		    struct proof *ret_p)
{
	ret_p->n = 0;
	return index < size ? path(t, c, index, 0, size, ret_p) : ERR_LIMIT;
}

/* SUBPROOF(old, entries from..from+n, from == 0): a whole older tree is known already. */
static int subproof(const struct tree_nodes *t, struct chain *c, uint64_t old, uint64_t from,
		    uint64_t n, struct proof *p)
{
	if (old == n)
		return from == 0 ? 0 : push(t, c, from, n, p);
	uint64_t k = split(n);
	bool is_left = old <= k;
	int r =
	    is_left ? subproof(t, c, old, from, k, p) : subproof(t, c, old - k, from + k, n - k, p);
	if (r < 0)
		return r;
	return is_left ? push(t, c, from + k, n - k, p) : push(t, c, from, k, p);
}

int proof_consistency(const struct tree_nodes *t, struct chain *c, uint64_t old, uint64_t size,
		      struct proof *ret_p)
{
	ret_p->n = 0;
	return old && old <= size ? subproof(t, c, old, 0, size, ret_p) : ERR_LIMIT;
}

/* RFC 9162 2.1.3.2 */
int proof_check_inclusion(const struct proof *p, struct chain *c, uint64_t index, uint64_t size,
			  const uint8_t leaf[HASH_LEN], const uint8_t root[HASH_LEN])
{
	uint64_t fn = index, sn = size - 1;
	uint8_t hash[HASH_LEN];
	int r = 0;
	if (index >= size)
		return ERR_VERIFY;
	memcpy(hash, leaf, HASH_LEN);
	for (int i = 0; i < p->n && r == 0; i++) {
		if (sn == 0)
			return ERR_VERIFY;
		bool is_right = fn & 1 || fn == sn;
		r = is_right ? tree_join(c, p->hashes[i], hash, hash)
			     : tree_join(c, hash, p->hashes[i], hash);
		while (is_right && !(fn & 1) && fn != 0)
			fn >>= 1, sn >>= 1;
		fn >>= 1, sn >>= 1;
	}
	if (r < 0)
		return r;
	return sn == 0 && memcmp(hash, root, HASH_LEN) == 0 ? 0 : ERR_VERIFY;
}

/* RFC 9162 2.1.4.2, from its step 3 on. */
static int check_extends(const struct proof *p, struct chain *c, uint64_t old, uint64_t size,
			 const uint8_t *old_root, const uint8_t *root)
{
	uint64_t fn = old - 1, sn = size - 1;
	uint8_t fr[HASH_LEN], sr[HASH_LEN];
	bool is_power = (old & (old - 1)) == 0;
	int at = is_power ? 0 : 1, r = 0;
	if (p->n < at + 1)
		return ERR_VERIFY;
	memcpy(fr, is_power ? old_root : p->hashes[0], HASH_LEN);
	memcpy(sr, fr, HASH_LEN);
	for (; fn & 1; fn >>= 1)
		sn >>= 1;
	for (; at < p->n && r == 0; at++) {
		if (sn == 0)
			return ERR_VERIFY;
		bool is_right = fn & 1 || fn == sn;
		if (is_right)
			r = tree_join(c, p->hashes[at], fr, fr);
		if (r == 0)
			r = is_right ? tree_join(c, p->hashes[at], sr, sr)
				     : tree_join(c, sr, p->hashes[at], sr);
		while (is_right && !(fn & 1) && fn != 0)
			fn >>= 1, sn >>= 1;
		fn >>= 1, sn >>= 1;
	}
	if (r < 0)
		return r;
	return sn == 0 && !memcmp(fr, old_root, HASH_LEN) && !memcmp(sr, root, HASH_LEN)
		   ? 0
		   : ERR_VERIFY;
}

int proof_check_consistency(const struct proof *p, struct chain *c, uint64_t old, uint64_t size,
			    const uint8_t old_root[HASH_LEN], const uint8_t root[HASH_LEN])
{
	if (old == 0 || old > size)
		return ERR_VERIFY;
	if (old < size)
		return check_extends(p, c, old, size, old_root, root);
	return p->n == 0 && memcmp(old_root, root, HASH_LEN) == 0 ? 0 : ERR_VERIFY;
}
