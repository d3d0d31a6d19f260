/* A store with its writer for the parts of the recorder that ask for one, without the recorder's process. */
#pragma once

#include <limits.h>

#include "../record_batch.h"
#include "../rig_sign.h"
#include "record/writer.h"

struct rig_store {
	char dir[PATH_MAX];
	struct chain *chain;
	struct store *store;
	struct writer *writer;
};

static inline void rig_store_open(struct rig_store *g)
{
	const struct store_options o = {.node = "node-07", .segment_bytes = 1 << 20};
	char why[1000] = "";
	*g = (struct rig_store){.dir = "/tmp/sluice-rec-XXXXXX"};
	if (!mkdtemp(g->dir) || chain_new(&g->chain) < 0 || store_open(g->dir, &o, &g->store, why, sizeof(why)) < 0 ||
	    writer_start(g->store, 1 << 16, &g->writer) < 0) {
		printf("FAIL rig_store: %s\n", why);
		abort();
	}
}

/* Writes events until there are so many segments, of which the last one is live. The writer is another one then:
 * who runs would wait for each segment's signature. */
static inline void rig_store_grow(struct rig_store *g, uint32_t segments)
{
	struct batch b;
	batch_init(&b, 16 << 20);
	writer_stop(g->writer);
	while (store_segment(g->store) < segments) {
		memcpy(b.hash, store_hash(g->store), HASH_LEN);
		for (int i = 0; i < 40; i++)
			batch_op(&b, g->chain, store_seq(g->store) + 1, "s-1", "allow", 7000);
		if (writer_write(g->store, 1 << 16, &b) < 0)
			abort();
		batch_reset(&b);
	}
	batch_done(&b);
	if (writer_start(g->store, 1 << 16, &g->writer) < 0)
		abort();
}

static inline void rig_store_close(struct rig_store *g)
{
	writer_stop(g->writer);
	store_close(g->store);
	chain_free(g->chain);
	rig_remove(g->dir);
}
