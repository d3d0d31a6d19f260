/* Questions about the record, each answered by a thread of its own with its own read transactions.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>

#include "base/log.h"
#include "base/macro.h"
#include "base/msg.h"
#include "record/query/query.h"
#include "record/recorder/internal.h"

#define OUT_SIZE   65536
#define STALL_MS   100
#define STALLS_MAX 600 /* a reader that takes nothing for a minute is given up */

struct question {
	struct recorder *r;
	struct query *query;
	struct buf out;
	int fd;
};

static bool is_stopped(void *ctx)
{
	const struct question *q = ctx;
	return atomic_load(&q->r->queries_stop);
}

static struct segment *live_segment(void *ctx)
{
	const struct question *q = ctx;
	return store_live(q->r->store);
}

static void question_free(struct question *q)
{
	query_free(q->query);
	buf_done(&q->out);
	closep(&q->fd);
	free(q);
}

static int wait_for_room(struct question *q, int *stalls)
{
	struct pollfd p = {.fd = q->fd, .events = POLLOUT};
	int n = poll(&p, 1, STALL_MS);
	if (is_stopped(q))
		return -ECANCELED;
	if (n > 0 && p.revents & (POLLERR | POLLHUP))
		return -EPIPE;
	*stalls = n > 0 ? 0 : *stalls + 1;
	return *stalls > STALLS_MAX ? -EPIPE : 0;
}

static int flush(struct question *q)
{
	int stalls = 0, err = 0;
	while (buf_len(&q->out) && err == 0) {
		ssize_t n = write(q->fd, buf_span(&q->out).p, buf_len(&q->out));
		if (n > 0)
			buf_consume(&q->out, (size_t)n);
		else if (errno == EAGAIN)
			err = wait_for_room(q, &stalls);
		else
			err = -errno;
	}
	return err;
}

static int put_line(void *ctx, struct span line)
{
	struct question *q = ctx;
	struct pollfd p = {.fd = q->fd};
	buf_add_span(&q->out, line);
	if (buf_err(&q->out))
		return buf_err(&q->out);
	if (line.len == 0 && poll(&p, 1, 0) > 0)
		return -EPIPE;
	return line.len == 0 || buf_len(&q->out) >= OUT_SIZE ? flush(q) : 0;
}

static void *answer_main(void *arg)
{
	struct question *q = arg;
	struct recorder *r = q->r;
	char pub[PATH_MAX];
	snprintf(pub, sizeof(pub), "%s/keys/node.pub", r->cfg->state_dir);
	struct query_source source = {.path = store_path(r->store),
				      .key_file = pub,
				      .live = live_segment,
				      .is_stopped = is_stopped,
				      .ctx = q};
	struct query_sink sink = {.line = put_line, .ctx = q};
	int err = query_answer(q->query, &source, &sink);
	if (flush(q) < 0)
		err = -EPIPE;
	if (err < 0 && err != -EPIPE && err != -ECANCELED)
		log_warn("a question about the record was not answered whole: %s", err_text(err));
	question_free(q);
	atomic_fetch_sub(&r->n_queries, 1);
	return NULL;
}

static int start_answer(struct recorder *r, struct question *q)
{
	pthread_t thread;
	pthread_attr_t attr;
	atomic_fetch_add(&r->n_queries, 1);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	int err = -pthread_create(&thread, &attr, answer_main, q);
	pthread_attr_destroy(&attr);
	if (err < 0)
		atomic_fetch_sub(&r->n_queries, 1);
	return err;
}

/* Whoever asked is told why there is no answer. */
static void refuse(struct question *q, int err)
{
	struct query_sink sink = {.line = put_line, .ctx = q};
	if (q->fd >= 0) {
		query_error(&sink, err);
		if (flush(q) < 0)
			log_debug("nobody waits for why a question is refused");
	}
	question_free(q);
}

static int on_query(struct recorder *r, struct msg *m)
{
	struct question *q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	q->r = r;
	q->fd = msg_take_fd(m, 0);
	buf_init(&q->out, 4 * OUT_SIZE + RING_EVENT_MAX);
	int err = q->fd < 0 ? ERR_MALFORMED : query_read(m->json, &q->query);
	if (err == 0 && fcntl(q->fd, F_SETFL, fcntl(q->fd, F_GETFL) | O_NONBLOCK) < 0)
		err = -errno;
	if (err == 0 && !r->store)
		err = ERR_RECORD;
	if (err == 0 && atomic_load(&r->n_queries) >= QUERIES_MAX)
		err = ERR_LIMIT;
	if (err == 0) {
		catch_up(r); /* what was accepted before the question is in the answer */
		err = start_answer(r, q);
	}
	if (err < 0)
		refuse(q, err);
	return err;
}

bool on_peer(struct recorder *r, int fd)
{
	struct msg m;
	int err = msg_recv(fd, &m);
	if (err < 0)
		return err == -EAGAIN;
	const char *t = json_string_value(json_object_get(m.json, "t"));
	err = t && !strcmp(t, "query") ? on_query(r, &m) : ERR_MALFORMED;
	msg_done(&m);
	if (err < 0)
		log_warn("a question about the record is refused: %s", err_text(err));
	return true;
}

void queries_end(struct recorder *r)
{
	atomic_store(&r->queries_stop, true);
	while (atomic_load(&r->n_queries) > 0)
		usleep(10 * 1000);
}
