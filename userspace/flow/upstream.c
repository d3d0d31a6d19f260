#include "flow/upstream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "flow/cancelling.h"
#include "flow/cancels.h"
#include "flow/dial.h"
#include "flow/flow.h"
#include "flow/lane.h"
#include "flow/names.h"
#include "flow/proxy.h"
#include "flow/questions.h"
#include "flow/worker.h"
#include "sql/catalog.h"
#include "upstream/catalogs.h"

#define FRESH_NS (100 * NS_PER_MS) /* a catalogue younger than this is loaded again only so often */

/* The slot's newest. */
static void set_catalog(struct flow *f)
{
	struct upstream *u = &f->upstream;
	struct catalogs *all = f->lane->proxy->catalogs;
	u->generation = catalog_slot_generation(u->slot);
	catalog_unref(u->catalog);
	u->catalog = catalog_slot_get(all, u->slot);
}

void upstream_read_by(struct flow *f, struct catalog_slot *slot)
{
	f->upstream.slot = slot;
	set_catalog(f);
}

/* Waiting for something that a worker fetches: a fresh catalogue, or a name's addresses. */
struct wait_job {
	struct job job;
	struct mail mail;
	struct lane *lane;
	struct flow *flow; /* NULL: it has gone, or nobody waited */
	enum dir dir;
	enum resume_kind kind;
	bool is_silent;		      /* the module does not wait: the flow does */
	bool is_check;		      /* of the views alone; it must succeed */
	int err;
	void (*then)(struct flow *f); /* or whoever asked */
	struct catalog_slot *slot;
	uint64_t since_ns;
	struct names_answer answer;
	char name[256];
};

static void wait_work(struct job *job)
{
	struct wait_job *j = container_of(job, struct wait_job, job);
	struct proxy *p = j->lane->proxy;
	char why[WHY_MAX] = "";
	if (j->kind == RESUME_RESOLVED)
		names_resolve(p->names, j->name, &j->answer);
	else if (j->is_check)
		j->err = catalogs_check(p->catalogs, j->slot, j->since_ns, why);
	else if (catalogs_load(p->catalogs, j->slot, j->since_ns, why) < 0)
		log_warn("catalogue: %s", why);
	if (j->err)
		log_warn("catalogue: views: %s", why);
	lane_post(j->lane, &j->mail);
}

static void wait_free(struct wait_job *j)
{
	catalog_slot_unref(j->lane->proxy->catalogs, j->slot);
	free(j);
}

static void wait_resume(struct wait_job *j, struct flow *f)
{
	struct resolved found = {.err = j->answer.err,
				 .addrs = j->answer.addrs,
				 .n_addrs = j->answer.n,
				 .ttl_s = j->answer.ttl_s};
	if (j->kind == RESUME_RESOLVED && !j->answer.err)
		questions_note(f->session->counts->questions, j->name);
	f->upstream.waiting = NULL;
	f->upstream.waiting_is_silent = false;
	if (j->then)
		j->then(f);
	else if (j->err)
		flow_fail(f, "58000", "the catalogue cannot be read again");
	else if (!j->is_silent)
		flow_resume(f, j->dir, &(struct resume){.kind = j->kind, .resolved = &found});
	else if (catalog_slot_is_spoilt(j->slot) && catalog_slot_began(j->slot) < j->since_ns)
		flow_fail(f, "58000", "the catalogue cannot be read again");
	else
		flow_step(f);
}

static void wait_arrived(struct mail *m, struct lane *lane)
{
	struct wait_job *j = container_of(m, struct wait_job, mail);
	(void)lane;
	if (j->flow)
		wait_resume(j, j->flow);
	wait_free(j);
}

static struct wait_job *wait_new(struct flow *f, enum resume_kind kind, uint64_t since_ns)
{
	struct wait_job *j = calloc(1, sizeof(*j));
	if (!j)
		return NULL;
	j->job.work = wait_work;
	j->mail.run = wait_arrived;
	j->lane = f->lane;
	j->dir = f->pipe.dir;
	j->kind = kind;
	j->since_ns = since_ns;
	return j;
}

static int wait_submit(struct flow *f, struct wait_job *j, bool is_waited_for)
{
	int err = pool_submit(f->lane->proxy->pool, &j->job);
	if (err) {
		wait_free(j);
		return err;
	}
	if (is_waited_for) {
		j->flow = f;
		f->upstream.waiting = j;
	}
	return 0;
}

/* The slot is kept by the job as well: the flow may end first. */
static struct wait_job *wait_for_slot(struct flow *f, uint64_t since_ns)
{
	struct wait_job *j = wait_new(f, RESUME_FACTS, since_ns);
	if (!j)
		return NULL;
	catalog_slot_ref(f->lane->proxy->catalogs, f->upstream.slot);
	j->slot = f->upstream.slot;
	return j;
}

static int wait_for_catalog(struct flow *f, uint64_t since_ns, bool is_waited_for, bool is_silent)
{
	struct wait_job *j = wait_for_slot(f, since_ns);
	if (!j)
		return -ENOMEM;
	j->is_silent = is_silent;
	return wait_submit(f, j, is_waited_for);
}

int upstream_reread(struct flow *f, uint64_t since_ns, void (*then)(struct flow *f))
{
	struct upstream *u = &f->upstream;
	if (!u->slot ||
	    (catalog_slot_began(u->slot) >= since_ns && !catalog_slot_is_spoilt(u->slot)))
		return 0;
	if (u->waiting)
		return -EAGAIN;
	struct wait_job *j = wait_for_slot(f, since_ns);
	if (!j)
		return -ENOMEM;
	j->then = then;
	int err = wait_submit(f, j, true);
	return err ? err : ERR_HELD;
}

int upstream_facts(struct flow *f)
{
	struct upstream *u = &f->upstream;
	uint64_t now = clock_mono_ns();
	if (!u->slot || u->waiting)
		return 0;
	if (now - catalog_slot_began(u->slot) < FRESH_NS && !catalog_slot_is_spoilt(u->slot) &&
	    !catalog_slot_claim_early(u->slot, now))
		return 0;
	int err = wait_for_catalog(f, now, true, false);
	return err ? err : ERR_HELD;
}

int upstream_views(struct flow *f)
{
	struct upstream *u = &f->upstream;
	if (!u->slot)
		return 0;
	if (u->waiting)
		return -EBUSY;
	struct wait_job *j = wait_for_slot(f, clock_mono_ns());
	if (!j)
		return -ENOMEM;
	j->is_check = true;
	int err = wait_submit(f, j, true);
	return err ? err : ERR_HELD;
}

const struct catalog *upstream_catalog(void *flow)
{
	struct flow *f = flow;
	struct upstream *u = &f->upstream;
	if (!u->slot)
		return NULL;
	if (u->generation != catalog_slot_generation(u->slot))
		set_catalog(f);
	uint64_t now = loop_now(f->lane->loop);
	if (catalog_slot_claim_refresh(u->slot, now) && wait_for_catalog(f, now, false, true) < 0)
		log_warn("catalogue: not refreshed, too many logins are waiting");
	return u->catalog;
}

void upstream_keep_up(struct flow *f)
{
	struct upstream *u = &f->upstream;
	bool is_idle = u->slot && u->catalog && !u->waiting && !f->is_held[FROM_CLIENT] && !f->pipe.n_running;
	if (is_idle && u->generation != catalog_slot_generation(u->slot))
		set_catalog(f);
}

bool upstream_is_stale(struct flow *f)
{
	struct upstream *u = &f->upstream;
	if (!u->slot || !u->catalog)
		return false;
	if (u->waiting)
		return u->waiting_is_silent;
	if (!catalog_slot_is_spoilt(u->slot))
		return false;
	u->waiting_is_silent = true;
	if (wait_for_catalog(f, clock_mono_ns(), true, true) < 0) {
		u->waiting_is_silent = false;
		flow_finish(f, "the catalogue cannot be read again: too many logins are waiting");
	}
	return true;
}

void upstream_changed(struct flow *f)
{
	if (f->upstream.slot)
		catalog_slot_spoil(f->upstream.slot, clock_mono_ns());
}

int upstream_resolve(struct flow *f, const char *name, struct resolved *ret)
{
	if (f->upstream.waiting)
		return ERR_STATE;
	struct wait_job *j = wait_new(f, RESUME_RESOLVED, 0);
	if (!j)
		return -ENOMEM;
	snprintf(j->name, sizeof(j->name), "%s", name);
	if (names_lookup(f->lane->proxy->names, name, &j->answer)) {
		struct lane *lane = f->lane;
		lane->answer = j->answer; /* outlives the call: borrowed until the module returns */
		free(j);
		*ret = (struct resolved){.err = lane->answer.err,
					 .addrs = lane->answer.addrs,
					 .n_addrs = lane->answer.n,
					 .ttl_s = lane->answer.ttl_s};
		if (!lane->answer.err)
			questions_note(f->session->counts->questions, name);
		return 0;
	}
	int err = wait_submit(f, j, true);
	return err ? err : ERR_HELD;
}

void upstream_done(struct flow *f)
{
	struct upstream *u = &f->upstream;
	struct proxy *p = f->lane->proxy;
	dial_done(f);
	if (u->waiting)
		u->waiting->flow = NULL;
	cancelling_done(f);
	cancels_del(p->cancels, u->cancel);
	catalog_unref(u->catalog);
	catalog_slot_unref(p->catalogs, u->slot);
	*u = (struct upstream){0};
}
