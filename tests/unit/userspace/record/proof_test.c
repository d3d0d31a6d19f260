/* Every proof of every small tree, and what is no proof. */
#include <stdlib.h>

#include "../../tap.h"
#include "record/proof.h"

#define ENTRIES 70

static struct chain *chain;
static uint8_t leaves[ENTRIES][HASH_LEN], roots[ENTRIES + 1][HASH_LEN];

static int node(void *ctx, unsigned height, uint64_t index, uint8_t ret_hash[HASH_LEN])
{
	uint8_t left[HASH_LEN], right[HASH_LEN];
	if (height == 0) {
		memcpy(ret_hash, leaves[index], HASH_LEN);
		return 0;
	}
	int r = node(ctx, height - 1, 2 * index, left);
	if (r == 0)
		r = node(ctx, height - 1, 2 * index + 1, right);
	return r == 0 ? tree_join(chain, left, right, ret_hash) : r;
}

static const struct tree_nodes nodes = {.node = node};

static void make_trees(void)
{
	struct tree t = {0};
	uint8_t entry[HASH_LEN];
	for (size_t i = 0; i < ENTRIES; i++) {
		memset(entry, (int)i, sizeof(entry));
		CHECK_INT(tree_leaf(chain, entry, leaves[i]), 0);
		CHECK_INT(tree_add(&t, chain, entry, NULL), 0);
		CHECK_INT(tree_root(&t, chain, roots[i + 1]), 0);
	}
}

/* Is it a proof of this, and of nothing beside it? */
static bool proves_inclusion(struct proof *p, uint64_t i, uint64_t n)
{
	if (proof_check_inclusion(p, chain, i, n, leaves[i], roots[n]) < 0)
		return false;
	bool ok =
	    n == 1 || proof_check_inclusion(p, chain, (i + 1) % n, n, leaves[i], roots[n]) < 0;
	ok = ok &&
	     (n == 1 || proof_check_inclusion(p, chain, i, n, leaves[(i + 1) % n], roots[n]) < 0);
	for (int k = 0; k < p->n; k++) {
		p->hashes[k][k % HASH_LEN] ^= 1;
		ok = ok && proof_check_inclusion(p, chain, i, n, leaves[i], roots[n]) < 0;
		p->hashes[k][k % HASH_LEN] ^= 1;
	}
	p->n++;
	ok = ok && proof_check_inclusion(p, chain, i, n, leaves[i], roots[n]) < 0;
	p->n -= 2;
	return ok && (p->n < 0 || proof_check_inclusion(p, chain, i, n, leaves[i], roots[n]) < 0);
}

static void includes_every_entry(void)
{
	struct proof p = {0};
	for (uint64_t n = 1; n <= ENTRIES; n++)
		for (uint64_t i = 0; i < n; i++) {
			CHECK_INT(proof_inclusion(&nodes, chain, i, n, &p), 0);
			CHECK(proves_inclusion(&p, i, n));
		}
	CHECK_INT(proof_inclusion(&nodes, chain, 5, 5, &p), ERR_LIMIT);
}

static bool proves_consistency(struct proof *p, uint64_t old, uint64_t n)
{
	if (proof_check_consistency(p, chain, old, n, roots[old], roots[n]) < 0)
		return false;
	bool ok =
	    old == 1 || proof_check_consistency(p, chain, old, n, roots[old - 1], roots[n]) < 0;
	ok = ok &&
	     (old == n || proof_check_consistency(p, chain, old, n, roots[old], roots[n - 1]) < 0);
	for (int k = 0; k < p->n; k++) {
		p->hashes[k][k % HASH_LEN] ^= 1;
		ok = ok && proof_check_consistency(p, chain, old, n, roots[old], roots[n]) < 0;
		p->hashes[k][k % HASH_LEN] ^= 1;
	}
	p->n++;
	return ok && proof_check_consistency(p, chain, old, n, roots[old], roots[n]) < 0;
}

static void goes_on_from_every_size(void)
{
	struct proof p = {0};
	for (uint64_t n = 1; n <= ENTRIES; n++)
		for (uint64_t old = 1; old <= n; old++) {
			CHECK_INT(proof_consistency(&nodes, chain, old, n, &p), 0);
			CHECK(proves_consistency(&p, old, n));
		}
	CHECK_INT(proof_consistency(&nodes, chain, 0, 5, &p), ERR_LIMIT);
	CHECK_INT(proof_consistency(&nodes, chain, 6, 5, &p), ERR_LIMIT);
}

static struct checkpoint at(uint64_t seq)
{
	struct checkpoint c = {.seq = seq, .time = 5, .node = "node-07"};
	memcpy(c.root, roots[seq], HASH_LEN);
	return c;
}

static void reads_what_it_wrote(void)
{
	struct proof_text t, back;
	struct buf text;
	proof_text_init(&t);
	buf_init(&text, PROOF_TEXT_MAX);
	for (int i = 0; i < 2; i++) {
		t.is_consistency = i;
		t.index = i ? 41 : 33;
		t.checkpoint = at(67);
		buf_reset(&t.event);
		if (!i)
			buf_add_str(&t.event, "{\"_prev\":...");
		CHECK_INT(i ? proof_consistency(&nodes, chain, 41, 67, &t.proof)
			    : proof_inclusion(&nodes, chain, 33, 67, &t.proof),
			  0);
		buf_reset(&text);
		proof_write(&text, &t);
		struct span s = buf_span(&text);
		proof_text_init(&back);
		CHECK_INT(proof_read(s, &back), 0);
		CHECK_INT(back.index, t.index);
		CHECK_INT(back.proof.n, t.proof.n);
		CHECK(!memcmp(&back.checkpoint, &t.checkpoint, sizeof(t.checkpoint)));
		CHECK(span_eq(buf_span(&back.event), buf_span(&t.event)));
		proof_text_done(&back);
		for (size_t cut = 0; cut < s.len; cut++) {
			proof_text_init(&back);
			CHECK_INT(proof_read(span_of(s.p, cut), &back), ERR_MALFORMED);
			proof_text_done(&back);
		}
	}
	buf_done(&text);
	proof_text_done(&t);
}

int main(void)
{
	CHECK_INT(chain_new(&chain), 0);
	make_trees();
	includes_every_entry();
	goes_on_from_every_size();
	reads_what_it_wrote();
	chain_free(chain);
	return tap_done();
}
