/* The tree's edge against RFC 6962 2.1 as it stands there. */
#include "../../tap.h"
#include "record/tree.h"

#define ENTRIES 600

static struct chain *chain;
static uint8_t entries[ENTRIES][HASH_LEN];

static void recursive(size_t from, size_t n, uint8_t out[HASH_LEN])
{
	uint8_t left[HASH_LEN], right[HASH_LEN];
	size_t k = 1;
	if (n == 1) {
		CHECK_INT(tree_leaf(chain, entries[from], out), 0);
		return;
	}
	while (2 * k < n)
		k *= 2;
	recursive(from, k, left);
	recursive(from + k, n - k, right);
	CHECK_INT(tree_join(chain, left, right, out), 0);
}

static void has_the_root_of_the_rfc(void)
{
	struct tree t = {0};
	uint8_t root[HASH_LEN], want[HASH_LEN];
	char hex[HASH_HEX + 1];
	CHECK_INT(tree_root(&t, chain, root), 0);
	hex_encode(root, HASH_LEN, hex); /* sha256sum </dev/null */
	CHECK_STR(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	for (size_t i = 0; i < ENTRIES; i++) {
		CHECK_INT(tree_add(&t, chain, entries[i], NULL), 0);
		if (i > 20 && i % 37)
			continue;
		CHECK_INT(tree_root(&t, chain, root), 0);
		recursive(0, i + 1, want);
		CHECK(!memcmp(root, want, HASH_LEN));
	}
}

/* (head -c 1 /dev/zero; head -c 32 /dev/zero) | sha256sum */
static void has_the_leaf_of_the_rfc(void)
{
	uint8_t zero[HASH_LEN] = {0}, leaf[HASH_LEN];
	char hex[HASH_HEX + 1];
	CHECK_INT(tree_leaf(chain, zero, leaf), 0);
	hex_encode(leaf, HASH_LEN, hex);
	CHECK_STR(hex, "7f9c9e31ac8256ca2f258583df262dbc7d6f68f2a03043d5c99a4ae5a7396ce9");
}

static int n_kept;

static int keep(void *ctx, unsigned height, uint64_t index, const uint8_t hash[HASH_LEN])
{
	uint8_t want[HASH_LEN];
	(void)ctx;
	CHECK_INT(height, 8);
	CHECK_INT(index, n_kept);
	recursive(index * 256, 256, want);
	CHECK(!memcmp(hash, want, HASH_LEN));
	n_kept++;
	return 0;
}

static void tells_of_whole_nodes(void)
{
	struct tree t = {0};
	const struct tree_keep k = {.node = keep};
	for (size_t i = 0; i < ENTRIES; i++)
		CHECK_INT(tree_add(&t, chain, entries[i], &k), 0);
	CHECK_INT(n_kept, 2);
}

static void goes_on_from_its_edge(void)
{
	struct tree t = {0}, u;
	uint8_t edge[TREE_EDGE_MAX], a[HASH_LEN], b[HASH_LEN];
	for (size_t i = 0; i < ENTRIES; i++) {
		size_t len = tree_edge(&t, edge);
		CHECK_INT(tree_read(span_of(edge, len), t.size, &u), 0);
		CHECK(tree_same(&t, &u));
		CHECK_INT(tree_read(span_of(edge, len + HASH_LEN), t.size, &u), ERR_MALFORMED);
		CHECK_INT(tree_read(span_of(edge, len), t.size, &u), 0);
		CHECK_INT(tree_add(&t, chain, entries[i], NULL), 0);
		CHECK_INT(tree_add(&u, chain, entries[i], NULL), 0);
		CHECK(tree_same(&t, &u));
		u.nodes[__builtin_ctzll(u.size)][0] ^= 1;
		CHECK(!tree_same(&t, &u));
	}
	recursive(512, 64, a);
	CHECK(tree_has(&t, 6, 8, b) && !memcmp(a, b, HASH_LEN));
	CHECK(!tree_has(&t, 6, 7, b));
	CHECK(!tree_has(&t, 5, 18, b));
}

int main(void)
{
	CHECK_INT(chain_new(&chain), 0);
	for (size_t i = 0; i < ENTRIES; i++)
		CHECK_INT(chain_digest(chain, span_of(&i, sizeof(i)), entries[i]), 0);
	has_the_root_of_the_rfc();
	has_the_leaf_of_the_rfc();
	tells_of_whole_nodes();
	goes_on_from_its_edge();
	chain_free(chain);
	return tap_done();
}
