/* Opaque streams and DNS over TCP through a whole proxy, on loopback. */
#include "rig.c" /* one program: what it needs of it is static */

#include "proto/dns/dns.h"

static int server_fd, server_port;

static void load_policy(void)
{
	char policy[2048];
	snprintf(policy, sizeof(policy),
		 "{\"version\": 1, \"roles\": {\"viewer\": [\"v\"], \"other\": [\"o\"]}, "
		 "\"resources\": ["
		 "{\"name\": \"echo\", \"protocol\": \"tcp\", \"match\": [\"192.0.2.20:7\"], "
		 "\"upstream\": \"127.0.0.1:%d\"},"
		 "{\"name\": \"here\", \"protocol\": \"tcp\", \"match\": [\"localhost:80\"]},"
		 "{\"name\": \"gone\", \"protocol\": \"tcp\", \"match\": [\"192.0.2.21\"], "
		 "\"upstream\": \"127.0.0.1:1\"}],"
		 "\"rules\": [{\"id\": \"all\", \"resource\": \"echo\", \"roles\": [\"viewer\"], "
		 "\"effect\": \"allow\"},"
		 "{\"id\": \"here\", \"resource\": \"here\", \"roles\": [\"viewer\"], \"effect\": "
		 "\"allow\"},"
		 "{\"id\": \"gone\", \"resource\": \"gone\", \"roles\": [\"viewer\"], \"effect\": "
		 "\"allow\"},"
		 "{\"id\": \"no\", \"resource\": \"echo\", \"roles\": [\"other\"], \"effect\": "
		 "\"deny\"}]}",
		 server_port);
	set_policy(policy);
}

/* The upstream's end of the next flow. */
static int accept_server(void)
{
	struct pollfd p = {.fd = server_fd, .events = POLLIN};
	return poll(&p, 1, 3000) == 1 ? accept4(server_fd, NULL, NULL, SOCK_CLOEXEC) : -1;
}

static void open_pair(int ret[2])
{
	from_cgroup(1);
	to_dst("192.0.2.20", 7);
	ret[0] = connect_raw();
	ret[1] = accept_server();
	CHECK(ret[1] >= 0);
}

static void send_all(int fd, const char *text)
{
	CHECK_INT(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void expect_bytes(int fd, const char *want)
{
	char got[256];
	size_t n = 0;
	while (n < strlen(want)) {
		ssize_t r = read_within(fd, got + n, strlen(want) - n, 3000);
		if (r <= 0)
			break;
		n += (size_t)r;
	}
	CHECK(n == strlen(want) && !memcmp(got, want, n));
}

static void expect_end(int fd)
{
	char c;
	CHECK_INT(read_within(fd, &c, 1, 3000), 0);
}

/* Both halves end on their own. */
static void test_half_close(void)
{
	int s[2];
	open_pair(s);
	send_all(s[0], "ping");
	expect_bytes(s[1], "ping");
	shutdown(s[0], SHUT_WR);
	expect_end(s[1]);
	send_all(s[1], "late answer");
	expect_bytes(s[0], "late answer");
	shutdown(s[1], SHUT_WR);
	expect_end(s[0]);
	CHECK(wait_event("\"flow.close\"", "\"bytes_down\":11", "\"bytes_up\":4"));
	CHECK(wait_event("\"type\":\"op\"", "connect", "192.0.2.20:7"));
	close(s[0]);
	close(s[1]);

	open_pair(s);
	shutdown(s[1], SHUT_WR);
	expect_end(s[0]);
	send_all(s[0], "still up");
	expect_bytes(s[1], "still up");
	close(s[0]);
	expect_end(s[1]);
	close(s[1]);
}

static void test_reset(int from)
{
	int s[2];
	char c;
	open_pair(s);
	send_all(s[0], "x");
	expect_bytes(s[1], "x");
	struct linger now = {.l_onoff = 1};
	setsockopt(s[from], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(s[from]);
	CHECK_INT(read_within(s[!from], &c, 1, 3000), -ECONNRESET);
	close(s[!from]);
}

/* 32 MiB to a side that does not read: held back, then all there. */
static void test_backpressure(int from)
{
	enum { TOTAL = 32 << 20 };
	static char chunk[65536];
	int s[2];
	size_t sent = 0, got = 0;
	open_pair(s);
	fcntl(s[from], F_SETFL, O_NONBLOCK);
	for (int idle = 0; sent < TOTAL && idle < 20;) {
		memset(chunk, (int)(sent / sizeof(chunk) % 251), sizeof(chunk));
		ssize_t n =
		    send(s[from], chunk, MIN(sizeof(chunk) - sent % sizeof(chunk), TOTAL - sent),
			 MSG_NOSIGNAL);
		if (n < 0) {
			usleep(10000);
			idle++;
			continue;
		}
		idle = 0;
		sent += (size_t)n;
	}
	printf("accepted with nobody reading: %zu KiB\n", sent / 1024);
	CHECK(sent < TOTAL);
	bool is_right = true;
	while (got < sent) {
		ssize_t n = read_within(s[!from], chunk, sizeof(chunk) - got % sizeof(chunk), 3000);
		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n; i++)
			is_right &= (unsigned char)chunk[i] == got / sizeof(chunk) % 251;
		got += (size_t)n;
	}
	CHECK_INT(got, sent);
	CHECK(is_right);
	close(s[0]);
	close(s[1]);
}

static void expect_reset(uint64_t cgroup, const char *ip, int port)
{
	char c;
	from_cgroup(cgroup);
	to_dst(ip, port);
	int fd = connect_raw();
	ssize_t n = read_within(fd, &c, 1, 3000);
	CHECK_INT(n, -ECONNRESET);
	close(fd);
}

static void test_refusals(void)
{
	expect_reset(1, "192.0.2.30", 7);
	CHECK(wait_event("\"connect.refused\"", "192.0.2.30:7", "not declared"));
	expect_reset(99, "192.0.2.20", 7);
	CHECK(wait_event("\"connect.refused\"", "192.0.2.20:7", "no identity"));
	expect_reset(2, "192.0.2.20", 7);
	CHECK(wait_event("\"type\":\"op\"", "\"deny\"", "\"s-other\""));
	expect_reset(1, "192.0.2.21", 7);
	CHECK(wait_event("\"flow.close\"", "gone", "cannot be reached"));
	struct pollfd p = {.fd = server_fd, .events = POLLIN};
	CHECK_INT(poll(&p, 1, 100), 0); /* nothing of it reached the upstream */
	__atomic_store_n(&rig.cfg.max_flows, 0, __ATOMIC_SEQ_CST); /* as no daemon does while it runs */
	expect_reset(1, "192.0.2.20", 7);
	__atomic_store_n(&rig.cfg.max_flows, 1000, __ATOMIC_SEQ_CST);
	CHECK(wait_event("\"connect.refused\"", "too many flows", NULL));
}

/* A resource that a new policy no longer has takes its flows with it; the others stay. */
static void test_reload(void)
{
	int s[2];
	char c;
	open_pair(s);
	load_policy();
	send_all(s[0], "over");
	expect_bytes(s[1], "over");
	set_policy("{\"version\": 1, \"roles\": {\"viewer\": [\"v\"]}, \"resources\": ["
		   "{\"name\": \"else\", \"protocol\": \"tcp\", \"match\": [\"192.0.2.90:1\"]}],"
		   "\"rules\": [{\"id\": \"r\", \"resource\": \"else\", \"roles\": [\"viewer\"], "
		   "\"effect\": \"allow\"}]}");
	ssize_t n = read_within(s[0], &c, 1, 3000);
	CHECK(n == 0 || n == -ECONNRESET);
	CHECK(wait_event("\"flow.close\"", "no longer declares", "\"echo\""));
	close(s[0]);
	close(s[1]);
	load_policy();
}

static void ask(int fd, const char *labels, size_t len)
{
	uint8_t q[512] = {0, 0, 0x12, 0x34, 1, 0, 0, 1};
	memcpy(q + 14, labels, len);
	memcpy(q + 14 + len, "\0\1\0\1", 4);
	q[1] = (uint8_t)(12 + len + 4);
	CHECK_INT(send(fd, q, 14 + len + 4, MSG_NOSIGNAL), 14 + len + 4);
}

static int rcode_within(int fd, uint8_t *ret, ssize_t *ret_len)
{
	*ret_len = read_within(fd, ret, 512, 3000);
	return *ret_len > 5 ? ret[5] & 15 : -1;
}

static bool every(void *ctx, const char *name, bool is_local)
{
	(void)ctx, (void)name, (void)is_local;
	return true;
}

static void test_dns(void)
{
	uint8_t a[512];
	ssize_t n;
	char names[4][NAMES_TEXT];
	struct addr local;
	from_cgroup(1);
	to_dst("192.0.2.53", 53);
	int fd = connect_raw();
	ask(fd, "\x9localhost", 11);
	CHECK_INT(rcode_within(fd, a, &n), DNS_NOERROR);
	CHECK(n > 6 && !memcmp(a + n - 4, "\x7f\0\0\1", 4));
	ask(fd,
	    "\x4"
	    "evil\4test",
	    11);
	CHECK_INT(rcode_within(fd, a, &n), DNS_REFUSED);
	ask(fd, "\x9localhost\5local", 17); /* what a search list makes of it */
	CHECK_INT(rcode_within(fd, a, &n), DNS_NXDOMAIN);
	close(fd);
	CHECK(wait_event("\"connect.refused\"", "\"dns\"", "evil.test"));
	CHECK(wait_event("\"type\":\"op\"", "\"dns\"", "\"localhost\""));
	CHECK_INT(addr_parse_ip("127.0.0.1", &local), 0);
	CHECK_INT(names_of(rig.proxy.names, &local, every, NULL, names, 4), 1);
	CHECK_STR(names[0], "localhost");
	/* The same name refused again and again is one event with a count. */
	fd = connect_raw();
	for (int i = 0; i < 20; i++) {
		ask(fd,
		    "\x4"
		    "evil\4test",
		    11);
		CHECK_INT(rcode_within(fd, a, &n), DNS_REFUSED);
	}
	close(fd);
	usleep(5500000);
	CHECK(wait_event("\"connect.refused\"", "evil.test", "\"count\":20"));
}

static void test_idle_memory(void)
{
	enum { N = 400 };
	static int s[N][2];
	unsigned long pages, before, after;
	FILE *f = fopen("/proc/self/statm", "r");
	CHECK_INT(fscanf(f, "%lu %lu", &pages, &before), 2);
	fclose(f);
	for (int i = 0; i < N; i++) {
		open_pair(s[i]);
		send_all(s[i][0], "hello");
		expect_bytes(s[i][1], "hello");
	}
	usleep(300000);
	f = fopen("/proc/self/statm", "r");
	CHECK_INT(fscanf(f, "%lu %lu", &pages, &after), 2);
	fclose(f);
	printf("idle flow: %lu bytes\n", (after - before) * 4096 / N);
#ifndef __SANITIZE_THREAD__ /* which keeps books of its own */
	CHECK((after - before) * 4096 / N < 24 * 1024);
#endif
	for (int i = 0; i < N; i++) {
		close(s[i][0]);
		close(s[i][1]);
	}
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	server_fd = listen_on(&server_port);
	rig_start();
	load_policy();
	put_session("s-viewer", 1, "viewer", now_s() + 1000);
	put_session("s-other", 2, "other", now_s() + 1000);
	test_half_close();
	test_reset(0);
	test_reset(1);
	test_backpressure(0);
	test_backpressure(1);
	test_refusals();
	test_reload();
	test_idle_memory();
	test_dns();
	CHECK(wait_event("\"flow.close\"", NULL, NULL));
	CHECK_INT(atomic_load(&rig.proxy.n_flows), 0);
	rig_stop();
	return tap_done();
}
