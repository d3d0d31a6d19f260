/* Which descriptors may come along into a workload. */
#include "guard/guard.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../tap.h"

static void check(int fd, bool is_good)
{
	CHECK(fd >= 0);
	CHECK_INT(guard_fd_refused(fd) == NULL, is_good);
	close(fd);
}

static void check_names(void)
{
	struct guard g = {0};
	CHECK_INT(guard_leave_out(&g, span_str("view,calls")), 0);
	CHECK(g.without[GUARD_VIEW] && g.without[GUARD_CALLS] && !g.without[GUARD_SCOPE] && !g.without[GUARD_PRIVS]);
	CHECK_INT(guard_leave_out(&g, span_str("scope")), 0);
	CHECK(g.without[GUARD_SCOPE]);
	CHECK_INT(guard_leave_out(&g, span_str("views")), ERR_MALFORMED);
	CHECK_INT(guard_leave_out(&g, span_str("view,,unix")), ERR_MALFORMED);
	CHECK(!g.without[GUARD_UNIX]);
}

int main(void)
{
	check_names();
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
	check(pair[0], false);
	check(pair[1], false);
	CHECK(guard_fd_refused(999) == NULL); /* closed: /dev/null takes its place */
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
