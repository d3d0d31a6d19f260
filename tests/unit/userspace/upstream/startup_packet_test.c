#include "upstream/startup_packet.h"

#include <stdlib.h>

#include "../../tap.h"
#include "base/macro.h"

static void test_packet(void)
{
	static const char whole[] =
	    "\0\0\0\x46\0\3\0\0user\0alice\0database\0shop\0options\0-c a=b\0"
	    "application_name\0x y\0";
	static const char least[] = "\0\0\0\x1b\0\3\0\0user\0u\0database\0u\0";
	static const char stream[] = "\0\0\0\x2c\0\3\0\0user\0u\0database\0u\0replication\0true\0";
	struct buf out;
	buf_init(&out, STARTUP_PACKET_MAX);
	CHECK_INT(startup_packet(&(struct target){.user = "alice",
						  .database = "shop",
						  .options = "-c a=b",
						  .application = "x y"},
				 &out),
		  0);
	CHECK_INT(buf_len(&out), sizeof(whole));
	CHECK(span_eq(buf_span(&out), span_of(whole, sizeof(whole))));
	buf_reset(&out);
	CHECK_INT(
	    startup_packet(&(struct target){.user = "u", .database = "u", .options = ""}, &out), 0);
	CHECK(span_eq(buf_span(&out), span_of(least, sizeof(least))));
	buf_reset(&out);
	CHECK_INT(startup_packet(
		      &(struct target){.user = "u", .database = "u", .replication = "true"}, &out),
		  0);
	CHECK(span_eq(buf_span(&out), span_of(stream, sizeof(stream))));
	buf_done(&out);
}

static void test_limit(void)
{
	struct buf out;
	char *long_one = malloc(STARTUP_PACKET_MAX);
	memset(long_one, 'x', STARTUP_PACKET_MAX - 1);
	long_one[STARTUP_PACKET_MAX - 1] = 0;
	buf_init(&out, STARTUP_PACKET_MAX);
	CHECK_INT(startup_packet(&(struct target){.user = "u", .options = long_one}, &out),
		  ERR_LIMIT);
	buf_done(&out);
	free(long_one);
}

int main(void)
{
	test_packet();
	test_limit();
	return tap_done();
}
