/* What the server says while it logs us in. */
#include "upstream/login_pump.h"

#include <stdio.h>

#include "base/macro.h"

#define MESSAGE_MAX (64 * 1024)

int login_fail(struct login *l, int err, const char *sqlstate, const char *why)
{
	if (l->err)
		return l->err;
	l->err = err;
	snprintf(l->sqlstate, sizeof(l->sqlstate), "%s", sqlstate);
	snprintf(l->why, sizeof(l->why), "%s", why);
	return err;
}

/* libpq is told of the end alone. */
static int on_authentication(struct pump *p, struct span whole, struct span body)
{
	struct authentication_fault fault = {0};
	int err = authentication_take(&p->authentication, body, &p->to_server, &fault);
	p->is_in |= err == 1;
	if (err == 1)
		buf_add_span(&p->to_lib, whole);
	return err < 0 ? login_fail(p->login, err, fault.sqlstate ? fault.sqlstate : "08006",
				    fault.why ? fault.why : "the login failed")
		       : 0;
}

/* What the server says is shown, as it would be without us (there is no such database, too many
 * clients), but not what it says about who logs in: that is the gateway's affair. */
static int on_error(struct pump *p, struct span body)
{
	struct cur c = cur_of(body);
	char code[6] = "08006", why[WHY_MAX];
	struct span said = {0};
	for (uint8_t field; (field = cur_u8(&c));) {
		struct span text = cur_cstr(&c);
		if (field == 'C' && text.len == 5)
			memcpy(code, text.p, 5);
		if (field == 'M')
			said = text;
	}
	bool is_private = !strncmp(code, "28", 2) || !said.len || cur_err(&c);
	if (is_private)
		snprintf(
		    why, sizeof(why),
		    "the upstream refused the gateway's login: authentication failed (SQLSTATE %s)",
		    code);
	else
		snprintf(why, sizeof(why), "%.*s", (int)MIN(said.len, sizeof(why) - 1), said.p);
	for (char *at = why; *at; at++) /* in the server's encoding, whichever that is */
		if (*at < ' ' || *at > '~')
			*at = '?';
	return login_fail(p->login, ERR_UPSTREAM, code, why);
}

/* In which order: who logs in, then all that follows from it. */
static bool is_in_turn(const struct pump *p, uint8_t type)
{
	return type == 'R' ? !p->is_in : p->is_in || !strchr("SKZ", type);
}

static int on_message(struct pump *p, struct span whole)
{
	struct login *l = p->login;
	struct span body = span_of(whole.p + 5, whole.len - 5);
	struct cur c = cur_of(body);
	if (!is_in_turn(p, whole.p[0]))
		return login_fail(l, ERR_MALFORMED, "08P01", "the upstream's login is malformed");
	switch (whole.p[0]) {
	case 'R':
		return on_authentication(p, whole, body);
	case 'S':
		buf_add_span(&l->greeting, whole);
		break;
	case 'K':
		l->pid = cur_u32(&c);
		l->key = cur_u32(&c);
		break;
	case 'E':
		return on_error(p, body);
	case 'Z':
		p->state = PUMP_READY;
		break;
	case 'N':
	case 'v':
		break;
	default:
		return login_fail(l, ERR_MALFORMED, "08P01",
				  "the upstream does not speak PostgreSQL");
	}
	buf_add_span(&p->to_lib, whole);
	return 0;
}

int pump_read(struct pump *p)
{
	while (p->state == PUMP_LOGIN && buf_len(&p->from_server) >= 5) {
		struct span all = buf_span(&p->from_server);
		struct cur c = cur_of(span_of(all.p + 1, 4));
		size_t len = (size_t)cur_u32(&c) + 1;
		if (len < 5 || len > MESSAGE_MAX)
			return login_fail(p->login, ERR_MALFORMED, "08P01",
					  "the upstream does not speak PostgreSQL");
		if (all.len < len)
			return 0;
		int err = on_message(p, span_of(all.p, len));
		if (err)
			return err;
		buf_consume(&p->from_server, len);
	}
	if (p->state != PUMP_READY)
		return 0;
	buf_add_span(p->is_raw ? &p->to_lib : &p->login->leftover, buf_span(&p->from_server));
	buf_consume(&p->from_server, buf_len(&p->from_server));
	return 0;
}
