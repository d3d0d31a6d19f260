/* Sockets that were not made inside: from before, inherited, handed over, fetched. */
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/containment/vector.h"

static int made_udp(const struct stage *s)
{
	return sink_socket(s, SOCK_DGRAM);
}

static int made_tcp(const struct stage *s)
{
	return sink_socket(s, SOCK_STREAM);
}

static int made_unconnected(const struct stage *s)
{
	(void)s;
	return socket(AF_INET, SOCK_DGRAM, 0);
}

static int send_on_held(const struct stage *s)
{
	return errno_if(send(s->held, "x", 1, MSG_NOSIGNAL) < 0);
}

static int connect_held(const struct stage *s)
{
	return sink_send(s, s->held, AF_INET);
}

static int send_on_stdin(const struct stage *s)
{
	(void)s;
	return errno_if(send(0, "x", 1, MSG_NOSIGNAL) < 0);
}

/* One descriptor out of a control message, or -1. */
static int receive_fd(int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = "", byte;
	struct iovec v = {&byte, 1};
	struct msghdr m = {NULL, 0, &v, 1, control, sizeof(control), 0};
	int got = -1;
	if (recvmsg(fd, &m, 0) < 0)
		return -1;
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&got, CMSG_DATA(c), sizeof(int));
	if (got < 0)
		errno = EACCES; /* the message came without it */
	return got;
}

static int passed_by_path(const struct stage *s)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/giver.sock", s->sock_dir);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sun, sizeof(sun)))
		return errno;
	int got = receive_fd(fd);
	return errno_if(got < 0 || send(got, "x", 1, MSG_NOSIGNAL) < 0);
}

/* A pair whose other end is a partner outside, which hands a socket over. */
static int pair_with_gift(const struct stage *s)
{
	int pair[2], gift = sink_socket(s, SOCK_DGRAM);
	char control[CMSG_SPACE(sizeof(int))] = "";
	struct iovec v = {"x", 1};
	struct msghdr m = {NULL, 0, &v, 1, control, sizeof(control), 0};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &gift, sizeof(int));
	if (gift < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || sendmsg(pair[0], &m, 0) < 0)
		return -1;
	close(gift);
	return pair[1];
}

static int passed_by_pair(const struct stage *s)
{
	int got = receive_fd(s->held);
	return errno_if(got < 0 || send(got, "x", 1, MSG_NOSIGNAL) < 0);
}

static int fetched(const struct stage *s)
{
	int pidfd = (int)syscall(SYS_pidfd_open, s->victim, 0);
	int fd = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, s->victim_socket, 0);
	/* What an attempt before it left (nobody listens at the sink) is told first. */
	bool is_told = fd >= 0 && send(fd, "x", 1, MSG_NOSIGNAL) < 0 && errno == ECONNREFUSED;
	return errno_if(fd < 0 || (is_told && send(fd, "x", 1, MSG_NOSIGNAL) < 0));
}

/* An io_uring with a socket of outside among its registered files. */
static int ring_with_socket(const struct stage *s)
{
	struct io_uring_params p = {0};
	int fd = sink_socket(s, SOCK_DGRAM), ring = (int)syscall(SYS_io_uring_setup, 4, &p);
	if (fd < 0 || ring < 0 ||
	    syscall(SYS_io_uring_register, ring, IORING_REGISTER_FILES, &fd, 1) < 0)
		return -1;
	close(fd);
	return ring;
}

static int send_by_ring(const struct stage *s)
{
	struct io_uring_params p = {0};
	struct iovec v = {"x", 1};
	struct msghdr m = {NULL, 0, &v, 1, NULL, 0, 0};
	const int prot = PROT_READ | PROT_WRITE;
	/* The layout of a ring of four entries is the same for each: asked of one of our own, which
	 * is not used. */
	int own = (int)syscall(SYS_io_uring_setup, 4, &p);
	if (own < 0)
		return errno;
	uint8_t *sq = mmap(NULL, p.sq_off.array + 4 * p.sq_entries, prot, MAP_SHARED, s->held,
			   IORING_OFF_SQ_RING);
	struct io_uring_sqe *e =
	    mmap(NULL, p.sq_entries * sizeof(*e), prot, MAP_SHARED, s->held, IORING_OFF_SQES);
	if (sq == MAP_FAILED || e == MAP_FAILED)
		return errno;
	*e = (struct io_uring_sqe){.opcode = IORING_OP_SENDMSG,
				   .flags = IOSQE_FIXED_FILE,
				   .addr = (uintptr_t)&m,
				   .len = 1};
	*(unsigned int *)(void *)(sq + p.sq_off.array) = 0;
	__atomic_store_n((unsigned int *)(void *)(sq + p.sq_off.tail), 1, __ATOMIC_RELEASE);
	return errno_if(
	    syscall(SYS_io_uring_enter, s->held, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0);
}

const struct vector vectors_handed[] = {
    {"TCP socket connected before", send_on_held, made_tcp},
    {"UDP socket connected before", send_on_held, made_udp},
    {"UDP socket made before", connect_held, made_unconnected},
    {"socket as standard input", send_on_stdin, made_udp, .needs_stdin = true},
    {"SCM_RIGHTS, by a path", passed_by_path},
    {"SCM_RIGHTS, by an inherited pair", passed_by_pair, pair_with_gift},
    {"pidfd_getfd", fetched},
    {"io_uring with a registered socket, inherited", send_by_ring, ring_with_socket},
    {0},
};
