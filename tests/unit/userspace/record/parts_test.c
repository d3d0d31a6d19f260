/* What is too long for an operation's event stands in parts before it, whole, and is bound by the
 * event. */
#include <stdlib.h>

#include "../../tap.h"
#include "record/event_internal.h"
#include "record/parts.h"
#include "record/payload.h"
#include "record/ring.h"
#include "record/scan.h"

static const struct who who = {.session = "s", .subject = "crew", .owner = "", .role = "r"};

struct made {
	struct buf event;
	struct parts parts;
	struct scan e;
};

static void make(struct made *m, size_t limit, struct span text, struct span param, bool is_binary)
{
	struct event_ctx c = {
	    .node = "n", .who = &who, .flow = "f-1", .resource = "db", .time_ns = 1};
	uint16_t format = is_binary;
	struct op op = {.id = 7,
			.protocol = "postgres",
			.tag = "SELECT",
			.text = text,
			.params = &param,
			.param_formats = &format,
			.n_params = param.p != NULL};
	struct decision d = {.effect = EFFECT_ALLOW};
	buf_init(&m->event, RING_EVENT_MAX);
	parts_init(&m->parts, limit);
	event_op_whole(&m->event, limit ? &m->parts : NULL, &c, &op, &d, 1000);
	CHECK_INT(buf_err(&m->event), 0);
	CHECK_INT(scan_event(buf_span(&m->event), false, &m->e), 0);
}

static void done(struct made *m)
{
	buf_done(&m->event);
	parts_done(&m->parts);
}

/* The parts of a field, joined; how many. */
static uint64_t join(const struct made *m, const char *field, struct buf *out)
{
	struct span part;
	uint64_t n = 0;
	for (size_t at = 0; parts_next(&m->parts, &at, &part);) {
		struct scan p;
		CHECK_INT(scan_event(part, false, &p), 0);
		CHECK(part.len <= RING_EVENT_MAX && span_is(scan_plain(&p, "type"), "op.part"));
		if (!span_is(scan_plain(&p, "field"), field))
			continue;
		CHECK(scan_u64(&p, "part") == n++ && scan_u64(&p, "id") == 7);
		struct span base64 = scan_plain(&p, "data_b64");
		if (base64.len)
			CHECK_INT(payload_base64(base64, out), 0);
		else
			payload_unescape(out, scan_get(&p, "data"));
	}
	return n;
}

static void check_text(struct span text, size_t limit, bool is_kept)
{
	struct made m;
	struct buf all;
	char hex[65];
	make(&m, limit, text, (struct span){0}, false);
	buf_init(&all, PARTS_MAX);
	uint64_t n = join(&m, "text", &all);
	CHECK_INT(n, scan_u64(&m.e, "text_parts"));
	CHECK(is_kept == (n > 0));
	sha256_hex(text, hex);
	CHECK(span_is(scan_plain(&m.e, "text_sha256"), hex));
	CHECK(!is_kept || span_eq(buf_span(&all), text));
	buf_done(&all);
	done(&m);
}

static void keeps_texts(void)
{
	size_t n = 400000;
	uint8_t *p = malloc(n);
	for (int fill = 0; fill < 4; fill++) {
		for (size_t i = 0; i < n; i++)
			p[i] = fill == 0 ? 'x'
			       : fill == 1
				   ? (uint8_t)(i % 3 ? 0x80 | (i % 3 == 1 ? 0x02 : 0x2c) : 0xe2)
			       : fill == 2 ? 0x01
					   : (uint8_t)(i * 37);
		check_text(span_of(p, n - n % 3), n, true);
		check_text(span_of(p, n - n % 3), n / 2, false); /* over the limit */
		check_text(span_of(p, n - n % 3), 0, false);
	}
	free(p);
	struct made m;
	make(&m, n, span_str("short"), (struct span){0}, false);
	CHECK_INT(buf_len(&m.parts.events), 0);
	done(&m);
}

static void keeps_parameters(void)
{
	size_t n = 200000;
	uint8_t *p = malloc(n);
	memset(p, 'p', n);
	for (int binary = 0; binary < 2; binary++) {
		struct made m;
		struct buf all;
		char hex[65];
		make(&m, 1 << 20, span_str("SELECT $1"), span_of(p, n), binary);
		buf_init(&all, PARTS_MAX);
		CHECK(join(&m, "params", &all) == scan_u64(&m.e, "params_parts") &&
		      buf_len(&all) > n);
		sha256_hex(buf_span(&all), hex);
		CHECK(span_is(scan_plain(&m.e, "params_json_sha256"), hex));
		struct span text = buf_span(&all);
		CHECK(text.p[0] == '[' && text.p[text.len - 1] == ']');
		CHECK(binary == (memmem(text.p, 20, "\"b64\":", 6) != NULL));
		buf_done(&all);
		done(&m);
	}
	free(p);
}

int main(void)
{
	keeps_texts();
	keeps_parameters();
	return tap_done();
}
