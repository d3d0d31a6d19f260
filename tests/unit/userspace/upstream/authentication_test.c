/* What a server may ask for, message by message, of each kind of credential and channel. SCRAM's
 * own arithmetic is scram_test's; real servers are login_test.py's. */
#include "upstream/authentication.h"

#include <stdio.h>
#include <stdlib.h>

#include "../../tap.h"
#include "base/macro.h"
#include "upstream/credential.h"

#define B(s)                                                                                       \
	{                                                                                          \
		s, sizeof(s) - 1                                                                   \
	}
#define OK     B("\0\0\0\0")
#define CLEAR  B("\0\0\0\3")
#define MD5    B("\0\0\0\5\1\2\3\4")
#define SASL   B("\0\0\0\xaSCRAM-SHA-256\0\0")
#define BOTH   B("\0\0\0\xaSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")
#define PLUS   B("\0\0\0\xaSCRAM-SHA-256-PLUS\0\0")
#define OTHER  B("\0\0\0\xaPLAIN\0OAUTHBEARER\0\0")
#define CUT    B("\0\0\0\xaSCRAM-SHA-256")
#define MIDDLE B("\0\0\0\xbr=x,s=QSXCR+Q6sek8bf92,i=1")
#define END    B("\0\0\0\xcv=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
#define WITH   "user=u password=pw"

struct message {
	const char *p;
	size_t n;
};

static const struct {
	const char *what, *credential;
	bool is_verified;
	struct message messages[4]; /* all but the last one are taken */
	int err;		    /* of the last: 1 is in */
	const char *sqlstate, *why;
} rows[] = {
    {"nothing is asked", "user=u", false, {OK}, 1, NULL, NULL},
    {"nothing is asked, binding is demanded",
     WITH " channel_binding=require",
     false,
     {OK},
     ERR_DENIED,
     "28000",
     "lets us in without"},
    {"in clear, to the right one", WITH, true, {CLEAR, OK}, 1, NULL, NULL},
    {"in clear, to anybody", WITH, false, {CLEAR}, ERR_DENIED, "28000", "in clear"},
    {"in clear, without a password", "user=u", true, {CLEAR}, ERR_DENIED, "28000", "has none"},
    {"in clear twice", WITH, true, {CLEAR, CLEAR}, ERR_MALFORMED, "08P01", "malformed"},
    {"md5", WITH, false, {MD5, OK}, 1, NULL, NULL},
    {"md5, without a password", "user=u", false, {MD5}, ERR_DENIED, "28000", "has none"},
    {"md5, half a salt", WITH, false, {B("\0\0\0\5\1\2")}, ERR_MALFORMED, "08P01", "malformed"},
    {"md5 twice, by another salt",
     WITH,
     false,
     {MD5, B("\0\0\0\5\4\3\2\1")},
     ERR_MALFORMED,
     "08P01",
     "malformed"},
    {"SCRAM without a password", "user=u", false, {SASL}, ERR_DENIED, "28000", "has none"},
    {"SCRAM, bound alone, without a channel",
     WITH,
     false,
     {PLUS},
     ERR_UNSUPPORTED,
     "28000",
     "no way"},
    {"SCRAM, binding demanded, without a channel",
     WITH " channel_binding=require",
     false,
     {BOTH},
     ERR_DENIED,
     "28000",
     "demands channel binding"},
    {"other mechanisms", WITH, true, {OTHER}, ERR_UNSUPPORTED, "28000", "no way"},
    {"mechanisms without an end", WITH, true, {CUT}, ERR_MALFORMED, "08P01", "malformed"},
    {"in behind SCRAM's offer", WITH, true, {SASL, OK}, ERR_VERIFY, "28000", "does not check out"},
    {"a nonce that is none of ours",
     WITH,
     true,
     {SASL, MIDDLE},
     ERR_MALFORMED,
     "08P01",
     "malformed"},
    {"SCRAM's end at once", WITH, true, {SASL, END}, ERR_MALFORMED, "08P01", "malformed"},
    {"SCRAM's middle alone", WITH, true, {MIDDLE}, ERR_UNSUPPORTED, "28000", "does not have"},
    {"SCRAM's end alone", WITH, true, {END}, ERR_UNSUPPORTED, "28000", "does not have"},
    {"the password after SCRAM was begun",
     WITH,
     true,
     {SASL, CLEAR},
     ERR_MALFORMED,
     "08P01",
     "malformed"},
    {"Kerberos", WITH, true, {B("\0\0\0\2")}, ERR_UNSUPPORTED, "28000", "does not have"},
    {"GSS", WITH, true, {B("\0\0\0\7")}, ERR_UNSUPPORTED, "28000", "does not have"},
    {"SSPI", WITH, true, {B("\0\0\0\x9")}, ERR_UNSUPPORTED, "28000", "does not have"},
    {"a code of half", WITH, true, {B("\0\0")}, ERR_MALFORMED, "08P01", "malformed"},
};

static void parse(const char *text, struct credential *c)
{
	char copy[200], why[WHY_MAX];
	snprintf(copy, sizeof(copy), "%s", text);
	if (credential_parse(copy, c, why))
		abort();
}

static void try_row(size_t i)
{
	struct credential c;
	struct authentication_fault fault = {0};
	struct buf out;
	int err = 0;
	buf_init(&out, 64 * 1024);
	parse(rows[i].credential, &c);
	struct authentication a = {
	    .user = "u", .credential = &c, .is_verified = rows[i].is_verified};
	for (const struct message *m = rows[i].messages; m->n; m++) {
		CHECK_INT(err, 0);
		buf_reset(&out);
		err = authentication_take(&a, span_of(m->p, m->n), &out, &fault);
	}
	int failed = tap_failed;
	CHECK_INT(err, rows[i].err);
	CHECK(err >= 0 || !buf_len(&out)); /* nothing is answered to what is refused */
	CHECK(!rows[i].why || (fault.why && strstr(fault.why, rows[i].why)));
	CHECK(!rows[i].why || !strcmp(fault.sqlstate, rows[i].sqlstate));
	if (failed != tap_failed)
		printf("row: %s: %s\n", rows[i].what, fault.why ? fault.why : "");
	authentication_done(&a);
	credential_done(&c);
	buf_done(&out);
}

/* = openssl: md5(hex(md5("pw" "u")) "\1\2\3\4"). */
static void test_answers(void)
{
	static const char clear[] = "p\0\0\0\7pw\0";
	struct credential c;
	struct authentication_fault fault = {0};
	struct buf out;
	buf_init(&out, 64 * 1024);
	parse(WITH, &c);
	struct authentication a = {.user = "u", .credential = &c, .is_verified = true};
	CHECK_INT(authentication_take(&a, span_of("\0\0\0\3", 4), &out, &fault), 0);
	CHECK(span_eq(buf_span(&out), span_of(clear, sizeof(clear) - 1)));
	buf_reset(&out);
	a = (struct authentication){.user = "u", .credential = &c};
	CHECK_INT(authentication_take(&a, span_of("\0\0\0\5\1\2\3\4", 8), &out, &fault), 0);
	CHECK_INT(buf_len(&out), 5 + 36);
	CHECK(!memcmp(buf_span(&out).p,
		      "p\0\0\0\x28"
		      "md50803a98a0618b75c8f9a50f280cad373",
		      5 + 36));
	buf_reset(&out);
	a = (struct authentication){.user = "u", .credential = &c};
	CHECK_INT(authentication_take(&a, span_of("\0\0\0\xaSCRAM-SHA-256\0\0", 19), &out, &fault),
		  0);
	CHECK(!memcmp(buf_span(&out).p + 5, "SCRAM-SHA-256\0\0\0\0", 17));
	CHECK(!memcmp(buf_span(&out).p + 5 + 18,
		      "n,,n=,r=", 8)); /* no channel: not even a wish for one */
	CHECK_INT(a.state, AUTHENTICATION_ASKED);
	authentication_done(&a);
	credential_done(&c);
	buf_done(&out);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		try_row(i);
	test_answers();
	return tap_done();
}
