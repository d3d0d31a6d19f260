#include "cli/record_source.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/macro.h"
#include "base/msg.h"
#include "cli/api.h"
#include "cli/cli.h"
#include "record/query.h"

struct reading {
	struct store *store;
	json_t *question;
	char *public_pem;
	int fd, result;
};

static void *read_store(void *arg)
{
	struct reading *r = arg;
	r->result = query_answer(r->store, r->question, r->public_pem, r->fd);
	closep(&r->fd);
	return NULL;
}

/* Lines of any length up to the API's limit. */
static int pump_lines(int fd, record_line on_line, void *ctx)
{
	struct buf b;
	int r = 0;
	buf_init(&b, API_LINE_MAX);
	for (;;) {
		uint8_t *room = buf_reserve(&b, 65536);
		ssize_t n = room ? read(fd, room, 65536) : -1;
		if (n <= 0) {
			r = !room ? ERR_LIMIT : n < 0 ? -errno : 0;
			break;
		}
		buf_commit(&b, (size_t)n);
		const uint8_t *end;
		while (buf_len(&b) && (end = memchr(buf_span(&b).p, '\n', buf_len(&b)))) {
			size_t len = (size_t)(end - buf_span(&b).p);
			on_line(ctx, (const char *)buf_span(&b).p, len);
			buf_consume(&b, len + 1);
		}
	}
	buf_done(&b);
	return r;
}

static char *read_key(const struct record_source *s)
{
	char beside[4096];
	char *pem = NULL;
	size_t len;
	snprintf(beside, sizeof(beside), "%s/../keys/node.pub", s->store);
	const char *path = s->key ? s->key : beside;
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fd_read_all(fd, 4096, &pem, &len) < 0)
		cli_error("%s: cannot be read, so signatures are not checked; --key names the node's public key", path);
	return pem;
}

static int ask_store(const struct record_source *s, const char *kind, json_t *question, record_line on_line, void *ctx)
{
	struct reading r = {.question = question};
	char why[512];
	int fds[2], e = store_open_read(s->store, &r.store, why, sizeof(why));
	pthread_t thread;
	if (e < 0) {
		cli_error("%s", why);
		return e;
	}
	if (!strcmp(kind, "verify"))
		r.public_pem = read_key(s);
	e = pipe2(fds, O_CLOEXEC) < 0 ? -errno : 0;
	r.fd = fds[1];
	if (e == 0)
		e = -pthread_create(&thread, NULL, read_store, &r);
	if (e == 0) {
		e = pump_lines(fds[0], on_line, ctx);
		closep(&fds[0]);
		pthread_join(thread, NULL);
		e = e < 0 ? e : r.result;
	}
	if (e < 0)
		cli_error("%s: %s", s->store, err_text(e));
	store_close(r.store);
	free(r.public_pem);
	return e;
}

static int ask_daemon(const char *kind, const json_t *question, record_line on_line, void *ctx)
{
	struct buf path;
	const char *key;
	json_t *value;
	buf_init(&path, 4096);
	buf_printf(&path, "/v1/%s", kind);
	json_object_foreach((json_t *)question, key, value)
		if (strcmp(key, "kind"))
			api_add_query(&path, key, json_string_value(value));
	buf_add_u8(&path, 0);
	int r = buf_err(&path);
	if (r == 0)
		r = api_get((const char *)buf_span(&path).p, on_line, ctx);
	buf_done(&path);
	return r;
}

int record_ask(const struct record_source *s, const char *kind, const json_t *filters, record_line on_line, void *ctx)
{
	json_t *question = json_pack("{s:s}", "kind", kind), *value;
	const char *key;
	json_object_foreach((json_t *)filters, key, value)
		if (json_is_string(value))
			json_object_set(question, key, value);
	int r = s->store ? ask_store(s, kind, question, on_line, ctx) : ask_daemon(kind, question, on_line, ctx);
	json_decref(question);
	return r;
}
