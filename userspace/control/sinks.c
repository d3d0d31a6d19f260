#include "control/sinks.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/macro.h"
#include "control/sink_send.h"

#define LINES	      256
#define LINE_SIZE     1024
#define RETRY_MIN_S   1
#define RETRY_MAX_S   60

struct sink {
	struct sinks *all;
	struct sink_target target;
	pthread_t thread;
	uint64_t next; /* the line that it takes next, counted from the first ever */
	bool is_failing;
};

struct sinks {
	pthread_mutex_t mutex; /* of all below, and of next */
	pthread_cond_t changed;
	char lines[LINES][LINE_SIZE];
	uint64_t n; /* lines ever */
	bool is_stopping;
	int n_sinks;
	struct sink sinks[CONFIG_LIST_MAX];
};

/* The next line, if there is one now or, unless it all ends, later. With the mutex held. */
static bool take_line(struct sink *s, char out[LINE_SIZE])
{
	struct sinks *all = s->all;
	while (s->next == all->n && !all->is_stopping)
		pthread_cond_wait(&all->changed, &all->mutex);
	if (s->next == all->n)
		return false;
	if (all->n - s->next > LINES) {
		log_warn("the sink %s took nothing for so long that %llu checkpoints are dropped", s->target.url,
			 (unsigned long long)(all->n - LINES - s->next));
		s->next = all->n - LINES;
	}
	memcpy(out, all->lines[s->next % LINES], LINE_SIZE);
	return true;
}

/* With the mutex held. */
static void wait_retry(struct sink *s, int seconds)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += seconds;
	while (!s->all->is_stopping &&
	       pthread_cond_timedwait(&s->all->changed, &s->all->mutex, &until) != ETIMEDOUT)
		;
}

static void say(struct sink *s, int err, const char *why)
{
	if (err < 0 && !s->is_failing)
		log_warn("the sink %s takes no checkpoints: %s; trying again", s->target.url, why);
	else if (err == 0 && s->is_failing)
		log_info("the sink %s takes checkpoints again", s->target.url);
	s->is_failing = err < 0;
}

static void *sink_main(void *arg)
{
	struct sink *s = arg;
	char line[LINE_SIZE], why[300];
	int retry_s = RETRY_MIN_S;
	pthread_mutex_lock(&s->all->mutex);
	while (take_line(s, line)) {
		uint64_t at = s->next;
		pthread_mutex_unlock(&s->all->mutex);
		int err = sink_send(&s->target, line, why, sizeof(why));
		say(s, err, why);
		pthread_mutex_lock(&s->all->mutex);
		if (err == 0)
			s->next = at + 1;
		else if (s->all->is_stopping)
			break;
		else
			wait_retry(s, retry_s);
		retry_s = err == 0 ? RETRY_MIN_S : MIN(2 * retry_s, RETRY_MAX_S);
	}
	pthread_mutex_unlock(&s->all->mutex);
	sink_target_done(&s->target);
	return NULL;
}

static int start_all(struct sinks *s, const struct config *cfg, char *why, size_t why_size)
{
	sigset_t all, old;
	int r = 0;
	sigfillset(&all);
	for (int i = 0; i < cfg->n_audit_sinks && r == 0; i++) {
		struct sink *k = &s->sinks[i];
		k->all = s;
		r = sink_target_read(cfg->audit_sinks[i], cfg, &k->target, why, why_size);
		if (r < 0)
			break;
		pthread_sigmask(SIG_SETMASK, &all, &old);
		r = -pthread_create(&k->thread, NULL, sink_main, k);
		pthread_sigmask(SIG_SETMASK, &old, NULL);
		s->n_sinks += r == 0;
		if (r < 0)
			snprintf(why, why_size, "%s", err_text(r));
	}
	return r;
}

int sinks_start(const struct config *cfg, struct sinks **ret_s, char *ret_why, size_t why_size)
{
	pthread_condattr_t monotonic;
	*ret_s = NULL;
	if (!cfg->n_audit_sinks)
		return 0;
	struct sinks *s = calloc(1, sizeof(*s));
	if (!s) {
		snprintf(ret_why, why_size, "%s", err_text(-ENOMEM));
		return -ENOMEM;
	}
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&s->mutex, NULL);
	pthread_cond_init(&s->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	int r = start_all(s, cfg, ret_why, why_size);
	if (r < 0)
		sinks_stop(s);
	else
		*ret_s = s;
	return r;
}

void sinks_put(struct sinks *s, const char *line)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->mutex);
	snprintf(s->lines[s->n % LINES], LINE_SIZE, "%s", line);
	s->n++;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->mutex);
}

void sinks_stop(struct sinks *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->mutex);
	s->is_stopping = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->mutex);
	for (int i = 0; i < s->n_sinks; i++)
		pthread_join(s->sinks[i].thread, NULL);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->mutex);
	free(s);
}
