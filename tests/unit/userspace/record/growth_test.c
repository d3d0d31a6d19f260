/* How a tree grew leads from each smaller tree to each larger one, and to no other. */
#include <stdlib.h>

#include "../../tap.h"
#include "record/growth.h"

#define SIZE 300

static struct chain *chain;
static uint8_t entries[SIZE][HASH_LEN];

static int node(void *ctx, unsigned height, uint64_t index, uint8_t ret_hash[HASH_LEN])
{
	uint8_t left[HASH_LEN], right[HASH_LEN];
	if (height == 0)
		return index < SIZE ? tree_leaf(chain, entries[index], ret_hash) : ERR_NOT_FOUND;
	int r = node(ctx, height - 1, 2 * index, left);
	if (r == 0)
		r = node(ctx, height - 1, 2 * index + 1, right);
	return r < 0 ? r : tree_join(chain, left, right, ret_hash);
}

static const struct tree_nodes nodes = {.node = node};

static void tree_of(uint64_t size, struct tree *t)
{
	*t = (struct tree){0};
	for (uint64_t i = 0; i < size; i++)
		CHECK_INT(tree_add(t, chain, entries[i], NULL), 0);
}

static void leads_from_any_to_any(void)
{
	static const uint64_t sizes[] = {0,  1,	  2,   3,   7,	 8,   9,   63,	64,
					 65, 127, 128, 200, 255, 256, 257, 299, 300};
	const size_t n = sizeof(sizes) / sizeof(*sizes);
	for (size_t i = 0; i < n; i++)
		for (size_t j = i; j < n; j++) {
			struct tree t, want;
			struct buf out;
			buf_init(&out, GROWTH_MAX);
			CHECK_INT(growth_write(&nodes, chain, sizes[i], sizes[j], &out), 0);
			CHECK(buf_len(&out) / GROWTH_NODE <= 2 * 9);
			tree_of(sizes[i], &t);
			tree_of(sizes[j], &want);
			CHECK_INT(growth_take(buf_span(&out), chain, &t), 0);
			CHECK(tree_same(&t, &want));
			buf_done(&out);
		}
}

static void refuses(void)
{
	struct tree t;
	struct buf out;
	buf_init(&out, GROWTH_MAX + GROWTH_NODE);
	CHECK_INT(growth_write(&nodes, chain, 64, 128, &out), 0);
	tree_of(63, &t); /* it is no border of this one */
	CHECK_INT(growth_take(buf_span(&out), chain, &t), ERR_MALFORMED);
	tree_of(64, &t);
	CHECK_INT(growth_take(span_of(buf_span(&out).p, buf_len(&out) - 1), chain, &t),
		  ERR_MALFORMED);
	buf_reset(&out);
	for (int i = 0; i <= GROWTH_MAX / GROWTH_NODE; i++)
		for (int k = 0; k < GROWTH_NODE; k++)
			buf_add_u8(&out, '0');
	tree_of(0, &t);
	CHECK_INT(growth_take(buf_span(&out), chain, &t), ERR_MALFORMED);
	CHECK_INT(growth_take(span_str("zz"), chain, &t), ERR_MALFORMED);
	buf_done(&out);
}

int main(void)
{
	CHECK_INT(chain_new(&chain), 0);
	for (int i = 0; i < SIZE; i++)
		CHECK_INT(chain_digest(chain, span_of((uint8_t *)&i, sizeof(i)), entries[i]), 0);
	leads_from_any_to_any();
	refuses();
	chain_free(chain);
	return tap_done();
}
