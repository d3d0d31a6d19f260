#include "flow/upstream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "flow/asks.h"
#include "flow/cancelling.h"
#include "flow/cancels.h"
#include "upstream/catalogs.h"
#include "flow/questions.h"
#include "flow/flow.h"
#include "flow/lane.h"
#include "upstream/login.h"
#include "flow/names.h"
#include "flow/proxy.h"
#include "flow/refuse.h"
#include "flow/target.h"
#include "flow/worker.h"
#include "sql/catalog.h"

#define FRESH_NS (100 * NS_PER_MS) /* a catalogue younger than this is loaded again only so often */

/* A dial, done by a worker; then handed back to its lane. flow is touched in the lane only. */
struct dial_job {
	struct job job;
	struct mail mail;
	struct lane *lane;
	struct flow *flow; /* NULL: it has gone meanwhile */
	enum dir dir;
	bool is_postgres, is_opaque_allowed;
	struct target target;
	struct login login;
	struct catalog_slot *slot;
};

static void dial_free(struct dial_job *j)
{
	catalog_slot_unref(j->lane->proxy->catalogs, j->slot);
	login_done(&j->login);
	arena_done(&j->target.arena);
	free(j);
}

static void dial_work(struct job *job)
{
	struct dial_job *j = container_of(job, struct dial_job, job);
	struct proxy *p = j->lane->proxy;
	uint64_t now = clock_mono_ns();
	uint64_t deadline = now + (uint64_t)p->cfg->login_timeout_ms * NS_PER_MS;
	char why[WHY_MAX];

	int err = j->is_postgres ? login_postgres(&p->monitor, &j->target, deadline, &j->login)
				 : login_connect(&j->target, deadline, &j->login);
	if (!err && j->is_postgres && !j->target.replication) {
		err = catalogs_slot(p->catalogs, &j->target, &j->slot);
		snprintf(why, sizeof(why), "%s", err ? err_text(err) : "");
		if (!err)
			err = catalogs_load(p->catalogs, j->slot, 0, why);
		if (err && !j->is_opaque_allowed) {
			j->login.err = err;
			strcpy(j->login.sqlstate, "58000");
			snprintf(j->login.why, sizeof(j->login.why), "%s", why);
		}
	}
	if (j->login.err)
		log_warn("resource %s: %s", j->target.resource, j->login.why);
	lane_post(j->lane, &j->mail);
}

static void set_catalog(struct flow *f)
{
	struct upstream *u = &f->upstream;
	struct catalogs *all = f->lane->proxy->catalogs;
	u->generation = catalog_slot_generation(u->slot);
	catalog_unref(u->catalog);
	u->catalog = catalog_slot_get(all, u->slot);
}

/* Takes over what the worker brought; fills in what the module is told. */
static void take_login(struct flow *f, struct dial_job *j, struct dialled *d)
{
	struct upstream *u = &f->upstream;
	struct login *l = &j->login;
	if (!l->err && j->is_postgres) {
		struct cancel_target real = {l->peer, l->pid, l->key, l->tls ? l->client : NULL};
		u->cancel = cancels_add(f->lane->proxy->cancels, f, &real);
		if (!u->cancel)
			l->err = -ENOMEM;
	}
	d->err = l->err;
	d->reason = l->err ? l->why : NULL;
	d->sqlstate = l->err ? l->sqlstate : NULL;
	if (l->err)
		return;
	flow_attach_server(f, TAKE_FD(l->fd), buf_span(&l->leftover));
	if (l->tls)
		flow_secure(f, FROM_SERVER, TAKE(l->tls));
	flow_running(f);
	if (!j->is_postgres)
		return;
	u->slot = TAKE(j->slot);
	if (u->slot)
		set_catalog(f);
	d->greeting = buf_span(&l->greeting);
	d->cancel_pid = cancel_pid(u->cancel);
	d->cancel_key = cancel_key(u->cancel);
	d->search_path = u->catalog ? catalog_search_path(u->catalog) : NULL;
}

static void dial_arrived(struct mail *m, struct lane *lane)
{
	struct dial_job *j = container_of(m, struct dial_job, mail);
	struct flow *f = j->flow;
	struct dialled d = {0};
	(void)lane;
	if (f && f->state < FLOW_CLOSING) {
		f->upstream.dialling = NULL;
		take_login(f, j, &d);
		if (d.err) {
			flow_blame(f, d.reason);
			refuse_connect(f->lane, f->session, "tcp", &f->origin.info, f->origin.name,
				       d.reason);
		}
		flow_resume(f, j->dir, &(struct resume){.kind = RESUME_DIALLED, .dialled = &d});
	} else if (f) {
		f->upstream.dialling = NULL;
	}
	dial_free(j);
}

/* A dial that is refused before it begins; told by way of the inbox, as any other. */
static void refuse_dial(struct dial_job *j, int err, const char *sqlstate, const char *why)
{
	j->login.err = err;
	strcpy(j->login.sqlstate, sqlstate);
	snprintf(j->login.why, sizeof(j->login.why), "%s", why);
	lane_post(j->lane, &j->mail);
}

static void start_dial(struct flow *f, struct dial_job *j, const struct dial *d)
{
	char why[WHY_MAX];
	const char *role = f->session->who.role;
	char sqlstate[6];
	int err = target_fill(f, d, &j->target, sqlstate, why);
	if (err) {
		refuse_dial(j, err, sqlstate, why);
	} else if (session_is_over(f->session, (int64_t)(clock_real_ns() / NS_PER_SEC))) {
		refuse_dial(j, ERR_DENIED, "28000",
			    f->session->who.expires ? "the identity of this workload has expired"
						    : "the identity of this workload was revoked");
	} else if (!plan_role_uses(f->lane->plan, f->resource, role)) {
		snprintf(why, sizeof(why), "role %.60s may not use resource %.60s", role,
			 f->resource->name);
		refuse_dial(j, ERR_DENIED, "28000", why);
	} else if (j->is_postgres && !j->target.credential) {
		snprintf(why, sizeof(why), "resource %.60s has no credential for role %.60s",
			 f->resource->name, role);
		refuse_dial(j, ERR_DENIED, "28000", why);
	} else if (pool_submit(f->lane->proxy->pool, &j->job) < 0) {
		refuse_dial(j, ERR_FULL, "53300", "too many logins are waiting");
	}
}

int upstream_dial(struct flow *f, const struct dial *d)
{
	if (f->state != FLOW_OPENING || f->upstream.dialling || !f->resource)
		return ERR_STATE;
	struct dial_job *j = calloc(1, sizeof(*j));
	if (!j)
		return -ENOMEM;
	j->job.work = dial_work;
	j->mail.run = dial_arrived;
	j->lane = f->lane;
	j->flow = f;
	j->dir = f->pipe.dir;
	j->is_postgres = strcmp(f->proto->name, "postgres") == 0;
	j->is_opaque_allowed = f->env.is_opaque_allowed;
	login_init(&j->login);
	f->upstream.dialling = j;
	f->upstream.is_replication = d->replication != NULL;
	start_dial(f, j, d);
	return ERR_HELD;
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
	if (u->dialling)
		u->dialling->flow = NULL;
	if (u->waiting)
		u->waiting->flow = NULL;
	cancelling_done(f);
	cancels_del(p->cancels, u->cancel);
	catalog_unref(u->catalog);
	catalog_slot_unref(p->catalogs, u->slot);
	*u = (struct upstream){0};
}
