#include <stdio.h>

#include "proto/dns/dns.h"

#define FLAG_QR	    0x8000
#define FLAG_TC	    0x0200
#define FLAG_RD	    0x0100
#define FLAG_RA	    0x0080
#define FLAG_OPCODE 0x7800

#define CLASS_IN      1
#define LABEL_MAX     63
#define NAME_MAX_WIRE 255

static size_t text_byte(uint8_t c, char *out)
{
	if (c >= 'A' && c <= 'Z')
		c += 'a' - 'A';
	bool is_plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
	if (is_plain) {
		out[0] = (char)c;
		return 1;
	}
	/* RFC 1035 5.1: "\DDD". Such a name can be recorded, and never be a declared one. */
	out[0] = '\\';
	out[1] = (char)('0' + c / 100);
	out[2] = (char)('0' + c / 10 % 10);
	out[3] = (char)('0' + c % 10);
	return 4;
}

/* A question's name. Pointers are not allowed in it: there is nothing before it to point to. */
static void parse_name(struct cur *c, char *text)
{
	size_t n = 0, wire = 1;
	for (;;) {
		uint8_t len = cur_u8(c);
		struct span label = cur_bytes(c, len);
		wire += len + 1u;
		if (len > LABEL_MAX || wire > NAME_MAX_WIRE + (len == 0))
			c->err = ERR_MALFORMED;
		if (cur_err(c) || len == 0)
			break;
		if (n)
			text[n++] = '.';
		for (size_t i = 0; i < label.len; i++)
			n += text_byte(label.p[i], text + n);
	}
	if (!n)
		text[n++] = '.';
	text[n] = 0;
}

/* Any other record's name, passed over: labels, ended by the root or by one pointer, which is not
 * followed. */
static void skip_name(struct cur *c)
{
	for (int i = 0; !cur_err(c); i++) {
		uint8_t len = cur_u8(c);
		if (len == 0)
			return;
		if ((len & 0xc0) == 0xc0) {
			cur_u8(c);
			return;
		}
		if (len > LABEL_MAX || i > NAME_MAX_WIRE / 2)
			c->err = ERR_MALFORMED;
		cur_bytes(c, len);
	}
}

static int parse_additional(struct cur *c, int n, struct dns_query *q)
{
	int rcode = DNS_NOERROR;
	for (int i = 0; i < n && !cur_err(c); i++) {
		bool is_root = cur_left(c) && *c->p == 0;
		skip_name(c);
		uint16_t type = cur_u16(c), size = cur_u16(c);
		uint32_t ttl = cur_u32(c);
		cur_bytes(c, cur_u16(c));
		if (type != DNS_OPT)
			continue;
		/* RFC 6891 6.1.1: more than one OPT, or one whose name is not the root: FORMERR. */
		if (q->has_edns || !is_root)
			return DNS_FORMERR;
		q->has_edns = true;
		q->udp_size = size < DNS_UDP_PLAIN ? DNS_UDP_PLAIN : size;
		if (ttl >> 16 & 0xff)
			rcode = DNS_BADVERS;
	}
	return cur_err(c) ? DNS_FORMERR : rcode;
}

int dns_parse(struct span msg, struct dns_query *ret)
{
	struct cur c = cur_of(msg);
	ret->id = cur_u16(&c);
	uint16_t flags = cur_u16(&c);
	uint16_t n_question = cur_u16(&c), n_answer = cur_u16(&c), n_authority = cur_u16(&c);
	uint16_t n_additional = cur_u16(&c);

	ret->opcode = flags & FLAG_OPCODE;
	ret->wants_recursion = flags & FLAG_RD;
	ret->has_question = ret->has_edns = false;
	ret->question = (struct span){0};
	ret->udp_size = DNS_UDP_PLAIN;
	ret->type = ret->class = 0;
	strcpy(ret->name, ".");
	if (cur_err(&c) || flags & FLAG_QR || msg.len > DNS_QUERY_MAX)
		return ERR_MALFORMED;
	if (flags & FLAG_OPCODE)
		return DNS_NOTIMP;
	if (n_question != 1 || n_answer || n_authority)
		return DNS_FORMERR;

	const uint8_t *from = c.p;
	parse_name(&c, ret->name);
	ret->type = cur_u16(&c);
	ret->class = cur_u16(&c);
	if (cur_err(&c))
		return DNS_FORMERR;
	ret->has_question = true;
	ret->question = span_of(from, (size_t)(c.p - from));
	int rcode = parse_additional(&c, n_additional, ret);
	return rcode || !cur_left(&c) ? rcode : DNS_FORMERR;
}

static int count_for(const struct dns_query *q, const struct resolved *found)
{
	int n = 0;
	for (int i = 0; found && i < found->n_addrs; i++)
		n += addr_is_v4(&found->addrs[i]) ? q->type == DNS_A : q->type == DNS_AAAA;
	return q->class == CLASS_IN ? n : 0;
}

static void add_records(const struct dns_query *q, const struct resolved *found, struct buf *out)
{
	for (int i = 0; i < found->n_addrs; i++) {
		const struct addr *a = &found->addrs[i];
		bool is_v4 = addr_is_v4(a);
		if (q->type != (is_v4 ? DNS_A : DNS_AAAA))
			continue;
		buf_add_u16(out, 0xc00c); /* the question's name, right behind the header */
		buf_add_u16(out, q->type);
		buf_add_u16(out, CLASS_IN);
		buf_add_u32(out, found->ttl_s);
		buf_add_u16(out, is_v4 ? 4 : 16);
		buf_add(out, is_v4 ? a->ip + 12 : a->ip, is_v4 ? 4 : 16);
	}
}

static void add_header(const struct dns_query *q, int rcode, int n, bool is_cut, struct buf *out)
{
	buf_add_u16(out, q->id);
	buf_add_u16(out, (uint16_t)(FLAG_QR | q->opcode | (is_cut ? FLAG_TC : 0) |
				    (q->wants_recursion ? FLAG_RD : 0) | FLAG_RA | (rcode & 15)));
	buf_add_u16(out, q->has_question);
	buf_add_u16(out, (uint16_t)n);
	buf_add_u16(out, 0);
	buf_add_u16(out, q->has_edns);
	buf_add_span(out, q->question);
}

void dns_answer(const struct dns_query *q, int rcode, const struct resolved *found, size_t limit,
		struct buf *out)
{
	int n = rcode ? 0 : count_for(q, found);
	size_t record = 12 + (q->type == DNS_A ? 4 : 16);
	size_t fixed = 12 + q->question.len + (q->has_edns ? 11 : 0);
	bool is_cut = fixed + (size_t)n * record > limit;

	add_header(q, rcode, is_cut ? 0 : n, is_cut, out);
	if (n && !is_cut)
		add_records(q, found, out);
	if (!q->has_edns)
		return;
	buf_add_u8(out, 0);
	buf_add_u16(out, DNS_OPT);
	buf_add_u16(out, DNS_UDP_EDNS);
	buf_add_u32(out, (uint32_t)(rcode >> 4) << 24);
	buf_add_u16(out, 0);
}

const char *dns_type_text(uint16_t type, char *out)
{
	static const struct {
		uint16_t type;
		const char *text;
	} names[] = {{1, "A"},	  {2, "NS"},	{5, "CNAME"},  {6, "SOA"},
		     {12, "PTR"}, {15, "MX"},	{16, "TXT"},   {28, "AAAA"},
		     {33, "SRV"}, {64, "SVCB"}, {65, "HTTPS"}, {255, "ANY"}};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].type == type)
			return names[i].text;
	snprintf(out, 16, "TYPE%u", type);
	return out;
}
