/* What a server says while it logs the gateway in. Input: a byte of options, then its bytes. Whole,
 * and in two pieces, they come to the same; a refusal says why, in printable words; what libpq is
 * told never holds a password's answer. */
#include <stdlib.h>
#include <string.h>

#include "upstream/login_pump.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIMIT (1024 * 1024)

static void open_pump(struct pump *p, struct login *l, const struct credential *c, bool is_raw)
{
	login_init(l);
	*p = (struct pump){.login = l, .is_raw = is_raw};
	p->authentication =
	    (struct authentication){.user = "u", .credential = c, .is_verified = is_raw};
	buf_init(&p->from_server, LIMIT);
	buf_init(&p->to_server, LIMIT);
	buf_init(&p->to_lib, 2 * LIMIT);
}

static void close_pump(struct pump *p)
{
	authentication_done(&p->authentication);
	buf_wipe(&p->from_server);
	buf_wipe(&p->to_server);
	buf_wipe(&p->to_lib);
	login_done(p->login);
}

static int feed(struct pump *p, const uint8_t *data, size_t size)
{
	buf_add(&p->from_server, data, size);
	return p->login->err ? p->login->err : pump_read(p);
}

static void check(const struct pump *p, int err)
{
	const struct login *l = p->login;
	if (err != l->err || (err && (!l->why[0] || strlen(l->sqlstate) != 5)))
		abort();
	for (const char *c = l->why; *c; c++)
		if (*c < ' ' || *c > '~')
			abort();
	bool is_half = p->authentication.state == AUTHENTICATION_ASKED ||
		       p->authentication.state == AUTHENTICATION_PROVED;
	if (p->state == PUMP_READY && (is_half || !p->is_in))
		abort(); /* in, and the server has shown nothing */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct credential c;
	char text[] = "user=u password=p", why[WHY_MAX];
	struct pump whole, cut;
	struct login one, two;
	if (!c.options && credential_parse(text, &c, why))
		abort();
	if (!size)
		return 0;
	bool is_raw = data[0] & 1;
	size_t at = data[0] >> 1;
	data++, size--;
	at = at < size ? at : size;
	open_pump(&whole, &one, &c, is_raw);
	open_pump(&cut, &two, &c, is_raw);
	int a = feed(&whole, data, size), b = feed(&cut, data, at);
	if (!b)
		b = feed(&cut, data + at, size - at);
	check(&whole, a);
	check(&cut, b);
	bool is_same = a == b && whole.state == cut.state && one.pid == two.pid &&
		       one.key == two.key &&
		       span_eq(buf_span(&whole.to_lib), buf_span(&cut.to_lib)) &&
		       span_eq(buf_span(&one.greeting), buf_span(&two.greeting)) &&
		       span_eq(buf_span(&one.leftover), buf_span(&two.leftover));
	if (!is_same)
		abort();
	close_pump(&whole);
	close_pump(&cut);
	return 0;
}
