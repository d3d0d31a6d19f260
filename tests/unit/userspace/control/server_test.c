/* Real connections over a real socket: what a client may send, and what becomes of it. */
#include "control/server.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/macro.h"

#include "../../tap.h"

static struct loop *loop;
static struct server server;
static int n_requests;
static _Atomic bool turn_away;

static void on_request(struct conn *conn, const struct http_request *r)
{
	n_requests++;
	if (span_is(r->path, "/who"))
		conn_answer(conn, 200,
			    json_pack("{s:i,s:i,s:b}", "pid", (int)conn->peer.pid, "uid", (int)conn->peer.uid,
				      "lives", conn_peer_lives(conn)));
	else if (span_is(r->path, "/stream")) {
		conn_stream(conn, "text/plain");
		conn_stream_add(conn, span_str("one\n"));
		conn_stream_add(conn, span_str("two\n"));
		conn_stream_end(conn, r->query.len == 0);
	} else
		conn_fail(conn, 404, "look elsewhere", "no %s", "\xff such thing");
}

static bool may_stay(struct conn *conn)
{
	(void)conn;
	return !turn_away;
}

static int start(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	snprintf(sun.sun_path + 1, sizeof(sun.sun_path) - 1, "sluice-server-test-%d", (int)getpid());
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 || listen(fd, 256) < 0)
		return -errno;
	server = (struct server){.on_request = on_request, .may_stay = may_stay, .is_local = true};
	return server_start(&server, NULL, loop, fd);
}

static int dial(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	snprintf(sun.sun_path + 1, sizeof(sun.sun_path) - 1, "sluice-server-test-%d", (int)getpid());
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 ? -1 : fd;
}

static void stop_loop(struct timer *t)
{
	(void)t;
	loop_stop(loop);
}

/* What comes back until the server closes (or, with wait false, for a moment). */
static char *receive(int fd)
{
	static char text[16384];
	size_t len = 0;
	struct pollfd p = {fd, POLLIN, 0};
	while (poll(&p, 1, 2000) > 0) {
		ssize_t n = recv(fd, text + len, sizeof(text) - len - 1, 0);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	text[len] = 0;
	return text;
}

static char *ask_len(const char *request, size_t len)
{
	int fd = dial();
	for (size_t at = 0; at < len;) {
		ssize_t n = send(fd, request + at, len - at, MSG_NOSIGNAL);
		if (n <= 0)
			break;
		at += (size_t)n;
	}
	char *text = receive(fd);
	close(fd);
	return text;
}

static char *ask(const char *request)
{
	return ask_len(request, strlen(request));
}

static bool has(const char *text, const char *part)
{
	if (!strstr(text, part))
		printf("  in: %s\n", text);
	return strstr(text, part) != NULL;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

static void answers(void)
{
	char pid[32];
	snprintf(pid, sizeof(pid), "\"pid\":%d", (int)getpid());
	char *text = ask(GET("/who"));
	CHECK(has(text, "HTTP/1.1 200 OK\r\n"));
	CHECK(has(text, pid));
	CHECK(has(text, "\"lives\":true"));
	CHECK(has(text, "Connection: close\r\n"));
	/* A text that is no UTF-8 still gets an answer. */
	CHECK(has(ask(GET("/other")), "HTTP/1.1 404 Not Found\r\n"));
}

static void streams(void)
{
	CHECK(has(ask(GET("/stream")), "\r\n\r\n4\r\none\n\r\n4\r\ntwo\n\r\n0\r\n\r\n"));
	/* One that was cut has no last chunk. */
	char *text = ask(GET("/stream?cut"));
	CHECK(has(text, "two\n\r\n"));
	CHECK(strstr(text, "0\r\n\r\n") == NULL);
}

static void takes_one_request(void)
{
	int before = n_requests;
	CHECK(has(ask(GET("/who") GET("/who")), "HTTP/1.1 400 Bad Request\r\n"));
	CHECK(has(ask(GET("/who") "x"), "HTTP/1.1 400 "));
	CHECK_INT(n_requests, before);
}

static void refuses_bad_form(void)
{
	static char big[200000];
	int before = n_requests;
	memset(big, 'a', sizeof(big));
	CHECK(has(ask_len(big, sizeof(big)), "HTTP/1.1 413 "));
	CHECK(has(ask("\x16\x03\x01\r\n\r\n"), "HTTP/1.1 400 "));
	CHECK(has(ask("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"), "HTTP/1.1 501 "));
	CHECK_INT(n_requests, before);
}

static void survives_hasty_clients(void)
{
	int fd = dial();
	close(fd);
	fd = dial();
	CHECK(send(fd, "GET /wh", 7, MSG_NOSIGNAL) == 7);
	close(fd);
	fd = dial(); /* asks, and is gone before the answer */
	CHECK(send(fd, GET("/who"), strlen(GET("/who")), MSG_NOSIGNAL) > 0);
	close(fd);
	CHECK(has(ask(GET("/who")), "200 OK"));
}

static void keeps_room(void)
{
	int fds[SERVER_CONNS_MAX + 10], n_open = 0;
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = dial();
	usleep(300000);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		struct pollfd p = {fds[i], POLLIN, 0};
		n_open += poll(&p, 1, 0) == 0;
		close(fds[i]);
	}
	CHECK_INT(n_open, SERVER_CONNS_MAX);
	usleep(200000);
	turn_away = true;
	n_open = 0;
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = dial();
	usleep(200000);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		struct pollfd p = {fds[i], POLLIN, 0};
		n_open += poll(&p, 1, 0) == 0;
		close(fds[i]);
	}
	CHECK_INT(n_open, SERVER_CONNS_MAX / 2);
	turn_away = false;
	usleep(200000);
	CHECK(has(ask(GET("/who")), "200 OK"));
}

static void *clients(void *arg)
{
	answers();
	streams();
	takes_one_request();
	refuses_bad_form();
	survives_hasty_clients();
	keeps_room();
	loop_on_wake(loop, (void (*)(void *))loop_stop, loop);
	loop_wake(loop);
	return arg;
}

int main(void)
{
	pthread_t thread;
	struct timer limit;
	timer_init(&limit, stop_loop);
	CHECK_INT(loop_new(&loop), 0);
	CHECK_INT(start(), 0);
	CHECK_INT(loop_timer_in_ms(loop, &limit, 60000), 0);
	CHECK_INT(pthread_create(&thread, NULL, clients, NULL), 0);
	CHECK_INT(loop_run(loop), 0);
	pthread_join(thread, NULL);
	server_stop(&server);
	CHECK_INT(server.n_conns, 0);
	return tap_done();
}
