/* Destinations: their parsing, and which resource answers to one. */
#include <ctype.h>

#include "base/macro.h"
#include "policy/load.h"

#define NAME_MAX_LEN 253 /* RFC 1035 2.3.4 */

/* --- parsing ---------------------------------------------------------------------------------- */

static bool parse_number(const char *s, long max, long *ret)
{
	size_t n = strspn(s, "0123456789");
	if (!n || n > 5 || s[n] || (s[0] == '0' && n > 1))
		return false;
	*ret = strtol(s, NULL, 10);
	return *ret <= max;
}

/* RFC 1123 2.1 host names, '_' besides; the last label is not a number, so that a mistyped address
 * is no name. */
static const char *check_name(const char *s)
{
	size_t label = 0, n = strlen(s);
	const char *last = strrchr(s, '.');
	if (n > NAME_MAX_LEN)
		return "a name of more than 253 bytes";
	for (size_t i = 0; i < n; i++) {
		uint8_t c = (uint8_t)s[i];
		if (c == '*')
			return "a wildcard; expected whole names, addresses or networks";
		if (c == '.' ? !label : !(isalnum(c) || c == '-' || c == '_'))
			return "no destination; expected host:port, an address or a network such "
			       "as 10.0.0.0/8";
		label = c == '.' ? 0 : label + 1;
		if (label > 63)
			return "a label of more than 63 bytes";
	}
	if (!n || !label)
		return "a name that is empty or ends in a dot; expected it without";
	last = last ? last + 1 : s;
	if (!last[strspn(last, "0123456789")])
		return "neither a name nor an address; expected four numbers from 0 to 255";
	return NULL;
}

static const char *parse_net(const char *ip, const char *prefix, struct match *m)
{
	struct addr a;
	long len = 128;
	if (addr_parse_ip(ip, &a))
		return "no IP address before the '/'; expected e.g. 10.0.0.0/8 or [fd00::/8]";
	bool v4 = addr_is_v4(&a) && !strchr(ip, ':');
	if (prefix && !parse_number(prefix, v4 ? 32 : 128, &len))
		return v4 ? "a bad prefix length; expected 0 to 32"
			  : "a bad prefix length; expected 0 to 128";
	if (v4 && prefix)
		len += 96;
	if (!v4 && addr_is_v4(&a) && len < 96)
		return "a v4-mapped network wider than IPv4; expected IPv4 notation";
	memcpy(m->net, a.ip, 16);
	m->prefix_len = (int)len;
	for (long bit = len; bit < 128; bit++)
		if (a.ip[bit / 8] >> (7 - bit % 8) & 1)
			return "bits are set behind the prefix; expected the network's own address";
	return NULL;
}

/* Splits host, prefix and port in place. */
static const char *split(char *s, char **ret_host, char **ret_prefix, char **ret_port)
{
	char *port = NULL, *end;
	if (*s == '[') {
		end = strchr(++s, ']');
		if (!end || (end[1] && end[1] != ':'))
			return "an address in brackets that do not close; expected [IPv6]:port";
		port = end[1] ? end + 2 : NULL;
		*end = 0;
		if (!strchr(s, ':'))
			return "brackets around what is no IPv6 address; expected [IPv6]:port";
	} else {
		char *colon = strchr(s, ':');
		if (colon && !strchr(colon + 1, ':')) {
			port = colon + 1;
			*colon = 0;
		}
	}
	*ret_host = s;
	*ret_prefix = strchr(s, '/');
	if (*ret_prefix)
		*(*ret_prefix)++ = 0;
	*ret_port = port;
	return NULL;
}

int match_parse(struct arena *a, const char *text, struct match *ret, const char **ret_why)
{
	char copy[300], *host, *prefix, *port;
	struct match m = {0};
	long number = 0;
	if (strlen(text) >= sizeof(copy)) {
		*ret_why = "more than 299 bytes; expected host:port";
		return ERR_MALFORMED;
	}
	strcpy(copy, text);
	const char *why = split(copy, &host, &prefix, &port);
	if (!why && port && (!parse_number(port, 65535, &number) || !number))
		why = "a bad port; expected 1 to 65535 (no port: any)";
	struct addr ip;
	bool is_ip = !why && (prefix || strchr(host, ':') || !addr_parse_ip(host, &ip));
	if (!why)
		why = is_ip ? parse_net(host, prefix, &m) : check_name(host);
	if (why) {
		*ret_why = why;
		return ERR_MALFORMED;
	}
	m.port = (uint16_t)number;
	if (!is_ip) {
		for (char *c = host; *c; c++)
			*c = (char)tolower((uint8_t)*c);
		m.host = arena_str(a, host);
		if (!m.host)
			return ERR_LIMIT;
	}
	*ret = m;
	return 0;
}

static bool is_one_host_port(const char *s)
{
	struct arena a;
	struct match m;
	const char *why;
	arena_init(&a, 4096);
	int err = match_parse(&a, s, &m, &why);
	arena_done(&a);
	return !err && m.port && (m.host || m.prefix_len == 128) && !strchr(s, '/');
}

bool load_is_host_port(const char *s)
{
	char one[300];
	for (size_t n; (n = strcspn(s, ",")) != 0; s += n + 1) {
		if (n >= sizeof(one))
			return false;
		memcpy(one, s, n);
		one[n] = 0;
		if (!is_one_host_port(one))
			return false;
		if (!s[n])
			return true;
	}
	return false;
}

/* --- matching --------------------------------------------------------------------------------- */

static bool same_name(const char *a, const char *b)
{
	return !strcasecmp(a, b);
}

/* How specific this match of dst is: a name beats an address, a longer prefix a shorter, a port no
 * port; of several names the one that was answered first. 0: no match. */
static long rank(const struct match *m, const struct addr *dst, const char *const *names,
		 int n_names)
{
	if (m->port && m->port != dst->port)
		return 0;
	if (m->host) {
		for (int i = 0; i < n_names; i++)
			if (same_name(m->host, names[i]))
				return (1 << 20) + (m->port ? 1 << 18 : 0) + MAX(0, 1000 - i);
		return 0;
	}
	struct addr net = {.port = 0};
	memcpy(net.ip, m->net, 16);
	bool is_v4_net = m->prefix_len >= 96 && addr_is_v4(&net);
	/* An IPv6 network never means IPv4, "::/0" included. */
	if (addr_is_v4(dst) != is_v4_net || !addr_in(dst, m->net, m->prefix_len))
		return 0;
	return 2 + 2 * m->prefix_len + (m->port != 0);
}

const struct resource *plan_match(const struct plan *p, const struct addr *dst,
				  const char *const *names, int n_names)
{
	const struct resource *best = NULL;
	long best_rank = 0;
	for (int i = 0; i < p->n_resources; i++) {
		for (int k = 0; k < p->resources[i].n_matches; k++) {
			long r = rank(&p->resources[i].matches[k], dst, names, n_names);
			if (r > best_rank) {
				best_rank = r;
				best = &p->resources[i];
			}
		}
	}
	return best;
}

static bool resource_has_name(const struct resource *r, const char *name)
{
	for (int k = 0; k < r->n_matches; k++)
		if (r->matches[k].host && same_name(r->matches[k].host, name))
			return true;
	return false;
}

bool plan_declares_name(const struct plan *p, const char *name)
{
	return plan_resource_of_name(p, name, NULL) != NULL;
}

const struct resource *plan_resource_of_name(const struct plan *p, const char *name,
					     const char *role)
{
	const struct resource *found = NULL;
	for (int i = 0; i < p->n_resources; i++) {
		const struct resource *r = &p->resources[i];
		if (!resource_has_name(r, name))
			continue;
		if (!role || plan_role_uses(p, r, role))
			return r;
		found = found ? found : r;
	}
	return found;
}
