/* A client's bytes, from the first one on; the dial succeeds at once, the server is silent. Whole
 * and in pieces they have one outcome, bar what stands behind an SSLRequest in the same piece. */
#include "tests/unit/userspace/proto/postgres/rig.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(struct span bytes, size_t chunk, bool holds, struct rig *r)
{
	struct dialled d = {.cancel_pid = 1, .cancel_key = 2};
	rig_init(r, chunk);
	r->holds = holds;
	rig_open(r);
	rig_put(r, FROM_CLIENT, bytes);
	if (r->is_dialling)
		rig_dialled(r, &d);
}

static bool is_same(struct buf *a, struct buf *b)
{
	return span_eq(buf_span(a), buf_span(b));
}

static bool asks_for_encryption(struct span s)
{
	return s.len >= 8 && s.p[4] == 4 && s.p[5] == 0xd2;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span bytes = span_of(data, size);
	struct rig whole, pieces;
	if (!rig_catalog)
		rig_catalog = rig_small_catalog();
	run(bytes, 0, false, &whole);
	run(bytes, 1 + size % 7, size % 2, &pieces);
	if (!asks_for_encryption(bytes) &&
	    (whole.err != pieces.err || !is_same(&whole.to[TO_SERVER], &pieces.to[TO_SERVER]) ||
	     !is_same(&whole.to[TO_CLIENT], &pieces.to[TO_CLIENT]) ||
	     !is_same(&whole.log, &pieces.log)))
		abort();
	rig_done(&whole);
	rig_done(&pieces);
	return 0;
}
