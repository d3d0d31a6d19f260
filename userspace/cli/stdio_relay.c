#include "cli/stdio_relay.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 1000

static int is_unix_socket(int fd)
{
	int domain = 0;
	socklen_t len = sizeof(domain);
	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX;
}

/* read() takes bytes and drops whatever a message carries beside them. */
static void pump(int from, int to)
{
	char bytes[16 * 1024];
	ssize_t n;
	while ((n = read(from, bytes, sizeof(bytes))) > 0 || (n < 0 && errno == EINTR))
		for (ssize_t at = 0, put; at < n; at += put) {
			put = write(to, bytes + at, (size_t)(n - at));
			if (put < 0 && errno == EINTR)
				put = 0;
			else if (put < 0)
				return;
		}
}

static int start_one(struct stdio_relay *r, int fd)
{
	int ends[2];
	pid_t parent = getpid();
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	int theirs = fd == 0 ? ends[0] : ends[1], ours = fd == 0 ? ends[1] : ends[0];
	r->pids[fd] = fork();
	if (r->pids[fd] == 0) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
			_exit(1);
		close(theirs);
		for (int i = 0; i < fd; i++)
			if (r->ends[i] >= 0)
				close(r->ends[i]);
		pump(fd == 0 ? 0 : ours, fd == 0 ? ours : fd);
		_exit(0);
	}
	close(ours);
	r->ends[fd] = theirs;
	return r->pids[fd] < 0 ? -errno : 0;
}

int stdio_relay_start(struct stdio_relay *r)
{
	int err = 0;
	*r = (struct stdio_relay){.ends = {-1, -1, -1}};
	for (int fd = 0; fd < 3 && err == 0; fd++)
		if (is_unix_socket(fd))
			err = start_one(r, fd);
	return err;
}

void stdio_relay_take(const struct stdio_relay *r)
{
	for (int fd = 0; fd < 3; fd++)
		if (r->ends[fd] >= 0 && dup2(r->ends[fd], fd) < 0)
			close(fd); /* none is better than the socket */
}

void stdio_relay_leave(struct stdio_relay *r)
{
	for (int fd = 0; fd < 3; fd++)
		if (r->ends[fd] >= 0)
			close(r->ends[fd]);
}

void stdio_relay_wait(struct stdio_relay *r)
{
	struct timespec nap = {.tv_nsec = 5000000};
	if (r->pids[0] > 0)
		kill(r->pids[0], SIGKILL);
	for (int ms = 0; ms < WAIT_MS; ms += 5) {
		int n = 0;
		for (int fd = 0; fd < 3; fd++) {
			if (r->pids[fd] > 0 && waitpid(r->pids[fd], NULL, WNOHANG) != 0)
				r->pids[fd] = 0;
			n += r->pids[fd] > 0;
		}
		if (n == 0)
			return;
		nanosleep(&nap, NULL);
	}
}
