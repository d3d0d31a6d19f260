#include "flow/cancels.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/clock.h"

#define BUCKETS	 1024
#define EVERY_NS (200 * NS_PER_MS) /* one session may be cancelled this often */

struct cancel_entry {
	struct cancel_entry *next;
	uint32_t pid, key;
	uint64_t cgroup_id, last_ns;
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

struct cancel_entry *cancels_add(struct cancels *c, uint64_t cgroup_id, const struct addr *peer,
				 uint32_t real_pid, uint32_t real_key)
{
	uint32_t random[2];
	struct cancel_entry *e = calloc(1, sizeof(*e));
	if (!e || getrandom(random, sizeof(random), 0) != sizeof(random)) {
		free(e);
		return NULL;
	}
	e->pid = random[0] & 0x7fffffff; /* drivers hold it in a signed integer */
	e->key = random[1];
	e->cgroup_id = cgroup_id;
	e->target = (struct cancel_target){*peer, real_pid, real_key};
	pthread_mutex_lock(&c->mutex);
	e->next = c->buckets[e->pid % BUCKETS];
	c->buckets[e->pid % BUCKETS] = e;
	pthread_mutex_unlock(&c->mutex);
	return e;
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
	free(e);
}

uint32_t cancel_pid(const struct cancel_entry *e)
{
	return e->pid;
}

uint32_t cancel_key(const struct cancel_entry *e)
{
	return e->key;
}

void cancel_target(const struct cancel_entry *e, struct cancel_target *ret)
{
	*ret = e->target;
}

int cancels_find(struct cancels *c, uint32_t pid, uint32_t key, uint64_t cgroup_id, uint64_t now_ns,
		 struct cancel_target *ret)
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
		*ret = e->target;
	}
	pthread_mutex_unlock(&c->mutex);
	return err;
}
