#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../tap.h"
#include "base/clock.h"
#include "record/ring.h"
#include "record/ring_consumer.h"
#include "record/ring_layout.h"

#define SIZE 65536

static struct ring_desc desc;
static struct ring *ring;
static struct ring_consumer *consumer;
static uint8_t event[RING_EVENT_MAX];

static void set_up(void)
{
	CHECK_INT(ring_create(SIZE, &desc), 0);
	CHECK_INT(ring_open(&desc, &ring), 0);
	CHECK_INT(ring_consumer_open(&desc, &consumer), 0);
}

static void live(void)
{
	ring_consumer_beat(consumer, clock_mono_ns());
	ring_consumer_say(consumer, RING_RECORDS);
}

static void tear_down(void)
{
	ring_free(ring);
	ring_consumer_free(consumer);
	ring_desc_done(&desc);
}

static bool is_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint64_t n;
	return poll(&p, 1, 0) == 1 && read(fd, &n, sizeof(n)) == sizeof(n);
}

static int put(const char *text, uint64_t *ret_ticket)
{
	uint64_t ticket;
	return ring_put(ring, span_str(text), ret_ticket ? ret_ticket : &ticket);
}

static bool next_is(const char *text)
{
	size_t len;
	return ring_consumer_next(consumer, event, &len) == 1 && span_is(span_of(event, len), text);
}

static void refuses_sizes_that_are_none(void)
{
	struct ring_desc d;
	CHECK_INT(ring_create(0, &d), -EINVAL);
	CHECK_INT(ring_create(4095, &d), -EINVAL);
	CHECK_INT(ring_create(SIZE + 1, &d), -EINVAL);
}

/* Nobody can pull the memory away from under the other side. */
static void is_sealed(void)
{
	set_up();
	CHECK(ftruncate(desc.memfd, 0) < 0);
	CHECK(ftruncate(desc.memfd, 10 * SIZE) < 0);
	CHECK(fcntl(desc.memfd, F_ADD_SEALS, F_SEAL_WRITE) < 0);
	struct ring_desc plain = desc;
	struct ring_consumer *c;
	plain.memfd = memfd_create("plain", MFD_CLOEXEC);
	CHECK_INT(ftruncate(plain.memfd, RING_HEADER + SIZE), 0);
	CHECK_INT(ring_consumer_open(&plain, &c), ERR_MALFORMED);
	struct ring *r;
	CHECK_INT(ring_open(&plain, &r), ERR_MALFORMED);
	close(plain.memfd);
	tear_down();
}

static void needs_a_recorder_that_lives(void)
{
	set_up();
	CHECK_INT(put("{}", NULL), ERR_RECORD);
	ring_consumer_say(consumer, RING_RECORDS); /* no sign of life */
	CHECK_INT(put("{}", NULL), ERR_RECORD);
	live();
	CHECK_INT(put("{}", NULL), 0);
	ring_consumer_beat(consumer, clock_mono_ns() - 8100 * NS_PER_MS);
	CHECK_INT(ring_check(ring), 0); /* a machine that was suspended: first it may go on */
	usleep(100 * 1000);
	CHECK_INT(ring_check(ring), 0);
	usleep(500 * 1000);
	CHECK_INT(put("{}", NULL), ERR_RECORD);
	CHECK_INT(put("{}", NULL), ERR_RECORD);
	live();
	ring_consumer_beat(consumer, clock_mono_ns() - 8100 * NS_PER_MS);
	CHECK_INT(ring_check(ring), 0); /* two looks anew */
	live();
	CHECK_INT(ring_check(ring), 0);
	is_readable(desc.to_producer);
	ring_consumer_say(consumer, RING_CANNOT_RECORD);
	CHECK(is_readable(desc.to_producer)); /* those who wait are told */
	CHECK_INT(put("{}", NULL), ERR_RECORD);
	ring_consumer_say(consumer, RING_RECORDS);
	CHECK_INT(put("{}", NULL), 0);
	tear_down();
}

static void hands_over_in_order_round_the_end(void)
{
	size_t len, bad = 0;
	set_up();
	live();
	for (int i = 0; i < 5000; i++) {
		uint8_t out[700];
		size_t n = 2 + (size_t)(i * 7919) % 600;
		memset(out, 'a' + i % 26, n);
		uint64_t ticket;
		bad += ring_put(ring, span_of(out, n), &ticket) != 0;
		bad += ring_consumer_next(consumer, event, &len) != 1 ||
		       !span_eq(span_of(event, len), span_of(out, n));
		bad += ticket != ring_consumer_pos(consumer);
		ring_consumer_commit(consumer, ring_consumer_pos(consumer));
	}
	CHECK_INT(bad, 0);
	CHECK_INT(ring_consumer_next(consumer, event, &len), 0);
	tear_down();
}

static void has_limits(void)
{
	static uint8_t big[RING_EVENT_MAX + 1];
	uint64_t ticket = 77;
	set_up();
	live();
	CHECK_INT(ring_put(ring, span_of(big, sizeof(big)), &ticket), ERR_LIMIT);
	CHECK_INT(ring_put(ring, span_of(big, SIZE), &ticket), ERR_LIMIT); /* would never fit */
	CHECK_INT(ring_put(ring, span_of(big, 1), &ticket), ERR_LIMIT);
	CHECK_INT(ticket, 77);
	for (int i = 0; i < 6; i++)
		CHECK_INT(ring_put(ring, span_of(big, 10000), &ticket), 0);
	is_readable(desc.to_producer);
	CHECK_INT(ring_put(ring, span_of(big, 10000), &ticket), ERR_FULL);
	CHECK(!is_readable(desc.to_producer));
	size_t len;
	CHECK_INT(ring_consumer_next(consumer, event, &len), 1);
	CHECK_INT(ring_put(ring, span_of(big, 10000), &ticket), ERR_FULL); /* read is not on disk */
	ring_consumer_commit(consumer, ring_consumer_pos(consumer));
	CHECK(is_readable(desc.to_producer)); /* there is room */
	CHECK_INT(ring_put(ring, span_of(big, 10000), &ticket), 0);
	tear_down();
}

static void tells_what_is_durable(void)
{
	uint64_t a, b;
	set_up();
	live();
	is_readable(desc.to_producer);
	CHECK_INT(put("{\"a\":1}", &a), 0);
	CHECK_INT(put("{\"b\":1}", &b), 0);
	CHECK(a < b);
	CHECK(!ring_durable(ring, a));
	CHECK(next_is("{\"a\":1}"));
	uint64_t pos = ring_consumer_pos(consumer);
	CHECK(!ring_durable(ring, a));
	ring_consumer_commit(consumer, pos);
	CHECK(ring_durable(ring, a) && !ring_durable(ring, b));
	CHECK(!is_readable(desc.to_producer)); /* nobody asked */
	ring_want(ring, b);
	CHECK(next_is("{\"b\":1}"));
	ring_consumer_commit(consumer, ring_consumer_pos(consumer));
	CHECK(ring_durable(ring, b));
	CHECK(is_readable(desc.to_producer));
	tear_down();
}

static void wakes_a_recorder_that_sleeps(void)
{
	static uint8_t big[SIZE / 4 + 1];
	uint64_t ticket;
	set_up();
	live();
	CHECK_INT(put("{}", &ticket), 0);
	CHECK(!is_readable(desc.to_recorder)); /* it does not sleep */
	ring_consumer_sleep(consumer);
	CHECK(!ring_consumer_is_urgent(consumer));
	CHECK_INT(put("{}", &ticket), 0);
	CHECK(!is_readable(desc.to_recorder)); /* it looks by itself soon enough */
	ring_want(ring, ticket);
	CHECK(ring_consumer_is_urgent(consumer));
	CHECK(is_readable(desc.to_recorder));
	ring_consumer_awake(consumer, false);
	ring_consumer_sleep(consumer);
	CHECK_INT(ring_put(ring, span_of(big, sizeof(big)), &ticket), 0);
	CHECK(is_readable(desc.to_recorder)); /* the ring fills */
	tear_down();
}

static void goes_back_to_a_position(void)
{
	uint64_t pos;
	size_t len;
	set_up();
	live();
	CHECK_INT(put("{\"a\":1}", NULL), 0);
	CHECK_INT(put("{\"b\":1}", &pos), 0);
	CHECK(next_is("{\"a\":1}"));
	pos = ring_consumer_pos(consumer);
	CHECK(next_is("{\"b\":1}"));
	CHECK_INT(ring_consumer_seek(consumer, pos), 0);
	CHECK(next_is("{\"b\":1}"));
	CHECK_INT(ring_consumer_seek(consumer, pos + 1000), ERR_NOT_FOUND);
	ring_consumer_commit(consumer, ring_consumer_pos(consumer));
	CHECK_INT(ring_consumer_seek(consumer, pos),
		  ERR_NOT_FOUND); /* its room may be used again */
	/* A new consumer of the same ring goes on where the last one committed. */
	ring_consumer_free(consumer);
	CHECK_INT(ring_consumer_open(&desc, &consumer), 0);
	CHECK_INT(ring_consumer_next(consumer, event, &len), 0);
	CHECK_INT(put("{\"c\":1}", NULL), 0);
	CHECK(next_is("{\"c\":1}"));
	tear_down();
}

static void reads_no_further_than_its_mark(void)
{
	size_t len;
	set_up();
	live();
	CHECK_INT(put("{\"a\":1}", NULL), 0);
	ring_consumer_mark(consumer);
	CHECK_INT(put("{\"b\":1}", NULL), 0);
	CHECK(next_is("{\"a\":1}"));
	CHECK_INT(ring_consumer_next(consumer, event, &len), 0);
	ring_consumer_mark(consumer);
	CHECK(next_is("{\"b\":1}"));
	tear_down();
}

/* A producer that writes its header and frames as it likes. */
static void believes_nothing(void)
{
	static const struct {
		uint64_t head;
		uint32_t len;
	} rows[] = {
	    {UINT64_MAX, 10}, {SIZE + 1, 10}, {3, 0},	       {100, UINT32_MAX}, {100, 97},
	    {100, 1 << 20},   {0, 0},	      {1ull << 63, 2}, {SIZE, SIZE},
	};
	size_t len;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ring_header *h;
		uint64_t size, ticket;
		set_up();
		live();
		CHECK_INT(ring_map(desc.memfd, &h, &size), 0);
		memcpy((uint8_t *)h + RING_HEADER, &rows[i].len, 4);
		atomic_store(&h->head, rows[i].head);
		int r = ring_consumer_next(consumer, event, &len);
		CHECK_INT(r, rows[i].head ? ERR_MALFORMED : 0);
		ring_consumer_commit(consumer, ring_consumer_pos(consumer));
		/* A new producer on the same ring goes on. */
		ring_free(ring);
		CHECK_INT(ring_open(&desc, &ring), 0);
		CHECK_INT(ring_put(ring, span_str("{\"x\":1}"), &ticket), 0);
		CHECK(!ring_durable(ring, ticket));
		ring_want(ring, ticket);
		CHECK(ring_consumer_is_urgent(consumer));
		CHECK(next_is("{\"x\":1}"));
		ring_consumer_commit(consumer, ring_consumer_pos(consumer));
		CHECK(ring_durable(ring, ticket));
		ring_unmap(h, size);
		tear_down();
	}
}

static bool ring_holds(const struct ring_header *h, const char *text)
{
	return memmem((const uint8_t *)h + RING_HEADER, SIZE, text, strlen(text)) != NULL;
}

/* What is stored sealed does not stay behind; what is still to be read does. */
static void wipes_what_it_frees(void)
{
	struct ring_header *h;
	uint64_t size;
	char text[1000];
	for (int wipes = 0; wipes < 2; wipes++) {
		set_up();
		live();
		CHECK_INT(ring_map(desc.memfd, &h, &size), 0);
		if (wipes)
			ring_consumer_wipes(consumer);
		/* Some of them lie across the end. */
		for (int i = 0; i < 3 * SIZE / (int)sizeof(text); i++) {
			snprintf(text, sizeof(text), "{\"secret%05d\":\"%0900d\"}", i, i);
			CHECK_INT(put(text, NULL), 0);
			CHECK_INT(put("{\"next\":1}", NULL), 0);
			CHECK(next_is(text));
			CHECK(ring_holds(h, "secret"));
			uint64_t pos = ring_consumer_pos(consumer);
			ring_consumer_commit(consumer, pos);
			CHECK(ring_holds(h, "secret") == !wipes);
			CHECK(next_is("{\"next\":1}"));
			ring_consumer_commit(consumer, ring_consumer_pos(consumer));
			CHECK(ring_holds(h, "next") == !wipes);
		}
		ring_unmap(h, size);
		tear_down();
	}
}

int main(void)
{
	wipes_what_it_frees();
	refuses_sizes_that_are_none();
	is_sealed();
	needs_a_recorder_that_lives();
	hands_over_in_order_round_the_end();
	has_limits();
	tells_what_is_durable();
	wakes_a_recorder_that_sleeps();
	goes_back_to_a_position();
	reads_no_further_than_its_mark();
	believes_nothing();
	return tap_done();
}
