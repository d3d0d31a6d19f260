/* Listeners inside a workload's network namespace. setns() is per thread: a helper thread enters,
 * does its work and ends; descriptors stay, and the daemon's own threads never leave home. */
#include "kernel/kernel_internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/macro.h"
#include "bpf/shared.h"
#include "sluice.skel.h"

/* Privileged ports outside every NodePort and ephemeral range: an agent without
 * CAP_NET_BIND_SERVICE cannot even try. */
#define PORT_FIRST 900
#define PORT_LAST  1023
#define BACKLOG	   4096

enum { TCP4, TCP6, UDP4, UDP6 };
static const struct {
	int family, type;
} kinds[LISTEN_FDS] = {
    [TCP4] = {AF_INET, SOCK_STREAM},
    [TCP6] = {AF_INET6, SOCK_STREAM},
    [UDP4] = {AF_INET, SOCK_DGRAM},
    [UDP6] = {AF_INET6, SOCK_DGRAM},
};

static int bring_lo_up(void)
{
	struct ifreq r = {.ifr_name = "lo"};
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &r) < 0)
		return -errno;
	if (r.ifr_flags & IFF_UP)
		return 0;
	r.ifr_flags |= IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &r) < 0 ? -errno : 0;
}

static socklen_t loopback(int family, uint16_t port, struct sockaddr_storage *ret)
{
	struct addr a = {.port = port};
	if (family == AF_INET) {
		static const uint8_t v4[16] = {[10] = 0xff, 0xff, 127, 0, 0, 1};
		memcpy(a.ip, v4, 16);
	} else {
		a.ip[15] = 1;
	}
	return addr_to_sockaddr(&a, ret);
}

/* A descriptor or a negative errno. No SO_REUSEPORT: nobody may share the port with us. */
static int open_one(int kind, uint16_t port)
{
	struct sockaddr_storage sa;
	int on = 1;
	socklen_t len = loopback(kinds[kind].family, port, &sa);
	_cleanup_(closep) int fd =
	    socket(kinds[kind].family, kinds[kind].type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (kinds[kind].family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
		return -errno;
	if (kinds[kind].type == SOCK_STREAM &&
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&sa, len) < 0)
		return -errno;
	if (kinds[kind].type == SOCK_STREAM && listen(fd, BACKLOG) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static bool has_no_family(int kind, int err)
{
	return kinds[kind].family == AF_INET6 && (err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL);
}

static void close_all(int fds[LISTEN_FDS])
{
	for (int i = 0; i < LISTEN_FDS; i++) {
		closep(&fds[i]);
		fds[i] = -1;
	}
}

/* All four on this port, or none. */
static int open_port(uint16_t port, int fds[LISTEN_FDS])
{
	for (int i = 0; i < LISTEN_FDS; i++)
		fds[i] = -1;
	for (int i = 0; i < LISTEN_FDS; i++) {
		int fd = open_one(i, port);
		if (fd < 0 && !has_no_family(i, fd)) {
			close_all(fds);
			return fd;
		}
		fds[i] = MAX(fd, -1);
	}
	return 0;
}

static int open_first_free(struct listeners *l)
{
	int err = -EADDRINUSE;
	for (uint16_t port = PORT_FIRST; port <= PORT_LAST && err == -EADDRINUSE; port++) {
		err = open_port(port, l->fds);
		l->port = port;
	}
	return err;
}

struct visit {
	int netns_fd, err;
	int (*run)(void *arg);
	void *arg;
};

static void *visit_main(void *arg)
{
	struct visit *v = arg;
	v->err = setns(v->netns_fd, CLONE_NEWNET) < 0 ? -errno : v->run(v->arg);
	return NULL;
}

int netns_visit(int netns_fd, int (*run)(void *arg), void *arg)
{
	struct visit v = {.netns_fd = netns_fd, .run = run, .arg = arg};
	pthread_t t;
	int err = pthread_create(&t, NULL, visit_main, &v);
	if (err)
		return -err;
	pthread_join(t, NULL);
	return v.err;
}

int netns_of_pid(int pid)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

struct opening {
	struct kernel *k;
	struct listeners l;
};

static bool has_gate(const struct kernel *k, uint64_t netns)
{
	for (int i = 0; i < k->n_gates; i++)
		if (k->gates[i] == netns)
			return true;
	return false;
}

static int read_cookie(struct kernel *k, uint64_t *ret)
{
	int err = cookie_by_option(ret);
	return err == -ENOPROTOOPT ? cookie_by_stamp(k, ret) : err;
}

static int open_inside(void *arg)
{
	struct opening *o = arg;
	int err = bring_lo_up();
	if (!err)
		err = read_cookie(o->k, &o->l.netns_cookie);
	if (err)
		return err;
	return has_gate(o->k, o->l.netns_cookie) ? ERR_EXISTS : open_first_free(&o->l);
}

static int remember_gate(struct kernel *k, const struct listeners *l)
{
	struct gate g = {.port = l->port};
	uint64_t *gates = realloc(k->gates, (size_t)(k->n_gates + 1) * sizeof(*gates));
	if (!gates)
		return -ENOMEM;
	k->gates = gates;
	int err =
	    bpf_map_update_elem(bpf_map__fd(k->skel->maps.gates), &l->netns_cookie, &g, BPF_ANY);
	if (!err)
		k->gates[k->n_gates++] = l->netns_cookie;
	return err;
}

int kernel_listen(struct kernel *k, int pid, struct listeners *ret_l)
{
	struct opening o = {.k = k, .l.fds = {-1, -1, -1, -1}};
	_cleanup_(closep) int fd = netns_of_pid(pid);
	int err = fd < 0 ? fd : netns_visit(fd, open_inside, &o);
	if (!err) {
		err = remember_gate(k, &o.l);
		if (err)
			close_all(o.l.fds);
	}
	if (!err || err == ERR_EXISTS)
		*ret_l = o.l;
	return err;
}

void kernel_unlisten(struct kernel *k, uint64_t netns_cookie)
{
	bpf_map_delete_elem(bpf_map__fd(k->skel->maps.gates), &netns_cookie);
	for (int i = 0; i < k->n_gates; i++)
		if (k->gates[i] == netns_cookie) {
			k->gates[i] = k->gates[--k->n_gates];
			return;
		}
}
