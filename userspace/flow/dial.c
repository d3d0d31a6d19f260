#include "flow/dial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "flow/cancels.h"
#include "flow/flow.h"
#include "flow/lane.h"
#include "flow/proxy.h"
#include "flow/refuse.h"
#include "flow/target.h"
#include "flow/worker.h"
#include "policy/login.h"
#include "sql/catalog.h"
#include "upstream/catalogs.h"
#include "upstream/login.h"
#include "upstream/startup_packet.h"
#include "upstream/tls_client.h"

enum dial_stage {
	STAGE_ALL,     /* connect, log in, read the catalogue */
	STAGE_CONNECT, /* connect: the client is to log in itself */
	STAGE_CATALOG, /* it has: the catalogue */
};

/* Done by a worker, then handed back to its lane. flow is touched in the lane only. Of a client's
 * own login it stays with the flow between its two stages. */
struct dial_job {
	struct job job;
	struct mail mail;
	struct lane *lane;
	struct flow *flow; /* NULL: it has gone meanwhile */
	enum dir dir;
	enum dial_stage stage;
	bool is_postgres, is_opaque_allowed;
	struct target target;
	struct login login;
	struct buf startup; /* STAGE_CONNECT: the packet to begin with */
	struct catalog_slot *slot;
};

static void dial_free(struct dial_job *j)
{
	catalog_slot_unref(j->lane->proxy->catalogs, j->slot);
	login_done(&j->login);
	arena_done(&j->target.arena);
	buf_done(&j->startup);
	free(j);
}

static void read_catalog(struct dial_job *j)
{
	struct proxy *p = j->lane->proxy;
	char why[WHY_MAX];
	int err = catalogs_slot(p->catalogs, &j->target, &j->slot);
	snprintf(why, sizeof(why), "%s", err ? err_text(err) : "");
	if (!err)
		err = catalogs_load(p->catalogs, j->slot, 0, why);
	if (!err || j->is_opaque_allowed)
		return;
	j->login.err = err;
	strcpy(j->login.sqlstate, "58000");
	snprintf(j->login.why, sizeof(j->login.why), "%s", why);
}

static int reach(struct dial_job *j)
{
	struct proxy *p = j->lane->proxy;
	uint64_t deadline = clock_mono_ns() + (uint64_t)p->cfg->login_timeout_ms * NS_PER_MS;
	if (!j->is_postgres)
		return login_connect(&j->target, deadline, &j->login);
	return j->stage == STAGE_CONNECT
		   ? login_reach(&p->monitor, &j->target, deadline, &j->login)
		   : login_postgres(&p->monitor, &j->target, deadline, &j->login);
}

static void dial_work(struct job *job)
{
	struct dial_job *j = container_of(job, struct dial_job, job);
	int err = j->stage == STAGE_CATALOG ? 0 : reach(j);
	if (!err && j->is_postgres && !j->target.replication && j->stage != STAGE_CONNECT)
		read_catalog(j);
	if (j->login.err)
		log_warn("resource %s: %s", j->target.resource, j->login.why);
	lane_post(j->lane, &j->mail);
}

static void add_cancel(struct flow *f, struct login *l)
{
	struct cancel_target real = {l->peer, l->pid, l->key, l->client};
	f->upstream.cancel = cancels_add(f->lane->proxy->cancels, f, &real);
	if (!f->upstream.cancel)
		l->err = -ENOMEM;
}

static void attach(struct flow *f, struct login *l)
{
	if (l->fd < 0)
		return; /* it is there since the first stage */
	bool has_tls = l->tls != NULL;
	flow_attach_server(f, TAKE_FD(l->fd), buf_span(&l->leftover));
	if (has_tls)
		flow_secure(f, FROM_SERVER, TAKE(l->tls));
}

/* Takes over what the worker brought; fills in what the module is told. */
static void take_login(struct flow *f, struct dial_job *j, struct dialled *d)
{
	struct upstream *u = &f->upstream;
	struct login *l = &j->login;
	bool is_session = j->is_postgres && j->stage != STAGE_CONNECT;
	d->is_tls = l->tls != NULL;
	d->is_verified = d->is_tls && tls_client_is_verified(l->client);
	if (!d->is_tls && j->stage != STAGE_CATALOG)
		tls_client_unref(TAKE(l->client)); /* the server has none, which may be */
	if (!l->err && is_session)
		add_cancel(f, l);
	d->err = l->err;
	d->reason = l->err ? l->why : NULL;
	d->sqlstate = l->err ? l->sqlstate : NULL;
	if (l->err)
		return;
	attach(f, l);
	if (j->stage == STAGE_CONNECT) {
		d->startup = buf_span(&j->startup);
		return;
	}
	flow_running(f);
	if (!is_session)
		return;
	if (j->slot)
		upstream_read_by(f, TAKE(j->slot));
	d->greeting = buf_span(&l->greeting);
	d->cancel_pid = cancel_pid(u->cancel);
	d->cancel_key = cancel_key(u->cancel);
	d->search_path = u->catalog ? catalog_search_path(u->catalog) : NULL;
}

static void blame(struct flow *f, const char *why)
{
	flow_blame(f, why);
	refuse_connect(f->lane, f->session, "tcp", &f->origin.info, f->origin.name, why);
}

static void dial_arrived(struct mail *m, struct lane *lane)
{
	struct dial_job *j = container_of(m, struct dial_job, mail);
	struct flow *f = j->flow;
	struct dialled d = {0};
	(void)lane;
	if (!f || f->state >= FLOW_CLOSING) {
		if (f)
			f->upstream.dialling = NULL;
		dial_free(j);
		return;
	}
	f->upstream.dialling = NULL;
	take_login(f, j, &d);
	if (d.err)
		blame(f, d.reason);
	bool is_kept = !d.err && j->stage == STAGE_CONNECT;
	if (is_kept)
		f->upstream.entering = j;
	flow_resume(f, j->dir, &(struct resume){.kind = RESUME_DIALLED, .dialled = &d});
	if (!is_kept)
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

static void submit(struct dial_job *j)
{
	if (pool_submit(j->lane->proxy->pool, &j->job) < 0)
		refuse_dial(j, ERR_FULL, "53300", "too many logins are waiting");
}

static void start(struct flow *f, struct dial_job *j, const struct dial *d)
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
	} else if (j->stage == STAGE_CONNECT && startup_packet(&j->target, &j->startup) < 0) {
		refuse_dial(j, ERR_LIMIT, "53400", "the startup parameters are too long");
	} else {
		submit(j);
	}
}

int dial_start(struct flow *f, const struct dial *d)
{
	if (f->state != FLOW_OPENING || f->upstream.dialling || f->upstream.entering ||
	    !f->resource)
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
	j->stage = login_is_clients(f->resource->login) ? STAGE_CONNECT : STAGE_ALL;
	j->is_opaque_allowed = f->env.is_opaque_allowed;
	login_init(&j->login);
	buf_init(&j->startup, STARTUP_PACKET_MAX);
	f->upstream.dialling = j;
	f->upstream.is_replication = d->replication != NULL;
	start(f, j, d);
	return ERR_HELD;
}

int dial_entered(struct flow *f, const struct entered *e)
{
	struct dial_job *j = f->upstream.entering;
	if (e->why) {
		blame(f, e->why);
		return 0;
	}
	if (!j)
		return ERR_STATE;
	f->upstream.entering = NULL;
	f->upstream.dialling = j;
	j->stage = STAGE_CATALOG;
	j->dir = f->pipe.dir;
	j->login.pid = e->pid;
	j->login.key = e->key;
	/* The catalogue is the gateway's own reading, with the eyes of who has come in. */
	j->target.user = NULL;
	if (e->user)
		target_act_as(&j->target, e->user);
	if (arena_failed(&j->target.arena))
		refuse_dial(j, ERR_LIMIT, "53400", "the names of this login are too long");
	else
		submit(j);
	return ERR_HELD;
}

bool dial_is_private(const struct flow *f)
{
	return f->upstream.entering != NULL;
}

void dial_done(struct flow *f)
{
	if (f->upstream.dialling)
		f->upstream.dialling->flow = NULL;
	if (f->upstream.entering)
		dial_free(f->upstream.entering);
	f->upstream.dialling = f->upstream.entering = NULL;
}
