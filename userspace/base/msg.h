/* Messages between our own processes: one JSON object and up to MSG_FDS descriptors each, over a
 * SOCK_SEQPACKET pair. Large contents (a policy) go as a sealed memfd. Every receiver treats the
 * sender as hostile: sizes are limited, JSON has a depth limit and no duplicate keys. */
#pragma once

#include <jansson.h>
#include <pthread.h>

#include "base/err.h"

#define MSG_MAX (60 * 1024)
#define MSG_FDS 16

struct msg {
	json_t *json;	  /* owned */
	int fds[MSG_FDS]; /* owned, close-on-exec */
	int n_fds;
};

void msg_done(struct msg *m);
/* Takes descriptor i out of the message. -1 if there is none. */
int msg_take_fd(struct msg *m, int i);
/* A socket pair, close-on-exec, blocking. */
must_check int msg_pair(int ret_fds[2]);
/* json is borrowed (not stolen). 0; -EAGAIN on a full non-blocking socket; ERR_LIMIT. */
must_check int msg_send(int fd, const json_t *json, const int *fds, int n_fds);
/* 0; ERR_CLOSED; -EAGAIN; ERR_MALFORMED, ERR_LIMIT (then the peer must be ended). */
must_check int msg_recv(int fd, struct msg *ret_msg);
/* Sends, then waits for the one answer. For channels where nobody else receives. */
must_check int msg_call(int fd, const json_t *json, const int *fds, int n_fds, struct msg *ret_msg);

/* A channel on which several threads call, one at a time. */
struct msg_line {
	int fd; /* the owner's */
	pthread_mutex_t mutex;
};

/* As msg_call, without descriptors. */
must_check int msg_line_call(struct msg_line *l, const json_t *json, struct msg *ret_msg);
/* A sealed memfd that holds the bytes; and the reverse, at most limit bytes, NUL-terminated. */
must_check int memfd_of(const void *p, size_t len, int *ret_fd);
must_check int memfd_read(int fd, size_t limit, char **ret_text, size_t *ret_len);
/* Any descriptor's content from where it stands to its end, at most limit bytes (ERR_LIMIT above).
 */
must_check int fd_read_all(int fd, size_t limit, char **ret_text, size_t *ret_len);
