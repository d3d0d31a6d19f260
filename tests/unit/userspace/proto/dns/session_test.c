/* The DNS module over a scripted sink: the same answers however the bytes are split. */
#include <stdlib.h>

#include "proto/dns/dns.h"
#include "tests/unit/tap.h"

struct script {
	struct sink sink;
	struct buf to[2];
	bool holds; /* every verb is answered by resume */
	int n_ops, n_results;
	enum resume_kind waits;
	char name[DNS_NAME_TEXT];
	uint64_t op_id;
};

static struct addr address;

static bool is_declared(const char *name)
{
	return !strcmp(name, "db.shop.internal");
}

static struct decision decide(const char *name)
{
	return (struct decision){.effect = is_declared(name) ? EFFECT_ALLOW : EFFECT_DENY};
}

static int on_op(struct sink *sink, const struct op *op, struct decision *ret)
{
	struct script *s = (struct script *)sink;
	s->n_ops++;
	s->op_id = op->id;
	snprintf(s->name, sizeof(s->name), "%s", op->needs[0].name);
	CHECK_INT(op->needs[0].verb, VERB_RESOLVE);
	s->waits = RESUME_DECISION;
	if (s->holds)
		return ERR_HELD;
	*ret = decide(s->name);
	return 0;
}

static int on_resolve(struct sink *sink, const char *name, struct resolved *ret)
{
	struct script *s = (struct script *)sink;
	CHECK_STR(name, "db.shop.internal");
	s->waits = RESUME_RESOLVED;
	if (s->holds)
		return ERR_HELD;
	*ret = (struct resolved){.addrs = &address, .n_addrs = 1, .ttl_s = 30};
	return 0;
}

static void on_result(struct sink *sink, uint64_t id, const struct op_result *r)
{
	struct script *s = (struct script *)sink;
	CHECK_INT(id, s->op_id);
	CHECK_INT(r->rows, 1);
	s->n_results++;
}

static const struct sink_ops ops = {.op = on_op, .resolve = on_resolve, .result = on_result};

static int go_on(struct script *s, void *state)
{
	struct decision d = decide(s->name);
	struct resolved found = {.addrs = &address, .n_addrs = 1, .ttl_s = 30};
	struct resume r = {.kind = s->waits, .op_id = s->op_id, .decision = &d, .resolved = &found};
	return proto_dns.resume(state, &r, &s->sink);
}

/* Feeds in pieces of step bytes; returns what was answered. */
static void converse(struct span in, size_t step, bool holds, struct buf *ret)
{
	struct proto_env env = {0};
	struct script s = {.holds = holds};
	struct buf unread;
	void *state = calloc(1, proto_dns.state_size);
	buf_init(&unread, 65536);
	buf_init(&s.to[0], 65536);
	buf_init(&s.to[1], 65536);
	s.sink = (struct sink){.to = {&s.to[0], &s.to[1]}, .ops = &ops};
	CHECK_INT(proto_dns.open(state, &env), 0);
	for (size_t at = 0; at < in.len; at += step) {
		buf_add(&unread, in.p + at, in.len - at < step ? in.len - at : step);
		for (size_t before = SIZE_MAX; buf_len(&unread) < before;) {
			before = buf_len(&unread);
			struct cur c = cur_of(buf_span(&unread));
			const uint8_t *from = c.p;
			int r = proto_dns.feed(state, FROM_CLIENT, &c, &s.sink);
			buf_consume(&unread, (size_t)(c.p - from));
			while (r == ERR_HELD)
				r = go_on(&s, state);
			CHECK_INT(r, 0);
		}
	}
	CHECK_INT(buf_len(&s.to[1]), 0);
	CHECK_INT(s.n_ops, 2);
	CHECK_INT(s.n_results, 1);
	buf_add_span(ret, buf_span(&s.to[0]));
	proto_dns.done(state);
	free(state);
	buf_done(&unread);
	buf_done(&s.to[0]);
}

static void test_split(void)
{
	static const char two[] = "\0\x22"
				  "\0\1\1\0\0\1\0\0\0\0\0\0\2db\4shop\x8internal\0\0\1\0\1"
				  "\0\x1b"
				  "\0\2\1\0\0\1\0\0\0\0\0\0\x4"
				  "evil\4test\0\0\1\0\1"
				  "\0\x0c"
				  "\0\3\1\0\0\0\0\0\0\0\0\0";
	struct buf whole;
	buf_init(&whole, 65536);
	converse(span_of(two, sizeof(two) - 1), sizeof(two), false, &whole);
	struct span a = buf_span(&whole);
	CHECK_INT(a.len, 2 + 34 + 16 + 2 + 27 + 2 + 12);
	CHECK_INT(a.p[2 + 3] & 15, DNS_NOERROR);
	CHECK_INT(a.p[52 + 2 + 3] & 15, DNS_REFUSED);
	CHECK_INT(a.p[81 + 2 + 3] & 15, DNS_FORMERR);
	for (size_t step = 1; step < sizeof(two); step++) {
		struct buf part;
		buf_init(&part, 65536);
		converse(span_of(two, sizeof(two) - 1), step, step % 2, &part);
		CHECK(span_eq(buf_span(&part), a));
		buf_done(&part);
	}
	buf_done(&whole);
}

static void test_too_long(void)
{
	struct proto_env env = {0};
	struct script s = {0};
	void *state = calloc(1, proto_dns.state_size);
	s.sink = (struct sink){.to = {&s.to[0], &s.to[1]}, .ops = &ops};
	CHECK_INT(proto_dns.open(state, &env), 0);
	struct cur c = cur_of(span_of("\xff\xff", 2));
	CHECK_INT(proto_dns.feed(state, FROM_CLIENT, &c, &s.sink), ERR_LIMIT);
	c = cur_of(span_of("x", 1));
	CHECK_INT(proto_dns.feed(state, FROM_SERVER, &c, &s.sink), ERR_STATE);
	CHECK_INT(proto_dns.resume(state, &(struct resume){.kind = RESUME_DIALLED}, &s.sink),
		  ERR_STATE);
	free(state);
}

int main(void)
{
	CHECK_INT(addr_parse_ip("192.0.2.7", &address), 0);
	test_split();
	test_too_long();
	return tap_done();
}
