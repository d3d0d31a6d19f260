#include "flow/status.h"

#include <errno.h>

#include "base/jw.h"
#include "base/macro.h"
#include "base/msg.h"
#include "flow/proxy.h"
#include "flow/registry.h"

#define STATUS_MAX (16 * 1024 * 1024)

#define N(counter) ((json_int_t)atomic_load(&(counter)))

static void add_session(void *ctx, const struct session *s)
{
	struct session_counts *c = s->counts;
	json_object_set_new(ctx, s->who.session,
			    json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "flows",
				      N(c->open_flows), "flows_total", N(c->flows), "ops",
				      N(c->ops), "denied", N(c->denied), "asked", N(c->asked),
				      "masked", N(c->masked), "observed", N(c->observed), "refused",
				      N(c->refused)));
}

/* ret_ops: of them all together, which outlast the sessions. */
static json_t *resources_json(struct proxy *p, json_int_t *ret_ops)
{
	json_t *all = json_object();
	*ret_ops = N(p->other_ops);
	pthread_mutex_lock(&p->counts_mutex);
	for (struct resource_counts *c = p->counts; c; c = c->next) {
		*ret_ops += N(c->ops);
		json_object_set_new(all, c->name,
				    json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "flows", N(c->open_flows),
					      "flows_total", N(c->flows), "ops", N(c->ops),
					      "denied", N(c->denied), "masked", N(c->masked),
					      "masked_values", N(c->masked_values)));
	}
	pthread_mutex_unlock(&p->counts_mutex);
	return all;
}

int status_memfd(struct proxy *p, int *ret_fd)
{
	json_int_t ops;
	json_t *sessions = json_object(), *resources = resources_json(p, &ops);
	registry_each(p->registry, add_session, sessions);
	json_t *j = json_pack("{s:I, s:I, s:I, s:i, s:o, s:o}", "flows", N(p->n_flows),
			      "flows_total", N(p->total_flows), "ops", ops, "loops", p->n_lanes,
			      "sessions", sessions, "resources", resources);
	_cleanup_(freep) char *text = j ? json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	json_decref(j);
	if (!text)
		return -ENOMEM;
	size_t len = strlen(text);
	return len > STATUS_MAX ? ERR_LIMIT : memfd_of(text, len, ret_fd);
}
