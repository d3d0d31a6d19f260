#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/macro.h"
#include "upstream/login.h"
#include "upstream/tls.h"
#include "upstream/tls_client.h"

void login_init(struct login *l)
{
	*l = (struct login){.fd = -1};
	buf_init(&l->greeting, 64 * 1024);
	buf_init(&l->leftover, 64 * 1024);
}

void login_done(struct login *l)
{
	tls_free(l->tls);
	tls_client_unref(l->client);
	closep(&l->fd);
	l->fd = -1;
	l->tls = NULL;
	l->client = NULL;
	buf_done(&l->greeting);
	buf_done(&l->leftover);
}

static int fail(struct login *l, int err, const char *why)
{
	l->err = err;
	strcpy(l->sqlstate, "08001"); /* sqlclient_unable_to_establish_sqlconnection */
	snprintf(l->why, sizeof(l->why), "%s", why);
	return err;
}

static int wait_connected(int fd, uint64_t deadline_ns)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	for (;;) {
		uint64_t now = clock_mono_ns();
		if (now >= deadline_ns)
			return -ETIMEDOUT;
		int n = poll(&p, 1, (int)((deadline_ns - now) / NS_PER_MS) + 1);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			break;
	}
	int err = 0;
	socklen_t len = sizeof(err);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		return -errno;
	return -err;
}

static int connect_to(const struct addr *to, uint64_t deadline_ns, int *ret_fd)
{
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(to, &sa);
	int one = 1;
	_cleanup_(closep) int fd =
	    socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	if (connect(fd, (struct sockaddr *)&sa, len) < 0) {
		int err = errno == EINPROGRESS ? wait_connected(fd, deadline_ns) : -errno;
		if (err)
			return err;
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* "host:port" or "[::1]:port". */
static int split(const char *upstream, char host[256], char port[8])
{
	const char *colon = strrchr(upstream, ':');
	bool is_bracketed = upstream[0] == '[';
	if (!colon || strlen(colon + 1) >= 8 || colon - upstream >= 255)
		return ERR_MALFORMED;
	size_t n = (size_t)(colon - upstream);
	if (is_bracketed && upstream[n - 1] != ']')
		return ERR_MALFORMED;
	snprintf(host, 256, "%.*s", (int)(n - 2 * is_bracketed), upstream + is_bracketed);
	strcpy(port, colon + 1);
	return 0;
}

static int connect_named(const char *upstream, uint64_t deadline_ns, struct login *l)
{
	char host[256], port[8];
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *all = NULL;
	if (split(upstream, host, port) < 0)
		return fail(l, ERR_CONFIG, "the resource's upstream is not host:port");
	if (getaddrinfo(host, port, &hints, &all))
		return fail(l, ERR_UPSTREAM, "the upstream's name does not resolve");
	int err = ERR_UPSTREAM;
	for (struct addrinfo *a = all; a && err; a = a->ai_next) {
		err = addr_from_sockaddr(a->ai_addr, &l->peer);
		if (!err)
			err = connect_to(&l->peer, deadline_ns, &l->fd);
	}
	freeaddrinfo(all);
	return err;
}

int login_connect(const struct target *t, uint64_t deadline_ns, struct login *l)
{
	int err;
	l->peer = t->asked;
	if (t->upstream)
		err = connect_named(t->upstream, deadline_ns, l);
	else
		err = connect_to(&t->asked, deadline_ns, &l->fd);
	if (!err || l->err)
		return err;
	char text[WHY_MAX];
	snprintf(text, sizeof(text), "the upstream cannot be reached: %s", err_text(err));
	return fail(l, ERR_UPSTREAM, text);
}

/* A server that was logged in to over TLS is told over TLS, or not at all. */
static int send_cancel(int fd, struct tls_client *client, struct tls **tls, const void *p, size_t n,
		       uint64_t deadline_ns)
{
	char why[WHY_MAX];
	int err = client ? tls_client_start(client, fd, deadline_ns, tls, why) : 0;
	if (err)
		return err;
	ssize_t put = *tls ? tls_write(*tls, p, n) : send(fd, p, n, MSG_NOSIGNAL);
	return put == (ssize_t)n ? 0 : ERR_UPSTREAM;
}

void login_send_cancel(const struct addr *peer, struct tls_client *client, uint32_t pid,
		       uint32_t key, uint64_t deadline_ns)
{
	_cleanup_(closep) int fd = -1;
	struct tls *tls = NULL;
	uint32_t words[4] = {__builtin_bswap32(16), __builtin_bswap32(80877102),
			     __builtin_bswap32(pid), __builtin_bswap32(key)};
	if (connect_to(peer, deadline_ns, &fd) < 0)
		return;
	if (!send_cancel(fd, client, &tls, words, sizeof(words), deadline_ns)) {
		/* Closing before the server has read would lose it. */
		struct pollfd p = {.fd = fd, .events = POLLIN};
		poll(&p, 1, 1000);
	}
	tls_free(tls);
}
