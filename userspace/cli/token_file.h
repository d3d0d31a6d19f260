/* A token in a file: read, and watched for a newer one. The token itself never goes into an argument,
 * an environment or a message. */
#pragma once

#include "base/buf.h"

/* Without white space around it. 0, or negative after saying on stderr what is wrong. Warns if others may
 * read the file. ret: at most TOKEN_MAX bytes and a NUL; end it with buf_wipe. */
must_check int token_file_read(const char *path, struct buf *ret);

/* Tells when the file may have been replaced: by a rename over it, by writing, or by the symbolic link
 * swap of a Kubernetes volume. */
struct token_watch {
	int fd; /* poll for reading; -1: there is none, ask by time only */
	const char *path;
	struct buf last; /* what was seen last */
};

/* seen: what was read at first (copied). Never fails: without inotify fd is -1. */
void token_watch_init(struct token_watch *w, const char *path, struct span seen);
void token_watch_done(struct token_watch *w);
/* Empties fd. */
void token_watch_drain(struct token_watch *w);
/* 1: the file holds another token than last, now in *ret (buf_wipe it); 0: no. Quiet. */
int token_watch_check(const struct token_watch *w, struct buf *ret);
/* This one is dealt with: do not tell of it again. */
void token_watch_seen(struct token_watch *w, struct span token);
