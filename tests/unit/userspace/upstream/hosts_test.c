#include "upstream/hosts.h"

#include "base/macro.h"
#include "tests/unit/tap.h"

#define ON  "S\0\0\0\x16in_hot_standby\0on\0"
#define OFF "S\0\0\0\x17in_hot_standby\0off\0"
#define RO_ON                                                                                      \
	"S\0\0\0\x25"                                                                              \
	"default_transaction_read_only\0on\0"
#define RO_OFF                                                                                     \
	"S\0\0\0\x26"                                                                              \
	"default_transaction_read_only\0off\0"
#define G(s)                                                                                       \
	{                                                                                          \
		(const uint8_t *)(s), sizeof(s) - 1                                                \
	}

static void test_mismatch(void)
{
	static const struct {
		struct span greeting;
		const char *want;
		bool is_ro_ours, is_last_round, is_good;
	} rows[] = {
	    {G(""), NULL, false, true, true},
	    {G(""), "any", false, true, true},
	    {G(""), "read-write", false, true, false}, /* it does not say */
	    {G(OFF RO_OFF), "read-write", false, true, true},
	    {G(OFF RO_ON), "read-write", false, true, false},
	    {G(OFF RO_ON), "read-write", true, true, true},
	    {G(ON RO_OFF), "read-write", false, true, false},
	    {G(ON RO_OFF), "read-write", true, true, false},
	    {G(ON RO_OFF), "read-only", false, true, true},
	    {G(OFF RO_ON), "read-only", false, true, true},
	    {G(OFF RO_OFF), "read-only", false, true, false},
	    {G(OFF RO_OFF), "primary", false, true, true},
	    {G(ON RO_OFF), "primary", false, true, false},
	    {G(ON RO_OFF), "standby", false, true, true},
	    {G(OFF RO_OFF), "standby", false, true, false},
	    {G(OFF RO_OFF), "prefer-standby", false, false, false},
	    {G(OFF RO_OFF), "prefer-standby", false, true, true},
	    {G(ON RO_OFF), "prefer-standby", false, false, true},
	    {G(ON RO_OFF), "nonsense", false, true, false},
	    {G("S\0\0\0\2"), "primary", false, true, false},
	    {G("S\xff\xff\xff\xff"), "primary", false, true, false},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK((hosts_mismatch(rows[i].greeting, rows[i].want, rows[i].is_ro_ours,
				      rows[i].is_last_round) == NULL) == rows[i].is_good);
}

static void test_lists(void)
{
	char entry[HOST_PORT_MAX], name[HOST_PORT_MAX], longer[2 * HOST_PORT_MAX];
	const char *list = "a:1,[::1]:2,10.0.0.1:3";
	static const char *const names[] = {"a", "::1", "10.0.0.1"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		CHECK(hosts_next(&list, entry));
		hosts_name(entry, name, sizeof(name));
		CHECK_STR(name, names[i]);
	}
	CHECK(!hosts_next(&list, entry));
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	list = longer;
	CHECK(!hosts_next(&list, entry));
}

int main(void)
{
	test_mismatch();
	test_lists();
	return tap_done();
}
