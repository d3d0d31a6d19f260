/* SCRAM: RFC 7677's example, PostgreSQL's form, and servers that do what they should not. */
#include "upstream/scram.h"

#include <stdio.h>
#include <stdlib.h>

#include "../../tap.h"
#include "base/macro.h"

#define NONCE  "rOprNGfwEbeRWgbNEkqO"
#define SERVER "r=" NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
#define ENDS   "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

static void start(struct scram *s, enum scram_channel channel, struct span binding,
		  const char *want)
{
	struct buf out;
	buf_init(&out, 1000);
	CHECK_INT(scram_first(s, channel, binding, NONCE, &out), 0);
	CHECK(span_is(buf_span(&out), want));
	buf_done(&out);
}

static void test_example(void)
{
	struct scram s;
	struct buf out;
	buf_init(&out, 1000);
	start(&s, SCRAM_NO_CHANNEL, (struct span){0}, "n,,n=,r=" NONCE);
	snprintf(s.bare, sizeof(s.bare), "n=user,r=" NONCE); /* the example names one */
	CHECK_INT(scram_final(&s, span_str(SERVER), "pencil", &out), 0);
	CHECK(span_is(buf_span(&out), "c=biws,r=" NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
				      "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="));
	CHECK_INT(scram_check(&s, span_str("v=" ENDS)), 0);
	CHECK_INT(scram_check(&s, span_str("v=" ENDS ",x=y")), 0);
	CHECK_INT(scram_check(&s, span_str("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")),
		  ERR_VERIFY);
	CHECK_INT(scram_check(&s, span_str("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95A==")),
		  ERR_VERIFY);
	CHECK_INT(scram_check(&s, span_str("e=invalid-proof")), ERR_VERIFY);
	CHECK_INT(scram_check(&s, (struct span){0}), ERR_VERIFY);
	buf_done(&out);
}

static void test_channel(void)
{
	struct scram s;
	struct buf out;
	buf_init(&out, 1000);
	start(&s, SCRAM_UNBOUND, (struct span){0}, "y,,n=,r=" NONCE);
	CHECK_INT(scram_final(&s, span_str(SERVER), "pencil", &out), 0);
	CHECK(!memcmp(buf_span(&out).p, "c=eSws,r=", 9));
	buf_reset(&out);
	start(&s, SCRAM_BOUND, span_str("hash"), "p=tls-server-end-point,,n=,r=" NONCE);
	CHECK_INT(scram_final(&s, span_str(SERVER), "pencil", &out), 0);
	CHECK(!memcmp(buf_span(&out).p, "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsaGFzaA==,r=", 45));
	CHECK_INT(scram_first(&s, SCRAM_BOUND, (struct span){0}, NULL, &out), ERR_LIMIT);
	buf_done(&out);
}

static void test_bad_servers(void)
{
	static const struct {
		const char *text;
		int err;
	} rows[] = {
	    {"", ERR_MALFORMED},
	    {"r=" NONCE ",s=QSXCR+Q6sek8bf92,i=4096", ERR_MALFORMED}, /* nothing of its own */
	    {"r=other,s=QSXCR+Q6sek8bf92,i=4096", ERR_MALFORMED},
	    {"m=x,r=" NONCE "x,s=QSXCR+Q6sek8bf92,i=4096", ERR_MALFORMED},
	    {"r=" NONCE "x,s=,i=4096", ERR_MALFORMED},
	    {"r=" NONCE "x,s=!!!!,i=4096", ERR_MALFORMED},
	    {"r=" NONCE "x,s=QSX,i=4096", ERR_MALFORMED},
	    {"r=" NONCE "x,s=QSXCR+Q6sek8bf92", ERR_MALFORMED},
	    {"r=" NONCE "x,s=QSXCR+Q6sek8bf92,i=0", ERR_MALFORMED},
	    {"r=" NONCE "x,s=QSXCR+Q6sek8bf92,i=-1", ERR_MALFORMED},
	    {"r=" NONCE "x,s=QSXCR+Q6sek8bf92,i=1000001", ERR_MALFORMED},
	    {"r=" NONCE "x,s=QSXCR+Q6sek8bf92,i=99999999999", ERR_MALFORMED},
	    {"r=" NONCE "x\x7f,s=QSXCR+Q6sek8bf92,i=1", ERR_MALFORMED},
	    {"i=1,s=QSXCR+Q6sek8bf92,r=" NONCE "x", ERR_MALFORMED},
	    {"r=" NONCE "x,s=QSXCR+Q6sek8bf92,i=1", 0},
	    {"r=" NONCE "x,s=QSXCR+Q6sek8bf92,i=1,o=ptional", 0},
	};
	char huge[SCRAM_SERVER_MAX + 10];
	struct scram s;
	struct buf out;
	buf_init(&out, 4000);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		start(&s, SCRAM_NO_CHANNEL, (struct span){0}, "n,,n=,r=" NONCE);
		buf_reset(&out);
		int err = scram_final(&s, span_str(rows[i].text), "p", &out);
		if (err != rows[i].err)
			printf("row: %s\n", rows[i].text);
		CHECK_INT(err, rows[i].err);
		CHECK(!err || !buf_len(&out));
	}
	memset(huge, 'r', sizeof(huge));
	CHECK_INT(scram_final(&s, span_of(huge, sizeof(huge)), "p", &out), ERR_LIMIT);
	buf_done(&out);
}

/* PostgreSQL's saslprep (src/common/saslprep.c): what it prepares, what it leaves as it is. */
static void test_prepared(void)
{
	static const struct {
		const char *a, *b;
		bool is_same;
	} rows[] = {
	    {"I\xc2\xadX", "IX", true},		 /* soft hyphen: mapped to nothing */
	    {"\xc2\xaa", "a", true},		 /* NFKC */
	    {"\xe2\x85\xa8", "IX", true},	 /* the numeral nine */
	    {"a\xc2\xa0z", "a z", true},	 /* a blank that does not break */
	    {"\xff\xfe", "\xff\xfe", true},	 /* no UTF-8: as it is */
	    {"user", "USER", false},		 /* case stays */
	    {"\xd8\xa7\x31", "\xd8\xa7", false}, /* bidi: refused, so as it is */
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf a, b;
		struct scram s;
		buf_init(&a, 1000);
		buf_init(&b, 1000);
		CHECK_INT(scram_first(&s, SCRAM_NO_CHANNEL, (struct span){0}, NONCE, &a), 0);
		buf_reset(&a);
		CHECK_INT(scram_final(&s, span_str(SERVER), rows[i].a, &a), 0);
		CHECK_INT(scram_final(&s, span_str(SERVER), rows[i].b, &b), 0);
		CHECK_INT(span_eq(buf_span(&a), buf_span(&b)), rows[i].is_same);
		buf_done(&a);
		buf_done(&b);
	}
}

static void test_nonces(void)
{
	struct scram a, b;
	struct buf out;
	buf_init(&out, 1000);
	CHECK_INT(scram_first(&a, SCRAM_NO_CHANNEL, (struct span){0}, NULL, &out), 0);
	CHECK_INT(scram_first(&b, SCRAM_NO_CHANNEL, (struct span){0}, NULL, &out), 0);
	CHECK(strlen(a.nonce) == 32 && strcmp(a.nonce, b.nonce));
	buf_done(&out);
}

int main(void)
{
	test_example();
	test_channel();
	test_bad_servers();
	test_prepared();
	test_nonces();
	return tap_done();
}
