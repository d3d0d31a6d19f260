#include "record/conceal.h"

#include "../../tap.h"

int main(void)
{
	struct buf b;
	buf_init(&b, 1000);
	struct span plain = span_str("SELECT 1");
	CHECK(conceal(CONCEAL_ALL, plain, &b).p == plain.p);
	CHECK(span_is(conceal(CONCEAL_ALL, span_str("card = '4111111111111111'"), &b),
		      "card = '****'"));
	CHECK(span_is(conceal(CONCEAL_SECRETS, span_str("card = '4111111111111111'"), &b),
		      "card = '4111111111111111'"));
	CHECK(span_is(conceal(CONCEAL_SECRETS, span_str("k = 'AKIAIOSFODNN7EXAMPLE'"), &b),
		      "k = '****'"));
	CHECK(span_is(conceal(CONCEAL_ALL, span_str("host 10.0.0.1"), &b), "host 10.0.0.1"));
	struct span null = {0};
	CHECK(!conceal(CONCEAL_ALL, null, &b).p);
	buf_done(&b);
	/* No room: nothing is shown. */
	buf_init(&b, 4);
	CHECK(!conceal(CONCEAL_ALL, span_str("card = '4111111111111111'"), &b).len);
	buf_done(&b);
	CHECK(conceal_has_password(span_str("ALTER ROLE a PASSWORD 'x'")) &&
	      conceal_has_password(span_str("password")));
	CHECK(!conceal_has_password(span_str("pass word")) &&
	      !conceal_has_password(span_str("w")) && !conceal_has_password(null));
	/* What was looked for once is not looked for again. */
	uint64_t looked = 0;
	CHECK(conceal_is_clean(CONCEAL_SECRETS, plain, &looked) && looked == CONCEAL_SECRETS);
	CHECK(conceal_is_clean(CONCEAL_SECRETS, span_str("k = 'AKIAIOSFODNN7EXAMPLE'"), &looked));
	CHECK(!conceal_is_clean(CONCEAL_ALL, span_str("card = '4111111111111111'"), &looked));
	CHECK(looked == CONCEAL_SECRETS && !conceal_is_clean(CONCEAL_SECRETS, span_str("AKIAIOSFODNN7EXAMPLE"), NULL));
	looked = 0;
	CHECK(!conceal_is_clean(CONCEAL_SECRETS, span_str("ALTER ROLE a PASSWORD 'x'"), &looked) && !looked);
	return tap_done();
}
