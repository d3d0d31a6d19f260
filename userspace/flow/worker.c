#include "flow/worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#define STACK_SIZE (512 * 1024)

struct pool {
	pthread_mutex_t mutex;
	pthread_cond_t has_work;
	struct job *head, **tail;
	int n_queued, max_queued, n_threads;
	bool is_stopping;
	pthread_t threads[];
};

static struct job *next_job(struct pool *p)
{
	pthread_mutex_lock(&p->mutex);
	while (!p->head && !p->is_stopping)
		pthread_cond_wait(&p->has_work, &p->mutex);
	struct job *j = p->head;
	if (j) {
		p->head = j->next;
		p->n_queued--;
		if (!p->head)
			p->tail = &p->head;
	}
	pthread_mutex_unlock(&p->mutex);
	return j;
}

static void *worker_main(void *arg)
{
	for (struct job *j; (j = next_job(arg));)
		j->work(j);
	return NULL;
}

int pool_new(int n_threads, int max_queued, struct pool **ret_p)
{
	struct pool *p = calloc(1, sizeof(*p) + (size_t)n_threads * sizeof(pthread_t));
	pthread_attr_t attr;
	if (!p)
		return -ENOMEM;
	pthread_mutex_init(&p->mutex, NULL);
	pthread_cond_init(&p->has_work, NULL);
	p->tail = &p->head;
	p->max_queued = max_queued;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	int err = 0;
	while (p->n_threads < n_threads && !err) {
		err = pthread_create(&p->threads[p->n_threads], &attr, worker_main, p);
		p->n_threads += !err;
	}
	pthread_attr_destroy(&attr);
	if (err) {
		pool_free(p);
		return -err;
	}
	*ret_p = p;
	return 0;
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->mutex);
	p->is_stopping = true;
	pthread_cond_broadcast(&p->has_work);
	pthread_mutex_unlock(&p->mutex);
	for (int i = 0; i < p->n_threads; i++)
		pthread_join(p->threads[i], NULL);
	pthread_cond_destroy(&p->has_work);
	pthread_mutex_destroy(&p->mutex);
	free(p);
}

int pool_submit(struct pool *p, struct job *j)
{
	int err = 0;
	pthread_mutex_lock(&p->mutex);
	if (p->n_queued >= p->max_queued || p->is_stopping) {
		err = ERR_FULL;
	} else {
		j->next = NULL;
		*p->tail = j;
		p->tail = &j->next;
		p->n_queued++;
		pthread_cond_signal(&p->has_work);
	}
	pthread_mutex_unlock(&p->mutex);
	return err;
}
