/* The daemon's part: a thread that answers on the listeners, notes who the kernel says is there,
 * reads the refusals and beats the heart. */
#pragma once

#include "tests/e2e/kernel_base.h"

static inline void note(const struct seen *s)
{
	pthread_mutex_lock(&env.lock);
	if (env.n_seen < MAX_SEEN)
		env.seen[env.n_seen++] = *s;
	pthread_mutex_unlock(&env.lock);
}

static inline void take_tcp(const struct listeners *l, int fd)
{
	struct sockaddr_storage p, q;
	socklen_t pl = sizeof(p), ql = sizeof(q);
	struct seen s = {0};
	struct addr local;
	int c = accept4(fd, (struct sockaddr *)&p, &pl, SOCK_CLOEXEC);
	if (c < 0)
		return;
	getsockname(c, (struct sockaddr *)&q, &ql);
	if (addr_from_sockaddr((struct sockaddr *)&p, &s.peer) ||
	    addr_from_sockaddr((struct sockaddr *)&q, &local))
		abort();
	s.err = flowmap_take(kernel_flow_map_fd(env.k), l->netns_cookie, false, &s.peer, &local,
			     &s.info);
	if (!s.err) {
		struct pollfd w = {c, POLLIN, 0};
		ssize_t n = poll(&w, 1, 1000) > 0 ? read(c, s.text, sizeof(s.text) - 1) : 0;
		s.len = n > 0 ? (size_t)n : 0;
		if (send(c, "gate", 4, MSG_NOSIGNAL) < 0)
			s.len += 0;
	}
	close(c);
	note(&s);
}

static inline void take_udp(const struct listeners *l, int fd)
{
	struct sockaddr_storage p, q;
	socklen_t pl = sizeof(p), ql = sizeof(q);
	struct seen s = {.is_udp = true};
	struct addr local;
	ssize_t n = recvfrom(fd, s.text, sizeof(s.text) - 1, 0, (struct sockaddr *)&p, &pl);
	if (n < 0)
		return;
	s.len = (size_t)n;
	getsockname(fd, (struct sockaddr *)&q, &ql);
	if (addr_from_sockaddr((struct sockaddr *)&p, &s.peer) ||
	    addr_from_sockaddr((struct sockaddr *)&q, &local))
		abort();
	s.err = flowmap_take(kernel_flow_map_fd(env.k), l->netns_cookie, true, &s.peer, &local,
			     &s.info);
	if (!s.err && sendto(fd, "gate", 4, 0, (struct sockaddr *)&p, pl) != 4)
		s.err = -errno;
	note(&s);
}

static inline void on_refusal(void *ctx, const struct refusal *r)
{
	(void)ctx;
	pthread_mutex_lock(&env.lock);
	if (env.n_refused < MAX_SEEN)
		env.refused[env.n_refused++] = *r;
	pthread_mutex_unlock(&env.lock);
}

static inline void *gate_main(void *arg)
{
	uint64_t beat_ns = 0;
	(void)arg;
	while (!env.is_stopping) {
		struct pollfd p[8 * LISTEN_FDS + 1];
		int n = env.n_gates;
		for (int i = 0; i < n * LISTEN_FDS; i++)
			p[i] = (struct pollfd){env.gates[i / LISTEN_FDS].fds[i % LISTEN_FDS],
					       POLLIN, 0};
		p[n * LISTEN_FDS] = (struct pollfd){kernel_events_fd(env.k), POLLIN, 0};
		poll(p, (nfds_t)n * LISTEN_FDS + 1, 100);
		if (env.has_beat && clock_mono_ns() - beat_ns > 300 * NS_PER_MS) {
			kernel_beat(env.k);
			beat_ns = clock_mono_ns();
		}
		if (p[n * LISTEN_FDS].revents)
			kernel_events_read(env.k, on_refusal, NULL);
		for (int i = 0; i < n * LISTEN_FDS; i++)
			if (p[i].revents)
				(i % LISTEN_FDS < 2 ? take_tcp : take_udp)(
				    &env.gates[i / LISTEN_FDS], p[i].fd);
	}
	return NULL;
}

static inline void gate_start(void)
{
	env.is_stopping = 0;
	env.has_beat = 1;
	kernel_beat(env.k);
	pthread_create(&env.gate, NULL, gate_main, NULL);
}

static inline void gate_stop(void)
{
	env.is_stopping = 1;
	pthread_join(env.gate, NULL);
}

static inline int gate_listen(int pid)
{
	int err = kernel_listen(env.k, pid, &env.gates[env.n_gates]);
	if (!err)
		env.n_gates++;
	return err;
}
