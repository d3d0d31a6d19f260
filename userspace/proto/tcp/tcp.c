#include "proto/tcp/tcp.h"

#include "proto/lend.h"

enum tcp_state { TCP_NEW, TCP_DECIDING, TCP_DIALLING, TCP_OPEN, TCP_OVER };

struct tcp {
	enum tcp_state state;
	const struct proto_env *env;
	struct need need;
	struct op op;
};

static int tcp_open(void *state, const struct proto_env *env)
{
	struct tcp *t = state;
	const char *to = env->destination ? env->destination : "";
	t->env = env;
	t->need = (struct need){.kind = NEED_PLAIN, .verb = VERB_CONNECT, .class = CLASS_SESSION};
	t->op = (struct op){.id = 1,
			    .protocol = "tcp",
			    .class = CLASS_SESSION,
			    .tag = "connect",
			    .text = span_str(to),
			    .needs = &t->need,
			    .n_needs = 1,
			    .is_write = true};
	return 0;
}

static int tcp_decided(struct tcp *t, const struct decision *d, struct sink *out)
{
	struct dial where = {0};
	if (d->effect != EFFECT_ALLOW) {
		t->state = TCP_OVER;
		return ERR_DENIED;
	}
	t->state = TCP_DIALLING;
	return out->ops->dial(out, &where);
}

static int tcp_feed(void *state, enum dir d, struct cur *in, struct sink *out)
{
	struct tcp *t = state;
	struct decision decision;

	switch (t->state) {
	case TCP_NEW:
		t->state = TCP_DECIDING;
		int r = out->ops->op(out, &t->op, &decision);
		return r ? r : tcp_decided(t, &decision, out);
	case TCP_OPEN:
		sink_lend(out, d, cur_bytes(in, cur_left(in)));
		return buf_err(out->to[d == FROM_CLIENT ? TO_SERVER : TO_CLIENT]);
	default:
		return ERR_STATE;
	}
}

static int tcp_resume(void *state, const struct resume *r, struct sink *out)
{
	struct tcp *t = state;
	if (t->state == TCP_DECIDING && r->kind == RESUME_DECISION)
		return tcp_decided(t, r->decision, out);
	if (t->state != TCP_DIALLING || r->kind != RESUME_DIALLED)
		return ERR_STATE;
	struct op_result result = {.error = r->dialled->err ? r->dialled->reason : NULL};
	out->ops->result(out, t->op.id, &result);
	t->state = r->dialled->err ? TCP_OVER : TCP_OPEN;
	return r->dialled->err;
}

/* There is no word for it in an opaque stream: its end has to do. */
static void tcp_farewell(void *state, const char *sqlstate, const char *reason, struct sink *out)
{
	(void)state, (void)sqlstate, (void)reason, (void)out;
}

static void tcp_done(void *state)
{
	(void)state;
}

const struct proto proto_tcp = {
    .name = "tcp",
    .state_size = sizeof(struct tcp),
    .server_speaks_first = true,
    .keeps_half_open = true,
    .open = tcp_open,
    .feed = tcp_feed,
    .resume = tcp_resume,
    .farewell = tcp_farewell,
    .done = tcp_done,
};
