/* A vector is one way around the gateway, tried for real: a probe that brings bytes to the sink.
 * The suite runs each from an unmanaged cgroup (it must arrive), from a managed one, and from a
 * managed one behind `sluice run`'s guard. */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/addr.h"

#define SINK_TCP     5432
#define SINK_UDP     443
#define BROKEN_PROBE 165 /* the probe itself, or silence where an answer was due */

/* What a probe finds outside of its workload. One for all probes, filled in before they are forked.
 */
struct stage {
	char out4[32], out6[32]; /* the sink's addresses */
	char here4[32];		 /* our end of the wire */
	char dev[16];		 /* the interface that leads to it */
	pid_t sink_pid;		 /* in the sink's network namespace */
	char sock_dir[64];  /* below /run: docker.sock, resolved.sock (datagrams), giver.sock */
	char tmp_dir[64];   /* below /tmp: agent.sock, and what is made later */
	char abstract[32];  /* name in the abstract namespace, without the zero */
	uint16_t loop_port; /* of a helper on 127.0.0.1 */
	uint16_t gate_port; /* the gateway's own */
	pid_t victim;	    /* sends to the sink when *victim_flag, in its memory, is not 0 */
	volatile int *victim_flag;
	int victim_socket;    /* descriptor in the victim: a UDP socket connected to the sink */
	pid_t maker;	      /* on SIGUSR1 makes tmp_dir/late.sock */
	char cgroup_top[128]; /* the cgroup2 mount */
	uint64_t toy_cgroup;  /* a program there keeps a beacon's packets from the sink */
	int vsock_port;
	char helper[96]; /* a program that sends to the sink, from wherever the kernel starts it */
	int held; /* what `before` made */
};

struct vector {
	const char *name;
	int (*probe)(const struct stage *s);  /* 0, an errno, BROKEN_PROBE */
	int (*before)(const struct stage *s); /* outside, before the process joins its cgroup;
						 answers a descriptor */
	bool needs_stdin;		      /* the descriptor becomes standard input */
	void (*after)(const struct stage *s); /* outside again: puts back what was turned */
	bool needs_own_machine;		      /* turns switches of the whole machine: vmtest alone */
};

/* Ends with a vector without a name. */
extern const struct vector vectors_ip[], vectors_uring[], vectors_wire[], vectors_raw[], vectors_handed[],
    vectors_local[], vectors_reach[], vectors_upcall[];

/* This one needs a fresh toy cgroup each time. */
int detach_toy(const struct stage *s);

/* --- what probes share (common.c)
 * ------------------------------------------------------------------ */

struct sockaddr_storage;
/* The sink's address; returns its length. */
unsigned int sink_sa(const struct stage *s, int family, uint16_t port,
		     struct sockaddr_storage *ret);
/* Connects fd to the sink by TCP and waits for its word. 0 or an errno; fd < 0: errno. */
int sink_connect(const struct stage *s, int fd, int family);
/* A datagram to the sink. */
int sink_send(const struct stage *s, int fd, int family);
/* A socket connected to the sink, or -1. */
int sink_socket(const struct stage *s, int type);
int hear_word(int fd, const char *expect);
/* 0 or errno: the usual end of a probe. */
static inline int errno_if(bool is_bad)
{
	return is_bad ? (errno ? errno : BROKEN_PROBE) : 0;
}
int shell_cmd(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
