/* A block never hides what is in it, and mostly tells what is not. */
#include <inttypes.h>
#include <stdio.h>

#include "../../tap.h"
#include "record/block.h"

static struct block with(int n)
{
	struct block b = {.first = 1, .time_min = UINT64_MAX};
	for (int i = 0; i < n; i++) {
		char text[300];
		struct scan s;
		struct marks m;
		snprintf(text, sizeof(text),
			 "{\"_seq\":1,%s\"decision\":\"allow\",\"flow\":\"f-%d\",\"identity\":\"crew-%"
			 "d\",\"resource\":\"shop\","
			 "\"session\":\"s-%d\",\"time\":%d,\"type\":\"op\"}",
			 i == 3 ? "\"asked\":true," : "", i, i % 7, i % 40, 1000 + i);
		CHECK_INT(scan_event(span_str(text), true, &s), 0);
		marks_take(&m, &s, span_str(text));
		block_add(&b, &(struct marked){span_str(text), &m});
	}
	return b;
}

static void hides_nothing(const struct block *b, int n)
{
	char value[64];
	for (int i = 0; i < n; i++) {
		snprintf(value, sizeof(value), "\"f-%d\"", i);
		CHECK(block_has(b, "flow", span_str(value)));
		snprintf(value, sizeof(value), "\"crew-%d\"", i % 7);
		CHECK(block_has(b, "identity", span_str(value)));
	}
	CHECK(block_has(b, "resource", span_str("\"shop\"")));
	CHECK(block_has(b, "type", span_str("\"op\"")));
	CHECK(block_has(b, "text", span_str("\"whatever\""))); /* not kept */
}

static void tells_what_is_not_there(void)
{
	struct block b = with(200);
	int n_wrong = 0;
	hides_nothing(&b, 200);
	for (int i = 0; i < 1000; i++) {
		char value[64];
		snprintf(value, sizeof(value), "\"other-%d\"", i);
		n_wrong += block_has(&b, "identity", span_str(value));
	}
	printf("# %d of 1000 absent values may be there\n", n_wrong);
	CHECK(n_wrong < 120);
	CHECK_INT(b.verdicts, BLOCK_ALLOW | BLOCK_ASK);
	CHECK_INT(b.time_min, 1000);
	CHECK_INT(b.time_max, 1199);
}

static void reads_what_it_wrote(void)
{
	struct block b = with(9), back = {0};
	uint8_t value[BLOCK_VALUE_SIZE];
	block_write(&b, value);
	CHECK_INT(block_read(1, span_of(value, sizeof(value)), &back), 0);
	CHECK_INT(back.verdicts, b.verdicts);
	CHECK_INT(back.time_min, b.time_min);
	CHECK_INT(back.time_max, b.time_max);
	CHECK(!memcmp(back.bits, b.bits, sizeof(b.bits)));
	CHECK_INT(block_read(1, span_of(value, sizeof(value) - 1), &back), ERR_VERIFY);
}

int main(void)
{
	tells_what_is_not_there();
	reads_what_it_wrote();
	return tap_done();
}
