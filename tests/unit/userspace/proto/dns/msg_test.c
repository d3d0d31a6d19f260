/* DNS queries good and bad, and answers as glibc's own parser (ns_initparse) reads them. */
#include <arpa/nameser.h>
#include <stdio.h>

#include "proto/dns/dns.h"
#include "tests/unit/tap.h"

#define HEAD(flags, qd, an, ns, ar) "\x12\x34" flags "\0" qd "\0" an "\0" ns "\0" ar
#define RD			    "\x01\x00"
#define WWW			    "\3wWw\7eXample\3com\0"

struct row {
	const char *what;
	const char *bytes;
	size_t len;
	int want;
	const char *name;
	int type;
};
#define B(s) s, sizeof(s) - 1

static const struct row rows[] = {
    {"A", B(HEAD(RD, "\1", "\0", "\0", "\0") WWW "\0\1\0\1"), 0, "www.example.com", 1},
    {"AAAA", B(HEAD(RD, "\1", "\0", "\0", "\0") WWW "\0\x1c\0\1"), 0, "www.example.com", 28},
    {"root", B(HEAD(RD, "\1", "\0", "\0", "\0") "\0\0\2\0\1"), 0, ".", 2},
    {"odd bytes", B(HEAD(RD, "\1", "\0", "\0", "\0") "\3a.\1\0\0\1\0\1"), 0, "a\\046\\001", 1},
    {"EDNS", B(HEAD(RD, "\1", "\0", "\0", "\1") WWW "\0\1\0\1\0\0\x29\x10\0\0\0\0\0\0\0"), 0,
     "www.example.com", 1},
    {"EDNS with an option",
     B(HEAD(RD, "\1", "\0", "\0", "\1") WWW "\0\1\0\1\0\0\x29\x10\0\0\0\0\0\0\4\0\xa\0\0"), 0,
     "www.example.com", 1},
    {"EDNS version 1", B(HEAD(RD, "\1", "\0", "\0", "\1") WWW "\0\1\0\1\0\0\x29\x10\0\0\1\0\0\0\0"),
     DNS_BADVERS, "www.example.com", 1},
    {"two OPT",
     B(HEAD(RD, "\1", "\0", "\0", "\2") WWW
       "\0\1\0\1\0\0\x29\x10\0\0\0\0\0\0\0\0\0\x29\x10\0\0\0\0\0\0\0"),
     DNS_FORMERR, NULL, 0},
    {"OPT with a name",
     B(HEAD(RD, "\1", "\0", "\0", "\1") WWW "\0\1\0\1\1a\0\0\x29\x10\0\0\0\0\0\0\0"), DNS_FORMERR,
     NULL, 0},
    {"additional with a pointer",
     B(HEAD(RD, "\1", "\0", "\0", "\1") WWW "\0\1\0\1\xc0\xc\0\1\0\1\0\0\0\0\0\4abcd"), 0,
     "www.example.com", 1},
    {"additional cut off",
     B(HEAD(RD, "\1", "\0", "\0", "\1") WWW "\0\1\0\1\xc0\xc\0\1\0\1\0\0\0\0\0\4ab"), DNS_FORMERR,
     NULL, 0},
    {"bytes behind", B(HEAD(RD, "\1", "\0", "\0", "\0") WWW "\0\1\0\1x"), DNS_FORMERR, NULL, 0},
    {"empty", B(""), ERR_MALFORMED, NULL, 0},
    {"half a header", B("\x12\x34\1\0\0\1"), ERR_MALFORMED, NULL, 0},
    {"a response", B(HEAD("\x81\x80", "\1", "\0", "\0", "\0") WWW "\0\1\0\1"), ERR_MALFORMED, NULL,
     0},
    {"no question", B(HEAD(RD, "\0", "\0", "\0", "\0")), DNS_FORMERR, NULL, 0},
    {"two questions", B(HEAD(RD, "\2", "\0", "\0", "\0") WWW "\0\1\0\1" WWW "\0\1\0\1"),
     DNS_FORMERR, NULL, 0},
    {"an answer in it", B(HEAD(RD, "\1", "\1", "\0", "\0") WWW "\0\1\0\1"), DNS_FORMERR, NULL, 0},
    {"status", B(HEAD("\x10\0", "\1", "\0", "\0", "\0") WWW "\0\1\0\1"), DNS_NOTIMP, NULL, 0},
    {"update", B(HEAD("\x28\0", "\1", "\0", "\0", "\0") WWW "\0\6\0\1"), DNS_NOTIMP, NULL, 0},
    {"pointer to itself", B(HEAD(RD, "\1", "\0", "\0", "\0") "\xc0\xc\0\1\0\1"), DNS_FORMERR, NULL,
     0},
    {"label of 64",
     B(HEAD(RD, "\1", "\0", "\0",
	    "\0") "\x40xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\0\0\1\0\1"),
     DNS_FORMERR, NULL, 0},
    {"name cut off", B(HEAD(RD, "\1", "\0", "\0", "\0") "\3ww"), DNS_FORMERR, NULL, 0},
};

static void test_rows(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dns_query q;
		int got = dns_parse(span_of(rows[i].bytes, rows[i].len), &q);
		if (got != rows[i].want)
			printf("row: %s\n", rows[i].what);
		CHECK_INT(got, rows[i].want);
		if (!rows[i].name || got < 0)
			continue;
		CHECK_STR(q.name, rows[i].name);
		CHECK_INT(q.type, rows[i].type);
		CHECK_INT(q.id, 0x1234);
	}
}

/* 255 bytes of name are allowed (RFC 1035 2.3.4), 256 are not. */
static void test_longest_name(void)
{
	for (int last = 61; last <= 62; last++) {
		struct dns_query q;
		struct buf b;
		buf_init(&b, 1024);
		buf_add(&b, HEAD(RD, "\1", "\0", "\0", "\0"), 12);
		for (int i = 0; i < 4; i++) {
			int n = i < 3 ? 63 : last;
			buf_add_u8(&b, (uint8_t)n);
			for (int k = 0; k < n; k++)
				buf_add_u8(&b, 'x');
		}
		buf_add(&b, "\0\0\1\0\1", 5);
		CHECK_INT(dns_parse(buf_span(&b), &q), last == 61 ? 0 : DNS_FORMERR);
		buf_done(&b);
	}
}

static void answer(const char *query, size_t len, int rcode, struct resolved *r, size_t limit,
		   struct buf *out)
{
	static struct dns_query q;
	CHECK_INT(dns_parse(span_of(query, len), &q) < 0, 0);
	buf_init(out, 65536);
	dns_answer(&q, rcode, r, limit, out);
	CHECK_INT(buf_err(out), 0);
}

static struct addr addr(const char *text)
{
	struct addr a;
	CHECK_INT(addr_parse_ip(text, &a), 0);
	return a;
}

static void test_answers(void)
{
	struct addr addrs[] = {addr("192.0.2.1"), addr("2001:db8::1"), addr("192.0.2.2")};
	struct resolved r = {.addrs = addrs, .n_addrs = 3, .ttl_s = 30};
	struct buf b;
	ns_msg m;
	ns_rr rr;

	answer(rows[0].bytes, rows[0].len, 0, &r, 512, &b);
	CHECK_INT(ns_initparse(b.mem + b.start, (int)buf_len(&b), &m), 0);
	CHECK_INT(ns_msg_id(m), 0x1234);
	CHECK_INT(ns_msg_getflag(m, ns_f_rcode), ns_r_noerror);
	CHECK_INT(ns_msg_getflag(m, ns_f_tc), 0);
	CHECK_INT(ns_msg_getflag(m, ns_f_ra), 1);
	CHECK_INT(ns_msg_count(m, ns_s_an), 2);
	CHECK_INT(ns_parserr(&m, ns_s_qd, 0, &rr), 0);
	CHECK_STR(ns_rr_name(rr), "wWw.eXample.com"); /* as it was asked: clients compare it */
	CHECK_INT(ns_parserr(&m, ns_s_an, 1, &rr), 0);
	CHECK_STR(ns_rr_name(rr), "wWw.eXample.com");
	CHECK_INT(ns_rr_ttl(rr), 30);
	CHECK(!memcmp(ns_rr_rdata(rr), "\xc0\0\2\2", 4));
	buf_done(&b);

	answer(rows[1].bytes, rows[1].len, 0, &r, 512, &b);
	CHECK_INT(ns_initparse(b.mem + b.start, (int)buf_len(&b), &m), 0);
	CHECK_INT(ns_msg_count(m, ns_s_an), 1);
	CHECK_INT(ns_parserr(&m, ns_s_an, 0, &rr), 0);
	CHECK_INT(ns_rr_type(rr), ns_t_aaaa);
	CHECK_INT(ns_rr_rdlen(rr), 16);
	buf_done(&b);

	answer(rows[4].bytes, rows[4].len, DNS_REFUSED, NULL, 512, &b);
	CHECK_INT(ns_initparse(b.mem + b.start, (int)buf_len(&b), &m), 0);
	CHECK_INT(ns_msg_getflag(m, ns_f_rcode), ns_r_refused);
	CHECK_INT(ns_msg_count(m, ns_s_an), 0);
	CHECK_INT(ns_msg_count(m, ns_s_ar), 1);
	CHECK_INT(ns_parserr(&m, ns_s_ar, 0, &rr), 0);
	CHECK_INT(ns_rr_type(rr), ns_t_opt);
	buf_done(&b);

	answer(rows[6].bytes, rows[6].len, DNS_BADVERS, NULL, 512,
	       &b); /* the upper bits go into the OPT */
	CHECK_INT(ns_initparse(b.mem + b.start, (int)buf_len(&b), &m), 0);
	CHECK_INT(ns_parserr(&m, ns_s_ar, 0, &rr), 0);
	CHECK_INT(ns_rr_ttl(rr) >> 24, 1);
	buf_done(&b);
}

static void test_cut(void)
{
	struct addr addrs[64];
	struct resolved r = {.addrs = addrs, .n_addrs = 64, .ttl_s = 30};
	struct buf b;
	ns_msg m;
	for (int i = 0; i < 64; i++)
		addrs[i] = addr("192.0.2.1");
	answer(rows[0].bytes, rows[0].len, 0, &r, 512, &b);
	CHECK(buf_len(&b) <= 512);
	CHECK_INT(ns_initparse(b.mem + b.start, (int)buf_len(&b), &m), 0);
	CHECK_INT(ns_msg_getflag(m, ns_f_tc), 1);
	CHECK_INT(ns_msg_count(m, ns_s_an), 0);
	buf_done(&b);
	answer(rows[4].bytes, rows[4].len, 0, &r, 1232, &b);
	CHECK_INT(ns_initparse(b.mem + b.start, (int)buf_len(&b), &m), 0);
	CHECK_INT(ns_msg_getflag(m, ns_f_tc), 0);
	CHECK_INT(ns_msg_count(m, ns_s_an), 64);
	buf_done(&b);
}

int main(void)
{
	test_rows();
	test_longest_name();
	test_answers();
	test_cut();
	return tap_done();
}
