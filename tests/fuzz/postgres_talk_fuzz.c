/* Both sides of a session. Input: a byte of options, then pieces: a byte with the side (highest
 * bit) and the length (the rest), and the bytes. What is refused or unread never reaches the other
 * side whole; the sanitizers watch the rest. */
#include "tests/unit/userspace/proto/postgres/rig.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cur c = cur_of(span_of(data, size));
	uint8_t options = cur_u8(&c);
	struct rig r;
	if (!rig_catalog)
		rig_catalog = rig_small_catalog();
	rig_init(&r, options & 1 ? 1 : 0);
	r.holds = options & 2;
	r.is_opaque_allowed = options & 4;
	r.wants_rows = options & 8;
	r.is_replication = options & 16;
	if (r.is_opaque_allowed)
		r.denies = rig_allows_all;
	rig_begin(&r);
	while (!r.err && cur_left(&c)) {
		uint8_t head = cur_u8(&c);
		size_t len = head & 127;
		struct span piece = cur_bytes(&c, len < cur_left(&c) ? len : cur_left(&c));
		rig_put(&r, head & 128 ? FROM_SERVER : FROM_CLIENT, piece);
	}
	if (!r.err)
		proto_postgres.farewell(r.state, NULL, "the end", &r.sink);
	rig_done(&r);
	return 0;
}
