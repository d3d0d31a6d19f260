/* One intercepted connection: two ends, a protocol module between them, an identity, a resource.
 * All of it belongs to one lane (loop thread), from admission to its close. */
#pragma once

#include "base/loop.h"
#include "flow/io.h"
#include "flow/list.h"
#include "flow/pipeline.h"
#include "flow/registry.h"
#include "flow/upstream.h"
#include "kernel/flowmap.h"
#include "policy/policy.h"
#include "proto/proto.h"

struct lane;
struct mint_job;
struct tls;

enum flow_state {
	FLOW_OPENING, /* no upstream yet */
	FLOW_RUNNING,
	FLOW_CLOSING,	/* nothing is fed any more; what was written is flushed */
	FLOW_LINGERING, /* our end is sent; waits for the client to read it and go */
	FLOW_CLOSED,
};

/* Where a flow comes from, and its clock and end. */
struct origin {
	char id[24]; /* "f-..." */
	struct flow_info info;
	char name[256];	       /* the DNS name of the destination, "" if it has none */
	char destination[320]; /* "name:port" or "address:port" */
	uint64_t opened_ns, active_ns, deadline_ns; /* monotonic */
	char reason[200];			    /* why it ends; "" until it does */
	bool is_reset;				    /* the client is to see a reset */
};

struct flow {
	struct list link; /* in its lane */
	struct lane *lane;
	enum flow_state state;
	struct flow_end ends[2]; /* by enum dir: FROM_CLIENT, FROM_SERVER */
	bool is_held[2];
	struct sink sink;
	const struct proto *proto;
	void *module;
	struct proto_env env;
	struct session *session;
	const struct resource *resource; /* of the lane's plan; NULL for DNS */
	struct origin origin;
	struct pipeline pipe;
	struct upstream upstream;
	struct mint_job *minting; /* the certificate for its client, or NULL */
	struct asked *asked;  /* the operation that waits for people, or NULL */
	char login_role[64];  /* granted for a time, and logged in as; "" the workload's own */
	struct deferred freed;
};

#define FLOW_OUT_MAX  (PROTO_BURST_MAX + 4 * 1024 * 1024) /* limit of an output buffer */
#define FLOW_OUT_HIGH (256 * 1024)	     /* above: the other end is neither read nor fed */
#define FLOW_IN_HIGH  (2 * PROTO_UNREAD_MAX) /* above: this end is not read */

/* What an admitted connection is. */
struct flow_plan {
	const struct proto *proto;
	struct session *session;	 /* a reference is taken */
	const struct resource *resource; /* NULL for DNS */
	const struct flow_info *info;
	const char *name;	   /* or NULL */
	int client_fd;		   /* owned on success; -1 with a datagram */
	struct datagram *datagram; /* owned on success, or NULL */
};

/* Makes it and starts it: its opening is recorded, the module opened. On failure nothing is taken
 * over. The flow may have ended already when this returns. -ENOMEM, ERR_RECORD, ... */
must_check int flow_start(struct lane *lane, const struct flow_plan *p);
/* Offers a datagram as if it had been read from the client. */
void flow_offer(struct flow *f, struct span length, struct span message);

/* Gives a held module what it waits for, in the direction that it was held in, and goes on. */
void flow_resume(struct flow *f, enum dir d, const struct resume *r);
/* Feeds what is unread, writes what can be written, decides what to wait for. */
void flow_step(struct flow *f);

/* Tells the client something while it waits: asks.c. */
void flow_notice(struct flow *f, const char *text, const char *hint);

/* Ends a flow in order: what was written reaches the client first. The first reason counts. */
void flow_finish(struct flow *f, const char *reason);
/* The same, told to the client in the protocol's words; what runs upstream is cancelled. */
void flow_fail(struct flow *f, const char *sqlstate, const char *reason);
/* Ends a flow at once: the one place where flows die. */
void flow_close(struct flow *f, const char *reason);
/* The upstream is there (before the module is told). */
void flow_running(struct flow *f);
/* Its connection: owned from now on. leftover: bytes that came with it. */
void flow_attach_server(struct flow *f, int fd, struct span leftover);
/* From here on the bytes of this end go through t, which is owned from now on. */
void flow_secure(struct flow *f, enum dir d, struct tls *t);
/* Notes why a flow is about to end, if nothing was noted before. */
void flow_blame(struct flow *f, const char *reason);

/* Timeouts, expiry: called several times a second for each flow. */
void flow_check(struct flow *f, uint64_t now_ns, int64_t now_s);
/* The lane's plan has changed: the resource is looked up again, or the flow ends. */
void flow_replan(struct flow *f);

static inline struct flow *flow_of_sink(struct sink *s)
{
	return container_of(s, struct flow, sink);
}
