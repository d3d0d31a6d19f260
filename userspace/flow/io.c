#include "flow/io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/macro.h"

#include "flow/dial.h"

static ssize_t plain_read(struct flow_end *e, void *p, size_t n)
{
	ssize_t got;
	do
		got = recv(e->source.fd, p, n, 0);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

static ssize_t plain_write(struct flow_end *e, const void *p, size_t n)
{
	ssize_t put;
	do
		put = send(e->source.fd, p, n, MSG_NOSIGNAL);
	while (put < 0 && errno == EINTR);
	return put < 0 ? -errno : put;
}

static void plain_shut(struct flow_end *e)
{
	shutdown(e->source.fd, SHUT_WR);
}

static void plain_close(struct flow_end *e, bool is_reset)
{
	if (is_reset) {
		struct linger now = {.l_onoff = 1, .l_linger = 0};
		setsockopt(e->source.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	}
	close(e->source.fd);
	e->source.fd = -1;
}

const struct io_ops io_plain = {
    .read = plain_read, .write = plain_write, .shut = plain_shut, .close = plain_close};

struct datagram {
	int fd;
	struct sockaddr_storage peer;
	socklen_t peer_len;
};

struct datagram *datagram_new(int fd, const struct sockaddr_storage *peer, socklen_t peer_len)
{
	struct datagram *d = malloc(sizeof(*d));
	if (d)
		*d = (struct datagram){fd, *peer, peer_len};
	return d;
}

void datagram_free(struct datagram *d)
{
	free(d);
}

static ssize_t datagram_read(struct flow_end *e, void *p, size_t n)
{
	(void)e, (void)p, (void)n;
	return -EAGAIN;
}

static ssize_t datagram_write(struct flow_end *e, const void *p, size_t n)
{
	struct datagram *d = e->io_ctx;
	struct cur c = cur_of(span_of(p, n));
	struct span msg = cur_bytes(&c, cur_u16(&c));
	if (cur_err(&c))
		return -EPROTO;
	/* A lost answer is asked for again: no reason to wait for room. */
	if (sendto(d->fd, msg.p, msg.len, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&d->peer,
		   d->peer_len) < 0 &&
	    errno != EAGAIN)
		return -errno;
	return (ssize_t)(2 + msg.len);
}

static void datagram_shut(struct flow_end *e)
{
	(void)e;
}

static void datagram_close(struct flow_end *e, bool is_reset)
{
	(void)is_reset;
	free(e->io_ctx);
	e->io_ctx = NULL;
}

const struct io_ops io_datagram = {
    .read = datagram_read, .write = datagram_write, .shut = datagram_shut, .close = datagram_close};

int end_flush(struct flow_end *e)
{
	while (buf_len(&e->out)) {
		struct span s = buf_span(&e->out);
		ssize_t n = e->io->write(e, s.p, s.len);
		if (n == -EAGAIN)
			return 0;
		if (n < 0)
			return (int)n;
		if (dial_is_private(e->flow))
			explicit_bzero(e->out.mem + e->out.start, (size_t)n);
		buf_consume(&e->out, (size_t)n);
		if ((size_t)n < s.len && e->io == &io_plain)
			return 0; /* the socket is full: epoll says when it is not */
	}
	return 0;
}

void end_lend(struct flow_end *e, struct span lent)
{
	struct span queued = buf_span(&e->out);
	struct iovec iov[] = {{(void *)lent.p, lent.len}, {(void *)queued.p, queued.len}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = queued.len ? 2 : 1};
	ssize_t put;
	do
		put = sendmsg(e->source.fd, &m, MSG_NOSIGNAL);
	while (put < 0 && errno == EINTR);
	size_t n = put > 0 ? (size_t)put : 0, first = MIN(n, lent.len);
	buf_consume(&e->out, n - first);
	buf_add_front(&e->out, span_of(lent.p + first, lent.len - first));
}
