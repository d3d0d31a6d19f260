/* What is found, by tables; and the one pass over blocks, in each of its forms, against a search
 * that asks every check at every byte. */
#include "policy/detect/internal.h"

#include <stdlib.h>

#include "base/macro.h"

#include "../../tap.h"

#define B(kind) (1ull << DETECT_##kind)

/* [..] are the finds. */
static const struct {
	uint64_t kinds, bare;
	const char *marked;
} table[] = {
    {B(SSN), 0, "ssn [247-56-8310], [529 83 4416], [529.83.4416]!"},
    {B(SSN), 0, "000-12-3456 666-12-3456 912-12-3456 123-00-4567 123-45-0000"},
    {B(SSN), 0, "247-56 8310, 247-56-83101, 1247-56-8310"},
    {B(SSN), 0, "247568310 and a social security number: [247568310]"},
    {B(SSN), B(SSN), "[247568310]"},
    {B(CARD), 0, "card [5491 0382 6471 9357] [4485719302648176], [4111-1111-1111-1111]."},
    {B(CARD), 0, "5491 0382 6471 9358 1234567890123456 41111111111111111111"},
    {B(CARD), 0, "[378282246310005],[6011000990139424]\t[30569309025904] [3530111333300000]"},
    {B(CARD), 0, "[4222222222222] 9111111111111111 0.4111111111111111 a4111111111111111f"},
    {B(CARD), 0, "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"},
    {B(CARD), 0, "{\"card\":\"[4111111111111111]\",\"n\":[4111111111111111]}"},
    {B(SSN), 0,
     "[247_56_8310] [247:56:8310], [247;56;8310] [247|56|8310] 247~56~8310 247_56_83101 "
     "1247_56_8310"},
    {B(SSN), 0,
     "[247\xe2\x80\x91"
     "56\xe2\x80\x91"
     "8310] [247\xc2\xa0"
     "56\xc2\xa0"
     "8310]. \xd1\x8f [247\xe2\x80\x93"
     "56\xe2\x80\x93"
     "8310]"},
    {B(SSN), 0,
     "[247\xe2\x88\x92"
     "56-8310] [247\xe3\x80\x80"
     "56\xe3\x80\x80"
     "8310] 000\xe2\x80\x91"
     "56\xe2\x80\x91"
     "8310"},
    {B(SSN), 0,
     "[\xef\xbc\x92\xef\xbc\x94\xef\xbc\x97\xef\xbc\x8d\xef\xbc\x95\xef\xbc\x96\xef\xbc\x8d\xef\xbc"
     "\x98"
     "\xef\xbc\x93\xef\xbc\x91\xef\xbc\x90]\xe5\xb9\xb4"},
    {B(SSN), 0,
     "\xd9\x86 [\xd9\xa2\xd9\xa4\xd9\xa7-\xd9\xa5\xd9\xa6-\xd9\xa8\xd9\xa3\xd9\xa1\xd9\xa0] "
     "\xd9\xa2\xd9\xa0\xd9\xa2\xd9\xa4"},
    {B(SSN), 0, "ssn [\xdb\xb2\xdb\xb4\xdb\xb7\xdb\xb5\xdb\xb6\xdb\xb8\xdb\xb3\xdb\xb1\xdb\xb0]!"},
    {B(CARD), 0,
     "[5491_0382_6471_9357] [5491|0382|6471|9357], [5491:0382:6471:9357]; 5491_0382_6471_9358 "
     "1234_5678"},
    {B(CARD), 0,
     "[5491\xe2\x80\x90"
     "0382\xe2\x80\x90"
     "6471\xe2\x80\x90"
     "9357] [5491\xc2\xa0"
     "0382\xc2\xa0"
     "6471\xc2\xa0"
     "9357]\xc2\xa0x"},
    {B(CARD), 0,
     "[\xef\xbc\x95\xef\xbc\x94\xef\xbc\x99\xef\xbc\x91"
     "038264719357]"},
    {B(CARD), 0, "[3782;822463;10005] 3782;822463;10006"},
    {B(PHONE), 0,
     "[+33\xc2\xa0"
     "1\xc2\xa0"
     "23\xc2\xa0"
     "45\xc2\xa0"
     "67\xc2\xa0"
     "89], [212\xe2\x80\x91"
     "555\xe2\x80\x91"
     "0123], "
     "2024\xe5\xb9\xb4"
     "5\xe6\x9c\x88"
     "6 1234567\xe5\xb9\xb4"},
    {B(PHONE), 0,
     "[+\xd9\xa4\xd9\xa9 \xd9\xa3\xd9\xa0 \xd9\xa1\xd9\xa2\xd9\xa3\xd9\xa4\xd9\xa5\xd9\xa6], "
     "[212\xe2\x80\x91"
     "555\xe2\x80\x91"
     "0123 x77]"},
    {B(IP), 0,
     "[\xef\xbc\x91\xef\xbc\x90\xef\xbc\x8e"
     "0.0.1]"},
    {B(EMAIL), 0, "alt [gia.alt@example.org]. <[o'hara+x@mail.example.com]> '[ada@example.com]'"},
    {B(EMAIL), 0, "a@b, x@y.z, @example.com, me@ u@1.22 @ @@ a@.de"},
    {B(EMAIL), 0, "[j\xc3\xb6rg@m\xc3\xbcller.example]"},
    {B(EMAIL), 0, "\"a\\n[ada@example.com]\", \"[\\u00e9ric@example.com]\""},
    {B(IBAN), 0, "\"\\n[DE89370400440532013000]\""},
    {B(TOKEN) | B(PHONE), 0, "\\n[AKIAIOSFODNN7EXAMPLE]\\n[212-555-0123]\\t[(0116) 496 0069] fax"},
    {B(PHONE), 0,
     "[0118 496 0412] office, [001-714-909-9169x2061]; \\nFax: [04476 216827], "
     "{\"tel\":1},2165123"},
    {B(PHONE), 0, "call about 942-33-6986"},
    {B(SSN), 0, "942-33-6986, {\"ssn\": \"[942-33-6986]\"} 942-33-6986 SSN [942336986]"},
    {B(CARD), 0, "676251454754 9111111111111111 card [676251454754] visa [9111111111111110]"},
    {B(CARD), 0, "card 676251454755 9111111111111112"},
    {B(IBAN), 0,
     "[DE89370400440532013000] [DE89 3704 0044 0532 0130 00], [GB82-WEST-1234-5698-7654-32]"},
    {B(IBAN), 0,
     "DE89370400440532013001 DE893704004405320130000 XX89370400440532013000 "
     "ADE89370400440532013000"},
    {B(PHONE), 0,
     "[+49 30 123456] [+1 (212) 555-0123] [+442079460958], [(212) 555-0123] [212-555-0123 x77] "
     "[212-555-0123] [212-555-0124]"},
    {B(PHONE), 0,
     "1212555012 2024-05-06 10:11:12 +0 12345678 +999 1234567 112-155-0123 192.168.10.100"},
    {B(PHONE), 0, "5551234 but call [555-1234], Phone: [030/123456] tel. [0301234567]"},
    {B(PHONE), B(PHONE), "[030 123456]"},
    {B(PHONE), 0,
     "[+1.7035555555] [+49.3012345678], 1.7035555555 12.3456789 1.0+20240506 a1+20240506-2"},
    {B(IP), 0,
     "[10.0.0.1]:80, [255.255.255.255] [2001:db8::1] [fe80::1]%eth0 addr:[2001:db8:0:0:0:0:0:1]."},
    {B(IP), 0,
     "256.1.1.1 1.2.3 1.2.3.4.5 v1.2.3.4 01.2.3.4 10:11:12 aa:bb:cc:dd:ee:ff std::vector 1::dec "
     "::1"},
    {B(IP), 0, "[::ffff:192.0.2.128] {\"ip\":\"[::ffff:10.0.0.1]\"} 12:30:45 [fe80::1]"},
    {B(IP), 0, "[1:2:3:4:5:6:10.0.0.1] addr:[2001:db8::1] aa:bb:cc:dd:ee:ff"},
    {B(JWT), 0,
     "Bearer [eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJlLWJ5dGVz]. "
     "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ"},
    {B(PEM), 0, "x[-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----]\ny"},
    {B(PEM), 0,
     "[-----BEGIN PRIVATE KEY-----\\nMIIBabc+/=\\n]\"; -----BEGIN CERTIFICATE-----\nMII"},
    {B(TOKEN), 0, "[AKIAIOSFODNN7EXAMPLE] AKIAIOSFODNN7EXAMPLEX xAKIAIOSFODNN7EXAMPLE"},
    {B(TOKEN), 0, "aws_secret_access_key = \"[wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY]\""},
    {B(TOKEN), 0,
     "[ghp_abcdefghijklmnopqrstuvwxyz0123456789] [xoxb-123456789012-abcdefghijkl] ghp_short "
     "sk-learn"},
    {B(TOKEN), 0,
     "[sk-ant-api03-abcdefghijklmnopqrstuvwxyz-_AA] [sk_live_abcdefghijklmnop0123] task-sk-"},
    {B(TOKEN), 0,
     "[sk-proj-abcdefghijklmnop_qrstuvwxyz-01] [sk-svcacct-abcdefghijklmnop_qrstuvw] "
     "[sk-admin-abcdefghijklmnopqrstuvwx] sk-proj-x"},
    {B(TOKEN), 0,
     "[glpat-abcdefghij0123456789.01.abcdefg0] [glptt-abcdefghij0123456789] "
     "[glagent-abcdefghij0123456789]"},
    {B(TOKEN), 0,
     "url=https://[hooks.slack.com/services/T01234567/B01234567/abcdefghijklmnopqrstuvwx]\" "
     "hooks.slack.com/x"},
    {B(TOKEN), 0,
     "[xoxe.xoxp-1-abcdefghijklmnopqrstuvwx] [xoxe-1-abcdefghijklmnopqrstuvwx], "
     "[xoxd-abcdefghijklmnopqrst]"},
    {B(TOKEN), 0,
     "[ghs_123456_eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIxMjM0NTYifQ.abcdefghijklmnopqrstuvwxyz0123456789]"
     " ghs_12"},
    {B(TOKEN), 0,
     "[github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ012] "
     "github_pat_x"},
    {B(TOKEN), 0,
     "[shpat_0123456789abcdef0123456789abcdef] [r8_abcdefghijklmnopqrstuvwxyz01234567890] "
     "[gsk_abcdefghijklmnopqrstuvwxyz0123456789ABCD]"},
    {B(TOKEN), 0,
     "[dckr_pat_abcdefghijklmnopqrstuvwxy_A] [sbp_0123456789abcdef0123456789abcdef01234567] "
     "[sb_secret_abcdefghijklmnopqrst_u]"},
    {B(TOKEN), 0,
     "[AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ] "
     "[dor_v1_0123456789abcdef0123456789abcdef01234567]"},
    {B(TOKEN), 0,
     "[hvs.abcdefghijklmnopqrstuvwx_0] [lin_api_abcdefghijklmnopqrstuvwxyz012345] "
     "[dapi0123456789abcdef0123456789abcdef] hvs.x"},
    {B(TOKEN), 0,
     "[ntn_abcdefghijklmnopqrstuvwxyz01234567890123] "
     "[pplx-abcdefghijklmnopqrstuvwxyz01234567890123] the name has a book"},
    {B(JWT), 0,
     "[eyAiYWxnIjogIkhTMjU2In0.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJlLWJ5dGVz] "
     "[eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..aXZpdml2.Y2lwaGVy.dGFn]"},
    {B(TOKEN), 0, "[AIzaSyA1234567890abcdefghijklmnopqrstuv]"},
    {B(BIRTH), 0,
     "born on [1990-05-06], dob: [6/5/1990]; date_of_birth=[5 May 1990], birthday 7, 2024-01-01"},
    {B(BIRTH), 0,
     "\"birth_date\": \"[19900506]\", Born [May 5th, 1990] in Bonn; reborn 1990-05-06; airborne"},
    {B(BIRTH), B(BIRTH), "[1990-05-06]"},
    {B(BIRTH), B(BIRTH), "[May 5, 1990] [5. May 1990]"},
    {DETECT_BUILT_INS, 0, "[4111111111111111@example.com] [ada.247-56-8310@example.com]"},
    {DETECT_BUILT_INS, 0, ""},
};

static void strip(const char *marked, char *text, struct find *finds, int *n)
{
	size_t len = 0;
	*n = 0;
	for (const char *p = marked; *p; p++) {
		if (*p == '[')
			finds[*n].at = len;
		else if (*p == ']')
			finds[*n].len = len - finds[*n].at, (*n)++;
		else
			text[len++] = *p;
	}
	text[len] = 0;
}

static void check_row(size_t row)
{
	char text[400];
	struct find want[20], f;
	int n_want, n = 0;
	struct detect d = {table[row].kinds, table[row].bare, NULL};
	struct detect_walk w;
	bool ok = true;
	strip(table[row].marked, text, want, &n_want);
	detect_begin(&w, &d, span_str(text));
	while (detect_next(&w, &f)) {
		ok &= n < n_want && f.at == want[n].at && f.len == want[n].len;
		if (!ok)
			printf("# row %zu, %s: found \"%.*s\" (%s)\n", row, text, (int)f.len,
			       text + f.at, detect_names[f.kind]);
		n++;
	}
	if (ok && n != n_want)
		printf("# row %zu, %s: %d finds, expected %d\n", row, text, n, n_want);
	CHECK(ok && n == n_want);
}

/* ---- every check at every byte ---- */

static bool is_address_colon(struct span s, size_t i)
{
	bool follows = false, precedes = false;
	for (size_t k = 1; k <= 5; k++) {
		precedes |= i >= k && s.p[i - k] == ':';
		follows |= i + k < s.len && s.p[i + k] == ':';
	}
	return s.p[i] == ':' && follows && (!precedes || s.p[i + 1] == ':');
}

static bool slow_at(const struct detect *d, struct span s, size_t i, size_t from, struct find *f)
{
	uint64_t words = B(JWT) | B(PEM) | B(TOKEN) | B(BIRTH),
		 numbers = B(SSN) | B(CARD) | B(PHONE) | B(IP);
	if (d->kinds & words && find_word(d, s, i, from, f))
		return true;
	bool may_be_iban = i + 4 <= s.len && !is_digit(s.p[i]) && !is_digit(s.p[i + 1]) &&
			   is_digit(s.p[i + 2]) && is_digit(s.p[i + 3]);
	if (d->kinds & B(IBAN) && may_be_iban && find_iban(s, i, f))
		return true;
	bool is_start = is_digit(s.p[i]) && !is_digit(byte_before(s, i));
	if (is_start && (d->kinds & numbers || d->bare & B(BIRTH)) && find_number(d, s, i, from, f))
		return true;
	bool may_be_wide = s.p[i] >= 0x80 || is_start;
	if (may_be_wide && (d->kinds & numbers || d->bare & B(BIRTH)) &&
	    find_wide(d, s, i, from, f))
		return true;
	if (s.p[i] == '@' && d->kinds & B(EMAIL))
		return find_email(s, i, from, f);
	return d->kinds & B(IP) && is_address_colon(s, i) && find_ip6(s, i, from, f);
}

static bool slow_next(const struct detect *d, struct span s, size_t from, struct find *f)
{
	for (size_t i = from; i < s.len; i++) {
		struct find mail;
		if (!slow_at(d, s, i, from, f))
			continue;
		for (size_t k = f->at;
		     d->kinds & B(EMAIL) && f->kind != DETECT_EMAIL && k < s.len && k < f->at + 65;
		     k++) {
			if (s.p[k] == '@' && find_email(s, k, from, &mail) && mail.at <= f->at)
				*f = mail;
			if (!is_alnum(s.p[k]) && !is_of("._%+-", s.p[k]))
				break;
		}
		return true;
	}
	return false;
}

/* Pieces that nearly are something. */
static const char *const pieces[] = {
    "4111",
    "1111",
    "1111111111111111",
    "-",
    ".",
    " ",
    "@",
    "example.com",
    "247-56-8310",
    "56",
    "8310",
    "+1",
    "(212) ",
    "555-",
    "0123",
    "phone",
    "born",
    "1990-05-06",
    "5 May ",
    "1990",
    "DE89",
    "3704 0044 0532 0130 00",
    ":",
    "::",
    ": ::ffff:",
    "1:2:3:4:5:6:7:8",
    "fe80",
    "10.0.0.1",
    "eyJhbGciOiJIUzI1NiJ9",
    "eyJzdWIiOiJhZGEifQ.c2ln",
    "-----BEGIN PRIVATE KEY-----",
    "-----END ",
    "AKIA",
    "IOSFODNN7EXAMPLE",
    "ghp_",
    "abcdefghijklmnopqrstuvwxyz0123456789",
    "sk-",
    "aws_secret=",
    "\n",
    "a",
    "Z",
    "ssn ",
    "0",
    "/",
    ")",
    "\xc3\xa4",
    "'",
    "x12",
    "2024-10-18 04:23:58.633256+00",
    "+49.",
    "30123456",
    "\\n",
    "\\",
    "office",
    "card ",
    "001-",
    "7767.",
    "_",
    "|",
    ";",
    "4111:1111_1111;1111",
    "247|56|8310",
    "\xc2\xa0",
    "\xe2\x80\x91",
    "\xe2\x88\x92",
    "\xef\xbc\x94\xef\xbc\x91\xef\xbc\x91\xef\xbc\x91",
    "\xd9\xa2\xd9\xa4\xd9\xa7",
    "\xdb\xb5\xdb\xb6",
    "\xd9\xa8\xd9\xa3\xd9\xa1\xd9\xa0",
    "\xe5\xb9\xb4",
};

static size_t make_text(unsigned *seed, uint8_t *out, size_t size)
{
	size_t len = 0, want = (size_t)rand_r(seed) % size;
	while (len < want) {
		const char *p = pieces[(size_t)rand_r(seed) % ARRAY_LEN(pieces)];
		size_t n = MIN(strlen(p), size - len);
		memcpy(out + len, p, n);
		len += n;
		if (rand_r(seed) % 200 == 0 && len < size)
			out[len++] = (uint8_t)(rand_r(seed) % 256);
	}
	return len;
}

static void check_against_slow(const char *how)
{
	unsigned seed = 7;
	uint8_t text[700];
	int n_bad = 0, n_finds = 0;
	if (!detect_use(how))
		return;
	for (int round = 0; round < 20000 && n_bad < 3; round++) {
		struct span s = span_of(text, make_text(&seed, text, sizeof(text)));
		struct detect d = {DETECT_BUILT_INS, 0, NULL};
		if (round % 3 == 0)
			d.kinds = (uint64_t)rand_r(&seed) & DETECT_BUILT_INS;
		if (round % 5 == 0)
			d.bare = d.kinds & (B(SSN) | B(PHONE) | B(BIRTH));
		struct detect_walk w;
		struct find f, g;
		size_t from = 0;
		detect_begin(&w, &d, s);
		for (bool a = true, b = true; a || b;) {
			a = detect_next(&w, &f);
			b = slow_next(&d, s, from, &g);
			if (a != b || (a && (f.at != g.at || f.len != g.len || f.kind != g.kind))) {
				printf("# %s, round %d: %d %zu+%zu, slowly %d %zu+%zu\n", how,
				       round, a, a ? f.at : 0, a ? f.len : 0, b, b ? g.at : 0,
				       b ? g.len : 0);
				n_bad++;
				break;
			}
			from = a ? f.at + f.len : 0;
			n_finds += a;
		}
	}
	CHECK_INT(n_bad, 0);
	CHECK(n_finds > 20000);
	detect_use(NULL);
}

static void check_patterns(void)
{
	static const char *const good[] = {"EMP-[0-9]{6}", "(?i)patient id \\d+"};
	static const char *const bad[] = {"a", "(b"};
	static const char *const slow[] = {"^(a+)+$"};
	struct detect_patterns *p = NULL;
	int at = -1;
	char why[120] = "";
	CHECK_INT(detect_patterns_new(bad, 2, &p, &at, why), ERR_MALFORMED);
	CHECK_INT(at, 1);
	CHECK(strstr(why, "parenthesis") != NULL);
	CHECK_INT(detect_patterns_new(good, 2, &p, &at, why), 0);
	struct detect d = {3ull << DETECT_PATTERN_0 | B(EMAIL), 0, p};
	struct detect_walk w;
	struct find f;
	detect_begin(&w, &d, span_str("Patient ID 7 EMP-123456 a@example.org EMP-654321"));
	static const struct find want[] = {{0, 12, DETECT_PATTERN_0 + 1, 0},
					   {13, 10, DETECT_PATTERN_0, 0},
					   {24, 13, DETECT_EMAIL, 0},
					   {38, 10, DETECT_PATTERN_0, 0}};
	int n = 0;
	for (; detect_next(&w, &f) && n < 4; n++)
		CHECK(f.at == want[n].at && f.len == want[n].len && f.kind == want[n].kind);
	CHECK_INT(n, 4);
	struct detect_patterns *again = detect_patterns_ref(p);
	detect_patterns_unref(p);
	detect_patterns_unref(again);
	/* What takes too long is hidden to its end. */
	CHECK_INT(detect_patterns_new(slow, 1, &p, &at, why), 0);
	d = (struct detect){1ull << DETECT_PATTERN_0, 0, p};
	detect_begin(&w, &d, span_str("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"));
	CHECK(detect_next(&w, &f) && f.at == 0 && f.len == 56);
	detect_patterns_unref(p);
}

int main(void)
{
	static const char *const ways[] = {"plain", "ssse3", "avx2"};
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		check_row(i);
	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		check_against_slow(ways[i]);
	check_patterns();
	CHECK(detect_context("date_of_birth") == B(BIRTH) &&
	      detect_context("home_phone") == B(PHONE) && !detect_context("note"));
	return tap_done();
}
