#include "flow/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/macro.h"
#include "flow/admit.h"
#include "flow/lane.h"
#include "flow/proxy.h"
#include "proto/dns/dns.h"

#define ROUND 64 /* accepted or received before others get their turn */

/* One socket of a namespace. lane NULL: TCP, in the main loop. */
struct gate {
	struct source source;
	struct mail opening, closing;
	struct proxy *proxy;
	struct lane *lane;
	uint64_t netns;
	struct addr local;
};

struct listener {
	struct listener *next;
	uint64_t netns;
	struct gate *gates[4];
	int n_gates;
};

/* On its way from the main thread to its lane. */
struct arrival {
	struct mail mail;
	int fd;
	uint64_t netns;
	struct addr peer, local;
};

static void on_arrival(struct mail *m, struct lane *l)
{
	struct arrival *a = container_of(m, struct arrival, mail);
	admit_connection(l, a->fd, a->netns, &a->peer, &a->local);
	free(a);
}

static void hand_over(struct gate *g, int fd, const struct sockaddr *sa)
{
	struct arrival *a = malloc(sizeof(*a));
	struct lane *l = proxy_idlest(g->proxy);
	if (!a || addr_from_sockaddr(sa, &a->peer) < 0) {
		free(a);
		close(fd);
		return;
	}
	a->mail.run = on_arrival;
	a->fd = fd;
	a->netns = g->netns;
	a->local = g->local;
	atomic_fetch_add(&l->n_flows, 1);
	lane_post(l, &a->mail);
}

/* Out of descriptors: the spare one is given up to take the connection and turn it away, else the
 * listener would be readable for ever. */
static void shed(struct proxy *p, int listen_fd)
{
	closep(&p->spare_fd);
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	closep(&fd);
	p->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	log_warn("out of descriptors: a connection was turned away");
}

static void on_accept(struct source *s, uint32_t events)
{
	struct gate *g = container_of(s, struct gate, source);
	(void)events;
	for (int i = 0; i < ROUND; i++) {
		struct sockaddr_storage sa;
		socklen_t len = sizeof(sa);
		int fd = accept4(s->fd, (struct sockaddr *)&sa, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			hand_over(g, fd, (struct sockaddr *)&sa);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE)
			shed(g->proxy, s->fd);
		return;
	}
}

static void on_datagram(struct source *s, uint32_t events)
{
	struct gate *g = container_of(s, struct gate, source);
	uint8_t msg[DNS_QUERY_MAX + 1];
	(void)events;
	for (int i = 0; i < ROUND; i++) {
		struct sockaddr_storage sa;
		struct addr peer;
		socklen_t len = sizeof(sa);
		ssize_t n =
		    recvfrom(s->fd, msg, sizeof(msg), MSG_DONTWAIT, (struct sockaddr *)&sa, &len);
		if (n < 0)
			return;
		if (n > DNS_QUERY_MAX || addr_from_sockaddr((struct sockaddr *)&sa, &peer) < 0)
			continue;
		admit_datagram(g->lane, s->fd, g->netns, &peer, &g->local, span_of(msg, (size_t)n));
	}
}

static void gate_free(struct gate *g)
{
	close(g->source.fd);
	free(g);
}

static void open_in_lane(struct mail *m, struct lane *l)
{
	struct gate *g = container_of(m, struct gate, opening);
	int err = loop_add(l->loop, &g->source);
	if (err)
		log_error("DNS listener: %s", err_text(err));
}

static void close_in_lane(struct mail *m, struct lane *l)
{
	struct gate *g = container_of(m, struct gate, closing);
	loop_del(l->loop, &g->source);
	gate_free(g);
}

static struct gate *gate_new(struct proxy *p, int fd, uint64_t netns, int *ret_type)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa), type_len = sizeof(*ret_type);
	struct gate *g = calloc(1, sizeof(*g));
	if (!g)
		return NULL;
	if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, ret_type, &type_len) < 0 ||
	    addr_from_sockaddr((struct sockaddr *)&sa, &g->local) < 0 ||
	    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0) {
		free(g);
		return NULL;
	}
	g->proxy = p;
	g->netns = netns;
	g->source = (struct source){.fd = fd, .events = EPOLLIN};
	return g;
}

static int add_gate(struct proxy *p, struct listener *l, int fd)
{
	int type = 0;
	struct gate *g = gate_new(p, fd, l->netns, &type);
	if (!g)
		return ERR_MALFORMED;
	if (type == SOCK_DGRAM) {
		g->lane = proxy_idlest(p);
		g->source.on_event = on_datagram;
		g->opening.run = open_in_lane;
		lane_post(g->lane, &g->opening);
	} else {
		g->source.on_event = on_accept;
		int err = loop_add(p->loop, &g->source);
		if (err) {
			free(g);
			return err;
		}
	}
	l->gates[l->n_gates++] = g;
	return 0;
}

int listener_add(struct proxy *p, struct msg *m)
{
	json_t *netns = json_object_get(m->json, "netns");
	if (!json_is_integer(netns) || m->n_fds < 1 || m->n_fds > 4)
		return ERR_MALFORMED;
	listener_del(p, (uint64_t)json_integer_value(netns));
	struct listener *l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->netns = (uint64_t)json_integer_value(netns);
	l->next = p->listeners;
	p->listeners = l;
	for (int i = 0; i < m->n_fds; i++) {
		int fd = msg_take_fd(m, i);
		int err = add_gate(p, l, fd);
		if (err) {
			close(fd);
			listener_del(p, l->netns);
			return err;
		}
	}
	return 0;
}

static void gate_close(struct gate *g)
{
	if (!g->lane) {
		loop_del(g->proxy->loop, &g->source);
		gate_free(g);
		return;
	}
	g->closing.run = close_in_lane;
	lane_post(g->lane, &g->closing);
}

void listener_del(struct proxy *p, uint64_t netns)
{
	for (struct listener **at = &p->listeners; *at; at = &(*at)->next) {
		struct listener *l = *at;
		if (l->netns != netns)
			continue;
		*at = l->next;
		for (int i = 0; i < l->n_gates; i++)
			gate_close(l->gates[i]);
		free(l);
		return;
	}
}

void listener_del_all(struct proxy *p)
{
	while (p->listeners)
		listener_del(p, p->listeners->netns);
}
