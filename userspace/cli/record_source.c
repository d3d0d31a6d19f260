#include "cli/record_source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/macro.h"
#include "cli/api.h"
#include "cli/cli.h"
#include "record/checkpoint.h"
#include "record/query/query.h"

/* Hands the lines on, and keeps back the one that says that the answer is not whole. */
struct lines {
	record_line on_line;
	void *ctx;
	bool is_cut;
};

static int take_line(void *ctx, const char *line, size_t len)
{
	static const char mark[] = "{\"error\":";
	struct lines *l = ctx;
	if (len < sizeof(mark) - 1 || memcmp(line, mark, sizeof(mark) - 1) != 0) {
		return l->on_line(l->ctx, line, len);
	}
	json_t *j = json_loadb(line, len, 0, NULL);
	const char *why = json_string_value(json_object_get(j, "error"));
	cli_error("the answer is not whole: %s", why ? why : "an error");
	json_decref(j);
	l->is_cut = true;
	return 0;
}

/* --- a store's folder ---------------------------------------------------------------------------
 */

static int write_line(void *ctx, struct span line)
{
	FILE *f = ctx;
	struct pollfd p = {.fd = fileno(f)};
	if (line.len == 0) /* is anybody there? Whoever follows waits for what is in the buffer */
		return fflush(f) || poll(&p, 1, 0) > 0 ? -EPIPE : 0;
	return fwrite(line.p, 1, line.len, f) == line.len ? 0 : -EPIPE;
}

/* LMDB trusts the files that it maps, and a copy may come from anybody: what it does to the process
 * that reads it stays in that process. */
static int read_store(const char *store, const char *key, const struct query *q, int fd)
{
	FILE *f = fdopen(fd, "w");
	struct query_source source = {.path = store, .key_file = key};
	struct query_sink sink = {.line = write_line, .ctx = f};
	signal(SIGPIPE, SIG_IGN);
	int r = f ? query_answer(q, &source, &sink) : -errno;
	bool is_said = f && fflush(f) == 0; /* also why it went wrong */
	return r < 0 || !is_said;
}

static int pump_lines(int fd, struct lines *l)
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
		while (r == 0 && buf_len(&b) && (end = memchr(buf_span(&b).p, '\n', buf_len(&b)))) {
			size_t len = (size_t)(end - buf_span(&b).p);
			r = take_line(l, (const char *)buf_span(&b).p, len);
			buf_consume(&b, len + 1);
		}
		if (r)
			break;
	}
	buf_done(&b);
	return r;
}

/* The key to verify with, or NULL: said where that is worth a word. */
static const char *key_of(const struct record_source *s, char beside[PATH_MAX])
{
	uint8_t key[KEY_LEN];
	if (s->key)
		return s->key;
	snprintf(beside, PATH_MAX, "%s/../keys/node.pub", s->store);
	return key_read(beside, key) == 0 ? beside : NULL;
}

static int fork_reader(const struct record_source *s, const struct query *q, const char *key,
		       pid_t *ret_pid)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	fflush(NULL);
	*ret_pid = fork();
	if (*ret_pid == 0) {
		close(ends[0]);
		_exit(read_store(s->store, key, q, ends[1]));
	}
	int err = *ret_pid < 0 ? -errno : 0;
	close(ends[1]);
	if (err < 0)
		close(ends[0]);
	return err < 0 ? err : ends[0];
}

static int ask_store(const struct record_source *s, const json_t *question, struct lines *l)
{
	uint8_t key[KEY_LEN];
	char beside[PATH_MAX];
	struct query *q = NULL;
	pid_t pid = -1;
	int status = 0, r = query_read(question, &q);
	if (r == 0 && s->key && (r = key_read(s->key, key)) < 0) {
		cli_error("%s: no Ed25519 public key (PEM), and no fingerprint of one (64 hex digits): %s", s->key,
			  err_text(r));
		r = ERR_CONFIG;
	}
	if (r < 0) {
		query_free(q);
		return r;
	}
	const char *name = key_of(s, beside);
	/* Whoever rewrites a store can sign it anew with a key of their own. */
	if (!name && !s->is_key_named && !strcmp(json_string_value(json_object_get(question, "kind")), "verify"))
		fputs("note: signatures are checked with the key that the store itself names; "
		      "--key FINGERPRINT or FILE names the node's (keys/node.pub)\n",
		      stderr);
	int fd = fork_reader(s, q, name, &pid);
	query_free(q);
	if (fd < 0) {
		cli_error("%s: %s", s->store, err_text(fd));
		return fd;
	}
	r = pump_lines(fd, l);
	close(fd);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status)) {
		cli_error("%s: the file is damaged: reading it ended with signal %d", s->store,
			  WTERMSIG(status));
		return ERR_VERIFY;
	}
	return r;
}

/* --- the daemon ---------------------------------------------------------------------------------
 */

static int ask_daemon(const char *kind, const json_t *question, struct lines *l)
{
	struct buf path;
	const char *key;
	json_t *value;
	buf_init(&path, 4096);
	buf_printf(&path, "/v1/%s", kind);
	json_object_foreach((json_t *)question, key, value) if (strcmp(key, "kind"))
	    api_add_query(&path, key, json_string_value(value));
	buf_add_u8(&path, 0);
	int r = buf_err(&path);
	if (r == 0)
		r = api_get((const char *)buf_span(&path).p, take_line, l);
	buf_done(&path);
	return r;
}

int record_ask(const struct record_source *s, const char *kind, const json_t *filters,
	       record_line on_line, void *ctx)
{
	struct lines l = {.on_line = on_line, .ctx = ctx};
	json_t *question = json_pack("{s:s}", "kind", kind), *value;
	const char *key;
	json_object_foreach((json_t *)filters, key, value) if (json_is_string(value))
	    json_object_set(question, key, value);
	int r = s->store ? ask_store(s, question, &l) : ask_daemon(kind, question, &l);
	json_decref(question);
	return r == 0 && l.is_cut ? ERR_VERIFY : r;
}
