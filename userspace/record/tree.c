#include "record/tree.h"

#include <stdbool.h>
#include <string.h>

int tree_leaf(struct chain *c, const uint8_t entry[HASH_LEN], uint8_t out[HASH_LEN])
{
	uint8_t text[1 + HASH_LEN] = {0x00};
	memcpy(text + 1, entry, HASH_LEN);
	return chain_digest(c, span_of(text, sizeof(text)), out);
}

int tree_join(struct chain *c, const uint8_t left[HASH_LEN], const uint8_t right[HASH_LEN],
	      uint8_t out[HASH_LEN])
{
	uint8_t text[1 + 2 * HASH_LEN] = {0x01};
	memcpy(text + 1, left, HASH_LEN);
	memcpy(text + 1 + HASH_LEN, right, HASH_LEN);
	return chain_digest(c, span_of(text, sizeof(text)), out);
}

int tree_add(struct tree *t, struct chain *c, const uint8_t entry[HASH_LEN],
	     const struct tree_keep *keep)
{
	uint8_t node[HASH_LEN];
	unsigned h = 0;
	int r = tree_leaf(c, entry, node);
	for (; r == 0 && t->size >> h & 1; h++) {
		r = tree_join(c, t->nodes[h], node, node);
		if (r == 0 && keep && (h + 1) % TREE_STEP == 0)
			r = keep->node(keep->ctx, h + 1, t->size >> (h + 1), node);
	}
	if (r < 0)
		return r;
	memcpy(t->nodes[h], node, HASH_LEN);
	t->size++;
	return 0;
}

int tree_graft(struct tree *t, struct chain *c, unsigned height, const uint8_t node[HASH_LEN])
{
	uint8_t at[HASH_LEN];
	unsigned h = height;
	if (height >= TREE_HEIGHTS - 1 || t->size & ((1ull << height) - 1))
		return ERR_MALFORMED;
	memcpy(at, node, HASH_LEN);
	for (; t->size >> h & 1; h++) {
		int r = tree_join(c, t->nodes[h], at, at);
		if (r < 0)
			return r;
	}
	memcpy(t->nodes[h], at, HASH_LEN);
	t->size += 1ull << height;
	return 0;
}

int tree_root(const struct tree *t, struct chain *c, uint8_t out[HASH_LEN])
{
	bool has_any = false;
	int r = 0;
	if (t->size == 0)
		return chain_digest(c, (struct span){0}, out);
	for (unsigned h = 0; r == 0 && h < TREE_HEIGHTS; h++) {
		if (!(t->size >> h & 1))
			continue;
		if (has_any)
			r = tree_join(c, t->nodes[h], out, out);
		else
			memcpy(out, t->nodes[h], HASH_LEN);
		has_any = true;
	}
	return r;
}

size_t tree_edge(const struct tree *t, uint8_t out[TREE_EDGE_MAX])
{
	size_t n = 0;
	for (unsigned h = TREE_HEIGHTS; h-- > 0;) {
		if (!(t->size >> h & 1))
			continue;
		memcpy(out + n, t->nodes[h], HASH_LEN);
		n += HASH_LEN;
	}
	return n;
}

int tree_read(struct span edge, uint64_t size, struct tree *ret_t)
{
	struct cur c = cur_of(edge);
	*ret_t = (struct tree){.size = size};
	if (edge.len != (size_t)__builtin_popcountll(size) * HASH_LEN)
		return ERR_MALFORMED;
	for (unsigned h = TREE_HEIGHTS; h-- > 0;)
		if (size >> h & 1)
			memcpy(ret_t->nodes[h], cur_bytes(&c, HASH_LEN).p, HASH_LEN);
	return 0;
}

bool tree_has(const struct tree *t, unsigned height, uint64_t index, uint8_t ret_hash[HASH_LEN])
{
	if (height >= TREE_HEIGHTS || !(t->size >> height & 1) || index != (t->size >> height) - 1)
		return false;
	memcpy(ret_hash, t->nodes[height], HASH_LEN);
	return true;
}

bool tree_same(const struct tree *a, const struct tree *b)
{
	if (a->size != b->size)
		return false;
	for (unsigned h = 0; h < TREE_HEIGHTS; h++)
		if (a->size >> h & 1 && memcmp(a->nodes[h], b->nodes[h], HASH_LEN) != 0)
			return false;
	return true;
}
