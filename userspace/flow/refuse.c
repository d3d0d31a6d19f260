#include "flow/refuse.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/macro.h"
#include "flow/flow.h"
#include "flow/lane.h"
#include "flow/proxy.h"
#include "flow/wire.h"
#include "record/event.h"

#define FOLD_NS (5 * NS_PER_SEC)

/* The first refusal of a kind is recorded at once; repeats within FOLD_NS are counted here. */
struct refusal {
	struct session *session; /* NULL: empty slot, or a refusal without an identity (is_used) */
	bool is_used;
	char proto[8], name[256], reason[160];
	struct flow_info info;
	uint64_t count, first_ns;
	uint64_t accepted; /* of these, connections that were taken first; what they carried */
	struct wire wire;
};

static void write_event(struct lane *l, struct refusal *r, uint64_t count)
{
	struct event_ctx c = {.node = l->proxy->cfg->node,
			      .who = r->session ? &r->session->who : NULL,
			      .time_ns = clock_real_ns()};
	struct process_label p = {
	    .pid = r->info.pid, .uid = r->info.uid, .comm = r->info.comm, .exe = r->info.exe};
	struct turned_away t = {.proto = r->proto, .reason = r->reason, .dst = &r->info.dst, .by = &p,
				.count = count, .accepted = r->accepted, .cgroup_id = r->info.cgroup_id,
				.wire_up = r->wire.up, .wire_down = r->wire.down};
	if (r->accepted)
		event_turned_away(&l->journal.event, &c, &t);
	else
		event_refused(&l->journal.event, &c, r->proto, &r->info.dst, r->name[0] ? r->name : NULL,
			      &p, r->reason, count);
	journal_note(&l->journal);
	r->accepted = 0;
	r->wire = (struct wire){0};
}

static void retire(struct lane *l, struct refusal *r)
{
	if (r->is_used && r->count)
		write_event(l, r, r->count);
	session_unref(r->session);
	*r = (struct refusal){0};
}

static bool is_same(const struct refusal *r, const struct session *s, const char *proto,
		    const struct flow_info *info, const char *name)
{
	return r->is_used && r->session == s && !strcmp(r->proto, proto) &&
	       (s || r->info.cgroup_id == info->cgroup_id) && !strcmp(r->name, name) &&
	       addr_eq(&r->info.dst, &info->dst) &&
	       !strcmp(r->info.exe, info->exe);
}

static struct refusal *slot_for(struct lane *l, const struct session *s, const char *proto,
				const struct flow_info *info, const char *name)
{
	struct refusal *oldest = &l->folds[0];
	for (int i = 0; i < LANE_FOLDS; i++) {
		struct refusal *r = &l->folds[i];
		if (is_same(r, s, proto, info, name))
			return r;
		if (!r->is_used || r->first_ns < oldest->first_ns)
			oldest = r;
	}
	retire(l, oldest);
	return oldest;
}

static void refuse(struct lane *l, const struct session *s, const char *proto, const struct flow_info *info,
		   const char *name, const char *reason, const struct wire *w)
{
	struct refusal *r = slot_for(l, s, proto, info, name ? name : "");
	if (w) {
		r->accepted++;
		r->wire.up += w->up;
		r->wire.down += w->down;
	}
	if (s)
		atomic_fetch_add_explicit(&s->counts->refused, 1, memory_order_relaxed);
	if (r->is_used) {
		r->count++;
		return;
	}
	r->is_used = true;
	r->session = s ? session_ref((struct session *)s) : NULL;
	r->info = *info;
	r->first_ns = loop_now(l->loop);
	snprintf(r->proto, sizeof(r->proto), "%s", proto);
	snprintf(r->name, sizeof(r->name), "%s", name ? name : "");
	snprintf(r->reason, sizeof(r->reason), "%s", reason);
	write_event(l, r, 1);
}

void refuse_connect(struct lane *l, const struct session *s, const char *proto,
		    const struct flow_info *info, const char *name, const char *reason)
{
	refuse(l, s, proto, info, name, reason, NULL);
}

void refuse_connection(struct lane *l, const struct session *s, const struct flow_info *info, const char *reason,
		       const struct wire *w)
{
	refuse(l, s, "tcp", info, NULL, reason, w);
}

void refuse_name(struct flow *f, const char *name, const char *reason)
{
	refuse_connect(f->lane, f->session, "dns", &f->origin.info, name, reason);
}

void refuse_flush(struct lane *l, uint64_t now_ns)
{
	for (int i = 0; i < LANE_FOLDS; i++)
		if (l->folds[i].is_used && now_ns - l->folds[i].first_ns >= FOLD_NS)
			retire(l, &l->folds[i]);
}

bool refuse_is_search(const struct plan *p, const char *name)
{
	for (int i = 0; i < plan_n_resources(p); i++) {
		const struct resource *r = plan_resource(p, i);
		for (int k = 0; k < r->n_matches; k++) {
			const char *host = r->matches[k].host;
			size_t n = host ? strlen(host) : 0;
			if (n && !strncmp(name, host, n) && name[n] == '.')
				return true;
		}
	}
	return false;
}

struct refusal *refuse_new(void)
{
	return calloc(LANE_FOLDS, sizeof(struct refusal));
}

void refuse_free(struct lane *l)
{
	for (int i = 0; l->folds && i < LANE_FOLDS; i++)
		retire(l, &l->folds[i]);
	free(l->folds);
	l->folds = NULL;
}
