/* Payloads: of an event that is canonical, taking it out and putting it back makes the same bytes,
 * and the marks are those of a fresh look; what is unpacked never is larger than it may be. */
#include <stdlib.h>

#include "record/payload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(struct span event, const struct scan *s)
{
	struct buf payload, event2, again;
	struct marks m, fresh;
	struct scan t;
	struct span type = scan_plain(s, "type");
	buf_init(&payload, 4 * PAYLOAD_MAX);
	buf_init(&event2, 4 * PAYLOAD_MAX);
	buf_init(&again, 4 * PAYLOAD_MAX);
	bool is_sealed = scan_get(s, "sealed").len || scan_get(s, "packed").len;
	if (!is_sealed && payload_take(event, 1, type, &payload) == 1) {
		if (payload_replace(event, type, "packed", span_str("QUJD"), &event2, &m) < 0 ||
		    scan_event(buf_span(&event2), true, &t) < 0 ||
		    payload_restore(&t, buf_span(&payload), &again) < 0 ||
		    !span_eq(buf_span(&again), event))
			abort();
		marks_take(&fresh, &t, buf_span(&event2));
		for (int k = 0; k < MARKS; k++)
			if (m.len[k] != fresh.len[k] || (m.len[k] && m.at[k] != fresh.at[k]))
				abort();
	}
	buf_done(&payload);
	buf_done(&event2);
	buf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size);
	struct scan s;
	struct buf out;
	buf_init(&out, 2 * PAYLOAD_MAX);
	if (scan_event(text, true, &s) == 0)
		round_trip(text, &s);
	if (payload_unpack_event(text, &out) == 1 && scan_event(buf_span(&out), true, &s) < 0)
		abort();
	buf_reset(&out);
	if (payload_unpack(text, &out) == 0 && buf_len(&out) > PAYLOAD_MAX)
		abort();
	buf_done(&out);
	return 0;
}
