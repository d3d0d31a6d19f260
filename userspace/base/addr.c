#include "base/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

static const uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool addr_is_v4(const struct addr *a)
{
	return !memcmp(a->ip, v4_prefix, 12);
}

bool addr_in(const struct addr *a, const uint8_t net[16], int prefix_len)
{
	int whole = prefix_len / 8, rest = prefix_len % 8;
	if (memcmp(a->ip, net, (size_t)whole))
		return false;
	return !rest || !((a->ip[whole] ^ net[whole]) >> (8 - rest));
}

int addr_parse_ip(const char *text, struct addr *ret)
{
	struct addr a = {0};
	if (inet_pton(AF_INET, text, a.ip + 12) == 1)
		memcpy(a.ip, v4_prefix, 12);
	else if (inet_pton(AF_INET6, text, a.ip) != 1)
		return ERR_MALFORMED;
	*ret = a;
	return 0;
}

char *addr_ip_text(const struct addr *a, char *out)
{
	if (addr_is_v4(a))
		inet_ntop(AF_INET, a->ip + 12, out, ADDR_TEXT);
	else
		inet_ntop(AF_INET6, a->ip, out, ADDR_TEXT);
	return out;
}

char *addr_text(const struct addr *a, char *out)
{
	char ip[ADDR_TEXT];
	addr_ip_text(a, ip);
	snprintf(out, ADDR_TEXT, addr_is_v4(a) ? "%s:%u" : "[%s]:%u", ip, a->port);
	return out;
}

int addr_from_sockaddr(const struct sockaddr *sa, struct addr *ret)
{
	struct addr a = {0};
	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)sa;
		memcpy(a.ip, v4_prefix, 12);
		memcpy(a.ip + 12, &in->sin_addr, 4);
		a.port = ntohs(in->sin_port);
	} else if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)sa;
		memcpy(a.ip, &in6->sin6_addr, 16);
		a.port = ntohs(in6->sin6_port);
	} else {
		return ERR_UNSUPPORTED;
	}
	*ret = a;
	return 0;
}

socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (addr_is_v4(a)) {
		struct sockaddr_in *in = (void *)ret;
		in->sin_family = AF_INET;
		in->sin_port = htons(a->port);
		memcpy(&in->sin_addr, a->ip + 12, 4);
		return sizeof(*in);
	}
	struct sockaddr_in6 *in6 = (void *)ret;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(a->port);
	memcpy(&in6->sin6_addr, a->ip, 16);
	return sizeof(*in6);
}
