/* Declared names and destinations, told to a real map of the kernel's kind. */
#include "flow/names.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bpf/shared.h"
#include "flow/dests.h"
#include "flow/refuse.h"
#include "kernel/flowmap.h"
#include "tests/unit/tap.h"

static int new_map(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, o, .map_flags = BPF_F_NO_PREALLOC);
	return bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "dests", sizeof(struct dest_key), 4, 1024, &o);
}

static int count(int fd)
{
	struct dest_key k, *last = NULL;
	int n = 0;
	while (!bpf_map_get_next_key(fd, last, &k)) {
		last = &k;
		n++;
	}
	return n;
}

/* Would the kernel redirect a connect to this? */
static bool is_declared(int fd, const char *ip, int port)
{
	struct addr a;
	uint32_t v;
	CHECK_INT(addr_parse_ip(ip, &a), 0);
	struct dest_key k = {.bits = 16 + 128, .port_be = {(uint8_t)(port >> 8), (uint8_t)port}};
	memcpy(k.net, a.ip, 16);
	return !bpf_map_lookup_elem(fd, &k, &v);
}

static bool every(void *ctx, const char *name, bool is_local)
{
	(void)ctx, (void)name, (void)is_local;
	return true;
}

static struct plan *plan_of(const char *matches)
{
	char text[1024];
	struct plan *p = NULL;
	struct policy_errors *e = calloc(1, sizeof(*e));
	snprintf(text, sizeof(text),
		 "{\"version\": 1, \"roles\": {\"r\": [\"g\"]}, \"resources\": [{\"name\": \"x\", "
		 "\"protocol\": \"tcp\", \"match\": [%s]}], \"rules\": [{\"id\": \"a\", "
		 "\"resource\": \"x\", \"roles\": [\"r\"], \"effect\": \"allow\"}]}",
		 matches);
	int err = plan_compile(span_str(text), &p, e);
	if (err)
		printf("%s\n", e->at[0].text);
	CHECK_INT(err, 0);
	free(e);
	return p;
}

static void set(struct names *n, const char *matches)
{
	struct plan *p = plan_of(matches);
	names_set_plan(n, p);
	plan_unref(p);
}

static void test_static(int fd)
{
	struct names *n = NULL;
	uint8_t other[16] = {[10] = 0xff, 0xff, 203, 0, 113, 9};
	CHECK_INT(dest_add(fd, other, 128, 1), 0); /* of a process before this one */
	CHECK_INT(names_new(fd, &n), 0);
	set(n, "\"192.0.2.1:5432\", \"198.51.100.0/24:443\"");
	CHECK(!is_declared(fd, "203.0.113.9", 1));
	CHECK(is_declared(fd, "192.0.2.1", 5432));
	CHECK(!is_declared(fd, "192.0.2.1", 5433));
	CHECK(is_declared(fd, "198.51.100.77", 443));
	set(n, "\"192.0.2.1:5432\", \"[2001:db8::/32]:443\"");
	CHECK(is_declared(fd, "192.0.2.1", 5432));
	CHECK(!is_declared(fd, "198.51.100.77", 443));
	CHECK(is_declared(fd, "2001:db8::5", 443));
	CHECK_INT(count(fd), 2);
	names_free(n);
	CHECK_INT(dest_clear(fd), 0);
}

static void test_names(int fd)
{
	struct names *n = NULL;
	struct names_answer a;
	struct addr here;
	char names[4][NAMES_TEXT];
	CHECK_INT(names_new(fd, &n), 0);
	CHECK_INT(addr_parse_ip("127.0.0.1", &here), 0);
	set(n, "\"localhost:8080\"");
	CHECK(!is_declared(fd, "127.0.0.1", 8080));
	CHECK(!names_lookup(n, "localhost", &a));
	names_resolve(n, "localhost", &a);
	CHECK_INT(a.err, 0);
	CHECK(a.n >= 1);
	CHECK(is_declared(fd, "127.0.0.1", 8080)); /* before anybody is told the address */
	CHECK(!is_declared(fd, "127.0.0.1", 8081));
	CHECK(names_lookup(n, "localhost", &a));
	CHECK(a.ttl_s > NAMES_TTL_S - 10 && a.ttl_s <= NAMES_TTL_S);
	CHECK(a.is_local);
	CHECK_INT(names_of(n, &here, every, NULL, names, 4), 1);
	CHECK_STR(names[0], "localhost");

	names_resolve(n, "localhost.example", &a); /* not declared: nobody is asked */
	CHECK_INT(a.err, ERR_NOT_FOUND);
	CHECK(!names_lookup(n, "localhost.example", &a));

	set(n, "\"192.0.2.1:1\"");
	CHECK(!is_declared(fd, "127.0.0.1", 8080));
	CHECK_INT(names_of(n, &here, every, NULL, names, 4), 0);
	names_free(n);
}

static void test_search(void)
{
	struct plan *p = plan_of("\"db.shop.internal:5432\", \"192.0.2.1:1\"");
	CHECK(refuse_is_search(p, "db.shop.internal.cluster.local"));
	CHECK(!refuse_is_search(p, "db.shop.internal"));
	CHECK(!refuse_is_search(p, "db.shop.internalx.y"));
	CHECK(!refuse_is_search(p, "evil.db.shop.internal"));
	plan_unref(p);
}

static void test_hosts(void)
{
	static const struct {
		const char *name;
		bool stands;
	} rows[] = {{"one", true},   {"ONE", true},  {"alias", true},  {"tabbed", true}, {"192.0.2.1", false},
		    {"gone", false}, {"on", false},  {"one.x", false}, {"last", true},	 {"", false}};
	char path[] = "/tmp/hosts_XXXXXX";
	int fd = mkstemp(path);
	dprintf(fd, "# gone\n192.0.2.1 one alias # gone\n\n::1\ttabbed\r\n192.0.2.9\n127.0.0.1 last");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CHECK_INT(names_stands_in(path, rows[i].name), rows[i].stands);
	close(fd);
	unlink(path);
	CHECK(!names_stands_in(path, "one"));
}

/* Two spellings of a network are one entry; what stays is not touched. */
static void test_dests(int fd)
{
	struct dests d = {.map_fd = fd};
	uint8_t a[16] = {[10] = 0xff, 0xff, 10, 1, 2, 3}, b[16] = {[10] = 0xff, 0xff, 10, 1, 9, 9};
	dests_begin(&d);
	CHECK_INT(dests_want(&d, a, 112, 0), 0);
	CHECK_INT(dests_want(&d, b, 112, 0), 0);
	CHECK_INT(dests_want(&d, a, 128, 0), 0);
	CHECK_INT(dests_commit(&d), 0);
	CHECK_INT(count(fd), 2);
	dests_begin(&d);
	CHECK_INT(dests_want(&d, b, 128, 7), 0);
	CHECK_INT(dests_want(&d, a, 128, 0), 0);
	CHECK_INT(dests_commit(&d), 0);
	CHECK_INT(count(fd), 2);
	dests_begin(&d);
	CHECK_INT(dests_commit(&d), 0);
	CHECK_INT(count(fd), 0);
	dests_done(&d);
}

int main(void)
{
	int fd = new_map();
	test_search();
	test_hosts();
	if (fd < 0) {
		SKIP("no BPF map can be made here");
		return tap_done();
	}
	test_static(fd);
	test_dests(fd);
	test_names(fd);
	close(fd);
	return tap_done();
}
