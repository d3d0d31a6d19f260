#include "cli/token_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/msg.h"
#include "cli/cli.h"
#include "identity/identity.h"

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* ret_mode: of the file. */
static int read_quietly(const char *path, struct buf *ret, mode_t *ret_mode)
{
	struct stat st;
	char *text = NULL;
	size_t len = 0;
	/* Not blocking: a FIFO nobody writes to would hang us. */
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	int r = fd_read_all(fd, TOKEN_MAX + 2, &text, &len);
	if (r < 0)
		return r;
	struct span s = span_of(text, len);
	while (s.len && is_space(s.p[s.len - 1]))
		s.len--;
	while (s.len && is_space(s.p[0]))
		s = span_of(s.p + 1, s.len - 1);
	if (s.len == 0)
		r = ERR_NOT_FOUND;
	buf_init(ret, TOKEN_MAX + 3);
	buf_add_span(ret, s);
	buf_add_u8(ret, 0);
	r = r < 0 ? r : buf_err(ret);
	explicit_bzero(text, len);
	free(text);
	if (r < 0)
		buf_wipe(ret);
	*ret_mode = st.st_mode;
	return r;
}

int token_file_read(const char *path, struct buf *ret)
{
	mode_t mode = 0;
	int r = read_quietly(path, ret, &mode);
	if (r < 0) {
		cli_error("cannot read the token in %s: %s", path,
			  r == ERR_NOT_FOUND ? "the file is empty" : err_text(r));
		if (r == -ENOENT)
			cli_remedy("as root: sluice token mint --sub NAME --groups GROUP -o %s", path);
		else if (r == -EACCES)
			cli_remedy("it must be yours: sluice token mint ... -o FILE --user %s",
				   getenv("USER") ? getenv("USER") : "YOU");
		else if (r == ERR_LIMIT)
			cli_remedy("a token has at most %d bytes: is this the right file?", TOKEN_MAX);
		return r;
	}
	if (S_ISREG(mode) && (mode & 077))
		cli_error("warning: others may read the token in %s (mode %04o): chmod 600 it", path,
			  mode & 07777);
	return 0;
}

static int watch_folder(const char *path)
{
	_cleanup_(freep) char *folder = strdup(path);
	if (!folder)
		return -1;
	char *slash = strrchr(folder, '/');
	if (slash)
		slash[slash == folder] = 0;
	_cleanup_(closep) int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (fd < 0 || inotify_add_watch(fd, slash ? folder : ".", IN_MOVED_TO | IN_CLOSE_WRITE | IN_CREATE) < 0)
		return -1;
	return TAKE_FD(fd);
}

void token_watch_init(struct token_watch *w, const char *path, struct span seen)
{
	*w = (struct token_watch){.fd = watch_folder(path), .path = path};
	buf_init(&w->last, TOKEN_MAX + 1);
	buf_add_span(&w->last, seen);
}

void token_watch_done(struct token_watch *w)
{
	closep(&w->fd);
	buf_wipe(&w->last);
}

void token_watch_drain(struct token_watch *w)
{
	char events[4096];
	while (read(w->fd, events, sizeof(events)) > 0)
		;
}

int token_watch_check(const struct token_watch *w, struct buf *ret)
{
	mode_t mode;
	struct buf b;
	/* Gone or half-written: the next event tells. */
	if (read_quietly(w->path, &b, &mode) < 0)
		return 0;
	if (span_eq(span_of(buf_span(&b).p, buf_len(&b) - 1), buf_span(&w->last))) {
		buf_wipe(&b);
		return 0;
	}
	*ret = b;
	return 1;
}

void token_watch_seen(struct token_watch *w, struct span token)
{
	buf_wipe(&w->last);
	buf_add_span(&w->last, token);
}
