#include "control/fetches.h"

#include <errno.h>

#include "base/macro.h"
#include "control/control_internal.h"

void fetches_init(struct fetches *f)
{
	*f = (struct fetches){0};
	pthread_mutex_init(&f->lock, NULL);
}

/* Any of them may be a secret. */
static void free_text(const char *s)
{
	if (s)
		explicit_bzero((char *)s, strlen(s));
	free((char *)s);
}

static void job_free(struct fetch_job *j)
{
	struct fetch *r = &j->request;
	free_text(r->url);
	free_text(r->ca_file);
	free_text(r->body);
	free_text(r->type);
	free_text(r->user);
	free_text(r->password);
	for (size_t i = 0; i < FETCH_HEADERS_MAX; i++)
		free_text(r->headers[i]);
	free_text(j->text);
	free(j);
}

static bool copy(const char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return !from || *to;
}

static struct fetch_job *job_new(struct control *c, const struct fetch *from)
{
	struct fetch_job *j = calloc(1, sizeof(*j));
	if (!j)
		return NULL;
	struct fetch *to = &j->request;
	j->c = c;
	to->timeout_ms = from->timeout_ms;
	to->limit = from->limit;
	bool ok = copy(&to->url, from->url) && copy(&to->ca_file, from->ca_file) &&
		  copy(&to->body, from->body) && copy(&to->type, from->type) &&
		  copy(&to->user, from->user) && copy(&to->password, from->password);
	for (size_t i = 0; ok && i < FETCH_HEADERS_MAX; i++)
		ok = copy(&to->headers[i], from->headers[i]);
	if (ok)
		return j;
	job_free(j);
	return NULL;
}

static void *job_main(void *arg)
{
	struct fetch_job *j = arg;
	struct fetches *f = &j->c->fetches;
	j->err = fetch_url(&j->request, &j->status, &j->text, &j->len, j->why, sizeof(j->why));
	pthread_mutex_lock(&f->lock);
	j->next = f->done;
	f->done = j;
	pthread_mutex_unlock(&f->lock);
	loop_wake(j->c->loop);
	return NULL;
}

int fetch_start(struct control *c, const struct fetch *request,
		void (*on_done)(struct fetch_job *j), void *ctx)
{
	pthread_attr_t attr;
	pthread_t thread;
	if (c->fetches.n >= FETCHES_MAX)
		return ERR_LIMIT;
	struct fetch_job *j = job_new(c, request);
	if (!j)
		return -ENOMEM;
	j->on_done = on_done;
	j->ctx = ctx;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	int r = -pthread_create(&thread, &attr, job_main, j);
	pthread_attr_destroy(&attr);
	if (r < 0)
		job_free(j);
	else
		c->fetches.n++;
	return r;
}

void fetches_arrived(struct control *c)
{
	struct fetches *f = &c->fetches;
	pthread_mutex_lock(&f->lock);
	struct fetch_job *done = TAKE(f->done);
	pthread_mutex_unlock(&f->lock);
	for (struct fetch_job *next; done; done = next) {
		next = done->next;
		f->n--;
		done->on_done(done);
		job_free(done);
	}
}
