#include "base/buf.h"

#include "../../tap.h"

/* In front of what is queued: with and without room before it, at the limit, and of nothing. */
static void adds_front(void)
{
	struct buf b;
	buf_init(&b, 1000);
	buf_add_front(&b, span_str("one"));
	CHECK(span_is(buf_span(&b), "one"));
	buf_add_front(&b, span_str("zero "));
	buf_add_front(&b, span_str(""));
	CHECK(span_is(buf_span(&b), "zero one"));
	buf_consume(&b, 3);
	buf_add_front(&b, span_str("ther"));
	CHECK(span_is(buf_span(&b), "thero one"));
	static const uint8_t much[990];
	buf_add_front(&b, span_of(much, sizeof(much)));
	CHECK_INT(buf_len(&b), 999);
	CHECK(buf_span(&b).p[989] == 0 && span_is(span_of(buf_span(&b).p + 990, 9), "thero one"));
	buf_add_front(&b, span_str("xx"));
	CHECK_INT(buf_err(&b), ERR_LIMIT);
	CHECK_INT(buf_len(&b), 999);
	buf_done(&b);
}

int main(void)
{
	adds_front();
	return tap_done();
}
