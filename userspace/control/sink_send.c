#include "control/sink_send.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"
#include "identity/fetch.h"

#define TIMEOUT_MS   5000
#define ANSWER_LIMIT 65536
#define PRIORITY     109 /* RFC 5424 6.2.1: facility 13 (log audit), severity 5 (notice) */

static const struct {
	const char *prefix;
	enum sink_kind kind;
} schemes[] = {{"https://", SINK_HTTPS},
	       {"http://127.0.0.1", SINK_HTTPS},
	       {"http://[::1]", SINK_HTTPS},
	       {"syslog+udp://", SINK_UDP},
	       {"syslog+tcp://", SINK_TCP},
	       {"syslog+unix://", SINK_UNIX}};

/* "host:port" or "[v6]:port". */
static bool read_endpoint(const char *text, struct sink_target *t)
{
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : 0;
	bool is_bracketed = n > 2 && text[0] == '[' && text[n - 1] == ']';
	const char *host = text + is_bracketed;
	n -= 2 * (size_t)is_bracketed;
	if (!colon || n == 0 || n >= sizeof(t->host) || strlen(colon + 1) >= sizeof(t->port) || !colon[1] ||
	    colon[1 + strspn(colon + 1, "0123456789")])
		return false;
	memcpy(t->host, host, n);
	snprintf(t->port, sizeof(t->port), "%s", colon + 1);
	return is_bracketed || !memchr(host, ':', n);
}

static bool read_rest(const char *rest, struct sink_target *t)
{
	struct sockaddr_un un;
	switch (t->kind) {
	case SINK_HTTPS:
		return *rest != 0; /* fetch.c holds it to its rules */
	case SINK_UNIX:
		snprintf(t->host, sizeof(t->host), "%s", rest);
		return rest[0] == '/' && strlen(rest) < sizeof(un.sun_path);
	default:
		return read_endpoint(rest, t);
	}
}

int sink_target_read(const char *url, const struct config *cfg, struct sink_target *ret_t, char *ret_why,
		     size_t why_size)
{
	*ret_t = (struct sink_target){.fd = -1, .node = cfg->node, .ca_file = cfg->audit_sink_ca};
	for (size_t i = 0; i < ARRAY_LEN(schemes) && strlen(url) < sizeof(ret_t->url); i++) {
		size_t n = strlen(schemes[i].prefix);
		if (strncmp(url, schemes[i].prefix, n) != 0)
			continue;
		snprintf(ret_t->url, sizeof(ret_t->url), "%s", url);
		ret_t->kind = schemes[i].kind;
		if (read_rest(url + n, ret_t))
			return 0;
	}
	snprintf(ret_why, why_size,
		 "audit.sinks: %s: expected https://HOST/PATH, syslog+udp://HOST:PORT, syslog+tcp://HOST:PORT or "
		 "syslog+unix:///PATH",
		 url);
	return ERR_CONFIG;
}

void sink_target_done(struct sink_target *t)
{
	closep(&t->fd);
	t->fd = -1;
}

/* --- https -------------------------------------------------------------------------------------- */

static int post(struct sink_target *t, const char *line, char *why, size_t why_size)
{
	struct fetch f = {.url = t->url,
			  .ca_file = t->ca_file,
			  .body = line,
			  .type = "text/plain; charset=utf-8",
			  .timeout_ms = TIMEOUT_MS,
			  .limit = ANSWER_LIMIT};
	_cleanup_(freep) char *text = NULL;
	size_t len;
	long status = 0;
	int r = fetch_url(&f, &status, &text, &len, why, why_size);
	if (r == 0 && (status < 200 || status > 299)) {
		snprintf(why, why_size, "it answered with status %ld", status);
		return ERR_UPSTREAM;
	}
	return r;
}

/* --- syslog ------------------------------------------------------------------------------------- */

/* Within the time. 0 or a negative errno. */
static int wait_connected(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int err = 0, n = poll(&p, 1, TIMEOUT_MS);
	socklen_t len = sizeof(err);
	if (n <= 0)
		return n < 0 ? -errno : -ETIMEDOUT;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0 ? -errno : -err;
}

static int connect_to(const struct sockaddr *sa, socklen_t len, int type)
{
	const struct timeval timeout = {.tv_sec = TIMEOUT_MS / 1000};
	int fd = socket(sa->sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	int r = connect(fd, sa, len) < 0 ? -errno : 0;
	if (r == -EINPROGRESS)
		r = wait_connected(fd);
	if (r == 0 && (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) < 0 ||
		       setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0))
		r = -errno;
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

static int connect_host(const struct sink_target *t, char *why, size_t why_size)
{
	struct addrinfo hints = {.ai_socktype = t->kind == SINK_UDP ? SOCK_DGRAM : SOCK_STREAM}, *list;
	int r = getaddrinfo(t->host, t->port, &hints, &list), fd = -ENOENT;
	if (r) {
		snprintf(why, why_size, "%s", gai_strerror(r));
		return ERR_UPSTREAM;
	}
	for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next)
		fd = connect_to(a->ai_addr, a->ai_addrlen, a->ai_socktype);
	freeaddrinfo(list);
	if (fd < 0)
		snprintf(why, why_size, "%s", err_text(fd));
	return fd;
}

static int connect_unix(const struct sink_target *t, char *why, size_t why_size)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	snprintf(un.sun_path, sizeof(un.sun_path), "%.100s", t->host);
	int fd = connect_to((struct sockaddr *)&un, sizeof(un), SOCK_DGRAM);
	if (fd < 0)
		snprintf(why, why_size, "%s", err_text(fd));
	return fd;
}

/* A stream whose other end is gone takes one message more without a word: look first. */
static bool is_alive(const struct sink_target *t)
{
	char any[64];
	if (t->kind != SINK_TCP)
		return true;
	ssize_t n = recv(t->fd, any, sizeof(any), MSG_DONTWAIT);
	return n > 0 || (n < 0 && errno == EAGAIN);
}

static int send_all(int fd, const char *p, size_t len)
{
	while (len) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
		if (n < 0 && errno != EINTR)
			return -errno;
		p += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* RFC 5424 6. */
static size_t make_message(const struct sink_target *t, const char *line, char out[2048])
{
	char when[40], framed[2048];
	clock_rfc3339(clock_real_ns(), when, sizeof(when));
	int n = snprintf(framed, sizeof(framed) - 16, "<%d>1 %s %s sluice - checkpoint - %s", PRIORITY, when,
			 t->node, line);
	n = MIN(n, (int)sizeof(framed) - 17);
	return (size_t)(t->kind == SINK_TCP ? snprintf(out, 2048, "%d %.*s", n, n, framed)
					    : snprintf(out, 2048, "%.*s", n, framed));
}

static int log_to(struct sink_target *t, const char *line, char *why, size_t why_size)
{
	char message[2048];
	size_t len = make_message(t, line, message);
	if (t->fd >= 0 && !is_alive(t))
		sink_target_done(t);
	if (t->fd < 0)
		t->fd = t->kind == SINK_UNIX ? connect_unix(t, why, why_size) : connect_host(t, why, why_size);
	if (t->fd < 0)
		return t->fd;
	int r = send_all(t->fd, message, len);
	if (r < 0) {
		snprintf(why, why_size, "%s", err_text(r));
		sink_target_done(t);
	}
	return r;
}

int sink_send(struct sink_target *t, const char *line, char *ret_why, size_t why_size)
{
	return t->kind == SINK_HTTPS ? post(t, line, ret_why, why_size) : log_to(t, line, ret_why, why_size);
}
