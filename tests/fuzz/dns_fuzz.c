/* Any bytes as a DNS query; what is answered must be one message that says what was asked. */
#include <stdlib.h>

#include "proto/dns/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct addr addrs[40];
	struct resolved found = {.addrs = addrs, .n_addrs = 40, .ttl_s = 30};
	struct dns_query q;
	struct buf out;
	int r = dns_parse(span_of(data, size), &q);
	if (r < 0)
		return 0;
	for (int i = 0; i < 40; i += 2)
		addrs[i].ip[10] = addrs[i].ip[11] = 0xff;
	buf_init(&out, 8192);
	dns_answer(&q, r, &found, 1232, &out);
	if (buf_err(&out) || buf_len(&out) > 1232 || strlen(q.name) >= DNS_NAME_TEXT)
		abort();
	struct span s = buf_span(&out);
	if (s.len < 12 || s.p[0] != data[0] || s.p[1] != data[1] || !(s.p[2] & 0x80))
		abort();
	buf_done(&out);
	return 0;
}
