/* What is marked is what the scanner found, wherever the text moves. */
#include <stdio.h>

#include "../../tap.h"
#include "base/macro.h"
#include "record/marks.h"

static const struct {
	const char *key;
	enum mark mark;
} keys[] = {
    {"flow", MARK_FLOW},
    {"identity", MARK_IDENTITY},
    {"owner", MARK_OWNER},
    {"resource", MARK_RESOURCE},
    {"role", MARK_ROLE},
    {"session", MARK_SESSION},
    {"type", MARK_TYPE},
    {"time", MARK_TIME},
    {"decision", MARK_DECISION},
    {"observed", MARK_OBSERVED},
    {"sqlstate", MARK_SQLSTATE},
    {"node", MARK_NODE},
    {"rule", MARK_RULE},
    {"command", MARK_COMMAND},
    {"how", MARK_HOW},
    {"issuer", MARK_ISSUER},
    {"reason", MARK_REASON},
    {"exit_code", MARK_EXIT_CODE},
    {"count", MARK_COUNT},
    {"dst", MARK_DST},
    {"name", MARK_NAME},
    {"protocol", MARK_PROTOCOL},
    {"outcome", MARK_OUTCOME},
    {"asked", MARK_ASKED},
    {"masked", MARK_MASKED},
    {"", MARKS},
    {"t", MARKS},
    {"flo", MARKS},
    {"flows", MARKS},
    {"flox", MARKS},
    {"text", MARKS},
    {"id", MARKS},
    {"identity_b64", MARKS},
};

static void knows_each_key(void)
{
	CHECK_INT(ARRAY_LEN(keys), MARKS + 8);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		CHECK_INT(mark_of(span_str(keys[i].key)), keys[i].mark);
}

/* Numbers of the fields in the filters of blocks that are on disk. */
static void keeps_its_numbers(void)
{
	CHECK_INT(MARK_FLOW, 0);
	CHECK_INT(MARK_IDENTITY, 1);
	CHECK_INT(MARK_OWNER, 2);
	CHECK_INT(MARK_RESOURCE, 3);
	CHECK_INT(MARK_ROLE, 4);
	CHECK_INT(MARK_SESSION, 5);
	CHECK_INT(MARK_TYPE, 6);
}

#define EVENT                                                                                      \
	"{\"decision\":\"de\\\"ny\",\"identity\":\"crew\",\"other\":{\"type\":\"no\"},"            \
	"\"session\":\"\",\"time\":42,\"type\":\"op\"}"

static void gives(const struct marked *e)
{
	CHECK(span_is(mark_get(e, MARK_DECISION), "\"de\\\"ny\""));
	CHECK_INT(mark_plain(e, MARK_DECISION).len, 0); /* has an escape */
	CHECK(span_is(mark_plain(e, MARK_IDENTITY), "crew"));
	CHECK(span_is(mark_get(e, MARK_SESSION), "\"\""));
	CHECK_INT(mark_u64(e, MARK_TIME), 42);
	CHECK(span_is(mark_plain(e, MARK_TYPE), "op"));
	CHECK_INT(mark_get(e, MARK_OWNER).len, 0);
	CHECK(!mark_get(e, MARK_OWNER).p);
	CHECK_INT(mark_u64(e, MARK_COUNT), 0);
}

static void marks_an_event(void)
{
	char moved[7 + sizeof(EVENT)];
	struct scan s;
	struct marks m;
	memset(&m, 0xff, sizeof(m)); /* what was marked before is gone */
	CHECK_INT(scan_event(span_str(EVENT), false, &s), 0);
	marks_take(&m, &s, span_str(EVENT));
	gives(&(struct marked){span_str(EVENT), &m});
	snprintf(moved, sizeof(moved), "1234567%s", EVENT);
	m.shift = 7;
	gives(&(struct marked){span_str(moved), &m});
}

static void marks_stored_bytes(void)
{
	char stored[400];
	uint8_t prev[HASH_LEN];
	struct marks m;
	size_t prefix = chain_prefix_len(1000), len = prefix + sizeof(EVENT) - 2;
	for (int i = 0; i < HASH_LEN; i++)
		prev[i] = (uint8_t)(i * 7);
	chain_prefix(prev, 1000, (uint8_t *)stored);
	memcpy(stored + prefix, EVENT + 1, sizeof(EVENT) - 1);
	CHECK_INT(marks_read(&m, span_of(stored, len)), 0);
	CHECK(!memcmp(m.prev, prev, HASH_LEN));
	gives(&(struct marked){span_of(stored, len), &m});
	for (size_t cut = 0; cut < len; cut++)
		CHECK_INT(marks_read(&m, span_of(stored, cut)), ERR_MALFORMED);
}

int main(void)
{
	knows_each_key();
	keeps_its_numbers();
	marks_an_event();
	marks_stored_bytes();
	return tap_done();
}
