/* What the kernel test stands on: an instance of its own, a namespace behind a veth that plays the outside
 * world and counts what arrives, a gateway thread that answers on the listeners, and children that run a
 * probe inside a cgroup. Everything is named by the process id, so that several can run at once. */
#pragma once

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/macro.h"
#include "kernel/flowmap.h"
#include "kernel/kernel.h"
#include "tests/unit/tap.h"

#define SINK_PORT 5432
#define MAX_SEEN  1024

/* What the gateway met, newest last. */
struct seen {
	struct flow_info info;
	struct addr peer;
	char text[32]; /* first bytes that the workload sent */
	size_t len;
	int err; /* of flowmap_take */
	bool is_udp;
};

struct sink { /* shared with the sink's process */
	_Atomic int is_ready;
	_Atomic long frames; /* every frame at the outside end of the wire but IPv6 housekeeping */
	_Atomic long tcp;    /* accepted connections */
};

static struct env {
	struct kernel *k;
	char instance[32], out4[32], out6[32], here4[32]; /* addresses of the wire's ends */
	struct sink *sink;
	pid_t sink_pid;
	pthread_t gate;
	_Atomic int is_stopping;
	_Atomic int has_beat;
	pthread_mutex_t lock;
	struct seen seen[MAX_SEEN];
	int n_seen;
	struct listeners gates[8]; /* the listeners that the gateway serves */
	_Atomic int n_gates;
	struct refusal refused[MAX_SEEN];
	int n_refused;
} env = {.lock = PTHREAD_MUTEX_INITIALIZER};

static inline struct addr addr_of(const char *ip, uint16_t port)
{
	struct addr a = {0};
	if (addr_parse_ip(ip, &a))
		abort();
	a.port = port;
	return a;
}

static inline void sleep_ms(int ms)
{
	poll(NULL, 0, ms);
}

static inline int shell(const char *fmt, ...)
{
	char cmd[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	return system(cmd);
}

/* ---- the sink: its own network namespace, entered by its own process ---- */

static inline int sink_listen(int family)
{
	struct sockaddr_storage sa = {.ss_family = (sa_family_t)family};
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	((struct sockaddr_in *)&sa)->sin_port = htons(SINK_PORT);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&sa, family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6)) || listen(fd, 64))
		abort();
	return fd;
}

/* ICMPv6 and MLD of the link itself, and ARP between its two ends. */
static inline bool is_housekeeping(const uint8_t *frame, ssize_t n)
{
	struct in_addr out, here;
	if (n >= 54 && frame[12] == 0x86 && frame[13] == 0xdd)
		return frame[20] == 58 || frame[20] == 0;
	inet_pton(AF_INET, env.out4, &out);
	inet_pton(AF_INET, env.here4, &here);
	return n >= 42 && frame[12] == 0x08 && frame[13] == 0x06 &&
	       (!memcmp(frame + 38, &out, 4) || !memcmp(frame + 38, &here, 4));
}

static inline void sink_main(struct sink *s)
{
	struct pollfd p[3];
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWNET))
		_exit(1);
	s->is_ready = 1;
	while (s->is_ready == 1)
		sleep_ms(5);
	p[0] = (struct pollfd){socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(0x0003)), POLLIN, 0};
	p[1] = (struct pollfd){sink_listen(AF_INET), POLLIN, 0};
	p[2] = (struct pollfd){sink_listen(AF_INET6), POLLIN, 0};
	s->is_ready = 3;
	for (;;) {
		uint8_t frame[2048];
		poll(p, 3, -1);
		if (p[0].revents) {
			struct sockaddr_ll from;
			socklen_t len = sizeof(from);
			ssize_t n = recvfrom(p[0].fd, frame, sizeof(frame), 0, (struct sockaddr *)&from, &len);
			if (n > 0 && from.sll_pkttype != PACKET_OUTGOING && !is_housekeeping(frame, n))
				s->frames++;
		}
		for (int i = 1; i < 3; i++)
			if (p[i].revents) {
				int c = accept(p[i].fd, NULL, NULL);
				s->tcp++;
				if (write(c, "sink", 4) < 0)
					s->tcp--;
				close(c);
			}
	}
}

static inline bool sink_up(void)
{
	int id = getpid() % 200, sub = getpid() / 200 % 250;
	env.sink = mmap(NULL, sizeof(*env.sink), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	snprintf(env.here4, sizeof(env.here4), "10.%d.%d.1", 20 + id, sub);
	snprintf(env.out4, sizeof(env.out4), "10.%d.%d.2", 20 + id, sub);
	snprintf(env.out6, sizeof(env.out6), "fd51:%x::2", getpid() & 0xffff);
	env.sink_pid = fork();
	if (!env.sink_pid)
		sink_main(env.sink);
	while (!env.sink->is_ready)
		sleep_ms(5);
	if (shell("ip link add kt%d type veth peer name outside netns %d && ip addr add %s/30 dev kt%d && "
		  "ip -6 addr add fd51:%x::1/64 dev kt%d nodad && ip link set kt%d up && nsenter -t %d -n sh -c "
		  "'ip addr add %s/30 dev outside; ip -6 addr add fd51:%x::2/64 dev outside nodad; ip link set outside up; ip link set lo up'",
		  getpid(), env.sink_pid, env.here4, getpid(), getpid() & 0xffff, getpid(), getpid(),
		  env.sink_pid, env.out4, getpid() & 0xffff))
		return false;
	env.sink->is_ready = 2;
	while (env.sink->is_ready != 3)
		sleep_ms(5);
	sleep_ms(100);
	return true;
}

/* ---- the gateway ---- */

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
	if (addr_from_sockaddr((struct sockaddr *)&p, &s.peer) || addr_from_sockaddr((struct sockaddr *)&q, &local))
		abort();
	s.err = flowmap_take(kernel_flow_map_fd(env.k), l->netns_cookie, false, &s.peer, &local, &s.info);
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
	if (addr_from_sockaddr((struct sockaddr *)&p, &s.peer) || addr_from_sockaddr((struct sockaddr *)&q, &local))
		abort();
	s.err = flowmap_take(kernel_flow_map_fd(env.k), l->netns_cookie, true, &s.peer, &local, &s.info);
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
			p[i] = (struct pollfd){env.gates[i / LISTEN_FDS].fds[i % LISTEN_FDS], POLLIN, 0};
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
				(i % LISTEN_FDS < 2 ? take_tcp : take_udp)(&env.gates[i / LISTEN_FDS], p[i].fd);
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

/* ---- workloads ---- */

struct work {
	char *path;
	uint64_t id;
};

static inline struct work work_new(const char *name, uint32_t generation)
{
	struct work w = {0};
	if (kernel_cgroup_create(env.k, name, &w.path, &w.id))
		abort();
	if (generation && kernel_manage(env.k, w.id, generation))
		abort();
	return w;
}

static inline void work_end(struct work *w)
{
	CHECK_INT(kernel_cgroup_remove(env.k, w->path), 0);
	if (kernel_unmanage(env.k, w->id))
		printf("note: %s was not managed\n", w->path);
	free(w->path);
}

/* Runs probe(arg) in the cgroup (NULL: where we are). The answer of the probe, 0 to 127, or -1. */
static inline pid_t start_in(const char *cgroup, int (*probe)(void *arg), void *arg)
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(20);
	if (cgroup && kernel_cgroup_move(cgroup, getpid()))
		_exit(127);
	_exit(probe(arg));
}

static inline int finish(pid_t pid)
{
	int status;
	if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static inline int run_in(const char *cgroup, int (*probe)(void *arg), void *arg)
{
	return finish(start_in(cgroup, probe, arg));
}

/* Did the gateway meet this text? Waits for it. */
static inline bool gate_saw(const char *text, struct seen *ret)
{
	for (int tries = 0; tries < 100; tries++) {
		pthread_mutex_lock(&env.lock);
		for (int i = env.n_seen - 1; i >= 0; i--)
			if (!strcmp(env.seen[i].text, text)) {
				*ret = env.seen[i];
				pthread_mutex_unlock(&env.lock);
				return true;
			}
		pthread_mutex_unlock(&env.lock);
		sleep_ms(20);
	}
	return false;
}

static inline bool was_refused(uint64_t cgroup_id, const struct addr *dst, const char *reason, struct refusal *ret)
{
	for (int tries = 0; tries < 60; tries++) {
		pthread_mutex_lock(&env.lock);
		for (int i = env.n_refused - 1; i >= 0; i--) {
			struct refusal *r = &env.refused[i];
			if (r->cgroup_id == cgroup_id && (!dst || addr_eq(&r->dst, dst)) && !strcmp(r->reason, reason)) {
				if (ret)
					*ret = *r;
				pthread_mutex_unlock(&env.lock);
				return true;
			}
		}
		pthread_mutex_unlock(&env.lock);
		sleep_ms(20);
	}
	return false;
}

/* Sets the stage, runs the tests, clears it. */
static inline int env_main(void (*tests)(void))
{
	char why[512] = "";
	if (geteuid()) {
		SKIP("needs root");
		return tap_done();
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	snprintf(env.instance, sizeof(env.instance), "kt-%d", getpid());
	struct kernel_options o = {.instance = env.instance};
	int err = kernel_open(&o, &env.k, why, sizeof(why));
	if (err)
		printf("kernel_open: %s: %s\n", err_text(err), why);
	CHECK_INT(err, 0);
	if (err)
		return tap_done();
	CHECK(sink_up());
	CHECK_INT(gate_listen(getpid()), 0);
	gate_start();
	tests();
	gate_stop();
	kernel_close(env.k, false);
	shell("ip link del kt%d", getpid());
	kill(env.sink_pid, SIGKILL);
	waitpid(env.sink_pid, NULL, 0);
	return tap_done();
}
