/* What the parts of the kernel test share: one environment, named by the process id so that several
 * can run at once. */
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
#include <sys/utsname.h>
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
	_Atomic long bytes;  /* of these */
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

/* How many times slower than an ordinary machine this one is (an emulated one, say): what may last as long. */
static inline int slow(int n)
{
	const char *s = getenv("SLOWNESS");
	return n * (s ? MAX(atoi(s), 1) : 1);
}

static inline void sleep_ms(int ms)
{
	poll(NULL, 0, ms);
}

/* Did a refused call fail as it should? Where the kernel cannot be told the errno (before 5.18; the
 * gap "set_retval"), it is EPERM whatever was meant. */
static inline bool is_refusal(int err, int meant)
{
	struct utsname u;
	int major = 0, minor = 0;
	if (err == meant || err != EPERM || uname(&u))
		return err == meant;
	return sscanf(u.release, "%d.%d", &major, &minor) == 2 &&
	       (major < 5 || (major == 5 && minor < 18));
}

#define CHECK_REFUSED(call, meant)                                                                 \
	do {                                                                                       \
		int err_ = (call);                                                                 \
		if (!is_refusal(err_, (meant)))                                                    \
			printf("note: errno %d\n", err_);                                          \
		CHECK(is_refusal(err_, (meant)));                                                  \
	} while (0)

static inline int shell(const char *fmt, ...)
{
	char cmd[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	return system(cmd);
}
