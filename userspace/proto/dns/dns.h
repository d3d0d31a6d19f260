/* DNS as the workload's resolver: questions for declared names are answered with addresses, all
 * others are REFUSED. RFC 1035 4 (messages), RFC 6891 (EDNS), RFC 7766 (TCP). No recursion, no
 * cache, no other types: what else is asked about a declared name has an empty answer.
 * Why no library: a question has one name without pointers and at most one record that is looked at, and an answer is
 * the question and addresses. Debian 12's c-ares (1.18) parses answers and no questions; ldns builds a tree of what a
 * stranger sent. Held against glibc's own parser and fuzzed. */
#pragma once

#include "proto/proto.h"

extern const struct proto proto_dns;

#define DNS_QUERY_MAX 4096 /* bytes of a query */
#define DNS_NAME_TEXT 1024 /* a name as text: 255 bytes, each at most "\ddd" */
#define DNS_UDP_PLAIN 512  /* the answer's limit without EDNS (RFC 1035 2.3.4) */
#define DNS_UDP_EDNS  1232 /* what we send at most and say that we take */

enum dns_type { DNS_A = 1, DNS_AAAA = 28, DNS_OPT = 41 };
enum dns_rcode {
	DNS_NOERROR = 0,
	DNS_FORMERR = 1,
	DNS_SERVFAIL = 2,
	DNS_NXDOMAIN = 3,
	DNS_NOTIMP = 4,
	DNS_REFUSED = 5,
	DNS_BADVERS = 16,
};

struct dns_query {
	uint16_t id;
	uint16_t opcode; /* as it stands in the flags */
	bool wants_recursion;
	bool has_question;
	struct span question;	  /* as on the wire, echoed; borrowed from the message */
	char name[DNS_NAME_TEXT]; /* lower case, without the final dot; "." for the root */
	uint16_t type, class;
	bool has_edns;
	uint16_t udp_size; /* 512 where there is no EDNS */
};

/* 0 or an rcode to answer at once (FORMERR, NOTIMP, BADVERS); ERR_MALFORMED: not even a header, or
 * a response: drop it. */
must_check int dns_parse(struct span msg, struct dns_query *ret);

/* Appends the answer, without a TCP length. addrs are filtered by the question's type. limit:
 * bytes; what would be longer is cut to the question with TC set. */
void dns_answer(const struct dns_query *q, int rcode, const struct resolved *found, size_t limit,
		struct buf *out);

/* "A", "AAAA", ..., or "TYPEn" written into out (16 bytes). */
const char *dns_type_text(uint16_t type, char *out);
