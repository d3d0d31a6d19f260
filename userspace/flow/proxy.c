#include "flow/proxy.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/log.h"
#include "base/macro.h"
#include "flow/asks.h"
#include "flow/cancels.h"
#include "flow/tls_server.h"
#include "upstream/catalogs.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/estimate.h"
#include "flow/grants.h"
#include "flow/listener.h"
#include "upstream/login.h"
#include "flow/names.h"
#include "flow/registry.h"
#include "flow/worker.h"
#include "policy/policy.h"

#define WORKERS	   12
#define QUEUED_MAX 4096
#define REFRESH_MS 30000
#define OUTBOX_MS  200

static int make_parts(struct proxy *p)
{
	int err = pool_new(WORKERS, QUEUED_MAX, &p->pool);
	if (!err)
		err = pool_new(1, ESTIMATES_MAX, &p->estimates);
	if (!err)
		err = registry_new(&p->registry);
	if (!err)
		err = names_new(p->env->dest_map_fd, &p->names);
	if (!err)
		err = catalogs_new(&p->monitor, &p->catalogs);
	if (!err)
		err = cancels_new(&p->cancels);
	if (!err)
		err = leaves_new(p, &p->leaves);
	return err ? err : loop_new(&p->loop);
}

static int make_lanes(struct proxy *p)
{
	p->lanes = calloc((size_t)p->env->n_rings, sizeof(*p->lanes));
	if (!p->lanes)
		return -ENOMEM;
	for (int i = 0; i < p->env->n_rings; i++) {
		int err = lane_init(&p->lanes[i], p, i);
		p->n_lanes = i + 1;
		if (err)
			return err;
	}
	for (int i = 0; i < p->n_lanes; i++) {
		int err = lane_start(&p->lanes[i]);
		if (err)
			return err;
	}
	return 0;
}

static void on_refresh(struct timer *t)
{
	struct proxy *p = container_of(t, struct proxy, refresh);
	names_refresh(p->names, p->pool);
	if (loop_timer_in_ms(p->loop, t, REFRESH_MS) < 0)
		log_error("declared names are no longer refreshed");
}

static void on_wake(void *ctx)
{
	asks_flush(ctx);
}

static void on_outbox(struct timer *t)
{
	struct proxy *p = container_of(t, struct proxy, outbox_retry);
	asks_flush(p);
	if (loop_timer_in_ms(p->loop, t, OUTBOX_MS) < 0)
		loop_stop(p->loop);
}

int proxy_init(struct proxy *p, const struct config *cfg, const struct child_env *env)
{
	*p = (struct proxy){.cfg = cfg, .env = env, .spare_fd = -1};
	if (env->n_rings < 1 || env->n_rings > MAX_LOOPS)
		return ERR_CONFIG;
	p->monitor.fd = env->call_fd;
	pthread_mutex_init(&p->monitor.mutex, NULL);
	pthread_mutex_init(&p->counts_mutex, NULL);
	pthread_mutex_init(&p->grants_mutex, NULL);
	p->outbox_tail = &p->outbox;
	timer_init(&p->outbox_retry, on_outbox);
	timer_init(&p->refresh, on_refresh);
	p->notify.fd = p->control.fd = -1;
	p->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int err = make_parts(p);
	if (!err)
		loop_on_wake(p->loop, on_wake, p);
	if (!err)
		err = loop_timer_in_ms(p->loop, &p->outbox_retry, OUTBOX_MS);
	return err ? err : make_lanes(p);
}

/* Lanes end first: workers may still post to their inboxes, which stay until the pool has ended. */
void proxy_done(struct proxy *p)
{
	listener_del_all(p);
	for (int i = 0; i < p->n_lanes; i++)
		if (p->lanes[i].thread)
			lane_stop(&p->lanes[i]);
	pool_free(p->pool);
	atomic_store(&p->is_stopping, true);
	pool_free(p->estimates);
	for (int i = 0; i < p->n_lanes; i++)
		lane_done(&p->lanes[i]);
	free(p->lanes);
	names_free(p->names);
	catalogs_free(p->catalogs);
	cancels_free(p->cancels);
	leaves_free(p->leaves);
	registry_free(p->registry);
	plan_unref(p->plan);
	grants_replace(p, NULL);
	asks_flush(p); /* nobody listens any more: frees what waits */
	while (p->counts) {
		struct resource_counts *c = p->counts;
		p->counts = c->next;
		free(c);
	}
	loop_free(p->loop);
	closep(&p->spare_fd);
}

struct lane *proxy_idlest(struct proxy *p)
{
	struct lane *best = &p->lanes[0];
	for (int i = 1; i < p->n_lanes; i++)
		if (atomic_load(&p->lanes[i].n_flows) < atomic_load(&best->n_flows))
			best = &p->lanes[i];
	return best;
}

struct resource_counts *proxy_counts(struct proxy *p, const char *resource)
{
	pthread_mutex_lock(&p->counts_mutex);
	struct resource_counts *c = p->counts;
	while (c && strcmp(c->name, resource))
		c = c->next;
	if (!c) {
		c = calloc(1, sizeof(*c) + strlen(resource) + 1);
		if (c) {
			strcpy(c->name, resource);
			c->next = p->counts;
			p->counts = c;
		}
	}
	pthread_mutex_unlock(&p->counts_mutex);
	return c;
}

/* What every lane is told by mail: a plan, or something about a session. */
struct news {
	struct mail mail;
	struct plan *plan;
	struct session *session;
	const char *sqlstate; /* the session ends */
	char text[6], reason[160];
};

static void news_free(struct news *n)
{
	plan_unref(n->plan);
	session_unref(n->session);
	free(n);
}

static void on_plan(struct mail *m, struct lane *l)
{
	struct news *n = container_of(m, struct news, mail);
	struct plan *old = l->plan;
	l->plan = TAKE(n->plan);
	l->n_plans++;
	list_each(at, &l->flows) flow_replan(container_of(at, struct flow, link));
	plan_unref(old);
	news_free(n);
}

static void on_session(struct mail *m, struct lane *l)
{
	struct news *n = container_of(m, struct news, mail);
	list_each(at, &l->flows)
	{
		struct flow *f = container_of(at, struct flow, link);
		if (strcmp(f->session->who.session, n->session->who.session))
			continue;
		if (n->sqlstate) {
			flow_fail(f, n->sqlstate, n->reason);
			continue;
		}
		bool has_role = !strcmp(f->session->who.role, n->session->who.role);
		session_unref(f->session);
		f->session = session_ref(n->session);
		pipeline_know(f);
		if (!has_role) /* it is logged in as the former one */
			flow_fail(f, "57P01", "the role of this workload has changed");
	}
	news_free(n);
}

static void tell_lanes(struct proxy *p, const struct news *like)
{
	for (int i = 0; i < p->n_lanes; i++) {
		struct news *n = malloc(sizeof(*n));
		if (!n)
			abort(); /* a revocation that is not heard is worse than a restart */
		*n = *like;
		n->plan = like->plan ? plan_ref(like->plan) : NULL;
		n->session = like->session ? session_ref(like->session) : NULL;
		n->sqlstate = like->sqlstate ? n->text : NULL;
		lane_post(&p->lanes[i], &n->mail);
	}
}

void proxy_set_plan(struct proxy *p, struct plan *plan)
{
	struct plan *old = p->plan;
	p->plan = plan_ref(plan);
	tell_lanes(p, &(struct news){.mail.run = on_plan, .plan = plan});
	names_set_plan(p->names, plan);
	plan_unref(old);
	if (loop_timer_in_ms(p->loop, &p->refresh, 0) < 0)
		log_error("declared names are not resolved: out of memory");
}

int proxy_session_put(struct proxy *p, const struct session *like)
{
	struct session *s = NULL;
	int err = registry_put(p->registry, like, &s);
	if (err)
		return err;
	tell_lanes(p, &(struct news){.mail.run = on_session, .session = s});
	session_unref(s);
	return 0;
}

int proxy_session_end(struct proxy *p, const char *id, const char *sqlstate, const char *reason)
{
	struct session *s = NULL;
	struct news n = {.mail.run = on_session, .sqlstate = sqlstate};
	int err = registry_remove(p->registry, id, &s);
	if (err)
		return err;
	n.session = s;
	snprintf(n.text, sizeof(n.text), "%s", sqlstate);
	snprintf(n.reason, sizeof(n.reason), "%s", reason);
	tell_lanes(p, &n);
	session_unref(s);
	return 0;
}

static void allow_descriptors(void)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		return;
	r.rlim_cur = r.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &r) < 0)
		log_warn("descriptors: %s", err_text(-errno));
}

int proxy_main(const struct config *cfg, const struct child_env *env)
{
	struct proxy p;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN); /* of the terminal: the monitor says when to stop */
	allow_descriptors();
	login_scrub_environment();
	int err = proxy_init(&p, cfg, env);
	if (!err)
		err = channel_start(&p);
	if (!err) {
		log_info("%d loops", p.n_lanes);
		err = loop_run(p.loop);
	}
	if (err)
		log_error("the proxy ends: %s", err_text(err));
	channel_stop(&p);
	proxy_done(&p);
	return err != 0;
}
