/* The transport of one end of a flow: plain, or TLS (tls.h). Nothing above knows which. */
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/loop.h"

struct flow;
struct flow_end;

/* What a read that had to wait waits for. */
enum io_wait { IO_WAITS_READ, IO_WAITS_WRITE, IO_WAITS_OTHER };

struct io_ops {
	/* Bytes read; 0: end of stream; a negative errno (-EAGAIN: none now). */
	ssize_t (*read)(struct flow_end *e, void *p, size_t n);
	/* Bytes taken of p, or a negative errno. */
	ssize_t (*write)(struct flow_end *e, const void *p, size_t n);
	/* Nothing more will be written. */
	void (*shut)(struct flow_end *e);
	/* Closes; is_reset: so that the peer sees a reset, not an end. */
	void (*close)(struct flow_end *e, bool is_reset);
	/* The rest is of transports with a state of their own; NULL: none. */
	enum io_wait (*waits)(const struct flow_end *e);
	/* There is something to read that the socket does not tell of. */
	bool (*is_primed)(const struct flow_end *e);
	/* Why read or write failed, for people; "" if the errno says all. */
	const char *(*why)(const struct flow_end *e);
};

struct flow_end {
	struct source source; /* fd -1: not there (yet) */
	struct flow *flow;
	const struct io_ops *io;
	void *io_ctx;
	struct buf in;	/* unread by the module */
	struct buf out; /* not yet written */
	bool is_eof;	/* the peer will send nothing more */
	bool is_shut;	/* we shall send nothing more */
	uint64_t bytes_in;
};

extern const struct io_ops io_plain;
/* io_ctx is a struct tls (upstream/tls.h), which close frees. */
extern const struct io_ops io_tls;
/* A UDP exchange: io_ctx is a struct datagram, which close frees. Each 2-byte-length-framed message
 * that is written becomes one datagram to the peer. */
extern const struct io_ops io_datagram;
struct datagram;
/* fd is borrowed: the listener's. NULL: out of memory. */
struct datagram *datagram_new(int fd, const struct sockaddr_storage *peer, socklen_t peer_len);
void datagram_free(struct datagram *d);

/* Writes what is queued, until it would block. 0 or a negative errno. */
must_check int end_flush(struct flow_end *e);
/* Plain ends: writes lent before what is queued. What it cannot write, or fails to, is queued, in front. */
void end_lend(struct flow_end *e, struct span lent);
