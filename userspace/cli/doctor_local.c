#include "cli/doctor_local.h"

#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/timex.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/macro.h"
#include "kernel/kernel.h"

#define NAMES_MAX 64
#define WAIT_NS	  (4 * NS_PER_SEC)

/* = adjtimex(2): STA_UNSYNC stands while nothing disciplines the clock. */
static void look_at_clock(json_t *rows)
{
	struct timex t = {.modes = 0};
	char need[160];
	if (adjtimex(&t) < 0)
		return; /* forbidden here: nothing is known */
	snprintf(need, sizeof(need),
		 "a clock that something keeps right (error at most 1 s; now %ld ms)",
		 t.maxerror / 1000);
	probe_add(rows, "clock", !(t.status & STA_UNSYNC) && t.maxerror < 1000000, need,
	    "tokens expire too early or too late, grants and deadlines with them; times on record "
	    "are not to be trusted",
	    "run chrony or systemd-timesyncd");
}

/* One look-up; whoever does not wait for it any more leaves it to the end of the process. */
struct lookup {
	char name[256];
	_Atomic int state; /* 0: on its way; 1: known; 2: not */
};

static void *look_up(void *arg)
{
	struct lookup *l = arg;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
	int r = getaddrinfo(l->name, NULL, &hints, &found);
	if (r == 0)
		freeaddrinfo(found);
	atomic_store(&l->state, r == 0 ? 1 : 2);
	return NULL;
}

static int start_all(struct lookup *all, const json_t *names)
{
	size_t i;
	json_t *v;
	int n = 0;
	json_array_foreach((json_t *)names, i, v)
	{
		struct lookup *l = &all[n];
		pthread_t thread;
		if (n == NAMES_MAX)
			break;
		snprintf(l->name, sizeof(l->name), "%s",
			 json_string_value(v) ? json_string_value(v) : "");
		if (pthread_create(&thread, NULL, look_up, l) != 0)
			break;
		pthread_detach(thread);
		n++;
	}
	return n;
}

static void look_at_names(json_t *rows, const json_t *names)
{
	static struct lookup all[NAMES_MAX];
	char need[200];
	struct buf remedy;
	uint64_t until = clock_mono_ns() + WAIT_NS;
	buf_init(&remedy, 32 * 1024);
	buf_printf(&remedy, "the resolver of this node (/etc/resolv.conf) does not know:");
	int n = start_all(all, names), n_known = 0;
	for (int i = 0; i < n; i++) {
		while (!atomic_load(&all[i].state) && clock_mono_ns() < until)
			usleep(5000);
		bool is_known = atomic_load(&all[i].state) == 1;
		n_known += is_known;
		if (!is_known)
			buf_printf(&remedy, " %s", all[i].name);
	}
	buf_add_u8(&remedy, 0);
	snprintf(need, sizeof(need),
		 "an address for each name that the policy declares: %d of %d have one", n_known,
		 n);
	probe_add(rows, "declared names", n_known == n, need,
	    "workloads get no address for these, and cannot connect",
	    buf_err(&remedy) ? "too many" : (const char *)buf_span(&remedy).p);
	buf_done(&remedy);
}

void doctor_look(json_t *rows, const json_t *names)
{
	look_at_clock(rows);
	if (json_array_size(names))
		look_at_names(rows, names);
}
