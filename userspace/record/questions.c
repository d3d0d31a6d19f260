#include "record/questions.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/log.h"
#include "base/macro.h"
#include "base/msg.h"
#include "config.h"
#include "record/query.h"

#define AT_ONCE 16

struct questions {
	struct store *store; /* the threads only walk it: each walk has its own transaction */
	char *public_pem;
	_Atomic int n_running;
};

struct question {
	struct questions *all;
	json_t *json;
	int fd;
};

static char *read_public(const struct config *cfg)
{
	char path[4096];
	char *pem = NULL;
	size_t len;
	snprintf(path, sizeof(path), "%s/keys/node.pub", cfg->state_dir);
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fd_read_all(fd, 4096, &pem, &len) < 0)
		log_warn("%s cannot be read: signatures will not be checked by the daemon", path);
	return pem;
}

int questions_new(struct store *store, const struct config *cfg, struct questions **ret_q)
{
	struct questions *q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	q->store = store;
	q->public_pem = read_public(cfg);
	*ret_q = q;
	return 0;
}

void questions_free(struct questions *q)
{
	if (!q)
		return;
	while (atomic_load(&q->n_running))
		usleep(10000);
	free(q->public_pem);
	free(q);
}

static void *answer(void *arg)
{
	struct question *a = arg;
	int r = query_answer(a->all->store, a->json, a->all->public_pem, a->fd);
	if (r < 0)
		log_warn("a question about the record was not answered: %s", err_text(r));
	closep(&a->fd);
	json_decref(a->json);
	atomic_fetch_sub(&a->all->n_running, 1);
	free(a);
	return NULL;
}

void questions_ask(struct questions *q, json_t *question, int fd)
{
	struct question *a = calloc(1, sizeof(*a));
	pthread_attr_t attr;
	pthread_t thread;
	if (!a || atomic_fetch_add(&q->n_running, 1) >= AT_ONCE) {
		if (a)
			atomic_fetch_sub(&q->n_running, 1);
		free(a);
		closep(&fd);
		return;
	}
	*a = (struct question){q, json_deep_copy(question), fd};
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attr, answer, a)) {
		atomic_fetch_sub(&q->n_running, 1);
		json_decref(a->json);
		closep(&a->fd);
		free(a);
	}
	pthread_attr_destroy(&attr);
}
