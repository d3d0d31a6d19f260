#include "policy/load.h"

#include "../tap.h"

static struct policy_errors errors;

static void parses_destinations(void)
{
	static const struct {
		const char *text, *host;
		int prefix_len, port;
	} rows[] = {
	    {"db.shop.internal:5432", "db.shop.internal", 0, 5432},
	    {"DB.Shop.Internal", "db.shop.internal", 0, 0},
	    {"db_1", "db_1", 0, 0},
	    {"10.1.2.3:5432", NULL, 128, 5432},
	    {"10.1.2.3", NULL, 128, 0},
	    {"10.0.0.0/8:5432", NULL, 104, 5432},
	    {"0.0.0.0/0", NULL, 96, 0},
	    {"::1", NULL, 128, 0},
	    {"[::1]:65535", NULL, 128, 65535},
	    {"[fd00::/8]:443", NULL, 8, 443},
	    {"fd00::/8", NULL, 8, 0},
	    {"[fd00::/8]", NULL, 8, 0},
	    {"::/0", NULL, 0, 0},
	    {"::ffff:10.0.0.0/104", NULL, 104, 0},
	};
	struct arena a;
	arena_init(&a, 1 << 16);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct match m = {0};
		const char *why = "";
		CHECK_INT(match_parse(&a, rows[i].text, &m, &why), 0);
		CHECK_INT(m.port, rows[i].port);
		CHECK_INT(m.prefix_len, rows[i].prefix_len);
		CHECK(!m.host == !rows[i].host && (!m.host || !strcmp(m.host, rows[i].host)));
	}
	arena_done(&a);
}

static void refuses_what_is_none(void)
{
	static const char *const rows[] = {
	    "",
	    ":5432",
	    "db:",
	    "db:0",
	    "db:65536",
	    "db:x",
	    "db:05",
	    "db:5432:1",
	    "db.",
	    ".db",
	    "a..b",
	    "*.example.com",
	    "*",
	    "10.0.0.1/8",
	    "10.0.0.0/33",
	    "10.0.0.0/",
	    "10.0.0.0/-1",
	    "1.2.3",
	    "256.1.1.1",
	    "1.2.3.4.5",
	    "[::1",
	    "[::1]5432",
	    "[::1]:",
	    "[db]:5432",
	    "[10.0.0.1]:1",
	    "fe80::1%eth0",
	    "fd00::1/8",
	    "::/129",
	    "::ffff:0.0.0.0/95",
	    "db /5",
	    "db/24",
	    "a b",
	    "-\xc3\xa9",
	    "http://db",
	    "db:5432/x",
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.x",
	};
	struct arena a;
	arena_init(&a, 1 << 16);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct match m = {0};
		const char *why = "";
		int err = match_parse(&a, rows[i], &m, &why);
		if (err != ERR_MALFORMED)
			printf("row %zu: %s\n", i, rows[i]);
		CHECK_INT(err, ERR_MALFORMED);
		CHECK(*why);
	}
	CHECK(load_is_host_port("db:5432") && load_is_host_port("[::1]:1") &&
	      load_is_host_port("10.0.0.1:1"));
	CHECK(!load_is_host_port("db") && !load_is_host_port("10.0.0.0/8:1") &&
	      !load_is_host_port("10.0.0.1/32:1"));
	arena_done(&a);
}

static const char policy[] =
    "{\"version\": 1, \"roles\": {\"a\": \"a\", \"b\": \"b\"}, \"resources\": ["
    "{\"name\": \"name-any\", \"protocol\": \"tcp\", \"match\": [\"db.internal\", "
    "\"other.internal:5432\"]},"
    "{\"name\": \"name\", \"protocol\": \"tcp\", \"match\": [\"db.internal:5432\", "
    "\"both.internal:1\"]},"
    "{\"name\": \"host\", \"protocol\": \"tcp\", \"match\": \"10.1.2.3\"},"
    "{\"name\": \"host-port\", \"protocol\": \"tcp\", \"match\": \"10.1.2.3:5432\"},"
    "{\"name\": \"net24\", \"protocol\": \"tcp\", \"match\": \"10.1.2.0/24:5432\"},"
    "{\"name\": \"net8\", \"protocol\": \"tcp\", \"match\": \"10.0.0.0/8\"},"
    "{\"name\": \"all6\", \"protocol\": \"tcp\", \"match\": [\"::/0\", \"both.internal:2\"]},"
    "{\"name\": \"ula\", \"protocol\": \"tcp\", \"match\": \"[fd00::/8]:5432\"}],"
    "\"rules\": [{\"id\": \"r\", \"resource\": \"all6\", \"roles\": \"b\", \"effect\": "
    "\"allow\"}]}";

static void prefers_the_most_specific(void)
{
	static const struct {
		const char *ip;
		int port;
		const char *names[3], *resource;
	} rows[] = {
	    {"10.1.2.3", 5432, {NULL}, "host-port"},
	    {"10.1.2.3", 80, {NULL}, "host"},
	    {"10.1.2.4", 5432, {NULL}, "net24"},
	    {"10.1.2.4", 80, {NULL}, "net8"},
	    {"10.9.9.9", 5432, {NULL}, "net8"},
	    {"11.0.0.1", 5432, {NULL}, NULL}, /* "::/0" is no IPv4 */
	    {"::ffff:10.1.2.4", 5432, {NULL}, "net24"},
	    {"10.1.2.3", 5432, {"db.internal"}, "name"},
	    {"10.1.2.3", 5432, {"DB.internal"}, "name"},
	    {"10.1.2.3", 80, {"db.internal"}, "name-any"},
	    {"10.1.2.3", 80, {"nobody.internal"}, "host"},
	    {"11.0.0.1", 5432, {"db.internal"}, "name"},
	    {"11.0.0.1",
	     5432,
	     {"other.internal", "db.internal"},
	     "name-any"}, /* the latest answer */
	    {"11.0.0.1", 5432, {"db.internal", "other.internal"}, "name"},
	    {"2001:db8::1", 1, {NULL}, "all6"},
	    {"fd12::1", 5432, {NULL}, "ula"},
	    {"fd12::1", 5433, {NULL}, "all6"},
	};
	struct plan *p = NULL;
	CHECK_INT(plan_compile(span_str(policy), &p, &errors), 0);
	for (size_t i = 0; p && i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr dst;
		int n = 0;
		CHECK_INT(addr_parse_ip(rows[i].ip, &dst), 0);
		dst.port = (uint16_t)rows[i].port;
		while (rows[i].names[n])
			n++;
		const struct resource *r = plan_match(p, &dst, rows[i].names, n);
		if (!r != !rows[i].resource || (r && strcmp(r->name, rows[i].resource)))
			printf("row %zu: %s\n", i, r ? r->name : "none");
		CHECK(r ? rows[i].resource && !strcmp(r->name, rows[i].resource)
			: !rows[i].resource);
	}
	plan_unref(p);
}

static void knows_declared_names(void)
{
	struct plan *p = NULL;
	CHECK_INT(plan_compile(span_str(policy), &p, &errors), 0);
	CHECK(plan_declares_name(p, "db.internal"));
	CHECK(plan_declares_name(p, "Other.Internal"));
	CHECK(!plan_declares_name(p, "x.db.internal"));
	CHECK(!plan_declares_name(p, "internal"));
	CHECK(!plan_declares_name(p, ""));
	CHECK_STR(plan_resource_of_name(p, "both.internal", NULL)->name, "name");
	CHECK_STR(plan_resource_of_name(p, "both.internal", "b")->name,
		  "all6"); /* the one that b may use */
	CHECK_STR(plan_resource_of_name(p, "both.internal", "a")->name, "name");
	CHECK(!plan_resource_of_name(p, "x.internal", "b"));
	plan_unref(p);
}

int main(void)
{
	parses_destinations();
	refuses_what_is_none();
	prefers_the_most_specific();
	knows_declared_names();
	return tap_done();
}
