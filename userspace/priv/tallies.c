/* What the kernel counted of a workload that has ended, on record as session.kernel: once its last connection is over,
 * which may take a moment longer than its processes. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "priv/monitor_internal.h"

#define WAIT_NS (5 * NS_PER_SEC)

/* One that ended. */
struct tally_due {
	struct tally_due *next;
	char *session;
	json_t *state;
	uint64_t cgroup_id, since_ns;
	uint32_t generation;
};

static void due_free(struct tally_due *d)
{
	free(d->session);
	json_decref(d->state);
	free(d);
}

/* Is there nothing to wait for any more? */
static bool is_over(struct monitor *m, const struct tally_due *d, struct kernel_tally *ret_t, int *ret_err)
{
	*ret_err = kernel_tally(m->kernel, d->cgroup_id, d->generation, ret_t);
	return *ret_err < 0 || ret_t->opened == ret_t->closed || clock_mono_ns() - d->since_ns > WAIT_NS;
}

void tallies_write(struct monitor *m, bool is_last)
{
	struct kernel_tally t;
	int err;
	for (struct tally_due **at = &m->tallies, *d; (d = *at);) {
		if (!is_over(m, d, &t, &err) && !is_last) {
			at = &d->next;
			continue;
		}
		if (err == 0)
			record_tally(m, d->session, d->state, &t);
		kernel_tally_forget(m->kernel, d->cgroup_id, d->generation);
		*at = d->next;
		due_free(d);
	}
}

void tallies_ended(void *ctx, const struct workload *l)
{
	struct monitor *m = ctx;
	struct tally_due *d = calloc(1, sizeof(*d));
	if (!d || !(d->session = strdup(l->session))) {
		free(d);
		log_warn("session %s: what the kernel counted of it is not recorded", l->session);
		return;
	}
	d->state = json_incref(l->state);
	d->cgroup_id = l->cgroup_id;
	d->generation = l->generation;
	d->since_ns = clock_mono_ns();
	d->next = m->tallies;
	m->tallies = d;
	tallies_write(m, false);
}
