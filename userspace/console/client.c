/* One client: TLS, then request by request. A file is answered here and the connection goes on;
 * what goes to control ends with control's answer. Bounded in number, size and time. */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/msg.h"
#include "console/console_internal.h"
#include "control/http.h"

struct client {
	struct client *next;
	struct console *c;
	SSL *ssl;
	struct addr from;
	struct source source;  /* the client */
	struct source control; /* fd -1: nothing is asked of control */
	struct timer deadline;
	struct deferred free_later;
	struct buf in, out, ask; /* ask: what control has not taken yet */
	bool is_open;		 /* the handshake is over */
	bool is_relayed;	 /* control answers */
	bool is_last;		 /* nothing follows what is in out */
	bool is_closed;
};

static void client_free(struct deferred *d)
{
	struct client *cl = (struct client *)((char *)d - offsetof(struct client, free_later));
	SSL_free(cl->ssl);
	buf_wipe(&cl->in); /* cookies came through here */
	buf_wipe(&cl->out);
	buf_wipe(&cl->ask);
	free(cl);
}

static void client_close(struct client *cl)
{
	struct console *c = cl->c;
	if (cl->is_closed)
		return;
	cl->is_closed = true;
	loop_timer_del(c->loop, &cl->deadline);
	loop_del(c->loop, &cl->source);
	loop_del(c->loop, &cl->control);
	closep(&cl->source.fd);
	closep(&cl->control.fd);
	for (struct client **at = &c->first; *at; at = &(*at)->next) {
		if (*at == cl) {
			*at = cl->next;
			c->n_clients--;
			break;
		}
	}
	loop_defer(c->loop, &cl->free_later);
}

static void set_deadline(struct client *cl, uint64_t ms)
{
	if (loop_timer_in_ms(cl->c->loop, &cl->deadline, ms) < 0)
		client_close(cl);
}

static void on_deadline(struct timer *t)
{
	client_close((struct client *)((char *)t - offsetof(struct client, deadline)));
}

static void wait_for(struct client *cl, struct source *s, uint32_t events)
{
	if (!cl->is_closed && s->fd >= 0 && s->events != events &&
	    loop_mod(cl->c->loop, s, events) < 0)
		client_close(cl);
}

/* What OpenSSL waits for, after a call that gave n. False: the connection is no more. */
static bool tls_waits(struct client *cl, int n)
{
	int e = SSL_get_error(cl->ssl, n);
	ERR_clear_error();
	if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE) {
		client_close(cl);
		return false;
	}
	if (e == SSL_ERROR_WANT_WRITE)
		wait_for(cl, &cl->source, EPOLLIN | EPOLLOUT);
	return true;
}

/* --- control ------------------------------------------------------------------------------------
 */

static void on_control(struct source *s, uint32_t events);

static void send_ask(struct client *cl)
{
	while (buf_len(&cl->ask)) {
		struct span s = buf_span(&cl->ask);
		ssize_t n = send(cl->control.fd, s.p, s.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			client_close(cl);
			return;
		}
		buf_consume(&cl->ask, (size_t)n);
	}
}

static int open_channel(struct client *cl)
{
	char text[ADDR_TEXT];
	int ends[2];
	if (cl->c->control_fd < 0)
		return ERR_CLOSED;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return -errno;
	json_t *j = json_pack("{s:s,s:s}", "t", "conn", "from", addr_text(&cl->from, text));
	int r = j ? msg_send(cl->c->control_fd, j, &ends[1], 1) : -ENOMEM;
	json_decref(j);
	close(ends[1]);
	cl->control = (struct source){ends[0], EPOLLIN, on_control, false};
	return r < 0 ? r : loop_add(cl->c->loop, &cl->control);
}

static void ask_control(struct client *cl, struct span request)
{
	cl->is_relayed = true;
	loop_timer_del(cl->c->loop, &cl->deadline); /* control has its own for the answer */
	buf_add_span(&cl->ask, request);
	if (buf_err(&cl->ask) || open_channel(cl) < 0) {
		closep(&cl->control.fd);
		cl->control.fd = -1;
		file_refuse(&cl->out, 503);
		cl->is_last = true;
	} else {
		send_ask(cl);
	}
}

/* --- requests -----------------------------------------------------------------------------------
 */

static bool is_below(struct span path, const char *prefix)
{
	size_t n = strlen(prefix);
	return path.len >= n && !memcmp(path.p, prefix, n);
}

static void answer(struct client *cl, const struct http_request *r)
{
	struct span etag = {0};
	const struct console_file *f;
	if (is_below(r->path, "/v1/") || is_below(r->path, "/auth/") || is_below(r->path, "/hooks/")) {
		ask_control(cl, span_of(buf_span(&cl->in).p, r->len));
		return;
	}
	bool is_head = span_is(r->method, "HEAD");
	f = file_by_path(r->path);
	cl->is_last = !f || (!is_head && !span_is(r->method, "GET")) || r->body.len;
	if (cl->is_last) {
		file_refuse(&cl->out, f ? 405 : 404);
		return;
	}
	if (http_field(r, "if-none-match", &etag) < 0)
		etag = (struct span){0};
	file_answer(&cl->out, f, etag, is_head);
	set_deadline(cl, CLIENT_IDLE_MS);
}

static int status_of(int err)
{
	return err == ERR_UNSUPPORTED ? 501 : err == ERR_LIMIT ? 413 : 400;
}

/* As many requests as are there, one answer after the other. */
static void take_requests(struct client *cl)
{
	struct http_request r;
	while (!cl->is_closed && !cl->is_last && !cl->is_relayed && buf_len(&cl->in) &&
	       buf_len(&cl->out) <= CLIENT_OUT_HIGH) {
		int err = http_parse(buf_span(&cl->in), &r);
		if (err == ERR_MORE)
			return;
		if (err < 0) {
			file_refuse(&cl->out, status_of(err));
			cl->is_last = true;
			return;
		}
		answer(cl, &r);
		buf_consume(&cl->in, r.len);
	}
}

/* --- the client's end ---------------------------------------------------------------------------
 */

static bool write_out(struct client *cl)
{
	while (buf_len(&cl->out)) {
		struct span s = buf_span(&cl->out);
		int n = SSL_write(cl->ssl, s.p, (int)MIN(s.len, (size_t)16384));
		if (n <= 0) {
			/* The clock of a client that takes nothing starts when it stops. */
			if (tls_waits(cl, n) && cl->deadline.index < 0)
				set_deadline(cl, CLIENT_STALL_MS);
			return false;
		}
		buf_consume(&cl->out, (size_t)n);
		if (cl->is_relayed)
			loop_timer_del(cl->c->loop, &cl->deadline);
	}
	return true;
}

/* Reads while there is something, and room. A client that speaks while it is answered breaks the
 * order. */
static bool read_in(struct client *cl)
{
	for (;;) {
		uint8_t *to = buf_reserve(&cl->in, 4096);
		if (!to || buf_err(&cl->out)) {
			client_close(cl);
			return false;
		}
		int n = SSL_read(cl->ssl, to, 4096);
		if (n <= 0)
			return tls_waits(cl, n);
		buf_commit(&cl->in, (size_t)n);
		if (cl->is_relayed) {
			client_close(cl);
			return false;
		}
		take_requests(cl);
		if (cl->is_closed)
			return false;
	}
}

/* There is room again. */
static void watch_control(struct client *cl)
{
	struct source *s = &cl->control;
	if (s->fd >= 0 && !s->is_added && loop_add(cl->c->loop, s) < 0)
		client_close(cl);
	wait_for(cl, s, EPOLLIN | (buf_len(&cl->ask) ? EPOLLOUT : 0));
}

static void pump(struct client *cl)
{
	ERR_clear_error();
	if (!cl->is_open) {
		int n = SSL_accept(cl->ssl);
		if (n != 1) {
			tls_waits(cl, n);
			return;
		}
		cl->is_open = true;
	}
	if (!read_in(cl) || !write_out(cl))
		return;
	take_requests(cl); /* those that waited for room */
	if (!write_out(cl))
		return;
	if (cl->is_last) {
		SSL_shutdown(cl->ssl);
		shutdown(cl->source.fd, SHUT_WR);
		client_close(cl);
		return;
	}
	wait_for(cl, &cl->source, EPOLLIN);
	watch_control(cl);
}

static void on_client(struct source *s, uint32_t events)
{
	struct client *cl = (struct client *)((char *)s - offsetof(struct client, source));
	if (events & EPOLLERR)
		client_close(cl);
	else
		pump(cl);
}

static void on_control(struct source *s, uint32_t events)
{
	struct client *cl = (struct client *)((char *)s - offsetof(struct client, control));
	if (events & EPOLLOUT)
		send_ask(cl);
	if (cl->is_closed || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	if (buf_len(&cl->out) > CLIENT_OUT_HIGH) {
		loop_del(cl->c->loop, s); /* a hang-up would be told again and again */
		return;
	}
	uint8_t *to = buf_reserve(&cl->out, 16384);
	ssize_t n = to ? recv(s->fd, to, 16384, MSG_DONTWAIT) : -1;
	if (n > 0) {
		buf_commit(&cl->out, (size_t)n);
	} else if (n == 0 || errno != EAGAIN) {
		loop_del(cl->c->loop, s);
		closep(&s->fd);
		s->fd = -1;
		cl->is_last = true;
		set_deadline(cl, CLIENT_STALL_MS);
	}
	if (!cl->is_closed)
		pump(cl);
}

/* --- begin and end ------------------------------------------------------------------------------
 */

static bool has_room(const struct console *c, const struct addr *from)
{
	int n = 0;
	for (const struct client *at = c->first; at; at = at->next)
		n += !memcmp(at->from.ip, from->ip, sizeof(from->ip));
	return c->n_clients < CLIENTS_MAX && n < CLIENTS_ADDR_MAX;
}

static struct client *client_new(struct console *c, int fd, const struct addr *from)
{
	struct client *cl = calloc(1, sizeof(*cl));
	if (!cl)
		return NULL;
	cl->c = c;
	cl->from = *from;
	cl->source = (struct source){fd, EPOLLIN, on_client, false};
	cl->control = (struct source){-1, 0, on_control, false};
	cl->free_later.run = client_free;
	timer_init(&cl->deadline, on_deadline);
	buf_init(&cl->in, HTTP_HEAD_MAX + HTTP_BODY_MAX + 8192);
	buf_init(&cl->ask, HTTP_HEAD_MAX + HTTP_BODY_MAX + 8192);
	buf_init(&cl->out, CLIENT_OUT_MAX);
	cl->ssl = SSL_new(c->tls);
	if (!cl->ssl || SSL_set_fd(cl->ssl, fd) != 1) {
		SSL_free(cl->ssl);
		free(cl);
		return NULL;
	}
	cl->next = c->first;
	c->first = cl;
	c->n_clients++;
	return cl;
}

void client_accept(struct console *c)
{
	struct sockaddr_storage ss;
	socklen_t size = sizeof(ss);
	struct addr from = {0};
	_cleanup_(closep) int fd =
	    accept4(c->listen.fd, (struct sockaddr *)&ss, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0 || !c->tls || addr_from_sockaddr((struct sockaddr *)&ss, &from) < 0 ||
	    !has_room(c, &from))
		return;
	struct client *cl = client_new(c, fd, &from);
	if (!cl)
		return;
	fd = -1;
	if (loop_add(c->loop, &cl->source) < 0)
		client_close(cl);
	else
		set_deadline(cl, CLIENT_READ_MS);
}

void clients_stop(struct console *c)
{
	while (c->first)
		client_close(c->first);
}
