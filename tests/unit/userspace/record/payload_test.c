/* What of an event is its payload, and that taking it out and putting it back makes the same bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <zstd.h>

#include "../../tap.h"
#include "base/jw.h"
#include "base/macro.h"
#include "record/payload.h"

#define COMMON "\"session\":\"s-1\",\"tag\":\"SELECT\""

static const struct {
	const char *type, *event, *payload, *replaced; /* NULL: has none */
} rows[] = {
    {"op",
     "{\"class\":\"read\",\"params\":[\"a\"]," COMMON ",\"text\":\"SELECT 1\",\"type\":\"op\"}",
     "{\"params\":[\"a\"],\"text\":\"SELECT 1\"}",
     "{\"class\":\"read\",\"sealed\":\"QUJD\"," COMMON ",\"type\":\"op\"}"},
    {"op", "{\"class\":\"read\"," COMMON ",\"text_b64\":\"/w==\",\"type\":\"op\",\"write\":true}",
     "{\"text_b64\":\"/w==\"}",
     "{\"class\":\"read\",\"sealed\":\"QUJD\"," COMMON ",\"type\":\"op\",\"write\":true}"},
    {"op", "{\"class\":\"read\"," COMMON ",\"type\":\"op\"}", NULL, NULL},
    /* A reason may quote what was asked; whether and by which rule it was denied stays. */
    {"op",
     "{\"decision\":\"deny\",\"reason\":\"near \\\"x\\\"\",\"rule\":\"syntax\"," COMMON
     ",\"type\":\"op\"}",
     "{\"reason\":\"near \\\"x\\\"\"}",
     "{\"decision\":\"deny\",\"rule\":\"syntax\",\"sealed\":\"QUJD\"," COMMON ",\"type\":\"op\"}"},
    {"op.end",
     "{\"columns\":[\"a\"],\"error\":\"x\",\"id\":1,\"result\":[[\"1\"]],\"result_sha256\":\"ab\","
     "\"type\":\"op.end\"}",
     "{\"columns\":[\"a\"],\"error\":\"x\",\"result\":[[\"1\"]],\"result_sha256\":\"ab\"}",
     "{\"id\":1,\"sealed\":\"QUJD\",\"type\":\"op.end\"}"},
    {"op.end", "{\"id\":1,\"type\":\"op.end\"}", NULL, NULL},
    {"approval.request",
     "{\"hash\":\"h\",\"text\":\"DROP\",\"type\":\"approval.request\",\"words\":\"please\"}",
     "{\"text\":\"DROP\",\"words\":\"please\"}",
     "{\"hash\":\"h\",\"sealed\":\"QUJD\",\"type\":\"approval.request\"}"},
    /* Of other types these fields are no payload. */
    {"approval.vote", "{\"type\":\"approval.vote\",\"words\":\"yes\"}", NULL, NULL},
    {"policy.load", "{\"error\":\"line 1\",\"type\":\"policy.load\"}", NULL, NULL},
};

static void takes_and_replaces(void)
{
	struct buf payload, event, again;
	struct scan s;
	struct marks m;
	buf_init(&payload, 4096);
	buf_init(&event, 4096);
	buf_init(&again, 4096);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct span in = span_str(rows[i].event), type = span_str(rows[i].type);
		buf_reset(&payload);
		buf_reset(&event);
		buf_reset(&again);
		CHECK_INT(payload_take(in, 1, type, &payload), rows[i].payload != NULL);
		if (!rows[i].payload)
			continue;
		CHECK(span_is(buf_span(&payload), rows[i].payload));
		CHECK_INT(payload_replace(in, type, "sealed", span_str("QUJD"), &event, &m), 0);
		CHECK(span_is(buf_span(&event), rows[i].replaced));
		CHECK_INT(scan_event(buf_span(&event), false, &s), 0);
		CHECK_INT(payload_restore(&s, buf_span(&payload), &again), 0);
		CHECK(span_eq(buf_span(&again), in));
		struct marks fresh;
		marks_take(&fresh, &s, buf_span(&event));
		for (int k = 0; k < MARKS; k++)
			CHECK(m.len[k] == fresh.len[k] && (!m.len[k] || m.at[k] == fresh.at[k]));
	}
	buf_done(&payload);
	buf_done(&event);
	buf_done(&again);
}

static void packs(void)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();
	struct buf in, out, back;
	buf_init(&in, PAYLOAD_MAX);
	buf_init(&out, PAYLOAD_MAX);
	buf_init(&back, PAYLOAD_MAX);
	for (int i = 0; i < 500; i++)
		buf_printf(&in, "word %d ", i % 7);
	CHECK_INT(payload_pack(c, 3, buf_span(&in), &out), 1);
	CHECK(buf_len(&out) < buf_len(&in) / 4);
	CHECK_INT(payload_unpack(buf_span(&out), &back), 0);
	CHECK(span_eq(buf_span(&in), buf_span(&back)));
	for (size_t n = 0; n < buf_len(&out); n++) { /* cut anywhere: no */
		struct buf bad;
		buf_init(&bad, PAYLOAD_MAX);
		CHECK(payload_unpack(span_of(buf_span(&out).p, n), &bad) < 0);
		buf_done(&bad);
	}
	buf_reset(&out);
	CHECK_INT(payload_pack(c, 3, span_str("short"), &out), 0);
	buf_reset(&in);
	srand(7);
	for (int i = 0; i < 1000; i++)
		buf_add_u8(&in, (uint8_t)rand());
	CHECK_INT(payload_pack(c, 3, buf_span(&in), &out), 0);
	CHECK_INT(buf_len(&out), 0);
	ZSTD_freeCCtx(c);
	buf_done(&in);
	buf_done(&out);
	buf_done(&back);
}

/* A frame that says it is larger than any payload is not unpacked. */
static void holds_to_its_limit(void)
{
	size_t n = PAYLOAD_MAX + 1, room = ZSTD_compressBound(n);
	uint8_t *zeros = calloc(1, n), *frame = malloc(room);
	struct buf out;
	buf_init(&out, 4 * PAYLOAD_MAX);
	size_t len = ZSTD_compress(frame, room, zeros, n, 1);
	CHECK(len < 1000);
	CHECK_INT(payload_unpack(span_of(frame, len), &out), ERR_LIMIT);
	CHECK_INT(payload_unpack(span_str("no frame"), &out), ERR_MALFORMED);
	buf_done(&out);
	free(zeros);
	free(frame);
}

static void unpacks_events(void)
{
	static const char event[] =
	    "{\"_prev\":\"00\",\"_seq\":1,\"packed\":\"%s\",\"type\":\"op\"}";
	char line[4096], base64[1024] = "";
	struct buf in, frame, text, out;
	ZSTD_CCtx *c = ZSTD_createCCtx();
	buf_init(&in, 4096);
	buf_init(&frame, 4096);
	buf_init(&text, 4096);
	buf_init(&out, 8192);
	buf_add_str(&in, "{\"text\":\"");
	for (int i = 0; i < 300; i++)
		buf_add_u8(&in, 'x');
	buf_add_str(&in, "\"}");
	CHECK_INT(payload_pack(c, 3, buf_span(&in), &frame), 1);
	buf_add_base64(&text, buf_span(&frame));
	memcpy(base64, buf_span(&text).p, buf_len(&text));
	snprintf(line, sizeof(line), event, base64);
	CHECK_INT(payload_unpack_event(span_str(line), &out), 1);
	struct span s = buf_span(&out);
	CHECK(s.len > 300 && memmem(s.p, s.len, "\"text\":\"xxx", 11) &&
	      !memmem(s.p, s.len, "packed", 6));
	CHECK_INT(payload_unpack_event(span_str("{\"type\":\"op\"}"), &out), 0);
	snprintf(line, sizeof(line), event, "####");
	CHECK(payload_unpack_event(span_str(line), &out) < 0);
	snprintf(line, sizeof(line), event, "QUJD");
	CHECK(payload_unpack_event(span_str(line), &out) < 0);
	ZSTD_freeCCtx(c);
	buf_done(&in);
	buf_done(&frame);
	buf_done(&text);
	buf_done(&out);
}

/* A payload may not say again what the event says. */
static void refuses_doubles(void)
{
	struct scan s;
	struct buf out;
	buf_init(&out, 4096);
	CHECK_INT(scan_event(span_str("{\"decision\":\"deny\",\"sealed\":\"x\",\"type\":\"op\"}"),
			     false, &s),
		  0);
	CHECK_INT(payload_restore(&s, span_str("{\"decision\":\"allow\"}"), &out), ERR_MALFORMED);
	CHECK_INT(payload_restore(&s, span_str("{\"text\" :1}"), &out), ERR_MALFORMED);
	buf_done(&out);
}

int main(void)
{
	takes_and_replaces();
	packs();
	holds_to_its_limit();
	unpacks_events();
	refuses_doubles();
	return tap_done();
}
