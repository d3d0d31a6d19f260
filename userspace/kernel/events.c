/* The ring buffer of refusals. A program that retries in a loop says the same thing a hundred times
 * a second: the first is told at once, its repeats within the second as one with their count. */
#include "kernel/kernel_internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "base/clock.h"
#include "base/macro.h"
#include "bpf/shared.h"
#include "kernel/fold.h"
#include "sluice.skel.h"

static const char *const reason_text[REASON_COUNT] = {
#define X(name, text) [REASON_##name] = text,
    REASON_LIST(X)
#undef X
};

static const char *const vectors[REASON_COUNT] = {
#define X(name, text) [REASON_##name] = text,
    VECTOR_LIST(X)
#undef X
};

static void from_event(const struct refusal_event *e, struct refusal *r)
{
	*r = (struct refusal){
	    .cgroup_id = e->cgroup_id,
	    .pid = e->pid,
	    .uid = e->uid,
	    .dst.port = e->dst_port,
	    .family = e->family,
	    .type = e->type,
	    .protocol = e->protocol,
	    .reason = e->reason < REASON_COUNT ? reason_text[e->reason] : "unknown",
	    .vector = e->reason < REASON_COUNT ? vectors[e->reason] : NULL,
	    .count = 1,
	};
	memcpy(r->dst.ip, e->dst, 16);
	memcpy(r->comm, e->comm, sizeof(r->comm));
	memcpy(r->exe, e->exe, sizeof(r->exe));
	r->comm[sizeof(r->comm) - 1] = r->exe[sizeof(r->exe) - 1] = '\0';
}

static int on_event(void *ctx, void *data, size_t size)
{
	struct kernel *k = ctx;
	const struct refusal_event *e = data;
	struct refusal r;
	if (size < sizeof(*e) || (e->pid == k->canary_pid && e->cgroup_id == k->root_id))
		return 0;
	from_event(e, &r);
	if (e->suppressed) {
		struct refusal many = {.cgroup_id = r.cgroup_id,
				       .pid = r.pid,
				       .uid = r.uid,
				       .reason = "too many to tell apart",
				       .count = e->suppressed};
		memcpy(many.comm, r.comm, sizeof(many.comm));
		memcpy(many.exe, r.exe, sizeof(many.exe));
		fold_say(k->fold, &many);
	}
	fold_add(k->fold, &r, clock_mono_ns());
	return 0;
}

static int watch(int epfd, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};
	return epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

int events_open(struct kernel *k)
{
	k->fold = fold_new();
	k->ring = ring_buffer__new(bpf_map__fd(k->skel->maps.events), on_event, k, NULL);
	k->events_fd = epoll_create1(EPOLL_CLOEXEC);
	k->fold_timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (!k->fold || !k->ring || k->events_fd < 0 || k->fold_timer_fd < 0)
		return -ENOMEM;
	int err = watch(k->events_fd, ring_buffer__epoll_fd(k->ring));
	return err ? err : watch(k->events_fd, k->fold_timer_fd);
}

void events_close(struct kernel *k)
{
	ring_buffer__free(k->ring);
	fold_free(k->fold);
	closep(&k->events_fd);
	closep(&k->fold_timer_fd);
}

int kernel_events_fd(struct kernel *k)
{
	return k->events_fd;
}

void kernel_events_rest(struct kernel *k, uint64_t cgroup_id, void (*on_refusal)(void *ctx, const struct refusal *r),
			void *ctx)
{
	struct workload w;
	fold_to(k->fold, on_refusal, ctx);
	fold_flush(k->fold, UINT64_MAX); /* others' windows end early: their counts are said, not lost */
	if (bpf_map_lookup_elem(bpf_map__fd(k->skel->maps.workloads), &cgroup_id, &w) || !w.suppressed)
		return;
	struct refusal many = {.cgroup_id = cgroup_id, .reason = "too many to tell apart", .count = w.suppressed};
	fold_say(k->fold, &many);
}

void kernel_events_read(struct kernel *k, void (*on_refusal)(void *ctx, const struct refusal *r),
			void *ctx)
{
	uint64_t ticks;
	struct itimerspec due = {0};
	if (read(k->fold_timer_fd, &ticks, sizeof(ticks)) < 0)
		ticks = 0; /* not due: the ring woke us */
	fold_to(k->fold, on_refusal, ctx);
	if (ring_buffer__consume(k->ring) < 0)
		return;
	uint64_t next_ns = fold_flush(k->fold, clock_mono_ns());
	due.it_value.tv_sec = (time_t)(next_ns / NS_PER_SEC);
	due.it_value.tv_nsec = (long)(next_ns % NS_PER_SEC);
	timerfd_settime(k->fold_timer_fd, TFD_TIMER_ABSTIME, &due, NULL);
}
