/* Connections of the admin API: accept, read one request, answer it, close. Bounded in number, size and
 * time. */
#pragma once

#include <jansson.h>
#include <sys/types.h>

#include "base/loop.h"
#include "control/http.h"

#define SERVER_CONNS_MAX 128
#define SERVER_UID_MAX	 32 /* of one uid, root excepted */
#define PEER_GROUPS_MAX	 64
#define CONN_OUT_MAX	 (8 * 1024 * 1024)
#define CONN_OUT_HIGH	 (256 * 1024) /* a stream waits above this */
#define CONN_READ_MS	 10000
#define CONN_ANSWER_MS	 60000
#define CONN_STALL_MS	 60000

struct control;
struct conn;

struct server {
	struct control *c;
	struct loop *loop;
	struct source listen;
	void (*on_request)(struct conn *conn, const struct http_request *r);
	/* Asked for each newcomer once half of the room is taken; false: it is turned away. May be NULL. */
	bool (*may_stay)(struct conn *conn);
	struct conn *first;
	int n_conns;
	bool is_local; /* a Unix socket: peers have credentials */
};

/* Who is at the other end. From the kernel, at the time of connect. */
struct peer_cred {
	pid_t pid;
	uid_t uid;
	gid_t gid;
	int pidfd; /* -1: none */
	gid_t groups[PEER_GROUPS_MAX];
	int n_groups;
};

/* Whoever answers later keeps one: conn becomes NULL when the client goes away. */
struct conn_hold {
	struct conn *conn;
	void (*on_gone)(struct conn_hold *h); /* may be NULL */
};

struct conn {
	struct conn *next;
	struct server *server;
	struct control *c;
	struct source source;
	struct timer deadline;
	struct deferred free_later;
	struct peer_cred peer;
	char from[64]; /* of the console: the client's address; "" on the Unix socket */
	struct buf in, out;
	struct buf more; /* header lines of the answer */
	struct conn_hold *hold;
	void (*on_drained)(struct conn *conn); /* of a stream: there is room again */
	bool is_inside; /* it comes from a workload: on the one route that takes that */
	bool has_request, is_streaming, is_ended, is_closed;
};

/* fd: a listening socket, borrowed; -1: nothing is served. */
must_check int server_start(struct server *s, struct control *c, struct loop *l, int fd);
/* A connection that the console terminated: fd is taken, from is the client's address. */
void server_adopt(struct server *s, int fd, const char *from);
void server_stop(struct server *s);

void conn_hold(struct conn *conn, struct conn_hold *h);
void conn_release(struct conn_hold *h);
/* Is the process that connected still there, and still the one that connected? */
bool conn_peer_lives(const struct conn *conn);

/* A line for the head of the answer to come, without its end. */
void conn_head_add(struct conn *conn, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Answers, once. Steals json. */
void conn_answer(struct conn *conn, int status, json_t *json);
void conn_answer_text(struct conn *conn, int status, const char *type, struct span text);
/* {"error": ..., "remedy": ...}; remedy may be NULL. */
void conn_fail(struct conn *conn, int status, const char *remedy, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* A stream of chunks. */
void conn_stream(struct conn *conn, const char *type);
void conn_stream_add(struct conn *conn, struct span data);
bool conn_stream_full(const struct conn *conn);
void conn_stream_end(struct conn *conn, bool is_whole);
