#include "flow/cancels.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/clock.h"
#include "flow/flow.h"
#include "flow/lane.h"
#include "upstream/tls_client.h"

#define BUCKETS	 1024
#define EVERY_NS (200 * NS_PER_MS) /* one session may be cancelled this often */

struct cancel_entry {
	struct cancel_entry *next;
	int refs; /* the table's mutex */
	uint32_t pid, key;
	uint64_t cgroup_id, last_ns;
	struct lane *lane;
	struct flow *flow; /* written in its lane only */
	struct cancel_target target;
};

struct cancels {
	pthread_mutex_t mutex;
	struct cancel_entry *buckets[BUCKETS];
};

int cancels_new(struct cancels **ret_c)
{
	struct cancels *c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	pthread_mutex_init(&c->mutex, NULL);
	*ret_c = c;
	return 0;
}

void cancels_free(struct cancels *c)
{
	if (!c)
		return;
	pthread_mutex_destroy(&c->mutex);
	free(c);
}

void cancel_target_done(struct cancel_target *t)
{
	tls_client_unref(t->client);
	*t = (struct cancel_target){0};
}

struct cancel_entry *cancels_add(struct cancels *c, struct flow *f,
				 const struct cancel_target *real)
{
	struct cancel_entry *e = calloc(1, sizeof(*e));
	if (!e || getrandom(&e->key, sizeof(e->key), 0) != sizeof(e->key)) {
		free(e);
		return NULL;
	}
	e->refs = 1;
	e->pid = real->pid; /* two servers may use the same: the key tells them apart */
	e->cgroup_id = f->session->cgroup_id;
	e->lane = f->lane;
	e->flow = f;
	e->target = *real;
	tls_client_ref(e->target.client);
	pthread_mutex_lock(&c->mutex);
	e->next = c->buckets[e->pid % BUCKETS];
	c->buckets[e->pid % BUCKETS] = e;
	pthread_mutex_unlock(&c->mutex);
	return e;
}

struct cancel_entry *cancel_entry_ref(struct cancels *c, struct cancel_entry *e)
{
	pthread_mutex_lock(&c->mutex);
	e->refs++;
	pthread_mutex_unlock(&c->mutex);
	return e;
}

void cancel_entry_unref(struct cancels *c, struct cancel_entry *e)
{
	pthread_mutex_lock(&c->mutex);
	bool is_last = --e->refs == 0;
	pthread_mutex_unlock(&c->mutex);
	if (!is_last)
		return;
	cancel_target_done(&e->target);
	free(e);
}

void cancels_del(struct cancels *c, struct cancel_entry *e)
{
	if (!e)
		return;
	pthread_mutex_lock(&c->mutex);
	struct cancel_entry **at = &c->buckets[e->pid % BUCKETS];
	while (*at && *at != e)
		at = &(*at)->next;
	if (*at)
		*at = e->next;
	pthread_mutex_unlock(&c->mutex);
	e->flow = NULL;
	cancel_entry_unref(c, e);
}

uint32_t cancel_pid(const struct cancel_entry *e)
{
	return e->pid;
}

uint32_t cancel_key(const struct cancel_entry *e)
{
	return e->key;
}

struct lane *cancel_lane(const struct cancel_entry *e)
{
	return e->lane;
}

struct flow *cancel_flow(const struct cancel_entry *e)
{
	return e->flow;
}

void cancel_target(const struct cancel_entry *e, struct cancel_target *ret)
{
	*ret = e->target;
	tls_client_ref(ret->client);
}

int cancels_find(struct cancels *c, uint32_t pid, uint32_t key, uint64_t cgroup_id, uint64_t now_ns,
		 struct cancel_entry **ret)
{
	int err = ERR_NOT_FOUND;
	pthread_mutex_lock(&c->mutex);
	for (struct cancel_entry *e = c->buckets[pid % BUCKETS]; e && err == ERR_NOT_FOUND;
	     e = e->next) {
		if (e->pid != pid || e->key != key || e->cgroup_id != cgroup_id)
			continue;
		err = e->last_ns && now_ns - e->last_ns < EVERY_NS ? ERR_LIMIT : 0;
		if (err)
			break;
		e->last_ns = now_ns;
		e->refs++;
		*ret = e;
	}
	pthread_mutex_unlock(&c->mutex);
	return err;
}
