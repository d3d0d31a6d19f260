#include "proto/dns/dns.h"

#define ANSWER_MAX 8192

enum dns_state { DNS_READING, DNS_DECIDING, DNS_RESOLVING };

struct dns {
	enum dns_state state;
	const struct proto_env *env;
	struct dns_query query;
	uint8_t question[300]; /* the query outlives the input that it was read from */
	char type_text[16];
	struct need need;
	struct op op;
};

static int dns_open(void *state, const struct proto_env *env)
{
	struct dns *d = state;
	d->env = env;
	return 0;
}

/* RFC 7766 8: two bytes of length before each message; on UDP the flow takes them off again. */
static int reply(struct dns *d, int rcode, const struct resolved *found, struct sink *out)
{
	struct buf msg;
	size_t limit = ANSWER_MAX;
	if (d->env->is_datagram)
		limit = d->query.udp_size < DNS_UDP_EDNS ? d->query.udp_size : DNS_UDP_EDNS;
	buf_init(&msg, ANSWER_MAX);
	dns_answer(&d->query, rcode, found, limit, &msg);
	int err = buf_err(&msg);
	if (!err) {
		buf_add_u16(out->to[TO_CLIENT], (uint16_t)buf_len(&msg));
		buf_add_span(out->to[TO_CLIENT], buf_span(&msg));
		err = buf_err(out->to[TO_CLIENT]);
	}
	buf_done(&msg);
	d->state = DNS_READING;
	return err;
}

static int resolved(struct dns *d, const struct resolved *found, struct sink *out)
{
	static const char *const texts[] = {"NOERROR", "SERVFAIL", "NXDOMAIN"};
	int rcode = DNS_NOERROR;
	if (found->err)
		rcode = found->err == ERR_NOT_FOUND ? DNS_NXDOMAIN : DNS_SERVFAIL;
	struct op_result result = {.rows = (uint64_t)found->n_addrs,
				   .tag = texts[rcode == 0 ? 0 : rcode - 1],
				   .error = found->err ? "the name did not resolve" : NULL};
	out->ops->result(out, d->op.id, &result);
	return reply(d, rcode, found, out);
}

static int decided(struct dns *d, const struct decision *dec, struct sink *out)
{
	struct resolved found;
	if (dec->effect != EFFECT_ALLOW)
		return reply(d, DNS_REFUSED, NULL, out);
	d->state = DNS_RESOLVING;
	int r = out->ops->resolve(out, d->query.name, &found);
	return r ? r : resolved(d, &found, out);
}

static int ask(struct dns *d, struct sink *out)
{
	struct decision dec;
	const char *type = dns_type_text(d->query.type, d->type_text);

	memcpy(d->question, d->query.question.p, d->query.question.len);
	d->query.question.p = d->question;
	d->need = (struct need){
	    .kind = NEED_OBJECT, .verb = VERB_RESOLVE, .class = CLASS_READ, .name = d->query.name};
	d->op = (struct op){.id = d->op.id + 1,
			    .protocol = "dns",
			    .class = CLASS_READ,
			    .tag = type,
			    .text = span_str(d->query.name),
			    .needs = &d->need,
			    .n_needs = 1};
	d->state = DNS_DECIDING;
	int r = out->ops->op(out, &d->op, &dec);
	return r ? r : decided(d, &dec, out);
}

static int one_message(struct dns *d, struct span msg, struct sink *out)
{
	int rcode = dns_parse(msg, &d->query);
	if (rcode < 0)
		return rcode;
	return rcode ? reply(d, rcode, NULL, out) : ask(d, out);
}

static int dns_feed(void *state, enum dir dir, struct cur *in, struct sink *out)
{
	struct dns *d = state;
	if (dir != FROM_CLIENT)
		return ERR_STATE;
	while (cur_left(in) >= 2) {
		size_t len = (size_t)in->p[0] << 8 | in->p[1];
		if (len > DNS_QUERY_MAX)
			return ERR_LIMIT;
		if (cur_left(in) < 2 + len)
			return 0;
		cur_u16(in);
		int r = one_message(d, cur_bytes(in, len), out);
		if (r)
			return r;
	}
	return 0;
}

static int dns_resume(void *state, const struct resume *r, struct sink *out)
{
	struct dns *d = state;
	if (d->state == DNS_DECIDING && r->kind == RESUME_DECISION)
		return decided(d, r->decision, out);
	if (d->state == DNS_RESOLVING && r->kind == RESUME_RESOLVED)
		return resolved(d, r->resolved, out);
	return ERR_STATE;
}

static void dns_farewell(void *state, const char *sqlstate, const char *reason, struct sink *out)
{
	(void)state, (void)sqlstate, (void)reason, (void)out;
}

static void dns_done(void *state)
{
	(void)state;
}

const struct proto proto_dns = {
    .name = "dns",
    .state_size = sizeof(struct dns),
    .open = dns_open,
    .feed = dns_feed,
    .resume = dns_resume,
    .farewell = dns_farewell,
    .done = dns_done,
};
