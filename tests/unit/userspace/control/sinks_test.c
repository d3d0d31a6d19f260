/* Sinks of every kind on loopback, and one that is away for a while. */
#include "control/sinks.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../tap.h"
#include "base/log.h"
#include "base/macro.h"

#define WAIT_MS 10000

static int listen_on(int type, int *port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), one = 1;
	in.sin_port = htons((uint16_t)*port);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0 || (type == SOCK_STREAM && listen(fd, 5) < 0) ||
	    getsockname(fd, (struct sockaddr *)&in, &len) < 0)
		abort();
	*port = ntohs(in.sin_port);
	return fd;
}

static int accepted(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	return poll(&p, 1, WAIT_MS) == 1 ? accept(fd, NULL, NULL) : -1;
}

/* Until the text is in what came. */
static bool gets(int fd, const char *text, char *all, size_t size)
{
	size_t n = 0;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	all[0] = 0;
	while (!strstr(all, text) && poll(&p, 1, WAIT_MS) == 1) {
		ssize_t got = recv(fd, all + n, size - n - 1, 0);
		if (got <= 0)
			break;
		n += (size_t)got;
		all[n] = 0;
	}
	return strstr(all, text) != NULL;
}

static struct sinks *start(const char *url)
{
	struct config cfg = {.node = "node-07", .audit_sinks = {url}, .n_audit_sinks = 1};
	struct sinks *s = NULL;
	char why[1300] = "";
	CHECK_INT(sinks_start(&cfg, &s, why, sizeof(why)), 0);
	CHECK_STR(why, "");
	return s;
}

static void by_udp(void)
{
	char url[64], all[4096];
	int port = 0, fd = listen_on(SOCK_DGRAM, &port);
	snprintf(url, sizeof(url), "syslog+udp://127.0.0.1:%d", port);
	struct sinks *s = start(url);
	sinks_put(s, "checkpoint sluice/node-07 5");
	CHECK(gets(fd, "checkpoint sluice/node-07 5", all, sizeof(all)));
	CHECK(!strncmp(all, "<109>1 20", 9) && strstr(all, "Z node-07 sluice - checkpoint - checkpoint sluice/"));
	sinks_stop(s);
	close(fd);
}

static void by_unix(void)
{
	char url[128], all[4096];
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(un.sun_path, sizeof(un.sun_path), "/tmp/sluice-sink-%d", getpid());
	CHECK_INT(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	snprintf(url, sizeof(url), "syslog+unix://%s", un.sun_path);
	struct sinks *s = start(url);
	sinks_put(s, "checkpoint sluice/node-07 6");
	CHECK(gets(fd, "- checkpoint - checkpoint sluice/node-07 6", all, sizeof(all)));
	sinks_stop(s);
	close(fd);
	unlink(un.sun_path);
}

/* It is not there at first; then it is, hangs up, and is there again: nothing is lost. */
static void by_tcp_and_again(void)
{
	char url[64], all[8192];
	int port = 0, fd = listen_on(SOCK_STREAM, &port);
	close(fd);
	snprintf(url, sizeof(url), "syslog+tcp://127.0.0.1:%d", port);
	struct sinks *s = start(url);
	sinks_put(s, "checkpoint first");
	sinks_put(s, "checkpoint second");
	usleep(100 * 1000);
	fd = listen_on(SOCK_STREAM, &port);
	int peer = accepted(fd);
	CHECK(gets(peer, "checkpoint second", all, sizeof(all)));
	char *end;
	long n = strtol(all, &end, 10); /* octets, then the message */
	CHECK(n > 20 && *end == ' ' && !strncmp(end + 1, "<109>1 ", 7) && strstr(end, "checkpoint first"));
	CHECK(end[1 + n] >= '1' && end[1 + n] <= '9'); /* the next one's */
	close(peer);
	usleep(100 * 1000);
	sinks_put(s, "checkpoint third");
	peer = accepted(fd);
	CHECK(gets(peer, "checkpoint third", all, sizeof(all)));
	sinks_stop(s);
	close(peer);
	close(fd);
}

static void answer(int fd, const char *status)
{
	char all[8192], out[200];
	int peer = accepted(fd);
	CHECK(gets(peer, "checkpoint sluice/node-07 7", all, sizeof(all)));
	CHECK(!strncmp(all, "POST /audit HTTP/1.1", 20) && strstr(all, "Content-Type: text/plain"));
	int n = snprintf(out, sizeof(out), "HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status);
	CHECK_INT(write(peer, out, (size_t)n), n);
	close(peer);
}

/* What is not taken is sent again. */
static void by_post_until_taken(void)
{
	char url[64];
	int port = 0, fd = listen_on(SOCK_STREAM, &port);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/audit", port);
	struct sinks *s = start(url);
	sinks_put(s, "checkpoint sluice/node-07 7");
	answer(fd, "503 Later");
	answer(fd, "204 No Content");
	struct pollfd p = {.fd = fd, .events = POLLIN};
	CHECK_INT(poll(&p, 1, 300), 0); /* and then no more */
	sinks_stop(s);
	close(fd);
}

/* A sink that takes nothing holds nothing up, and stops at once. */
static void waits_for_none(void)
{
	struct sinks *s = start("syslog+tcp://127.0.0.1:1");
	for (int i = 0; i < 2000; i++)
		sinks_put(s, "checkpoint");
	sinks_stop(s);
	sinks_put(NULL, "checkpoint");
	sinks_stop(NULL);
}

static void refuses(void)
{
	static const char *const urls[] = {"ftp://x/", "http://example.com/", "https://", "syslog+udp://host",
					   "syslog+tcp://:5", "syslog+tcp://h:x", "syslog+udp://::1:514",
					   "syslog+unix://dev/log", "syslog://h:1"};
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		struct config cfg = {.node = "n", .audit_sinks = {urls[i]}, .n_audit_sinks = 1};
		struct sinks *s;
		char why[1300];
		CHECK_INT(sinks_start(&cfg, &s, why, sizeof(why)), ERR_CONFIG);
		CHECK(strstr(why, urls[i]) != NULL);
	}
}

int main(void)
{
	log_init("test", LOG_ERROR + 1);
	by_udp();
	by_unix();
	by_tcp_and_again();
	by_post_until_taken();
	waits_for_none();
	refuses();
	return tap_done();
}
