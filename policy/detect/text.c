/* Mail addresses, bank accounts, IPv6. */
#include <arpa/inet.h>

#include "base/macro.h"
#include "policy/detect/internal.h"

/* ---- mail addresses: RFC 5321 4.1.2, the usual part of it ---- */

#define LOCAL_MAX 64
#define HOST_MAX  255

static bool is_local(uint8_t c)
{
	return is_alnum(c) || c >= 0x80 || is_of("._%+-'", c);
}

static bool is_host(uint8_t c)
{
	return is_alnum(c) || c >= 0x80 || c == '-' || c == '.';
}

bool find_email(struct span s, size_t at, size_t from, struct find *ret)
{
	size_t start = at, host = at + 1, end = host;
	while (start > from && at - start < LOCAL_MAX && is_local(s.p[start - 1]))
		start--;
	while (start < at && (s.p[start] == '\'' || s.p[start] == '.' || is_escape_end(s, start)))
		start++;
	start -= start > from && s.p[start - 1] == '\\'; /* of a letter as JSON escapes it */
	while (end < s.len && end - host < HOST_MAX && is_host(s.p[end]))
		end++;
	while (end > host && (s.p[end - 1] == '.' || s.p[end - 1] == '-'))
		end--;
	size_t top = end;
	while (top > host && s.p[top - 1] != '.')
		top--;
	bool has_top = top > host + 1 && end >= top + 2 && !is_digit(s.p[top]);
	return start < at && has_top && take(ret, start, end, DETECT_EMAIL);
}

/* ---- bank accounts: ISO 13616, lengths by the SWIFT registry, release 99 ---- */

static const char ibans[][5] = {
    "AD24",
    "AE23",
    "AL28",
    "AT20",
    "AZ28",
    "BA20",
    "BE16",
    "BG22",
    "BH22",
    "BI27",
    "BR29",
    "BY28",
    "CH21",
    "CR22",
    "CY28",
    "CZ24",
    "DE22",
    "DJ27",
    "DK18",
    "DO28",
    "EE20",
    "EG29",
    "ES24",
    "FI18",
    "FK18",
    "FO18",
    "FR27",
    "GB22",
    "GE22",
    "GI23",
    "GL18",
    "GR27",
    "GT28",
    "HN28",
    "HR21",
    "HU28",
    "IE22",
    "IL23",
    "IQ23",
    "IS26",
    "IT27",
    "JO30",
    "KW30",
    "KZ20",
    "LB28",
    "LC32",
    "LI21",
    "LT20",
    "LU20",
    "LV21",
    "LY25",
    "MC27",
    "MD24",
    "ME22",
    "MK19",
    "MN20",
    "MR27",
    "MT31",
    "MU30",
    "NI28",
    "NL18",
    "NO15",
    "OM23",
    "PK24",
    "PL28",
    "PS29",
    "PT25",
    "QA29",
    "RO24",
    "RS22",
    "RU33",
    "SA24",
    "SC31",
    "SD18",
    "SE24",
    "SI19",
    "SK24",
    "SM27",
    "SO23",
    "ST25",
    "SV28",
    "TL23",
    "TN24",
    "TR26",
    "UA29",
    "VA22",
    "VG24",
    "XK20",
    "YE30",
    /* not in the registry, but in use, or of a territory that writes its own letters */
    "AO25",
    "AX18",
    "BF28",
    "BJ28",
    "BL27",
    "CF27",
    "CG27",
    "CI28",
    "CM27",
    "CV25",
    "DZ26",
    "GA27",
    "GF27",
    "GG22",
    "GP27",
    "GQ27",
    "GW25",
    "IM22",
    "IR26",
    "JE22",
    "KM27",
    "MA28",
    "MF27",
    "MG27",
    "ML28",
    "MQ27",
    "MZ25",
    "NC27",
    "NE28",
    "PF27",
    "PM27",
    "RE27",
    "SN28",
    "TD27",
    "TF27",
    "TG28",
    "WF27",
    "YT27",
};

static int iban_length(const uint8_t *country)
{
	for (size_t i = 0; i < ARRAY_LEN(ibans); i++)
		if (!memcmp(ibans[i], country, 2))
			return (ibans[i][2] - '0') * 10 + ibans[i][3] - '0';
	return 0;
}

/* The first four characters count last; a letter is two digits. */
static bool is_mod_97(const uint8_t *c, int n)
{
	unsigned rest = 0;
	for (int i = 0; i < n; i++) {
		uint8_t k = c[(i + 4) % n];
		rest = is_digit(k) ? (rest * 10 + k - '0') % 97 : (rest * 100 + k - 'A' + 10) % 97;
	}
	return rest == 1;
}

bool find_iban(struct span s, size_t i, struct find *ret)
{
	uint8_t c[34];
	size_t at = i;
	int n = 0, want = i + 4 <= s.len ? iban_length(s.p + i) : 0;
	if (!want || is_alnum(byte_before(s, i)))
		return false;
	while (n < want && at < s.len) {
		bool is_gap = n && (s.p[at] == ' ' || s.p[at] == '-') && is_alnum(s.p[at - 1]);
		if (is_gap) {
			at++;
			continue;
		}
		if (!is_digit(s.p[at]) && (uint8_t)(s.p[at] - 'A') >= 26)
			return false;
		c[n++] = s.p[at++];
	}
	bool is_iban = n == want && !is_alnum(byte_at(s, at)) && is_mod_97(c, n);
	return is_iban && take(ret, i, at, DETECT_IBAN);
}

/* ---- IPv6: RFC 4291 2.2 ---- */

static bool is_hex(uint8_t c)
{
	return is_digit(c) || (uint8_t)((c | 0x20) - 'a') < 6;
}

/* "1::dec" in a statement is a cast: an address begins with a group of three or more, ends in a
 * dotted one, or has four colons. */
static bool looks_like_ip6(const char *text)
{
	int colons = 0;
	for (const char *p = text; *p; p++)
		colons += *p == ':';
	return colons >= 4 || strcspn(text, ":") >= 3 || strchr(text, '.');
}

static bool ip6_from(struct span s, size_t start, struct find *ret)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr ignored;
	size_t n = 0;
	while (n < sizeof(text) && start + n < s.len &&
	       (is_hex(s.p[start + n]) || is_of(":.", s.p[start + n])))
		n++;
	if (n == sizeof(text) || is_alnum(byte_at(s, start + n)) || is_alnum(byte_before(s, start)))
		return false;
	while (n && (s.p[start + n - 1] == '.' ||
		     (s.p[start + n - 1] == ':' && (n < 2 || s.p[start + n - 2] != ':'))))
		n--;
	memcpy(text, s.p + start, n);
	text[n] = 0;
	return looks_like_ip6(text) && inet_pton(AF_INET6, text, &ignored) == 1 &&
	       take(ret, start, start + n, DETECT_IP);
}

bool find_ip6(struct span s, size_t colon, size_t from, struct find *ret)
{
	size_t start = colon;
	while (start > from && colon - start < INET6_ADDRSTRLEN &&
	       (is_hex(s.p[start - 1]) || s.p[start - 1] == ':'))
		start--;
	start += s.p[start] == ':' && byte_at(s, start + 1) != ':'; /* "addr:2001:db8::1" */
	return ip6_from(s, start, ret) || ip6_from(s, colon + 1, ret);
}
