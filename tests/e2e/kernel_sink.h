/* The outside world: a network namespace of its own behind a veth, entered by its own process, that
 * counts every frame which arrives and accepts TCP. */
#pragma once

#include "tests/e2e/kernel_base.h"

static inline int sink_listen(int family)
{
	struct sockaddr_storage sa = {.ss_family = (sa_family_t)family};
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	((struct sockaddr_in *)&sa)->sin_port = htons(SINK_PORT);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	socklen_t len =
	    family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	if (bind(fd, (struct sockaddr *)&sa, len) || listen(fd, 64))
		abort();
	return fd;
}

/* ICMPv6 and MLD of the link itself (no report of a group that is called "Secret"), and ARP between its two ends. */
static inline bool is_housekeeping(const uint8_t *frame, ssize_t n)
{
	struct in_addr out, here;
	if (n >= 54 && frame[12] == 0x86 && frame[13] == 0xdd)
		return (frame[20] == 58 || frame[20] == 0) && !memmem(frame, (size_t)n, "Secret", 6);
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
	p[0] =
	    (struct pollfd){socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(0x0003)), POLLIN, 0};
	p[1] = (struct pollfd){sink_listen(AF_INET), POLLIN, 0};
	p[2] = (struct pollfd){sink_listen(AF_INET6), POLLIN, 0};
	s->is_ready = 3;
	for (;;) {
		uint8_t frame[2048];
		poll(p, 3, -1);
		if (p[0].revents) {
			struct sockaddr_ll from;
			socklen_t len = sizeof(from);
			ssize_t n = recvfrom(p[0].fd, frame, sizeof(frame), 0,
					     (struct sockaddr *)&from, &len);
			if (n > 0 && from.sll_pkttype != PACKET_OUTGOING &&
			    !is_housekeeping(frame, n)) {
				s->bytes += n;
				s->frames++;
			}
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
	env.sink = mmap(NULL, sizeof(*env.sink), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	snprintf(env.here4, sizeof(env.here4), "10.%d.%d.1", 20 + id, sub);
	snprintf(env.out4, sizeof(env.out4), "10.%d.%d.2", 20 + id, sub);
	snprintf(env.out6, sizeof(env.out6), "fd51:%x::2", getpid() & 0xffff);
	env.sink_pid = fork();
	if (!env.sink_pid)
		sink_main(env.sink);
	while (!env.sink->is_ready)
		sleep_ms(5);
	if (shell("ip link add kt%d type veth peer name outside netns %d && ip addr add %s/30 dev "
		  "kt%d && "
		  "ip -6 addr add fd51:%x::1/64 dev kt%d nodad && ip link set kt%d up && nsenter "
		  "-t %d -n sh -c "
		  "'ip addr add %s/30 dev outside; ip -6 addr add fd51:%x::2/64 dev outside nodad; "
		  "ip link set outside up; ip link set lo up'",
		  getpid(), env.sink_pid, env.here4, getpid(), getpid() & 0xffff, getpid(),
		  getpid(), env.sink_pid, env.out4, getpid() & 0xffff))
		return false;
	env.sink->is_ready = 2;
	while (env.sink->is_ready != 3)
		sleep_ms(5);
	sleep_ms(100);
	return true;
}
