/* TCP and UDP sockets by io_uring, which goes past every system call that a filter would see. Numbers of newer
 * operations stand here: the header of the build may be older than the kernel. */
#include <linux/io_uring.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/containment/vector.h"

enum {
	OP_MSG_RING = 40,   /* 5.18; with SEND_FD 6.0 */
	OP_SOCKET = 45,	    /* 5.19 */
	OP_URING_CMD = 46,  /* 5.19; of sockets 6.7 */
	OP_SEND_ZC = 47,    /* 6.0 */
	OP_SENDMSG_ZC = 48, /* 6.1 */
	OP_BIND = 56,	    /* 6.11 */
	MSG_SEND_FD = 1,
	CMD_SETSOCKOPT = 3,
};

struct uring {
	int fd;
	struct io_uring_params p;
	uint8_t *sq, *cq;
	struct io_uring_sqe *sqes;
	unsigned int done;
};

static int uring_open(struct uring *u, unsigned int flags)
{
	u->p = (struct io_uring_params){.flags = flags, .sq_thread_idle = 50};
	u->fd = (int)syscall(SYS_io_uring_setup, 4, &u->p);
	if (u->fd < 0)
		return errno;
	const int prot = PROT_READ | PROT_WRITE;
	size_t cq_size = u->p.cq_off.cqes + u->p.cq_entries * sizeof(struct io_uring_cqe);
	u->sq = mmap(NULL, u->p.sq_off.array + 4 * u->p.sq_entries, prot, MAP_SHARED, u->fd, IORING_OFF_SQ_RING);
	u->cq = mmap(NULL, cq_size, prot, MAP_SHARED, u->fd, IORING_OFF_CQ_RING);
	u->sqes = mmap(NULL, u->p.sq_entries * sizeof(*u->sqes), prot, MAP_SHARED, u->fd, IORING_OFF_SQES);
	u->done = 0;
	return u->sq == MAP_FAILED || u->cq == MAP_FAILED || u->sqes == MAP_FAILED ? BROKEN_PROBE : 0;
}

/* The result of one entry, or a negative errno. */
static int uring_do(struct uring *u, struct io_uring_sqe e)
{
	unsigned int at = u->done & (u->p.sq_entries - 1);
	u->sqes[at] = e;
	((unsigned int *)(void *)(u->sq + u->p.sq_off.array))[at] = at;
	__atomic_store_n((unsigned int *)(void *)(u->sq + u->p.sq_off.tail), u->done + 1, __ATOMIC_RELEASE);
	for (int i = 0; i < 150; i++) {
		syscall(SYS_io_uring_enter, u->fd, 1, 0,
			u->p.flags & IORING_SETUP_SQPOLL ? IORING_ENTER_SQ_WAKEUP : 0, NULL, 0);
		if (__atomic_load_n((unsigned int *)(void *)(u->cq + u->p.cq_off.tail), __ATOMIC_ACQUIRE) > u->done) {
			struct io_uring_cqe *c = (void *)(u->cq + u->p.cq_off.cqes);
			return c[u->done++ & (u->p.cq_entries - 1)].res;
		}
		usleep(20000);
	}
	return -BROKEN_PROBE;
}

/* An operation that a kernel does not know fails as one that was called wrongly. */
static int answer(int r)
{
	return r >= 0 ? 0 : r == -EINVAL ? ENOSYS : -r;
}

static int uring_connect(const struct stage *s, unsigned int flags, bool makes_socket)
{
	struct uring u = {0};
	struct sockaddr_storage sa;
	socklen_t len = sink_sa(s, AF_INET, SINK_TCP, &sa);
	int err = uring_open(&u, flags);
	if (err)
		return err;
	struct io_uring_sqe make = {.opcode = OP_SOCKET, .fd = AF_INET, .off = SOCK_STREAM};
	int fd = makes_socket ? uring_do(&u, make)
			      : socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0)
		return makes_socket ? answer(fd) : errno;
	int r = uring_do(&u, (struct io_uring_sqe){
				 .opcode = IORING_OP_CONNECT, .fd = fd, .addr = (uintptr_t)&sa, .off = len});
	return r < 0 ? -r : hear_word(fd, "sink");
}

static int uring(const struct stage *s)
{
	return uring_connect(s, 0, false);
}

static int uring_polled(const struct stage *s)
{
	return uring_connect(s, IORING_SETUP_SQPOLL, false);
}

static int uring_socket(const struct stage *s)
{
	return uring_connect(s, 0, true);
}

static int send_message(const struct stage *s, uint8_t op)
{
	struct uring u = {0};
	struct sockaddr_storage sa;
	socklen_t len = sink_sa(s, AF_INET, SINK_UDP, &sa);
	struct iovec v = {"x", 1};
	struct msghdr m = {&sa, len, &v, 1, NULL, 0, 0};
	int fd = socket(AF_INET, SOCK_DGRAM, 0), err = uring_open(&u, 0);
	if (fd < 0 || err)
		return err ? err : errno;
	return answer(uring_do(&u, (struct io_uring_sqe){.opcode = op, .fd = fd, .addr = (uintptr_t)&m, .len = 1}));
}

static int uring_sendmsg(const struct stage *s)
{
	return send_message(s, IORING_OP_SENDMSG);
}

static int uring_sendmsg_zc(const struct stage *s)
{
	return send_message(s, OP_SENDMSG_ZC);
}

/* With an address, as sendto; a kernel that knows none in it has nowhere to send. */
static int send_to(const struct stage *s, uint8_t op)
{
	struct uring u = {0};
	struct sockaddr_storage sa;
	socklen_t len = sink_sa(s, AF_INET, SINK_UDP, &sa);
	int fd = socket(AF_INET, SOCK_DGRAM, 0), err = uring_open(&u, 0);
	if (fd < 0 || err)
		return err ? err : errno;
	struct io_uring_sqe e = {.opcode = op, .fd = fd, .addr = (uintptr_t)"x", .len = 1, .off = (uintptr_t)&sa};
	e.splice_fd_in = (int)len; /* addr_len, in the low half */
	int r = uring_do(&u, e);
	return r == -EDESTADDRREQ ? ENOSYS : answer(r);
}

static int uring_send_to(const struct stage *s)
{
	return send_to(s, IORING_OP_SEND);
}

static int uring_send_zc(const struct stage *s)
{
	return send_to(s, OP_SEND_ZC);
}

/* Turned to the outside end of the wire by its own address; then an ordinary send. */
static int uring_bind(const struct stage *s)
{
	struct uring u = {0};
	struct sockaddr_storage sa;
	struct addr a = {0};
	if (addr_parse_ip(s->here4, &a))
		return BROKEN_PROBE;
	socklen_t len = addr_to_sockaddr(&a, &sa);
	int fd = socket(AF_INET, SOCK_DGRAM, 0), err = uring_open(&u, 0);
	if (fd < 0 || err)
		return err ? err : errno;
	int r = uring_do(&u, (struct io_uring_sqe){.opcode = OP_BIND, .fd = fd, .addr = (uintptr_t)&sa, .off = len});
	return r < 0 ? answer(r) : sink_send(s, fd, AF_INET);
}

/* A group joined by a command, past setsockopt: what the kernel tells the network of it is the message. */
static int uring_join(const struct stage *s)
{
	struct uring u = {0};
	struct ip_mreqn m = {.imr_multiaddr.s_addr = htonl(0xef534563), .imr_ifindex = (int)if_nametoindex(s->dev)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0), err = uring_open(&u, 0);
	if (fd < 0 || err)
		return err ? err : errno;
	struct io_uring_sqe e = {.opcode = OP_URING_CMD, .fd = fd, .off = CMD_SETSOCKOPT};
	e.addr = (uint64_t)IPPROTO_IP | (uint64_t)IP_ADD_MEMBERSHIP << 32; /* level, optname */
	e.splice_fd_in = sizeof(m);					   /* optlen */
	((uint64_t *)(void *)&e)[6] = (uintptr_t)&m;			   /* optval, where addr3 is */
	int r = uring_do(&u, e);
	if (r < 0)
		return answer(r);
	close(fd);
	usleep(2500000); /* its reports come again within a second */
	return 0;
}

/* --- a socket by a message from another ring --------------------------------------- */

static int make_table(int ring)
{
	int none[1] = {-1};
	return (int)syscall(SYS_io_uring_register, ring, IORING_REGISTER_FILES, none, 1);
}

/* Outside: when told a ring's number in process `pid`, puts a connected socket into it, without any descriptor. */
static void hand_over(const struct stage *s, int pair)
{
	struct {
		int pid, fd;
	} at;
	struct uring u = {0};
	int gift = sink_socket(s, SOCK_DGRAM), r = -BROKEN_PROBE;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (recv(pair, &at, sizeof(at), 0) != sizeof(at) || uring_open(&u, 0))
		_exit(1);
	int pidfd = (int)syscall(SYS_pidfd_open, at.pid, 0);
	int theirs = (int)syscall(SYS_pidfd_getfd, pidfd, at.fd, 0);
	if (gift >= 0 && theirs >= 0 && syscall(SYS_io_uring_register, u.fd, IORING_REGISTER_FILES, &gift, 1) >= 0)
		r = uring_do(&u, (struct io_uring_sqe){.opcode = OP_MSG_RING,
						       .fd = theirs,
						       .addr = MSG_SEND_FD,
						       .addr3 = 0,
						       .file_index = 1});
	_exit(send(pair, &r, sizeof(r), MSG_NOSIGNAL) < 0);
}

static int partner(const struct stage *s)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair))
		return -1;
	if (!fork()) {
		close(pair[1]);
		hand_over(s, pair[0]);
	}
	close(pair[0]);
	return pair[1];
}

static int uring_message(const struct stage *s)
{
	struct uring u = {0};
	struct {
		int pid, fd;
	} at;
	int r = 0, err = uring_open(&u, 0);
	if (err)
		return err;
	at.pid = getpid();
	at.fd = u.fd;
	if (make_table(u.fd) < 0 || send(s->held, &at, sizeof(at), MSG_NOSIGNAL) < 0 ||
	    recv(s->held, &r, sizeof(r), 0) != sizeof(r))
		return errno ? errno : BROKEN_PROBE;
	if (r < 0)
		return answer(r);
	return answer(uring_do(&u, (struct io_uring_sqe){.opcode = IORING_OP_SEND,
							 .flags = IOSQE_FIXED_FILE,
							 .fd = 0,
							 .addr = (uintptr_t)"x",
							 .len = 1}));
}

const struct vector vectors_uring[] = {
    {"io_uring CONNECT", uring},
    {"io_uring CONNECT, SQPOLL", uring_polled},
    {"io_uring SOCKET", uring_socket},
    {"io_uring SENDMSG", uring_sendmsg},
    {"io_uring SENDMSG_ZC", uring_sendmsg_zc},
    {"io_uring SEND with an address", uring_send_to},
    {"io_uring SEND_ZC", uring_send_zc},
    {"io_uring BIND", uring_bind},
    {"io_uring setsockopt, IGMP", uring_join},
    {"io_uring message with a socket", uring_message, partner},
    {0},
};
