#include "base/span.h"

#include "../../tap.h"

/* The vectors of draft-eastlake-fnv, appendix C. */
static void hashes(void)
{
	static const struct {
		const char *text;
		uint32_t hash;
	} rows[] = {{"", 0x811c9dc5}, {"a", 0xe40c292c}, {"foobar", 0xbf9cf968}};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CHECK_INT(span_hash(SPAN_HASH_START, span_str(rows[i].text)), rows[i].hash);
	CHECK_INT(span_hash(span_hash(SPAN_HASH_START, span_str("foo")), span_str("bar")), 0xbf9cf968);
}

int main(void)
{
	hashes();
	return tap_done();
}
