#include "flow/asks.h"
#include "flow/cancelling.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/macro.h"
#include "flow/cancels.h"
#include "flow/flow.h"
#include "flow/lane.h"
#include "upstream/login.h"
#include "flow/proxy.h"
#include "flow/worker.h"

#define LIMIT_NS (2 * NS_PER_SEC)

struct cancel_job {
	struct job job;
	struct mail mail;
	struct proxy *proxy;
	struct cancel_entry *entry; /* a reference */
	struct cancel_target target;
	struct lane *lane;  /* of the asker; NULL: nobody waits */
	struct flow *asker; /* in its lane only; NULL: it has gone */
};

static void job_free(struct cancel_job *j)
{
	cancel_target_done(&j->target);
	cancel_entry_unref(j->proxy->cancels, j->entry);
	free(j);
}

/* Last: back with the asker. */
static void answered(struct mail *m, struct lane *lane)
{
	struct cancel_job *j = container_of(m, struct cancel_job, mail);
	struct flow *f = j->asker;
	(void)lane;
	if (f) {
		f->upstream.cancels = NULL;
		flow_resume(f, FROM_CLIENT, &(struct resume){.kind = RESUME_CANCELLED});
	}
	job_free(j);
}

static void answer(struct cancel_job *j)
{
	if (!j->lane) {
		job_free(j);
		return;
	}
	j->mail.run = answered;
	lane_post(j->lane, &j->mail);
}

/* Third: back in the lane of the flow that was meant. */
static void sent(struct mail *m, struct lane *lane)
{
	struct cancel_job *j = container_of(m, struct cancel_job, mail);
	struct flow *f = cancel_flow(j->entry);
	(void)lane;
	if (f) {
		f->upstream.n_cancels--;
		flow_step(f);
	}
	answer(j);
}

static void send_it(struct cancel_job *j)
{
	login_send_cancel(&j->target.peer, j->target.client, j->target.pid, j->target.key,
			  clock_mono_ns() + LIMIT_NS);
}

/* Second: a worker tells the server. */
static void work(struct job *job)
{
	struct cancel_job *j = container_of(job, struct cancel_job, job);
	send_it(j);
	j->mail.run = sent;
	lane_post(cancel_lane(j->entry), &j->mail);
}

/* First: in the lane of the flow that is meant. Nothing runs: nothing to cancel. */
static void begin(struct mail *m, struct lane *lane)
{
	struct cancel_job *j = container_of(m, struct cancel_job, mail);
	struct flow *f = cancel_flow(j->entry);
	if (!f || f->state >= FLOW_CLOSING || !f->pipe.n_running) {
		answer(j);
		return;
	}
	cancel_target(j->entry, &j->target);
	f->upstream.n_cancels++;
	j->job.work = work;
	if (!pool_submit(lane->proxy->pool, &j->job))
		return;
	f->upstream.n_cancels--;
	answer(j);
}

int cancelling_request(struct flow *f, uint32_t pid, uint32_t key)
{
	struct proxy *p = f->lane->proxy;
	struct cancel_entry *e;
	if (cancels_find(p->cancels, pid, key, f->session->cgroup_id, clock_mono_ns(), &e))
		return 0; /* the server does not say either */
	asks_cancel_all(p, pid);
	struct cancel_job *j = calloc(1, sizeof(*j));
	if (!j) {
		cancel_entry_unref(p->cancels, e);
		return -ENOMEM;
	}
	*j = (struct cancel_job){
	    .mail.run = begin, .proxy = p, .entry = e, .lane = f->lane, .asker = f};
	f->upstream.cancels = j;
	lane_post(cancel_lane(e), &j->mail);
	return ERR_HELD;
}

/* Without a way back: the flow is about to go. */
static void work_alone(struct job *job)
{
	struct cancel_job *j = container_of(job, struct cancel_job, job);
	send_it(j);
	job_free(j);
}

void cancelling_own(struct flow *f)
{
	struct cancel_entry *e = f->upstream.cancel;
	struct cancel_job *j = e && f->pipe.n_running ? calloc(1, sizeof(*j)) : NULL;
	if (!j)
		return;
	*j = (struct cancel_job){.job.work = work_alone,
				 .proxy = f->lane->proxy,
				 .entry = cancel_entry_ref(f->lane->proxy->cancels, e)};
	cancel_target(e, &j->target);
	if (pool_submit(j->proxy->pool, &j->job) < 0)
		job_free(j);
}

void cancelling_done(struct flow *f)
{
	if (f->upstream.cancels)
		f->upstream.cancels->asker = NULL;
}
