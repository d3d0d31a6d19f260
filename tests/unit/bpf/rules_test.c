/* The decisions of the kernel side, as a table. */
#include "bpf/rules_host.bpf.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/macro.h"
#include "tests/unit/tap.h"

static void test_sockets(void)
{
	static const struct {
		unsigned int family, type, protocol;
		bool is_allowed;
	} rows[] = {
	    {2, 1, IPPROTO_TCP, true},	 {10, 1, IPPROTO_TCP, true},  {2, 2, IPPROTO_UDP, true},
	    {10, 2, IPPROTO_UDP, true},	 {2, 2, IPPROTO_ICMP, false}, {10, 2, 58, false},
	    {2, 3, IPPROTO_ICMP, false}, {2, 3, IPPROTO_RAW, false},  {2, 3, IPPROTO_TCP, false},
	    {2, 1, 262, false},		 {2, 1, 132, false},	      {2, 5, 132, false},
	    {2, 2, 136, false},		 {10, 2, 136, false},	      {2, 6, 33, false},
	    {2, 1, 256, false},		 {2, 1, IPPROTO_UDP, false},  {2, 2, IPPROTO_TCP, false},
	    {17, 3, 0, false},		 {40, 1, 0, false},	      {1, 1, 0, false},
	    {0, 1, IPPROTO_TCP, false},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_INT(rules_socket_allowed(rows[i].family, rows[i].type, rows[i].protocol),
			  rows[i].is_allowed);
}

static void parse(const char *text, __u32 ip[4])
{
	struct in_addr v4;
	if (inet_pton(AF_INET, text, &v4) == 1)
		rules_map_v4(v4.s_addr, ip);
	else if (inet_pton(AF_INET6, text, ip) != 1)
		CHECK(!"an address");
}

static void test_addresses(void)
{
	static const struct {
		const char *text;
		bool is_v4, is_loopback;
		const char *taken_as;
	} rows[] = {
	    {"127.0.0.1", true, true, "127.0.0.1"},
	    {"127.255.0.9", true, true, "127.255.0.9"},
	    {"::ffff:127.0.0.1", true, true, "127.0.0.1"},
	    {"128.0.0.1", true, false, "128.0.0.1"},
	    {"0.0.0.0", true, false, "127.0.0.1"},
	    {"::", false, false, "::1"},
	    {"::1", false, true, "::1"},
	    {"::2", false, false, "::2"},
	    {"::100", false, false, "::100"},
	    {"::127.0.0.1", false, false, "::127.0.0.1"},
	    {"2001:db8::1", false, false, "2001:db8::1"},
	    {"1::", false, false, "1::"},
	    {"10.0.0.0", true, false, "10.0.0.0"},
	    {"::fffe:127.0.0.1", false, false, "::fffe:127.0.0.1"},
	    {"0:0:1::ffff:0:0", false, false, "0:0:1::ffff:0:0"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		__u32 ip[4], want[4];
		parse(rows[i].text, ip);
		CHECK_INT(rules_is_v4(ip), rows[i].is_v4);
		CHECK_INT(rules_is_loopback(ip), rows[i].is_loopback);
		parse(rows[i].taken_as, want);
		rules_any_is_loopback(ip);
		CHECK(!memcmp(ip, want, 16));
	}
}

static void test_heart(void)
{
	const __u64 now = 100 * HEART_STALE_NS;
	CHECK(!rules_is_fresh(now, 0));
	CHECK(!rules_is_fresh(0, 0));
	CHECK(rules_is_fresh(now, now));
	CHECK(rules_is_fresh(now, now + 5));
	CHECK(rules_is_fresh(now, now - HEART_STALE_NS));
	CHECK(!rules_is_fresh(now, now - HEART_STALE_NS - 1));
}

#define GOOD .is_fresh = true, .gate_port = 900
static const struct {
	struct facts f;
	enum verdict verdict;
	enum reason reason; /* where it is refused */
} connects[] = {
    /* what must be there first */
    {{.is_declared = true, .port = 5432, .gate_port = 900}, VERDICT_REFUSE, REASON_STALE},
    {{.is_fresh = true, .is_declared = true, .port = 5432}, VERDICT_REFUSE, REASON_NO_GATE},
    {{.port = 53, .gate_port = 900}, VERDICT_REFUSE, REASON_STALE},
    {{.is_fresh = true, .is_udp = true, .port = 53}, VERDICT_REFUSE, REASON_NO_GATE},
    {{.port = 8000, .is_loopback = true, .gate_port = 900}, VERDICT_REFUSE, REASON_STALE},
    /* TCP */
    {{GOOD, .is_declared = true, .port = 5432}, VERDICT_GATE, 0},
    {{GOOD, .is_declared = true, .is_loopback = true, .port = 5432}, VERDICT_GATE, 0},
    {{GOOD, .port = 5432}, VERDICT_REFUSE, REASON_NOT_DECLARED},
    {{GOOD, .port = 8000, .is_loopback = true}, VERDICT_LOCAL, REASON_NOT_DECLARED},
    {{GOOD, .port = 53}, VERDICT_GATE, 0},
    {{GOOD, .port = 53, .is_loopback = true}, VERDICT_GATE, 0},
    {{GOOD, .port = 0}, VERDICT_REFUSE, REASON_NOT_DECLARED},
    /* the gate itself, declared or not */
    {{GOOD, .port = 900, .is_loopback = true}, VERDICT_REFUSE, REASON_GATE},
    {{GOOD, .port = 900, .is_loopback = true, .is_declared = true}, VERDICT_REFUSE, REASON_GATE},
    {{GOOD, .port = 900, .is_loopback = true, .was_sent = true}, VERDICT_REFUSE, REASON_GATE},
    {{GOOD, .port = 900, .is_loopback = true, .is_udp = true}, VERDICT_REFUSE, REASON_GATE},
    {{GOOD, .port = 900, .is_loopback = true, .is_udp = true, .is_send = true},
     VERDICT_REFUSE,
     REASON_GATE},
    {{GOOD, .port = 900, .is_loopback = true, .is_udp = true, .is_send = true, .was_sent = true},
     VERDICT_PASS,
     0},
    {{GOOD, .port = 900, .is_udp = true, .is_send = true, .was_sent = true},
     VERDICT_REFUSE,
     REASON_UDP},
    {{GOOD, .port = 900, .is_declared = true}, VERDICT_GATE, 0},
    /* UDP */
    {{GOOD, .is_udp = true, .port = 53}, VERDICT_GATE, 0},
    {{GOOD, .is_udp = true, .is_send = true, .port = 53}, VERDICT_GATE, 0},
    {{GOOD, .is_udp = true, .port = 443}, VERDICT_REFUSE, REASON_UDP},
    {{GOOD, .is_udp = true, .port = 443, .is_loopback = true}, VERDICT_REFUSE, REASON_UDP},
    {{GOOD, .is_udp = true, .port = 443, .is_declared = true}, VERDICT_QUIET, REASON_UDP},
    {{GOOD, .is_udp = true, .port = 0}, VERDICT_QUIET, REASON_UDP},
    {{GOOD, .is_udp = true, .port = 65535}, VERDICT_QUIET, REASON_UDP},
    {{GOOD, .is_udp = true, .is_send = true, .port = 443, .is_declared = true},
     VERDICT_REFUSE,
     REASON_UDP},
    {{GOOD, .is_udp = true, .is_send = true, .port = 65535}, VERDICT_REFUSE, REASON_UDP},
};

static void test_connect(void)
{
	for (size_t i = 0; i < ARRAY_LEN(connects); i++) {
		enum reason reason = REASON_COUNT;
		enum verdict v = rules_connect(&connects[i].f, &reason);
		if (v != connects[i].verdict)
			printf("row %zu\n", i);
		CHECK_INT(v, connects[i].verdict);
		if (v == VERDICT_REFUSE || v == VERDICT_QUIET)
			CHECK_INT(reason, connects[i].reason);
	}
}

/* Whatever the facts: nothing but a verdict of these goes anywhere without a fresh heart and a
 * gate. */
static void test_all_facts(void)
{
	static const __u16 ports[] = {0, 53, 80, 900, 65535};
	for (unsigned int bits = 0; bits < 64; bits++)
		for (size_t i = 0; i < ARRAY_LEN(ports); i++)
			for (int has_gate = 0; has_gate < 2; has_gate++) {
				struct facts f = {bits & 1, bits & 2,	       bits & 4,
						  bits & 8, bits & 16,	       bits & 32,
						  ports[i], has_gate ? 900 : 0};
				enum reason reason = REASON_COUNT;
				enum verdict v = rules_connect(&f, &reason);
				bool goes = v != VERDICT_REFUSE && v != VERDICT_QUIET;
				CHECK(!goes || (f.is_fresh && has_gate));
				CHECK(goes || reason != REASON_COUNT);
				CHECK(v != VERDICT_LOCAL ||
				      (f.is_loopback && !f.is_udp && f.port != 900));
				CHECK(v != VERDICT_GATE || f.port == 53 ||
				      (f.is_declared && !f.is_udp));
			}
}

static void test_devices_and_states(void)
{
	CHECK(rules_may_pass_device(1));
	CHECK(!rules_may_pass_device(0));
	CHECK(!rules_may_pass_device(2));
	for (unsigned int state = 1; state <= 12; state++)
		CHECK_INT(rules_outlives_close(state), state == 1 || (state >= 4 && state <= 6) ||
							   state == 8 || state == 9 || state >= 11);
}

/* Of 100 bytes up and 40 down: what is said at each change of state; the kernel's counters hold SYN and FIN too. */
static void test_leg(void)
{
	enum { EST = 1, SYN_SENT, SYN_RECV, FIN1, FIN2, TIME_WAIT, CLOSE, CLOSE_WAIT, LAST_ACK, LISTENING, CLOSING };
	static const struct {
		__u32 from, to;
		__u64 acked;
		__u32 flight;
		__u64 received, up_min, up_max, down;
	} rows[] = {
	    {SYN_SENT, EST, 1, 0, 0, 0, 0, 0},
	    {SYN_SENT, CLOSE, 0, 1, 0, 0, 0, 0}, /* refused: its SYN */
	    {EST, FIN1, 101, 0, 40, 100, 100, 40},
	    {EST, FIN1, 61, 40, 40, 60, 100, 40},
	    {EST, CLOSE_WAIT, 101, 0, 41, 100, 100, 40},
	    {EST, CLOSE, 61, 40, 40, 60, 100, 40}, /* reset */
	    {FIN1, FIN2, 102, 0, 40, 100, 101, 40},
	    {FIN1, CLOSING, 101, 1, 41, 100, 101, 40},
	    {FIN1, CLOSE, 101, 1, 40, 99, 101, 39},
	    {FIN2, CLOSE, 102, 0, 41, 100, 101, 40},
	    {FIN2, TIME_WAIT, 102, 0, 41, 100, 101, 40},
	    {CLOSE_WAIT, LAST_ACK, 101, 0, 41, 100, 100, 40},
	    {LAST_ACK, CLOSE, 102, 0, 41, 100, 101, 40},
	    {CLOSING, CLOSE, 102, 0, 41, 100, 101, 40},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct leg got = {0};
		rules_leg(rows[i].from, rows[i].to, rows[i].acked, rows[i].flight, rows[i].received, &got);
		CHECK_INT(got.up_min, rows[i].up_min);
		CHECK_INT(got.up_max, rows[i].up_max);
		CHECK_INT(got.down, rows[i].down);
	}
}

static void test_device_nodes(void)
{
	static const struct {
		bool is_block;
		__u32 major, minor;
		bool is_allowed;
	} rows[] = {
	    {false, 1, 1, false},    {false, 1, 2, false},    {false, 1, 4, false},  /* mem, kmem, port */
	    {false, 1, 3, true},     {false, 1, 5, true},     {false, 1, 8, true},   /* null, zero, random */
	    {false, 1, 9, true},     {false, 5, 0, true},     {false, 5, 2, true},   /* urandom, tty, ptmx */
	    {false, 136, 0, true},   {false, 195, 0, true},   {false, 10, 229, true}, /* pts, GPU, fuse */
	    {false, 10, 200, false}, {false, 10, 137, false}, {false, 10, 223, false}, /* tun, vhci, uinput */
	    {false, 10, 237, false}, {false, 10, 238, false}, {false, 10, 241, false}, /* loop-control, vhost-* */
	    {false, 231, 0, false},  {false, 231, 192, false}, /* InfiniBand */
	    {false, 1, 11, false},   {false, 5, 1, false},    {false, 5, 3, false}, /* kmsg, console, ttyprintk */
	    {false, 4, 1, true},     {false, 4, 63, true},    {false, 4, 64, false}, /* consoles; serial lines */
	    {false, 166, 0, false},  {false, 188, 0, false},  {false, 204, 64, false}, /* serial lines */
	    {false, 6, 0, false},    {false, 99, 0, false},   {false, 180, 0, false}, /* lp, parport, usb */
	    {false, 189, 0, false},  {false, 229, 0, false},  {false, 108, 0, false}, /* usb, hvc, ppp */
	    {false, 13, 64, false},  {false, 21, 0, false},   {false, 7, 0, true},   /* input, sg; screens */
	    {false, 10, 196, false}, {false, 10, 203, false}, {false, 10, 236, false}, /* vfio, cuse, mapper */
	    {true, 8, 0, false},     {true, 7, 0, false},     {true, 1, 3, false}, /* whatever the disk */
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_INT(rules_device_allowed(rows[i].is_block, rows[i].major, rows[i].minor), rows[i].is_allowed);
}

static void test_options(void)
{
	static const struct {
		__s32 level, option;
		bool is_allowed;
	} rows[] = {
	    {IPPROTO_IP, IP_ADD_MEMBERSHIP, false},	     {IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, false},
	    {IPPROTO_IP, IP_MSFILTER, false},		     {IPPROTO_IP, MCAST_JOIN_GROUP, false},
	    {IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP, false},    {IPPROTO_IP, MCAST_MSFILTER, false},
	    {IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, false},	     {IPPROTO_IPV6, IPV6_JOIN_ANYCAST, false},
	    {IPPROTO_IPV6, MCAST_JOIN_GROUP, false},	     {IPPROTO_IPV6, MCAST_JOIN_SOURCE_GROUP, false},
	    {IPPROTO_IPV6, MCAST_MSFILTER, false},	     {IPPROTO_IP, IP_TOS, true},
	    {IPPROTO_IP, IP_DROP_MEMBERSHIP, true},	     {IPPROTO_IP, IP_MULTICAST_IF, true},
	    {IPPROTO_IPV6, IPV6_V6ONLY, true},		     {IPPROTO_IPV6, IPV6_RECVPKTINFO, true},
	    {SOL_SOCKET, 20, true},			     {IPPROTO_TCP, 35, true},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_INT(rules_option_allowed(rows[i].level, rows[i].option), rows[i].is_allowed);
}

int main(void)
{
	test_options();
	test_device_nodes();
	test_leg();
	test_sockets();
	test_addresses();
	test_heart();
	test_connect();
	test_all_facts();
	test_devices_and_states();
	return tap_done();
}
