#include "control/server.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/log.h"
#include "base/macro.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

static void conn_free(struct deferred *d)
{
	struct conn *conn = (struct conn *)((char *)d - offsetof(struct conn, free_later));
	buf_wipe(&conn->in); /* a token came through here */
	buf_wipe(&conn->out);
	buf_wipe(&conn->more); /* a cookie goes this way */
	free(conn);
}

static struct loop *loop_of(const struct conn *conn)
{
	return conn->server->loop;
}

static void conn_close(struct conn *conn)
{
	struct server *s = conn->server;
	if (conn->is_closed)
		return;
	conn->is_closed = true;
	loop_timer_del(loop_of(conn), &conn->deadline);
	loop_del(loop_of(conn), &conn->source);
	closep(&conn->source.fd);
	closep(&conn->peer.pidfd);
	if (conn->hold) {
		struct conn_hold *h = TAKE(conn->hold);
		h->conn = NULL;
		if (h->on_gone)
			h->on_gone(h);
	}
	for (struct conn **at = &s->first; *at; at = &(*at)->next) {
		if (*at == conn) {
			*at = conn->next;
			s->n_conns--;
			break;
		}
	}
	loop_defer(loop_of(conn), &conn->free_later);
}

void conn_hold(struct conn *conn, struct conn_hold *h)
{
	h->conn = conn;
	conn->hold = h;
}

void conn_release(struct conn_hold *h)
{
	if (h->conn)
		h->conn->hold = NULL;
	h->conn = NULL;
}

bool conn_peer_lives(const struct conn *conn)
{
	struct pollfd p = {conn->peer.pidfd, POLLIN, 0};
	return conn->peer.pidfd >= 0 && poll(&p, 1, 0) == 0;
}

/* --- writing ------------------------------------------------------------------------------------ */

static void set_deadline(struct conn *conn, uint64_t ms)
{
	if (loop_timer_in_ms(loop_of(conn), &conn->deadline, ms) < 0)
		conn_close(conn);
}

static void wait_for(struct conn *conn, uint32_t events)
{
	if (!conn->is_closed && loop_mod(loop_of(conn), &conn->source, events) < 0)
		conn_close(conn);
}

static void flush(struct conn *conn)
{
	while (buf_len(&conn->out)) {
		struct span s = buf_span(&conn->out);
		ssize_t n = send(conn->source.fd, s.p, s.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN) {
			wait_for(conn, EPOLLOUT);
			return;
		}
		if (n < 0) {
			conn_close(conn);
			return;
		}
		buf_consume(&conn->out, (size_t)n);
		if (conn->is_streaming)
			set_deadline(conn, CONN_STALL_MS);
	}
	if (conn->is_ended) {
		shutdown(conn->source.fd, SHUT_WR);
		conn_close(conn);
		return;
	}
	if (conn->is_streaming)
		loop_timer_del(loop_of(conn), &conn->deadline);
	wait_for(conn, conn->has_request ? EPOLLRDHUP : EPOLLIN);
}

static void finish(struct conn *conn)
{
	conn->is_ended = true;
	if (conn->hold)
		conn_release(conn->hold);
	if (buf_err(&conn->out))
		conn_close(conn);
	else
		flush(conn);
}

void conn_head_add(struct conn *conn, const char *fmt, ...)
{
	char line[4096];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(line) || strpbrk(line, "\r\n"))
		return; /* a line is whole, or is not there */
	buf_add_str(&conn->more, line);
	buf_add_str(&conn->more, "\r\n");
}

/* The added lines as a string. */
static const char *conn_more(struct conn *conn)
{
	if (!buf_len(&conn->more))
		return "";
	buf_add_u8(&conn->more, 0);
	return buf_err(&conn->more) ? "" : (const char *)buf_span(&conn->more).p;
}

void conn_answer_text(struct conn *conn, int status, const char *type, struct span text)
{
	if (conn->is_closed || conn->is_ended)
		return;
	http_answer_head(&conn->out, status, type, conn_more(conn), (int64_t)text.len);
	buf_add_span(&conn->out, text);
	finish(conn);
}

void conn_answer(struct conn *conn, int status, json_t *json)
{
	_cleanup_(freep) char *text =
		json ? json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) : NULL;
	json_decref(json);
	if (text)
		conn_answer_text(conn, status, "application/json", span_str(text));
	else
		conn_fail(conn, 503, NULL, "out of memory");
	if (text)
		explicit_bzero(text, strlen(text)); /* a minted token goes this way */
}

void conn_fail(struct conn *conn, int status, const char *remedy, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_t *j = json_pack("{ssss*}", "error", text, "remedy", remedy);
	if (j)
		conn_answer(conn, status, j);
	else
		conn_answer_text(conn, status, "application/json", span_str("{\"error\":\"refused\"}"));
}

void conn_stream(struct conn *conn, const char *type)
{
	http_answer_head(&conn->out, 200, type, conn_more(conn), -1);
	conn->is_streaming = true;
	flush(conn);
}

void conn_stream_add(struct conn *conn, struct span data)
{
	if (conn->is_closed || !data.len)
		return;
	http_chunk(&conn->out, data);
	if (buf_err(&conn->out))
		conn_close(conn);
	else
		flush(conn);
}

bool conn_stream_full(const struct conn *conn)
{
	return buf_len(&conn->out) > CONN_OUT_HIGH;
}

void conn_stream_end(struct conn *conn, bool is_whole)
{
	if (conn->is_closed)
		return;
	if (is_whole)
		http_chunk(&conn->out, (struct span){0}); /* without it the client knows that it was cut */
	finish(conn);
}

/* --- reading ------------------------------------------------------------------------------------ */

static void refuse_form(struct conn *conn, int err)
{
	if (err == ERR_UNSUPPORTED)
		conn_fail(conn, 501, NULL, "this form of HTTP is not served here");
	else if (err == ERR_LIMIT)
		conn_fail(conn, 413, NULL, "the request is too large");
	else
		conn_fail(conn, 400, NULL, "no valid HTTP/1.1 request");
}

static void on_input(struct conn *conn)
{
	struct http_request r;
	int err = http_parse(buf_span(&conn->in), &r);
	if (err == ERR_MORE)
		return;
	conn->has_request = true;
	set_deadline(conn, CONN_ANSWER_MS);
	wait_for(conn, EPOLLRDHUP);
	if (err == 0 && r.len != buf_len(&conn->in))
		err = ERR_MALFORMED; /* one request a connection */
	if (err < 0)
		refuse_form(conn, err);
	else
		conn->server->on_request(conn, &r);
}

static void on_conn(struct source *s, uint32_t events)
{
	struct conn *conn = (struct conn *)((char *)s - offsetof(struct conn, source));
	if (events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP) && (conn->has_request || !(events & EPOLLIN))) {
		conn_close(conn);
		return;
	}
	if (events & EPOLLIN && !conn->has_request) {
		uint8_t *to = buf_reserve(&conn->in, 8192);
		ssize_t n = to ? recv(s->fd, to, 8192, MSG_DONTWAIT) : -1;
		if (!to)
			refuse_form(conn, ERR_LIMIT);
		else if (n == 0 || (n < 0 && errno != EAGAIN))
			conn_close(conn);
		else if (n > 0) {
			buf_commit(&conn->in, (size_t)n);
			on_input(conn);
		}
		return;
	}
	if (events & EPOLLOUT) {
		flush(conn);
		if (!conn->is_closed && conn->on_drained && !conn_stream_full(conn))
			conn->on_drained(conn);
	}
}

static void on_deadline(struct timer *t)
{
	struct conn *conn = (struct conn *)((char *)t - offsetof(struct conn, deadline));
	if (!conn->is_ended && !conn->is_streaming && conn->has_request)
		conn_fail(conn, 504, NULL, "no answer in time");
	conn_close(conn);
}

static void read_cred(int fd, struct peer_cred *p)
{
	struct ucred u = {.pid = -1, .uid = (uid_t)-1, .gid = (gid_t)-1};
	socklen_t len = sizeof(u), pidfd_len = sizeof(p->pidfd), groups_len = sizeof(p->groups);
	p->pidfd = -1;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &len) < 0)
		u = (struct ucred){.pid = -1, .uid = (uid_t)-1, .gid = (gid_t)-1};
	p->pid = u.pid;
	p->uid = u.uid;
	p->gid = u.gid;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &p->pidfd, &pidfd_len) < 0)
		p->pidfd = u.pid > 0 ? (int)syscall(SYS_pidfd_open, u.pid, 0) : -1;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, p->groups, &groups_len) == 0)
		p->n_groups = (int)(groups_len / sizeof(p->groups[0]));
}

/* Nobody fills the room: neither one user, nor workloads, which have no business here at all. */
static bool has_room(struct server *s, struct conn *conn)
{
	int n = 0;
	for (const struct conn *at = s->first; at; at = at->next)
		n += at->peer.uid == conn->peer.uid;
	if (s->is_local && conn->peer.uid != 0 && n >= SERVER_UID_MAX)
		return false;
	return s->n_conns < SERVER_CONNS_MAX / 2 || !s->may_stay || s->may_stay(conn);
}

static struct conn *conn_new(struct server *server, int fd)
{
	struct conn *conn = fd >= 0 && server->n_conns < SERVER_CONNS_MAX ? calloc(1, sizeof(*conn)) : NULL;
	if (!conn) {
		closep(&fd);
		return NULL;
	}
	conn->server = server;
	conn->c = server->c;
	conn->source = (struct source){fd, EPOLLIN, on_conn, false};
	conn->free_later.run = conn_free;
	conn->peer.pid = -1;
	conn->peer.uid = (uid_t)-1;
	conn->peer.pidfd = -1;
	timer_init(&conn->deadline, on_deadline);
	buf_init(&conn->in, HTTP_HEAD_MAX + HTTP_BODY_MAX + 8192);
	buf_init(&conn->out, CONN_OUT_MAX);
	buf_init(&conn->more, HTTP_HEAD_MAX);
	return conn;
}

static void conn_begin(struct server *server, struct conn *conn, bool stays)
{
	conn->next = server->first;
	server->first = conn;
	server->n_conns++;
	if (!stays || loop_add(loop_of(conn), &conn->source) < 0)
		conn_close(conn);
	else
		set_deadline(conn, CONN_READ_MS);
}

static void on_accept(struct source *s, uint32_t events)
{
	struct server *server = (struct server *)((char *)s - offsetof(struct server, listen));
	struct conn *conn = conn_new(server, accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
	(void)events;
	if (!conn)
		return;
	if (server->is_local)
		read_cred(conn->source.fd, &conn->peer);
	conn_begin(server, conn, has_room(server, conn));
}

void server_adopt(struct server *server, int fd, const char *from)
{
	struct conn *conn = conn_new(server, fd);
	if (!conn)
		return;
	snprintf(conn->from, sizeof(conn->from), "%s", from);
	conn_begin(server, conn, true);
}

void server_stop(struct server *s)
{
	while (s->first)
		conn_close(s->first);
}

int server_start(struct server *s, struct control *c, struct loop *l, int fd)
{
	s->c = c;
	s->loop = l;
	s->listen = (struct source){fd, EPOLLIN, on_accept, false};
	return fd < 0 ? 0 : loop_add(l, &s->listen);
}
