#include "record/parts.h"

#include "base/macro.h"
#include "record/event_internal.h"

void parts_init(struct parts *p, size_t limit)
{
	p->limit = limit;
	buf_init(&p->events, PARTS_MAX);
}

void parts_done(struct parts *p)
{
	buf_done(&p->events);
}

static int count(struct span whole)
{
	int n = 0;
	for (; whole.len; n++) {
		size_t len = text_cut(whole, PART_BYTES).len;
		whole = span_of(whole.p + len, whole.len - len);
	}
	return n;
}

struct part {
	const char *field;
	uint64_t op_id;
	int at, of;
};

static void put(struct buf *out, const struct event_ctx *c, const struct part *p, struct span data)
{
	struct event_writer e;
	size_t from = buf_len(out);
	buf_add_u32(out, 0);
	ev_begin(&e, out, c, "op.part");
	ev_text(&e, "data", "data_b64", data);
	ev_str(&e, "field", p->field);
	ev_int(&e, "id", p->op_id);
	ev_int(&e, "of", (uint64_t)p->of);
	ev_int(&e, "part", (uint64_t)p->at);
	ev_end(&e);
	uint32_t len = (uint32_t)(buf_len(out) - from - 4);
	if (!buf_err(out))
		memcpy((uint8_t *)buf_span(out).p + from, &len, sizeof(len));
}

int parts_put(struct parts *p, const struct event_ctx *c, uint64_t op_id, const char *field,
	      struct span whole)
{
	struct part part = {field, op_id, 0, 0};
	if (whole.len > p->limit || buf_err(&p->events))
		return 0;
	part.of = count(whole);
	for (; part.at < part.of; part.at++) {
		struct span data = text_cut(whole, PART_BYTES);
		put(&p->events, c, &part, data);
		whole = span_of(whole.p + data.len, whole.len - data.len);
	}
	return buf_err(&p->events) ? 0 : part.of;
}

bool parts_next(const struct parts *p, size_t *at, struct span *ret_event)
{
	struct span all = buf_span(&p->events);
	uint32_t len;
	if (buf_err(&p->events) || all.len - *at < sizeof(len))
		return false;
	memcpy(&len, all.p + *at, sizeof(len));
	*ret_event = span_of(all.p + *at + sizeof(len), len);
	*at += sizeof(len) + len;
	return true;
}
