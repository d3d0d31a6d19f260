#include "record/growth.h"

/* The height of the next node: as high as the border at from allows, and within size. */
static unsigned height_at(uint64_t from, uint64_t size)
{
	unsigned h = from ? (unsigned)__builtin_ctzll(from) : TREE_HEIGHTS - 2;
	while (h && (size - from) >> h == 0)
		h--;
	return h;
}

int growth_write(const struct tree_nodes *t, struct chain *c, uint64_t from, uint64_t size,
		 struct buf *out)
{
	int r = 0;
	while (r == 0 && from < size) {
		unsigned h = height_at(from, size);
		uint8_t node[1 + HASH_LEN] = {(uint8_t)h};
		r = proof_range(t, c, from, 1ull << h, node + 1);
		char hex[2 * sizeof(node) + 1];
		hex_encode(node, sizeof(node), hex);
		buf_add(out, hex, 2 * sizeof(node));
		from += 1ull << h;
	}
	return r < 0 ? r : buf_err(out);
}

int growth_take(struct span nodes, struct chain *c, struct tree *t)
{
	int r = nodes.len % GROWTH_NODE || nodes.len > GROWTH_MAX ? ERR_MALFORMED : 0;
	for (size_t at = 0; r == 0 && at < nodes.len; at += GROWTH_NODE) {
		uint8_t node[1 + HASH_LEN];
		r = hex_decode(span_of(nodes.p + at, GROWTH_NODE), node, sizeof(node));
		if (r == 0)
			r = tree_graft(t, c, node[0], node + 1);
	}
	return r;
}
