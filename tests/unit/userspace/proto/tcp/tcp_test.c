/* The opaque module: one decision, one dial, then bytes as they are. */
#include <stdlib.h>

#include "proto/tcp/tcp.h"
#include "tests/unit/tap.h"

struct script {
	struct sink sink;
	struct buf to[2];
	int effect; /* of the decision; -1: held */
	int n_dials, n_results;
};

static int on_op(struct sink *sink, const struct op *op, struct decision *ret)
{
	struct script *s = (struct script *)sink;
	CHECK_STR(op->protocol, "tcp");
	CHECK(span_is(op->text, "api.example.com:443"));
	CHECK_INT(op->needs[0].verb, VERB_CONNECT);
	if (s->effect < 0)
		return ERR_HELD;
	*ret = (struct decision){.effect = (enum effect)s->effect};
	return 0;
}

static int on_dial(struct sink *sink, const struct dial *d)
{
	(void)d;
	((struct script *)sink)->n_dials++;
	return ERR_HELD;
}

static void on_result(struct sink *sink, uint64_t id, const struct op_result *r)
{
	(void)r;
	CHECK_INT(id, 1);
	((struct script *)sink)->n_results++;
}

static const struct sink_ops ops = {.op = on_op, .dial = on_dial, .result = on_result};
static const struct proto_env env = {.destination = "api.example.com:443"};

static void *start(struct script *s, int effect)
{
	void *state = calloc(1, proto_tcp.state_size);
	*s = (struct script){.effect = effect, .sink.ops = &ops};
	for (int i = 0; i < 2; i++) {
		buf_init(&s->to[i], 4096);
		s->sink.to[i] = &s->to[i];
	}
	CHECK_INT(proto_tcp.open(state, &env), 0);
	return state;
}

static int feed(void *state, struct script *s, enum dir d, const char *text)
{
	struct cur c = cur_of(span_str(text));
	return proto_tcp.feed(state, d, &c, &s->sink);
}

static void test_allowed(int effect)
{
	struct script s;
	struct decision yes = {.effect = EFFECT_ALLOW};
	struct dialled up = {0};
	void *t = start(&s, effect);
	CHECK_INT(feed(t, &s, FROM_CLIENT, ""), ERR_HELD);
	if (effect < 0)
		CHECK_INT(
		    proto_tcp.resume(
			t, &(struct resume){.kind = RESUME_DECISION, .op_id = 1, .decision = &yes},
			&s.sink),
		    ERR_HELD);
	CHECK_INT(s.n_dials, 1);
	CHECK_INT(
	    proto_tcp.resume(t, &(struct resume){.kind = RESUME_DIALLED, .dialled = &up}, &s.sink),
	    0);
	CHECK_INT(s.n_results, 1);
	CHECK_INT(feed(t, &s, FROM_CLIENT, "hello"), 0);
	CHECK_INT(feed(t, &s, FROM_SERVER, "world!"), 0);
	CHECK(span_is(buf_span(&s.to[TO_SERVER]), "hello"));
	CHECK(span_is(buf_span(&s.to[TO_CLIENT]), "world!"));
	free(t);
	buf_done(&s.to[0]);
	buf_done(&s.to[1]);
}

static void test_refused(void)
{
	struct script s;
	struct dialled down = {.err = ERR_UPSTREAM, .reason = "no"};
	void *t = start(&s, EFFECT_DENY);
	CHECK_INT(feed(t, &s, FROM_CLIENT, "early"), ERR_DENIED);
	CHECK_INT(s.n_dials, 0);
	CHECK_INT(feed(t, &s, FROM_CLIENT, "again"), ERR_STATE);
	free(t);
	t = start(&s, EFFECT_ALLOW);
	CHECK_INT(feed(t, &s, FROM_CLIENT, ""), ERR_HELD);
	CHECK_INT(feed(t, &s, FROM_CLIENT, "early"), ERR_STATE);
	CHECK_INT(proto_tcp.resume(t, &(struct resume){.kind = RESUME_DIALLED, .dialled = &down},
				   &s.sink),
		  ERR_UPSTREAM);
	CHECK_INT(buf_len(&s.to[TO_SERVER]), 0);
	free(t);
}

int main(void)
{
	test_allowed(EFFECT_ALLOW);
	test_allowed(-1);
	test_refused();
	return tap_done();
}
