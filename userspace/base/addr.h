/* An IP endpoint in one form: IPv4 is held v4-mapped (::ffff:a.b.c.d), so that there is one compare.
 * port is in host order. */
#pragma once

#include <stdint.h>
#include <sys/socket.h>

#include "base/span.h"

struct addr {
	uint8_t ip[16];
	uint16_t port;
};

#define ADDR_TEXT 64

static inline bool addr_eq(const struct addr *a, const struct addr *b)
{
	return a->port == b->port && !memcmp(a->ip, b->ip, 16);
}

bool addr_is_v4(const struct addr *a);
/* True if the first prefix_len (0..128, of the v4-mapped form) bits are equal. */
bool addr_in(const struct addr *a, const uint8_t net[16], int prefix_len);
/* "1.2.3.4" or "::1" (no brackets, no zone). ERR_MALFORMED otherwise. Port becomes 0. */
must_check int addr_parse_ip(const char *text, struct addr *ret);
/* "1.2.3.4:5432" or "[::1]:5432" into out (ADDR_TEXT bytes). Returns out. */
char *addr_text(const struct addr *a, char *out);
/* The IP alone. */
char *addr_ip_text(const struct addr *a, char *out);
/* ERR_UNSUPPORTED for other families. */
must_check int addr_from_sockaddr(const struct sockaddr *sa, struct addr *ret);
socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *ret);
