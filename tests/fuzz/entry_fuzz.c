/* A client that logs in to the server itself. Input: a byte of options, then pieces: a byte with
 * the side (highest bit) and the length (the rest), and the bytes. Nobody is in before the server
 * has let them, nor without having been asked. */
#include "tests/unit/userspace/proto/postgres/rig.c"

#include "tests/unit/userspace/proto/postgres/entry_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cur c = cur_of(span_of(data, size));
	uint8_t options = cur_u8(&c);
	bool was_asked = false;
	struct rig r;
	if (!rig_catalog)
		rig_catalog = rig_small_catalog();
	rig_init(&r, options & 1 ? 1 : 0);
	r.is_replication = options & 2;
	entry_rig_begin(&r, options & 4, options & 8);
	while (!r.err && cur_left(&c)) {
		uint8_t head = cur_u8(&c);
		size_t len = head & 127;
		struct span piece = cur_bytes(&c, len < cur_left(&c) ? len : cur_left(&c));
		if (head & 128)
			was_asked |= memchr(piece.p, 'R', piece.len) != NULL;
		rig_put(&r, head & 128 ? FROM_SERVER : FROM_CLIENT, piece);
		if (r.is_dialling && !was_asked)
			abort();
		if (options & 16)
			entry_rig_catalog(&r);
	}
	entry_rig_catalog(&r);
	if (!r.err)
		proto_postgres.farewell(r.state, NULL, "the end", &r.sink);
	rig_done(&r);
	return 0;
}
