/* Which descriptors may come along into a workload. */
#include "cli/api.c"
#include "cli/child.c"
#include "cli/session.c"

#include <sys/eventfd.h>
#include <sys/syscall.h>

#include "../../tap.h"
#include "said.h"

static void check(int fd, bool is_good)
{
	CHECK(fd >= 0);
	CHECK_INT(child_fd_refused(fd) == NULL, is_good);
	close(fd);
}

int main(void)
{
	int pair[2], out[2];
	check(open("/dev/null", O_RDWR), true);
	check(open("/dev/urandom", O_RDONLY), true);
	check(open("/etc/passwd", O_RDONLY), true);
	check(open("/tmp", O_TMPFILE | O_RDWR, 0600), true);
	check(posix_openpt(O_RDWR | O_NOCTTY), true);
	CHECK_INT(pipe(out), 0);
	check(out[0], true);
	check(out[1], true);
	CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	check(pair[0], true);
	check(pair[1], true);
	CHECK(child_fd_refused(999) == NULL); /* closed: /dev/null takes its place */
	check(socket(AF_INET, SOCK_STREAM, 0), false);
	check(socket(AF_INET6, SOCK_DGRAM, 0), false);
	check(socket(AF_NETLINK, SOCK_RAW, 0), false);
	check(open("/tmp", O_RDONLY | O_DIRECTORY), false);
	check(eventfd(0, 0), false);
	check((int)syscall(SYS_pidfd_open, getpid(), 0), false);
	int tun = open("/dev/net/tun", O_RDWR);
	if (tun >= 0)
		check(tun, false);
	else
		SKIP("no /dev/net/tun");
	return tap_done();
}
